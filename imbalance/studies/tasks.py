"""The studies as tasks: what a window of a study reads, and the tables it writes.

A window is a UTC day (partition `2024-08-08`) or the whole span (partition `all`). What is
estimated is in the families; how, in the estimators' modules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imbalance.progress import SILENT, Progress
from imbalance.store.task import TaskContext
from imbalance.studies.families import (
    as_json,
    bar_sizes,
    declare,
    families_of,
    families_table,
)
from imbalance.studies.measures import BAR_NANOSECONDS
from imbalance.studies.registry import studies
from imbalance.studies.study import Study, load
from imbalance.studies.tables import FAMILIES
from imbalance.studies.version import definition_version
from imbalance.tasks import Task

if TYPE_CHECKING:
    from imbalance.store.store import Store
    from imbalance.studies.study_input import ReadBars

SPAN = "all"
FAMILY_TABLES = (FAMILIES.name,)
HEALTH = "book.book_health"

Inputs = tuple[tuple[str, str], ...]


def families_task(store: Store) -> Task:
    """Write down what will be estimated, before anything is."""
    declaration = declare(store.config.studies)
    versions = "".join(definition_version(one) for one in studies())

    def build(context: TaskContext) -> None:
        context.writer(FAMILIES.name).write(families_table(declaration))

    return Task(FAMILY_TABLES, SPAN, (), hashlib.sha256(versions.encode()).hexdigest()[:16], build,
                {"families": {name: as_json(of) for name, of in declaration.items()}})


def study_task(
    study: Study, store: Store, partition: str, progress: Progress = SILENT
) -> Task:
    """A study of a window."""
    families = families_of(study, store.config.studies)
    sizes = bar_sizes(families)
    bars = _inputs(store, [f"features.bars_{size}" for size in sizes], partition)
    tables = (*study.events, HEALTH) if study.events else ()
    events = _inputs(store, dict.fromkeys(tables), partition)
    version = definition_version(study)

    def build(context: TaskContext) -> Mapping[str, Any]:
        from imbalance.studies.events import Events
        from imbalance.studies.study_input import StudyInput

        progress.advance(note=f"{study.name} {partition}")
        day = _only_day(study, (*bars, *events)) if partition == SPAN else None
        if day and _take_from(day, study, context):
            return {"bars": list(sizes), "taken_from": day}
        given = StudyInput(
            partition, families, _reader(context, bars),
            Events(context, events) if study.events else None, progress,
        )
        for name, rows in load(study.build)(given).items():
            context.writer(name).write(_with_text(rows, "definition_version", version))
        return {"bars": list(sizes)}

    return Task(study.table_names, partition, (*bars, *events), version, build,
                {"families": as_json(families)})


def study_days(store: Store) -> list[str]:
    """Days that have features, of whatever venue."""
    return sorted({
        partition.split("|", 1)[0]
        for size in BAR_NANOSECONDS
        for partition in store.ledger.partitions(f"features.bars_{size}")
    })


def partitions_of(study: Study, days: Iterable[str]) -> list[str]:
    """Partitions of a study's tables: those of the days which it is run over, and the span."""
    return [*(days if "day" in study.scopes else ()), *([SPAN] if "span" in study.scopes else ())]


def _inputs(store: Store, tables: Iterable[str], partition: str) -> Inputs:
    return tuple(
        (table, key)
        for table in tables
        for key in sorted(store.ledger.partitions(table))
        if partition in (SPAN, key.split("|", 1)[0])
    )


def _only_day(study: Study, inputs: Inputs) -> str | None:
    """The day that is the whole span, if there is but one and the study is made for it too."""
    days = {partition.split("|", 1)[0] for _, partition in inputs}
    return days.pop() if len(days) == 1 and study.scopes == ("day", "span") else None


def _take_from(day: str, study: Study, context: TaskContext) -> bool:
    """Write the rows of a day as those of the span, if they were made from the same.

    Estimates do not depend on what their window is called.
    """
    made = {name: context.made_alike(name, day) for name in study.table_names}
    for name, rows in made.items():
        if rows is None:
            context.start_over()
            return False
        context.writer(name).write(_with_text(rows, "scope", "span"))
    return True


def _reader(context: TaskContext, inputs: Inputs) -> ReadBars:
    """Bars of one size, of all venues and days: the columns asked for that there are."""
    import pyarrow as pa

    from imbalance import catalog

    def read(size: str, columns: Sequence[str]) -> Any:
        name = f"features.bars_{size}"
        held = catalog.table(name).column_names
        wanted = [column for column in columns if column in held]
        parts = [context.read(table, key, wanted) for table, key in inputs if table == name]
        return pa.concat_tables(parts) if parts else None

    return read


def _with_text(rows: Any, column: str, text: str) -> Any:
    """The rows with one text in a column."""
    import pyarrow as pa

    place = rows.schema.get_field_index(column)
    texts = pa.array([text], pa.string()).take(pa.array([0] * rows.num_rows, pa.int64()))
    return rows.set_column(place, rows.schema.field(place), texts)
