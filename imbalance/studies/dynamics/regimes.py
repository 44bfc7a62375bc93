"""Rolling correlations after the levels of a regime, and whether the levels differ."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.dynamics.moving import fewest_pairs, rolling_correlation
from imbalance.studies.dynamics.study import DynamicsFamily
from imbalance.studies.levels import (
    PARAMETERS,
    Estimate,
    Estimator,
    Mask,
    at_levels,
    difference_rows,
    level_rows,
)
from imbalance.studies.pairs import Series
from imbalance.studies.prepared_series import PreparedPair
from imbalance.studies.rows import Row, Window, blank
from imbalance.studies.stretches import FEWEST, counts_in, stretch_masks
from imbalance.studies.stretches import PARAMETERS as STRETCHES

Vector = NDArray[np.float64]

_BANDWIDTH = 1.0
"""Of the covariance: windows are too few to fit what neighbours have in common, see the docs."""


def regime_rows(
    panel: Panel, family: DynamicsFamily, window: Window, x: Series, y: Series,
    pair: PreparedPair,
) -> tuple[list[Row], list[Row]]:
    """Rows of `studies.dynamics` by level, and of `studies.dynamics_difference`, of a pair."""
    rows: list[Row] = []
    differences: list[Row] = []
    about = {"instrument_x": x[0], "measure_x": x[1], "instrument_y": y[0], "measure_y": y[1],
             "kind": "contemporaneous"}
    panel = panel.of((x[0], y[0]))
    exists = panel.exists[x[0]] & panel.exists[y[0]]
    for span in family.windows:
        path, pairs = rolling_correlation(pair.x, pair.y, span, fewest_pairs(span))
        # Windows side by side share no bar, so that each says something of its own.
        starts = np.arange(0, len(path) - span + 1, span)
        values, used = path[starts + span - 1], pairs[starts + span - 1].astype(np.intp)
        there = counts_in(exists, starts, span)
        parameters = PARAMETERS | STRETCHES | {
            "windows": "side by side, half of their bars there", "bandwidth": _BANDWIDTH,
            "covariance": "Bartlett HAC of the influence values of all levels"}
        for regime in family.regimes:
            masks = stretch_masks(panel, x[0], regime, starts, span)
            found = at_levels(regime, masks, there, mean_at(values), bandwidth=_BANDWIDTH,
                              bars=used)
            template = blank("dynamics", family.name, window, parameters) | about | {
                "span": span, "state": 0, "moment": window.window_to, "estimator": "mean_rolling"}
            rows += [template | row for row in level_rows(found, family.significance)]
            template = blank("dynamics_difference", family.name, window, parameters) | about | {
                "span": span, "of": "mean_rolling"}
            differences += [template | row for row in difference_rows(
                found, int(exists.sum()), family.significance)]
    return rows, differences


def mean_at(values: Vector) -> Estimator:
    """Mean of the values of a level's stretches; NaN is missing."""
    def estimate(mask: Mask) -> Estimate | str:
        used = mask & np.isfinite(values)
        if used.sum() < FEWEST:
            return "too_few_stretches"
        if not np.ptp(values[used]) > 0.0:
            return "constant_series"
        mean = float(values[used].mean())
        return Estimate(mean, np.where(used, values - mean, np.nan))

    return estimate
