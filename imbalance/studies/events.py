"""Events of a window for the studies that need more than bars: trades, quotes, states of the book.

One instrument at a time, in batches, in the order of the files; only what happened while the book
was valid by `book.book_health` and no trade was missing by `book.trade_gaps`, so that no study
counts over a gap. Not here: what is made of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

    from imbalance.store.task import TaskContext

_HEALTH = "book.book_health"
_GAPS = "book.trade_gaps"
_BATCH_ROWS = 65_536


class Events:
    """Tables of events of one window.

    Parameters
    ----------
    context : of the running task.
    inputs : (table, partition) of what it may read, `book.book_health` among them.
    """

    def __init__(self, context: TaskContext, inputs: Sequence[tuple[str, str]]) -> None:
        self._context = context
        self._inputs = sorted(inputs, key=lambda one: (one[0], one[1]))
        self._stretches: dict[str, NDArray[np.int64]] | None = None

    def instruments(self, table: str) -> tuple[str, ...]:
        """Instruments that have events in a table, sorted."""
        import pyarrow.compute as pc

        found: set[str] = set()
        for name, partition in self._inputs:
            if name == table:
                for batch in self._context.batches(name, partition, ["instrument"]):
                    found.update(pc.unique(batch.column("instrument")).to_pylist())
        return tuple(sorted(found))

    def stretches(self, instrument: str) -> NDArray[np.int64]:
        """[from, to) in ns in which the instrument's book was valid and its trades are all there,
        in order: shape (n, 2).
        """
        if self._stretches is None:
            self._stretches = self._read_stretches()
        return self._stretches.get(instrument, np.empty((0, 2), dtype=np.int64))

    def batches(
        self, table: str, instrument: str, columns: Sequence[str], time: str = "event_time"
    ) -> Iterator[pa.Table]:
        """Events of an instrument in valid stretches, day after day, in batches.

        Parameters
        ----------
        columns : what to read; `time` is always among it.
        time : column that says when an event happened.
        """
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        wanted = list(dict.fromkeys((time, *columns)))
        valid = self.stretches(instrument)
        for name, partition in self._inputs:
            path = self._context.path(name, partition) if name == table else None
            if path is None:
                continue
            with pq.ParquetFile(path) as file:
                groups = groups_of(file, instrument)
                for batch in file.iter_batches(
                    _BATCH_ROWS, row_groups=groups, columns=list(dict.fromkeys(
                        ("instrument", *wanted)))
                ):
                    mine = pc.equal(batch.column("instrument"), instrument)
                    rows = pa.Table.from_batches([batch]).filter(mine).select(wanted)
                    when = rows.column(time).to_numpy().astype("datetime64[ns]").astype(np.int64)
                    kept = rows.filter(pa.array(_within(when, valid)))
                    if kept.num_rows:
                        yield kept

    def read(
        self, table: str, instrument: str, columns: Sequence[str], time: str = "event_time"
    ) -> dict[str, NDArray[Any]]:
        """Events of an instrument in valid stretches as NumPy columns; times as int64 ns."""
        import pyarrow as pa

        parts = list(self.batches(table, instrument, columns, time))
        wanted = list(dict.fromkeys((time, *columns)))
        if not parts:
            return {name: np.empty(0, np.int64 if name == time else np.float64) for name in wanted}
        whole = pa.concat_tables(parts)
        found = {}
        for name in wanted:
            values = whole.column(name).to_numpy()
            found[name] = (
                values.astype("datetime64[ns]").astype(np.int64)
                if np.issubdtype(values.dtype, np.datetime64) else values
            )
        return found

    def _read_stretches(self) -> dict[str, NDArray[np.int64]]:
        found: dict[str, list[tuple[int, int]]] = {}
        for instrument, start, end, state in self._intervals(
            _HEALTH, ("valid_from", "valid_to"), "state"
        ):
            if state == "valid" and end > start:
                found.setdefault(instrument, []).append((start, end))
        missing: dict[str, list[tuple[int, int]]] = {}
        for instrument, start, end, _ in self._intervals(
            _GAPS, ("missing_from", "missing_to"), "cause"
        ):
            missing.setdefault(instrument, []).append((start, end))
        return {
            instrument: np.array(
                _outside(sorted(of), sorted(missing.get(instrument, ()))), dtype=np.int64
            ).reshape(-1, 2)
            for instrument, of in found.items()
        }

    def _intervals(
        self, table: str, bounds: tuple[str, str], word: str
    ) -> Iterator[tuple[str, int, int, str]]:
        """Instrument, begin and end in ns, and a word of each row of a table of intervals."""
        for name, partition in self._inputs:
            if name != table:
                continue
            rows = self._context.read(name, partition, ["instrument", *bounds, word])
            times = (rows.column(side).to_numpy().astype(np.int64).tolist() for side in bounds)
            yield from zip(rows.column("instrument").to_pylist(), *times,
                           rows.column(word).to_pylist(), strict=True)


def _outside(
    stretches: Sequence[tuple[int, int]], gaps: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """What is left of stretches [from, to) without gaps; both in order."""
    left = []
    next_gap = 0
    for start, end in stretches:
        begin = start
        while next_gap < len(gaps) and gaps[next_gap][1] < begin:
            next_gap += 1
        place = next_gap
        while place < len(gaps) and gaps[place][0] < end:
            first, last = gaps[place]
            place += 1
            if first > begin:
                left.append((begin, first))
            begin = max(begin, last)
        if begin < end:
            left.append((begin, end))
    return left


def groups_of(file: Any, instrument: str) -> list[int]:
    """Row groups that may hold the instrument, by their statistics."""
    place = file.schema_arrow.get_field_index("instrument")
    groups = []
    for number in range(file.metadata.num_row_groups):
        bounds = file.metadata.row_group(number).column(place).statistics
        if bounds is None or not bounds.has_min_max or bounds.min <= instrument <= bounds.max:
            groups.append(number)
    return groups


def _within(when: NDArray[np.int64], stretches: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which times lie in some of the [from, to), which are in order and apart."""
    if not len(stretches):
        return np.zeros(len(when), dtype=np.bool_)
    place = np.searchsorted(stretches[:, 0], when, side="right") - 1
    return np.asarray((place >= 0) & (when < stretches[np.maximum(place, 0), 1]))


def told_once(kinds: Any) -> NDArray[np.bool_]:
    """Which trades are used, by their `kind`: where a venue sends single trades and aggregates of
    the same, only the single ones.
    """
    single = np.asarray(kinds == "trade", dtype=np.bool_)
    return single if single.any() else np.ones(len(single), dtype=np.bool_)
