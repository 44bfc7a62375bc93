"""Adjusting p-values for the number of tests: false discovery rate over a declared family."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def benjamini_hochberg(p_values: Vector) -> Vector:
    """q-values of Benjamini and Hochberg 1995: q(i) = min_{j ≥ i} m p(j) / j, at most 1.

    Valid for independent and positively dependent tests. NaN stands for a test that was not made:
    it stays NaN and does not count in m.
    """
    return _step_up(p_values, 1.0)


def benjamini_yekutieli(p_values: Vector) -> Vector:
    """q-values of Benjamini and Yekutieli 2001: as Benjamini–Hochberg, times Σ_{i ≤ m} 1/i.

    Valid under any dependence. NaN as in `benjamini_hochberg`.
    """
    m = int(np.isfinite(p_values).sum())
    return _step_up(p_values, float(np.sum(1.0 / np.arange(1, m + 1))))


def _step_up(p_values: Vector, factor: float) -> Vector:
    made = np.flatnonzero(np.isfinite(p_values))
    adjusted = np.full(len(p_values), np.nan)
    if not len(made):
        return adjusted
    order = made[np.argsort(p_values[made], kind="stable")]
    m = len(order)
    raw = p_values[order] * m * factor / np.arange(1, m + 1)
    adjusted[order] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
    return adjusted
