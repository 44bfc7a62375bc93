"""The regression of returns on flow, half-hour by half-hour, and what depth does to its slope.

Belongs here: estimates over half-hours from plain series with NaN where a bar is missing. The
regression of one half-hour is in `features/price_impact.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.features.price_impact import PriceImpact, price_impact
from imbalance.studies.covariance import hac_covariance, long_run_variance
from imbalance.studies.inference.block_length import joint_block_length
from imbalance.studies.inference.resampling import (
    bootstrap_means,
    draw_blocks,
)
from imbalance.studies.prepared_series import forward_sum

Vector = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """A figure with its uncertainty; `low` and `high` where it has an interval of its own."""

    value: float
    n: int
    windows: int
    error: float | None = None
    low: float | None = None
    high: float | None = None


def slopes(flow: Vector, change: Vector, half_hours: Labels, least: int) -> PriceImpact:
    """Slope, White's t and R² of each half-hour. Source: Cont, Kukanov, Stoikov 2014, eq. 14."""
    return price_impact(flow, change, half_hours, least_bars=least)


def mean_slope(fits: PriceImpact) -> Estimate:
    """Mean of the slopes of the half-hours, which are taken to be independent."""
    count = len(fits.slope)
    return Estimate(float(fits.slope.mean()), int(fits.n.sum()), count,
                    float(np.sqrt(np.square(fits.error).sum()) / count))


def mean_r_squared(
    columns: Sequence[Vector], change: Vector, half_hours: Labels, least: int,
    replications: int, seed: int, significance: float,
) -> Estimate | None:
    """Mean over half-hours of the R² of a regression, with the interval of a bootstrap in each.

    Parameters
    ----------
    columns : regressors, T each, beside an intercept.
    least : fewest bars of a half-hour.

    Returns
    -------
    The estimate with its interval, which holds it and stays within 0 and 1, or None where no
    half-hour has enough bars that vary.

    Notes
    -----
    R² is a sum of squares: it cannot be below 0, and in a sample it is above the true one. Its
    distribution is taken to be that of a·χ²(k, Λ), k the slopes of all half-hours and aΛ the true
    mean, with the a at which its variance about the estimate is that of the bootstrap: 2ka² + 4aR².
    The ends are the aΛ under which the estimate would be at the quantiles α/2 and 1 − α/2. Neither
    percentiles (above an R² near 0) nor basic intervals (which hold an R² of 0.01 in two thirds of
    half-hours of 180 bars) do this.
    """
    data = np.column_stack([*columns, change])
    usable = np.flatnonzero(np.isfinite(data).all(axis=1))
    found, draws, total = [], np.zeros(replications), 0
    for number, label in enumerate(np.unique(half_hours[usable])):
        rows = data[usable[half_hours[usable] == label]]
        if len(rows) < max(least, 2 * data.shape[1]):
            continue
        centred = rows - rows.mean(axis=0)
        spread = centred.std(axis=0)
        if not (spread > 1e-12 * np.abs(rows).max(axis=0)).all():
            continue
        scaled = centred / spread
        length = joint_block_length(*scaled.T)
        blocks = draw_blocks(len(scaled), length, replications, seed + number)
        products = _products(scaled)
        mean = products.mean(axis=0)
        k = data.shape[1]
        found.append(_r_squared(mean[None], k)[0])
        draws += _r_squared(bootstrap_means(products - mean, blocks) + mean, k)
        total += len(rows)
    if not found:
        return None
    value = float(np.mean(found))
    variance = float(np.var(draws / len(found), ddof=1))
    low, high = _share_interval(value, variance, len(found) * (data.shape[1] - 1), significance)
    return Estimate(value, total, len(found), None, low, high)


def _share_interval(
    value: float, variance: float, slopes_fitted: int, significance: float
) -> tuple[float, float]:
    """Ends of the interval of a mean R²; see `mean_r_squared`."""
    from scipy.special import chndtr, chndtrinc

    k = slopes_fitted
    scale = (np.sqrt(16.0 * value**2 + 8.0 * k * variance) - 4.0 * value) / (4.0 * k)
    if not scale > 1e-12 * value:
        return value, value
    seen = value / scale

    def centre(probability: float) -> float:
        """True value under which less than the estimate is seen with this probability."""
        if chndtr(seen, k, 0.0) <= probability:
            return 0.0
        return float(scale * chndtrinc(seen, k, probability))

    low, high = centre(1.0 - significance / 2.0), centre(significance / 2.0)
    return min(low, value), float(np.clip(high, value, 1.0))


def depth_exponent(fits: PriceImpact, depth: Vector, half_hours: Labels) -> Estimate | None:
    """λ of β_i = c / AD_i^λ over half-hours i: log β_i on log AD_i, with HAC error.

    `depth` is the mean of the best bid's and ask's size, AD its mean over the half-hour. Half-hours
    with a slope of 0 or below have no logarithm and are left out. None where depth does not vary.

    Source: Cont, Kukanov, Stoikov 2014, eq. 12.
    """
    kept = fits.slope > 0.0
    means = np.array([np.nanmean(depth[half_hours == label]) for label in fits.window[kept]])
    usable = np.isfinite(means) & (means > 0.0)
    x, y = np.log(means[usable]), np.log(fits.slope[kept][usable])
    if len(x) < 4 or not np.ptp(x) > 1e-9:
        return None
    design = np.column_stack([np.ones(len(x)), x])
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    covariance = hac_covariance(design, y - design @ coefficients, small_sample=True)
    return Estimate(-float(coefficients[1]), int(fits.n[kept][usable].sum()), len(x),
                    float(np.sqrt(covariance[1, 1])))


def response(flow: Vector, change: Vector, horizon: int) -> Estimate | None:
    """R(h) = E[(m_{t+h} − m_t) · sign(OFI_t)], m_t the log mid at the end of bar t, in bps.

    At horizon 0 it is the move within the bar of the flow. HAC error with as many lags as bars of
    the move overlap, at least.
    """
    moved = change.copy() if horizon == 0 else np.full(len(change), np.nan)
    if horizon:
        moved[:-1] = forward_sum(change, horizon)[1:]
    values = moved * np.sign(flow)
    present = np.isfinite(values)
    n = int(present.sum())
    if n < 2 * (horizon + 1):
        return None
    mean = float(values[present].mean())
    centred = (values - mean)[:, None]
    variance = long_run_variance(centred).matrix[0, 0]
    if horizon > 1:
        variance = max(variance, long_run_variance(centred, bandwidth=horizon).matrix[0, 0])
    return Estimate(mean, n, 1, float(np.sqrt(max(variance, 0.0) / n)))


def _products(data: Vector) -> Vector:
    """Columns and their products in pairs: what a regression is made of."""
    k = data.shape[1]
    pairs = [data[:, i] * data[:, j] for i in range(k) for j in range(i, k)]
    return np.column_stack([data, *pairs])


def _r_squared(means: Vector, k: int) -> Vector:
    """R² of the last of k variables on the others, from rows of means of `_products`."""
    rows, columns = np.triu_indices(k)
    covariance = np.zeros((len(means), k, k))
    covariance[:, rows, columns] = means[:, k:] - means[:, rows] * means[:, columns]
    covariance[:, columns, rows] = covariance[:, rows, columns]
    gram, moment = covariance[:, :-1, :-1], covariance[:, :-1, -1]
    solved = np.linalg.pinv(gram, hermitian=True) @ moment[..., None]
    explained = (moment * solved[..., 0]).sum(axis=1)
    return np.clip(explained / covariance[:, -1, -1], 0.0, 1.0)
