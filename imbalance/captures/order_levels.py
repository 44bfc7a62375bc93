"""Orders one by one into sizes by price: what a feed of orders says of the book of levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.captures.kept import Keeps, from_bytes, to_bytes
from imbalance.captures.order_map import (
    ADD,
    CHANGE,
    DELETE,
    FILL,
    REDUCE,
    SNAPSHOT,
    Told,
    change,
    name_orders,
    new_table,
    table_of,
    with_room,
)
from imbalance.kernels import read_only

ACTIONS = {
    "add": ADD, "change": CHANGE, "delete": DELETE, "fill": FILL, "reduce": REDUCE,
    "snapshot": SNAPSHOT,
}  # fmt: skip
BOOK_SIDES = {"bid": 0, "ask": 1}

_COLUMN_TYPES = {
    "line": np.int64, "action": np.int32, "side": np.int32, "name": np.uint64,
    "price": np.float64, "size": np.float64,
}  # fmt: skip


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


Held = tuple[bool, tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Whether a book has begun, its orders and its levels: entries, and how many of each side."""


class OrderLevels:
    """The orders of one instrument.

    A book starts with orders of the kind `snapshot`, all of one message; without them there is no
    book, since what rested before is not known.
    """

    def __init__(self) -> None:
        self._orders, self._levels = new_table(), new_table()
        self._begun = False

    @property
    def held(self) -> Held:
        """All orders and levels."""
        orders, levels = self._orders, self._levels
        return self._begun, (orders.keys, orders.used), (levels.keys, levels.used)

    @held.setter
    def held(self, held: Held) -> None:
        self._begun, orders, levels = held
        self._orders, self._levels = table_of(*orders), table_of(*levels)

    def take(self, events: Orders) -> Changes:
        """What the messages from the first book on change."""
        n = len(events.line)
        told = Told(
            np.empty(n, np.int64), np.empty(n, np.bool_), np.zeros((2, n + 1), np.int64),
            np.empty((2, 2 * n)), np.empty((2, 2 * n)),
        )  # fmt: skip
        columns = [
            read_only(getattr(events, name), kind) for name, kind in _COLUMN_TYPES.items()
        ]
        event, messages = 0, 0 if self._begun else -1
        while True:
            event, messages, wanted = change(
                self._orders, self._levels, event, messages, *columns, told
            )
            if not wanted:
                break
            self._orders = with_room(self._orders, wanted)
            self._levels = with_room(self._levels, wanted)
        self._begun = messages >= 0
        messages = max(messages, 0)
        first, (bids, asks) = told.first[:messages], told.offsets[:, : messages + 1]
        return Changes(
            first, np.append(first[1:], n)[:messages] - 1, told.opening[:messages], (bids, asks),
            (told.prices[0, : bids[-1]], told.sizes[0, : bids[-1]],
             told.prices[1, : asks[-1]], told.sizes[1, : asks[-1]]),
        )


class OrderBooks(Keeps):
    """The orders of all instruments of a capture."""

    def __init__(self) -> None:
        self._books: dict[int, OrderLevels] = {}

    def state(self) -> bytes:
        return to_bytes({instrument: book.held for instrument, book in self._books.items()})

    def restore(self, state: bytes) -> None:
        for instrument, held in from_bytes(state, dict[int, Held]).items():
            self._books[instrument] = OrderLevels()
            self._books[instrument].held = held

    def take(self, events: Orders) -> Changes:
        """What the messages change, instrument by instrument."""
        of_one = len(events.line) and events.instrument[0]
        if (events.instrument == of_one).all():
            return self._books.setdefault(int(of_one), OrderLevels()).take(events)
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
