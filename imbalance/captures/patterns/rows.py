"""What has been read of a line, put in rows of events."""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.captures.clocks import NO_TIME
from imbalance.captures.decode import FAR_NS
from imbalance.captures.patterns.pieces import (
    ANEW,
    BID,
    BOOK,
    BY_ID,
    DUE,
    EVENT,
    EXCHANGE,
    FIRST,
    FIRST_IS_LAST,
    HELD,
    IDENTITY,
    IGNORED,
    KEY_AT,
    KEY_LENGTH,
    LAST,
    MARK,
    NEWEST_FIRST,
    PREVIOUS,
    PRICE,
    QUOTE,
    REALS,
    RECEIVE,
    SEVERAL,
    SINGLE,
    SIZE,
    TAKER,
    TICK,
    TRADE,
    TRANSACTION,
)  # fmt: skip
from imbalance.kernels import inline

LINE, RECEIVED, SENT, DONE, CODE, OF, KIND, A, B, C, D, E = range(12)
ROW = 12
"""Columns of an event's whole numbers: its line, times, what it tells of and of which instrument,
the kind of a book's message or 1 for an aggregate trade. `A` to `E` are, of a book's message, the
first, last and previous id and the numbers of bids and asks, of a trade its id, side, and where its
key stands and its length, of a quote its id, of a derivative the time of its next funding."""

TICKED = ("mark_price", "index_price", "settlement_price", "funding_rate", "last_price",
          "open_interest")
"""What a row of a derivative has, as `DerivativeTick` names it."""

VALUES = len(TICKED)
"""Columns of an event's decimals: price and size, those of both sides of a quote, or `TICKED`."""


@inline
def _near(whole: Any) -> bool:
    """Whether what a line tells of happened near its receipt."""
    sent = whole[TRANSACTION] if whole[TRANSACTION] != NO_TIME else whole[EXCHANGE]
    return sent == NO_TIME or abs(whole[RECEIVE] - sent) <= FAR_NS


@inline
def put_trade(row: int, whole: Any, real: Any, numbers: Any, reals: Any) -> bool:
    """Whether a trade is one, put in its row."""
    if real[PRICE] <= 0.0 or real[SIZE] <= 0.0 or not _near(whole):
        return False
    numbers[row, SENT], numbers[row, DONE] = whole[EXCHANGE], whole[TRANSACTION]
    numbers[row, A], numbers[row, B] = whole[IDENTITY], whole[TAKER]
    numbers[row, C], numbers[row, D] = whole[KEY_AT], whole[KEY_LENGTH]
    numbers[row, CODE] = TRADE
    reals[row, PRICE], reals[row, SIZE] = real[PRICE], real[SIZE]
    return True


@inline
def put_in_order(order: int, begin: int, end: int, numbers: Any, reals: Any) -> bool:
    """Whether the trades of a list, which stand in rows, are in an order or have been put in it."""
    turn = order == NEWEST_FIRST
    if order == BY_ID and end - begin > 1:
        turn = numbers[begin, A] > numbers[begin + 1, A]
        for row in range(begin + 1, end):
            if numbers[row, A] == numbers[row - 1, A] or turn != (
                numbers[row, A] < numbers[row - 1, A]
            ):
                return False
    if turn:
        for k in range((end - begin) // 2):
            for column in range(ROW):
                first, last = numbers[begin + k, column], numbers[end - 1 - k, column]
                numbers[begin + k, column], numbers[end - 1 - k, column] = last, first
            for column in range(VALUES):
                left, right = reals[begin + k, column], reals[end - 1 - k, column]
                reals[begin + k, column], reals[end - 1 - k, column] = right, left
    return True


@inline
def _put_quote(row: int, whole: Any, real: Any, numbers: Any, reals: Any) -> bool:
    """Whether a quote has only numbers above 0, put in its row."""
    for k in range(4):
        if real[BID + k] <= 0.0:
            return False
        reals[row, k] = real[BID + k]
    numbers[row, SENT], numbers[row, DONE] = whole[EXCHANGE], whole[TRANSACTION]
    numbers[row, CODE], numbers[row, A] = QUOTE, whole[LAST]
    return True


@inline
def _put_tick(row: int, whole: Any, real: Any, numbers: Any, reals: Any) -> None:
    """Put what is told of a derivative in its row."""
    for k in range(VALUES):
        reals[row, k] = real[MARK + k]
    numbers[row, SENT], numbers[row, DONE] = whole[EXCHANGE], whole[TRANSACTION]
    numbers[row, CODE], numbers[row, A] = TICK, whole[DUE]


@inline
def put_line(
    head: Any, whole: Any, real: Any, held: Any, due: Any, before: Any, used: Any, numbers: Any,
    reals: Any, levels: Any,
) -> bool:  # fmt: skip
    """Whether what was read of a line is an event, put in its row."""
    if head[HELD] < 0:
        return _put(head, whole, real, before, used, numbers, reals, levels)
    values, place = held[head[HELD]], head[HELD]
    if not head[ANEW]:
        for k in range(REALS):
            if np.isnan(real[k]):
                real[k] = values[k]
        if whole[DUE] == NO_TIME:
            whole[DUE] = due[place]
    if not _put(head, whole, real, before, used, numbers, reals, levels):
        return False
    for k in range(REALS):
        values[k] = real[k]
    due[place] = whole[DUE]
    return True


@inline
def _put(
    head: Any, whole: Any, real: Any, before: Any, used: Any, numbers: Any, reals: Any, levels: Any
) -> bool:
    """The same of a line that says all of itself."""
    row = before[0]
    if head[EVENT] == IGNORED:
        return True
    if head[EVENT] == TRADE:
        if not head[SINGLE]:  # of a list: all are there
            return used[0] == row + 1 or (used[0] > row and head[SEVERAL] == 1)
        used[0] = row + 1
        return put_trade(row, whole, real, numbers, reals)
    if not _near(whole):
        return False
    if head[EVENT] != BOOK:
        quoted = head[EVENT] != TICK
        if quoted and not _put_quote(row, whole, real, numbers, reals):
            return False
        used[0] = row + 1
        if head[EVENT] != QUOTE:
            _put_tick(row + quoted, whole, real, numbers, reals)
            used[0] = row + 1 + quoted
        return True
    numbers[row, SENT], numbers[row, DONE] = whole[EXCHANGE], whole[TRANSACTION]
    numbers[row, CODE] = BOOK
    used[0] = row + 1
    if head[SINGLE]:
        if real[PRICE] <= 0.0:
            return False
        side = whole[TAKER]
        levels[2 * side, used[1 + side]] = real[PRICE]
        levels[2 * side + 1, used[1 + side]] = real[SIZE]
        used[1 + side] += 1
    if whole[FIRST] > whole[LAST]:
        return False
    numbers[row, A] = whole[LAST] if head[FIRST_IS_LAST] else whole[FIRST]
    numbers[row, B], numbers[row, C] = whole[LAST], whole[PREVIOUS]
    numbers[row, D], numbers[row, E] = used[1] - before[1], used[2] - before[2]
    return True


