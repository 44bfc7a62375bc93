"""The slope of return on flow at the levels of a regime.

The same as one regression with an indicator of each level and its product with flow, since the
levels have no bar in common.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.levels import Estimate, Estimator, Mask

Vector = NDArray[np.float64]


def slope_at(flow: Vector, change: Vector, least: int) -> Estimator:
    """β_l of change = α_l + β_l flow + ε in the bars of a level, of which there must be some."""
    both = np.isfinite(flow) & np.isfinite(change)

    def estimate(mask: Mask) -> Estimate | str:
        used = both & mask
        x, y = flow[used], change[used]
        if len(x) < max(least, 4):
            return "too_few_bars"
        if not (np.ptp(x) > 0.0 and np.ptp(y) > 0.0):
            return "constant_series"
        centred = x - x.mean()
        variance = float(np.mean(centred * centred))
        slope = float(np.mean(centred * y)) / variance
        influence = np.full(len(flow), np.nan)
        influence[used] = centred * (y - y.mean() - slope * centred) / variance
        return Estimate(slope, influence)

    return estimate
