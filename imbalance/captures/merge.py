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

from imbalance.store.sqlfiles import read_sql
from imbalance.store.store import Store
from imbalance.store.task import TaskContext

_ID = {
    "raw.book_updates": "last_update_id",
    "raw.trades": "trade_id",
    "raw.quotes": "update_id",
    "raw.derivative_ticks": "event_time",
}
_WITH_KIND = ("raw.book_updates", "raw.trades")


class Interleaved(Exception):
    """A capture brings events which belong among those of another that have been written."""


class Unrepeated:
    """Writes events to a task's outputs, each id once: the first receipt stays.

    Captures follow each other when the ids of the next one begin after those of the last one,
    whatever their clocks say.
    """

    def __init__(self, context: TaskContext) -> None:
        self._context = context
        self._last: dict[tuple[str, str, str], int] = {}
        self._before: dict[tuple[str, str, str], int] = {}
        self._seen: dict[tuple[str, str, str], list[Any]] = {}

    def next_capture(self) -> None:
        """What is written from here on is from another capture."""
        self._before = self._last.copy()
        self._seen.clear()

    def write(self, table: str, rows: pa.Table) -> None:
        """Write rows but for those whose id has been written.

        Raises
        ------
        Interleaved
            If a row belongs before the end of a capture written earlier.
        """
        ids = rows[_ID[table]].cast(pa.int64()).to_numpy()
        keep = np.ones(len(ids), bool)
        for instrument, kind, mine in _groups(table, rows):
            keep[mine] = self._new((table, instrument, kind), ids[mine])
        self._context.writer(table).write(rows if keep.all() else rows.filter(pa.array(keep)))

    def _new(self, key: tuple[str, str, str], ids: Any) -> Any:
        last = self._last.get(key, -1)
        if len(ids) and ids.min() <= self._before.get(key, -1):
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
    if len(names) == 1:
        return [(names[0], kinds[0], slice(None))]
    return [(names[code], kinds[code], np.flatnonzero(codes == code)) for code in np.unique(codes)]


class Spool:
    """Events of captures that overlap, written aside and merged by SQL on kind and id."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._directory = store.home.staging_dir / f"{name}-{uuid.uuid4().hex}"
        self._directory.mkdir(parents=True)
        self._writers: dict[str, Any] = {}

    def next_capture(self) -> None:
        """What is written from here on is from another capture: nothing to do."""

    def write(self, table: str, rows: pa.Table) -> None:
        """Put rows aside."""
        import pyarrow.parquet as pq

        schema = self._store.table(table).arrow_schema()
        if table not in self._writers:
            path = self._directory / f"{table}.parquet"
            self._writers[table] = pq.ParquetWriter(path, schema, compression="lz4")
        self._writers[table].write_table(rows.select(schema.names).cast(schema))

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
