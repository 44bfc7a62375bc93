"""How long a series remembers: autocorrelation, effective sample size, unit roots.

Used by the studies to say how many independent pairs a window is worth and to refuse series that
cannot be told from a random walk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.partial_autocorrelation import partial_autocorrelations

Vector = NDArray[np.float64]

LONGEST_MEMORY = 20_000
"""Autocorrelations are followed over at most this many bars."""

PAIRS_A_COEFFICIENT = 5
"""Fewest pairs of errors for each coefficient of an autoregression."""


@dataclass(frozen=True)
class Memory:
    """What an autoregression says of a series' dependence over time."""

    autocorrelation: Vector
    """ρ_0, ρ_1, … implied by the fitted autoregression, until it has died away."""
    order: int
    """Order, by BIC."""
    persistence: float
    """Sum of the autoregressive coefficients: 1 for a unit root."""


def memory(series: Vector) -> Memory:
    """Fit an autoregression to a series with gaps and follow its autocorrelation to the end.

    Parameters
    ----------
    series : T values, NaN where missing; must vary.

    Notes
    -----
    Burg 1975, over the stretches without a gap (de Waele and Broersen 2000): whatever the gaps, the
    fit is stable. An autoregression by autocorrelations over the pairs that are there is not, since
    these need not be positive definite: with a tenth of the bars missing at random, most fits to a
    persistent series exploded. Order by BIC up to min(10 log10 n, n/5), as far as each further
    coefficient has `PAIRS_A_COEFFICIENT` pairs to come from, and not beyond one that tells all. A
    series of which hardly two bars stand side by side is taken as if they did.
    """
    present = np.isfinite(series)
    n = int(present.sum())
    centred = np.where(present, series, np.nan) - series[present].mean()
    if np.count_nonzero(present[1:] & present[:-1]) < 2 * PAIRS_A_COEFFICIENT:
        centred = centred[present]
    largest = max(1, min(int(10.0 * np.log10(n)), n // 5))
    coefficients, rho = _autoregression(
        *partial_autocorrelations(centred, largest, PAIRS_A_COEFFICIENT))
    order = len(coefficients)
    extended = _extend(rho, coefficients, min(LONGEST_MEMORY, max(n - 1, order)))
    return Memory(extended, order, float(coefficients.sum()))


def variance_inflation(x: Memory, y: Memory, n: int) -> float:
    """Factor by which dependence over time inflates the variance of a correlation of x and y.

    Notes
    -----
    Bartlett 1935, for independent series: 1 + 2 Σ_k (1 − k/n) ρ_x(k) ρ_y(k). The effective number
    of pairs is n over this factor. Factors below 1 are possible and returned as they are.
    """
    last = min(len(x.autocorrelation), len(y.autocorrelation), n)
    steps = np.arange(1, last)
    product = x.autocorrelation[1:last] * y.autocorrelation[1:last]
    return float(max(1.0 + 2.0 * np.sum((1.0 - steps / n) * product), 1e-3))


def has_unit_root(series: Vector, found: Memory) -> bool:
    """Whether a persistent series cannot be told from a random walk at the 5 % level.

    Series whose autoregressive coefficients sum to less than 0.95 are not tested. The others are
    refused when the augmented Dickey–Fuller statistic (with constant) stays above its critical
    value. Where gaps leave no bars to test with, the answer is no: such a series is left to the
    bound on independent pairs.

    Notes
    -----
    Δy_t = c + γ y_{t−1} + Σ_{i ≤ k} δ_i Δy_{t−i} + e_t over the bars whose lags are all there;
    critical value −2.86154 − 2.8903/n − 4.234/n² − 40.04/n³ (MacKinnon 2010).
    """
    if found.persistence < 0.95:
        return False
    lags = found.order - 1
    change = np.diff(series)
    reach = lags + 1
    if len(series) <= reach:
        return False
    columns = [change[reach - 1 :], series[reach - 1 : -1]]
    columns += [change[reach - 1 - i : len(change) - i] for i in range(1, lags + 1)]
    stacked = np.column_stack(columns)
    stacked = stacked[np.isfinite(stacked).all(axis=1)]
    n, k = stacked.shape
    if n <= k + 1:
        return False
    design = np.column_stack([np.ones(n), stacked[:, 1:]])
    fit, *_ = np.linalg.lstsq(design, stacked[:, 0], rcond=None)
    residual = stacked[:, 0] - design @ fit
    variance = residual @ residual / (n - k) * np.linalg.pinv(design.T @ design)[1, 1]
    statistic = fit[1] / np.sqrt(variance) if variance > 0.0 else 0.0
    return bool(statistic > -2.86154 - 2.8903 / n - 4.234 / n**2 - 40.04 / n**3)


def _autoregression(partial: Vector, pairs: Vector) -> tuple[Vector, Vector]:
    """Coefficients of the order that minimises Σ_p (n_p log(1 − π_p²) + log n_p), and ρ_0 … ρ_p
    that follow from them; π_p are the partial autocorrelations, from n_p pairs.
    """
    value = np.cumsum(pairs * np.log1p(-(partial**2)) + np.log(pairs))
    order = int(value.argmin()) + 1 if len(value) and value.min() < 0.0 else 0
    coefficients, rho, variance = np.zeros(0), np.ones(1), 1.0
    for reflection in partial[:order]:
        rho = np.append(rho, reflection * variance + coefficients @ rho[:0:-1])
        coefficients = np.append(coefficients - reflection * coefficients[::-1], reflection)
        variance *= 1.0 - reflection**2
    return coefficients, rho


def _extend(rho: Vector, coefficients: Vector, last: int) -> Vector:
    """Autocorrelations by the recursion ρ_k = Σ φ_i ρ_{k−i}, until all that follow are small."""
    order = len(coefficients)
    if order == 0:
        return np.ones(1)
    values = np.zeros(last + 1)
    values[: order + 1] = rho
    backwards = coefficients[::-1].copy()
    for k in range(order + 1, last + 1):
        values[k] = backwards @ values[k - order : k]
        if k % 64 == 0 and np.abs(values[k - order : k + 1]).max() < 1e-4:
            return values[: k + 1]
    return values
