"""The layout of a format of the user's own: rows to events by what its mapping says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.captures.frames import SIDE_CODES, TRUTHS, Frame
from imbalance.captures.layouts import making
from imbalance.captures.layouts.tardis import TICK_NUMBERS
from imbalance.captures.mapping import Mapped
from imbalance.captures.rows import NO_ID, NO_SIDE, Tables, time_column
from imbalance.captures.tabular import Layout, Table

BOOK_SIDES = {"bid": 0, "b": 0, "buy": 0, "ask": 1, "a": 1, "sell": 1}
_CODES = {"bid": 0, "buy": 0, "ask": 1, "sell": 1, "unknown": NO_SIDE}


def layout_of(mapped: Mapped) -> Layout:
    """What reads the rows of a format."""
    maker = _Maker(mapped)
    receive = mapped.receive_time is not None
    time = mapped.receive_time if receive else mapped.exchange_time
    unit = mapped.receive_unit if receive else mapped.exchange_unit
    return Layout(
        mapped.name, mapped.table, frozenset(mapped.wanted),
        (mapped.receive_unit if mapped.receive_unit != "iso" else "ns") if receive else "none",
        maker, (str(time), unit), maker.message,
        delimiter=mapped.delimiter,
    )  # fmt: skip


class _Maker:
    """Makes the events of a mapping's rows."""

    def __init__(self, mapped: Mapped) -> None:
        self._mapped = mapped
        self._columns = mapped.columns
        self._make = getattr(self, f"_{mapped.table}")
        message = (
            mapped.symbol_column, mapped.exchange_time, mapped.receive_time,
            mapped.columns.get("message"), mapped.columns.get("is_snapshot"),
        ) if mapped.table == "book_levels" else ()  # fmt: skip
        self.message = tuple(name for name in message if name)
        """Columns that rows of one message have in common."""

    def __call__(self, frame: Frame, table: Table) -> Tables:
        made: Tables = self._make(
            frame, table, table.instruments(frame, self._mapped.symbol_column),
            self._times(frame),
        )
        return made

    def _times(self, frame: Frame) -> dict[str, Any]:
        found: dict[str, Any] = {"exchange": None, "receive": None}
        for name, column, unit in (
            ("exchange", self._mapped.exchange_time, self._mapped.exchange_unit),
            ("receive", self._mapped.receive_time, self._mapped.receive_unit),
        ):
            if column is not None:
                found[name] = frame.time(column, unit)
        return found

    def _number(self, frame: Frame, name: str, **wanted: bool) -> Any:
        return frame.number(self._columns[name], **wanted)

    def _whole(self, frame: Frame, name: str) -> Any:
        column = self._columns.get(name)
        if column is None:
            return np.full(len(frame), NO_ID, np.int64)
        return frame.whole(column, optional=True)

    def _side(self, frame: Frame, usual: Mapping[str, int]) -> Any:
        given = self._mapped.sides
        words = {word: _CODES[side] for side, some in given.items() for word in some}
        return frame.code(self._columns["side"], words or usual)

    def _trades(self, frame: Frame, table: Table, instruments: Any, times: Any) -> Tables:
        side = np.full(len(frame), NO_SIDE, np.int64)
        if "side" in self._columns:
            side = self._side(frame, SIDE_CODES)
        ids, keys = self._identity(frame, "trade_id")
        return making.trades(
            frame, table, instruments, price=self._number(frame, "price", positive=True),
            size=self._number(frame, "size"), side=side, ids=ids, keys=keys, **times,
        )

    def _identity(self, frame: Frame, name: str) -> tuple[Any, list[str | None]]:
        """Ids that are whole numbers, and those that are text."""
        column = self._columns.get(name)
        return making.identities([None] * len(frame) if column is None else frame.words(column))

    def _quotes(self, frame: Frame, table: Table, instruments: Any, times: Any) -> Tables:
        names = ("bid_price", "bid_size", "ask_price", "ask_size")
        values = [self._number(frame, name, optional=True) for name in names]
        return making.quotes(
            frame, table, instruments, values, ids=self._whole(frame, "update_id"), **times
        )

    def _book_levels(self, frame: Frame, table: Table, instruments: Any, times: Any) -> Tables:
        snapshot = frame.code(self._columns["is_snapshot"], TRUTHS)
        ids = [self._whole(frame, f"{which}_update_id") for which in ("first", "last", "previous")]
        return making.messages(
            frame, table, instruments, frame.changes(*self.message),
            kind=np.where(snapshot == 1, making.SNAPSHOT, making.DIFF),
            side=self._side(frame, BOOK_SIDES), price=self._number(frame, "price", positive=True),
            size=self._number(frame, "size"), ids=np.stack(ids, axis=1), **times,
        )

    def _book_images(self, frame: Frame, table: Table, instruments: Any, times: Any) -> Tables:
        first = self._mapped.first_level
        levels = range(first, first + self._mapped.levels)
        names = {
            what: [self._mapped.level(what, k) for k in levels]
            for what in ("bid_price", "bid_size", "ask_price", "ask_size")
        }
        sides = [(names["bid_price"], names["bid_size"]), (names["ask_price"], names["ask_size"])]
        return making.images(
            frame, table, instruments, sides, ids=self._whole(frame, "update_id"), **times,
        )

    def _derivative_ticks(
        self, frame: Frame, table: Table, instruments: Any, times: Any
    ) -> Tables:
        numbers = {
            name: frame.signed(column) if name == "funding_rate"
            else frame.number(column, optional=True)
            for name, column in self._columns.items() if name in TICK_NUMBERS
        }  # fmt: skip
        unit = self._mapped.exchange_unit
        due = frame.time(self._columns.get("next_funding_time", ""), unit, optional=True)
        return making.plain(
            "raw.derivative_ticks", frame, table, instruments, numbers,
            all_numbers=TICK_NUMBERS, more={"next_funding_time": time_column(due)}, **times,
        )

    def _liquidations(self, frame: Frame, table: Table, instruments: Any, times: Any) -> Tables:
        price, size = self._number(frame, "price", positive=True), self._number(frame, "size")
        side = self._side(frame, {"buy": 0, "sell": 1})
        words = pa.array(["buy", "sell"]).take(pa.array(np.maximum(side, 0)))
        ids, keys = self._identity(frame, "liquidation_id")
        named = [key if number == NO_ID else str(number)
                 for number, key in zip(ids.tolist(), keys, strict=True)]
        return making.plain(
            "raw.liquidations", frame, table, instruments,
            {"price": price, "size": size,
             "size_base": table.rows.in_base(instruments, price, size)},
            all_numbers=("price", "size", "size_base"),
            more={"side": words, "liquidation_key": pa.array(named, pa.string())}, **times,
        )  # fmt: skip
