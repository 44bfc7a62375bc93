"""Correlations and variances that asynchrony and noise do not spoil, each with its error.

What the estimators are is in `imbalance/studies/asynchrony`; here they get one form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.asynchrony.blocks import block_ends
from imbalance.studies.asynchrony.overlap import blocked_contrast, blocked_variance
from imbalance.studies.asynchrony.pre_averaging import (
    modulated_realised_covariance,
    pre_averaged_variance,
)
from imbalance.studies.asynchrony.realised import (
    bipower,
    realised_kernel,
    robust_two_scales,
    two_scales,
)
from imbalance.studies.asynchrony.ticks import Ticks
from imbalance.studies.epps.jackknife import BLOCKS, Estimate, jackknife

Matrix = NDArray[np.float64]


def hayashi_yoshida_estimate(x: Ticks, y: Ticks) -> Estimate:
    """Hayashi–Yoshida correlation, blocks being equal lengths of seen time."""
    edges = block_ends(int(x.times[0]), int(x.times[-1]), x.gaps, BLOCKS)
    covariance = blocked_contrast(x, y, np.zeros(1, np.int64), edges)[:, 0]
    first, second = blocked_variance(x, edges), blocked_variance(y, edges)
    with np.errstate(divide="ignore", invalid="ignore"):
        left_out = (covariance.sum() - covariance) / np.sqrt(
            (first.sum() - first) * (second.sum() - second)
        )
        value = covariance.sum() / math.sqrt(first.sum() * second.sum())
    return jackknife(float(value), left_out, len(x) - 1)


def realised(returns: Matrix) -> Matrix:
    """Σ r r'."""
    return np.asarray(returns.T @ returns, dtype=np.float64)


def corrected_pre_averaging(returns: Matrix) -> Matrix:
    """Modulated realised covariance without what noise leaves in it."""
    return modulated_realised_covariance(returns, noise_corrected=True)


def two_scales_covariance(returns: Matrix) -> Matrix:
    """Two scales of x + y and x − y, whose difference is four times the covariance."""
    paths = np.concatenate([np.zeros((1, returns.shape[1])), np.cumsum(returns, axis=0)])
    slow = slow_scale(len(returns))
    x, y = paths.T
    covariance = 0.25 * (two_scales(x + y, slow) - two_scales(x - y, slow))
    return np.array([[two_scales(x, slow), covariance], [covariance, two_scales(y, slow)]])


def slow_scale(n: int) -> int:
    """K = n^{2/3}, of the order at which bias and variance of the two scales balance; at least 5.

    Source: Zhang, Mykland and Aït-Sahalia 2005.
    """
    return max(5, round(n ** (2.0 / 3.0)))


CORRELATIONS: dict[str, Callable[[Matrix], Matrix]] = {
    "refresh_time": realised,
    "pre_averaged": corrected_pre_averaging,
    "realised_kernel": realised_kernel,
    "two_scales": two_scales_covariance,
    "bipower": bipower,
}
"""Estimator of a pair to its covariance matrix of returns on the pair's refresh times."""


def correlation_of(covariance: Callable[[Matrix], Matrix]) -> Callable[[Matrix], float]:
    """The correlation in a covariance matrix of two; NaN where a variance is not above 0."""

    def correlation(returns: Matrix) -> float:
        found = covariance(returns)
        product = found[0, 0] * found[1, 1]
        usable = found[0, 0] > 0.0 and product > 0.0
        return float(found[0, 1] / math.sqrt(product)) if usable else math.nan

    return correlation


@dataclass(frozen=True)
class _Variance:
    """An estimator of one variance, of returns as one column."""

    of: Callable[[Matrix], Matrix]

    def __call__(self, ticks: Ticks) -> float:
        return float(self.of(ticks.increments[:, None])[0, 0])


def _two_scales(ticks: Ticks) -> float:
    return two_scales(ticks.log_prices, slow_scale(len(ticks)))


def _robust_two_scales(ticks: Ticks) -> float:
    return robust_two_scales(ticks, slow_scale(len(ticks)))


def _pre_averaged(ticks: Ticks) -> float:
    return pre_averaged_variance(ticks.increments[:, None])


VARIANCES: dict[str, Callable[[Ticks], float]] = {
    "realised": _Variance(realised),
    "pre_averaged": _pre_averaged,
    "realised_kernel": _Variance(realised_kernel),
    "two_scales": _two_scales,
    "robust_two_scales": _robust_two_scales,
    "bipower": _Variance(bipower),
}
"""Estimator of an instrument to its integrated variance of all ticks."""
