"""Orders by name and levels by price in hash tables, changed by a Numba kernel event by event.

Both tables are open: a key lies at its place or in the next free one after it, and what is taken
out is filled from behind, so that nothing has to be cleaned up. What the events of a feed mean is
in `order_levels.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from imbalance.kernels import bare, inline, jit, peek_word

ADD, CHANGE, DELETE, FILL, REDUCE, SNAPSHOT = range(6)

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_PRIME = np.uint64(0xC2B2AE3D27D4EB4F)
_HALF = np.uint64(32)
_ONE = np.uint64(1)
_NOTHING = np.uint64(0)
_FIRST, _ROOM = 1 << 6, 2


class Table(NamedTuple):
    """A hash table of each side, bids first: keys are (2, places, 2), the first half 0 where a
    place is free; values (2, places, 3): price and size of an order, or a level's size, the rest of
    it that a double does not hold, and its number of orders; `used` is how many keys there are.
    """

    keys: Any
    values: Any
    used: Any


def new_table(places: int = _FIRST) -> Table:
    """An empty table; `places` is a power of two."""
    return Table(
        np.zeros((2, places, 2), np.uint64), np.zeros((2, places, 3)), np.zeros(2, np.int64)
    )


def with_room(table: Table, more: int) -> Table:
    """The table, or a larger one in its place, if it has no room for so many keys more."""
    needed = _ROOM * (int(table.used.max()) + more)
    places = table.keys.shape[1]
    if needed <= places:
        return table
    larger = new_table(1 << (needed - 1).bit_length())
    _move_all(table, larger)
    return larger


@bare
def name_orders(data: Any, offsets: Any, names: Any) -> None:
    """128 bits that stand for each text, which lie one after the other in `data`."""
    for row in range(len(offsets) - 1):
        at, end = np.int64(offsets[row]), np.int64(offsets[row + 1])
        first, second = np.uint64(end - at) + _ONE, _PRIME
        while at < end:
            if at + 8 <= end:
                word = peek_word(data, at)
            else:
                word = _NOTHING
                for k in range(at, end):
                    word = (word << np.uint64(8)) | np.uint64(data[k])
            first = (first ^ word) * _GOLDEN
            first ^= first >> _HALF
            second = (second ^ word) * _PRIME
            second ^= second >> _HALF
            at += 8
        names[row, 0] = first if first != _NOTHING else _ONE
        names[row, 1] = second


@inline
def _home(first: Any, places: int) -> Any:
    mixed = first * _GOLDEN
    return np.int64((mixed ^ (mixed >> _HALF)) & np.uint64(places - 1))


@inline
def _find(table: Any, side: int, first: Any, second: Any) -> int:
    """Place of a key; where it is not there, −1 less the free place for it."""
    keys = table.keys
    places = keys.shape[1]
    at = _home(first, places)
    while keys[side, at, 0] != _NOTHING:
        if keys[side, at, 0] == first and keys[side, at, 1] == second:
            return at
        at = (at + 1) & (places - 1)
    return -1 - at


@bare
def _put(table: Any, side: int, at: int, first: Any, second: Any) -> int:
    """Take a free place, as `_find` told it, for a key."""
    at = -1 - at
    table.keys[side, at, 0] = first
    table.keys[side, at, 1] = second
    table.used[side] += 1
    return at


@bare
def _take_out(table: Any, side: int, at: int) -> None:
    """Free a place, and fill it with what lies behind it because it was taken."""
    keys, values = table.keys, table.values
    last = keys.shape[1] - 1
    hole, behind = at, (at + 1) & last
    while keys[side, behind, 0] != _NOTHING:
        home = _home(keys[side, behind, 0], last + 1)
        if ((behind - home) & last) >= ((behind - hole) & last):
            for k in range(2):
                keys[side, hole, k] = keys[side, behind, k]
            for k in range(3):
                values[side, hole, k] = values[side, behind, k]
            hole = behind
        behind = (behind + 1) & last
    keys[side, hole, 0] = _NOTHING
    table.used[side] -= 1


@bare
def _move_all(table: Any, larger: Any) -> None:
    for side in range(2):
        for place in range(table.keys.shape[1]):
            first, second = table.keys[side, place, 0], table.keys[side, place, 1]
            if first != _NOTHING:
                at = _put(larger, side, _find(larger, side, first, second), first, second)
                for k in range(3):
                    larger.values[side, at, k] = table.values[side, place, k]


@inline
def _level_key(price: float) -> Any:
    """Bits of a price, never 0."""
    return np.float64(price + 0.0).view(np.uint64) + _ONE


@bare
def _change_level(levels: Any, side: int, price: float, size: float, orders: int) -> None:
    """Add an order's size to its level (`orders` 1), or take it off (−1).

    The sum is kept to twice the digits of a double: it is the double nearest to the sum of the
    orders, whatever came and went before.
    """
    key = _level_key(price)
    at = _find(levels, side, key, _NOTHING)
    if at < 0:
        at = _put(levels, side, at, key, _NOTHING)
        for k in range(3):
            levels.values[side, at, k] = 0.0
    levels.values[side, at, 2] += orders
    if levels.values[side, at, 2] == 0.0:
        _take_out(levels, side, at)
        return
    held, added = levels.values[side, at, 0], orders * size
    whole = held + added
    part = whole - held
    rest = levels.values[side, at, 1] + ((held - (whole - part)) + (added - part))
    levels.values[side, at, 0] = whole + rest
    levels.values[side, at, 1] = rest - (whole + rest - whole)


@jit
def change(
    orders: Any, levels: Any, starts: Any, opening: Any, action: Any, side: Any, name: Any,
    price: Any, size: Any, counts: Any, prices: Any, sizes: Any,
) -> None:
    """Take events of orders, message by message.

    Parameters
    ----------
    orders, levels : what is there; with room for all that may come.
    starts : first event of each message, and the end of the last, (n+1,).
    opening : whether a message begins the book anew, (n,).
    action, side, name, price, size : of each event; side 0 is the bids, an unknown price is NaN.
    counts : gets how many levels of each side each message touched, (2, n).
    prices, sizes : get those levels, by rising price, and their new sizes, (2, 2 × events).
    """
    filled = np.zeros(2, np.int64)
    for message in range(len(opening)):
        if opening[message]:
            for table in (orders, levels):
                table.keys[...] = _NOTHING
                table.used[:] = 0
        begun = filled.copy()
        for event in range(starts[message], starts[message + 1]):
            s = side[event]
            first, second = name[event, 0], name[event, 1]
            at = _find(orders, s, first, second)
            held = at >= 0
            to = price[event]
            if np.isnan(to):  # what happens to an order may be told without its price
                if not held:
                    continue
                to = orders.values[s, at, 0]
            left = size[event]
            if action[event] == DELETE:
                left = 0.0
            elif action[event] == FILL or action[event] == REDUCE:
                left = max(0.0, orders.values[s, at, 1] - left) if held else 0.0
            prices[s, filled[s]] = to
            filled[s] += 1
            if held:
                of = orders.values[s, at, 0]
                prices[s, filled[s]] = of
                filled[s] += 1
                _change_level(levels, s, of, orders.values[s, at, 1], -1)
            if left > 0.0:
                if not held:
                    at = _put(orders, s, at, first, second)
                orders.values[s, at, 0] = to
                orders.values[s, at, 1] = left
                _change_level(levels, s, to, left, 1)
            elif held:
                _take_out(orders, s, at)
        for s in range(2):
            filled[s] = _told_once(levels, s, begun[s], filled[s], prices, sizes)
            counts[s, message] = filled[s] - begun[s]


@jit
def _told_once(
    levels: Any, side: int, start: int, end: int, prices: Any, sizes: Any
) -> int:
    """Put the prices that a message touched in order, each once, with their sizes; their end."""
    if end - start > 1:
        prices[side, start:end].sort()
    to = start
    for k in range(start, end):
        price = prices[side, k]
        if k > start and price == prices[side, to - 1]:
            continue
        at = _find(levels, side, _level_key(price), _NOTHING)
        prices[side, to] = price
        sizes[side, to] = levels.values[side, at, 0] if at >= 0 else 0.0
        to += 1
    return to
