"""Whether a loop's gain is the same throughout: breaks, and the difference of two sets of bars.

Sources: Zeileis and Hornik 2007 (fluctuation of scores); Ploberger and Krämer 1992.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.covariance import long_run_variance

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class BreakTest:
    """Test of one gain throughout against a gain that changes at an unknown time."""

    statistic: float
    p_value: float
    row: int
    """Last row before the likeliest break."""


def find_break(influence: Vector, targets: NDArray[np.intp]) -> BreakTest | None:
    """Largest excursion of the summed influence of the bars.

    Parameters
    ----------
    influence : what each bar used adds to the estimate; sums to 0.
    targets : slots of these bars, ascending.

    Returns
    -------
    BreakTest, or None when the bars have no influence (the gain is 0 whatever they are).

    Notes
    -----
    max_t |Σ_{s≤t} ψ_s| / (ω √n), ω² the long-run variance of ψ (Bartlett, Newey and West 1994):
    with a constant gain the path is a Brownian bridge, its maximum has Kolmogorov's distribution.
    """
    from scipy.special import kolmogorov

    first, n = int(targets[0]), len(targets)
    on_grid = np.full((int(targets[-1]) - first + 1, 1), np.nan)
    on_grid[targets - first, 0] = influence
    spread = float(long_run_variance(on_grid).matrix[0, 0])
    if not spread > 0.0:
        return None
    path = np.abs(np.cumsum(influence))
    row = int(np.argmax(path))
    statistic = float(path[row]) / math.sqrt(spread * n)
    return BreakTest(statistic, float(kolmogorov(statistic)), row)


@dataclass(frozen=True)
class Difference:
    """Difference of two estimates on different bars, by their replications."""

    estimate: float
    standard_error: float
    low: float
    high: float
    p_value: float


def difference(
    one: float, other: float, drawn_one: Vector, drawn_other: Vector, significance: float
) -> Difference:
    """`one` less `other`, taken as independent; normal p-value, interval by percentiles."""
    from scipy.special import ndtr

    draws = drawn_one - drawn_other
    error = float(draws.std(ddof=1))
    low, high = np.quantile(draws, [significance / 2.0, 1.0 - significance / 2.0])
    estimate = one - other
    p_value = 2.0 * float(ndtr(-abs(estimate) / error)) if error > 0.0 else math.nan
    return Difference(estimate, error, float(low), float(high), p_value)
