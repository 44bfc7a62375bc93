"""The correlation study as a function from bars to its tables."""

from __future__ import annotations

from typing import Any

from imbalance.studies.correlation.estimate import correlate
from imbalance.studies.correlation.study import CORRELATION, CORRELATION_DIFFERENCE
from imbalance.studies.rows import Row, blank, to_arrow
from imbalance.studies.study_input import StudyInput


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.correlation` and `studies.correlation_difference` of one window.

    A family without bars, pairs or enough data has rows that say so.
    """
    rows: list[Row] = []
    differences: list[Row] = []
    for family in given.families:
        for bar_size in family.bar_sizes:
            panel, window = given.panel(bar_size, family.measures, family.reach)
            if panel is None:
                rows.append(
                    blank("correlation", family.name, window, {})
                    | {"estimator": family.estimators[0], "kind": "contemporaneous",
                       "horizon": 1, "reason": "no_bars"}
                )
            else:
                found, between = correlate(panel, family, window, given.progress)
                rows += found
                differences += between
    return {
        CORRELATION.name: to_arrow(rows, CORRELATION),
        # Differences share their bars and pull against each other: any dependence is possible.
        CORRELATION_DIFFERENCE.name: to_arrow(differences, CORRELATION_DIFFERENCE),
    }
