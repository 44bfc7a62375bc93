"""The study of price impact as a function from bars to its tables."""

from __future__ import annotations

from typing import Any

from imbalance.studies.price_impact.cross import cross_rows
from imbalance.studies.price_impact.flows import flows_of
from imbalance.studies.price_impact.single import single_rows
from imbalance.studies.price_impact.study import CROSS_IMPACT, PRICE_IMPACT
from imbalance.studies.rows import Row, blank, to_arrow
from imbalance.studies.study_input import StudyInput


def build(given: StudyInput) -> dict[str, Any]:
    """Both tables of one window; a family without bars of a size says so."""
    single: list[Row] = []
    cross: list[Row] = []
    for family in given.families:
        for bar_size in family.bar_sizes:
            panel, window = given.panel(bar_size, family.measures, max(family.lags))
            if panel is None:
                nothing = {"reason": "no_bars", "n_windows": 0}
                single.append(blank("price_impact", family.name, window, {}) | nothing | {
                    "estimator": "slope", "levels": 1})
                cross.append(blank("cross_impact", family.name, window, {}) | nothing | {
                    "estimator": "r_squared_out", "model": "own_best"})
                continue
            given.progress.advance(note=f"price impact {bar_size}")
            flows = {name: flows_of(panel, name, family.levels) for name in panel.instruments}
            single.extend(single_rows(panel, family, window, flows))
            cross.extend(cross_rows(panel, family, window, flows))
    return {PRICE_IMPACT.name: to_arrow(single, PRICE_IMPACT),
            CROSS_IMPACT.name: to_arrow(cross, CROSS_IMPACT)}
