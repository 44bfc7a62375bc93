"""How long the blocks of a bootstrap have to be for what a series remembers.

Sources: Politis and White 2004; the correction of Patton, Politis and White 2009. Checked against
`arch.bootstrap.optimal_block_length`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class BlockLength:
    """Lengths that minimise the mean squared error of the variance of a mean."""

    stationary: float
    """Mean length for the stationary bootstrap."""
    moving: float
    """Length for moving (circular) blocks."""


def optimal_block_length(series: Vector) -> BlockLength:
    """Block lengths of Politis and White for one series.

    Parameters
    ----------
    series : values in time order; NaN is missing, and lag k then compares only values that are k
        apart in time.

    Returns
    -------
    BlockLength : at least 1, at most ⌈min(3√n, n/3)⌉; 1 for a series that does not vary.

    Notes
    -----
    b = (2ĝ²/D)^{1/3} n^{1/3} with ĝ = Σ_{|k| ≤ M} λ(k/M) |k| R(k), D = 2 f̂² for stationary and
    4/3 f̂² for moving blocks, f̂ = Σ λ(k/M) R(k), λ the flat-top kernel, and M twice the lag from
    which K = max(5, log10 n) autocorrelations in a row stay below 2 √(log10 n / n).
    """
    present = np.isfinite(series)
    n = int(present.sum())
    if n < 8:
        return BlockLength(1.0, 1.0)
    centred = np.where(present, series - series[present].mean(), 0.0)
    longest = math.ceil(min(3.0 * math.sqrt(n), n / 3.0))
    run = max(5, int(math.log10(n)))
    last = min(math.ceil(math.sqrt(n)) + run, len(series) - 2)
    covariance, correlation = _autocovariances(centred, present, last)
    if not covariance[0] > 1e-24 * max(1.0, float(np.square(series[present]).max())):
        return BlockLength(1.0, 1.0)
    small = correlation < 2.0 * math.sqrt(math.log10(n) / n)
    quiet = [i for i in range(run, last + 1) if small[i - run : i].all()]
    window = min(2 * max(quiet[0] - run, 1) if quiet else last, last)
    k = np.arange(1, window + 1)
    weight = np.minimum(1.0, 2.0 * (1.0 - k / window))
    slope = 2.0 * float(np.sum(weight * k * covariance[1 : window + 1]))
    level = float(covariance[0] + 2.0 * np.sum(weight * covariance[1 : window + 1]))
    if level == 0.0:
        return BlockLength(float(longest), float(longest))
    stationary, moving = (
        min(max((2.0 * slope**2 / (factor * level**2) * n) ** (1.0 / 3.0), 1.0), longest)
        for factor in (2.0, 4.0 / 3.0)
    )
    return BlockLength(float(stationary), float(moving))


def joint_block_length(*series: Vector) -> int:
    """Length of moving blocks that keep what every one of several series remembers."""
    return max(1, math.ceil(max(optimal_block_length(one).moving for one in series)))


def _autocovariances(
    centred: Vector, present: NDArray[np.bool_], last: int
) -> tuple[Vector, Vector]:
    """R(0) … R(last), and the absolute autocorrelations with each lag's own scale."""
    from scipy import fft

    size = fft.next_fast_len(len(centred) + last, real=True)

    def products(values: Vector) -> Vector:
        return fft.irfft(np.abs(fft.rfft(values, size)) ** 2, size)[: last + 1]

    n, lags = int(present.sum()), np.arange(last + 1)
    product = products(centred)
    pairs = np.maximum(np.rint(products(present.astype(np.float64))), 1.0)
    # Without gaps the sum is divided by n, which keeps the spectrum positive.
    covariance = product / n * np.maximum(n - lags, 1) / pairs
    running = np.concatenate([[0.0], np.cumsum(np.square(centred))])
    scale = np.sqrt((running[-1] - running[lags + 1]) * running[len(centred) - lags - 1])
    correlation = np.abs(product) / np.where(scale > 0.0, scale, np.inf)
    return covariance, correlation
