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
from imbalance.captures.swar import read_levels, read_quoted, read_whole
from imbalance.kernels import inline, jit, peek, peek_word

INTEGER, DECIMAL, TRUTH, BID_LEVELS, ASK_LEVELS = range(5)
"""What stands at a place of a template."""

FIRST, LAST, PREVIOUS, IDENTITY, EXCHANGE, TRANSACTION, MAKER, UNUSED, BIDS, ASKS = range(10)
"""Meanings of whole numbers, the last two the levels held after the line."""

BID, BID_SIZE, ASK, ASK_SIZE, PRICE, SIZE = range(6)
"""Meanings of decimals."""

MOST_FIELDS = 16
LOOKED_BEYOND = 64
"""Bytes beyond its own text which a line may be compared with or read in."""

_SLOTS = 256
_NAME_AT = 11  # after {"stream":"
_MIX = np.uint64(0x9E3779B97F4A7C15)
_TRUE = np.uint64(0x65757274)
_FALSE = np.uint64(0x736C6166)
_FOUR = np.uint64(0xFFFFFFFF)


class Templates(NamedTuple):
    """By slot: `heads` has fields, line kind, symbol, start and length of the text after the last
    field; `fields` has of each what stands there, its meaning, start and length of the text before
    it, and its shape (digits, decimals).
    """

    heads: Any
    fields: Any


@jit
def new_templates() -> Templates:
    """No templates yet."""
    return Templates(np.zeros((_SLOTS, 5), np.int64), np.empty((_SLOTS, MOST_FIELDS, 6), np.int64))


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
    mixed = peek_word(text, name) * _MIX ^ peek_word(text, name + 8)
    mixed = mixed * _MIX ^ peek_word(text, name + 16)
    return np.int64((mixed * _MIX) >> np.uint64(56))


@inline
def _same(text: Any, left: int, right: int, length: int) -> bool:
    """Whether two stretches of a text are equal."""
    k = 0
    while k + 8 <= length:
        if peek_word(text, left + k) != peek_word(text, right + k):
            return False
        k += 8
    if k == length:
        return True
    differs = peek_word(text, left + k) ^ peek_word(text, right + k)
    return differs << np.uint64(64 - 8 * (length - k)) == 0


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
        fields[k, 4], fields[k, 5] = found[k, 3] - found[k, 2], 0
        if found[k, 0] == DECIMAL:
            fields[k, 4] = 1  # learned from the first line that is read by it
        before = found[k, 3]
    heads[0], heads[1], heads[2] = count, kind, symbol
    heads[3], heads[4] = before, end - before


@inline
def follow(
    text: Any, at: int, templates: Templates, slot: int, whole: Any, real: Any, out: Columns
) -> int:
    """Read a message by the template of a slot: the place after its line; −1 when it differs."""
    heads, fields = templates.heads[slot], templates.fields[slot]
    place = at
    for k in range(heads[0]):
        length = fields[k, 3]
        if not _same(text, place, fields[k, 2], length):
            return -1
        place += length
        what, meaning = fields[k, 0], fields[k, 1]
        if what == INTEGER:
            number, end = read_whole(text, place, fields[k, 4])
            if number < 0:
                return -1
            fields[k, 4] = end - place
            whole[meaning] = number
            place = end
        elif what == DECIMAL:
            value, place, digits, decimals = read_quoted(text, place, fields[k, 4], fields[k, 5])
            if value < 0.0:
                return -1
            fields[k, 4], fields[k, 5] = digits, decimals
            real[meaning] = value
        elif what == TRUTH:
            word = peek_word(text, place) & _FOUR
            if word == _TRUE:
                place += 4
            elif word == _FALSE and peek(text, place + 4) == 101:
                place += 5
            else:
                return -1
            whole[meaning] = word == _TRUE
        elif what == BID_LEVELS:
            place, whole[BIDS] = read_levels(text, place, out.bid_price, out.bid_size, whole[BIDS])
        else:
            place, whole[ASKS] = read_levels(text, place, out.ask_price, out.ask_size, whole[ASKS])
        if place < 0:
            return -1
    if not _same(text, place, heads[3], heads[4]):
        return -1
    return place + heads[4]
