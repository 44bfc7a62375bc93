"""The study of imbalance and volatility as a function from bars to its table."""

from __future__ import annotations

from typing import Any

from imbalance.studies.rows import RowTable, blank
from imbalance.studies.study_input import StudyInput
from imbalance.studies.volatility.estimate import rows_of
from imbalance.studies.volatility.study import VOLATILITY


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.volatility` of one window; a family without bars of a size says so."""
    rows = RowTable(VOLATILITY)
    for family in given.families:
        reach = max(*family.components, 1) + max(*family.horizons, *family.response_horizons)
        for bar_size in family.bar_sizes:
            panel, window = given.panel(bar_size, family.measures, reach + family.lags)
            if panel is None:
                rows.extend([blank("volatility", family.name, window, {}) | {
                    "estimator": "local_projection", "kind": "predictive", "n_windows": 0,
                    "reason": "no_bars"}])
                continue
            given.progress.advance(note=f"volatility {bar_size}")
            rows.extend(rows_of(panel, family, window))
    return {VOLATILITY.name: rows.finish()}
