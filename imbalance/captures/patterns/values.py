"""Reading the values that stand between the text of a pattern, as exactly as the venue's session
would: what it might judge otherwise is not read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.captures.patterns.pieces import (
    ACTION,
    BID_OFFER,
    COLUMNS,
    COUNT,
    COUNTED_AT,
    COUNTER,
    DECIMAL,
    DELETED,
    INTEGER,
    ISO_TIME,
    KEY_AT,
    KEY_LENGTH,
    MEANING,
    NOTHING,
    POINT_TIME,
    POSITIVE,
    SCALE,
    SIDE,
    SIGNED,
    TRUTH,
    UNUSED_NUMBER,
    UNUSED_WORD,
    WHAT,
    WORD,
    ZERO_IS_NONE,
)  # fmt: skip
from imbalance.captures.text import read_decimal, read_integer, read_truth
from imbalance.kernels import bare, inline, peek, peek_word

_LAST = (1 << 63) - 1
_EXACT = 9007199254740992.0
_SECOND = 1_000_000_000
_LONGEST_WORD = 100
_LONGEST_NUMBER = 100
_TENS = np.array([10**k for k in range(10)], np.int64)
_SIDES = np.array(
    [int.from_bytes(word, "little") for word in (
        b"buy", b"sell", b"Buy", b"Sell", b"BUY", b"SELL", b"b", b"s", b"BID", b"ASK", b"bid",
        b"ask", b"offer",
    )], np.uint64,
)  # fmt: skip
_BID = 10
"""Where `bid` stands among them, with `ask` and `offer` behind it."""
_CUMULATED_DAYS = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334], np.int64)
_DAYS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)


@inline
def _fraction(text: Any, at: int) -> tuple[int, int]:
    """Digits behind a point at `at`, as billionths, and the place after them; −1 where they are
    none or more than nine; 0 where there is no point.
    """
    if peek(text, at) != 46:
        return 0, at
    value: Any = 0
    place = at + 1
    while 48 <= peek(text, place) <= 57 and place - at <= 9:
        value = value * 10 + np.int64(peek(text, place)) - 48
        place += 1
    if place == at + 1 or 48 <= peek(text, place) <= 57:
        return -1, at
    return value * _TENS[9 - (place - at - 1)], place


@bare
def _point_time(text: Any, at: int, unit: int) -> tuple[int, int]:
    """A number of units with decimals as ns, and the place after it; −1 where it is none that is
    believed.
    """
    whole, place = read_integer(text, at)
    if whole < 0 or not 9 <= place - at <= 14 or whole > _LAST // unit - 1:
        return -1, at
    billionths, place = _fraction(text, place)
    if billionths < 0:
        return -1, at
    return whole * unit + billionths * unit // _SECOND, place


@inline
def _two_digits(text: Any, at: int) -> int:
    upper: Any = np.int64(peek(text, at)) - 48
    lower: Any = np.int64(peek(text, at + 1)) - 48
    if not (0 <= upper <= 9 and 0 <= lower <= 9):
        return -1
    return upper * 10 + lower


@bare
def _iso_time(text: Any, at: int) -> tuple[int, int]:
    """`2021-04-17T16:49:03.207` as ns, and the place after it; −1 where it is none."""
    century, year = _two_digits(text, at), _two_digits(text, at + 2)
    month, day = _two_digits(text, at + 5), _two_digits(text, at + 8)
    hour, minute = _two_digits(text, at + 11), _two_digits(text, at + 14)
    second = _two_digits(text, at + 17)
    between = peek(text, at + 10)
    if (
        min(year, hour, minute, second) < 0 or century < 19 or century > 21
        or not 1 <= month <= 12 or hour > 23 or minute > 59 or second > 59
        or peek(text, at + 4) != 45 or peek(text, at + 7) != 45
        or (between != 84 and between != 32)  # noqa: PLR1714 - no set here
        or peek(text, at + 13) != 58 or peek(text, at + 16) != 58
    ):  # fmt: skip
        return -1, at
    year += century * 100
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= _DAYS[month - 1] + (leap and month == 2) or year < 1971:
        return -1, at
    before = year - 1
    days = 365 * year + before // 4 - before // 100 + before // 400 - 719527
    days += _CUMULATED_DAYS[month - 1] + (leap and month > 2) + day - 1
    billionths, place = _fraction(text, at + 19)
    if billionths < 0:
        return -1, at
    seconds = days * 86400 + hour * 3600 + minute * 60 + second
    return seconds * _SECOND + billionths, place


@inline
def _word_end(text: Any, at: int, lowest: int) -> int:
    """The place after a plain word, escaped or not; −1 where it is empty or too long. Spaces may
    stand in it where `lowest` is one.
    """
    place = at
    while True:
        byte = peek(text, place)
        if byte < lowest or byte > 126 or byte == 34 or byte == 92:  # noqa: PLR1714 - no set here
            break
        place += 1
    return place if 0 < place - at <= _LONGEST_WORD else -1


@inline
def _side_of(text: Any, at: int, end: int, written: int) -> int:
    """0 for a word that says buy, 1 for one that says sell; −1 for any other, or where sides are
    not written so.
    """
    length = end - at
    if not 1 <= length <= 5:
        return -1
    word = peek_word(text, at) & ((np.uint64(1) << np.uint64(8 * length)) - np.uint64(1))
    for k in range(len(_SIDES)):
        if word == _SIDES[k]:
            of_book = k >= _BID
            if written == BID_OFFER:
                return (k - _BID) >> 1 if of_book and k != _BID + 1 else -1
            return k & 1 if k <= _BID + 1 else -1
    return -1


@inline
def _deletes(text: Any, at: int, end: int) -> int:
    """1 for the word `delete`, 0 for `change` and `new`, −1 for any other."""
    word = peek_word(text, at)
    if end - at == 3:
        return 0 if word & np.uint64(0xFFFFFF) == 0x77656E else -1
    if end - at != 6:
        return -1
    word &= np.uint64(0xFFFFFFFFFFFF)
    return 1 if word == 0x6574656C6564 else 0 if word == 0x65676E616863 else -1


@inline
def _unused_number(text: Any, at: int) -> int:
    """The place after a number of JSON; −1 where it is none, has an exponent or is long."""
    start = at + 1 if peek(text, at) == 45 else at
    place = start
    while 48 <= peek(text, place) <= 57:
        place += 1
    if place == start or (peek(text, start) == 48 and place - start > 1):
        return -1
    if peek(text, place) == 46:
        start = place + 1
        place = start
        while 48 <= peek(text, place) <= 57:
            place += 1
        if place == start:
            return -1
    byte = peek(text, place)
    if byte == 69 or byte == 101 or place - at > _LONGEST_NUMBER:  # noqa: PLR1714 - no set here
        return -1
    return place


@inline
def of_piece(rows: Any, row: int, column: int) -> Any:
    """An element of `Patterns.pieces`."""
    return peek(rows, row * COLUMNS + column)


@inline
def _read_word(text: Any, at: int, pieces: Any, piece: int, whole: Any) -> int:
    """Read a word behind a piece's text: the place after it, −1 where it is not that."""
    what = of_piece(pieces, piece, WHAT)
    end = _word_end(text, at, 32 if what == UNUSED_WORD else 33)
    if end < 0:
        return -1
    if what == SIDE:
        scale = of_piece(pieces, piece, SCALE)
        side = _side_of(text, at, end, scale >> 1)
        if side < 0:
            return -1
        whole[of_piece(pieces, piece, MEANING)] = side ^ (scale & 1)
    elif what == ACTION:
        whole[DELETED] = _deletes(text, at, end)
        if whole[DELETED] < 0:
            return -1
    elif what == WORD:
        whole[KEY_AT], whole[KEY_LENGTH] = at, end - at
    return end


@inline
def _read_time(text: Any, at: int, pieces: Any, piece: int) -> tuple[int, int]:
    """A time as ns and the place after it; −1 where it is none."""
    if of_piece(pieces, piece, WHAT) == POINT_TIME:
        return _point_time(text, at, of_piece(pieces, piece, SCALE))
    return _iso_time(text, at)


@inline
def _decimal(text: Any, at: int, scale: int) -> tuple[Any, int]:
    """A decimal as JSON has it and the place after it; −1 where it is none, or is 0 or below and
    may not be, or is −0, which sessions read as 0 or as −0.
    """
    below = scale == SIGNED and peek(text, at) == 45
    start = at + 1 if below else at
    value, place = read_decimal(text, start)
    padded = peek(text, start) == 48 and 48 <= peek(text, start + 1) <= 57
    if value < 0.0 or value > _EXACT or padded or (value == 0.0 and (below or scale == POSITIVE)):
        return -1.0, -1
    if value == 0.0 and scale == ZERO_IS_NONE:
        return np.nan, place
    return -value if below else value, place


@bare
def read_value(text: Any, at: int, pieces: Any, piece: int, whole: Any, real: Any) -> int:
    """Read what stands behind a piece's text: the place after it, −1 where it is not that."""
    what, meaning = of_piece(pieces, piece, WHAT), of_piece(pieces, piece, MEANING)
    place = at
    if what == DECIMAL:
        real[meaning], place = _decimal(text, at, of_piece(pieces, piece, SCALE))
        if place < 0:
            return -1
    elif what == INTEGER:
        number, place = read_integer(text, at)
        scale = of_piece(pieces, piece, SCALE)
        if number < 0 or number > _LAST // scale:
            return -1
        whole[meaning] = number * scale
    elif what == COUNTER:
        whole[COUNT], place = read_integer(text, at)
        whole[COUNTED_AT] = of_piece(pieces, piece, SCALE)
        if whole[COUNT] < 0:
            return -1
    elif what == POINT_TIME or what == ISO_TIME:  # noqa: PLR1714, SIM109 - no set here
        whole[meaning], place = _read_time(text, at, pieces, piece)
        if whole[meaning] < 0:
            return -1
    elif what == UNUSED_NUMBER:
        place = _unused_number(text, at)
    elif what == TRUTH:
        place = read_truth(text, at)
        whole[meaning] = np.int64(peek(text, at) == 116)
    elif what != NOTHING:
        place = _read_word(text, at, pieces, piece, whole)
    return place
