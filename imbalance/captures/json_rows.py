"""Captures of JSON lines, each an object, as rows of a table of the user's own.

Columns are places in the object: names, and numbers of array elements, with points between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from imbalance.captures.decoding import Context, TextDecoder
from imbalance.captures.events import Rejected
from imbalance.captures.frames import Frame
from imbalance.captures.framing import Block
from imbalance.captures.rows import Tables
from imbalance.captures.tabular import Layout, Table, account_of

_decode = msgspec.json.Decoder().decode
_decode_lines = msgspec.json.Decoder().decode_lines


def json_frame(objects: Sequence[Any], lines: Any, columns: Iterable[str]) -> Frame:
    """Objects as a frame of these columns; what is not there is null."""
    return Frame({name: _column(objects, name) for name in columns}, lines)


def _column(objects: Sequence[Any], name: str) -> pa.Array:
    found: Sequence[Any] = objects
    for part in name.split("."):
        place = int(part) if part.isdecimal() else None
        found = [
            value.get(part) if isinstance(value, dict)
            else value[place] if place is not None and isinstance(value, list)
            and place < len(value) else None
            for value in found
        ]
    try:
        if not any(isinstance(value, bool) for value in found):
            return pa.array(found)
    except (pa.ArrowException, OverflowError):
        pass
    return pa.array([_text(value) for value in found], pa.string())


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def parsed(line: bytes) -> dict[str, Any]:
    """One line's object; Rejected where it is none."""
    try:
        found = _decode(line)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Rejected("not_json", str(error)[:200]) from None
    if not isinstance(found, dict):
        raise Rejected("wrong_type", "the line is no object")
    return found


class JsonRowsDecoder(TextDecoder):
    """Decodes JSON lines of a layout.

    Parameters
    ----------
    symbol : of files whose rows name none.
    columns : places that the layout's maker may ask for.
    """

    def __init__(
        self, context: Context, layout: Layout, symbol: str | None, columns: Sequence[str]
    ) -> None:
        super().__init__(context)
        self._layout, self._columns = layout, columns
        self._table = Table(self, symbol)
        self._held: list[tuple[int, int, bytes]] = []

    def ends_complete(self, block: Block) -> bool:
        return block.long_line is None

    def take(self, data: bytes, first_line: int, offset: int) -> Tables:
        ends = [-1, *np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")).tolist()]
        if ends[-1] != len(data) - 1:
            ends.append(len(data))
        self._held += [
            (first_line + k, offset + start + 1, data[start + 1 : end])
            for k, (start, end) in enumerate(pairwise(ends))
        ]
        return self._rows(last=False)

    def finish(self) -> Tables:
        return self._rows(last=True)

    def _rows(self, *, last: bool) -> Tables:
        held, objects = self._objects(self._held)
        self._held = []
        if not held:
            return {}
        lines = np.array([number for number, _, _ in held], np.int64)
        frame = json_frame(objects, lines, self._columns)
        if self._layout.message and not last:
            cut = int(frame.changes(*self._layout.message)[-1])
            self._held, held = held[cut:], held[:cut]
            frame = Frame({n: c[:cut] for n, c in frame.columns.items()}, lines[:cut])
        if not len(frame):
            return {}
        tables = self._layout.make(frame, self._table)
        for row, (reason, detail) in sorted(frame.bad.items()):
            self.quarantine(*held[row], Rejected(reason, detail))
        account_of(self, self._layout, frame)
        return tables

    def _objects(
        self, held: list[tuple[int, int, bytes]]
    ) -> tuple[list[tuple[int, int, bytes]], list[Any]]:
        """Lines that hold an object, and those objects; the others are accounted for."""
        try:
            found = _decode_lines(b"\n".join(line for _, _, line in held))
            if len(found) == len(held) and all(isinstance(one, dict) for one in found):
                return held, found
        except (msgspec.DecodeError, ValueError, RecursionError):
            pass
        kept, objects = [], []
        for number, offset, line in held:
            if not line.strip():
                self.ignored("blank_line")
                continue
            try:
                objects.append(parsed(line))
            except Rejected as error:
                self.quarantine(number, offset, line, error)
                continue
            kept.append((number, offset, line))
        return kept, objects
