"""The coherence study as a function from bars to its table."""

from __future__ import annotations

from typing import Any

from imbalance.studies.coherence.estimate import cohere
from imbalance.studies.coherence.study import COHERENCE, COHERENCE_DIFFERENCE
from imbalance.studies.rows import RowTable, blank
from imbalance.studies.study_input import StudyInput


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.coherence` and `studies.coherence_difference` of one window."""
    rows, differences = RowTable(COHERENCE), RowTable(COHERENCE_DIFFERENCE)
    for family in given.families:
        for bar_size in family.bar_sizes:
            panel, window = given.panel(bar_size, family.measures, family.longest_segment)
            if panel is None:
                rows.extend([blank("coherence", family.name, window, {}) | {
                    "estimator": "multitaper", "period": 0.0, "kind": "contemporaneous",
                    "reason": "no_bars"}])
            else:
                cohere(panel, family, window, rows, differences, given.progress)
    return {COHERENCE.name: rows.finish(), COHERENCE_DIFFERENCE.name: differences.finish()}
