"""Realised covariances of synchronised returns that bear noise or jumps.

Kernels (Barndorff-Nielsen, Hansen, Lunde and Shephard 2009, 2011), two scales (Zhang, Mykland and
Aït-Sahalia 2005), its form that cuts off jumps (Boudt and Zhang 2015), bipower (Barndorff-Nielsen
and Shephard 2004). Pre-averaging is in `pre_averaging.py`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.asynchrony.ticks import Ticks, Vector

Matrix = NDArray[np.float64]

PARZEN_CONSTANT = 3.5134
"""c* of the Parzen kernel."""

_SPARSE_TICKS = 20
"""Ticks in a return of the sparse grid whose variance stands for the integrated one."""


def parzen(x: Vector) -> Vector:
    """1 − 6x² + 6x³ up to ½, 2(1 − x)³ up to 1, 0 beyond."""
    near = 1.0 - 6.0 * x**2 + 6.0 * x**3
    return np.where(x <= 0.5, near, 2.0 * np.maximum(1.0 - x, 0.0) ** 3)


def kernel_covariance(returns: Matrix, weights: Vector) -> Matrix:
    """w_0 Γ_0 + Σ_{h ≥ 1} w_h (Γ_h + Γ_h'), Γ_h = Σ_i r_i r_{i−h}'.

    As r' (w ∗ r) with the weights mirrored: one convolution, whatever the bandwidth.
    """
    from scipy.signal import oaconvolve

    last = len(weights) - 1
    mirrored = np.concatenate([weights[:0:-1], weights])[:, None]
    smoothed = oaconvolve(returns, mirrored, axes=0)[last : last + len(returns)]
    return np.asarray(returns.T @ smoothed, dtype=np.float64)


def kernel_bandwidth(returns: Vector) -> float:
    """H = c* ξ^{4/5} n^{3/5} of one series of returns; 0 when the price does not move.

    Notes
    -----
    ξ² = ω² / IV: noise variance over integrated variance. ω² is half the mean square of a return,
    IV the realised variance of returns over 20 ticks, averaged over where they start. ω² is too
    large where there is little noise, which costs precision and no bias.
    Source: Barndorff-Nielsen, Hansen, Lunde and Shephard 2009, section 2.3.
    """
    n = len(returns)
    if n < 2:
        return math.nan
    step = min(_SPARSE_TICKS, n)
    path = np.concatenate([[0.0], np.cumsum(returns)])
    integrated = np.square(path[step:] - path[:-step]).sum() / step
    if integrated <= 0.0:
        return 0.0
    noise = np.square(returns).sum() / (2.0 * n)
    return float(PARZEN_CONSTANT * (noise / integrated) ** 0.4 * n**0.6)


def realised_kernel(returns: Matrix, bandwidth: float | None = None) -> Matrix:
    """Multivariate realised kernel with Parzen weights k(h / (H + 1)): positive semidefinite.

    Parameters
    ----------
    returns : n × instruments, on refresh times.
    bandwidth : H; by default the mean of the instruments' own.

    Notes
    -----
    The first and last two prices are replaced by their mean (jittering), without which the noise
    of the two ends stays.
    """
    if len(returns) < 4:
        return np.full((returns.shape[1],) * 2, np.nan)
    chosen = bandwidth
    if chosen is None:
        chosen = float(np.mean([kernel_bandwidth(column) for column in returns.T]))
    trimmed = returns[1:-1].copy()
    trimmed[0] += 0.5 * returns[0]
    trimmed[-1] += 0.5 * returns[-1]
    last = min(int(chosen), len(trimmed) - 1)
    return kernel_covariance(trimmed, parzen(np.arange(last + 1) / (chosen + 1.0)))


def two_scales(log_prices: Vector, slow: int = 300, fast: int = 1) -> float:
    """Integrated variance from a slow and a fast grid of ticks, corrected for noise.

    Notes
    -----
    (1 − n̄_K/n̄_J)⁻¹ ([Y]^K − n̄_K/n̄_J [Y]^J) with [Y]^K = 1/K Σ (Y_{i+K} − Y_i)² and
    n̄_K = (n − K + 1)/K, over n prices. NaN below slow + 2 prices.
    """
    if len(log_prices) < slow + 2:
        return math.nan
    share, correction = _scale_constants(len(log_prices), slow, fast)
    return float(
        correction * (_subsampled(log_prices, slow) - share * _subsampled(log_prices, fast))
    )


def robust_two_scales(
    ticks: Ticks, slow: int = 300, fast: int = 1, threshold: float = 9.0
) -> float:
    """Two scales without the returns that are too large for variance and noise: jumps.

    Parameters
    ----------
    threshold : η; a return over time δ is left out when its square exceeds
        η (IV δ/T + 2 ω²), both times without gaps. The start of IV is the median variance of the
        slow grid.

    Notes
    -----
    The sums are scaled up for what the cut takes from a normal return (1/P(χ²_3 ≤ η)) and for the
    share of returns left out; 20 rounds.
    """
    y = ticks.log_prices
    if len(y) < 4 * slow:
        return math.nan
    from scipy.special import chdtr

    share, correction = _scale_constants(len(y), slow, fast)
    noise = max(
        0.0, fast / (2.0 * (len(y) - fast + 1))
        * (_subsampled(y, fast) - two_scales(y, slow, fast)),
    )
    clock = np.concatenate([[0], np.cumsum(ticks.waits)])
    grids = [
        (step, np.square(y[step:] - y[:-step]), (clock[step:] - clock[:-step]) / float(clock[-1]))
        for step in (slow, fast)
    ]
    variance = _median_variance(np.diff(y[::slow]))
    for _ in range(20):
        parts = []
        for step, squares, elapsed in grids:
            kept = squares <= threshold * (variance * elapsed + 2.0 * noise)
            used = kept if kept.any() else np.ones_like(kept)
            parts.append(float(squares[used].sum() / used.mean() / step))
        variance = correction * (parts[0] - share * parts[1]) / float(chdtr(3.0, threshold))
    return float(variance)


def bipower(returns: Matrix) -> Matrix:
    """Covariance from products of neighbours, which one jump leaves alone.

    Notes
    -----
    π/8 Σ (|r+s|_i |r+s|_{i−1} − |r−s|_i |r−s|_{i−1}) for every pair of series r, s.
    """
    plus = np.abs(returns[:, :, None] + returns[:, None, :])
    minus = np.abs(returns[:, :, None] - returns[:, None, :])
    products = plus[1:] * plus[:-1] - minus[1:] * minus[:-1]
    return np.asarray(math.pi / 8.0 * products.sum(axis=0), dtype=np.float64)


def _scale_constants(n: int, slow: int, fast: int) -> tuple[float, float]:
    share = ((n - slow + 1) / slow) / ((n - fast + 1) / fast)
    return share, 1.0 / (1.0 - share)


def _subsampled(log_prices: Vector, step: int) -> float:
    return float(np.square(log_prices[step:] - log_prices[:-step]).sum() / step)


def _median_variance(returns: Vector) -> float:
    """π/(6 − 4√3 + π) · m/(m − 2) Σ median(|r_{i−1}|, |r_i|, |r_{i+1}|)² (Andersen et al. 2012)."""
    size = np.abs(returns)
    middle = np.median(np.stack([size[:-2], size[1:-1], size[2:]]), axis=0)
    scale = math.pi / (6.0 - 4.0 * math.sqrt(3.0) + math.pi) * len(size) / (len(size) - 2)
    return float(scale * np.square(middle).sum())
