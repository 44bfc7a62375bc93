"""Reading lines by patterns: one Numba pass from bytes to columns, as long as lines are like one.

A line is read by a pattern or not at all: whatever differs from it, or is a number that the exact
decoder might judge otherwise, ends the pass, and that line is understood by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.captures.clocks import NO_TIME
from imbalance.captures.patterns.likeness import hash_of
from imbalance.captures.patterns.pieces import (
    ASKS,
    BIDS,
    BUCKETS,
    CHANGES,
    COUNT,
    COUNTED_AT,
    DELETED,
    DUE,
    EXCHANGE,
    FIRST_PIECE,
    INSTRUMENT,
    ITEM_COUNT,
    ITEM_FIRST,
    ITEMS,
    LINE_KIND,
    LITERAL_AT,
    LITERAL_LENGTH,
    MEANING,
    NEXT,
    NOT_COUNTED,
    PIECES,
    PLAIN,
    PRICE,
    READ,
    REALS,
    RECEIVE,
    SCALE,
    SHAPE,
    SIZE,
    TAKER,
    TRADES,
    TRANSACTION,
    UNKNOWN_COUNT,
    WHAT,
    WHOLES,
    Patterns,
)  # fmt: skip
from imbalance.captures.patterns.rows import (
    KIND,
    LINE,
    OF,
    RECEIVED,
    put_in_order,
    put_line,
    put_trade,
)
from imbalance.captures.patterns.values import of_piece, read_value
from imbalance.captures.rows import NO_ID, NO_SIDE
from imbalance.captures.swar import MASKS, Marks, read_marked_levels
from imbalance.captures.text import same_bytes
from imbalance.kernels import bare, inline, jit, peek, peek_word

EVENTS, BID_LEVELS, ASK_LEVELS, LINES = range(4)
"""What `counts` counts: rows of events, levels, and lines read."""

_COMMA, _BRACKET = np.uint64(44), np.uint64(93)


@bare
def _read_pieces(
    text: Any, at: int, patterns: Patterns, first: int, count: int, whole: Any, real: Any
) -> int:
    """Read an item by its pieces: the place after it, −1 where it differs."""
    place = at
    pieces = patterns.pieces
    for piece in range(first, first + count):
        length = of_piece(pieces, piece, LITERAL_LENGTH)
        literal = of_piece(pieces, piece, LITERAL_AT)
        if not same_bytes(text, place, patterns.literals, literal, length):
            return -1
        place = read_value(text, place + length, pieces, piece, whole, real)
        if place < 0:
            return -1
    return place


@inline
def _marks(patterns: Patterns, first: int) -> Marks:
    """What stands around the numbers of levels that are a price and a size."""
    rows = patterns.pieces
    opening_length, between_length, end_length = (
        of_piece(rows, first, LITERAL_LENGTH), of_piece(rows, first + 1, LITERAL_LENGTH),
        of_piece(rows, first + 2, LITERAL_LENGTH),
    )  # fmt: skip
    opening, between, end = (
        peek_word(patterns.literals, of_piece(rows, first, LITERAL_AT)) & MASKS[opening_length],
        peek_word(patterns.literals, of_piece(rows, first + 1, LITERAL_AT)) & MASKS[between_length],
        peek_word(patterns.literals, of_piece(rows, first + 2, LITERAL_AT)) & MASKS[end_length],
    )
    behind = np.uint64(8 * end_length)
    return Marks(
        opening, opening_length, between, between_length,
        end | _COMMA << behind | opening << (behind + np.uint64(8)),
        end_length + 1 + opening_length,
        end | _BRACKET << behind, end_length + 1,
    )  # fmt: skip


@bare
def _read_items(
    text: Any, at: int, patterns: Patterns, piece: int, whole: Any, real: Any, used: Any,
    numbers: Any, reals: Any, levels: Any,
) -> int:  # fmt: skip
    """Read a list from behind its bracket: the place after it, −1 where it differs. `used` counts
    rows, bids and asks.
    """
    pieces = patterns.pieces
    kind, flagged = of_piece(pieces, piece, MEANING), of_piece(pieces, piece, SCALE)
    first, count = of_piece(pieces, piece, ITEM_FIRST), of_piece(pieces, piece, ITEM_COUNT)
    if of_piece(pieces, piece, PLAIN):
        side = 2 * np.int64(kind == ASKS)
        place, used[1 + side // 2], pieces[piece, SHAPE] = read_marked_levels(
            text, at, levels[side], levels[side + 1], used[1 + side // 2],
            pieces[piece, SHAPE], _marks(patterns, first),
        )  # fmt: skip
        return place
    place = at
    if peek(text, place) == 93:  # of changes that are none nobody says whose they are
        return -1 if kind == CHANGES else place + 1
    begin = used[0]
    while True:
        place = _read_pieces(text, place, patterns, first, count, whole, real)
        if place < 0:
            return -1
        if kind == TRADES:
            if not put_trade(used[0], whole, real, numbers, reals):
                return -1
            used[0] += 1
        else:
            if real[PRICE] <= 0.0 and not flagged:
                return -1
            bid = kind == BIDS or (kind == CHANGES and whole[TAKER] == 0)
            to = 0 if bid else 1
            levels[2 * to, used[1 + to]] = real[PRICE]
            levels[2 * to + 1, used[1 + to]] = 0.0 if whole[DELETED] == 1 else real[SIZE]
            used[1 + to] += real[PRICE] > 0.0
        byte = peek(text, place)
        place += 1
        if byte == 93:
            in_order = kind != TRADES or put_in_order(flagged, begin, used[0], numbers, reals)
            return place if in_order else -1
        if byte != 44:
            return -1
        if peek(text, place) == 32:
            place += 1


@bare
def _read_line(
    text: Any, at: int, patterns: Patterns, number: int, whole: Any, real: Any, used: Any,
    numbers: Any, reals: Any, levels: Any,
) -> int:  # fmt: skip
    """Read a line by a pattern: the place after it, −1 where it differs. `used` counts rows, bids
    and asks.
    """
    head = patterns.heads[number]
    for k in range(WHOLES):
        whole[k] = NO_ID
    whole[EXCHANGE] = whole[TRANSACTION] = whole[DUE] = NO_TIME
    whole[TAKER] = NO_SIDE
    for k in range(REALS):
        real[k] = np.nan
    place = at
    pieces = patterns.pieces
    for piece in range(head[FIRST_PIECE], head[FIRST_PIECE] + head[PIECES]):
        length = of_piece(pieces, piece, LITERAL_LENGTH)
        literal = of_piece(pieces, piece, LITERAL_AT)
        if not same_bytes(text, place, patterns.literals, literal, length):
            return -1
        place += length
        if of_piece(pieces, piece, WHAT) == ITEMS:
            place = _read_items(
                text, place, patterns, piece, whole, real, used, numbers, reals, levels
            )
        else:
            place = read_value(text, place, pieces, piece, whole, real)
        if place < 0:
            return -1
    return place


@bare
def _try_line(
    text: Any, at: int, patterns: Patterns, number: int, bounds: Any, counters: Any, held: Any,
    due: Any, whole: Any, real: Any, before: Any, used: Any, numbers: Any, reals: Any, levels: Any,
) -> int:  # fmt: skip
    """Read a line by a pattern into the rows behind those counted by `before`: the place after its
    end, −1 where it differs or is left to be judged by itself.
    """
    for k in range(3):
        used[k] = before[k]
    end = _read_line(text, at, patterns, number, whole, real, used, numbers, reals, levels)
    if end < 0 or peek(text, end) != 10 or not bounds[0] <= whole[RECEIVE] <= bounds[1]:
        return -1
    head, counter = patterns.heads[number], whole[COUNTED_AT]
    if counter >= 0 and counters[counter] != UNKNOWN_COUNT and (
        counters[counter] == NOT_COUNTED or whole[COUNT] != counters[counter] + 1
    ):
        return -1
    if not put_line(head, whole, real, held, due, before, used, numbers, reals, levels):
        return -1
    if counter >= 0:
        counters[counter] = whole[COUNT]
    return end + 1


@jit
def read_lines(
    text: Any, start: int, stop: int, bounds: Any, counters: Any, held: Any, due: Any, heads: Any,
    pieces: Any, literals: Any, buckets: Any, links: Any, counts: Any, numbers: Any, reals: Any,
    levels: Any,
) -> int:  # fmt: skip
    """Read lines by patterns into columns until one is like none of them.

    Parameters
    ----------
    text : uint8 array; must be followed by zero bytes within its allocation.
    start, stop : the lines to read; `stop` stands after a newline, and at least `LOOKED_BEYOND`
        bytes before the end of the allocation.
    bounds : earliest and latest receive time that is read, ns.
    counters : last number of each counter, which a line's has to follow; counted on.
    held, due : of `held.Held`; what a ticker says is held there.
    heads, pieces, literals, buckets, links : of `Patterns`; lines are counted in `heads`.
    counts : int64, see `EVENTS`; counted on.
    numbers, reals, levels : int64 (n, 12), float64 (n, 6) and float64 (4, n) to be filled: events
        (see `rows.LINE`), their decimals, and prices and sizes of bids and of asks. `LINE` is the
        number of lines read before.

    Returns
    -------
    The first byte not read.
    """
    patterns = Patterns(heads, pieces, literals, buckets, links)
    whole, real = np.empty(WHOLES, np.int64), np.empty(REALS)
    before, used = np.empty(3, np.int64), np.empty(3, np.int64)
    last: Any = 0
    place = start
    while place < stop:
        for k in range(3):
            before[k] = counts[k]
        number = heads[last, NEXT]
        end = _try_line(
            text, place, patterns, number, bounds, counters, held, due, whole, real, before, used,
            numbers, reals, levels,
        )  # fmt: skip
        if end < 0:
            found = hash_of(text, place)
            link = buckets[found % BUCKETS]
            while link >= 0 and end < 0:
                if links[link, 0] == found:
                    number = links[link, 1]
                    end = _try_line(
                        text, place, patterns, number, bounds, counters, held, due, whole, real,
                        before, used, numbers, reals, levels,
                    )  # fmt: skip
                link = links[link, 2]
        if end < 0:
            break
        for row in range(before[0], used[0]):
            numbers[row, LINE], numbers[row, RECEIVED] = counts[LINES], whole[RECEIVE]
            numbers[row, OF] = heads[number, INSTRUMENT]
            numbers[row, KIND] = heads[number, LINE_KIND]
        for k in range(3):
            counts[k] = used[k]
        counts[LINES] += 1
        heads[number, READ] += 1
        heads[last, NEXT] = number
        place, last = end, number
    return place
