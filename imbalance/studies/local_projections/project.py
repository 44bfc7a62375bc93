"""Local projections: the response at each horizon by its own regression, on data with gaps.

Responses to the shocks of a vector autoregression of the same order, with standard errors that do
not rely on it, and the test whether the two agree. No rows of tables here.

Sources: Jordà 2005; Plagborg-Møller and Wolf 2021 (what both estimate); Montiel Olea and
Plagborg-Møller 2021 (lag augmentation); Lütkepohl 2005, section 3.7. Checked against the R package
lpirfs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.covariance import leverage, long_run_variance, newey_west_bandwidth
from imbalance.studies.impulse_response import moving_average
from imbalance.studies.vector_autoregression import (
    CollinearError,
    TooFewBarsError,
    VectorAutoregression,
)

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]
Errors = Literal["hac", "lag_augmented"]

_WORST_CONDITION = 1e12
_ALONE = 1.0 - 1e-9
"""Leverage from which a bar's residual is zero whatever happens."""

_DRAWS = 10_000
"""Of the largest absolute value of correlated normal variables, for the joint test."""


@dataclass(frozen=True)
class Projection:
    """Responses at one horizon, in the units of the data."""

    horizon: int
    coefficients: Matrix
    """K × K, of what is there at t in the equations of t + h: [response, impulse]."""
    rows: NDArray[np.intp]
    """t of the bars used."""
    shock: Matrix
    """n × K: y_t less what its past (and the constant) says of it."""
    residuals: Matrix
    """n × K, of the equations of t + h."""
    leverages: Vector
    """n, of the whole design."""


def project(data: Matrix, lag: int, horizon: int, where: Mask | None = None) -> Projection:
    """Regress y_{t+h} on a constant, y_t and its lags.

    Parameters
    ----------
    data : T × K on a regular grid; a row with NaN is a gap: no regression reaches over it.
    lag : lags beside y_t: p − 1 for the regression that a system of order p implies, p for the
        lag-augmented one.
    horizon : h.
    where : bars t to use, such as those of a regime; None for all.

    Raises
    ------
    TooFewBarsError : if there are not more usable bars than coefficients, or if one of them is
        determined by a single bar.
    CollinearError : if the regressors are linearly dependent.
    """
    complete = np.isfinite(data).all(axis=1)
    running = np.concatenate([[0], np.cumsum(complete)])
    reach = lag + horizon + 1
    whole = running[reach:] - running[:-reach] == reach
    rows = np.flatnonzero(whole) + lag
    if where is not None:
        rows = rows[where[rows]]
    k = data.shape[1]
    count = 1 + k * (lag + 1)
    if len(rows) <= count:
        raise TooFewBarsError(f"{len(rows)} rows for {count} coefficients")
    past = np.column_stack([np.ones(len(rows)), *(data[rows - i] for i in range(1, lag + 1))])
    design = np.column_stack([past, data[rows]])
    gram = design.T @ design
    scale = np.sqrt(np.diagonal(gram))
    if not (scale > 0.0).all() or np.linalg.cond(gram / np.outer(scale, scale)) > _WORST_CONDITION:
        raise CollinearError("the regressors are linearly dependent")
    inverse = np.linalg.inv(gram / np.outer(scale, scale)) / np.outer(scale, scale)
    target = data[rows + horizon]
    beta = inverse @ (design.T @ target)
    leverages = leverage(design, inverse)
    if leverages.max() > _ALONE:
        raise TooFewBarsError("a coefficient rests on one bar alone")
    before = past.shape[1]
    known = np.linalg.solve(gram[:before, :before], gram[:before, before:])
    return Projection(
        horizon, beta[before:].T, rows, data[rows] - past @ known, target - design @ beta,
        leverages,
    )


def bandwidth(scores: Matrix, horizon: int) -> int:
    """Bartlett lags: the choice of Newey and West 1994, and at least the horizon.

    The errors of h bars ahead overlap, so that their scores are correlated up to lag h − 1.
    """
    return max(horizon, int(newey_west_bandwidth(scores)))


def influence(projection: Projection, impulse: Vector) -> Matrix:
    """What each bar adds to the estimated responses to an impulse: bars × K, on `rows`.

    Notes
    -----
    The coefficients are Y'ε̃(ε̃'ε̃)⁻¹, ε̃ the shocks of t; a bar adds û_{t+h} ε̃_t'(ε̃'ε̃)⁻¹d.
    """
    gram = projection.shock.T @ projection.shock
    weight = projection.shock @ np.linalg.solve(gram, impulse)
    return projection.residuals * weight[:, None]


def standard_errors(
    projection: Projection, impulse: Vector, kind: Errors, lags: int | None = None
) -> Vector:
    """Standard errors of the K responses to an impulse, which is taken as known.

    Parameters
    ----------
    projection : of the horizon; for `lag_augmented` with one lag more than the system has.
    impulse : K-vector d; the responses are `coefficients @ impulse`.
    kind : `hac` (Bartlett; no product reaches over a gap as if it were not there), or
        `lag_augmented` (HC3: with one lag too many the scores are not autocorrelated).
    lags : of the Bartlett kernel; None for `bandwidth`.
    """
    effects = influence(projection, impulse)
    if kind == "lag_augmented":
        return np.sqrt(np.square(effects / (1.0 - projection.leverages)[:, None]).sum(axis=0))
    on_grid = _on_grid(effects, projection.rows)
    found = np.empty(effects.shape[1])
    for number in range(effects.shape[1]):
        column = on_grid[:, number : number + 1]
        reach = bandwidth(column, projection.horizon) if lags is None else lags
        variance = long_run_variance(column, bandwidth=reach)
        found[number] = np.sqrt(variance.matrix[0, 0] * variance.n)
    return found


def cumulative_errors(projections: list[Projection], impulse: Vector) -> Matrix:
    """HAC standard errors of the running sums of responses over horizons 1 … H: H × K.

    What a bar adds to a sum is the sum of what it adds to its terms, over the bars that all
    horizons have.
    """
    rows = projections[-1].rows
    total = np.zeros((len(rows), len(impulse)))
    found = np.empty((len(projections), len(impulse)))
    for number, projection in enumerate(projections):
        total += influence(projection, impulse)[np.searchsorted(projection.rows, rows)]
        on_grid = _on_grid(total, rows)
        for response in range(len(impulse)):
            column = on_grid[:, response : response + 1]
            variance = long_run_variance(column, bandwidth=bandwidth(column, projection.horizon))
            found[number, response] = np.sqrt(variance.matrix[0, 0] * variance.n)
    return found


@dataclass(frozen=True)
class Disagreement:
    """Responses of a vector autoregression less those of local projections, one pair of variables.

    Arrays are over horizons 1 … H.
    """

    difference: Vector
    standard_error: Vector
    statistic: float
    """The largest |difference / standard error|."""
    p_value: float
    """Of the statistic when there is no difference at any horizon."""


def disagreement(
    model: VectorAutoregression,
    projections: list[Projection],
    impulse: Vector,
    response: int,
    seed: int,
) -> Disagreement:
    """Compare the two estimates of one path of responses.

    Parameters
    ----------
    model : the fitted system of order p.
    projections : of the same data and order, horizons 1 … H.
    impulse : K-vector, in the units of the data, the same for both.
    response : number of the variable.
    seed : of the draws behind the joint p-value.

    Notes
    -----
    What a bar adds to the responses of the system is Σ_m Φ_m û_t x_t'(X'X)⁻¹ s_{h−1−m}, s_g =
    (Φ_g d, Φ_{g−1} d, …) beside the constant's 0; less what it adds to the projection, that is a
    series whose long-run variance is that of the difference. Under a correct system of order p both
    estimate the same (Plagborg-Møller and Wolf 2021); where they differ, the response at long
    horizons is not what the short lags imply.
    """
    horizon = projections[-1].horizon
    phi = moving_average(model.coefficients, horizon)
    path = phi @ impulse
    length = len(model.standardised)
    effects = np.full((length, horizon), np.nan)
    system = _system_influence(model, phi, path, response)
    difference = np.empty(horizon)
    for h, projection in enumerate(projections):
        own = influence(projection, impulse)[:, response]
        difference[h] = path[h + 1, response] - projection.coefficients[response] @ impulse
        effects[projection.rows, h] = system[projection.rows, h] - own
    lags = max(bandwidth(effects[:, h : h + 1], h + 1) for h in (0, horizon - 1))
    found = long_run_variance(effects, bandwidth=lags)
    variance = found.matrix * found.n
    error = np.sqrt(np.diagonal(variance))
    correlation = variance / np.outer(error, error)
    values, vectors = np.linalg.eigh(correlation)
    factor = vectors * np.sqrt(np.maximum(values, 0.0))
    draws = np.random.default_rng(seed).standard_normal((_DRAWS, horizon)) @ factor.T
    largest = np.abs(draws).max(axis=1)
    seen = float(np.abs(difference / error).max())
    p_value = float((1 + (largest >= seen).sum()) / (1 + _DRAWS))
    return Disagreement(difference, error, seen, p_value)


def _system_influence(
    model: VectorAutoregression, phi: Matrix, path: Matrix, response: int
) -> Matrix:
    """What bar t adds to the response at h = 1 … H through y_{t+1}'s equation: T × H, NaN outside.

    Put at t, the bar of the regressors' first lag, where the projection has its shock.
    """
    horizon, k, p = len(phi) - 1, model.variables, model.lag
    weights = model.design @ model.gram_inverse
    steps = np.zeros((horizon, len(model.beta)))
    scaled = path / model.scale
    for g in range(horizon):
        for i in range(min(p, g + 1)):
            steps[g, 1 + i * k : 1 + (i + 1) * k] = scaled[g - i]
    along = weights @ steps.T
    shocks = (model.residuals * model.scale) @ phi[:, response].T
    found = np.full((len(model.standardised), horizon), np.nan)
    for h in range(1, horizon + 1):
        total = np.einsum("tm,tm->t", shocks[:, :h], along[:, h - 1 :: -1][:, :h])
        found[model.targets - 1, h - 1] = total
    return found


def _on_grid(values: Matrix, rows: NDArray[np.intp]) -> Matrix:
    first = int(rows[0])
    grid = np.full((int(rows[-1]) - first + 1, values.shape[1]), np.nan)
    grid[rows - first] = values
    return grid
