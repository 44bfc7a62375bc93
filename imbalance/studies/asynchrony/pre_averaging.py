"""Pre-averaging: noise is averaged away over short windows before products are taken.

Modulated realised covariance of returns on refresh times: of all instruments at once, or of each
pair on its own, which uses more ticks and need not make a positive semidefinite matrix. Weights are
g(x) = min(x, 1 − x).

Sources: Jacod, Li, Mykland, Podolskij and Vetter 2009; Christensen, Kinnebrock and Podolskij 2010;
Hautsch and Podolskij 2013 (θ = 0.8).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

THETA = 0.8
"""Window length over the root of the number of returns."""

_PSI_2 = 1.0 / 12.0
"""∫ g²."""


def window_length(n: int, theta: float = THETA) -> int:
    """K = ⌊θ √n⌋."""
    return int(theta * math.sqrt(n))


def pre_averaged(returns: Matrix, window: int) -> Matrix:
    """Σ_{j=1}^{k−1} g(j/k) r_{i+j} for every full window, windows × instruments.

    The triangle k g(j/k) is the convolution of two boxes of ⌊k/2⌋ and ⌈k/2⌉, so that two moving
    sums do: O(n) whatever the window.
    """
    sums = _moving_sum(_moving_sum(returns, window // 2), window - window // 2)
    return np.asarray(sums / window, dtype=np.float64)


def modulated_realised_covariance(
    returns: Matrix, theta: float = THETA, *, noise_corrected: bool = False
) -> Matrix:
    """Covariance of synchronised returns, robust to noise.

    Parameters
    ----------
    returns : n × instruments.
    theta : window length over √n.
    noise_corrected : take off what noise leaves in the products at this window length. What
        remains is consistent, but need not be positive semidefinite.

    Returns
    -------
    instruments × instruments; NaN below a window of two returns.

    Notes
    -----
    n/(n − k + 2) · 1/(ψ₂ k) Σ_i r̄_i r̄_i', less ψ₁ᵏ/(θ² ψ₂ᵏ) · 1/(2n) Σ r_i r_i', with ψ₁ᵏ, ψ₂ᵏ the
    sums over the window that stand for ∫ g'² and ∫ g².
    """
    n, k = len(returns), window_length(len(returns), theta)
    if k < 2:
        return np.full((returns.shape[1],) * 2, np.nan)
    averaged = pre_averaged(returns, k)
    found = n / (n - k + 2) / (_PSI_2 * k) * (averaged.T @ averaged)
    if noise_corrected:
        psi_1, psi_2 = _window_constants(k)
        found = found - psi_1 / (theta**2 * psi_2) / (2.0 * n) * (returns.T @ returns)
    return np.asarray(found, dtype=np.float64)


def pre_averaged_variance(returns: Matrix, theta: float = THETA) -> float:
    """Integrated variance of one series, corrected for noise; NaN below a window of two returns.

    Notes
    -----
    1/(θ √n ψ₂ᵏ) Σ r̄_i² − ψ₁ᵏ/(2 n θ² ψ₂ᵏ) Σ r_i² (Hautsch and Podolskij 2013, eq. 2.6).
    """
    n, k = len(returns), window_length(len(returns), theta)
    if k < 2:
        return math.nan
    psi_1, psi_2 = _window_constants(k)
    averaged = pre_averaged(returns, k)
    signal = np.square(averaged).sum() / (math.sqrt(n) * theta * psi_2)
    noise = psi_1 / n / (2.0 * theta**2 * psi_2) * np.square(returns).sum()
    return float(signal - noise)


def _moving_sum(values: Matrix, length: int) -> Matrix:
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    return np.asarray(total[length:] - total[:-length], dtype=np.float64)


def _window_constants(k: int) -> tuple[float, float]:
    """ψ₁ᵏ = k Σ (g(j/k) − g((j−1)/k))², ψ₂ᵏ = 1/k Σ g(j/k)²."""
    steps = np.arange(k + 1) / k
    g = np.minimum(steps, 1.0 - steps)
    return float(k * np.square(np.diff(g)).sum()), float(np.square(g).sum() / k)
