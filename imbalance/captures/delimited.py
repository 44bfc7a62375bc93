"""Captures that are tables of delimited text, a row a line: read a block at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from imbalance.captures.decoding import Context, TextDecoder
from imbalance.captures.events import Rejected
from imbalance.captures.frames import Frame
from imbalance.captures.framing import Block
from imbalance.captures.rows import Tables
from imbalance.captures.tabular import Layout, Table, made_of
from imbalance.captures.whole_messages import LONGEST_MESSAGE, Limit, cut


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
    """Lines of the last message, which may go on; of one too long its first row, which is told of
    already."""
    _carried_at: tuple[int, int]
    _over: bool
    """Whether that message is too long."""

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
        self._over = False

    def ends_complete(self, block: Block) -> bool:
        # tables are often saved without a last newline; a row cut short lacks columns
        return block.long_line is None

    def take(self, data: bytes, first_line: int, offset: int) -> Tables:
        if self._skip:
            self._skip = False
            self.ignored("header")
            start = data.find(b"\n") + 1 or len(data)
            data, first_line, offset = data[start:], first_line + 1, offset + start
        if not data:
            return {}
        if self._over:  # as if the row that is kept stood just before
            data, first_line, offset = (
                self._carried + data, first_line - 1, offset - len(self._carried)
            )
        elif self._carried:
            data = self._carried + data
            first_line, offset = self._carried_at
        return self._rows(data, first_line, offset, last=False)

    def lines_settled(self) -> int | None:
        held = self._carried and not self._over
        return self._carried_at[0] - 1 if held else super().lines_settled()

    def finish(self) -> Tables:
        if not self._carried or self._over:
            return {}
        return self._rows(self._carried, *self._carried_at, last=True)

    def interrupted(self) -> Tables:
        if not self._carried or self._over:
            return {}
        return self._rows(self._carried, *self._carried_at, last=False, over=True)

    def _rows(
        self, data: bytes, first_line: int, offset: int, *, last: bool, over: bool = False
    ) -> Tables:
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
        limit = Limit(LONGEST_MESSAGE, "bytes")
        found = cut(
            frame, self._layout.message, np.append(starts[kept], len(text)),
            limit, over=over or self._over, last=last,
        )  # fmt: skip
        told, until = int(self._over), len(starts)
        self._carried, self._over = b"", found.over
        if found.kept is not None:
            row = int(kept[found.kept])
            end = int(ends[row]) + 1 if found.over else len(text)
            self._carried = text[starts[row] : end].tobytes()
            self._carried_at = (first_line + row, offset + int(starts[row]))
            until = until if found.over else row
        frame = frame.part(told, found.until)
        frame.mark_all(found.long[told : found.until], limit.passed)
        tables = made_of(self, self._layout, self._table, frame)
        refused = {int(frame.lines[at]) - first_line: why for at, why in frame.bad.items()}
        lacking = "wrong_number_of_columns", f"{len(self._names)} columns wanted"
        refused |= dict.fromkeys(np.flatnonzero(wrong[:until]).tolist(), lacking)
        for row, why in sorted(refused.items()):
            line = text[starts[row] : ends[row]].tobytes()
            if line.strip():
                self.quarantine(first_line + row, offset + int(starts[row]), line, Rejected(*why))
            else:
                self.ignored("blank_line")
        return tables

    def _misshapen(self, text: Any, starts: Any, ends: Any) -> Any:
        """Lines with another number of columns, or with a carriage return in their midst."""
        def within(byte: str) -> Any:
            found = np.flatnonzero(text == ord(byte))
            return np.searchsorted(found, ends) - np.searchsorted(found, starts)

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
