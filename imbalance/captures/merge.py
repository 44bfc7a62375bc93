"""Each event once, however often captures hold it.

`Unrepeated` streams captures that follow each other, dropping what one of them repeats; `Spool`
merges captures that hold the same stretch.
"""

from __future__ import annotations

import shutil
import uuid
from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.captures.clocks import NO_TIME
from imbalance.captures.rows import (
    BOOK_KINDS,
    NO_ID,
    key_number,
    time_column,
    whole_ids,
    whole_times,
)
from imbalance.store.sqlfiles import read_sql
from imbalance.store.store import Store
from imbalance.store.task import TaskContext

_ID = {
    "raw.book_updates": "last_update_id",
    "raw.trades": "trade_id",
    "raw.quotes": "update_id",
    "raw.orders": "sequence",
}
"""Numbers by which a venue tells its events apart, and which grow."""

_WITH_KIND = ("raw.book_updates", "raw.trades")
_TOLD_BY_WORDS = ("raw.derivative_ticks", "raw.options", "raw.liquidations", "raw.depth_bands")
"""Tables whose events have nothing but what they say and when."""


class Interleaved(Exception):
    """A capture brings events which belong among those of another that have been written."""


class Unrepeated:
    """Writes events to a task's outputs, each once: the first receipt stays.

    Events with a growing id are told apart by it: captures follow each other when the ids of the
    next one begin after those of the last one, whatever their clocks say. Events with a text id
    are told apart by that, messages without any by what they say and when. Book messages, trades
    and quotes without an id are not told apart: two that look the same may both have happened. Of
    captures that hold the same stretch of them the one that begins first is used.

    Nothing is available before what comes before it in its table, of the same instrument and of
    captures written earlier too: clocks of recorders differ. Across tables captures do not hold
    each other up: what one tells in the meantime could be known in the meantime.
    """

    def __init__(self, context: TaskContext) -> None:
        self._context = context
        self._last: dict[tuple[str, str, str], int] = {}
        self._before: dict[tuple[str, str, str], int] = {}
        self._seen: dict[tuple[str, str, str], list[Any]] = {}
        self._named: dict[tuple[str, str, str], set[int]] = {}
        self._told: dict[tuple[str, str, str], int] = {}
        self._told_before: dict[tuple[str, str, str], int] = {}
        self._known: dict[tuple[str, str, str], int] = {}
        self._known_before: dict[tuple[str, str, str], int] = {}

    def next_capture(self) -> None:
        """What is written from here on is from another capture."""
        self._before = self._last.copy()
        self._told_before = self._told.copy()
        self._known_before = self._known.copy()
        self._seen.clear()

    def write(self, table: str, rows: pa.Table) -> int:
        """Write rows but for those that have been written; returns how many are new.

        Raises
        ------
        Interleaved
            If a row belongs before the end of a capture written earlier.
        """
        numbers, names = identities(table, rows)
        available = whole_times(rows["available_at"])
        keep = np.ones(len(rows), bool)
        raised: list[tuple[Any, int]] = []
        for instrument, kind, mine in _groups(table, rows):
            group, stream = (table, instrument, kind), _stream(table, instrument, kind)
            known, before = available[mine], self._known_before.get(stream, NO_TIME)
            early = bool(known[0] < before)  # within a capture they do not fall
            numbered = numbers[mine] >= 0
            if numbered.all():
                keep[mine] = self._new(group, numbers[mine], early)
            else:
                places = np.arange(len(rows))[mine]
                keep[places[numbered]] = self._new(group, numbers[places[numbered]], early)
                rest = places[~numbered]
                if names is not None and (names[rest] >= 0).all():
                    keep[rest] = self._unnamed(group, names[rest])
                    if early and keep[rest[available[rest] < before]].any():
                        raise Interleaved(group)
                else:
                    keep[rest] = self._later(stream, whole_times(rows["event_time"])[rest])
            if early:
                raised.append((mine, before))
            kept = known[keep[mine]]
            if len(kept):
                self._known[stream] = max(self._known.get(stream, NO_TIME), int(kept[-1]))
        if raised:
            rows = _not_before(rows, available, raised)
        self._context.writer(table).write(rows if keep.all() else rows.filter(pa.array(keep)))
        return int(keep.sum())

    def _new(self, key: tuple[str, str, str], ids: Any, early: bool) -> Any:
        last = self._last.get(key, -1)
        # a snapshot that was known before all of a stream may stay before it: what it contains of
        # that is dropped by those who rebuild the book
        others = BOOK_KINDS if early and key[0] == "raw.book_updates" else key[2:]
        before = max(self._before.get((*key[:2], kind), -1) for kind in others)
        if len(ids) and ids.min() <= before:
            raise Interleaved(key)
        seen = self._seen.setdefault(key, [])
        if len(ids) and ids[0] > last and (np.diff(ids) > 0).all():
            new = np.ones(len(ids), bool)
        else:
            first = np.zeros(len(ids), bool)
            first[np.unique(ids, return_index=True)[1]] = True
            new = first & ~np.isin(ids, np.concatenate([*seen, np.empty(0, np.int64)]))
        seen.append(ids[new])
        self._last[key] = max(last, int(ids.max(initial=-1)))
        return new

    def _unnamed(self, key: tuple[str, str, str], names: Any) -> Any:
        known = self._named.setdefault(key, set())
        new = np.zeros(len(names), bool)
        for place, name in enumerate(names.tolist()):
            if name not in known:
                known.add(name)
                new[place] = True
        return new

    def _later(self, key: tuple[str, str, str], times: Any) -> Any:
        self._told[key] = max(self._told.get(key, -1), int(times.max(initial=-1)))
        return times > self._told_before.get(key, -1)


def identities(table: str, rows: pa.Table) -> tuple[Any, Any | None]:
    """What rows are told apart by: growing ids (−1: none), and numbers that stand for names.

    The second is None where the table has no names, or no row needs one.
    """
    column = _ID.get(table)
    numbers = np.full(len(rows), NO_ID) if column is None else whole_ids(rows[column])
    if (numbers >= 0).all():
        return numbers, None
    if table == "raw.trades":
        return numbers, _name_numbers(rows, ["trade_key"])
    if table in _TOLD_BY_WORDS:
        said = [
            name for name in rows.column_names
            if name not in ("receive_time", "available_at", "capture_id", "line", "time_source")
        ]
        return numbers, _name_numbers(rows, said)
    return numbers, None


def _name_numbers(rows: pa.Table, columns: list[str]) -> Any:
    """A number for what some columns say in each row; −1 where all of it is null."""
    texts = zip(*(rows[name].to_pylist() for name in columns), strict=True)
    return np.fromiter(
        (-1 if all(v is None for v in one) else key_number(repr(one)) for one in texts),
        np.int64, len(rows),
    )  # fmt: skip


def _stream(table: str, instrument: str, kind: str) -> tuple[str, str, str]:
    """What has one order: a book, whatever the kinds of its messages, and trades of a kind."""
    return table, instrument, "" if table == "raw.book_updates" else kind


def _not_before(rows: pa.Table, available: Any, raised: list[tuple[Any, int]]) -> pa.Table:
    """Rows, some of which are not available before some time each."""
    available = available.copy()
    for mine, time in raised:
        available[mine] = np.maximum(available[mine], time)
    place = rows.schema.get_field_index("available_at")
    return rows.set_column(place, "available_at", time_column(available))


def _groups(table: str, rows: pa.Table) -> list[tuple[str, str, Any]]:
    """Rows by instrument and, where ids run per kind, by kind: (instrument, kind, positions)."""
    instruments = rows["instrument"].combine_chunks().dictionary_encode()
    names = instruments.dictionary.to_pylist()
    codes = instruments.indices.to_numpy()
    kinds = ["" for _ in names]
    if table in _WITH_KIND:
        kind = rows["kind"].combine_chunks().dictionary_encode()
        words = kind.dictionary.to_pylist()
        codes = codes * len(words) + kind.indices.to_numpy()
        names, kinds = (
            [name for name in names for _ in words],
            [word for _ in names for word in words],
        )
    if len(codes) and (codes == codes[0]).all():
        return [(names[codes[0]], kinds[codes[0]], slice(None))]
    return [(names[code], kinds[code], np.flatnonzero(codes == code)) for code in np.unique(codes)]


class Spool:
    """Events of captures that overlap, written aside and merged by SQL on kind and id."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._directory = store.home.staging_dir / f"raw-{uuid.uuid4().hex}"
        self._directory.mkdir(parents=True)
        self._writers: dict[str, Any] = {}

    def next_capture(self) -> None:
        """What is written from here on is from another capture: nothing to do."""

    def write(self, table: str, rows: pa.Table) -> int:
        """Put rows aside; returns how many."""
        import pyarrow.parquet as pq

        schema = self._store.table(table).arrow_schema()
        if table not in self._writers:
            path = self._directory / f"{table}.parquet"
            self._writers[table] = pq.ParquetWriter(path, schema, compression="lz4")
        self._writers[table].write_table(rows.select(schema.names).cast(schema))
        return len(rows)

    def merge_into(self, context: TaskContext) -> None:
        """Write what was put aside to the task's outputs, each event once."""
        for table, writer in self._writers.items():
            writer.close()
            query = read_sql(f"raw/merge_{table.removeprefix('raw.')}.sql")
            found = context.connect().execute(
                query, {"spool": str(self._directory / f"{table}.parquet")}
            )
            for batch in found.to_arrow_reader(65_536):
                context.writer(table).write(batch)

    def close(self) -> None:
        """Remove what was put aside."""
        for writer in self._writers.values():
            writer.close()
        shutil.rmtree(self._directory, ignore_errors=True)
