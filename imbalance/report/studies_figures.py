"""The one picture that Dagster shows of a table of a study: small and telling.

How charts look is in `studies_charts`. A picture is a function of a source and a window.
"""

from __future__ import annotations

from imbalance.report.figures import Drawing
from imbalance.report.queries import Choice, Source
from imbalance.report.studies_charts import correlation_heatmap, impulse_responses

PAIRS = 8
RESPONSES = 4


def heatmap(source: Source, window: Choice) -> Drawing | None:
    """Correlations by lag of the strongest pair of measures."""
    measures = source.correlation_measures(window)
    cells = source.correlation_cells(window, measures[0], PAIRS) if measures else []
    return correlation_heatmap(cells, label="correlation by lag") if cells else None


def responses(source: Source, window: Choice) -> Drawing | None:
    """Impulse responses of one system."""
    found = source.impulse_responses(window, RESPONSES)
    if not found:
        return None
    return impulse_responses([r for r in found if r.model == found[0].model])
