"""The Epps effect: correlation that fades as bars get short, because prices tick at random times.

The curve as measured, and the closed form for prices that tick at Poisson times.

Sources: Epps 1979; Hayashi and Yoshida 2005; Tóth and Kertész 2009.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.asynchrony.sampling import regular_grid, sampled_increments
from imbalance.studies.asynchrony.ticks import Ticks
from imbalance.studies.covariance import long_run_variance

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """A correlation of bar returns about zero, with its uncertainty."""

    estimate: float
    standard_error: float
    n: int


def epps_factor(rate_x: float, rate_y: float, step: float) -> float:
    """Share of a correlation that previous-tick bars show when ticks come at Poisson times.

    Parameters
    ----------
    rate_x, rate_y : ticks per second, independent of each other and of the prices.
    step : length of the bars, s.

    Notes
    -----
    1 − [(1 − e₁)/λ₁ + (1 − e₂)/λ₂ − (2 − e₁ − e₂)/(λ₁ + λ₂)] / Δ with e_i = exp(−λ_i Δ): the mean
    length over which the two observed returns overlap, over Δ. For equal rates it is
    1 + (e^{−λΔ} − 1)/(λΔ). The variance of a bar is σ²Δ whatever the rate, so that the factor is
    the same for covariance and correlation.
    """
    missed_x, missed_y = -math.expm1(-rate_x * step), -math.expm1(-rate_y * step)
    lost = missed_x / rate_x + missed_y / rate_y - (missed_x + missed_y) / (rate_x + rate_y)
    return 1.0 - lost / step


def bar_correlation(x: Ticks, y: Ticks, step: int) -> Correlation:
    """Correlation of previous-tick returns on a grid of `step` ns.

    Notes
    -----
    r = Σ xy / √(Σ x² Σ y²): returns of short bars have mean 0 but for rounding. Standard error:
    HAC long-run variance of the influence values u v − r (u² + v²)/2 with u, v the returns over
    their root mean squares (Bartlett, bandwidth of Newey and West 1994). NaN where a price does
    not move.
    """
    returns = sampled_increments((x, y), regular_grid((x, y), step))
    return zero_mean_correlation(returns)


def zero_mean_correlation(returns: NDArray[np.float64]) -> Correlation:
    """See `bar_correlation`: the same of two columns of returns."""
    n = len(returns)
    scale = np.sqrt(np.square(returns).mean(axis=0)) if n else np.zeros(2)
    if n < 3 or not (scale > 0.0).all():
        return Correlation(math.nan, math.nan, n)
    u, v = (returns / scale).T
    r = float((u * v).mean())
    influence = u * v - 0.5 * r * (np.square(u) + np.square(v))
    variance = long_run_variance(influence[:, None]).matrix[0, 0]
    return Correlation(r, math.sqrt(max(float(variance), 0.0) / n), n)
