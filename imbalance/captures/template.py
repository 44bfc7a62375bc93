"""Lines that are like one seen before, but for their numbers.

A recorder's lines of one stream have the same text between numbers of the same meaning. So a line
which was understood byte by byte becomes a template: its text between the numbers, and what each
number is. A line equal to it in all of that text has, number by number, the same meaning; any other
is left to be understood by itself. Templates are told apart by the stream's name.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from imbalance.captures.columns import Columns
from imbalance.captures.swar import ONE_DIGIT, read_levels
from imbalance.captures.text import LOOKED_BEYOND, read_decimal, read_integer, same_bytes
from imbalance.kernels import inline, jit, peek, peek_word

INTEGER, DECIMAL, TRUTH, BID_LEVELS, ASK_LEVELS = range(5)
"""What stands at a place of a template."""

(
    RECEIVE_UPPER, RECEIVE_LOWER, EXCHANGE, TRANSACTION, FIRST, LAST, PREVIOUS, IDENTITY,
    BID, BID_SIZE, ASK, ASK_SIZE, PRICE, SIZE, MAKER, UNUSED, BIDS, ASKS,
) = range(18)  # fmt: skip
"""What numbers mean: the receive time but for its last eight digits, and those; times and ids;
decimals, from `BID` to `SIZE`; a truth; what is read and not wanted; and the levels held after the
line.
"""
MEANINGS = 18

MOST_FIELDS = 16
SLOTS = 256
_NAME_AT = 11  # after {"stream":"
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
_TRUE = np.uint64(0x65757274)
_FALSE = np.uint64(0x736C6166)
_FOUR = np.uint64(0xFFFFFFFF)


class Templates(NamedTuple):
    """By slot: `heads` has fields, line kind, symbol, start and length of the text after the last
    field; `fields` has of each what stands there, its meaning, start and length of the text before
    it, and the shape of its levels (`swar.read_levels`).
    """

    heads: Any
    fields: Any


@jit
def new_templates() -> Templates:
    """No templates yet."""
    return Templates(np.zeros((SLOTS, 5), np.int64), np.empty((SLOTS, MOST_FIELDS, 5), np.int64))


@inline
def settled_until(text: Any, start: int, stop: int) -> int:
    """The lines before this place may be read by templates, which look beyond a line's end."""
    place = stop - LOOKED_BEYOND
    while place > start and peek(text, place - 1) != 10:
        place -= 1
    return place


@inline
def slot_of(text: Any, at: int) -> Any:
    """Slot of the stream whose message begins at `at`."""
    name = at + _NAME_AT
    mixed = (
        peek_word(text, name) * _MIX[0]
        ^ peek_word(text, name + 8) * _MIX[1]
        ^ peek_word(text, name + 16) * _MIX[2]
    )
    return np.int64(mixed >> np.uint64(56))


@inline
def remember(
    templates: Templates, slot: int, start: int, end: int, found: Any, count: int, kind: int,
    symbol: int,
) -> None:  # fmt: skip
    """Make a template of the line from `start` to `end`; `found` has of each of its `count` fields
    what it is, its meaning, and where it begins and ends.
    """
    heads, fields = templates.heads[slot], templates.fields[slot]
    before = start
    for k in range(count):
        fields[k, 0], fields[k, 1] = found[k, 0], found[k, 1]
        fields[k, 2], fields[k, 3] = before, found[k, 2] - before
        fields[k, 4] = ONE_DIGIT
        before = found[k, 3]
    heads[0], heads[1], heads[2] = count, kind, symbol
    heads[3], heads[4] = before, end - before


@inline
def follow(
    text: Any, at: int, first: int, templates: Templates, slot: int, whole: Any, real: Any,
    out: Columns,
) -> int:  # fmt: skip
    """Read a message by the template of a slot from the end of its `first` fields on: the place
    after its line; −1 when it differs.
    """
    heads, fields = templates.heads[slot], templates.fields[slot]
    place = at
    for k in range(first, heads[0]):
        length = fields[k, 3]
        if not same_bytes(text, place, text, fields[k, 2], length):
            return -1
        place += length
        what, meaning = fields[k, 0], fields[k, 1]
        if what == INTEGER:
            whole[meaning], place = read_integer(text, place)
            if whole[meaning] < 0:
                return -1
        elif what == DECIMAL:
            real[meaning], place = read_decimal(text, place)
            if real[meaning] < 0.0 or peek(text, place) != 34:
                return -1
        elif what == TRUTH:
            word = peek_word(text, place) & _FOUR
            if word == _TRUE:
                place += 4
            elif word == _FALSE and peek(text, place + 4) == 101:
                place += 5
            else:
                return -1
            whole[meaning] = word == _TRUE
        else:
            bids = what == BID_LEVELS
            prices = out.bid_price if bids else out.ask_price
            sizes = out.bid_size if bids else out.ask_size
            place, whole[meaning], fields[k, 4] = read_levels(
                text, place, prices, sizes, whole[meaning], fields[k, 4]
            )
        if place < 0:
            return -1
    if not same_bytes(text, place, text, heads[3], heads[4]):
        return -1
    return place + heads[4]
