"""Captures that are tables, each row an event or a part of one: what they have in common, Parquet.

What the columns mean is declared in `layouts`. Rows are read a block at a time, a message that
several rows make is kept whole, and bad rows are quarantined. Text is read in `delimited`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.captures.chunks import bad_line
from imbalance.captures.clocks import NO_TIME
from imbalance.captures.compression import ChecksumError
from imbalance.captures.decode import FAR_NS
from imbalance.captures.decoding import (
    OLD,
    Batch,
    Context,
    TextDecoder,
    check_symbol,
)
from imbalance.captures.events import Rejected
from imbalance.captures.frames import Frame, shown
from imbalance.captures.framing import End
from imbalance.captures.rows import Rows, Tables, When
from imbalance.captures.venues.venue import Contents
from imbalance.captures.whole_messages import MOST_ROWS, Limit, cut
from imbalance.store.files import sha256_file

PARQUET_ROWS = 1 << 16
EXCHANGE = "exchange"
"""Column of tables whose rows name their venue."""

PARQUET_MAGIC = b"PAR1"


class Table:
    """A capture's rows while they become events: what a layout's maker works with."""

    def __init__(self, decoder: TextDecoder, symbol: str | None) -> None:
        self._decoder = decoder
        self.venue = decoder.context.venue
        self.symbol = symbol
        """Symbol of files whose rows name none."""

    @property
    def rows(self) -> Rows:
        """Makes the rows of the raw tables."""
        return self._decoder.rows

    @property
    def path(self) -> Path:
        """Where the capture is."""
        return self._decoder.context.path

    def instruments(self, frame: Frame, column: str | None = None) -> Any:
        """Positions of the rows' instruments, int32 (n,); a bad symbol marks its row, and so does
        another venue than the capture's.
        """
        if EXCHANGE in frame.columns:
            frame.code(EXCHANGE, {self._decoder.context.venue: 0})
        if column is None:
            position = self._decoder.numbered.position(check_symbol(self.symbol))
            return np.full(len(frame), position, np.int32)
        known: dict[str | None, int] = {}
        found = np.zeros(len(frame), np.int32)
        for row, word in enumerate(frame.words(column)):
            if word not in known:
                try:
                    known[word] = self._decoder.numbered.position(check_symbol(word))
                except Rejected as error:
                    frame.bad.setdefault(row, (error.reason, error.detail))
                    continue
            found[row] = known[word]
        return found

    def when(
        self, frame: Frame, instruments: Any, *, receive: Any = None, exchange: Any = None,
        at: Any = None,
    ) -> tuple[When, Any]:  # fmt: skip
        """Times of the good rows (or of those among `at`, which stand for messages), and which
        rows they are. A row dated long after its receipt, or out of the days about, is marked.
        """
        n = len(frame)
        nothing = np.full(n, NO_TIME, np.int64)
        receive = nothing if receive is None else receive
        exchange = nothing if exchange is None else exchange
        known = (receive != NO_TIME) & (exchange != NO_TIME)
        self._mark(frame, known & (exchange - receive > FAR_NS), "far_from_receipt",
                   "dated more than five minutes after it was received")
        low, high = self._decoder.context.span
        time = np.where(receive == NO_TIME, exchange, receive)
        self._mark(frame, (time < low) | (time > high), "receive_time_out_of_span",
                   "not of the days about")
        old = known & (receive - exchange > FAR_NS)
        rows = frame.good & ~old if at is None else _chosen(n, at) & frame.good & ~old
        rows = np.flatnonzero(rows)
        left_out = int((old & frame.good).sum())
        if left_out:
            self._decoder.account.events_left_out[OLD] += left_out
        self._decoder.seen(int(receive[rows].max(initial=NO_TIME)))
        when = When.read(
            self._decoder.context.clocks, np.ascontiguousarray(instruments[rows]),
            np.ascontiguousarray(frame.lines[rows]), exchange[rows].copy(),
            np.full(len(rows), NO_TIME, np.int64), receive[rows].copy(),
        )  # fmt: skip
        return when, rows

    @staticmethod
    def _mark(frame: Frame, wrong: Any, reason: str, detail: str) -> None:
        for row in np.flatnonzero(wrong & frame.good).tolist():
            frame.bad.setdefault(row, (reason, detail))


def _chosen(n: int, at: Any) -> Any:
    mask = np.zeros(n, bool)
    mask[at] = True
    return mask


Make = Callable[[Frame, Table], Tables]


@dataclass(frozen=True)
class Layout:
    """What a table's columns mean.

    Parameters
    ----------
    name : how it is called, such as `tardis-trades`.
    kind : kind of its rows in the account.
    columns : names that the header must have; others may follow.
    unit : unit of the receive times, `none` where there are none.
    make : rows to events.
    message : columns that are the same in all rows of one message; empty: a row is a message.
    times : column and unit of the time that tells the capture's days.
    exact : whether no further columns may follow.
    delimiter : what stands between the columns of text.
    contents : what its files hold; None for a format of the user's own.
    """

    name: str
    kind: str
    columns: frozenset[str]
    unit: str
    make: Make
    times: tuple[str, str]
    message: tuple[str, ...] = ()
    exact: bool = False
    delimiter: str = ","
    contents: Contents | None = None


def made_of(decoder: TextDecoder, layout: Layout, table: Table, frame: Frame) -> Tables:
    """What a layout makes of some rows, which are accounted for but for those that it marks as
    bad.
    """
    if not len(frame):
        return {}
    tables = layout.make(frame, table)
    left_out = {row: rule for row, rule in frame.ignored.items() if row not in frame.bad}
    for rule in left_out.values():
        decoder.ignored(rule)
    decoder.decoded(layout.kind, len(frame) - len(frame.bad) - len(left_out))
    return tables


@contextmanager
def damage_told() -> Iterator[None]:
    """Tells damage of a Parquet file from trouble of the system.

    Raises
    ------
    ChecksumError
        If a checksum or the structure is wrong.
    OSError
        If the system cannot read the file.
    """
    try:
        yield
    except (pa.ArrowException, OSError, OverflowError, UnicodeDecodeError) as error:
        # pyarrow calls pages that cannot be read an OSError too, one without a number
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ChecksumError(" ".join(str(error).split())) from None


def parquet_file(path: Path) -> Any:
    """A Parquet file whose pages are tested by their checksums, where they have any."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(path, page_checksum_verification=True)


def check_parquet(path: Path) -> None:
    """Read a Parquet file to its end.

    Raises
    ------
    ChecksumError
        If a checksum or the structure is wrong.
    """
    with damage_told(), parquet_file(path) as file:
        for batch in file.iter_batches(PARQUET_ROWS):
            batch.validate(full=True)


class ParquetDecoder(TextDecoder):
    """Decodes a Parquet file of a layout, some row groups at a time; a row counts as a line."""

    def __init__(self, context: Context, layout: Layout, symbol: str | None) -> None:
        super().__init__(context)
        self._layout = layout
        self._table = Table(self, symbol)
        self._ended: End | None = None
        self._over = False

    @property
    def end(self) -> End:
        if self._ended is None:
            raise RuntimeError("the capture has not been read to its end")
        return self._ended

    def take(self, data: bytes, first_line: int, offset: int) -> Tables:  # noqa: ARG002
        return {}

    def _batches(self) -> Iterator[Batch]:
        self._ended = End(sha256_file(self.context.path), False, None)
        held: pa.Table | None = None
        read = 0
        for batch in _read(self.context.path):
            rows = pa.Table.from_batches([batch])
            rows = rows if held is None else pa.concat_tables([held, rows])
            read += len(batch)
            self.account.lines_read += len(batch)
            held, tables = self._some(rows, read + 1 - len(rows), last=False)
            yield self._batch(tables, batch.nbytes)
        if held is not None and not self._over:
            _, tables = self._some(held, read + 1 - len(held), last=True)
            yield self._batch(tables, 0)

    def _some(self, rows: pa.Table, first: int, *, last: bool) -> tuple[pa.Table | None, Tables]:
        """Rows that are held back, and what the others are; `first` is the number of the first."""
        frame = Frame(_arrays(rows), np.arange(first, first + len(rows), dtype=np.int64))
        limit = Limit(MOST_ROWS, "rows")
        found = cut(frame, self._layout.message, np.arange(len(rows) + 1), limit,
                    over=self._over, last=last)  # fmt: skip
        told, self._over = int(self._over), found.over
        frame = frame.part(told, found.until)
        frame.mark_all(found.long[told : found.until], limit.passed)
        try:
            tables = made_of(self, self._layout, self._table, frame)
        except pa.ArrowNotImplementedError as error:  # so it is with a type, and in every row
            why = " ".join(str(error).split())
            raise ChecksumError(f"a column is of a type that nothing is made of: {why}") from None
        for row, (reason, detail) in sorted(frame.bad.items()):
            values = {name: shown(rows[name][told + row]) for name in rows.column_names}
            text = repr(values).encode()
            self._bad.append(bad_line(first + told + row, 0, text, reason, detail))
        if found.kept is None:
            return None, tables
        return rows.slice(found.kept, 1 if found.over else None), tables


def _read(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a file, some at a time; only what is wrong with the file is told as damage."""
    with damage_told():
        file = parquet_file(path)
    with file:
        batches = file.iter_batches(PARQUET_ROWS)
        while True:
            with damage_told():
                batch = next(batches, None)
                if batch is not None:
                    batch.validate(full=True)
            if batch is None:
                return
            yield batch


def _arrays(rows: pa.Table) -> Mapping[str, pa.Array]:
    found = {}
    for name in rows.column_names:
        array = rows[name].combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = array.chunk(0) if array.num_chunks else pa.array([], array.type)
        found[name] = array
    return found
