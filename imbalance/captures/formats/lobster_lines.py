"""The two files of a LOBSTER archive as numbers, line by line and in step with each other.

A line that cannot be read costs itself: the lines about it stay what they are, and whoever reads
the two files together leaves out the pair. What the numbers mean is in `lobster`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from imbalance.captures.events import Rejected
from imbalance.captures.framing import LONGEST_LINE, Block, CaptureReader, LongLine

_SECONDS, _NANOSECONDS = pa.decimal128(38, 20), pa.decimal128(18, 9)
_ALLOWED = b"0123456789,.-\r\n"
_TIME = re.compile(rb"-?\d{1,9}(\.\d{0,20})?")
_WHOLE = re.compile(rb"-?\d{1,18}")


@dataclass(frozen=True)
class Lines:
    """Lines of one of the files that hold something, n of them.

    Parameters
    ----------
    values : int64 (n, columns); times in ns. Rows of lines that cannot be read are 0.
    bad : why a line cannot be read, by its row.
    numbers : int64 (n,), the number of each line in its file, from 1.
    data, starts, ends : the text, and where in it each line stands.
    offset : where the text stands in its file.
    blank : blank lines among them, which make no row.
    long : set where the text is the start of one line that is too long.
    """

    values: np.ndarray
    bad: dict[int, Rejected]
    numbers: np.ndarray
    data: bytes
    starts: np.ndarray
    ends: np.ndarray
    offset: int
    blank: int = 0
    text_bytes: int = 0
    long: LongLine | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def slice(self, first: int, last: int) -> Lines:
        """Rows from `first` to before `last`; what is counted stays with the whole."""
        bad = {row - first: why for row, why in self.bad.items() if first <= row < last}
        return Lines(
            self.values[first:last], bad, self.numbers[first:last], self.data,
            self.starts[first:last], self.ends[first:last], self.offset, long=self.long,
        )

    def text(self, row: int) -> tuple[int, bytes]:
        """Where a line begins in its file, and its text without its end."""
        start = int(self.starts[row])
        return self.offset + start, self.data[start : int(self.ends[row])].rstrip(b"\r")


def read_lines(path: Path, member: str, columns: int, *, timed: bool) -> Iterator[Lines]:
    """A file of the archive, a stretch at a time; the first column is a time where `timed`."""
    number = 1
    for block in CaptureReader(path, threaded=False, member=member):
        found = _lines(block, number, columns, timed=timed)
        number += len(found) + found.blank
        yield found


def in_step(
    left: Iterator[Lines], right: Iterator[Lines]
) -> Iterator[tuple[Lines | None, Lines | None, int, int]]:
    """The same rows of both, then what one of them has beyond the other, whose place is None;
    with the blank lines and the bytes of text that are told of for the first time.
    """
    held: list[Lines | None] = [None, None]
    at = [0, 0]
    while True:
        blank = size = 0
        for k, stream in enumerate((left, right)):
            one = held[k]
            while one is None or at[k] == len(one):
                at[k] = 0
                one = held[k] = next(stream, None)
                if one is None:
                    break
                blank += one.blank
                size += one.text_bytes
        rows = min((len(one) - at[k] for k, one in enumerate(held) if one is not None), default=0)
        if not (rows or blank or size):
            return
        parts = [None if one is None else one.slice(a, a + rows)
                 for one, a in zip(held, at, strict=True)]
        at = [a + rows for a in at]
        yield parts[0], parts[1], blank, size


def _lines(block: Block, number: int, columns: int, *, timed: bool) -> Lines:
    data = block.data
    if block.long_line is not None:
        long = Rejected("line_too_long", f"{block.long_line.size} bytes, more than {LONGEST_LINE}")
        return Lines(
            np.zeros((1, columns), np.int64), {0: long}, np.array([number]), data, np.array([0]),
            np.array([len(data)]), block.first_offset, 0, block.text_bytes, block.long_line,
        )
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    if not data.endswith(b"\n"):
        ends = np.append(ends, len(data))
    starts = np.concatenate([[0], ends[:-1] + 1])
    numbers = np.arange(number, number + len(starts))
    values = None
    if not data.translate(None, _ALLOWED):
        values = _parsed(data, columns, timed=timed)
    bad: dict[int, Rejected] = {}
    blank = 0
    if values is None or len(values) != len(starts):
        kept: list[int] = []
        good: list[bytes] = []
        for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            text = data[start:end].removesuffix(b"\r")
            if not text.strip():
                blank += 1
                continue
            why = _wrong(text, columns, timed=timed)
            if why is None:
                good.append(text)
            else:
                bad[len(kept)] = why
            kept.append(row)
        values = np.zeros((len(kept), columns), np.int64)
        parsed = _parsed(b"\n".join(good), columns, timed=timed) if good else None
        if parsed is not None:
            values[[row for row in range(len(kept)) if row not in bad]] = parsed
        starts, ends, numbers = starts[kept], ends[kept], numbers[kept]
    return Lines(
        values, bad, numbers, data, starts, ends, block.first_offset, blank, block.text_bytes
    )


def _wrong(text: bytes, columns: int, *, timed: bool) -> Rejected | None:
    """Why a line cannot be read, if so."""
    fields = text.split(b",")
    if len(fields) != columns:
        return Rejected("wrong_number_of_columns", f"{columns} columns wanted")
    for place, field in enumerate(fields):
        pattern = _TIME if timed and not place else _WHOLE
        if not pattern.fullmatch(field):
            return Rejected("wrong_type", f"column {place + 1} is no number: {field[:40]!r}")
    return None


def _parsed(data: bytes, columns: int, *, timed: bool) -> np.ndarray | None:
    """Values of some text, None where any of it cannot be read."""
    names = [str(k) for k in range(columns)]
    types = dict.fromkeys(names, pa.int64()) | ({"0": _SECONDS} if timed else {})
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(data),
            read_options=pa_csv.ReadOptions(column_names=names, block_size=len(data) + 1),
            convert_options=pa_csv.ConvertOptions(column_types=types),
        )
        if any(table[name].null_count for name in names):
            return None
        return np.stack(
            [_in_ns(table[n]) if timed and n == "0" else table[n].to_numpy() for n in names],
            axis=1,
        )
    except (pa.ArrowInvalid, ValueError, OverflowError):
        return None


def _in_ns(seconds: pa.ChunkedArray) -> np.ndarray:
    """Seconds without what is less than a ns: of a decimal with nine places, the lower 64 bits."""
    pieces = seconds.cast(_NANOSECONDS, safe=False).chunks
    return np.concatenate([np.frombuffer(one.buffers()[1], np.int64)[::2] for one in pieces])
