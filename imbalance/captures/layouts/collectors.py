"""Tables of collectors of single venues: Hyperliquid, edgeX and StandX.

None of them names its venue in its rows, and only StandX its instrument: both are in the names of
file and folder.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from imbalance.captures.frames import SIDE_CODES, Frame
from imbalance.captures.layouts import alternating, making
from imbalance.captures.rows import NO_ID, NO_SIDE, Tables
from imbalance.captures.tabular import Layout, Table
from imbalance.captures.venues.venue import Contents


def _times(frame: Frame) -> dict[str, Any]:
    return {
        "receive": frame.time("timestamp", "s"),
        "exchange": frame.time("exchange_timestamp", "ms", optional=True),
    }


def _numbered(frame: Frame, what: str, start: int) -> list[str]:
    """Columns of a kind, level by level."""
    found: list[str] = []
    while what.format(start + len(found)) in frame.columns:
        found.append(what.format(start + len(found)))
    return found


def _images(frame: Frame, table: Table) -> Tables:
    sides = [
        (_numbered(frame, f"{side}_price_{{}}", 0), _numbered(frame, f"{side}_size_{{}}", 0))
        for side in ("bid", "ask")
    ]
    return making.images(
        frame, table, table.instruments(frame), sides, ids=frame.whole("sequence"), **_times(frame)
    )


def _best(frame: Frame, table: Table) -> Tables:
    """A message is a row per side; a row of the last price says nothing of the quote.

    A message with a bad row is quarantined whole: the other side alone would be a wrong quote.
    """
    price, size = frame.number("price", positive=True), frame.number("size")
    side = frame.code("side", {"bid": 0, "ask": 1, "last": 2})
    instruments, times = table.instruments(frame), _times(frame)
    begins = frame.changes("timestamp")
    message = making.numbered(frame, begins)
    making.mark_parts(frame, message)
    values = np.full((len(begins), 4), np.nan)
    for code in (0, 1):
        mine = np.flatnonzero((side == code) & frame.good)
        for place, column in ((2 * code, price), (2 * code + 1, size)):
            values[message[mine], place] = column[mine]
    # a size of 0 stands for one that the venue does not send
    values[:, 1::2][values[:, 1::2] == 0.0] = np.nan
    told = begins[~np.isnan(values[:, ::2]).all(axis=1)]
    when, rows = table.when(frame, instruments, at=told, **times)
    # times that are not believed are marked only there
    making.mark_parts(frame, message)
    kept = frame.good[rows]
    when, rows = when.take(kept), rows[kept]
    missing = np.full(len(rows), NO_ID, np.int64)
    return {"raw.quotes": table.rows.quotes(when, missing, values[message[rows]])}


def _trades(identity: str) -> Any:
    def make(frame: Frame, table: Table) -> Tables:
        words = frame.words(identity)
        return making.trades(
            frame, table, table.instruments(frame), price=frame.number("price", positive=True),
            size=frame.number("size"), side=frame.code("side", SIDE_CODES),
            ids=None, keys=words,
            **_times(frame),
        )

    return make


def _standx_times(frame: Frame) -> dict[str, Any]:
    return {"receive": frame.time("received_at", "ns"), "exchange": frame.time("timestamp", "ns")}


def _standx_book(frame: Frame, table: Table) -> Tables:
    """Every row stands twice in these files: the second is left out by a rule."""
    instruments = table.instruments(frame, "symbol")
    begins = frame.changes(
        "timestamp", "symbol", "bid_prices", "bid_quantities", "ask_prices", "ask_quantities"
    )
    for row in sorted(set(range(len(frame))) - set(begins.tolist())):
        frame.ignored.setdefault(row, "repeated_row")
    for side in ("bid", "ask"):
        _mark_lists(frame, f"{side}_prices", f"{side}_quantities")
    when, rows = table.when(frame, instruments, at=begins, **_standx_times(frame))
    keep = pa.array(rows)
    levels, offsets = [], []
    for side in ("bid", "ask"):
        for part in ("prices", "quantities"):
            column = frame.columns[f"{side}_{part}"].take(keep)
            levels.append(column.flatten().to_numpy(zero_copy_only=False))
            if part == "prices":
                offset = column.offsets.to_numpy()
                offsets.append((offset - offset[0]).astype(np.int64))
    ids = np.full((len(rows), 3), NO_ID, np.int64)
    kind = np.full(len(rows), making.IMAGE, np.uint8)
    return {
        "raw.book_updates": table.rows.books(when, kind, ids, (offsets[0], offsets[1]), levels)
    }


def _mark_lists(frame: Frame, prices: str, sizes: str) -> None:
    """Mark rows whose lists of prices and sizes are no levels of a book."""
    counts = [pc.fill_null(pc.list_value_length(frame.columns[name]), -1).to_numpy()
              for name in (prices, sizes)]
    differ = (counts[0] != counts[1]) | (counts[0] < 0)
    out_of_range = np.zeros(len(frame), bool)
    for name, least in ((prices, np.nextafter(0.0, 1.0)), (sizes, 0.0)):
        values = pc.list_flatten(frame.columns[name]).cast(pa.float64())
        given = values.to_numpy(zero_copy_only=False)
        rows = pc.list_parent_indices(frame.columns[name]).to_numpy()
        out_of_range[rows[~((given >= least) & (given < np.inf))]] = True
    for row in np.flatnonzero(differ).tolist():
        frame.bad.setdefault(row, ("wrong_type", f"{prices} and {sizes} differ in number"))
    for row in np.flatnonzero(out_of_range & ~differ).tolist():
        frame.bad.setdefault(row, ("number_out_of_range", f"a level of {prices}"))


def _standx_trades(frame: Frame, table: Table) -> Tables:
    """The side is SELL in every row, whatever happened: it is not believed."""
    return making.trades(
        frame, table, table.instruments(frame, "symbol"),
        price=frame.number("price", positive=True), size=frame.number("quantity"),
        side=np.full(len(frame), NO_SIDE), **_standx_times(frame),
    )


_IMAGES = "any loss: each row is whole"
_NO_COUNTER = "any loss: ids do not count"

LAYOUTS = (
    Layout(
        "collector-books", "book_image",
        frozenset({"timestamp", "sequence", "exchange_timestamp", "bid_price_0", "bid_size_0",
                   "ask_price_0", "ask_size_0"}),
        "s", _images, ("timestamp", "s"),
        contents=Contents("book images", ("hyperliquid",), blind=_IMAGES),
    ),
    Layout(
        "alternating-books", "book_image",
        frozenset({"timestamp", "bid_1_price", "bid_1_size", "ask_1_price", "ask_1_size"}),
        "s", alternating.books, ("timestamp", "s"),
        contents=Contents("book images", ("edgex",), blind=_IMAGES),
    ),
    Layout(
        "collector-trades", "trade",
        frozenset({"timestamp", "price", "size", "side", "trade_id", "exchange_timestamp"}),
        "s", _trades("trade_id"), ("timestamp", "s"),
        contents=Contents("trades", ("hyperliquid",), blind=_NO_COUNTER),
    ),
    Layout(
        "ticket-trades", "trade",
        frozenset({"timestamp", "price", "size", "side", "ticketId", "exchange_timestamp"}),
        "s", _trades("ticketId"), ("timestamp", "s"),
        contents=Contents("trades", ("edgex",), blind=_NO_COUNTER),
    ),
    Layout(
        "collector-quotes", "quote",
        frozenset({"timestamp", "price", "size", "side", "exchange_timestamp"}),
        "s", _best, ("timestamp", "s"), ("timestamp",),
        contents=Contents("quotes", ("hyperliquid", "edgex")),
    ),
    Layout(
        "standx-books", "book_image",
        frozenset({"timestamp", "received_at", "symbol", "bid_prices", "ask_quantities"}),
        "ns", _standx_book, ("received_at", "ns"),
        contents=Contents("book images", ("standx",), blind=_IMAGES),
    ),
    Layout(
        "standx-trades", "trade",
        frozenset({"timestamp", "received_at", "symbol", "price", "quantity", "side"}),
        "ns", _standx_trades, ("received_at", "ns"),
        contents=Contents("trades, without a side", ("standx",)),
    ),
)  # fmt: skip
"""In the order in which a header is tried: the first whose columns are all there is taken."""
