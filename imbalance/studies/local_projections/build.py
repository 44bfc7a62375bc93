"""The study of local projections as a function from bars to its table."""

from __future__ import annotations

from typing import Any

from imbalance.studies.feedback.systems import Refusal
from imbalance.studies.local_projections.estimate import project_all, refused
from imbalance.studies.local_projections.study import LOCAL_PROJECTION
from imbalance.studies.rows import RowTable
from imbalance.studies.study_input import StudyInput

SAME_QUESTION = frozenset({"local_projection", "difference", "cumulative"})
"""Tests that ask again what `lag_augmented` and `disagreement` ask, and sums that begin with the
shock itself: they get no q-value."""


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.local_projection` of one window; a family or system without enough data says so."""
    rows = RowTable(LOCAL_PROJECTION, SAME_QUESTION)
    for family in given.families:
        reach = family.maximum_lag + family.horizon
        for bar_size in family.bar_sizes:
            panel, window = given.panel(bar_size, family.measures, reach)
            if panel is None:
                rows.extend([refused(family, window, Refusal("*", "*", "*", "no_bars", 0))])
            else:
                rows.extend(project_all(panel, family, window, given.progress))
    return {LOCAL_PROJECTION.name: rows.finish()}
