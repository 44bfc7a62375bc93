"""Events of a venue's session gathered into columns, then into rows of the raw tables.

Orders one by one also tell of the book of levels, in rows of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.captures.clocks import NO_TIME, Clocks
from imbalance.captures.events import (
    BookUpdate,
    DerivativeTick,
    Event,
    Liquidation,
    OptionTick,
    OrderUpdate,
    Quote,
    Trade,
)
from imbalance.captures.order_levels import (
    ACTIONS,
    BOOK_SIDES,
    Changes,
    OrderBooks,
    Orders,
    names_of,
)
from imbalance.captures.rows import (
    BOOK_KINDS,
    NO_ID,
    NO_SIDE,
    SIDES,
    Rows,
    Tables,
    When,
    id_column,
    number_column,
    time_column,
    word_column,
)

_TABLE_OF: dict[type, str] = {
    Trade: "raw.trades",
    Quote: "raw.quotes",
    DerivativeTick: "raw.derivative_ticks",
    Liquidation: "raw.liquidations",
    OptionTick: "raw.options",
    OrderUpdate: "raw.orders",
}
_BOOK_CODES = {kind: code for code, kind in enumerate(BOOK_KINDS)}
_OPTION_NUMBERS = tuple(
    name for name in OptionTick.__struct_fields__
    if name not in ("symbol", "venue", "underlying", "exchange_time", "transaction_time")
)


class Gathering:
    """Takes events one by one and hands rows out a block at a time.

    Parameters
    ----------
    rows : makes rows of the capture.
    clocks : the capture's.
    index : position of a symbol's instrument, in a market where it is not the capture's venue.
    """

    def __init__(self, rows: Rows, clocks: Clocks, index: Callable[[str, str | None], int]) -> None:
        self._rows, self._clocks, self._index = rows, clocks, index
        self._events: list[Event] = []
        self._places: list[int] = []
        """Five numbers of each event, one after the other: NumPy reads tuples twice as slowly."""
        self._books = OrderBooks()

    def add(self, line: int, received: int, events: Sequence[Event]) -> None:
        """Take the events of a line, received at a time in ns (`NO_TIME`: not known)."""
        for event in events:
            self._events.append(event)
            exchange, transaction = event.exchange_time, event.transaction_time
            self._places += (
                self._index(event.symbol, event.venue), line,
                NO_TIME if exchange is None else exchange,
                NO_TIME if transaction is None else transaction, received,
            )  # fmt: skip

    def take(self) -> Tables:
        """Rows of everything taken since the last call."""
        if not self._events:
            return {}
        events = self._events
        places = np.array(self._places, np.int64).reshape(-1, 5)
        when = When.read(
            self._clocks, places[:, 0].astype(np.int32), places[:, 1].copy(), places[:, 2].copy(),
            places[:, 3].copy(), places[:, 4].copy(),
        )
        found: Tables = {}
        rows_of = _by_kind(events)
        for kind, table in _TABLE_OF.items():
            if kind in rows_of:
                make = getattr(self, "_" + table.removeprefix("raw."))
                rows = rows_of[kind]
                found[table] = make(when.take(rows), [events[k] for k in rows.tolist()])
        nothing = np.empty(0, np.intp)
        told, orders = rows_of.get(BookUpdate, nothing), rows_of.get(OrderUpdate, nothing)
        books = self._book_updates(when, events, told, orders, found.get("raw.orders"))
        if books is not None:
            found["raw.book_updates"] = books
        self._events, self._places = [], []
        return found

    def _book_updates(
        self, when: When, events: list[Event], told: Any, orders: Any, rows: Any
    ) -> tuple[Any, pa.Table] | None:
        """Rows of messages about the book, and of what orders say of it, as they became known."""
        found = []
        if len(told):
            found.append((told, told, self._told([events[k] for k in told.tolist()])))
        if len(orders):
            changes = self._books.take(_columns(when.take(orders), rows[1]))
            if len(changes.first):
                found.append((orders[changes.first], orders[changes.last],
                              self._of_orders(changes, rows[1])))
        if not found:
            return None
        # What a message says is known when its last event is.
        made = [
            self._rows.books(replace(when.take(first), available=when.available[last]), *columns)
            for first, last, columns in found
        ]
        known = np.concatenate([last for _, last, _ in found])
        if len(made) == 1 and (known[1:] > known[:-1]).all():
            return made[0]
        known = np.argsort(known, kind="stable")
        return (np.concatenate([times for times, _ in made])[known],
                pa.concat_tables([one for _, one in made]).unify_dictionaries().take(known))

    def _of_orders(self, changes: Changes, orders: pa.Table) -> tuple[Any, ...]:
        ids = np.full((len(changes.first), 3), NO_ID, np.int64)
        ids[:, 1] = _ids(orders["sequence"], changes.last)
        ids[:, 2] = np.where(
            changes.opening, NO_ID, _ids(orders["previous_sequence"], changes.first)
        )
        kind = np.where(
            changes.opening, BOOK_KINDS.index("snapshot"), BOOK_KINDS.index("diff")
        ).astype(np.uint8)
        return kind, ids, changes.offsets, changes.levels

    def _told(self, events: list[BookUpdate]) -> tuple[Any, ...]:
        ids = _numbered(chain.from_iterable((e.first_id, e.last_id, e.previous_id) for e in events))
        offsets = []
        levels = []
        for sides in ([e.bids for e in events], [e.asks for e in events]):
            offset = np.zeros(len(events) + 1, np.int64)
            np.cumsum([len(prices) for prices, _ in sides], out=offset[1:])
            offsets.append(offset)
            levels += [
                np.fromiter(chain.from_iterable(map(itemgetter(part), sides)), float,
                            int(offset[-1]))
                for part in (0, 1)
            ]  # fmt: skip
        kind = np.array([_BOOK_CODES[e.kind] for e in events], np.uint8)
        return kind, ids.reshape(-1, 3), (offsets[0], offsets[1]), levels, [e.note for e in events]

    def _trades(self, when: When, events: list[Trade]) -> tuple[Any, pa.Table]:
        return self._rows.trades(
            when,
            np.array([e.aggregate for e in events]),
            _numbered(e.trade_id for e in events),
            [e.trade_key for e in events],
            np.array([e.price for e in events], float),
            np.array([e.size for e in events], float),
            np.array([NO_SIDE if e.side is None else SIDES.index(e.side) for e in events]),
        )

    def _quotes(self, when: When, events: list[Quote]) -> tuple[Any, pa.Table]:
        values = [[e.bid_price, e.bid_size, e.ask_price, e.ask_size] for e in events]
        return self._rows.quotes(
            when, _numbered(e.update_id for e in events), np.array(values, float)
        )

    def _derivative_ticks(
        self, when: When, events: list[DerivativeTick]
    ) -> tuple[Any, pa.Table]:
        names = ("mark_price", "index_price", "settlement_price", "funding_rate", "last_price",
                 "open_interest")
        due = [NO_TIME if e.next_funding_time is None else e.next_funding_time for e in events]
        return self._rows.plain(
            when, {**_numbers(events, names),
                   "next_funding_time": time_column(np.array(due, np.int64))}
        )

    def _liquidations(self, when: When, events: list[Liquidation]) -> tuple[Any, pa.Table]:
        price = np.array([e.price for e in events], float)
        size = np.array([e.size for e in events], float)
        return self._rows.plain(
            when,
            {
                "liquidation_key": pa.array([e.liquidation_key for e in events], pa.string()),
                "price": pa.array(price), "size": pa.array(size),
                "size_base": pa.array(self._rows.in_base(when.instrument, price, size)),
                "side": pa.array([e.side for e in events], pa.string()),
            },
        )

    def _options(self, when: When, events: list[OptionTick]) -> tuple[Any, pa.Table]:
        return self._rows.plain(
            when,
            {"underlying": pa.array([e.underlying for e in events], pa.string()),
             **_numbers(events, _OPTION_NUMBERS)},
        )

    def _orders(self, when: When, events: list[OrderUpdate]) -> tuple[Any, pa.Table]:
        return self._rows.plain(
            when,
            {
                "action": word_column(tuple(ACTIONS), [ACTIONS[e.action] for e in events]),
                "order_key": pa.array([e.order_key for e in events], pa.string()),
                "book_side": word_column(
                    tuple(BOOK_SIDES), [BOOK_SIDES[e.book_side] for e in events]
                ),
                "price": number_column([e.price for e in events]),
                "size": pa.array([e.size for e in events], pa.float64()),
                "sequence": id_column(_numbered(e.sequence for e in events)),
                "previous_sequence": id_column(_numbered(e.previous_sequence for e in events)),
            },
        )


def _columns(when: When, orders: pa.Table) -> Orders:
    """Rows of `raw.orders` as what keeps the books of orders takes them: their words are numbered
    as there.
    """
    action, side = (orders[name].combine_chunks().indices for name in ("action", "book_side"))
    return Orders(
        when.instrument, when.line, action.to_numpy(), side.to_numpy(),
        names_of(orders["order_key"].combine_chunks()),
        orders["price"].to_numpy(), orders["size"].to_numpy(),
    )


def _ids(column: pa.ChunkedArray, rows: Any) -> Any:
    return column.fill_null(NO_ID).to_numpy()[rows]


def _numbered(values: Iterable[int | None]) -> Any:
    """Ids as NumPy, int64, `NO_ID` where there is none."""
    return np.array([NO_ID if value is None else value for value in values], np.int64)


def _by_kind(events: Sequence[Event]) -> dict[type, Any]:
    """Places of the events of each kind there is."""
    kinds = list(map(type, events))
    if kinds.count(kinds[0]) == len(kinds):
        return {kinds[0]: np.arange(len(kinds))}
    code = {kind: k for k, kind in enumerate(dict.fromkeys(kinds))}
    codes = np.array([code[kind] for kind in kinds])
    return {kind: np.flatnonzero(codes == k) for kind, k in code.items()}


def _numbers(events: Sequence[Event], names: Sequence[str]) -> dict[str, pa.Array]:
    def column(name: str) -> pa.Array:
        values = (getattr(event, name) for event in events)
        return number_column([math.nan if v is None else v for v in values])

    return {name: column(name) for name in names}
