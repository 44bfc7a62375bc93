"""The features of a day and venue as a task: what it reads, writes and depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imbalance.features.build import (
    FEATURE_OUTPUTS,
    build_bars,
    definition_version,
    feature_inputs,
)
from imbalance.progress import SILENT, Progress
from imbalance.store.task import TaskContext
from imbalance.tasks import Task


def features_task(venue: str, day: str, progress: Progress = SILENT) -> Task:
    """All feature tables of a venue's day."""

    def build(context: TaskContext) -> Mapping[str, Any]:
        progress.advance(note=f"features {day} {venue}")
        return build_bars(context, day, venue)

    return Task(FEATURE_OUTPUTS, f"{day}|{venue}", tuple(feature_inputs(day, venue)),
                definition_version(), build)
