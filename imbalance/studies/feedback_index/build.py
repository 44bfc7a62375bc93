"""The feedback index as a function from bars to its table."""

from __future__ import annotations

from typing import Any

from imbalance.studies.feedback_index.pair import PairStudy
from imbalance.studies.feedback_index.study import FEEDBACK_INDEX
from imbalance.studies.pairs import instrument_pairs, uncrossed
from imbalance.studies.prepared_series import SeriesPool
from imbalance.studies.rows import RowTable, blank
from imbalance.studies.study_input import StudyInput


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.feedback_index` of one window; what is refused is a row with its reason."""
    rows = RowTable(FEEDBACK_INDEX)
    for family in given.families:
        for size in family.bar_sizes:
            panel, window = given.panel(
                size, family.measures, max(family.maximum_lag, family.horizon))
            nothing = blank("feedback_index", family.name, window, {}) | {
                "estimator": "loop_gain", "kind": "predictive", "part_from": window.window_from,
                "part_to": window.window_to}
            if panel is None:
                rows.extend([nothing | {"reason": "no_bars"}])
                continue
            crossed = panel.crossed(family.most_instruments)
            pairs = instrument_pairs(family.pairs, panel.instruments, crossed)
            if not pairs:
                rows.extend([nothing | {"reason": "no_pair"}])
            rows.extend(nothing | row for row in uncrossed(family.pairs, panel.bars, crossed))
            pool = SeriesPool(panel, family.minimum_bars, ranked=False)
            for x, y in pairs:
                given.progress.advance(note=f"feedback index {size} {x} {y}")
                rows.extend(PairStudy(panel, family, window, pool, x, y).rows())
    return {FEEDBACK_INDEX.name: rows.finish()}
