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
from imbalance.studies.rows import RowTable
from imbalance.studies.study_input import StudyInput


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.vector_autoregression`, `.impulse_response` and `.granger_causality` of one window.

    A family or system without enough data has one row in each that says so.
    """
    fits = RowTable(VECTOR_AUTOREGRESSION, DIAGNOSTICS)
    responses, tests = RowTable(IMPULSE_RESPONSE), RowTable(GRANGER_CAUSALITY)
    for family in given.families:
        for bar_size in family.bar_sizes:
            panel, window = given.panel(bar_size, family.measures, family.maximum_lag)
            nothing = Refusal("*", "*", "*", "no_bars", 0)
            systems = ([FeedbackRows.refused(family, window, nothing)] if panel is None
                       else feed_back(panel, family, window, given.progress))
            for found in systems:
                fits.extend(found.vector_autoregression)
                responses.extend(found.impulse_response)
                tests.extend(found.granger_causality)
    return {
        VECTOR_AUTOREGRESSION.name: fits.finish(),
        IMPULSE_RESPONSE.name: responses.finish(),
        GRANGER_CAUSALITY.name: tests.finish(),
    }
