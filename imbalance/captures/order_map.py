"""Orders by name and levels by price in hash tables, changed by a Numba kernel event by event.

Both tables are open: a key lies at its place or in the next free one after it, and what is taken
out is filled from behind, so that nothing has to be cleaned up. What the events of a feed mean is
in `order_levels.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from imbalance.kernels import bare, inline, jit, peek_word, prefetch

ADD, CHANGE, DELETE, FILL, REDUCE, SNAPSHOT = range(6)

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_PRIME = np.uint64(0xC2B2AE3D27D4EB4F)
_HALF = np.uint64(32)
_NOTHING, _ONE, _TWO, _THREE, _WORDS = (np.uint64(k) for k in range(5))
_ROOM = 2
_SHORT = 16

_AHEAD = 12
"""Events before its turn an order is asked for from memory."""


class Table(NamedTuple):
    """A hash table of each side, bids first.

    An entry is four words side by side, which `keys` and `values` see as whole numbers and as
    doubles, (2 × places × 4,): of an order the two halves of its name, its price and its size; of a
    level a word that stands for its price, its number of orders, its size, and the rest of it that
    a double does not hold. The first word is 0 where a place is free. `used` is how many there
    are of each side.
    """

    keys: Any
    values: Any
    used: Any


class Told(NamedTuple):
    """What messages change in the book, in the order of the messages: of each the place of its
    first event (n,), whether it begins the book anew (n,), and where its levels begin and end,
    (2, n+1), bids and asks; then the prices of those levels, rising, and their new sizes,
    (2, 2 × events).
    """

    first: Any
    opening: Any
    offsets: Any
    prices: Any
    sizes: Any


def new_table(places: int = 64) -> Table:
    """An empty table; `places` is a power of two."""
    return table_of(np.zeros(2 * places * int(_WORDS), np.uint64), np.zeros(2, np.int64))


def table_of(keys: Any, used: Any) -> Table:
    """The table of these entries."""
    return Table(keys, keys.view(np.float64), used)


def with_room(table: Table, more: int) -> Table:
    """The table, or a larger one in its place, if it has no room for so many entries more.

    It is no larger than what it holds asks for: looking up what is in cache is several times
    faster.
    """
    if _has_room(table, more):
        return table
    larger = new_table(1 << (_ROOM * (int(table.used.max()) + more)).bit_length())
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
def _places(table: Any) -> Any:
    return np.uint64(len(table.keys)) // (_TWO * _WORDS)


@inline
def _has_room(table: Any, more: int) -> bool:
    return _ROOM * (max(table.used[0], table.used[1]) + more) <= np.int64(_places(table))


@inline
def _home(first: Any, last: Any) -> Any:
    """Place of a key among those up to `last`."""
    mixed = first * _GOLDEN
    return (mixed ^ (mixed >> _HALF)) & last


@inline
def _find_order(table: Any, side: Any, first: Any, second: Any) -> Any:
    """Where the words of a name lie, or the free ones for it."""
    keys, places = table.keys, _places(table)
    at = _home(first, places - _ONE)
    while True:
        word = (side * places + at) * _WORDS
        if keys[word] == _NOTHING or (keys[word] == first and keys[word + _ONE] == second):
            return word
        at = (at + _ONE) & (places - _ONE)


@inline
def _find_level(table: Any, side: Any, price: float) -> Any:
    """Where the words of a price lie, or the free ones for it."""
    keys, places, key = table.keys, _places(table), _level_key(price)
    at = _home(key, places - _ONE)
    while True:
        word = (side * places + at) * _WORDS
        if keys[word] == _NOTHING or keys[word] == key:
            return word
        at = (at + _ONE) & (places - _ONE)


@inline
def _level_key(price: float) -> Any:
    """Bits of a price, never 0."""
    return np.float64(price + 0.0).view(np.uint64) + _ONE


@inline
def _take_out(table: Any, side: Any, word: Any) -> None:
    """Free a place, and fill it with what lies behind it because it was taken."""
    keys, places = table.keys, _places(table)
    start, last = side * places, places - _ONE
    hole = word // _WORDS - start
    behind = (hole + _ONE) & last
    while keys[(start + behind) * _WORDS] != _NOTHING:
        word = (start + behind) * _WORDS
        home = _home(keys[word], last)
        if ((behind - home) & last) >= ((behind - hole) & last):
            free = (start + hole) * _WORDS
            keys[free] = keys[word]
            keys[free + _ONE] = keys[word + _ONE]
            keys[free + _TWO] = keys[word + _TWO]
            keys[free + _THREE] = keys[word + _THREE]
            hole = behind
        behind = (behind + _ONE) & last
    keys[(start + hole) * _WORDS] = _NOTHING
    table.used[side] -= 1


@bare
def _move_all(table: Any, larger: Any) -> None:
    last = _places(larger) - _ONE
    for place in range(2 * np.int64(_places(table))):
        word = np.uint64(place) * _WORDS
        if table.keys[word] == _NOTHING:
            continue
        side = np.uint64(place) // _places(table)
        at = _home(table.keys[word], last)
        while larger.keys[(side * (last + _ONE) + at) * _WORDS] != _NOTHING:
            at = (at + _ONE) & last
        for k in range(4):
            to = (side * (last + _ONE) + at) * _WORDS + np.uint64(k)
            larger.keys[to] = table.keys[word + np.uint64(k)]
        larger.used[side] += 1


@inline
def _plus(size: float, rest: float, more: float) -> tuple[float, float]:
    """A size kept to twice the digits of a double, and something more: the double nearest to the
    sum of the orders, whatever came and went before, and the rest of it.
    """
    whole = size + more
    part = whole - size
    rest += (size - (whole - part)) + (more - part)
    return whole + rest, rest - (whole + rest - whole)


@inline
def _change_level(levels: Any, side: Any, price: float, less: float, more: float) -> float:
    """Take an order of a size off a level, or put one there, where the size is not 0, or both in
    this order; returns the size of the level.
    """
    keys, values = levels.keys, levels.values
    at = _find_level(levels, side, price)
    there = keys[at] != _NOTHING
    count = size = rest = 0.0
    if there:
        count, size, rest = values[at + _ONE], values[at + _TWO], values[at + _THREE]
    if less > 0.0:
        count -= 1.0
        if count == 0.0:
            size = rest = 0.0
        else:
            size, rest = _plus(size, rest, -less)
    if more > 0.0:
        count += 1.0
        size, rest = _plus(size, rest, more)
    if count > 0.0:
        if not there:
            keys[at] = _level_key(price)
            levels.used[side] += 1
        values[at + _ONE], values[at + _TWO], values[at + _THREE] = count, size, rest
    elif there:
        _take_out(levels, side, at)
    return size


@bare
def change(
    orders: Any, levels: Any, event: int, message: int, line: Any, action: Any, side: Any,
    name: Any, price: Any, size: Any, told: Told,
) -> tuple[int, int, int]:
    """Take events of orders, message by message; returns the event and the message for which there
    is no room, and how many events it has.

    Parameters
    ----------
    orders, levels : what is there.
    event, message : the first to take. Message −1: none that does not begin the book is taken
        before one that does, which is the message 0.
    line, action, side, name, price, size : of each event; those of one line are one message, side
        0 is the bids, an unknown price is NaN.
    told : gets what the messages change.
    """
    while event < len(line):
        end, opens = event, False
        while end < len(line) and line[end] == line[event]:
            opens |= action[end] == SNAPSHOT
            end += 1
        if message < 0:
            if not opens:
                event = end
                continue
            message = 0
        if not (_has_room(orders, end - event) and _has_room(levels, end - event)):
            return event, message, end - event
        if opens:
            for table in (orders, levels):
                table.keys[:] = _NOTHING
                table.used[:] = 0
        told.first[message], told.opening[message] = event, opens
        alone = end == event + 1
        for to in range(2):
            told.offsets[to, message + 1] = told.offsets[to, message]
        while event < end:
            if event + _AHEAD < len(line):
                k = event + _AHEAD
                places = _places(orders)
                home = np.uint64(side[k]) * places + _home(name[k, 0], places - _ONE)
                prefetch(orders.keys, home * _WORDS)
            _take_event(orders, levels, action[event], np.uint64(side[event]), name[event, 0],
                        name[event, 1], price[event], size[event], told, message + 1, alone)
            event += 1
        if not alone:
            _sum_up(levels, 0, told, message)
            _sum_up(levels, 1, told, message)
        message += 1
    return event, message, 0


@inline
def _take_event(
    orders: Any, levels: Any, action: int, side: Any, first: Any, second: Any, price: float,
    left: float, told: Any, end: int, alone: bool,
) -> None:
    """Take an event of an order, and tell of the levels which it changes."""
    keys, values = orders.keys, orders.values
    at = _find_order(orders, side, first, second)
    held = keys[at] != _NOTHING
    before, rested = price, 0.0
    if held:
        before, rested = values[at + _TWO], values[at + _THREE]
    # what happens to an order may be told without its price
    if np.isnan(price):
        if not held:
            return
        price = before
    if action == DELETE:
        left = 0.0
    elif action in (FILL, REDUCE):
        left = max(0.0, rested - left) if held else 0.0
    to = told.offsets[side, end]
    if before == price:
        told.prices[side, to] = price
        told.sizes[side, to] = _change_level(levels, side, price, rested, left)
        to += 1
    else:
        old = _change_level(levels, side, before, rested, 0.0)
        new = _change_level(levels, side, price, 0.0, left)
        rises = np.int64(alone and before < price)
        told.prices[side, to + rises], told.sizes[side, to + rises] = price, new
        told.prices[side, to + 1 - rises], told.sizes[side, to + 1 - rises] = before, old
        to += 2
    told.offsets[side, end] = to
    if left > 0.0:
        if not held:
            orders.used[side] += 1
            keys[at] = first
            keys[at + _ONE] = second
        values[at + _TWO] = price
        values[at + _THREE] = left
    elif held:
        _take_out(orders, side, at)


@bare
def _sum_up(levels: Any, side: int, told: Any, message: int) -> None:
    """Put the prices that a message of several events touched in order, each once, with the sizes
    after all of them.
    """
    start, end = told.offsets[side, message], told.offsets[side, message + 1]
    prices = told.prices
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
        at = _find_level(levels, np.uint64(side), price)
        prices[side, to] = price
        told.sizes[side, to] = levels.values[at + _TWO] if levels.keys[at] != _NOTHING else 0.0
        to += 1
    told.offsets[side, message + 1] = to


@jit
def _sort(values: Any) -> None:
    values.sort()
