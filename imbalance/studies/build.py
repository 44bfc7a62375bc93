"""The studies as functions from bars to tables: what the assets call.

Bars come in as one Arrow table per bar size, everything goes out as Arrow tables in the schema of
`tables.py`. Reading and writing partitions is the caller's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imbalance.progress import SILENT, Progress
from imbalance.studies.alignment import align
from imbalance.studies.correlation import correlate
from imbalance.studies.families import CorrelationFamily, FeedbackFamily
from imbalance.studies.feedback import DIAGNOSTICS, FeedbackRows, feed_back
from imbalance.studies.rows import Row, Window, blank, to_arrow
from imbalance.studies.systems import Refusal
from imbalance.studies.tables import (
    CORRELATION,
    GRANGER_CAUSALITY,
    IMPULSE_RESPONSE,
    VECTOR_AUTOREGRESSION,
)


def build_correlation(
    bars: Mapping[str, Any],
    families: Sequence[CorrelationFamily],
    *,
    scope: str,
    partition: str,
    progress: Progress = SILENT,
) -> Any:
    """`studies.correlation` of one window.

    Parameters
    ----------
    bars : bar size to Arrow table of the bars in the window, all instruments together.
    families : what to estimate, as declared.
    scope : `day` or `span`.
    partition : key of the partition; names the day when there are no bars.

    Returns
    -------
    Arrow table in the schema of `studies.correlation`. A family without bars, pairs or enough data
    has rows that say so.
    """
    rows: list[Row] = []
    for family in families:
        for bar_size in family.bar_sizes:
            table = bars.get(bar_size)
            panel = (
                None if table is None else align(table, bar_size, family.measures, family.reach)
            )
            window = Window.of(panel, scope, partition, bar_size)
            if panel is None:
                rows.append(
                    blank("correlation", family.name, window, {})
                    | {"estimator": family.estimators[0], "kind": "contemporaneous",
                       "horizon": 1, "reason": "no_bars"}
                )
            else:
                rows.extend(correlate(panel, family, window, progress))
    return to_arrow(rows, CORRELATION)


def build_feedback(
    bars: Mapping[str, Any],
    families: Sequence[FeedbackFamily],
    *,
    scope: str,
    partition: str,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """`studies.vector_autoregression`, `.impulse_response` and `.granger_causality` of one window.

    Parameters are those of `build_correlation`.

    Returns
    -------
    Table name to Arrow table in the table's schema. A family or system without enough data has one
    row in each that says so.
    """
    rows = FeedbackRows()
    for family in families:
        for bar_size in family.bar_sizes:
            table = bars.get(bar_size)
            panel = (
                None
                if table is None
                else align(table, bar_size, family.measures, family.maximum_lag)
            )
            window = Window.of(panel, scope, partition, bar_size)
            if panel is None:
                rows.refuse(family, window, Refusal("*", "*", "*", "no_bars", 0))
            else:
                rows.add(feed_back(panel, family, window, progress))
    return {
        VECTOR_AUTOREGRESSION.name: to_arrow(
            rows.vector_autoregression, VECTOR_AUTOREGRESSION, DIAGNOSTICS
        ),
        IMPULSE_RESPONSE.name: to_arrow(rows.impulse_response, IMPULSE_RESPONSE),
        GRANGER_CAUSALITY.name: to_arrow(rows.granger_causality, GRANGER_CAUSALITY),
    }
