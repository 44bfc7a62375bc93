"""Coherence of the stretches that follow a level of a regime, and whether the levels differ."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.coherence.multitaper import (
    SHORTEST_SEGMENT,
    Spectra,
    segments,
    spectra,
    stable,
)
from imbalance.studies.coherence.study import CoherenceFamily
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
from imbalance.studies.stretches import FEWEST, counts_in, stretch_masks, tiles
from imbalance.studies.stretches import PARAMETERS as STRETCHES

FEWEST_IN_ALL = 36
"""Stretches that their length is to leave, twelve to a tercile, if the shortest are not too few."""


def regime_rows(
    panel: Panel, family: CoherenceFamily, window: Window, x: Series, y: Series,
    pair: PreparedPair,
) -> tuple[list[Row], list[Row]]:
    """Rows of `studies.coherence` by level, and of `studies.coherence_difference`, of a pair."""
    panel = panel.of((x[0], y[0]))
    both = np.isfinite(pair.x) & np.isfinite(pair.y)
    length = family.longest_segment
    while len(starts := segments(both, length)) < FEWEST_IN_ALL and length > SHORTEST_SEGMENT:
        length //= 2
    found = spectra(pair.x, pair.y, starts, length, family.periods)
    rows: list[Row] = []
    differences: list[Row] = []
    about = {"instrument_x": x[0], "measure_x": x[1], "instrument_y": y[0], "measure_y": y[1],
             "kind": "contemporaneous"}
    parameters = PARAMETERS | STRETCHES | {
        "covariance": "jackknife over stretches of atanh √C", "segment": length,
        "difference": "of atanh √C"}
    exists = panel.exists[x[0]] & panel.exists[y[0]]
    edges, sample = tiles(starts, length, len(exists))
    there = counts_in(exists, edges[:-1], np.diff(edges))
    for regime in family.regimes:
        masks = stretch_masks(panel, x[0], regime, edges[:-1], length, limits=sample)
        for place, period in enumerate(found.periods):
            levels = at_levels(regime, masks, there, coherence_at(found, place), sample=sample,
                               bandwidth=0.0, bars=there[sample])
            rows += [
                blank("coherence", family.name, window, parameters) | about | _squared(row) | {
                    "estimator": "multitaper", "period": period}
                for row in level_rows(levels, family.significance)]
            differences += [
                blank("coherence_difference", family.name, window, parameters) | about | row | {
                    "of": "multitaper", "period": period}
                for row in difference_rows(levels, int(exists.sum()), family.significance)]
    return rows, differences


def coherence_at(found: Spectra, place: int) -> Estimator:
    """Of a level's stretches atanh √C; a stretch adds what leaving it out takes away."""
    def estimate(mask: Mask) -> Estimate | str:
        m = int(mask.sum())
        if m < FEWEST:
            return "too_few_stretches"
        cross, own_x, own_y = (part[mask, place] for part in (found.cross, found.x, found.y))
        if not (own_x.min() > 0.0 and own_y.min() > 0.0):
            return "constant_series"
        value = float(stable(_squared_coherence(cross.sum(), own_x.sum(), own_y.sum())))
        without = stable(_squared_coherence(
            cross.sum() - cross, own_x.sum() - own_x, own_y.sum() - own_y))
        influence = np.full(len(mask), np.nan)
        influence[mask] = np.sqrt(m * (m - 1.0)) * (without.mean() - without)
        return Estimate(value, influence)

    return estimate


def _squared_coherence(
    cross: NDArray[np.complex128], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.asarray(np.abs(cross) ** 2 / (x * y))


def _squared(row: Row) -> Row:
    """A row of atanh √C as one of C."""
    if row.get("estimate") is None:
        return row
    z, error = row["estimate"], row["standard_error"]
    root = np.tanh(z)
    return row | {
        "estimate": float(root**2), "standard_error": float(2.0 * root * (1.0 - root**2) * error),
        "interval_low": float(np.tanh(max(row["interval_low"], 0.0)) ** 2),
        "interval_high": float(np.tanh(row["interval_high"]) ** 2),
    }
