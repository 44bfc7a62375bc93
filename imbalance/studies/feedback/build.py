"""The feedback study as a function from bars to its tables."""

from __future__ import annotations

from typing import Any

from imbalance.studies.feedback.estimate import DIAGNOSTICS, FeedbackRows, feed_back
from imbalance.studies.feedback.study import (
    GRANGER_CAUSALITY,
    IMPULSE_RESPONSE,
    VECTOR_AUTOREGRESSION,
)
from imbalance.studies.feedback.systems import Refusal
from imbalance.studies.rows import to_arrow
from imbalance.studies.study_input import StudyInput


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.vector_autoregression`, `.impulse_response` and `.granger_causality` of one window.

    A family or system without enough data has one row in each that says so.
    """
    rows = FeedbackRows()
    for family in given.families:
        for bar_size in family.bar_sizes:
            panel, window = given.panel(bar_size, family.measures, family.maximum_lag)
            if panel is None:
                rows.refuse(family, window, Refusal("*", "*", "*", "no_bars", 0))
            else:
                rows.add(feed_back(panel, family, window, given.progress))
    return {
        VECTOR_AUTOREGRESSION.name: to_arrow(
            rows.vector_autoregression, VECTOR_AUTOREGRESSION, DIAGNOSTICS
        ),
        IMPULSE_RESPONSE.name: to_arrow(rows.impulse_response, IMPULSE_RESPONSE),
        GRANGER_CAUSALITY.name: to_arrow(rows.granger_causality, GRANGER_CAUSALITY),
    }
