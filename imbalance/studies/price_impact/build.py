"""The study of price impact as a function from bars to its tables."""

from __future__ import annotations

from typing import Any

from imbalance.studies.price_impact.cross import cross_rows, left_out_rows
from imbalance.studies.price_impact.flows import PeerFlows, flows_of
from imbalance.studies.price_impact.single import single_rows
from imbalance.studies.price_impact.study import CROSS_IMPACT, PRICE_IMPACT
from imbalance.studies.rows import RowTable, blank
from imbalance.studies.study_input import StudyInput


def build(given: StudyInput) -> dict[str, Any]:
    """Both tables of one window; a family without bars of a size says so."""
    single, cross = RowTable(PRICE_IMPACT), RowTable(CROSS_IMPACT)
    for family in given.families:
        for bar_size in family.bar_sizes:
            panel, window = given.panel(bar_size, family.measures, max(family.lags))
            if panel is None:
                nothing = {"reason": "no_bars", "n_windows": 0}
                single.extend([blank("price_impact", family.name, window, {}) | nothing | {
                    "estimator": "slope", "levels": 1}])
                cross.extend([blank("cross_impact", family.name, window, {}) | nothing | {
                    "estimator": "r_squared_out", "model": "own_best"}])
                continue
            given.progress.advance(note=f"price impact {bar_size}")
            names = panel.crossed(family.most_instruments)
            crossed = PeerFlows(panel, names, family.levels)
            cross.extend(left_out_rows(panel, family, window, names))
            for name in panel.instruments:
                own = panel.of((name,))
                single.extend(single_rows(
                    own, family, window, name, flows_of(own, name, family.levels)))
                cross.extend(cross_rows(*crossed.beside(name), family, window, name))
    return {PRICE_IMPACT.name: single.finish(), CROSS_IMPACT.name: cross.finish()}
