"""Days of live venues that should be there and are not: missing, failed, late, or a broken feed.

A venue is live while its last capture is no older than a week; what was recorded long ago is
history, and nobody waits for more of it. Not here: who is told (`pipelines/alerts.py`), and what is
out of date because something has changed since (`plan`).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from imbalance.captures.build import partition_key
from imbalance.store.ledger_rows import days_of
from imbalance.store.sqlfiles import read_sql
from imbalance.summary import survey

if TYPE_CHECKING:
    import duckdb

    from imbalance.store.store import Store

LIVE_DAYS = 7
"""A venue whose last capture is older than this is history."""

MADE = "features.bars_1s"
"""The table that a day is waited for in."""

Kind = Literal["missing", "failed", "late", "broken"]


@dataclass(frozen=True, order=True)
class Overdue:
    """A day of a venue that is not as it should be by now.

    Parameters
    ----------
    kind : `missing`: no capture holds the day; `failed`: a task or a check failed on it; `late`:
        captured, its features not made yet; `broken`: made, but the book of an instrument could be
        used for too small a share of the day.
    concerns : the table that failed, or the instrument whose book is broken.
    """

    day: str
    venue: str
    kind: Kind
    concerns: str
    message: str


def overdue(store: Store, now: datetime.datetime | None = None) -> list[Overdue]:
    """All that is overdue in a home, in the order of days and venues.

    Parameters
    ----------
    now : the moment to judge by, the present when None.
    """
    with survey(store) as session:
        return overdue_in(store, session, now or datetime.datetime.now(datetime.UTC))


def overdue_in(
    store: Store, session: duckdb.DuckDBPyConnection, now: datetime.datetime
) -> list[Overdue]:
    """The same by a survey that is open."""
    due = now - datetime.timedelta(days=1, hours=store.config.alerts.due_hours)
    captured = _captured(store, session)
    live = now.date() - datetime.timedelta(LIVE_DAYS)
    expected = {
        venue: list(_days(max(datetime.date.fromisoformat(min(days)), live), due.date()))
        for venue, days in captured.items() if max(days) >= live.isoformat()
    }
    found = list(_not_made(store, expected, captured))
    absent = {(one.day, one.venue) for one in found}
    made = {(d, v) for v, days in expected.items() for d in days} - absent
    return sorted([*found, *(_broken(store, session, made, captured) if made else ())])


def _captured(store: Store, session: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    """Days captured, by venue. Those of a capture that is decoded are the days of its events;
    before that a day that it only comes near to counts too (`register.MARGIN_NS`).
    """
    rows = session.execute(read_sql("summary/captured.sql")).fetchall()
    decoded = {capture_id: span for capture_id, *span in rows}
    days: dict[str, set[str]] = {}
    for capture in store.ledger.captures():
        first, last = decoded.get(
            capture.capture_id, (capture.first_day, capture.last_day)
        )
        of = days_of(replace(capture, first_day=first, last_day=last))
        if of:
            days.setdefault(capture.venue, set()).update(of)
    return days


def _days(first: datetime.date, last: datetime.date) -> Iterator[str]:
    while first <= last:
        yield first.isoformat()
        first += datetime.timedelta(days=1)


def _not_made(
    store: Store, expected: dict[str, list[str]], captured: dict[str, set[str]]
) -> Iterator[Overdue]:
    failures = {f.partition: f for f in store.ledger.failures()}
    made = store.ledger.partitions(MADE)
    there = {key for key, e in made.items() if e.file and store.home.file(e.file).is_file()}
    for venue, days in expected.items():
        for day in days:
            key = partition_key(day, venue)
            if day not in captured[venue]:
                yield Overdue(day, venue, "missing", "", "no capture of the day is registered")
            elif key in failures:
                yield Overdue(day, venue, "failed", failures[key].table,
                              f"{failures[key].table}: {failures[key].message}")
            elif key not in made:
                yield Overdue(day, venue, "late", "", "captured, but its features are not made")
            elif key not in there:
                yield Overdue(day, venue, "late", MADE, f"the file of {MADE} is missing")


def _broken(
    store: Store, session: duckdb.DuckDBPyConnection, made: set[tuple[str, str]],
    captured: dict[str, set[str]],
) -> Iterator[Overdue]:
    """Of the days that are made, those of which too little can be used.

    The first day of a venue is left out: a recording begins at any hour.
    """
    rows = session.execute(
        read_sql("summary/usable.sql"),
        {"first": min(day for day, _ in made), "least": store.config.alerts.least_usable},
    ).fetchall()
    for instrument, day, usable in rows:
        venue = instrument.partition(":")[0]
        if (day, venue) in made and day > min(captured[venue]):
            yield Overdue(day, venue, "broken", instrument,
                          f"{instrument}: its book could be used for {usable:.1%} of the day")
