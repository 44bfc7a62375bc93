"""Captures that are tables: delimited text or Parquet, each row an event or a part of one.

What the columns mean is declared in `layouts`; here rows are read a block at a time, a message
that several rows make is kept whole, and bad rows are quarantined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from imbalance.captures.clocks import NO_TIME
from imbalance.captures.compression import ChecksumError
from imbalance.captures.decode import FAR_NS
from imbalance.captures.decoding import (
    OLD,
    Batch,
    Context,
    TextDecoder,
    bad_line,
    check_symbol,
)
from imbalance.captures.events import Rejected
from imbalance.captures.frames import Frame
from imbalance.captures.framing import Block, End
from imbalance.captures.rows import Rows, Tables, When
from imbalance.captures.venues.venue import Contents
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


class DelimitedDecoder(TextDecoder):
    """Decodes delimited text of a layout.

    Parameters
    ----------
    names : columns of the file in order.
    skip_header : whether its first line holds them.
    symbol : of files whose rows name none.
    """

    _skip: bool
    _carried: bytes
    _carried_at: tuple[int, int]

    def __init__(
        self, context: Context, layout: Layout, names: tuple[str, ...], symbol: str | None,
        *, skip_header: bool,
    ) -> None:  # fmt: skip
        super().__init__(context)
        self._layout, self._names = layout, names
        self._table = Table(self, symbol)
        self._skip = skip_header
        self._carried = b""
        self._carried_at = (0, 0)

    def ends_complete(self, block: Block) -> bool:
        # tables are often saved without a last newline; a row cut short lacks columns
        return block.long_line is None

    def take(self, data: bytes, first_line: int, offset: int) -> Tables:
        if self._skip:
            self._skip = False
            self.ignored("header")
            start = data.find(b"\n") + 1 or len(data)
            data, first_line, offset = data[start:], first_line + 1, offset + start
        if self._carried:
            data = self._carried + data
            first_line, offset = self._carried_at
            self._carried = b""
        return self._rows(data, first_line, offset, last=False) if data else {}

    def lines_settled(self) -> int | None:
        return self._carried_at[0] - 1 if self._carried else super().lines_settled()

    def finish(self) -> Tables:
        if not self._carried:
            return {}
        data, self._carried = self._carried, b""
        return self._rows(data, *self._carried_at, last=True)

    def _rows(self, data: bytes, first_line: int, offset: int, *, last: bool) -> Tables:
        if not data.endswith(b"\n"):
            data += b"\n"
        text = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(text == ord("\n"))
        starts = np.concatenate([[0], ends[:-1] + 1])
        wrong = self._misshapen(text, starts, ends)
        kept = np.flatnonzero(~wrong)
        if wrong.any():
            data = b"".join(text[starts[r] : ends[r] + 1].tobytes() for r in kept.tolist())
        frame = self._frame(data, first_line + kept)
        until = len(starts)
        if self._layout.message and not last and len(frame):
            cut = int(frame.changes(*self._layout.message)[-1])
            until = int(kept[cut])
            self._carried = text[starts[until] :].tobytes()
            self._carried_at = (first_line + until, offset + int(starts[until]))
            frame = Frame({n: c[:cut] for n, c in frame.columns.items()}, frame.lines[:cut])

        def refuse(row: int, error: Rejected) -> None:
            line = text[starts[row] : ends[row]].tobytes()
            if line.strip():
                self.quarantine(first_line + row, offset + int(starts[row]), line, error)
            else:
                self.ignored("blank_line")

        for row in np.flatnonzero(wrong[:until]).tolist():
            refuse(row, Rejected("wrong_number_of_columns", f"{len(self._names)} columns wanted"))
        if not len(frame):
            return {}
        tables = self._layout.make(frame, self._table)
        for bad, (reason, detail) in sorted(frame.bad.items()):
            refuse(int(frame.lines[bad]) - first_line, Rejected(reason, detail))
        account_of(self, self._layout, frame)
        return tables

    def _misshapen(self, text: Any, starts: Any, ends: Any) -> Any:
        """Lines with another number of columns, or with a carriage return in their midst."""
        def within(byte: str) -> Any:
            found = np.concatenate([[0], np.cumsum(text == ord(byte))])
            return found[ends] - found[starts]

        last = text[np.maximum(ends - 1, starts)]
        returns = within("\r") - ((last == ord("\r")) & (ends > starts))
        return (within(self._layout.delimiter) != len(self._names) - 1) | (returns != 0)

    def _frame(self, data: bytes, lines: Any) -> Frame:
        if not data:
            return Frame({name: pa.array([], pa.string()) for name in self._names}, lines)
        table = pa_csv.read_csv(
            pa.BufferReader(data),
            read_options=pa_csv.ReadOptions(
                column_names=list(self._names), use_threads=False, block_size=len(data) + 1
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=self._layout.delimiter, quote_char=False, newlines_in_values=False,
                ignore_empty_lines=False,
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(self._names, pa.string()), check_utf8=False,
                null_values=[""], strings_can_be_null=True,
            ),
        )
        return Frame({name: _valid(table[name]) for name in self._names}, lines)


def _valid(column: pa.ChunkedArray) -> pa.Array:
    """A column of text in which bytes that are no UTF-8 are replaced."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], pa.string())
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        raw = array.cast(pa.binary()).to_pylist()
        array = pa.array(
            [None if v is None else v.decode("utf-8", "replace") for v in raw], pa.string()
        )
    return array


def account_of(decoder: TextDecoder, layout: Layout, frame: Frame) -> None:
    """Account for the rows of a frame that are not quarantined."""
    left_out = {row: rule for row, rule in frame.ignored.items() if row not in frame.bad}
    for rule in left_out.values():
        decoder.ignored(rule)
    decoder.decoded(layout.kind, len(frame) - len(frame.bad) - len(left_out))


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

    @property
    def end(self) -> End:
        if self._ended is None:
            raise RuntimeError("the capture has not been read to its end")
        return self._ended

    def take(self, data: bytes, first_line: int, offset: int) -> Tables:  # noqa: ARG002
        return {}

    def _batches(self) -> Iterator[Batch]:
        self._ended = End(sha256_file(self.context.path), False, None)
        rest: pa.Table | None = None
        row = 1
        with damage_told(), parquet_file(self.context.path) as file:
            for batch in file.iter_batches(PARQUET_ROWS):
                batch.validate(full=True)
                rows = pa.Table.from_batches([batch])
                self.account.lines_read += len(rows)
                self.account.text_bytes += batch.nbytes
                rows = rows if rest is None else pa.concat_tables([rest, rows])
                cut = self._whole(rows)
                rest = rows.slice(cut)
                yield self._some(rows.slice(0, cut), row, batch.nbytes)
                row += cut
            if rest is not None and len(rest):
                yield self._some(rest, row, 0)

    def _whole(self, rows: pa.Table) -> int:
        """Rows up to the last message, which may go on."""
        if not self._layout.message:
            return len(rows)
        frame = Frame(_arrays(rows), np.arange(len(rows)))
        return int(frame.changes(*self._layout.message)[-1]) if len(rows) else 0

    def _some(self, rows: pa.Table, first: int, size: int) -> Batch:
        frame = Frame(_arrays(rows), np.arange(first, first + len(rows), dtype=np.int64))
        tables = self._layout.make(frame, self._table) if len(frame) else {}
        for bad, (reason, detail) in sorted(frame.bad.items()):
            text = repr(rows.slice(bad, 1).to_pylist()[0]).encode()
            self._bad.append(bad_line(first + bad, 0, text, reason, detail))
        account_of(self, self._layout, frame)
        return self._batch(tables, size)


def _arrays(rows: pa.Table) -> Mapping[str, pa.Array]:
    found = {}
    for name in rows.column_names:
        array = rows[name].combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = array.chunk(0) if array.num_chunks else pa.array([], array.type)
        found[name] = array
    return found
