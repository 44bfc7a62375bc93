"""Numbers and price levels read eight bytes at a time (SWAR: SIMD within a register).

A number's shape is guessed, its digits before and after the point: neighbours in a text mostly
have the same. A wrong guess costs time and nothing else: then the byte-wise readers of `text`
decide, and what they would not take is never taken here. Up to sixteen bytes beyond a number are
looked at.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.captures.text import HIGH_BIT, LOW_BITS, POWERS, read_decimal, read_integer
from imbalance.kernels import inline, peek, peek_word, trailing_zeros

_ZEROS = np.uint64(0x3030303030303030)
_ABOVE_NINE = np.uint64(0x7676767676767676)
_PAIRS = np.uint64(0x00FF00FF00FF00FF)
_FOURS = np.uint64(0x0000FFFF0000FFFF)
_EIGHT = np.uint64(0x00000000FFFFFFFF)
_ONE = np.uint64(1)
_TENS = 10 ** np.arange(19)

_OPENING = np.uint64(0x225B)  # ["
_BETWEEN = np.uint64(0x222C22)  # ","
_NEXT = np.uint64(0x2C5D22)  # "],
_LAST = np.uint64(0x5D5D22)  # "]]
_TWO, _THREE = np.uint64(0xFFFF), np.uint64(0xFFFFFF)

MOST_DIGITS = 15
"""More digits than this are left to the byte-wise readers: a double holds any fifteen."""


@inline
def _marks(word: Any) -> Any:
    """The highest bit of each byte that is no digit."""
    moved = word ^ _ZEROS
    return (((moved & LOW_BITS) + _ABOVE_NINE) | moved) & HIGH_BIT


@inline
def _foreign(word: Any, count: int) -> Any:
    """Not zero if any of the first 1 to 8 bytes is no digit."""
    return _marks(word) << np.uint64(64 - 8 * count)


@inline
def _digits_at(text: Any, at: int) -> int:
    """How many digits stand at a place, 8 where they are more."""
    marks = _marks(peek_word(text, at))
    return trailing_zeros(marks) >> 3 if marks != 0 else 8


@inline
def _number(word: Any, count: int) -> Any:
    """The number which the first 1 to 8 bytes, all digits, are."""
    digits = (word ^ _ZEROS) << np.uint64(64 - 8 * count)
    digits = digits * np.uint64(10) + (digits >> np.uint64(8))
    digits = (digits & _PAIRS) * np.uint64(100) + ((digits >> np.uint64(16)) & _PAIRS)
    digits = (digits & _FOURS) * np.uint64(10_000) + ((digits >> np.uint64(32)) & _FOURS)
    return np.int64(digits & _EIGHT)


@inline
def read_digits(text: Any, at: int, count: int) -> int:
    """The number of exactly 1 to 24 digits from `at`; −1 where one of the bytes is no digit."""
    word = peek_word(text, at)
    if count <= 8:
        return _number(word, count) if _foreign(word, count) == 0 else -1
    foreign = _foreign(word, 8)
    value = _number(word, 8)
    place, rest = at + 8, count - 8
    if rest > 8:
        word = peek_word(text, place)
        foreign |= _foreign(word, 8)
        value = value * 100_000_000 + _number(word, 8)
        place, rest = place + 8, rest - 8
    word = peek_word(text, place)
    foreign |= _foreign(word, rest)
    value = value * _TENS[rest] + _number(word, rest)
    return value if foreign == 0 else -1


@inline
def read_whole(text: Any, at: int, guess: int) -> tuple[int, int]:
    """As `text.read_integer`, if a number has `guess` digits in little time."""
    if 1 < guess <= 19 and peek(text, at) != 48:
        value = read_digits(text, at, guess)
        after = peek(text, at + guess)
        if value >= 0 and (after < 48 or after > 57):
            return value, at + guess
    return read_integer(text, at)


@inline
def _read_shaped(text: Any, at: int, whole: int, decimals: int) -> tuple[float, int]:
    """A decimal of a shape which a quote ends; (−1, at) where it is none."""
    word = peek_word(text, at)
    end = at + whole
    if decimals == 0:
        foreign = _foreign(word, whole)
        value = _number(word, whole)
    elif whole + decimals <= 8:
        # the point is taken out, so that the digits are one number
        after = peek_word(text, end + 1) << np.uint64(8 * whole)
        digits = (word & ((_ONE << np.uint64(8 * whole)) - _ONE)) | after
        foreign = _foreign(digits, whole + decimals) | np.uint64(peek(text, end) != 46)
        value = _number(digits, whole + decimals)
        end += 1 + decimals
    else:
        foreign = _foreign(word, whole) | np.uint64(peek(text, end) != 46)
        word = peek_word(text, end + 1)
        foreign |= _foreign(word, decimals)
        value = _number(peek_word(text, at), whole) * _TENS[decimals] + _number(word, decimals)
        end += 1 + decimals
    if foreign != 0 or peek(text, end) != 34:
        return -1.0, at
    return value / POWERS[decimals], end


@inline
def _shape_at(text: Any, at: int) -> tuple[int, int]:
    """Digits of a decimal before and after its point; (1, 0) where they are too many to guess."""
    whole = _digits_at(text, at)
    decimals = _digits_at(text, at + whole + 1) if peek(text, at + whole) == 46 else 0
    if whole == 0 or whole + decimals > MOST_DIGITS:
        return 1, 0
    return whole, decimals


@inline
def read_quoted(text: Any, at: int, whole: int, decimals: int) -> tuple[float, int, int, int]:
    """As `text.read_decimal` where a quote follows the number: value (−1 where it is none), its
    end, and its shape, the best guess for the next one.
    """
    value, end = _read_shaped(text, at, whole, decimals)
    if value < 0.0:
        whole, decimals = _shape_at(text, at)
        value, end = _read_shaped(text, at, whole, decimals)
    if value < 0.0:
        value, end = read_decimal(text, at)
        if value < 0.0 or peek(text, end) != 34:
            return -1.0, at, whole, decimals
    return value, end, whole, decimals


@inline
def _read_short(text: Any, at: int) -> tuple[float, int]:
    """A decimal of at most eight digits and a point which a quote ends, without a guess of its
    shape: sizes change theirs from level to level. (−1, at) where it is none.
    """
    word = peek_word(text, at)
    whole = _digits_at(text, at)
    end = at + whole
    if peek(text, end) != 46:
        if not 0 < whole < 8 or peek(text, end) != 34:
            return -1.0, at
        return np.float64(_number(word, whole)), end
    decimals = _digits_at(text, end + 1)
    count = whole + decimals
    if whole == 0 or decimals == 0 or count > 8:
        return -1.0, at
    after = peek_word(text, end + 1) << np.uint64(8 * whole)
    digits = (word & ((_ONE << np.uint64(8 * whole)) - _ONE)) | after
    end += 1 + decimals
    if peek(text, end) != 34:
        return -1.0, at
    return _number(digits, count) / POWERS[decimals], end


@inline
def read_levels(text: Any, at: int, prices: Any, sizes: Any, count: int) -> tuple[int, int]:
    """`[["p","q"],…]` from behind its first bracket: the place after it and the new count; place
    −1 when it is anything else, or holds a price that is not positive.
    """
    place = at
    if peek(text, place) == 93:
        return place + 1, count
    whole, decimals, size_whole, size_decimals = 1, 0, 1, 0
    while peek_word(text, place) & _TWO == _OPENING:
        price, end, whole, decimals = read_quoted(text, place + 2, whole, decimals)
        if price <= 0.0 or peek_word(text, end) & _THREE != _BETWEEN:
            return -1, count
        size_at = end + 3
        size, end = _read_short(text, size_at)
        if size < 0.0:
            size, end, size_whole, size_decimals = read_quoted(
                text, size_at, size_whole, size_decimals
            )
        if size < 0.0:
            return -1, count
        prices[count] = price
        sizes[count] = size
        count += 1
        follows = peek_word(text, end) & _THREE
        place = end + 3
        if follows == _LAST:
            return place, count
        if follows != _NEXT:
            return -1, count
    return -1, count
