"""Reading numbers, words and price levels out of JSON bytes, unchecked and without allocation.

Every reader says when what stands there is not exactly what it reads; it never guesses. The text
must be followed by zero bytes.
"""

from __future__ import annotations

from array import array
from typing import Any

import msgspec
import numpy as np

from imbalance.kernels import inline, jit, peek, peek_word

POWERS = 10.0 ** np.arange(23)
"""Powers of ten that a double holds exactly."""
_EXACT = 1 << 53
_compact = msgspec.json.Encoder().encode
_TRUE = np.frombuffer(b"true", np.uint8)
_FALSE = np.frombuffer(b"false", np.uint8)

_NEWLINES = np.uint64(0x0A0A0A0A0A0A0A0A)
_ONES = np.uint64(0x0101010101010101)
LOW_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)
HIGH_BIT = np.uint64(0x8080808080808080)
"""Of each byte of a word."""

LOOKED_BEYOND = 64
"""Bytes beyond its own text which a line may be compared with or read in, where it is read as
others before."""

DECIMALS = 12
"""Finest unit of prices and sizes that is believed: the twelfth decimal."""


@jit
def count_newlines(text: Any, stop: int) -> int:
    """Newlines before `stop`."""
    count = np.uint64(0)
    words = stop - stop % 8
    for k in range(0, words, 8):
        word = peek_word(text, k) ^ _NEWLINES
        # the highest bit of each byte that is zero now; no byte carries into the next
        zero = ~(((word & LOW_BITS) + LOW_BITS) | word) & HIGH_BIT
        count += ((zero >> np.uint64(7)) * _ONES) >> np.uint64(56)
    for k in range(words, stop):
        count += np.uint64(text[k] == 10)
    return np.int64(count)  # type: ignore[return-value]  # to its callers a whole number


@inline
def same_bytes(text: Any, at: int, other: Any, there: int, length: int) -> bool:
    """Whether a stretch of a text equals one of another (or the same) text."""
    k = 0
    while k + 8 <= length:
        if peek_word(text, at + k) != peek_word(other, there + k):
            return False
        k += 8
    if k == length:
        return True
    differs = peek_word(text, at + k) ^ peek_word(other, there + k)
    return differs << np.uint64(64 - 8 * (length - k)) == 0


@inline
def read_integer(text: Any, at: int) -> tuple[Any, Any]:
    """Digits from `at`: value and the place after them; (−1, at) unless 1 to 19 digits that fit,
    the first of several no zero (JSON has no such numbers).
    """
    value: Any = 0
    place = at
    digit: Any = np.int64(peek(text, place)) - 48
    while 0 <= digit <= 9:
        value = value * 10 + digit
        place += 1
        digit = np.int64(peek(text, place)) - 48
    if place == at or place - at > 19 or value < 0:
        return -1, at
    if place - at > 1 and peek(text, at) == 48:
        return -1, at
    return value, place


@inline
def _read_digits(text: Any, at: int) -> tuple[Any, Any, Any]:
    """Digits from `at`, a point among them or not: the number they are without it, how many stand
    behind it, and the place after them; that place is `at` where none stand before or behind it.
    """
    value: Any = 0
    place = at
    digit: Any = np.int64(peek(text, place)) - 48
    while 0 <= digit <= 9:
        value = value * 10 + digit
        place += 1
        digit = np.int64(peek(text, place)) - 48
    decimals = 0
    if digit == -2 and place > at:  # the point
        place += 1
        start = place
        digit = np.int64(peek(text, place)) - 48
        while 0 <= digit <= 9:
            value = value * 10 + digit
            place += 1
            digit = np.int64(peek(text, place)) - 48
        decimals = place - start
        if decimals == 0:
            place = at
    return value, decimals, place


@inline
def read_decimal(text: Any, at: int) -> tuple[Any, Any]:
    """A decimal without sign or exponent, rounded as exactly as `float()` does; (−1, at) where it
    is none, has more digits than a double holds or more than `DECIMALS` decimals.
    """
    value, decimals, place = _read_digits(text, at)
    if place == at or place - at > 18 or value > _EXACT or decimals > DECIMALS:
        return -1.0, at
    return value / POWERS[decimals], place


@inline
def read_levels(text: Any, at: int, prices: Any, sizes: Any, count: int) -> tuple[int, int]:
    """`[["p","q"],…]` from its first bracket: the place after it and the new count; place −1
    when it is anything else, or holds a price that is not positive.
    """
    place = at + 1
    if peek(text, place) == 93:
        return place + 1, count
    while True:
        if peek(text, place) != 91 or peek(text, place + 1) != 34:
            return -1, count
        price, end = read_decimal(text, place + 2)
        if (
            price <= 0.0
            or peek(text, end) != 34
            or peek(text, end + 1) != 44
            or peek(text, end + 2) != 34
        ):
            return -1, count
        size, end = read_decimal(text, end + 3)
        if size < 0.0 or peek(text, end) != 34 or peek(text, end + 1) != 93:
            return -1, count
        prices[count] = price
        sizes[count] = size
        count += 1
        end += 2
        if peek(text, end) == 44:
            place = end + 1
        elif peek(text, end) == 93:
            return end + 1, count
        else:
            return -1, count


@jit
def _read_all_levels(text: Any, prices: Any, sizes: Any) -> bool:
    """Whether a text is levels and nothing else, as many as there is room for."""
    end, count = read_levels(text, 0, prices, sizes, 0)
    return end >= 0 and peek(text, end) == 0 and count == len(prices)


def levels_of_words(levels: list[Any]) -> tuple[list[float], list[float]] | None:
    """Prices and sizes of levels `["p", "q"]` of a decoded message, read as `read_levels` does;
    None where one of them is anything else, which is then for its venue to judge.
    """
    try:
        text = np.frombuffer(_compact(levels) + b"\0" * 8, np.uint8)
    except (ValueError, OverflowError, RecursionError):
        return None  # a number of too many digits, or lists within lists
    prices, sizes = np.empty((2, len(levels)))
    if not _read_all_levels(text, prices, sizes):
        return None
    return prices.tolist(), sizes.tolist()


@inline
def read_word(text: Any, at: int) -> int:
    """The place of the quote that ends a plain string begun at `at`; −1 if an escape, a control
    or a non-ASCII byte stands in it.
    """
    place = at
    while True:
        byte = peek(text, place)
        if byte == 34:
            return place
        if byte < 33 or byte > 126 or byte == 92:
            return -1
        place += 1


@inline
def _read_number(text: Any, at: int) -> tuple[Any, Any]:
    """A number of JSON without sign, or the same in quotes, rounded as exactly as `float()` does;
    (−1, at) where it is none, or its digits or its power of ten are more than a double holds.
    """
    quoted = peek(text, at) == 34
    start = at + 1 if quoted else at
    value, decimals, place = _read_digits(text, start)
    if place == start or place - start > 18 or value > _EXACT:
        return -1.0, at
    if peek(text, start) == 48 and 48 <= peek(text, start + 1) <= 57:
        return -1.0, at
    byte = peek(text, place)
    if byte == 69 or byte == 101:  # E or e  # noqa: PLR1714 - no set here
        exponent, after = read_integer(text, place + 2)
        if peek(text, place + 1) != 45 or exponent < 0 or exponent > len(POWERS):
            return -1.0, at
        decimals += exponent
        place = after
    if decimals >= len(POWERS):
        return -1.0, at
    if quoted:
        if peek(text, place) != 34:
            return -1.0, at
        place += 1
    return value / POWERS[decimals], place


@inline
def _pass_over(text: Any, at: int) -> int:
    """The place after further members of a list, from their comma; −1 where one of them is more
    than a number or a plain word.
    """
    place = at
    while peek(text, place) == 44:
        place += 1
        if peek(text, place) == 34:
            place = read_word(text, place + 1) + 1
            if place == 0:
                return -1
        while peek(text, place) != 44 and peek(text, place) != 93:
            byte = peek(text, place)
            if byte == 0 or byte == 34 or byte == 91 or byte == 123:  # noqa: PLR1714 - no set here
                return -1
            place += 1
    return place


@jit
def _read_rows(text: Any, prices: Any, sizes: Any, more: bool) -> int:
    """Levels which a text is, `[[p,q],["p","q"],…]`, with further members where `more`; −1 when it
    is anything else, or holds a price that is not positive.
    """
    if peek(text, 0) != 91:
        return -1
    if peek(text, 1) == 93:
        return 0 if peek(text, 2) == 0 else -1
    count, place = 0, 1
    while peek(text, place) == 91:
        price, end = _read_number(text, place + 1)
        if price <= 0.0 or peek(text, end) != 44:
            return -1
        size, end = _read_number(text, end + 1)
        if size < 0.0:
            return -1
        if more:
            end = _pass_over(text, end)
        if end < 0 or peek(text, end) != 93:
            return -1
        prices[count], sizes[count] = price, size
        count += 1
        place = end + 2
        if peek(text, end + 1) != 44:
            return count if peek(text, end + 1) == 93 and peek(text, place) == 0 else -1
    return -1


def levels_of_text(text: bytes | msgspec.Raw, *, more: bool) -> tuple[Any, Any] | None:
    """Prices and sizes of levels as JSON, which is known to be valid, as arrays of doubles; None
    where one of them is anything that `_read_number` does not take, or a price is 0.

    Parameters
    ----------
    text : a list of lists of a price and a size, as numbers or in quotes.
    more : whether a level may have further members, which are left alone.
    """
    ended = b"".join((text, b"\0" * 8))
    columns = np.empty((2, ended.count(b"[")))
    count = _read_rows(np.frombuffer(ended, np.uint8), columns[0], columns[1], more)
    if count < 0:
        return None
    return array("d", columns[0, :count].tobytes()), array("d", columns[1, :count].tobytes())


@inline
def is_word(text: Any, at: int, end: int, word: Any) -> bool:
    """Whether the bytes from `at` to `end` are a word (uint8 array)."""
    if end - at != len(word):
        return False
    for k in range(len(word)):  # noqa: SIM110 - Numba has no generators here
        if peek(text, at + k) != word[k]:
            return False
    return True


@inline
def read_truth(text: Any, at: int) -> int:
    """The place after `true` or `false`, −1 where neither stands."""
    if is_word(text, at, at + 4, _TRUE):
        return at + 4
    if is_word(text, at, at + 5, _FALSE):
        return at + 5
    return -1


@inline
def is_partial_depth(text: Any, at: int, end: int) -> bool:
    """Whether a stream's name from `at` to `end` is of the best levels only: `…@depth20…`."""
    for k in range(at, end - 6):
        if (
            peek(text, k) == 64
            and peek(text, k + 1) == 100
            and peek(text, k + 2) == 101
            and peek(text, k + 3) == 112
            and peek(text, k + 4) == 116
            and peek(text, k + 5) == 104
        ):
            return 48 <= peek(text, k + 6) <= 57
    return False


@inline
def find_symbol(
    text: Any, at: int, end: int, symbols: Any, lengths: Any, count: int, last: int
) -> int:
    """Index of the symbol in the table, −1 if it is not there."""
    length = end - at
    for turn in range(-1, count):
        k = last if turn < 0 else turn
        if k < count and lengths[k] == length:
            same = True
            for j in range(length):
                if symbols[k, j] != peek(text, at + j):
                    same = False
                    break
            if same:
                return k
    return -1
