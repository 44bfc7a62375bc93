"""Orders one by one into sizes by price: what a feed of orders says of the book of levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.captures.order_map import (
    ADD,
    CHANGE,
    DELETE,
    FILL,
    REDUCE,
    SNAPSHOT,
    change,
    name_orders,
    new_table,
    with_room,
)

ACTIONS = {
    "add": ADD, "change": CHANGE, "delete": DELETE, "fill": FILL, "reduce": REDUCE,
    "snapshot": SNAPSHOT,
}  # fmt: skip
BOOK_SIDES = {"bid": 0, "ask": 1}


@dataclass(frozen=True)
class Orders:
    """Events of orders as they became known, (n,) each.

    Parameters
    ----------
    instrument, line : an instrument's events on one line are one message.
    action, side : codes, of `ACTIONS` and `BOOK_SIDES`.
    name : what stands for the order's key; see `names_of`.
    price : of the order; NaN where it was not told.
    size : what is left after the event, but what was taken off by `fill` and `reduce`.
    """

    instrument: Any
    line: Any
    action: Any
    side: Any
    name: Any
    price: Any
    size: Any

    def take(self, rows: Any) -> Orders:
        """Some of the events."""
        return Orders(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Changes:
    """What messages change in books of levels, (n,) each.

    `first` and `last` are places of a message's first and last event among the orders, `opening`
    whether it begins the book; levels are told as in `raw.book_updates`, bids before asks.
    """

    first: Any
    last: Any
    opening: Any
    offsets: tuple[Any, Any]
    levels: tuple[Any, Any, Any, Any]


def names_of(keys: pa.StringArray) -> Any:
    """128 bits for each key of an order, the same in every process."""
    _, offsets, data = keys.buffers()
    names = np.empty((len(keys), 2), np.uint64)
    name_orders(
        np.frombuffer(data or b"\0", np.uint8),
        np.frombuffer(offsets, np.int32)[keys.offset : keys.offset + len(keys) + 1], names,
    )
    return names


class OrderLevels:
    """The orders of one instrument.

    A book starts with orders of the kind `snapshot`, all of one message; without them there is no
    book, since what rested before is not known.
    """

    def __init__(self) -> None:
        self._orders, self._levels = new_table(), new_table()
        self._begun = False

    def take(self, events: Orders) -> Changes:
        """What the messages from the first book on change."""
        n = len(events.line)
        starts = np.concatenate([[0], np.flatnonzero(np.diff(events.line)) + 1, [n]])
        opening = np.logical_or.reduceat(events.action == SNAPSHOT, starts[:-1])
        if not self._begun:
            before = int(opening.argmax()) if opening.any() else len(opening)
            starts, opening = starts[before:], opening[before:]
            self._begun = len(opening) > 0
        room = 2, 2 * int(starts[-1] - starts[0])
        prices, sizes, filled = np.empty(room), np.empty(room), np.zeros(2, np.int64)
        counts = np.zeros((2, len(opening)), np.int64)
        message = 0
        while message < len(opening):
            told = int(starts[message + 1] - starts[message])
            self._orders = with_room(self._orders, told)
            self._levels = with_room(self._levels, told)
            message = change(
                self._orders, self._levels, message, starts, opening, events.action, events.side,
                events.name, events.price, events.size, counts, prices, sizes, filled,
            )  # fmt: skip
        bids, asks = (np.concatenate([[0], np.cumsum(one)]) for one in counts)
        return Changes(
            starts[:-1], starts[1:] - 1, opening, (bids, asks),
            (prices[0, : bids[-1]], sizes[0, : bids[-1]],
             prices[1, : asks[-1]], sizes[1, : asks[-1]]),
        )


class OrderBooks:
    """The orders of all instruments of a capture."""

    def __init__(self) -> None:
        self._books: dict[int, OrderLevels] = {}

    def take(self, events: Orders) -> Changes:
        """What the messages change, instrument by instrument."""
        found = []
        for instrument in np.unique(events.instrument).tolist():
            rows = np.flatnonzero(events.instrument == instrument)
            book = self._books.setdefault(instrument, OrderLevels())
            found.append((rows, book.take(events.take(rows))))
        return _together(found)


def _together(found: Sequence[tuple[Any, Changes]]) -> Changes:
    """One after the other, with places among all orders instead of among an instrument's."""
    parts = [part for _, part in found]

    def offsets(side: int) -> Any:
        counts = [np.diff(part.offsets[side]) for part in parts]
        return np.concatenate([[0], np.cumsum(np.concatenate(counts))])

    first, last, opening = (
        np.concatenate(some) for some in (
            [rows[part.first] for rows, part in found], [rows[part.last] for rows, part in found],
            [part.opening for part in parts],
        )
    )
    bid_prices, bid_sizes, ask_prices, ask_sizes = (
        np.concatenate([part.levels[k] for part in parts]) for k in range(4)
    )
    return Changes(first, last, opening, (offsets(0), offsets(1)),
                   (bid_prices, bid_sizes, ask_prices, ask_sizes))
