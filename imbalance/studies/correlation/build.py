"""The correlation study as a function from bars to its table."""

from __future__ import annotations

from typing import Any

from imbalance.studies.correlation.estimate import correlate
from imbalance.studies.correlation.study import CORRELATION
from imbalance.studies.rows import Row, blank, to_arrow
from imbalance.studies.study_input import StudyInput


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.correlation` of one window.

    A family without bars, pairs or enough data has rows that say so.
    """
    rows: list[Row] = []
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
                rows.extend(correlate(panel, family, window, given.progress))
    return {CORRELATION.name: to_arrow(rows, CORRELATION)}
