"""Vector autoregressions whose coefficients drift, by a Kalman filter with forgetting factors.

The filter and its prior belong here; what is made of the coefficients is in `measures.py`.

Sources: Koop and Korobilis 2014; Antonakakis, Chatziantoniou and Gabauer 2020. Checked against the
R package ConnectednessApproach.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from imbalance.studies.bootstrap import block_length
from imbalance.studies.vector_autoregression import fit

Matrix = NDArray[np.float64]
Index = NDArray[np.intp]

_SQUARINGS = 40
"""Of the companion matrix: its 2⁴⁰-th power tells a root of 1 from one of 1 + 1e-11."""


@dataclass(frozen=True)
class Prior:
    """Where the filter starts."""

    lagged: Matrix
    """p × K × K."""
    variance: Matrix
    """p × K × K: (X'X)⁻¹ of the lags, Kp × Kp; of the coefficients of each equation."""
    sigma: Matrix
    """K × K."""


@dataclass(frozen=True)
class Path:
    """Filtered states at the bars asked for."""

    lagged: Matrix
    """bars × p × K × K."""
    sigma: Matrix
    """bars × K × K."""
    errors: Matrix
    """T × K: of the forecast one bar ahead, NaN where none is made. At all bars, not only these."""


def least_squares_prior(data: Matrix, lag: int, rows: int) -> Prior:
    """Coefficients, (X'X)⁻¹ and residual covariance (divisor n) of a fit to the first rows.

    Parameters
    ----------
    data : T × K; rows with NaN are gaps.
    lag : p.
    rows : how many rows of `data` to use.

    Raises
    ------
    TooFewBarsError, CollinearError : as `vector_autoregression.fit`.
    """
    model = fit(data[:rows], lag)
    units = np.tile(model.scale, lag)
    variance = model.gram_inverse[1:, 1:] / np.outer(units, units)
    return Prior(model.coefficients, variance, model.sigma * (model.degrees / model.n))


def without_stillness(data: Matrix, bars: int) -> Matrix:
    """The data without the bars in which a variable has had one value for more than `bars`.

    They tell nothing of its coefficients, of which the filter would forget all else and know less
    and less: from the first move after them it then reads anything, for as long as they lasted.

    Parameters
    ----------
    data : T × K; rows with NaN are gaps.
    bars : that a run of one value keeps.
    """
    place = np.arange(len(data))[:, None]
    moved = np.ones(data.shape, dtype=np.bool_)
    np.not_equal(data[1:], data[:-1], out=moved[1:])
    since = place - np.maximum.accumulate(np.where(moved, place, 0), axis=0)
    told = np.asarray(since < bars).all(axis=1, keepdims=True)
    return np.asarray(np.where(told, data, np.nan))


def filter_path(
    data: Matrix,
    prior: Prior,
    keep: Index,
    *,
    forgetting: float = 0.99,
    decay: float = 0.99,
    shocks: Matrix | None = None,
) -> Path:
    """Run the filter over the data.

    Parameters
    ----------
    data : T × K, each column with mean zero; there is no constant. A row that is missing, or whose
        p predecessors are, changes nothing.
    prior : where to start.
    keep : rows, rising, at which the state is returned.
    forgetting : κ₁, of the coefficients: an observation h bars ago has weight κ₁^h.
    decay : κ₂, of the covariance of the shocks.
    shocks : T × K, added to what is explained and not to what explains it (a bootstrap on a fixed
        design); None for the data as they are.

    Notes
    -----
    Q_t = κ₂Q_{t−1} + (1 − κ₂)e_t e_t' with e_t the error of the coefficients before; R_t =
    P_{t−1}/κ₁; then the Kalman update of the coefficients with R_t and Q_t. Coefficients with a
    root outside the unit circle are not shown (the last stable ones stand) and shrink by 1 %. In
    the first p + 1 bars Q_t takes 0.1 y_t y_t' in place of e_t e_t', as the reference does.
    """
    lag, k, _ = prior.lagged.shape
    complete = np.asarray(np.isfinite(data).all(axis=1))
    filled = np.where(complete[:, None], data, 0.0)
    target = filled if shocks is None else filled + shocks
    running = np.concatenate([[0], np.cumsum(complete)])
    usable = np.zeros(len(data), dtype=np.bool_)
    usable[lag:] = running[lag + 1 :] - running[: -lag - 1] == lag + 1
    # Equation by equation, each a run of Kp coefficients in the order of the lags.
    start = np.ascontiguousarray(prior.lagged.transpose(1, 0, 2).reshape(k, k * lag))
    spread = np.kron(np.eye(k), prior.variance)
    lagged, sigma, errors = _filter(
        np.ascontiguousarray(filled), np.ascontiguousarray(target), complete, usable, lag, start,
        spread, np.ascontiguousarray(prior.sigma), keep, forgetting, decay,
    )
    return Path(lagged.reshape(-1, k, lag, k).transpose(0, 2, 1, 3), sigma, errors)


def replicate_path(
    data: Matrix,
    prior: Prior,
    keep: Index,
    replications: int,
    seed: int,
    *,
    forgetting: float = 0.99,
    decay: float = 0.99,
) -> tuple[Matrix, Matrix]:
    """Bootstrap replications of the states at some bars, on the fixed design.

    Parameters are those of `filter_path`, beside how many and the generator's seed.

    Returns
    -------
    replications × bars × p × K × K coefficients, and replications × bars × K × K covariances.

    Notes
    -----
    Errors of the forecasts are whitened by the covariance of their bar, resampled in moving blocks
    (wrapped) and given the covariance of the bar where they come to lie, so that its course stays.
    The filter then runs over what it forecast plus these errors. That shows what noise does to the
    filter, not how far it lags behind coefficients that move.
    """
    everywhere = np.arange(len(data))
    path = filter_path(data, prior, everywhere, forgetting=forgetting, decay=decay)
    rows = np.flatnonzero(np.isfinite(path.errors).all(axis=1))
    factor = np.linalg.cholesky(path.sigma[rows])
    white = np.linalg.solve(factor, path.errors[rows][..., None])[..., 0]
    white -= white.mean(axis=0)
    n, length = len(rows), block_length(len(rows))
    generator = np.random.default_rng(seed)
    lagged = np.empty((replications, len(keep), *prior.lagged.shape))
    sigma = np.empty((replications, len(keep), *prior.sigma.shape))
    shocks = np.zeros(data.shape)
    for r in range(replications):
        starts = generator.integers(0, n, -(-n // length))
        drawn = white[((starts[:, None] + np.arange(length)) % n).ravel()[:n]]
        shocks[rows] = (factor @ drawn[..., None])[..., 0] - path.errors[rows]
        again = filter_path(
            data, prior, keep, forgetting=forgetting, decay=decay, shocks=shocks
        )
        lagged[r], sigma[r] = again.lagged, again.sigma
    return lagged, sigma


@njit(cache=True, nogil=True)
def _filter(
    data: Matrix, target: Matrix, complete: NDArray[np.bool_], usable: NDArray[np.bool_],
    lag: int, start: Matrix, spread: Matrix, covariance: Matrix, keep: Index, forgetting: float,
    decay: float,
) -> tuple[Matrix, Matrix, Matrix]:
    length, k = data.shape
    width = k * lag
    coefficients, fitted, shown = start.copy(), start.copy(), start.copy()
    p, q = spread.copy(), covariance.copy()
    x = np.empty(width)
    found = np.empty((len(keep), k, width))
    found_q = np.empty((len(keep), k, k))
    errors = np.full((length, k), np.nan)
    place = 0
    begun = False
    for t in range(length):
        if usable[t]:
            for i in range(lag):
                for j in range(k):
                    x[i * k + j] = data[t - 1 - i, j]
        if t > 0 and (usable[t] or (complete[t] and t <= lag)):
            error = target[t].copy()
            if usable[t] and t > lag:
                _subtract(error, fitted, x)
                for i in range(k):
                    errors[t, i] = error[i]
            weight = (1.0 - decay) * (1.0 if t > lag else 0.1)
            for i in range(k):
                for j in range(k):
                    q[i, j] = decay * q[i, j] + weight * error[i] * error[j]
        if usable[t]:
            _update(coefficients, p, q, x, target[t], forgetting if begun else 1.0)
            begun = True
            _copy(coefficients, fitted)
            if _stable(coefficients):
                _copy(coefficients, shown)
            else:
                for i in range(k):
                    for j in range(width):
                        coefficients[i, j] *= 0.99
        while place < len(keep) and keep[place] == t:
            _copy(shown, found[place])
            _copy(q, found_q[place])
            place += 1
    return found, found_q, errors


@njit(cache=True, nogil=True)
def _copy(source: Matrix, target: Matrix) -> None:
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


@njit(cache=True, nogil=True)
def _subtract(error: Matrix, coefficients: Matrix, x: Matrix) -> None:
    for i in range(coefficients.shape[0]):
        for j in range(coefficients.shape[1]):
            error[i] -= coefficients[i, j] * x[j]


@njit(cache=True, nogil=True)
def _update(
    coefficients: Matrix, p: Matrix, q: Matrix, x: Matrix, observed: Matrix, forgetting: float
) -> None:
    """One Kalman update of coefficients and their variance, in place."""
    k, width = coefficients.shape
    size = k * width
    # x enters equation e through its own run of coefficients only: P Z' has a short sum for each.
    pz = np.empty((size, k))
    for row in range(size):
        for e in range(k):
            total = 0.0
            for i in range(width):
                total += p[row, e * width + i] * x[i]
            pz[row, e] = total / forgetting
    innovation = q.copy()
    error = observed.copy()
    _subtract(error, coefficients, x)
    for e in range(k):
        for i in range(width):
            for f in range(k):
                innovation[e, f] += x[i] * pz[e * width + i, f]
    inverse = np.linalg.inv(innovation)
    gain = np.zeros((size, k))
    for row in range(size):
        for e in range(k):
            for f in range(k):
                gain[row, e] += pz[row, f] * inverse[f, e]
            coefficients[row // width, row % width] += gain[row, e] * error[e]
        for column in range(row + 1):
            total = p[row, column] / forgetting
            for e in range(k):
                total -= gain[row, e] * pz[column, e]
            p[row, column] = total
            p[column, row] = total


@njit(cache=True, nogil=True)
def _stable(coefficients: Matrix) -> bool:
    """Whether no root of the companion matrix lies outside the unit circle.

    Its powers 2, 4, 8 … settle it: a row norm below 1 bounds all roots by 1, a trace above their
    number needs one beyond. Mostly that is one squaring or two, and a hundredth of eigenvalues.
    """
    k, width = coefficients.shape
    power, square = np.zeros((width, width)), np.empty((width, width))
    for i in range(k):
        for j in range(width):
            power[i, j] = coefficients[i, j]
    for i in range(width - k):
        power[k + i, i] = 1.0
    for _ in range(_SQUARINGS):
        norm = trace = 0.0
        for i in range(width):
            total = 0.0
            for j in range(width):
                total += abs(power[i, j])
            norm = max(norm, total)
            trace += power[i, i]
        if norm < 1.0:
            return True
        if abs(trace) > width or not norm < 1e100:
            return False
        for i in range(width):
            for j in range(width):
                total = 0.0
                for h in range(width):
                    total += power[i, h] * power[h, j]
                square[i, j] = total
        power, square = square, power
    return True
