"""`book.trade_gaps` of a venue's day: when the trades of an instrument are not all there.

A hole in the ids of a venue that counts its trades lies between two trades: where it spans midnight
it is found from both days. Ids are compared by their number, so neither order nor repetition of
rows looks like a hole; where higher ids come earlier the venue has begun to count anew, which
proves nothing. A capture covers the trades of an instrument, from its first event of any kind to
its last, if it holds one of them on the day or on one beside it. What the gaps make null is said in
the features.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from imbalance.books.build import day_before
from imbalance.books.health_table import TRADE_GAPS
from imbalance.captures.build import captures_of, partition_key
from imbalance.captures.formats.format import DAY_NS
from imbalance.captures.venues.registry import venues
from imbalance.progress import SILENT, Progress
from imbalance.store.store import Store
from imbalance.store.task import TaskContext
from imbalance.tasks import Task

VERSION = "trade-gaps-3"

_COLUMNS = ("instrument", "kind", "trade_id", "event_time", "capture_id", "available_at")
_CAPTURE = ("format", "first_event_time", "last_event_time", "instruments")

Integers = NDArray[np.int64]
Feed = tuple[str, str]
"""Instrument and kind of trade."""


@dataclass(frozen=True)
class Capture:
    """What an account says of a capture; event times in ns."""

    format: str
    first: int
    last: int
    instruments: Collection[str]


@dataclass
class Runs:
    """Trades whose ids go up by one, row by row: first and last id of each run, their times, and
    when the first was known.
    """

    parts: list[Integers] = field(default_factory=list)

    def add(self, ids: Integers, times: Integers, known: Integers) -> None:
        """Take trades in the order of their rows."""
        cuts = np.flatnonzero(np.diff(ids) != 1)
        first, last = np.append(0, cuts + 1), np.append(cuts, len(ids) - 1)
        self.parts.append(
            np.stack([ids[first], ids[last], times[first], times[last], known[first]])
        )

    def holes(self) -> Iterator[tuple[int, int, int, int, int]]:
        """Last id before and first id after each hole, the times of these trades, and when the
        later one was known.
        """
        if not self.parts:
            return
        whole = np.concatenate(self.parts, axis=1)
        first, last, begin, end, known = whole[:, np.argsort(whole[0], kind="stable")]
        highest = np.maximum.accumulate(last)
        # the run that ends with the highest id so far
        place = np.maximum.accumulate(np.where(last == highest, np.arange(len(last)), 0))
        for after in np.flatnonzero(first[1:] > highest[:-1] + 1) + 1:
            before = place[after - 1]
            if begin[after] >= end[before]:
                yield (int(last[before]), int(first[after]), int(end[before]), int(begin[after]),
                       int(known[after]))


class Trades:
    """What is kept of the trades of some days: captures that hold them, and runs of their ids."""

    def __init__(self, formats: Mapping[str, str]) -> None:
        self._formats = formats
        self._counted: dict[tuple[str, str], bool] = {}
        self.runs: dict[Feed, Runs] = {}

    def read(self, batches: Iterable[pa.RecordBatch]) -> dict[Feed, set[str]]:
        """Take rows of raw.trades; returns the captures that hold each feed."""
        found: dict[Feed, set[str]] = {}
        for batch in batches:
            for feed, capture, *told in _apart(batch):
                found.setdefault(feed, set()).add(capture)
                if self._counts(feed[0], capture) and len(told[0]):
                    self.runs.setdefault(feed, Runs()).add(*told)
        return found

    def _counts(self, instrument: str, capture: str) -> bool:
        """Whether the ids of an instrument's trades in a capture have no holes of themselves."""
        key = (instrument, capture)
        if key not in self._counted:
            venue = venues().get(instrument.partition(":")[0])
            formats = venue.trades_counted if venue is not None else ()
            self._counted[key] = self._formats.get(capture) in formats
        return self._counted[key]


def days_around(day: str) -> tuple[str, str, str]:
    """Days whose trades are looked at: the day before, the day and the day after."""
    after = datetime.date.fromisoformat(day) + datetime.timedelta(days=1)
    return day_before(day), day, after.isoformat()


def trade_gaps_task(
    store: Store, venue: str, day: str, progress: Progress = SILENT
) -> Task:
    """The gaps in the trade feeds of a venue's day."""
    days = days_around(day)
    captures = sorted({c.capture_id for one in days for c in captures_of(store, venue, one)})
    mine = [c.capture_id for c in captures_of(store, venue, day)]
    silence = store.config.book.silent_after_seconds
    return Task(
        (TRADE_GAPS.name,), partition_key(day, venue),
        tuple(("raw.trades", partition_key(one, venue)) for one in days)
        + tuple(("raw.captures", capture) for capture in captures),
        VERSION,
        partial(_build, venue=venue, day=day, captures=captures, mine=mine, silence=silence,
                progress=progress),
        {"silent_after_seconds": silence, "captures": mine},
    )  # fmt: skip


def _build(
    context: TaskContext, venue: str, day: str, captures: list[str], mine: list[str],
    silence: float, progress: Progress,
) -> Mapping[str, Any]:  # fmt: skip
    progress.advance(note=f"trade gaps {day} {venue}")
    accounts = {
        capture: account for capture in captures
        if (account := _account(context.read("raw.captures", capture, _CAPTURE))) is not None
    }

    def trades(of: str) -> Iterator[pa.RecordBatch]:
        return context.batches("raw.trades", partition_key(of, venue), _COLUMNS, dictionaries=True)

    start = (datetime.date.fromisoformat(day) - datetime.date(1970, 1, 1)).days * DAY_NS
    before, of_day, after = map(trades, days_around(day))
    rows = gaps(
        (start, start + DAY_NS), before, of_day, after, accounts, mine, int(silence * 1e9)
    )
    context.writer(TRADE_GAPS.name).write(rows)
    return {"gaps": len(rows)}


def gaps(
    bounds: tuple[int, int],
    before: Iterable[pa.RecordBatch],
    trades: Iterable[pa.RecordBatch],
    after: Iterable[pa.RecordBatch],
    captures: Mapping[str, Capture],
    mine: Collection[str],
    silence: int,
) -> pa.Table:
    """Rows of `book.trade_gaps`.

    Parameters
    ----------
    bounds : [from, to) of the day, ns.
    before, trades, after : rows of raw.trades of the day before, the day and the day after.
    captures : accounts of the captures of these days, by capture.
    mine : the captures of the day.
    silence : captures of which one begins so many ns after another has ended are one recording.
    """
    read = Trades({name: one.format for name, one in captures.items()})
    of_before, of_day, of_after = map(read.read, (before, trades, after))
    rows: list[dict[str, Any]] = []
    for instrument, kind in _counted_feeds(of_before, of_day):
        feed = (instrument, kind)
        found: list[tuple[Any, ...]] = [
            (max(begin, bounds[0]), min(end, bounds[1]), "id_hole", last + 1, first,
             first - last - 1, known)
            for last, first, begin, end, known in read.runs.get(feed, Runs()).holes()
            if begin < bounds[1] and end >= bounds[0]
        ]
        told = _span((captures[name] for name in mine if name in captures
                      and instrument in captures[name].instruments), bounds)
        if told is not None:
            holding = set().union(*(one.get(feed, ()) for one in (of_before, of_day, of_after)))
            covered = [(captures[c].first, captures[c].last) for c in holding if c in captures]
            found += [(begin, end, "not_recorded", None, None, None, min(begin + silence, end))
                      for begin, end in _uncovered(told, covered, silence)]
        rows += [
            {"instrument": instrument, "gap": number, "kind": kind,
             **dict(zip(TRADE_GAPS.column_names[3:], gap, strict=True))}
            for number, gap in enumerate(sorted(found, key=lambda gap: gap[:3]), start=1)
        ]
    return pa.Table.from_pylist(rows, TRADE_GAPS.arrow_schema())


def _counted_feeds(*days: Mapping[Feed, object]) -> Iterator[Feed]:
    """Of each instrument the trades which the features count: single ones where the last day on
    which it has trades has any, else aggregate ones.
    """
    kinds: dict[str, str] = {}
    for feeds in days:
        kinds |= dict(sorted(feeds))  # of two kinds the later one stays
    yield from sorted(kinds.items())


def _span(
    captures: Iterable[Capture], bounds: tuple[int, int]
) -> tuple[int, int] | None:
    """The time captures tell of, within bounds."""
    spans = [(one.first, one.last) for one in captures]
    if not spans:
        return None
    begin = max(min(first for first, _ in spans), bounds[0])
    end = min(max(last for _, last in spans), bounds[1])
    return (begin, end) if begin < end else None


def _uncovered(
    told: tuple[int, int], covered: Iterable[tuple[int, int]], silence: int
) -> Iterator[tuple[int, int]]:
    """Parts of a time outside of all intervals, but for those no longer than the silence: between
    two of a recorder's files, or where its trades begin or end a little within it.
    """
    begin, end = told
    until = max((last for _, last in covered if begin - silence <= last <= begin), default=begin)
    for first, last in sorted(covered):
        if first > until + silence and first > begin:
            yield max(until, begin), min(first, end)
        until = max(until, last)
        if until >= end:
            return
    if end > until + silence:
        yield max(until, begin), end


def _apart(batch: pa.RecordBatch) -> Iterator[tuple[Feed, str, Integers, Integers, Integers]]:
    """Trades by feed and capture, in the order of their rows: ids where there are any, times, and
    when they were known.
    """
    texts = [_codes(batch.column(name)) for name in ("instrument", "kind", "capture_id")]
    code = np.zeros(len(batch), np.int64)
    for numbers, words in texts:
        code = code * len(words) + numbers
    order = np.argsort(code, kind="stable")
    ids = batch.column("trade_id").fill_null(-1).to_numpy()[order]
    times, known = (batch.column(name).cast(pa.int64()).to_numpy()[order]
                    for name in ("event_time", "available_at"))
    cuts = np.flatnonzero(np.diff(code[order])) + 1
    for first, last in zip([0, *cuts], [*cuts, len(batch)], strict=True):
        if first == last:
            continue
        instrument, kind, capture = (words[numbers[order[first]]] for numbers, words in texts)
        there = ids[first:last] >= 0
        mine = (column[first:last][there] for column in (ids, times, known))
        yield (instrument, kind), capture, *mine


def _codes(column: pa.Array) -> tuple[Integers, list[str]]:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    return column.indices.to_numpy(), column.dictionary.to_pylist()


def _account(rows: pa.Table) -> Capture | None:
    """What the account of a capture says; None if it holds no event."""
    for form, first, last, names in zip(
        rows["format"].to_pylist(), rows["first_event_time"].cast(pa.int64()).to_pylist(),
        rows["last_event_time"].cast(pa.int64()).to_pylist(), rows["instruments"].to_pylist(),
        strict=True,
    ):  # fmt: skip
        if first is not None and last is not None:
            return Capture(form, first, last, frozenset(json.loads(names)))
    return None
