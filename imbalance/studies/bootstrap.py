"""Bootstrap bands of impulse responses: resampled residuals on a fixed design, in batches.

The design X is held fixed, so that a replication is B* = B̂ + (X'X)⁻¹X'u* and Σ* the covariance of
what is left of u*: both are products with stacks of resampled residuals, hundreds of replications
in one matrix product. Moving blocks keep what the residuals remember of each other, without which
bands of anything that uses Σ are too narrow under conditional heteroskedasticity.

Sources: Brüggemann, Jentsch and Trenkler 2016 (moving blocks); Politis and Romano 1992 (wrapped
around); Jentsch and Lunsford 2019 (block length); Kilian 1998 and Pope 1990 (bias); Montiel Olea
and Plagborg-Møller 2019 (joint bands).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.impulse_response import (
    generalised,
    generalised_variance_shares,
    moving_average,
    orthogonal,
    variance_shares,
)
from imbalance.studies.vector_autoregression import (
    CollinearError,
    VectorAutoregression,
    companion,
    lag_coefficients,
)

Matrix = NDArray[np.float64]
Scheme = Literal["moving_block", "iid"]

_BATCH_VALUES = 4_000_000
"""Resampled residuals held at a time: 32 MB."""


@dataclass(frozen=True)
class Replications:
    """Bootstrap replications of a model, standardised."""

    lagged: Matrix
    """R × p × K × K."""
    sigma: Matrix
    """R × K × K."""
    block_length: int
    """1 for the iid scheme."""


@dataclass(frozen=True)
class Band:
    """A response with its uncertainty; arrays are horizons × response × impulse, original units."""

    estimate: Matrix
    standard_error: Matrix
    low: Matrix
    high: Matrix
    joint_low: Matrix
    joint_high: Matrix


def block_length(n: int) -> int:
    """Length of the moving blocks: 5.03 n^{1/4}, at most a fifth of the sample."""
    return max(1, min(int(5.03 * n**0.25), n // 5))


def pope_bias(model: VectorAutoregression) -> Matrix:
    """First-order bias of the OLS coefficients, p × K × K, standardised (Pope 1990).

    Notes
    -----
    −G/n · [(I−A')⁻¹ + A'(I−A'²)⁻¹ + Σ_λ λ (I−λA')⁻¹] Γ_0⁻¹ with A the companion matrix, λ its
    eigenvalues, Γ_0 the variance of the state and G that of its innovation.

    Raises
    ------
    ValueError : if the system is not stable.
    """
    from scipy.linalg import solve_discrete_lyapunov

    k, size = model.variables, model.variables * model.lag
    a = companion(model.lagged)
    roots = np.linalg.eigvals(a)
    if np.abs(roots).max() >= 1.0:
        raise ValueError("the bias is defined for stable systems only")
    innovation = np.zeros((size, size))
    innovation[:k, :k] = model.standardised_sigma
    state = solve_discrete_lyapunov(a, innovation)
    transposed, identity = a.T, np.eye(size)
    total = np.linalg.inv(identity - transposed).astype(np.complex128)
    total += transposed @ np.linalg.inv(identity - transposed @ transposed)
    for root in roots:
        total += root * np.linalg.inv(identity - root * transposed)
    bias = -(innovation @ total.real @ np.linalg.inv(state))[:k] / model.n
    return bias.reshape(k, model.lag, k).transpose(1, 0, 2)


def replicate(
    model: VectorAutoregression, replications: int, seed: int, scheme: Scheme = "moving_block"
) -> Replications:
    """Draw bootstrap replications of coefficients and residual covariance.

    Parameters
    ----------
    model : the fitted system.
    replications : how many.
    seed : of the generator; the same seed gives the same replications.
    scheme : `moving_block`, or `iid` for comparison.

    Notes
    -----
    Residuals are scaled by √(n/(n − Kp − 1)) for what the fit took from them. Blocks wrap around
    the end, so that every residual is drawn equally often and the replications are centred on the
    estimates exactly (Politis and Romano 1992). A block may join residuals across a gap: leaving
    such blocks out would draw more from long segments and bias Σ*.
    """
    generator = np.random.default_rng(seed)
    n, k, m = model.n, model.variables, len(model.beta)
    residuals = np.ascontiguousarray((model.residuals * np.sqrt(n / model.degrees)).T)
    length = 1 if scheme == "iid" else block_length(n)
    blocks = -(-n // length)
    offsets = np.arange(length)
    lagged = np.empty((replications, model.lag, k, k))
    sigma = np.empty((replications, k, k))
    batch = max(1, min(replications, _BATCH_VALUES // (n * k)))
    drawn = np.empty((batch, k, n))
    for first in range(0, replications, batch):
        count = min(batch, replications - first)
        for r in range(count):
            starts = generator.integers(0, n, blocks)
            rows = ((starts[:, None] + offsets) % n).ravel()[:n]
            # mode="clip" lets NumPy write without a buffer; the rows are in range.
            np.take(residuals, rows, axis=1, out=drawn[r], mode="clip")
        part = drawn[:count]
        cross = (part.reshape(count * k, n) @ model.design).reshape(count, k, m)
        change = cross @ model.gram_inverse
        # u*'u* less what the regression on X explains of it.
        left = part @ part.transpose(0, 2, 1) - change @ cross.transpose(0, 2, 1)
        beta = model.beta.T + change
        lagged[first : first + count] = lag_coefficients(beta, model.lag)
        sigma[first : first + count] = left / model.degrees
    return Replications(lagged, sigma, length)


def replicate_wild(model: VectorAutoregression, replications: int, seed: int) -> Matrix:
    """Draw replications of the coefficients alone: block-wild bootstrap on the fixed design.

    Parameters are those of `replicate`.

    Returns
    -------
    R × p × K × K, standardised.

    Notes
    -----
    u*_t = η_b û_t, one standard normal η for each block b of bars: B* = B̂ + (X'X)⁻¹ Σ_b η_b Σ_{t∈b}
    x_t û_t', with the inner sums made once. It allows for heteroskedasticity of any form and what
    residuals within a block remember of each other, and it is the cheapest; Σ it does not
    reproduce, so that it serves responses to shocks of one unit and no orthogonal ones.
    """
    n, k, m = model.n, model.variables, len(model.beta)
    length = block_length(n)
    starts = np.arange(0, n, length)
    sums = np.empty((len(starts), m * k))
    together = max(1, _BATCH_VALUES // (length * m * k))
    for first in range(0, len(starts), together):
        rows = slice(first * length, (first + together) * length)
        products = model.design[rows, :, None] * model.residuals[rows, None, :]
        sums[first : first + together] = np.add.reduceat(
            products.reshape(-1, m * k), np.arange(0, len(products), length), axis=0)
    draws = np.random.default_rng(seed).standard_normal((replications, len(starts)))
    scores = (draws @ sums).reshape(replications, m, k) * np.sqrt(n / model.degrees)
    beta = model.beta + model.gram_inverse @ scores
    return lag_coefficients(beta.transpose(0, 2, 1), model.lag)


def reduced_form_bands(
    model: VectorAutoregression, lagged: Matrix, horizon: int, significance: float = 0.05
) -> Band:
    """Responses Φ_h to a shock of one unit, in original units; `lagged` from `replicate_wild`."""
    unit = model.scale[:, None] / model.scale
    point = moving_average(model.lagged, horizon) * unit
    draws = moving_average(lagged - pope_bias(model), horizon) * unit
    return band(point, draws, significance)


def bias_corrected(model: VectorAutoregression, drawn: Replications) -> Matrix:
    """Coefficients of the replications less Pope's bias (Kilian's correction in closed form).

    Those which that would make unstable stay as they are.
    """
    corrected = drawn.lagged - pope_bias(model)
    unstable = np.abs(np.linalg.eigvals(companion(corrected))).max(axis=1) >= 1.0
    corrected[unstable] = drawn.lagged[unstable]
    return corrected


def response_bands(
    model: VectorAutoregression,
    drawn: Replications,
    horizon: int,
    significance: float = 0.05,
) -> dict[str, Band]:
    """Responses of all kinds with pointwise and joint bands.

    Parameters
    ----------
    model : the fitted system; must be stable.
    drawn : its replications.
    horizon : last step.
    significance : 0.05 for 95 % bands.

    Returns
    -------
    `orthogonal`, `generalised`, both `…_cumulative`, horizons 0 … horizon; and `variance_share`
    (of orthogonal shocks), `generalised_variance_share`, horizons 1 … horizon.

    Notes
    -----
    Replications are taken as `bias_corrected` has them. Pointwise: percentiles. Joint over
    the horizons of one response: estimate ± c·s_h, with c the quantile over replications of
    max_h |θ*_h − mean_h| / s_h.
    """
    check_regular(drawn.sigma)
    corrected = bias_corrected(model, drawn)
    phi = moving_average(model.lagged, horizon)
    stacked = moving_average(corrected, horizon)
    sigma = model.standardised_sigma
    scale = model.scale[None, :, None]
    found: dict[str, Band] = {}
    kinds: dict[str, Callable[[Matrix, Matrix], Matrix]] = {
        "orthogonal": orthogonal, "generalised": generalised,
    }
    for name, responses in kinds.items():
        point, draws = responses(phi, sigma) * scale, responses(stacked, drawn.sigma) * scale
        found[name] = band(point, draws, significance)
        found[f"{name}_cumulative"] = band(
            np.cumsum(point, axis=0), np.cumsum(draws, axis=1), significance
        )
    found["variance_share"] = band(
        variance_shares(orthogonal(phi, sigma))[:-1],
        variance_shares(orthogonal(stacked, drawn.sigma))[:, :-1],
        significance,
    )
    found["generalised_variance_share"] = band(
        generalised_variance_shares(phi, sigma)[:-1],
        generalised_variance_shares(stacked, drawn.sigma)[:, :-1],
        significance,
    )
    return found


def check_regular(sigma: Matrix) -> None:
    """Refuse covariances, … × K × K, by which shocks cannot be told apart.

    Residuals of series that mostly stand still make such replications.

    Raises
    ------
    CollinearError
        If one is singular to rounding.
    """
    count = int(singular(sigma).sum())
    if count:
        raise CollinearError(f"{count} covariances of residuals are singular")


def singular(matrices: Matrix) -> Matrix:
    """Which of some symmetric matrices, … × K × K, are singular to rounding."""
    roots = np.linalg.eigvalsh(matrices)
    least = roots[..., -1] * matrices.shape[-1] * np.finfo(float).eps
    return np.asarray(roots[..., 0] <= least)


def band(point: Matrix, draws: Matrix, significance: float) -> Band:
    """Pointwise and joint band of a path, horizons first, from its replications."""
    deviation = draws.std(axis=0, ddof=1)
    low, high = np.quantile(draws, [significance / 2.0, 1.0 - significance / 2.0], axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.abs(draws - draws.mean(axis=0)) / deviation
    # Steps at which nothing varies (zeros of the Cholesky factor) do not widen the band.
    farthest = np.nan_to_num(distance, nan=0.0, posinf=0.0).max(axis=1)
    width = np.quantile(farthest, 1.0 - significance, axis=0) * deviation
    return Band(point, deviation, low, high, point - width, point + width)
