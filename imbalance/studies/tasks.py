"""The studies as tasks: what a partition of a study reads, and the tables it writes.

A partition holds a day, the windows up to a day, or the whole span (see `windows`). What is
estimated is in the families; how, in the estimators' modules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from imbalance.progress import SILENT, Progress
from imbalance.store.task import TaskContext, remove
from imbalance.studies.families import (
    as_json,
    bar_sizes,
    declare,
    families_of,
    families_table,
)
from imbalance.studies.measures import BAR_NANOSECONDS, beside
from imbalance.studies.registry import studies
from imbalance.studies.study import Family, Study, load
from imbalance.studies.tables import FAMILIES
from imbalance.studies.version import definition_version
from imbalance.studies.windows import SPAN, scope_of, trailing, trailing_windows, windows_in
from imbalance.tasks import Task

if TYPE_CHECKING:
    from imbalance.store.store import Store
    from imbalance.studies.study_input import StudyInput

FAMILY_TABLES = (FAMILIES.name,)
BOUNDS = ("book.book_health", "book.trade_gaps")
"""Tables that tell between which events nothing is missing."""

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
    """A study of a partition: of one window, or of those up to a day."""
    return StudyTasks(study, store, study_days(store)).of(partition, progress)


class StudyTasks:
    """The tasks of a study: what they have in common is worked out once.

    Parameters
    ----------
    days : days that have features, in order.
    """

    def __init__(self, study: Study, store: Store, days: Sequence[str]) -> None:
        self._study, self._store, self._days = study, store, days
        self._families = families_of(study, store.config.studies)
        self._declared = as_json(self._families)
        self._sizes = bar_sizes(self._families)
        self._version = definition_version(study)
        self._bars = (*(f"features.bars_{size}" for size in self._sizes),
                      *derivative_tables(self._families))
        self._events = tuple(dict.fromkeys((*study.events, *BOUNDS))) if study.events else ()

    def of(self, partition: str, progress: Progress = SILENT) -> Task:
        """The task of one partition."""
        study, families, version = self._study, self._families, self._version
        windows = windows_in(partition, self._days, self._store.config.studies.trailing_windows)
        bars, events = (
            _inputs(self._store, tables, windows[-1]) for tables in (self._bars, self._events)
        )

        def build(context: TaskContext) -> Mapping[str, Any]:
            progress.advance(note=f"{study.name} {partition}")
            alike = _alike(study, context, partition, windows[-1][-1:])
            if alike is not None:
                return {"bars": list(self._sizes), "taken_from": alike}
            keys = {table.name: table.key for table in study.tables}
            told: dict[str, set[tuple[Any, ...]]] = {name: set() for name in keys}
            for days in windows:
                given = _input(study, context, partition, families, _of(days, bars),
                               _of(days, events), days, progress)
                for name, rows in load(study.build)(given).items():
                    new = _untold(rows, keys[name], told[name]) if len(windows) > 1 else rows
                    context.writer(name).write(_with_text(new, "definition_version", version))
            return {"bars": list(self._sizes)}

        parameters: dict[str, Any] = {"families": self._declared}
        if len(windows) > 1:
            parameters["windows"] = [list(days) for days in windows]
        return Task(study.table_names, partition, (*bars, *events), version, build, parameters)


def windows_up_to(store: Store, day: str) -> list[tuple[str, ...]]:
    """Days of the trailing windows of a day; none where no day before it has features."""
    return trailing_windows(day, study_days(store), store.config.studies.trailing_windows)


def study_days(store: Store) -> list[str]:
    """Days that have features, of whatever venue."""
    return sorted({
        partition.split("|", 1)[0]
        for size in BAR_NANOSECONDS
        for partition in store.ledger.partitions(f"features.bars_{size}")
    })


def partitions_of(
    study: Study, days: Iterable[str], windows: Mapping[str, Sequence[Sequence[str]]]
) -> list[str]:
    """Partitions of a study's tables: those of days, of the windows up to them, and of the span.

    Parameters
    ----------
    windows : day to its trailing windows; a day without one has no partition of them.
    """
    return [
        *(days if "day" in study.scopes else ()),
        *(map(trailing, filter(windows.get, days)) if "trailing" in study.scopes else ()),
        *([SPAN] if "span" in study.scopes else ()),
    ]


def superseded_windows(
    study: Study, store: Store, days: Iterable[str], windows: Mapping[str, Sequence[Sequence[str]]]
) -> list[str]:
    """Partitions of trailing windows that are there and are none any more: those of a day up to
    which the settings have no window now.

    Parameters
    ----------
    windows : day to its trailing windows.
    """
    held = store.ledger.partitions(study.table_names[0])
    wanted = set(partitions_of(study, days, windows))
    return [one for one in map(trailing, days) if one in held and one not in wanted]


def remove_superseded_windows(study: Study, store: Store, day: str, run: str | None = None) -> None:
    """Remove the partition of the windows up to a day if it is superseded; history keeps it."""
    for partition in superseded_windows(study, store, [day], {day: windows_up_to(store, day)}):
        remove(store, tables=study.table_names, partition=partition, run=run)


def derivative_tables(families: Sequence[Family]) -> tuple[str, ...]:
    """Derivative bars that families name columns of, beside their bars."""
    return tuple(dict.fromkeys(
        f"features.derivative_bars_{size}"
        for family in families for size in family.bar_sizes
        if beside(size, family.measures)
    ))


def _inputs(store: Store, tables: Iterable[str], days: Sequence[str]) -> Inputs:
    if not days:
        return ()
    return _of(days, [
        (table, key) for table in tables
        for key in store.ledger.partitions_between(table, days[0], days[-1])
    ])


def _of(days: Sequence[str], inputs: Iterable[tuple[str, str]]) -> Inputs:
    """Those of some days."""
    wanted = set(days)
    return tuple((table, key) for table, key in inputs if key.split("|", 1)[0] in wanted)


def _input(
    study: Study, context: TaskContext, partition: str, families: Sequence[Any], bars: Inputs,
    events: Inputs, days: tuple[str, ...], progress: Progress,
) -> StudyInput:
    from imbalance.studies.bars import stored_bars
    from imbalance.studies.events import Events
    from imbalance.studies.study_input import StudyInput

    return StudyInput(
        partition, families, partial(stored_bars, context, bars),
        Events(context, events) if study.events else None, progress, days,
    )


def _alike(
    study: Study, context: TaskContext, partition: str, last: Sequence[str]
) -> str | None:
    """Write the rows of another partition that were made from the same, if there are any.

    The span of a home of one day is that day, that of a few days the windows up to the last:
    estimates do not depend on what their window is called.
    """
    others = [other for day in last for other in (day, trailing(day))]
    for other in others[: others.index(partition)] if partition in others else others:
        made = {name: context.made_alike(name, other) for name in study.table_names}
        if all(rows is not None for rows in made.values()):
            for name, rows in made.items():
                context.writer(name).write(_with_text(rows, "scope", scope_of(partition)))
            return other
    return None


def _untold(rows: Any, key: Sequence[str], told: set[tuple[Any, ...]]) -> Any:
    """Rows that no shorter window of the partition has: their keys join those told.

    Hours of a window, and the window of an instrument whose events are of the last days alone, are
    the same in all that hold them.
    """
    import pyarrow as pa

    columns = (rows.column(name) for name in key)
    values = [(c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c).to_pylist()
              for c in columns]
    keys = list(zip(*values, strict=True))
    new = rows.filter(pa.array([one not in told for one in keys], pa.bool_()))
    told.update(keys)
    return new


def _with_text(rows: Any, column: str, text: str) -> Any:
    """The rows with one text in a column."""
    from imbalance.store.texts import same_word

    place = rows.schema.get_field_index(column)
    texts = same_word(text, rows.num_rows)
    return rows.set_column(place, rows.schema.field(place).with_type(texts.type), texts)
