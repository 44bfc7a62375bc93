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
_ROOM = 2
_SHORT = 16


class Table(NamedTuple):
    """A hash table of each side, bids first.

    An entry is four words side by side, which `keys` and `values` see as whole numbers and as
    doubles, (2, places, 4): of an order the two halves of its name, its price and its size; of a
    level its price, its number of orders, its size, and the rest of it that a double does not hold.
    The first word is 0 where a place is free. `used` is how many there are of each side.
    """

    keys: Any
    values: Any
    used: Any


def new_table(places: int = 64) -> Table:
    """An empty table; `places` is a power of two."""
    keys = np.zeros((2, places, 4), np.uint64)
    return Table(keys, keys.view(np.float64), np.zeros(2, np.int64))


def with_room(table: Table, more: int) -> Table:
    """The table, or a larger one in its place, if it has no room for so many entries more.

    It is no larger than what it holds asks for: looking up what is in cache is several times
    faster.
    """
    if _has_room(table, more):
        return table
    larger = new_table(1 << (2 * _ROOM * (int(table.used.max()) + more)).bit_length())
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


@bare
def _has_room(table: Any, more: int) -> bool:
    return _ROOM * (max(table.used[0], table.used[1]) + more) <= table.keys.shape[1]


@inline
def _home(first: Any, places: int) -> Any:
    mixed = first * _GOLDEN
    return np.int64((mixed ^ (mixed >> _HALF)) & np.uint64(places - 1))


@inline
def _find_order(orders: Any, side: int, first: Any, second: Any) -> int:
    """Place of a name; where it is not there, −1 less the free place for it."""
    keys = orders.keys
    places = keys.shape[1]
    at = _home(first, places)
    while keys[side, at, 0] != _NOTHING:
        if keys[side, at, 0] == first and keys[side, at, 1] == second:
            return at
        at = (at + 1) & (places - 1)
    return -1 - at


@inline
def _find_level(levels: Any, side: int, price: Any) -> int:
    """Place of a price, as `_level_key` makes it a key; else as in `_find_order`."""
    keys = levels.keys
    places = keys.shape[1]
    at = _home(price, places)
    while keys[side, at, 0] != _NOTHING:
        if keys[side, at, 0] == price:
            return at
        at = (at + 1) & (places - 1)
    return -1 - at


@bare
def _take_out(table: Any, side: int, at: int) -> None:
    """Free a place, and fill it with what lies behind it because it was taken."""
    keys = table.keys
    last = keys.shape[1] - 1
    hole, behind = at, (at + 1) & last
    while keys[side, behind, 0] != _NOTHING:
        home = _home(keys[side, behind, 0], last + 1)
        if ((behind - home) & last) >= ((behind - hole) & last):
            for k in range(4):
                keys[side, hole, k] = keys[side, behind, k]
            hole = behind
        behind = (behind + 1) & last
    keys[side, hole, 0] = _NOTHING
    table.used[side] -= 1


@bare
def _move_all(table: Any, larger: Any) -> None:
    for side in range(2):
        for place in range(table.keys.shape[1]):
            if table.keys[side, place, 0] == _NOTHING:
                continue
            at = _home(table.keys[side, place, 0], larger.keys.shape[1])
            while larger.keys[side, at, 0] != _NOTHING:
                at = (at + 1) & (larger.keys.shape[1] - 1)
            for k in range(4):
                larger.keys[side, at, k] = table.keys[side, place, k]
        larger.used[side] = table.used[side]


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
    at = _find_level(levels, side, key)
    if at < 0:
        at = -1 - at
        levels.used[side] += 1
        levels.keys[side, at, 0] = key
        for k in range(1, 4):
            levels.values[side, at, k] = 0.0
    levels.values[side, at, 1] += orders
    if levels.values[side, at, 1] == 0.0:
        _take_out(levels, side, at)
        return
    held, added = levels.values[side, at, 2], orders * size
    whole = held + added
    part = whole - held
    rest = levels.values[side, at, 3] + ((held - (whole - part)) + (added - part))
    levels.values[side, at, 2] = whole + rest
    levels.values[side, at, 3] = rest - (whole + rest - whole)


@bare
def change(
    orders: Any, levels: Any, message: int, starts: Any, opening: Any, action: Any, side: Any,
    name: Any, price: Any, size: Any, counts: Any, prices: Any, sizes: Any, filled: Any,
) -> int:
    """Take events of orders, message by message; returns the message for which there is no room.

    Parameters
    ----------
    orders, levels : what is there.
    message : the first to take.
    starts : first event of each message, and the end of the last, (n+1,).
    opening : whether a message begins the book anew, (n,).
    action, side, name, price, size : of each event; side 0 is the bids, an unknown price is NaN.
    counts : gets how many levels of each side each message touched, (2, n).
    prices, sizes : get those levels, by rising price, and their new sizes, (2, 2 × events).
    filled : how many they have, (2,).
    """
    while message < len(opening):
        more = starts[message + 1] - starts[message]
        if not (_has_room(orders, more) and _has_room(levels, more)):
            return message
        if opening[message]:
            for table in (orders, levels):
                table.keys[...] = _NOTHING
                table.used[:] = 0
        bids, asks = filled[0], filled[1]
        for event in range(starts[message], starts[message + 1]):
            _take_event(orders, levels, action[event], side[event], name[event, 0],
                        name[event, 1], price[event], size[event], prices, filled)
        _tell(levels, 0, bids, prices, sizes, filled)
        _tell(levels, 1, asks, prices, sizes, filled)
        counts[0, message], counts[1, message] = filled[0] - bids, filled[1] - asks
        message += 1
    return message


@inline
def _take_event(
    orders: Any, levels: Any, action: int, side: int, first: Any, second: Any, price: float,
    left: float, prices: Any, filled: Any,
) -> None:
    """Take an event of an order; the prices whose level it changes are written down."""
    at = _find_order(orders, side, first, second)
    held = at >= 0
    at = at if held else -1 - at
    # what happens to an order may be told without its price
    if np.isnan(price):
        if not held:
            return
        price = orders.values[side, at, 2]
    if action == DELETE:
        left = 0.0
    elif action in (FILL, REDUCE):
        left = max(0.0, orders.values[side, at, 3] - left) if held else 0.0
    prices[side, filled[side]] = price
    filled[side] += 1
    if held:
        before = orders.values[side, at, 2]
        if before != price:
            prices[side, filled[side]] = before
            filled[side] += 1
        _change_level(levels, side, before, orders.values[side, at, 3], -1)
    if left > 0.0:
        if not held:
            orders.used[side] += 1
            orders.keys[side, at, 0] = first
            orders.keys[side, at, 1] = second
        orders.values[side, at, 2] = price
        orders.values[side, at, 3] = left
        _change_level(levels, side, price, left, 1)
    elif held:
        _take_out(orders, side, at)


@bare
def _tell(
    levels: Any, side: int, start: int, prices: Any, sizes: Any, filled: Any
) -> None:
    """Put the prices that a message touched in order, each once, with their sizes."""
    end = filled[side]
    if end - start > _SHORT:
        _sort(prices[side, start:end])
    else:
        for k in range(start + 1, end):
            price, to = prices[side, k], k
            while to > start and prices[side, to - 1] > price:
                prices[side, to] = prices[side, to - 1]
                to -= 1
            prices[side, to] = price
    to = start
    for k in range(start, end):
        price = prices[side, k]
        if k > start and price == prices[side, to - 1]:
            continue
        at = _find_level(levels, side, _level_key(price))
        prices[side, to] = price
        sizes[side, to] = levels.values[side, at, 2] if at >= 0 else 0.0
        to += 1
    filled[side] = to


@jit
def _sort(values: Any) -> None:
    values.sort()
