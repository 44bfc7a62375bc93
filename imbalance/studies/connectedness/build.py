"""The connectedness study as a function from bars to its table."""

from __future__ import annotations

from typing import Any

from imbalance.studies.connectedness.estimate import connect, refused
from imbalance.studies.connectedness.study import CONNECTEDNESS
from imbalance.studies.feedback.systems import Refusal
from imbalance.studies.rows import RowTable
from imbalance.studies.study_input import StudyInput


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.connectedness` of one window; a family or system without enough data says so."""
    rows = RowTable(CONNECTEDNESS)
    for family in given.families:
        for bar_size in family.bar_sizes:
            panel, window = given.panel(bar_size, family.measures, family.maximum_lag)
            if panel is None:
                rows.extend([refused(family, window, Refusal("*", "*", "*", "no_bars", 0))])
            else:
                rows.extend(connect(panel, family, window, given.progress))
    return {CONNECTEDNESS.name: rows.finish()}
