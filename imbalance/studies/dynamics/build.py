"""The dynamics study as a function from bars to its table."""

from __future__ import annotations

from typing import Any

from imbalance.studies.dynamics.estimate import move
from imbalance.studies.dynamics.study import DYNAMICS, DYNAMICS_DIFFERENCE
from imbalance.studies.rows import RowTable, blank
from imbalance.studies.study_input import StudyInput

DIAGNOSTICS = frozenset({"change_point"})
"""Breaks are looked for where the test of constancy has spoken: its p-value is the family's."""

_HALF_LIVES = 10
"""After which a weight, a thousandth, is as good as gone: what a shortened gap lasts at least."""


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.dynamics` and `studies.dynamics_difference` of one window."""
    rows, differences = RowTable(DYNAMICS, DIAGNOSTICS), RowTable(DYNAMICS_DIFFERENCE)
    for family in given.families:
        for bar_size in family.bar_sizes:
            reach = max(*family.windows, _HALF_LIVES * family.half_life)
            panel, window = given.panel(bar_size, family.measures, reach=reach)
            if panel is None:
                rows.extend([blank("dynamics", family.name, window, {}) | {
                    "estimator": "rolling", "span": 0, "state": 0, "moment": window.window_to,
                    "reason": "no_bars"}])
            else:
                move(panel, family, window, rows, differences, given.progress)
    return {DYNAMICS.name: rows.finish(), DYNAMICS_DIFFERENCE.name: differences.finish()}
