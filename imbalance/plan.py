"""What is out of date in a home, layer by layer, without doing anything about it.

The ledger decides: a task is current when what it would read, its settings and its version are
those of the last time. A task below one that will run again counts as stale, though it will find
itself unchanged when its input comes out the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from imbalance.captures.build import CAPTURE_TABLES, RAW_TABLES, partition_key, raw_is_current
from imbalance.captures.instruments import check_venues
from imbalance.errors import UserError
from imbalance.store.ledger_rows import days_of

if TYPE_CHECKING:
    from imbalance.store.ledger import Failure
    from imbalance.store.store import Store

State = Literal["current", "stale", "missing", "failed"]

_SUPERSEDED = "the settings have no trailing window up to this day any more: it will be removed"


@dataclass(frozen=True)
class Step:
    """One task of the plan.

    Parameters
    ----------
    tables : what it writes.
    partition : the partition it writes in each.
    state : `missing`: never made; `stale`: made from what has changed since; `failed`: not made at
        the last try, or made and a check of it failed, so that nothing is made from it.
    message : why it failed.
    reasons : what has changed, when the store keeps its reasons.
    """

    layer: str
    tables: tuple[str, ...]
    partition: str
    state: State
    message: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to do."""
        return self.state == "current"


@dataclass(frozen=True)
class Plan:
    """All tasks of a home, in the order of the data's way."""

    venue_days: dict[str, list[str]] = field(default_factory=dict)
    """Venue to its days in order."""
    steps: list[Step] = field(default_factory=list)

    def due(self, *layers: str) -> list[Step]:
        """Steps of these layers (all without any) that are not current."""
        return [s for s in self.steps if not s.is_current and (not layers or s.layer in layers)]

    def failed(self, *layers: str) -> set[str]:
        """Partitions of which steps of these layers stand as failed."""
        return {s.partition for s in self.due(*layers) if s.state == "failed"}

    def due_days(self, venue: str) -> list[str]:
        """Days of a venue on which anything up to its features is to be done."""
        wanted = {s.partition for s in self.due("raw", "book", "features")}
        return [d for d in self.venue_days.get(venue, []) if partition_key(d, venue) in wanted]


def make_plan(
    store: Store, *, first: str | None = None, last: str | None = None, venue: str | None = None
) -> Plan:
    """The plan for all captures registered, or some days and one venue of them.

    Parameters
    ----------
    first, last : limits of the days, inclusive, YYYY-MM-DD. Days before the configured first one
        are left out in any case.
    venue : only this one. Studies are over all venues and are in the plan in any case.
    """
    check_venues(store.config)
    store = store.at_one_moment()
    first = max(first or "", store.config.first_day) or None
    failures = _failures(store)
    steps: list[Step] = []
    days = _venue_days(store, first, last, venue)
    touched: set[str] = set()
    for name, of_venue in days.items():
        steps += _venue_steps(store, name, of_venue, failures, touched)
    steps += _day_steps(store, first, last, failures, touched, list(days))
    return Plan(days, steps)


def _failures(store: Store) -> dict[tuple[str, str], Failure]:
    """Failures that stand, by a table of the step they are of and partition: a check of the
    captures of a day is the raw step's.
    """
    return {
        (RAW_TABLES[0] if f.table in CAPTURE_TABLES else f.table, f.partition): f
        for f in store.ledger.failures()
    }


def _venue_days(
    store: Store, first: str | None, last: str | None, venue: str | None
) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for capture in store.ledger.captures():
        if venue in (None, capture.venue):
            found.setdefault(capture.venue, set()).update(days_of(capture))
    return {
        name: sorted(d for d in days if (first or d) <= d <= (last or d))
        for name, days in sorted(found.items()) if days
    }


def _venue_steps(
    store: Store, venue: str, days: Sequence[str], failures: dict[tuple[str, str], Failure],
    touched: set[str],
) -> list[Step]:
    from imbalance.books.build import OUTPUTS as BOOK_TABLES
    from imbalance.books.build import book_is_current, day_before
    from imbalance.books.trade_gaps import days_around, trade_gaps_task
    from imbalance.features.activity_bars import activity_task
    from imbalance.features.tasks import features_task

    steps = []
    book_due: set[str] = set()
    features_due: set[str] = set()
    decoded = {day: raw_is_current(store, venue, day) for day in days}
    for day in days:
        key = partition_key(day, venue)
        before = day_before(day)
        raw = decoded[day]
        of_trades = trade_gaps_task(store, venue, day)
        gaps = all(decoded.get(one, True) for one in days_around(day)) and (
            of_trades.is_current(store))
        book = raw and before not in book_due and book_is_current(store, venue, day)
        task = features_task(venue, day)
        features = book and gaps and before not in features_due | book_due and (
            task.is_current(store))
        by_activity = activity_task(store, venue, day)
        activity = book and gaps and before not in book_due and by_activity.is_current(store)
        if not book:
            book_due.add(day)
        if not features:
            features_due.add(day)
            touched.add(day)
        for layer, tables, current in (
            ("raw", RAW_TABLES, raw), ("book", BOOK_TABLES, book),
            ("book", of_trades.outputs, gaps), ("features", task.outputs, features),
            ("features", by_activity.outputs, activity),
        ):
            steps.append(_step(store, layer, tables, key, current, failures))
    return steps


def _day_steps(
    store: Store, first: str | None, last: str | None, failures: dict[tuple[str, str], Failure],
    touched: set[str], venues: Iterable[str],
) -> list[Step]:
    from imbalance.features.derivative_bars import derivatives_task
    from imbalance.studies.families import families_of
    from imbalance.studies.registry import studies
    from imbalance.studies.tasks import (
        StudyTasks,
        derivative_tables,
        families_task,
        partitions_of,
        study_days,
        superseded_windows,
    )
    from imbalance.studies.windows import SPAN, day_of, scope_of, trailing_windows

    if not list(venues):
        return []
    known = sorted({*study_days(store), *touched})
    days = [d for d in known if (first or d) <= d <= (last or d)]
    lengths = store.config.studies.trailing_windows
    windows = {day: trailing_windows(day, known, lengths) for day in days}

    def above_due(partition: str, changed: set[str]) -> bool:
        day = day_of(partition)
        if day is None:
            return bool(changed)
        read = windows[day][-1] if scope_of(partition) == "trailing" else (day,)
        return not changed.isdisjoint(read)

    steps = []
    derived = set(touched)
    for day in days:
        task = derivatives_task(store, day)
        current = day not in touched and task.is_current(store)
        steps.append(_step(store, "features", task.outputs, day, current, failures))
        if not current:
            derived.add(day)
    families = families_task(store)
    steps += [_step(store, "studies", families.outputs, SPAN, families.is_current(store), failures)]
    for study in studies():
        beside = derivative_tables(families_of(study, store.config.studies))
        changed = derived if beside else touched
        tasks = StudyTasks(study, store, known)
        for partition in partitions_of(study, days, windows):
            current = not above_due(partition, changed) and tasks.of(partition).is_current(store)
            steps.append(_step(store, "studies", study.table_names, partition, current, failures))
        steps += [
            Step("studies", study.table_names, partition, "stale",
                 reasons=(() if store.reasons is None else (_SUPERSEDED,)))
            for partition in superseded_windows(study, store, days, windows)
        ]
    return steps


def _step(
    store: Store, layer: str, tables: Sequence[str], partition: str, current: bool,
    failures: dict[tuple[str, str], Failure],
) -> Step:
    failed = [f for table in tables if (f := failures.get((table, partition)))]
    if current and not failed:
        return Step(layer, tuple(tables), partition, "current")
    reasons: tuple[str, ...] = ()
    if store.reasons is not None and not current:
        above = ["made from what will be made again"]
        reasons = tuple(store.reasons.get((tables[0], partition), above))
    if failed:
        return Step(layer, tuple(tables), partition, "failed", failed[0].message, reasons)
    missing = any(store.ledger.current(table, partition) is None for table in tables)
    state: State = "missing" if missing else "stale"
    return Step(layer, tuple(tables), partition, state, reasons=reasons)


def due_study_days(store: Store, plan: Plan) -> list[str]:
    """Days that have features, and of which studies or derivative bars are not current."""
    from imbalance.studies.tasks import study_days
    from imbalance.studies.windows import day_of

    due = {day_of(step.partition) for step in plan.due("features", "studies")}
    return [day for day in study_days(store) if day in due]


def span_is_due(plan: Plan) -> bool:
    """Whether studies over the whole span, or what is written down before them, are not current."""
    from imbalance.studies.windows import SPAN

    return any(step.partition == SPAN for step in plan.due("studies"))


def check_range(
    plan: Plan, first: str | None, last: str | None, configured: str = ""
) -> None:
    """Refuse a range in which there is nothing.

    Parameters
    ----------
    configured : the setting `first_day`.

    Raises
    ------
    UserError
        When no capture holds a day of the range.
    """
    if any(plan.venue_days.values()):
        return
    if configured > (first or ""):
        raise UserError(
            f"no registered capture holds a day from {configured} to {last or '…'}",
            where=f'first_day = "{configured}" in the settings',
            allowed="a day that is not after the last one captured",
            fix="set an earlier first_day, or leave it out",
        )
    raise UserError(
        f"no registered capture holds a day from {first or '…'} to {last or '…'}",
        where="--from, --to", fix="imbalance status shows the days there are",
    )
