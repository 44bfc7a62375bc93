"""Captures of JSON lines, each an object, as rows of a table of the user's own.

Columns are places in the object: names, and numbers of array elements, with points between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from imbalance.captures.decoding import Context, TextDecoder
from imbalance.captures.events import Rejected
from imbalance.captures.frames import Frame
from imbalance.captures.framing import Block
from imbalance.captures.rows import Tables
from imbalance.captures.tabular import Layout, Table, made_of
from imbalance.captures.whole_messages import LONGEST_MESSAGE, Limit, cut

Line = tuple[int, int, bytes]
"""A line: its number, its place in the text, its bytes."""

_NONE = np.empty(0, np.int64)
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

    _held: list[Line]
    """Lines of the last message, which may go on, with those among them that are none: number,
    place and text; of a message too long its first line, which is told of already."""
    _over: bool
    """Whether that message is too long."""

    def __init__(
        self, context: Context, layout: Layout, symbol: str | None, columns: Sequence[str]
    ) -> None:
        super().__init__(context)
        self._layout, self._columns = layout, columns
        self._table = Table(self, symbol)
        self._held = []
        self._over = False

    def ends_complete(self, block: Block) -> bool:
        return block.long_line is None

    def take(self, data: bytes, first_line: int, offset: int) -> Tables:
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
        if not data.endswith(b"\n"):
            ends = np.append(ends, len(data))
        starts = np.concatenate([[0], ends[:-1] + 1])
        texts = [data[s:e] for s, e in zip(starts.tolist(), ends.tolist(), strict=True)]
        numbers = np.arange(first_line, first_line + len(texts))
        return self._rows(numbers, offset + starts, texts, last=False)

    def lines_settled(self) -> int | None:
        held = self._held and not self._over
        return self._held[0][0] - 1 if held else super().lines_settled()

    def finish(self) -> Tables:
        return {} if self._over else self._rows(_NONE, _NONE, [], last=True)

    def interrupted(self) -> Tables:
        if not self._held or self._over:
            return {}
        return self._rows(_NONE, _NONE, [], last=False, over=True)

    def _rows(
        self, numbers: Any, offsets: Any, texts: list[bytes], *, last: bool, over: bool = False
    ) -> Tables:
        """Rows of lines that follow those which are held: their numbers, places and texts."""
        if self._held:
            numbers, offsets = (
                np.append([one[k] for one in self._held], more)
                for k, more in enumerate((numbers, offsets))
            )
            texts = [text for _, _, text in self._held] + texts
        if not texts:
            return {}
        refused, kept, objects = _objects(texts)
        frame = json_frame(objects, numbers[kept], self._columns)
        places = np.append(offsets[kept], offsets[-1] + len(texts[-1]) + 1)
        limit = Limit(LONGEST_MESSAGE, "bytes")
        found = cut(
            frame, self._layout.message, places, limit, over=over or self._over, last=last
        )
        told, until = int(self._over), len(texts)
        self._held, self._over = [], found.over
        if found.kept is not None:
            begins = int(kept[found.kept])
            some = slice(begins, begins + 1 if found.over else None)
            self._held = list(
                zip(numbers[some].tolist(), offsets[some].tolist(), texts[some], strict=True)
            )
            until = until if found.over else begins
        frame = frame.part(told, found.until)
        frame.mark_all(found.long[told : found.until], limit.passed)
        tables = made_of(self, self._layout, self._table, frame)
        for row, why in frame.bad.items():
            refused[int(kept[told + row])] = why
        for at, why in sorted(refused.items()):
            if at >= until:
                break
            if texts[at].strip():
                self.quarantine(int(numbers[at]), int(offsets[at]), texts[at], Rejected(*why))
            else:
                self.ignored("blank_line")
        return tables


def _objects(lines: Sequence[bytes]) -> tuple[dict[int, tuple[str, str]], Any, Sequence[Any]]:
    """Why lines hold no object, by their places among these lines; the places of the others, int64
    (n,), and their objects.

    As many objects as lines do not make each line one. But where each line begins and ends like an
    object, no object goes on from one to the next: nowhere in JSON does a `{` follow a `}` but
    between two objects.
    """
    text = b"\n".join(lines)
    between = text.count(b"}\n{") + text.count(b"}\r\n{")
    if between == len(lines) - 1 and text[:1] == b"{" and text[-2:].rstrip()[-1:] == b"}":
        try:
            found = _decode_lines(text)
            if len(found) == len(lines):
                return {}, np.arange(len(lines)), found
        except (msgspec.DecodeError, ValueError, RecursionError):
            pass
    refused, kept, objects = {}, [], []
    for at, line in enumerate(lines):
        try:
            objects.append(parsed(line))
        except Rejected as error:
            refused[at] = error.reason, error.detail
            continue
        kept.append(at)
    return refused, np.array(kept, np.int64), objects
