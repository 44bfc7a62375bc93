"""The heterogeneous autoregression of volatility with terms of imbalance, in and out of sample.

Forecasts are fitted on what was over before they are made. Sources: Corsi 2009; Clark and West
2007 for the comparison of nested models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.covariance import hac_covariance
from imbalance.studies.prepared_series import forward_sum
from imbalance.studies.walk_forward import Step

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


BARS_PER_COEFFICIENT = 6
"""Fewest bars for a coefficient: below, HAC errors are far too small and forecasts wild."""
TEST_BARS_PER_COEFFICIENT = 40
"""Fewest bars in sample for a coefficient and a bar of the horizon: below, the test rejects what is
true far too often. At it, 7 of 100 tests at 5 % do."""


@dataclass(frozen=True)
class InSample:
    """Both regressions over the same bars."""

    small: float
    large: float
    """R² without and with the terms of imbalance."""
    p_value: float
    """Test that all terms of imbalance are 0: HAC Wald statistic over their number, by F."""
    n: int

    @property
    def partial(self) -> float:
        """Share of what the smaller model leaves open that the larger one explains."""
        return (self.large - self.small) / (1.0 - self.small)


@dataclass(frozen=True)
class OutOfSample:
    """Forecasts of both models, and of the mean, over the same bars."""

    rows: NDArray[np.int64]
    """Which of the rows given were judged."""
    actual: Vector
    mean: Vector
    small: Vector
    large: Vector
    steps: int


def means(series: Vector, bars: int) -> Vector:
    """Mean of each bar and those before it, `bars` in all; missing where one of them is."""
    out = np.full(len(series), np.nan)
    if bars <= len(series):
        out[bars - 1 :] = forward_sum(series, bars)[: len(series) - bars + 1] / bars
    return out


def terms(series: Vector, components: Sequence[int]) -> Matrix:
    """Means of a series over each number of bars, T × components."""
    return np.column_stack([means(series, bars) for bars in components])


def ahead(series: Vector, horizon: int) -> Vector:
    """Mean over the next `horizon` bars, without the bar itself."""
    out = np.full(len(series), np.nan)
    out[:-1] = forward_sum(series, horizon)[1:] / horizon
    return out


def stands_still(*columns: Matrix) -> bool:
    """Whether any column does not vary, but for rounding."""
    return any(bool((np.ptp(one, axis=0) <= 1e-9 * np.abs(one).max(axis=0)).any())
               for one in columns)


def in_sample(small: Matrix, extra: Matrix, y: Vector, horizon: int) -> InSample | None:
    """R² without and with extra terms, with the Wald test of those; None where they are collinear.

    A target that its regressors give exactly counts as collinear with them.

    Parameters
    ----------
    small, extra : n × k, n × m, without a constant, each column of which varies.
    y : n means over `horizon` bars, whose errors overlap: the HAC bandwidth is at least that.

    Notes
    -----
    The Wald statistic over m is held against F(m, n/(bandwidth + 1) − 1 − k − m): the mean over a
    bandwidth counts as one observation, without which the test rejects too often.
    """
    from scipy.special import fdtrc

    from imbalance.studies.covariance import newey_west_bandwidth

    scaled = [(one - one.mean(axis=0)) / one.std(axis=0) for one in (small, extra)]
    design = np.column_stack([np.ones(len(y)), *scaled])
    if np.linalg.cond(design) > 1e6:
        return None
    residuals = []
    for columns in (1 + small.shape[1], design.shape[1]):
        part = design[:, :columns]
        coefficients = np.linalg.lstsq(part, y, rcond=None)[0]
        residuals.append(y - part @ coefficients)
    total = float(np.square(y - y.mean()).sum())
    r_squared = [1.0 - float(np.square(one).sum()) / total for one in residuals]
    if max(r_squared) > 1.0 - 1e-12:
        return None
    bandwidth = max(horizon, int(newey_west_bandwidth(design[:, 1:] * residuals[1][:, None])))
    covariance = hac_covariance(design, residuals[1], bandwidth=bandwidth, small_sample=True)
    tested = slice(1 + small.shape[1], None)
    b = coefficients[tested]
    wald = float(b @ np.linalg.solve(covariance[tested, tested], b))
    freedom = max(len(y) / (bandwidth + 1) - design.shape[1], 1.0)
    return InSample(r_squared[0], r_squared[1], float(fdtrc(len(b), freedom, wald / len(b))),
                    len(y))


def out_of_sample(
    small: Matrix, extra: Matrix, y: Vector, steps: Sequence[Step], horizon: int
) -> OutOfSample | None:
    """Forecasts by least squares, step by step.

    Parameters
    ----------
    steps : over rows in the order in which their targets end. The last rows before a stretch are
        left out of its fit: their targets had not ended when its first forecast was made.
    """
    whole = np.column_stack([np.ones(len(y)), small, extra])
    found: list[tuple[NDArray[Any], ...]] = []
    for step in steps:
        train = slice(step.train.start, max(step.train.stop - horizon, step.train.start))
        target = y[train]
        if len(target) < BARS_PER_COEFFICIENT * whole.shape[1] or not np.ptp(target) > 0.0:
            continue
        forecasts = []
        for columns in (1 + small.shape[1], whole.shape[1]):
            fit = np.linalg.lstsq(whole[train, :columns], target, rcond=None)[0]
            # A forecast outside of what has been seen is an extrapolation of the noise.
            forecasts.append(np.clip(whole[step.test, :columns] @ fit, target.min(), target.max()))
        judged = np.arange(len(y))[step.test]
        found.append((judged, y[judged], np.full(len(judged), target.mean()), *forecasts))
    if not found:
        return None
    rows, actual, mean, less, more = (np.concatenate(part) for part in zip(*found, strict=True))
    return OutOfSample(rows, actual, mean, less, more, len(found))
