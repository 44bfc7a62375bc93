"""Whether correlations differ between the levels of a regime: a row per comparison."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.correlation.study import CorrelationFamily
from imbalance.studies.levels import (
    PARAMETERS,
    Estimate,
    Estimator,
    Mask,
    at_levels,
    difference_rows,
    regime_masks,
)
from imbalance.studies.pairs import Series
from imbalance.studies.prepared_series import COLLINEAR, SeriesPool
from imbalance.studies.rows import Row, Window, blank

Vector = NDArray[np.float64]

_STILL = 1e-10
"""Share of a level's variance that must be left without any one of its bars."""


def compare(panel: Panel, family: CorrelationFamily, window: Window, pool: SeriesPool,
            pairs: list[tuple[Series, Series]]) -> list[Row]:
    """Rows of `studies.correlation_difference` of one family on one bar size.

    Parameters
    ----------
    pool : prepared series.
    pairs : pairs of series that can be used.
    """
    rows = []
    for x, y in pairs:
        there = panel.exists[x[0]] & panel.exists[y[0]]
        for lag in family.regime_lags:
            if lag <= 0 and x == y:
                continue
            estimator = correlation_at(
                pool.get(x).values, _shifted(pool.get(y).values, lag), family.minimum_bars)
            for regime in family.regimes:
                template = blank("correlation_difference", family.name, window, PARAMETERS) | {
                    "instrument_x": x[0], "measure_x": x[1], "instrument_y": y[0],
                    "measure_y": y[1], "of": "pearson", "lag": lag, "horizon": 1,
                    "kind": "contemporaneous" if lag == 0 else "predictive",
                }
                found = at_levels(regime, regime_masks(panel, x[0], regime), there, estimator)
                rows += [template | row for row in difference_rows(
                    found, int(there.sum()), family.significance)]
    return rows


def correlation_at(x: Vector, y: Vector, least: int) -> Estimator:
    """Pearson's correlation of two series in the bars of a level, of which there must be some.

    What a bar adds is (n − 1)(r − r without it): of the few bars of a level the derivative would
    make too little of the outer ones, which move r most (Miller 1974).
    """
    both = np.isfinite(x) & np.isfinite(y)

    def estimate(mask: Mask) -> Estimate | str:
        used = both & mask
        n = int(used.sum())
        if n < max(least, 4):
            return "too_few_bars"
        u, v = x[used] - x[used].mean(), y[used] - y[used].mean()
        if not (np.ptp(u) > 0.0 and np.ptp(v) > 0.0):
            return "constant_series"
        r = float(u @ v / np.sqrt((u @ u) * (v @ v)))
        if not abs(r) < COLLINEAR:
            return "collinear"
        # Sums about the means of the others: a deviation of 0 in the mean leaves n/(n − 1) of it.
        weight = n / (n - 1.0)
        left = np.stack([u @ u - weight * u * u, v @ v - weight * v * v])
        if (left.min(axis=1) <= _STILL * np.array([u @ u, v @ v])).any():
            return "constant_series"
        rest = (u @ v - weight * u * v) / np.sqrt(left.prod(axis=0))
        added = np.full(len(x), np.nan)
        added[used] = (n - 1.0) * (r - rest)
        return Estimate(r, added)

    return estimate


def _shifted(y: Vector, lag: int) -> Vector:
    """y_{t+lag} on the slots of t."""
    moved = np.full(len(y), np.nan)
    if lag >= 0:
        moved[: len(y) - lag] = y[lag:]
    else:
        moved[-lag:] = y[:lag]
    return moved
