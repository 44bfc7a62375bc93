"""Events of a venue's session gathered into columns, then into rows of the raw tables.

Orders one by one also tell of the book of levels, in rows of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.captures.clocks import NO_TIME, Clocks
from imbalance.captures.event_columns import CODES, KINDS, EventColumns
from imbalance.captures.events import Event, Liquidation, OptionTick, OrderUpdate
from imbalance.captures.kept import Keeps
from imbalance.captures.order_levels import (
    ACTIONS,
    BOOK_SIDES,
    Changes,
    OrderBooks,
    Orders,
    names_of,
)
from imbalance.captures.patterns.pieces import BOOK, QUOTE, TICK, TRADE
from imbalance.captures.patterns.rows import CODE, DONE, LINE, OF, RECEIVED, SENT
from imbalance.captures.rows import (
    BOOK_KINDS,
    NO_ID,
    Rows,
    Tables,
    When,
    id_column,
    number_column,
    time_column,
    word_column,
)

_ORDER = CODES[OrderUpdate]
_TABLES = {CODES[Liquidation]: "liquidations", CODES[OptionTick]: "options", _ORDER: "orders"}
_OPTION_NUMBERS = tuple(
    name for name in OptionTick.__struct_fields__
    if name not in ("symbol", "venue", "underlying", "exchange_time", "transaction_time")
)


class Gathering(Keeps):
    """Takes events one by one and hands rows out a block at a time.

    Parameters
    ----------
    rows : makes rows of the capture.
    clocks : the capture's.
    index : position of a symbol's instrument, in a market where it is not the capture's venue.
    """

    _books: OrderBooks

    def __init__(self, rows: Rows, clocks: Clocks, index: Callable[[str, str | None], int]) -> None:
        self._rows, self._clocks, self._index = rows, clocks, index
        self._books = OrderBooks()
        self.columns = EventColumns()
        self._clear()

    def _clear(self) -> None:
        self.columns.clear()
        self._events: dict[int, list[Any]] = {code: [] for code in _TABLES}

    def add(self, line: int, received: int, events: Sequence[Event]) -> None:
        """Take the events of a line, received at a time in ns (`NO_TIME`: not known)."""
        for event in events:
            code = CODES[type(event)]
            place = self._index(event.symbol, event.venue)
            self.columns.add(code, event, line, received, place)
            if code in self._events:
                self._events[code].append(event)

    @property
    def last_received(self) -> int:
        """Latest receive time of what has been taken since rows were made."""
        return int(self.columns.numbers[:, RECEIVED].max(initial=NO_TIME))

    def take(self) -> Tables:
        """Rows of everything taken since the last call."""
        if not len(self.columns):
            return {}
        numbers = self.columns.numbers
        codes, instrument = numbers[:, CODE], numbers[:, OF]
        # recorders may write one connection after the other: what came over one, such as all
        # trades, does not hold up the books of another
        stream = instrument * len(KINDS) + np.where(codes == _ORDER, BOOK, codes)
        when = When.read(
            self._clocks, instrument.astype(np.int32), numbers[:, LINE].copy(),
            numbers[:, SENT].copy(), numbers[:, DONE].copy(), numbers[:, RECEIVED].copy(),
            stream=stream.astype(np.int32),
        )  # fmt: skip
        found: Tables = {}
        rows_of = [np.flatnonzero(codes == code) for code in range(len(KINDS))]
        for code, table, columns, make in (
            (TRADE, "raw.trades", self.columns.trades, self._rows.trades),
            (QUOTE, "raw.quotes", self.columns.quotes, self._rows.quotes),
            (TICK, "raw.derivative_ticks", self.columns.ticks, self._derivative_ticks),
        ):
            if len(rows := rows_of[code]):
                found[table] = make(when.take(rows), *columns(rows))
        for code, table in _TABLES.items():
            if self._events[code]:
                make = getattr(self, "_" + table)
                found["raw." + table] = make(when.take(rows_of[code]), self._events[code])
        books = self._book_updates(when, rows_of[BOOK], rows_of[_ORDER], found.get("raw.orders"))
        if books is not None:
            found["raw.book_updates"] = books
        self._clear()
        return found

    def _book_updates(
        self, when: When, told: Any, orders: Any, rows: Any
    ) -> tuple[Any, pa.Table] | None:
        """Rows of messages about the book, and of what orders say of it, as they became known."""
        found = []
        if len(told):
            found.append((told, told, self.columns.books(told)))
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

    def _derivative_ticks(
        self, when: When, told: dict[str, Any], due: Any
    ) -> tuple[Any, pa.Table]:
        columns = {name: number_column(values) for name, values in told.items()}
        return self._rows.plain(when, {**columns, "next_funding_time": time_column(due)})

    def _liquidations(self, when: When, events: list[Liquidation]) -> tuple[Any, pa.Table]:
        price = np.array([e.price for e in events], float)
        size = np.array([e.size for e in events], float)
        return self._rows.plain(
            when,
            {
                "liquidation_key": pa.array([e.liquidation_key for e in events], pa.string()),
                "price": pa.array(price), "size": pa.array(size),
                "size_base": number_column(
                    self._rows.in_base(when.instrument, price, size)
                ),
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


def _numbers(events: Sequence[Event], names: Sequence[str]) -> dict[str, pa.Array]:
    def column(name: str) -> pa.Array:
        values = (getattr(event, name) for event in events)
        return number_column([math.nan if v is None else v for v in values])

    return {name: column(name) for name in names}
