"""The correlation study as a function from bars to its tables."""

from __future__ import annotations

from typing import Any

from imbalance.studies.correlation.estimate import correlate
from imbalance.studies.correlation.study import CORRELATION, CORRELATION_DIFFERENCE
from imbalance.studies.rows import RowTable, blank
from imbalance.studies.study_input import StudyInput


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.correlation` and `studies.correlation_difference` of one window.

    A family without bars, pairs or enough data has rows that say so.
    """
    # Differences share their bars and pull against each other: any dependence is possible.
    rows, differences = RowTable(CORRELATION), RowTable(CORRELATION_DIFFERENCE)
    for family in given.families:
        for bar_size in family.bar_sizes:
            panel, window = given.panel(bar_size, family.measures, family.reach)
            if panel is None:
                rows.extend([
                    blank("correlation", family.name, window, {})
                    | {"estimator": family.estimators[0], "kind": "contemporaneous",
                       "horizon": 1, "reason": "no_bars"}
                ])
            else:
                correlate(panel, family, window, rows, differences, given.progress)
    return {CORRELATION.name: rows.finish(), CORRELATION_DIFFERENCE.name: differences.finish()}
