"""Price levels read eight bytes at a time (SWAR: SIMD within a register).

A level's shape is guessed, its digits before and after the points: neighbours in a text mostly have
the same. A wrong guess costs time and nothing else: then the byte-wise readers of `text` decide,
and what they would not take is never taken here. Up to sixteen bytes beyond a level are looked at.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from imbalance.captures.text import HIGH_BIT, POWERS, read_decimal
from imbalance.kernels import bare, inline, peek, peek_word, poke, trailing_zeros, two_quotients

_ZEROS = np.uint64(0x3030303030303030)
_ABOVE_NINE = np.uint64(0x7676767676767676)
_ABOVE_NINE_OF_SEVEN = np.uint64(0x8076767676767676)
"""Added to bytes less "0", sets the highest bit of the first that is no digit; or of the eighth."""

_POINT = np.uint64(46)
_BYTE = np.uint64(0xFF)

KEPT = np.array([(1 << 64) - (1 << 64 - 8 * k) for k in range(9)], np.uint64)
"""The last bytes of a word, none to eight."""
_KEPT_WHOLE = np.array([KEPT[max(k, 1)] for k in range(9)], np.uint64)
"""The same, at least one: before a number of no digits stands none either."""

ONE_DIGIT = 1
"""The shape of levels of which nothing is known yet."""

MOST_DIGITS = 15
"""More digits than this are left to the byte-wise readers: a double holds any fifteen."""


@inline
def digits_at(text: Any, at: int) -> int:
    """How many digits stand at a place, 8 where they are more."""
    word = peek_word(text, at) ^ _ZEROS
    return trailing_zeros(((word + _ABOVE_NINE) | word) & HIGH_BIT) >> 3


class Marks(NamedTuple):
    """What stands around the numbers of levels, as words of up to eight characters, the first the
    lowest byte, and their lengths: before the first level, between price and size, between a level
    and the next one, behind the last one.
    """

    opening: Any
    opening_length: int
    between: Any
    between_length: int
    following: Any
    following_length: int
    closing: Any
    closing_length: int


MASKS = np.array([(1 << 8 * k) - 1 for k in range(9)], np.uint64)
"""The first bytes of a word, none to eight."""


@bare
def _read_level(
    text: Any, at: int, prices: Any, sizes: Any, count: int, shape: int, marks: Marks
) -> tuple[int, int]:
    """Price and size of a level byte by byte: the place behind them, −1 where it is anything else;
    and its shape, or the last one where its numbers are too wide.
    """
    price, end = read_decimal(text, at)
    between = peek_word(text, end) & MASKS[marks.between_length]
    if price <= 0.0 or between != marks.between:
        return -1, shape
    size_at = end + marks.between_length
    size, size_end = read_decimal(text, size_at)
    if size < 0.0 or _padded(text, at, end) or _padded(text, size_at, size_end):
        return -1, shape
    prices[count], sizes[count] = price, size
    whole, decimals = digits_at(text, at), max(_decimals(text, at, end), 0)
    size_decimals = max(_decimals(text, size_at, size_end), 0)
    read = end - at - (decimals > 0)
    if max(decimals, size_decimals) <= 8 and whole + decimals == read <= MOST_DIGITS:
        shape = whole | decimals << 4 | size_decimals << 8
    return size_end, shape


@inline
def _padded(text: Any, at: int, end: int) -> bool:
    """Whether a decimal has a zero before its first digit, which JSON does not allow."""
    return peek(text, at) == 48 and end - at > 1 and peek(text, at + 1) != 46


@inline
def _decimals(text: Any, at: int, end: int) -> int:
    """Digits after the point of a decimal from `at` to `end`, −1 where it has no point."""
    place = at
    while place < end and peek(text, place) != 46:
        place += 1
    return end - place - 1


@inline
def read_marked_levels(
    text: Any, at: int, prices: Any, sizes: Any, count: int, shape: int, marks: Marks
) -> tuple[int, int, int]:
    """Levels from behind the bracket that opens their list: the place after it, the new count and
    the shape of its last level, the best guess for the next ones; place −1 when it is anything
    else, or holds a price that is not positive.

    Levels are alike in the digits of the price and in those after the point of the size (`shape`:
    four bits each); how many stand before that point is looked at in each.
    """
    if peek(text, at) == 93:
        return at + 1, count, shape
    if peek_word(text, at) & MASKS[marks.opening_length] != marks.opening:
        return -1, count, shape
    start = at + marks.opening_length
    price_mark, size_mark = marks.between & _BYTE, marks.closing & _BYTE
    between_mask, following_mask = MASKS[marks.between_length], MASKS[marks.following_length]
    closing_mask = MASKS[marks.closing_length]
    while True:  # one shape a turn
        whole, decimals, size_decimals = shape & 15, shape >> 4 & 15, shape >> 8
        length = whole + decimals + (decimals > 0)
        size_length = size_decimals + (size_decimals > 0)
        point = _POINT if decimals else price_mark
        size_point = _POINT if size_decimals else size_mark
        kept, size_kept = KEPT[decimals], KEPT[size_decimals]
        powers = POWERS[decimals], POWERS[size_decimals]
        # sixteen digits are too many: then the eighth before the point counts as none
        above = _ABOVE_NINE if size_decimals < 8 else _ABOVE_NINE_OF_SEVEN
        while True:
            price_end = start + length
            size_at = price_end + marks.between_length
            word = peek_word(text, size_at) ^ _ZEROS
            # only from the first that is no digit on may a byte carry into the next
            digits = trailing_zeros(((word + above) | word) & HIGH_BIT) >> 3
            point_at = size_at + digits
            end = point_at + size_length
            foreign, price, size = two_quotients(
                (
                    peek_word(text, start + whole - 8), peek_word(text, point_at - 8),
                    peek_word(text, price_end - 8), peek_word(text, end - 8),
                ),
                (_KEPT_WHOLE[whole], peek(_KEPT_WHOLE, digits), kept, size_kept),
                powers,
                powers,
            )  # fmt: skip
            if (
                foreign != 0
                or peek(text, start + whole) != point
                or peek_word(text, price_end) & between_mask != marks.between
                or peek(text, point_at) != size_point
                or peek(text, end) != size_mark
                or price <= 0.0
                or (whole > 1 and peek(text, start) == 48)
                or (digits > 1 and peek(text, size_at) == 48)
            ):
                break
            poke(prices, count, price)
            poke(sizes, count, size)
            count += 1
            start = end + marks.following_length
            behind = peek_word(text, end)
            if behind & following_mask != marks.following:
                closed = behind & closing_mask == marks.closing
                return end + marks.closing_length if closed else -1, count, shape
        end, shape = _read_level(text, start, prices, sizes, count, shape, marks)
        if end < 0:
            return -1, count, shape
        count += 1
        start = end + marks.following_length
        behind = peek_word(text, end)
        if behind & following_mask != marks.following:
            closed = behind & closing_mask == marks.closing
            return end + marks.closing_length if closed else -1, count, shape


_QUOTED = Marks(
    np.uint64(0x225B), 2,  # ["
    np.uint64(0x222C22), 3,  # ","
    np.uint64(0x225B2C5D22), 5,  # "],["
    np.uint64(0x5D5D22), 3,  # "]]
)  # fmt: skip


@inline
def read_levels(
    text: Any, at: int, prices: Any, sizes: Any, count: int, shape: int
) -> tuple[int, int, int]:
    """`[["p","q"],…]` from behind its first bracket, see `read_marked_levels`."""
    return read_marked_levels(text, at, prices, sizes, count, shape, _QUOTED)
