"""The coherence study as a function from bars to its table."""

from __future__ import annotations

from typing import Any

from imbalance.studies.coherence.estimate import cohere
from imbalance.studies.coherence.study import COHERENCE, COHERENCE_DIFFERENCE
from imbalance.studies.rows import Row, blank, to_arrow
from imbalance.studies.study_input import StudyInput


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.coherence` and `studies.coherence_difference` of one window."""
    rows: list[Row] = []
    differences: list[Row] = []
    for family in given.families:
        for bar_size in family.bar_sizes:
            panel, window = given.panel(bar_size, family.measures, family.longest_segment)
            if panel is None:
                rows.append(blank("coherence", family.name, window, {}) | {
                    "estimator": "multitaper", "period": 0.0, "kind": "contemporaneous",
                    "reason": "no_bars"})
            else:
                found, between = cohere(panel, family, window, given.progress)
                rows += found
                differences += between
    return {
        COHERENCE.name: to_arrow(rows, COHERENCE),
        COHERENCE_DIFFERENCE.name: to_arrow(differences, COHERENCE_DIFFERENCE),
    }
