"""Which lines may be alike: a hash that lines of one kind and stream have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.captures.text import HIGH_BIT, LOW_BITS
from imbalance.kernels import inline, jit, peek, peek_word, trailing_zeros

HASHED = 256
"""Bytes at a line's start and at its end of which its hash is made, at most."""

_AT_END = 5
"""Bytes at a line's end in which brackets close the message."""

_NEWLINES = np.uint64(0x0A0A0A0A0A0A0A0A)
_PRIME = np.uint64(0x100000001B3)
_BASIS = np.uint64(0xCBF29CE484222325)


@jit
def hash_of(text: Any, at: int) -> int:
    """Hash of a line's text before its first list and behind its last one, without digits, which
    are values. Hexadecimal digits count as digits, since ids are written so.
    """
    found, place = _BASIS, at
    before: Any = 0
    byte: Any = peek(text, place)
    for _ in range(HASHED):
        opens = byte == 91 and before != 34 and before != 32 and place > at  # noqa: PLR1714
        if byte == 10 or opens:
            break
        found = _with(found, byte)
        place, before = place + 1, byte
        byte = peek(text, place)
    if byte == 91:
        end = _end_of_last_list(text, place, _end_of_line(text, place))
        for k in range(end, max(end - HASHED, place), -1):
            byte = peek(text, k)
            if byte == 93:
                break
            found = _with(found, byte)
    return np.int64(found >> np.uint64(1))  # type: ignore[return-value]


@inline
def _with(found: Any, byte: Any) -> Any:
    """The hash with one more byte (FNV-1a)."""
    if 45 <= byte <= 57 or 97 <= byte <= 102:
        return found
    return (found ^ np.uint64(byte)) * _PRIME


@inline
def _end_of_last_list(text: Any, start: int, end: int) -> int:
    """Where to look back from for the end of the last list: the line's end, but for what closes a
    message that is a list itself.
    """
    for k in range(end - 1, max(end - 1 - _AT_END, start), -1):
        if peek(text, k) == 93:
            before = peek(text, k - 1)
            of_items = before == 93 or before == 125 or before == 91  # noqa: PLR1714
            return k if of_items else k - 1
    return end - 1


@inline
def _end_of_line(text: Any, at: int) -> int:
    """The place of the newline that ends a line."""
    place = at
    while True:
        word = peek_word(text, place) ^ _NEWLINES
        ends = ~(((word & LOW_BITS) + LOW_BITS) | word) & HIGH_BIT
        if ends:
            return place + (trailing_zeros(ends) >> 3)
        place += 8
