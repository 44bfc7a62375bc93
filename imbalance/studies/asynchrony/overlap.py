"""Hayashi–Yoshida covariance and its contrast over lags: one walk over two series of ticks.

Sources: Hayashi and Yoshida 2005; Hoffmann, Rosenbaum and Yoshida 2013.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from imbalance.kernels import bare, inline
from imbalance.studies.asynchrony.ticks import Ticks, Times, Vector

Matrix = NDArray[np.float64]


def hayashi_yoshida(x: Ticks, y: Ticks, lag: int = 0) -> float:
    """Covariance of log prices over the window, on their own times.

    Parameters
    ----------
    x, y : the ticks.
    lag : θ in ns by which x leads y.

    Returns
    -------
    float, NaN when one of them has fewer than two ticks.

    Notes
    -----
    U(θ) = Σ_i Σ_j ΔX_i ΔY_j 1{(t_{i−1}, t_i] overlaps (s_{j−1} − θ, s_j − θ]}. The increments of y
    that overlap one of x follow each other, so that their sum is one difference of y, and both
    ends of it only move forward: O(n + m).
    """
    if min(len(x), len(y)) < 2:
        return math.nan
    return float(blocked_contrast(x, y, np.array([lag]), x.times[-1:])[0, 0])


def hayashi_yoshida_correlation(x: Ticks, y: Ticks, lag: int = 0) -> float:
    """U(θ) over the root of both realised variances; NaN where one price does not move.

    It may lie outside [−1, 1]: the numerator uses increments that the variances do not pair.
    """
    scale = math.sqrt(x.variance * y.variance)
    return hayashi_yoshida(x, y, lag) / scale if scale > 0.0 else math.nan


def contrast(x: Ticks, y: Ticks, lags: Times) -> Vector:
    """U(θ) at every lag (ns); at positive lags x leads y."""
    return np.array([hayashi_yoshida(x, y, int(lag)) for lag in lags])


def blocked_contrast(x: Ticks, y: Ticks, lags: Times, edges: Times) -> Matrix:
    """U(θ) split by time: blocks × lags, whose sum over blocks is `contrast`.

    Parameters
    ----------
    edges : ends of the blocks, increasing; an increment of x belongs to the first block whose end
        is at or after its own, and else to the last.
    """
    found = np.zeros((len(lags), len(edges)))
    if min(len(x), len(y)) >= 2:
        for lag, totals in zip(lags, found, strict=True):
            _overlap_sums(
                x.times, x.log_prices, y.times, y.log_prices, int(lag), edges, totals
            )
    return found.T


def blocked_variance(x: Ticks, edges: Times) -> Vector:
    """Realised variance split by time, as `blocked_contrast` splits U."""
    if len(x) < 2:
        return np.zeros(len(edges))
    block = np.minimum(np.searchsorted(edges, x.times[1:]), len(edges) - 1)
    return np.bincount(block, np.square(x.increments), len(edges)).astype(np.float64)


@bare
def _overlap_sums(
    x_times: Times, x: Vector, y_times: Times, y: Vector, lag: int, edges: Times, totals: Vector
) -> None:
    block, total, end = 0, 0.0, edges[0]
    low = _last_at_or_before(y_times, x_times[0] + lag)
    for i in range(1, len(x_times)):
        while x_times[i] > end and block < len(edges) - 1:
            totals[block] = total
            block, total = block + 1, 0.0
            end = edges[block]
        stop = x_times[i] + lag
        high = _first_at_or_after(y_times, low, stop)
        total += (x[i] - x[i - 1]) * (y[high] - y[low])
        # The next increment of x starts where this one ends.
        low = max(high - 1, 0) if y_times[high] > stop else high
    totals[block] = total


@inline
def _last_at_or_before(times: Times, time: int) -> int:
    return max(int(np.searchsorted(times, time, side="right")) - 1, 0)


@inline
def _first_at_or_after(times: Times, start: int, time: int) -> int:
    while start < len(times) - 1 and times[start] < time:
        start += 1
    return start
