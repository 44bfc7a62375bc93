"""The dependence study as a function from bars to its table."""

from __future__ import annotations

from typing import Any

from imbalance.studies.dependence.estimate import depend
from imbalance.studies.dependence.study import DEPENDENCE, DEPENDENCE_DIFFERENCE
from imbalance.studies.rows import RowTable, blank
from imbalance.studies.study_input import StudyInput


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.dependence` and `studies.dependence_difference` of one window."""
    rows, differences = RowTable(DEPENDENCE), RowTable(DEPENDENCE_DIFFERENCE)
    for family in given.families:
        for bar_size in family.bar_sizes:
            panel, window = given.panel(bar_size, family.measures, reach=1)
            if panel is None:
                rows.extend([blank("dependence", family.name, window, {}) | {
                    "estimator": "distance_correlation", "level": 0.0,
                    "kind": "contemporaneous", "reason": "no_bars"}])
            else:
                depend(panel, family, window, rows, differences, given.progress)
    return {DEPENDENCE.name: rows.finish(), DEPENDENCE_DIFFERENCE.name: differences.finish()}
