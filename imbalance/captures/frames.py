"""Rows of a table as read: columns made into numbers, times, sides, with bad rows told apart.

A frame never raises for what stands in it: a value that cannot be understood marks its row, and
the row is quarantined. What the columns mean is in `layouts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from imbalance.captures.clocks import NO_TIME
from imbalance.captures.events import Rejected
from imbalance.captures.rows import NO_ID, NO_SIDE

NUMBER = r"^[-+]?(\d{1,18}(\.\d{0,18})?|\.\d{1,18})([eE][-+]?\d{1,2})?$"
WHOLE = r"^(\d{1,18}|[0-8]\d{18})$"
_SECONDS = r"^\d{9,11}(\.\d{1,9}\d*)?$"

NANOSECONDS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
SIDE_CODES = {
    "buy": 0, "BUY": 0, "Buy": 0, "b": 0, "bid": 0, "sell": 1, "SELL": 1, "Sell": 1, "s": 1,
    "a": 1, "ask": 1, "unknown": NO_SIDE, "": NO_SIDE,
}  # fmt: skip
TRUTHS = {"true": 1, "True": 1, "TRUE": 1, "1": 1, "false": 0, "False": 0, "FALSE": 0, "0": 0}


class _Columns(dict[str, pa.Array]):
    """Columns by name; one that the file does not have holds nothing."""

    def __init__(self, columns: Mapping[str, pa.Array], count: int) -> None:
        super().__init__(columns)
        self._count = count

    def __missing__(self, name: str) -> pa.Array:
        return pa.nulls(self._count, pa.string())


@dataclass
class Frame:
    """Some rows of a table.

    Parameters
    ----------
    columns : by name, arrays of one length: text, or typed where the file has types.
    lines : int64 (n,), line (or row) numbers in the capture.
    """

    columns: Mapping[str, pa.Array]
    lines: Any
    bad: dict[int, tuple[str, str]] = field(default_factory=dict)
    ignored: dict[int, str] = field(default_factory=dict)
    """Rows left out, with the rule by which they are."""

    def __post_init__(self) -> None:
        self.columns = _Columns(self.columns, len(self.lines))

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def good(self) -> Any:
        """Rows that nothing is wrong with, as a mask."""
        mask = np.ones(len(self), bool)
        mask[list(self.bad)] = False
        return mask

    def part(self, start: int, stop: int) -> Frame:
        """Some of its rows, as they were read: nothing is marked of them."""
        columns = {name: column[start:stop] for name, column in self.columns.items()}
        return Frame(columns, self.lines[start:stop])

    def mark_all(self, rows: Any, error: Rejected) -> None:
        """Mark the rows of a mask as bad, whatever else is wrong with them."""
        self.bad.update(dict.fromkeys(np.flatnonzero(rows).tolist(), (error.reason, error.detail)))

    def _mark(self, wrong: Any, name: str, wanted: str, reason: str = "wrong_type") -> None:
        for row in np.flatnonzero(wrong).tolist():
            value = shown(self.columns[name][row])
            why = "missing_field" if value is None else reason
            self.bad.setdefault(row, (why, f"{name} = {str(value)[:60]!r} is not {wanted}"))

    def _plain(self, name: str) -> pa.Array:
        """A column of numbers, text, truth values or times; what else it may hold, such as objects
        and lists, is text that nothing is read from.
        """
        column = self.columns[name]
        kind = column.type
        if pa.types.is_dictionary(kind):
            column = column.dictionary_decode()
            kind = column.type
        if pa.types.is_null(kind):
            return column.cast(pa.string())
        if pa.types.is_float16(kind):  # there are no comparisons of them
            return column.cast(pa.float32())
        if any(is_one(kind) for is_one in _PLAIN):
            return column
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            try:
                return column.cast(pa.string())
            except pa.ArrowInvalid:
                pass
        return _in_words(column)

    def _numbers(self, name: str) -> pa.Array:
        """A column of numbers, or of text that may be some; a time is none."""
        column = self._texts(name)
        if pa.types.is_timestamp(column.type):
            return pc.if_else(pc.is_valid(column), "a time", None)
        return column

    def _words(self, name: str) -> pa.Array:
        """A column as text."""
        column = self._plain(name)
        try:
            return column.cast(pa.string())
        except pa.ArrowInvalid:  # times of a zone that nobody knows
            return _in_words(column)

    def _texts(self, name: str) -> pa.Array:
        column = self._plain(name)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            return pc.if_else(pc.equal(column, ""), None, column)
        return column

    def number(self, name: str, *, optional: bool = False, positive: bool = False) -> Any:
        """Floats (n,), NaN where there is none."""
        column = self._numbers(name)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            fits = pc.fill_null(pc.match_substring_regex(column, NUMBER), False)
            self._mark(~_mask(fits) & _mask(pc.is_valid(column)), name, "a number")
            values = _floats(pc.cast(pc.if_else(fits, column, None), pa.float64()))
        else:
            values = _floats(pc.cast(column, pa.float64(), safe=False))
        if not optional:
            self._mark(np.isnan(values) & self.good, name, "a number")
        if positive:
            with np.errstate(invalid="ignore"):
                self._mark(values <= 0.0, name, "positive", "number_out_of_range")
        else:
            with np.errstate(invalid="ignore"):
                self._mark(values < 0.0, name, "0 or more", "number_out_of_range")
        self._mark(np.isinf(values), name, "finite", "number_out_of_range")
        return values

    def signed(self, name: str) -> Any:
        """Floats of either sign (n,), NaN where there is none."""
        column = self._numbers(name)
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            return _floats(pc.cast(column, pa.float64(), safe=False))
        fits = pc.fill_null(pc.match_substring_regex(column, NUMBER), False)
        self._mark(~_mask(fits) & _mask(pc.is_valid(column)), name, "a number")
        return _floats(pc.cast(pc.if_else(fits, column, None), pa.float64()))

    def whole(self, name: str, *, optional: bool = False) -> Any:
        """Whole numbers (n,), `NO_ID` where there is none."""
        column = self._texts(name)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            fits = pc.fill_null(pc.match_substring_regex(column, WHOLE), False)
            self._mark(~_mask(fits) & _mask(pc.is_valid(column)), name, "a whole number")
            column = pc.if_else(fits, column, None)
        values = pc.fill_null(pc.cast(column, pa.int64(), safe=False), NO_ID)
        found = np.asarray(values.to_numpy(zero_copy_only=False), np.int64)
        if not optional:
            self._mark((found == NO_ID) & self.good, name, "a whole number")
        return found

    def time(self, name: str, unit: str, *, optional: bool = False) -> Any:
        """Times in ns (n,), `NO_TIME` where there is none. `unit` is a key of `NANOSECONDS`, or
        `iso` for text of date and time in UTC; typed columns have their own.
        """
        column = self._texts(name)
        if pa.types.is_timestamp(column.type):
            found = self._nanoseconds(name, column.cast(pa.int64()), NANOSECONDS[column.type.unit])
        elif unit == "iso":
            found = self._iso(name, column)
        elif unit == "s" and not pa.types.is_integer(column.type):
            found = self._seconds(name, column)
        else:
            whole = pa.array(self.whole(name, optional=True))
            whole = pc.if_else(pc.equal(whole, NO_ID), None, whole)
            found = self._nanoseconds(name, whole, NANOSECONDS[unit])
        if not optional:
            self._mark((found == NO_TIME) & self.good, name, "a time")
        return found

    def _nanoseconds(self, name: str, counts: pa.Array, each: int) -> Any:
        most = np.iinfo(np.int64).max // each
        fits = pc.fill_null(pc.less_equal(pc.abs(counts), most), False)
        self._mark(~_mask(fits) & _mask(pc.is_valid(counts)), name, "a time of these centuries")
        return _times(pc.multiply(pc.if_else(fits, counts, None), each))

    def _seconds(self, name: str, column: pa.Array) -> Any:
        column = column if pa.types.is_string(column.type) else pc.cast(column, pa.string())
        fits = pc.fill_null(pc.match_substring_regex(column, _SECONDS), False)
        self._mark(~_mask(fits) & _mask(pc.is_valid(column)), name, "a time in seconds")
        # digit by digit: a double has no room for ns
        whole = pc.cast(
            pc.if_else(fits, pc.replace_substring_regex(column, r"\..*", ""), None), pa.int64()
        )
        decimals = pc.utf8_slice_codeunits(
            pc.utf8_rpad(pc.replace_substring_regex(column, r"^\d*\.?", ""), 9, "0"), 0, 9
        )
        parts = pc.cast(pc.if_else(fits, decimals, None), pa.int64())
        total = pc.add(pc.multiply(whole, 1_000_000_000), parts)
        return np.asarray(pc.fill_null(total, NO_TIME).to_numpy(zero_copy_only=False), np.int64)

    def _iso(self, name: str, column: pa.Array) -> Any:
        column = column if pa.types.is_string(column.type) else pc.cast(column, pa.string())
        plain = pc.replace_substring_regex(column, r"(Z|\+00:00)$", "")
        shape = r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,9})?$"
        fits = pc.fill_null(pc.match_substring_regex(plain, shape), False)
        self._mark(~_mask(fits) & _mask(pc.is_valid(column)), name, "a date and time")
        try:
            times = pc.cast(pc.if_else(fits, plain, None), pa.timestamp("ns"))
        except pa.ArrowInvalid:  # a date that is none, such as the 31st of June
            return np.array([self._one_iso(name, row, v) for row, v in enumerate(plain)], np.int64)
        return _times(times)

    def _one_iso(self, name: str, row: int, value: pa.Scalar) -> int:
        try:
            return int(_times(pc.cast(pa.array([value.as_py()]), pa.timestamp("ns")))[0])
        except pa.ArrowInvalid:
            self.bad.setdefault(row, ("wrong_type", f"{name} = {value.as_py()!r} is no date"))
            return NO_TIME

    def code(self, name: str, codes: Mapping[str, int]) -> Any:
        """Codes (n,) of words, truth values being `true` and `false`; a word that is not there
        marks its row.
        """
        words = pc.fill_null(self._words(name), "").dictionary_encode()
        table = [codes.get(word, -1) for word in words.dictionary.to_pylist()]
        found = np.asarray(table, np.int64)[words.indices.to_numpy()] if table else _none()
        self._mark(found < 0, name, f"one of {', '.join(filter(None, codes))}")
        return found

    def words(self, name: str) -> list[str | None]:
        """Text (n,), None where there is none."""
        found: list[str | None] = self._words(name).to_pylist()
        return found

    def changes(self, *names: str) -> Any:
        """Rows from which on a message is another one than the row before: the first of each."""
        first = np.zeros(len(self), bool)
        if len(self):
            first[0] = True
        for name in names:
            column = self.columns[name]
            numbers = pa.types.is_list(column.type) and _is_number(column.type.value_type)
            column = _digests(column) if numbers else self._plain(name)
            differs = pc.fill_null(pc.not_equal(column[1:], column[:-1]), False)
            there = _mask(pc.is_valid(column))
            first[1:] |= _mask(differs) | (there[1:] != there[:-1])
        return np.flatnonzero(first)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


_PLAIN = (
    _is_number, pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean,
    pa.types.is_decimal, pa.types.is_timestamp, pa.types.is_null,
)  # fmt: skip


def shown(value: pa.Scalar) -> Any:
    """A value as Python has it; text where it has none such, as of a date beyond the year 9999."""
    try:
        return value.as_py()
    except (ArithmeticError, LookupError, ValueError):
        pass
    try:
        return str(value.cast(pa.int64()))
    except pa.ArrowException:  # it is within a list or an object
        return " ".join(pa.repeat(value, 1).to_string().split())


def _in_words(column: pa.Array) -> pa.Array:
    values = map(shown, column)
    return pa.array([None if v is None else str(v) for v in values], pa.string())


def _digests(lists: pa.Array) -> pa.Array:
    """A number per list of numbers, the same for the same list."""
    offsets = lists.offsets.to_numpy()
    bits = lists.values.cast(pa.float64()).to_numpy(zero_copy_only=False).view(np.uint64)
    found = [hash(bits[start:end].tobytes()) for start, end in pairwise(offsets)]
    return pa.array(found, pa.int64())


def _none() -> Any:
    return np.empty(0, np.int64)


def _mask(values: pa.Array) -> Any:
    return np.asarray(values.to_numpy(zero_copy_only=False), bool)


def _floats(values: pa.Array) -> Any:
    return np.asarray(values.to_numpy(zero_copy_only=False), float)


def _times(values: pa.Array) -> Any:
    found = pc.fill_null(values.cast(pa.int64()), NO_TIME)
    return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)


def interleaved(levels: Any, good: Any) -> tuple[Any, Any]:
    """Levels of a side, from a column per level, as one list per row, and its offsets.

    Parameters
    ----------
    levels : (n, levels); NaN where the side is not that deep.
    good : rows to take.
    """
    matrix = levels[good]
    there = ~np.isnan(matrix)
    offsets = np.zeros(len(matrix) + 1, np.int64)
    np.cumsum(there.sum(axis=1), out=offsets[1:])
    return matrix[there], offsets
