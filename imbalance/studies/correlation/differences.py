"""Whether correlations differ between the levels of a regime: a row per comparison."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.correlation.by_level import correlation_at
from imbalance.studies.correlation.study import CorrelationFamily
from imbalance.studies.levels import PARAMETERS, at_levels, difference_rows, regime_masks
from imbalance.studies.pairs import Series
from imbalance.studies.prepared_series import SeriesPool
from imbalance.studies.rows import Row, Window, blank

Vector = NDArray[np.float64]


def compare(panel: Panel, family: CorrelationFamily, window: Window, pool: SeriesPool,
            pairs: list[tuple[Series, Series]]) -> Iterator[Row]:
    """Rows of `studies.correlation_difference` of one family on one bar size.

    Parameters
    ----------
    pool : prepared series.
    pairs : pairs of series that can be used.
    """
    for x, y in pairs:
        own = panel.of((x[0], y[0]))
        exists = [np.where(own.exists[one[0]], 1.0, np.nan) for one in (x, y)]
        for lag in family.regime_lags:
            if lag <= 0 and x == y:
                continue
            there = np.isfinite(exists[0] + _shifted(exists[1], lag))
            estimator = correlation_at(
                pool.on(own, x), _shifted(pool.on(own, y), lag), family.minimum_bars)
            for regime in family.regimes:
                template = blank("correlation_difference", family.name, window, PARAMETERS) | {
                    "instrument_x": x[0], "measure_x": x[1], "instrument_y": y[0],
                    "measure_y": y[1], "of": "pearson", "lag": lag, "horizon": 1,
                    "kind": "contemporaneous" if lag == 0 else "predictive",
                }
                found = at_levels(regime, regime_masks(own, x[0], regime), there, estimator)
                for row in difference_rows(found, int(there.sum()), family.significance):
                    yield template | row


def _shifted(y: Vector, lag: int) -> Vector:
    """y_{t+lag} on the slots of t."""
    moved = np.full(len(y), np.nan)
    if lag >= 0:
        moved[: max(len(y) - lag, 0)] = y[lag:]
    else:
        moved[-lag:] = y[:lag]
    return moved
