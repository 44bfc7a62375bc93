"""Coinbase's full channel saved as a table: every order from its arrival to its end.

A match names the resting order, which is filled; the taker is on the other side. Orders that were
only received have not reached the book. Rows that a recorder stored twice are told by their
sequence, and rows of a product are put in its order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.captures.frames import Frame
from imbalance.captures.rows import NO_ID, Tables, id_column, word_column
from imbalance.captures.tabular import Layout, Table
from imbalance.captures.venues.venue import Contents

_SIDES = {"buy": 0, "sell": 1}
_KINDS = {"received": 0, "open": 1, "done": 2, "match": 3, "change": 4, "activate": 5}
_ACTIONS = ("add", "delete", "fill", "change")
"""Of the kinds from `open` on."""
_WHOLE_DOUBLES = 2.0**53


def _full(frame: Frame, table: Table) -> Tables:
    instruments = table.instruments(frame, "product_id")
    kind = frame.code("type", _KINDS)
    sequence = frame.whole("sequence")
    side = frame.code("side", _SIDES)
    price = frame.number("price", optional=True)
    left = frame.number("remaining_size", optional=True)
    size = frame.number("size", optional=True)
    resized = frame.number("new_size", optional=True)
    identity = _trade_ids(frame)
    _leave_out(frame, instruments, sequence, kind, price)
    needed = np.select([kind == 1, kind == 3, kind == 4], [left, size, resized],
                       np.nan_to_num(left))
    for row in np.flatnonzero(np.isnan(needed) & frame.good).tolist():
        if row not in frame.ignored:
            frame.bad.setdefault(row, ("missing_field", "the size is missing"))
    exchange = frame.time("time", "iso")
    when, rows = table.when(frame, instruments, exchange=exchange)
    keep = ~np.isin(rows, np.array(list(frame.ignored), np.int64))
    when, rows = when.take(keep), rows[keep]
    code = kind[rows]
    sizes = needed[rows]
    keys = pa.array(frame.words("order_id")), pa.array(frame.words("maker_order_id"))
    chosen = pa.compute.if_else(pa.array(kind == _KINDS["match"]), keys[1], keys[0])
    missing = np.full(len(rows), NO_ID, np.int64)
    found: Tables = {
        "raw.orders": table.rows.plain(
            when,
            {
                "action": word_column(_ACTIONS, code - 1),
                "order_key": chosen.take(pa.array(rows)),
                "book_side": word_column(("bid", "ask"), side[rows] != 0),
                "price": pa.array(price[rows]), "size": pa.array(sizes),
                "sequence": id_column(sequence[rows]), "previous_sequence": id_column(missing),
            },
        )
    }  # fmt: skip
    matches = np.flatnonzero(code == _KINDS["match"])
    if len(matches):
        places = rows[matches]
        found["raw.trades"] = table.rows.trades(
            when.take(matches), np.zeros(len(places), bool), identity[places], None,
            price[places], size[places], 1 - side[places],
        )
    return found


def _trade_ids(frame: Frame) -> Any:
    """Ids of trades (n,), `NO_ID` where there is none.

    Only matches have one, and what knows no column of whole numbers with gaps saves them as
    doubles, or as text of these such as `13419161.0`.
    """
    column = frame.columns["trade_id"]
    if not pa.types.is_floating(column.type):
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = pa.compute.replace_substring_regex(column, r"^(\d+)\.0$", r"\1")
        return Frame({"trade_id": column}, frame.lines, frame.bad).whole("trade_id", optional=True)
    values = frame.number("trade_id", optional=True)
    # beyond, a double stands for several whole numbers
    whole = (values == np.floor(values)) & (values <= _WHOLE_DOUBLES)
    for row in np.flatnonzero(~whole & ~np.isnan(values)).tolist():
        frame.bad.setdefault(row, ("wrong_type", f"trade_id = {values[row]} is not a whole number"))
    return np.where(whole, values, NO_ID).astype(np.int64)


def _leave_out(frame: Frame, instruments: Any, sequence: Any, kind: Any, price: Any) -> None:
    """Mark the rows that change no order, and those stored before."""
    seen = np.zeros(len(frame), bool)
    pairs = np.stack([instruments.astype(np.int64), sequence], axis=1)
    seen[np.unique(pairs, axis=0, return_index=True)[1]] = True
    for row in np.flatnonzero(~seen & frame.good).tolist():
        frame.ignored.setdefault(row, "repeated_row")
    for row in np.flatnonzero((kind == 0) | (kind == 5)).tolist():
        frame.ignored.setdefault(row, "unused:received")
    for row in np.flatnonzero(np.isnan(price) & (kind == _KINDS["done"])).tolist():
        frame.ignored.setdefault(row, "unused:done_without_price")
    for row in np.flatnonzero(np.isnan(price) & frame.good).tolist():
        if row not in frame.ignored:
            frame.bad.setdefault(row, ("missing_field", "price is missing"))


LAYOUTS = (
    Layout("coinbase-full", "order",
           frozenset({"order_id", "maker_order_id", "remaining_size", "product_id", "sequence",
                      "reason", "side", "type", "time"}),
           "none", _full, ("time", "iso"),
           contents=Contents("orders, trades", ("coinbase",), "counter",
                             "lost orders: of the rows only those of trades are counted")),
)
