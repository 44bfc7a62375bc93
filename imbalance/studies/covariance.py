"""Covariances that hold under heteroskedasticity and autocorrelation (HC and HAC), for OLS.

Long-run variances of score matrices, automatic bandwidths, prewhitening, and the sandwich made of
them belong here. The one-series twin that runs once per correlation is in
`correlation/kernels.py`; tests hold the two together.

Sources: Newey and West 1987, 1994; Andrews 1991; Andrews and Monahan 1992; MacKinnon and White
1985 (HC3). Checked against the R package sandwich.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Kernel = Literal["bartlett", "quadratic_spectral"]

# A row of which leverage leaves no more than that is fitted exactly.
_EXACT = 1e-10
# A chosen bandwidth is at most this share of the sample.
_LARGEST_SHARE = 0.25


@dataclass(frozen=True)
class LongRunVariance:
    """Estimate of Σ_j Γ_j of a score process, with what it was made with."""

    matrix: Matrix
    """k × k, per observation: divide by n for the variance of the mean."""
    bandwidth: float
    """Largest lag (Bartlett) or bandwidth parameter (quadratic spectral)."""
    n: int
    """Rows used."""


def kernel_weights(kernel: Kernel, bandwidth: float, n: int) -> Matrix:
    """Weights of autocovariances 0, 1, … : Bartlett 1 − l/(L+1), or quadratic spectral.

    Parameters
    ----------
    kernel : which.
    bandwidth : L for Bartlett (whole part is used), S for the quadratic spectral kernel.
    n : number of observations; bounds the number of weights.
    """
    if kernel == "bartlett":
        last = min(int(bandwidth), n - 1)
        return 1.0 - np.arange(last + 1) / (int(bandwidth) + 1.0)
    if bandwidth <= 0.0:
        return np.ones(1)
    x = 6.0 * math.pi / 5.0 * np.arange(1, n) / bandwidth
    tail = 3.0 / x**2 * (np.sin(x) / x - np.cos(x))
    return np.concatenate([np.ones(1), tail])


def newey_west_bandwidth(
    scores: Matrix, weights: Matrix | None = None, *, prewhitened: bool = False
) -> float:
    """Bandwidth of Newey and West 1994 for the Bartlett kernel, before its whole part is taken.

    Parameters
    ----------
    scores : n × k; rows with NaN stand for missing observations.
    weights : k weights of the columns in the scalar that the choice looks at (default: ones). The
        literature gives the intercept's column weight 0.
    prewhitened : whether `scores` are residuals of a first-order prewhitening.

    Notes
    -----
    S = 1.1447 (s₁/s₀)^{2/3} n^{1/3}, s_q = 2 Σ_{j=1}^m j^q σ_j (+ σ_0 for q = 0), with m the whole
    part of 4 (n/100)^{2/9}, or of 3 (n/100)^{2/9} when prewhitened. At most a quarter of n: s₀ may
    be next to nothing, and where all weights come near 1, scores of mean zero sum up to nothing,
    which would be an error of zero.
    """
    scalar = scores @ (np.ones(scores.shape[1]) if weights is None else weights)
    present = np.isfinite(scalar)
    n = int(present.sum())
    filled = np.where(present, scalar, 0.0)
    total = n + (1 if prewhitened else 0)
    m = min(int((3.0 if prewhitened else 4.0) * (total / 100.0) ** (2.0 / 9.0)), len(filled) - 1)
    sigma = np.array([filled[: len(filled) - j] @ filled[j:] / n for j in range(m + 1)])
    steps = np.arange(1, m + 1)
    s0 = sigma[0] + 2.0 * sigma[1:].sum()
    s1 = 2.0 * (steps * sigma[1:]).sum()
    if s0 == 0.0:
        return 0.0
    chosen = 1.1447 * ((s1 / s0) ** 2) ** (1.0 / 3.0) * total ** (1.0 / 3.0)
    return float(min(chosen, _LARGEST_SHARE * n))


def andrews_bandwidth(scores: Matrix, weights: Matrix | None = None) -> float:
    """Bandwidth of Andrews 1991 for the quadratic spectral kernel, by AR(1) fits to the columns.

    Notes
    -----
    S = 1.3221 (α̂(2) n)^{1/5}, α̂(2) = Σ w 4ρ²σ⁴/(1−ρ)⁸ / Σ w σ⁴/(1−ρ)⁴; at most n/4.
    """
    n, k = scores.shape
    weight = np.ones(k) if weights is None else weights
    top = bottom = 0.0
    for column, w in zip(scores.T, weight, strict=True):
        design = np.column_stack([np.ones(n - 1), column[:-1]])
        fit = np.linalg.lstsq(design, column[1:], rcond=None)[0]
        rho = fit[1]
        variance = np.square(column[1:] - design @ fit).sum() / (n - 1)
        top += w * 4.0 * rho**2 * variance**2 / (1.0 - rho) ** 8
        bottom += w * variance**2 / (1.0 - rho) ** 4
    if bottom == 0.0:
        return 0.0
    return float(min(1.3221 * (n * top / bottom) ** 0.2, _LARGEST_SHARE * n))


def long_run_variance(
    scores: Matrix,
    *,
    kernel: Kernel = "bartlett",
    bandwidth: float | None = None,
    prewhiten: bool = False,
    weights: Matrix | None = None,
) -> LongRunVariance:
    """Kernel estimate of the long-run variance of scores that have mean zero.

    Parameters
    ----------
    scores : n × k in time order; rows with NaN are missing observations: no product reaches over
        them as if they were not there, and lag j compares only rows that are j apart in time.
    kernel : `bartlett` or `quadratic_spectral`.
    bandwidth : lag L or bandwidth S; None chooses it (Newey and West 1994; Andrews 1991).
    prewhiten : fit a first-order vector autoregression (no intercept), estimate on its residuals,
        recolour. The autoregression is shrunk so that no root exceeds 0.97: the bound of Andrews
        and Monahan, on roots rather than singular values, which depend on the columns' units.
        Not done where no more than k rows follow one that is there: nothing could be fitted.
    weights : column weights for the automatic bandwidth.

    Returns
    -------
    LongRunVariance : the sum over the rows that are there, divided by their number.
    """
    present = np.asarray(np.isfinite(scores).all(axis=1))
    n = int(present.sum())
    k = scores.shape[1]
    recolour = np.eye(k)
    used = np.where(present[:, None], scores, np.nan)
    pairs = np.flatnonzero(present[1:] & present[:-1])
    prewhiten = prewhiten and len(pairs) > k
    if prewhiten:
        past, now = scores[pairs], scores[pairs + 1]
        coefficient = np.linalg.lstsq(past, now, rcond=None)[0].T
        radius = float(np.abs(np.linalg.eigvals(coefficient)).max())
        coefficient *= min(1.0, 0.97 / radius) if radius > 0.0 else 1.0
        whitened = np.full_like(scores, np.nan)
        whitened[pairs + 1] = now - past @ coefficient.T
        used = whitened[1:]
        recolour = np.linalg.inv(np.eye(k) - coefficient)
    rows = int(np.isfinite(used[:, 0]).sum())
    if bandwidth is None:
        bandwidth = (
            newey_west_bandwidth(used, weights, prewhitened=prewhiten)
            if kernel == "bartlett"
            else andrews_bandwidth(used[np.isfinite(used[:, 0])], weights)
        )
    filled = np.nan_to_num(used, nan=0.0)
    total = (
        _bartlett_sum(filled, int(bandwidth) + 1) if kernel == "bartlett"
        else _weighted_sum(filled, kernel_weights(kernel, bandwidth, len(filled)))
    )
    # With rows lost to prewhitening the sum is scaled up only where gaps cost rows as well.
    scale = 1.0 if rows == n - 1 and prewhiten else n / rows
    matrix = recolour @ (total * scale) @ recolour.T / n
    return LongRunVariance(matrix=matrix, bandwidth=float(bandwidth), n=n)


def _weighted_sum(rows: Matrix, weights: Matrix) -> Matrix:
    """Σ_l w_l (Γ_l + Γ_l'), Γ_l the sum of products of rows that are l apart; Γ_0 once."""
    total = np.asarray(rows.T @ rows)
    for lag in range(1, len(weights)):
        product = rows[lag:].T @ rows[:-lag]
        total += weights[lag] * (product + product.T)
    return total


def _bartlett_sum(rows: Matrix, width: int) -> Matrix:
    """The same with w_l = 1 − l/width, in one product whatever the width.

    Two rows that are l apart are together in width − l of all runs of `width` rows, runs over the
    ends among them: the mean product of their sums has Bartlett's weights.
    """
    n = len(rows)
    running = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)])
    ends = np.arange(1, n + width)
    sums = running[np.minimum(ends, n)] - running[np.maximum(ends - width, 0)]
    return np.asarray(sums.T @ sums) / width


def hac_covariance(
    design: Matrix,
    residuals: Matrix,
    *,
    kernel: Kernel = "bartlett",
    bandwidth: float | None = None,
    prewhiten: bool = False,
    small_sample: bool = False,
    intercept: int | None = 0,
) -> Matrix:
    """HAC covariance of OLS coefficients: (X'X)⁻¹ · n Ŝ · (X'X)⁻¹.

    Parameters
    ----------
    design : n × k regressors in time order.
    residuals : n.
    small_sample : multiply by n/(n−k).
    intercept : column with weight 0 in the choice of bandwidth; None when there is no intercept.
    """
    n, k = design.shape
    weights = np.ones(k)
    if intercept is not None and k > 1:
        weights[intercept] = 0.0
    lrv = long_run_variance(
        design * residuals[:, None],
        kernel=kernel,
        bandwidth=bandwidth,
        prewhiten=prewhiten,
        weights=weights,
    )
    bread = np.linalg.inv(design.T @ design)
    covariance = bread @ (lrv.matrix * lrv.n) @ bread
    return covariance * (n / (n - k)) if small_sample else covariance


def hc_covariance(
    design: Matrix, residuals: Matrix, kind: Literal["hc0", "hc3"] = "hc3"
) -> Matrix:
    """Covariance of OLS coefficients under heteroskedasticity.

    Notes
    -----
    HC0: (X'X)⁻¹ Σ û² x x' (X'X)⁻¹. HC3 divides û by 1 − h, h the leverage.
    """
    bread = np.asarray(np.linalg.inv(design.T @ design), dtype=np.float64)
    scaled = residuals
    if kind == "hc3":
        scaled = residuals / free_share(design, bread)
    scores = design * scaled[:, None]
    return bread @ (scores.T @ scores) @ bread


def leverage(design: Matrix, bread: Matrix) -> Matrix:
    """Diagonal of X (X'X)⁻¹ X'."""
    return np.einsum("ti,ti->t", design @ bread, design)


def free_share(design: Matrix, bread: Matrix) -> Matrix:
    """What leverage leaves of each row; nan where that is rounding: its error is not known."""
    free = 1.0 - leverage(design, bread)
    return np.where(free > _EXACT, free, np.nan)
