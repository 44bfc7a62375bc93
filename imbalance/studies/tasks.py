"""The studies as tasks: which bars a window reads, and the tables it writes.

A window is a UTC day (partition `2024-08-08`) or the whole span (partition `all`). What is
estimated is in `families`; how, in the estimators' modules.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from imbalance.progress import SILENT, Progress
from imbalance.store.task import TaskContext
from imbalance.studies.families import Declaration, declare, families_table
from imbalance.studies.version import definition_version
from imbalance.tasks import Task

if TYPE_CHECKING:
    from imbalance.store.store import Store

SPAN = "all"
CORRELATION_TABLES = ("studies.correlation",)
FEEDBACK_TABLES = (
    "studies.vector_autoregression",
    "studies.impulse_response",
    "studies.granger_causality",
)
FAMILY_TABLES = ("studies.families",)

_GRID_COLUMNS = (
    "instrument", "bar_start", "bar_end", "available_at", "valid", "poisoned", "coverage",
)


def families_task(store: Store) -> Task:
    """Write down what will be estimated, before anything is."""
    declaration = declare(store.config.studies)

    def build(context: TaskContext) -> None:
        context.writer("studies.families").write(families_table(declaration))

    return Task(FAMILY_TABLES, SPAN, (), definition_version(), build,
                {"families": _as_json(declaration)})


def correlation_task(store: Store, partition: str, progress: Progress = SILENT) -> Task:
    """The correlation study of a window."""
    declaration = declare(store.config.studies)

    def build(context: TaskContext) -> Mapping[str, Any]:
        from imbalance.studies.build import build_correlation

        bars = read_bars(context, declaration, inputs)
        progress.advance(note=f"correlation {partition}")
        rows = build_correlation(
            bars, declaration.correlation, scope=scope(partition), partition=partition,
            progress=progress,
        )
        context.writer("studies.correlation").write(rows)
        return {"bars": {size: table.num_rows for size, table in bars.items()}}

    inputs = _inputs(store, declaration, partition)
    return Task(CORRELATION_TABLES, partition, inputs, definition_version(), build,
                {"families": _as_json(declaration)["correlation"]})


def feedback_task(store: Store, partition: str, progress: Progress = SILENT) -> Task:
    """The feedback study of a window."""
    declaration = declare(store.config.studies)

    def build(context: TaskContext) -> Mapping[str, Any]:
        from imbalance.studies.build import build_feedback

        bars = read_bars(context, declaration, inputs)
        progress.advance(note=f"feedback {partition}")
        tables = build_feedback(
            bars, declaration.feedback, scope=scope(partition), partition=partition,
            progress=progress,
        )
        for name, rows in tables.items():
            context.writer(name).write(rows)
        return {"bars": {size: table.num_rows for size, table in bars.items()}}

    inputs = _inputs(store, declaration, partition)
    return Task(FEEDBACK_TABLES, partition, inputs, definition_version(), build,
                {"families": _as_json(declaration)["feedback"]})


def scope(partition: str) -> str:
    """`day` or `span`."""
    return "span" if partition == SPAN else "day"


def study_days(store: Store) -> list[str]:
    """Days that have features, of whatever venue."""
    sizes = declare(store.config.studies).bar_sizes
    partitions = store.ledger.partitions(f"features.bars_{sizes[0]}") if sizes else {}
    return sorted({partition.split("|", 1)[0] for partition in partitions})


def _inputs(
    store: Store, declaration: Declaration, partition: str
) -> tuple[tuple[str, str], ...]:
    found = []
    for size in declaration.bar_sizes:
        table = f"features.bars_{size}"
        found += [
            (table, key) for key in sorted(store.ledger.partitions(table))
            if partition in (SPAN, key.split("|", 1)[0])
        ]
    return tuple(found)


def read_bars(
    context: TaskContext, declaration: Declaration, inputs: tuple[tuple[str, str], ...]
) -> dict[str, Any]:
    """Bar size to one Arrow table of all venues and days, with the columns that are studied."""
    import pyarrow as pa

    from imbalance import catalog

    bars: dict[str, list[Any]] = {size: [] for size in declaration.bar_sizes}
    for table, key in inputs:
        size = table.rpartition("_")[2]
        held = catalog.table(table).column_names
        wanted = dict.fromkeys((*_GRID_COLUMNS, *declaration.columns(size)))
        bars[size].append(context.read(table, key, [name for name in wanted if name in held]))
    return {size: pa.concat_tables(parts) for size, parts in bars.items() if parts}


def _as_json(declaration: Declaration) -> Any:
    return json.loads(json.dumps(asdict(declaration)))
