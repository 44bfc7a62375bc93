"""What is told of an estimated lead, whichever part of the window it is of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.lead_lag.estimate import LeadLag
from imbalance.studies.lead_lag.study import MILLISECOND
from imbalance.studies.rows import Row


def summary(found: LeadLag, significance: float) -> Iterator[Row]:
    """Lead, correlation there, ratios and asymmetry, with bands of the replications."""
    yield {
        "estimator": "lead", "estimate": found.best / MILLISECOND,
        "p_value": found.sign_p_value, "hypothesis": "ahead",
    } | _spread(found.drawn_best / MILLISECOND, significance)
    peak = np.flatnonzero(found.lags == found.best)[0]
    yield {"estimator": "peak_correlation", "estimate": found.best_correlation} | _spread(
        found.drawn[:, peak], significance)
    for name, power in (("lead_lag_ratio", 2), ("lead_lag_ratio_unsquared", 1)):
        yield {"estimator": name, "estimate": found.ratio(power)} | _spread(
            found.drawn_ratios(power), significance)
    yield {"estimator": "asymmetry", "estimate": found.asymmetry} | _spread(
        found.drawn_asymmetry, significance)


def band(drawn: NDArray[np.float64], significance: float) -> Row:
    """Percentiles of replications."""
    low, high = np.quantile(drawn, [significance / 2.0, 1.0 - significance / 2.0])
    return {"interval_low": float(low), "interval_high": float(high)}


def _spread(drawn: NDArray[np.float64], significance: float) -> Row:
    return {"standard_error": float(drawn.std(ddof=1))} | band(drawn, significance)
