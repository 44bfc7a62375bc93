"""Lines of a template in which each number has as many digits as in a line seen before.

In such a line every byte has its place. So it is compared 64 bytes at a time, digits with what a
digit may be and all else with what stood there, and its numbers are then read where they are known
to stand, two at a time. Which numbers they are is known from the line that the shape was taken
from. What a shape does not fit goes the way of its template.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from imbalance.captures import template as at
from imbalance.captures.swar import KEPT, MOST_DIGITS, digits_at
from imbalance.captures.template import Templates
from imbalance.captures.text import POWERS
from imbalance.kernels import bare, inline, jit, peek, peek_word, poke, two_quotients, within_64

_WAYS = 8
"""Shapes held of a stream: most have few."""

_PATIENCE = 16
"""Where all are held, only every so manieth line that has none of them replaces one."""

_BLOCKS = 4
"""Of 64 bytes: what a shape covers at most."""

WHOLE = -1
"""In the place of a field: there is none, the shape covers the whole line."""

_ZERO, _NINE = np.int64(48), np.int64(9)

_PAIRS = at.MAKER // 2
"""Pairs of numbers at most: each has its meaning and the next one."""

_HEAD = 5
_ROWS = at.SLOTS * _WAYS


class Shapes(NamedTuple):
    """By slot: `slots` has the row of the shape last met, and how many lines had none: as many
    rows hold one, or all. By row: `heads` has bytes covered, pairs of numbers, the first field of
    the template beyond them, the truth, and a time that a pair has and the line has not; `bounds`
    has, by 64 bytes, the least and how much more a byte may be; and by pair `meanings` has that of
    its first number, `places`, `masks` and `scales` are what `two_quotients` takes, places from
    the line's start.
    """

    slots: Any
    heads: Any
    bounds: Any
    places: Any
    masks: Any
    scales: Any
    meanings: Any


@jit
def new_shapes() -> Shapes:
    """No shapes yet. They are of one text: the words of a receive time's digits begin before its
    line, which is never the first of the text, from which the shape was taken.
    """
    return Shapes(
        np.zeros((at.SLOTS, 2), np.int64),
        np.empty((_ROWS, _HEAD), np.int64),
        np.empty((_ROWS, _BLOCKS, 2, 64), np.uint8),
        np.empty((_ROWS, _PAIRS, 4), np.int64),
        np.empty((_ROWS, _PAIRS, 4), np.uint64),
        np.empty((_ROWS, _PAIRS, 4)),
        np.empty((_ROWS, _PAIRS), np.int64),
    )


@inline
def forget(shapes: Shapes, slot: int) -> None:
    """Drop the shapes of a slot."""
    shapes.slots[slot, 1] = 0


@inline
def _fits(text: Any, place: int, shapes: Shapes, row: int) -> bool:
    """Whether the line from `place` has the shape of a row. Nothing is looked at further than 63
    bytes beyond its end, since a shape has a newline at its end only.
    """
    for done in range(0, peek(shapes.heads, row * _HEAD), 64):
        if not within_64(text, place + done, shapes.bounds, (row * _BLOCKS * 64 + done) * 2):
            return False
    return True


@inline
def shape_of(text: Any, place: int, shapes: Shapes, slot: int) -> int:
    """Row of the shape of the line from `place`, −1 where it has none."""
    held = min(shapes.slots[slot, 1], _WAYS)
    if held == 0:
        return -1
    row, turn = shapes.slots[slot, 0], 0
    while not _fits(text, place, shapes, row):
        if turn == held:
            return -1
        row = slot * _WAYS + turn
        turn += 1
    shapes.slots[slot, 0] = row
    return row


@inline
def read_numbers(text: Any, place: int, shapes: Shapes, row: int, whole: Any, real: Any) -> None:
    """Read the numbers of a line from `place` which has the shape of a row, each as a real and as a
    whole number, whichever it is.
    """
    for pair in range(row * _PAIRS, row * _PAIRS + peek(shapes.heads, row * _HEAD + 1)):
        k = 4 * pair
        places, masks, scales = shapes.places, shapes.masks, shapes.scales
        _, one, other = two_quotients(
            (
                peek_word(text, place + peek(places, k)),
                peek_word(text, place + peek(places, k + 1)),
                peek_word(text, place + peek(places, k + 2)),
                peek_word(text, place + peek(places, k + 3)),
            ),
            (peek(masks, k), peek(masks, k + 1), peek(masks, k + 2), peek(masks, k + 3)),
            (peek(scales, k), peek(scales, k + 1)),
            (peek(scales, k + 2), peek(scales, k + 3)),
        )
        meaning = peek(shapes.meanings, pair)
        poke(real, meaning, one)
        poke(real, meaning + 1, other)
        poke(whole, meaning, np.int64(one))
        poke(whole, meaning + 1, np.int64(other))
    poke(whole, at.MAKER, peek(shapes.heads, row * _HEAD + 3))
    poke(whole, peek(shapes.heads, row * _HEAD + 4), -1)


@bare
def _bound(shapes: Shapes, row: int, place: int, end: int, least: int, span: int) -> None:
    """Let the bytes from `place` to `end` of a line be digits, or whatever else."""
    for k in range(place, end):
        shapes.bounds[row, k // 64, 0, k % 64] = least
        shapes.bounds[row, k // 64, 1, k % 64] = span


@bare
def _add(
    shapes: Shapes, row: int, meaning: int, first_end: int, first_digits: int, end: int,
    digits: int, power: float, divisor: float,
) -> None:  # fmt: skip
    """Add a number to a shape: what it is, and where its two words of digits end."""
    if meaning >= at.MAKER:
        return
    pairs, side = shapes.heads[row, 1], meaning % 2
    pair = 0
    while pair < pairs and shapes.meanings[row, pair] != meaning - side:
        pair += 1
    if pair == pairs:
        shapes.heads[row, 1] += 1
        shapes.meanings[row, pair] = meaning - side
        for k in range(4):
            shapes.places[row, pair, k], shapes.masks[row, pair, k] = 0, 0
            shapes.scales[row, pair, k] = 1.0
        if meaning - side == at.EXCHANGE:
            shapes.heads[row, 4] = at.EXCHANGE + 1 - side
    elif meaning - side == at.EXCHANGE:
        shapes.heads[row, 4] = at.UNUSED
    shapes.places[row, pair, side] = first_end - 8
    shapes.masks[row, pair, side] = KEPT[first_digits]
    shapes.places[row, pair, 2 + side] = end - 8
    shapes.masks[row, pair, 2 + side] = KEPT[digits]
    shapes.scales[row, pair, side], shapes.scales[row, pair, 2 + side] = power, divisor


@bare
def _add_integer(shapes: Shapes, row: int, meaning: int, place: int, end: int) -> None:
    """Add a whole number of at most sixteen digits, the first of several no zero: JSON has no such
    numbers. But the second half of the receive time may begin with one.
    """
    digits = end - place
    _bound(shapes, row, place, end, _ZERO, _NINE)
    if digits > 1 and meaning != at.RECEIVE_LOWER:
        _bound(shapes, row, place, place + 1, _ZERO + 1, _NINE - 1)
    upper = max(digits - 8, 0)
    _add(shapes, row, meaning, end - 8, upper, end, digits - upper, 1e8, 1.0)


@bare
def learn(
    text: Any, start: int, stop: int, receive_digits: int, templates: Templates, slot: int,
    shapes: Shapes,
) -> None:  # fmt: skip
    """Take the shape of the line from `start` to `stop`, which was read by the template of a slot
    and has no shape that is known: up to its levels, or up to a number which is too wide.
    """
    turn = shapes.slots[slot, 1]
    shapes.slots[slot, 1] += 1
    if turn >= _WAYS and turn % _PATIENCE:
        return
    row = slot * _WAYS + (turn if turn < _WAYS else turn // _PATIENCE) % _WAYS
    shapes.slots[slot, 0] = row
    heads, fields = templates.heads[slot], templates.fields[slot]
    length = min(stop - start, 64 * _BLOCKS)
    for k in range(length):
        shapes.bounds[row, k // 64, 0, k % 64] = peek(text, start + k)
        shapes.bounds[row, k // 64, 1, k % 64] = 0
    shapes.heads[row, 1] = shapes.heads[row, 3] = 0
    shapes.heads[row, 4] = at.UNUSED
    covered = receive_digits + 1  # with the space behind it
    # the receive time, of up to nineteen digits, is two numbers
    upper = receive_digits - 8
    _add_integer(shapes, row, np.int64(at.RECEIVE_UPPER), np.int64(0), upper)
    _add_integer(shapes, row, np.int64(at.RECEIVE_LOWER), upper, receive_digits)
    field = 0
    place = receive_digits + 1
    while field < heads[0]:
        what, meaning = fields[field, 0], fields[field, 1]
        place += fields[field, 3]
        digits = digits_at(text, start + place)
        point = place + digits
        end, decimals = point, 0
        if what == at.TRUTH:
            shapes.heads[row, 3] = peek(text, start + place) == 116
            end = place + 5 - shapes.heads[row, 3]
        elif what == at.INTEGER:
            end += digits_at(text, start + end) if digits == 8 else 0
        elif what == at.DECIMAL:
            if peek(text, start + point) == 46:
                decimals = digits_at(text, start + point + 1)
                end = point + 1 + decimals
            if digits == 0 or peek(text, start + end) != 34:
                break
        if what >= at.BID_LEVELS or end > length or end - place > MOST_DIGITS:
            break
        if what == at.INTEGER:
            _add_integer(shapes, row, meaning, place, end)
        elif what == at.DECIMAL:
            _bound(shapes, row, place, point, _ZERO, _NINE)
            _bound(shapes, row, point + 1, end, _ZERO, _NINE)
            power = POWERS[decimals]
            _add(shapes, row, meaning, point, digits, end, decimals, power, power)
        covered = place = end
        field += 1
    if field == heads[0] and stop - start == length:
        covered, field = length, WHOLE
    shapes.heads[row, 0], shapes.heads[row, 2] = covered, field
    _bound(shapes, row, covered, 64 * _BLOCKS, np.int64(0), np.int64(255))
