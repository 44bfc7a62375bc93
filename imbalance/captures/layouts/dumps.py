"""Tables which venues and projects publish: Binance's data dumps, Coinbase's channels, last prices.

Binance's spot dumps have no header, nor had those of futures before August 2022: which one such a
file is, `binance_dumps` tells. Times of spot are ms before 2025 and µs since.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.captures.clocks import NO_TIME
from imbalance.captures.frames import TRUTHS, Frame
from imbalance.captures.layouts import making
from imbalance.captures.layouts.tardis import TICK_NUMBERS
from imbalance.captures.rows import NO_ID, NO_SIDE, Tables, time_column
from imbalance.captures.siblings import time_beside
from imbalance.captures.tabular import Layout, Table
from imbalance.captures.venues import binance
from imbalance.captures.venues.venue import Contents

_MICROSECONDS_FROM = 10**14
_TAKER_SELLS = TRUTHS
_COINBASE_SIDES = {"buy": 0, "sell": 1}


def _either_unit(frame: Frame, name: str) -> Any:
    """Times in ms or µs, told by their digits row by row."""
    whole = frame.whole(name)
    scaled = np.where(whole >= _MICROSECONDS_FROM, whole * 1_000, whole * 1_000_000)
    return np.where(whole == NO_ID, NO_TIME, scaled)


def _trades(price: str, size: str, identity: str, time: str, maker: str, *, aggregate: bool) -> Any:
    def make(frame: Frame, table: Table) -> Tables:
        return making.trades(
            frame, table, table.instruments(frame), price=frame.number(price, positive=True),
            size=frame.number(size), side=frame.code(maker, _TAKER_SELLS),
            ids=frame.whole(identity), exchange=_either_unit(frame, time), aggregate=aggregate,
        )

    return make


def _book_ticker(frame: Frame, table: Table) -> Tables:
    names = ("best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty")
    return making.quotes(
        frame, table, table.instruments(frame), [frame.number(name) for name in names],
        exchange=_either_unit(frame, "transaction_time"), ids=frame.whole("update_id"),
    )


def _metrics(frame: Frame, table: Table) -> Tables:
    due = np.full(len(frame), NO_TIME, np.int64)
    return making.plain(
        "raw.derivative_ticks", frame, table, table.instruments(frame, "symbol"),
        {"open_interest": frame.number("sum_open_interest")}, all_numbers=TICK_NUMBERS,
        exchange=frame.time("create_time", "iso"), more={"next_funding_time": time_column(due)},
    )


def _depth(frame: Frame, table: Table) -> Tables:
    """Depth dumps: rows of one message share its update ids."""
    names = ("first_update_id", "last_update_id")
    before = frame.signed("pu")
    before = np.where(np.isnan(before), NO_ID, before).astype(np.int64)
    ids = np.stack([frame.whole(names[0]), frame.whole(names[1]), before], axis=1)
    kind = frame.code("update_type", {"snap": making.SNAPSHOT, "set": making.DIFF})
    snapshot = kind == making.SNAPSHOT
    ids[snapshot, 0] = NO_ID
    return making.messages(
        frame, table, table.instruments(frame, "symbol"), frame.changes(*_DEPTH_MESSAGE),
        kind=kind, side=frame.code("side", {"b": 0, "a": 1}),
        price=frame.number("price", positive=True), size=frame.number("qty"),
        receive=None, exchange=frame.time("timestamp", "ms"), ids=ids,
    )


def _bands(frame: Frame, table: Table) -> Tables:
    """The bookDepth dumps: how much rests within some percent of the mid, a row a band."""
    columns = {
        "percentage": frame.signed("percentage"), "depth": frame.number("depth"),
        "notional": frame.number("notional"),
    }
    for row in np.flatnonzero(~(np.abs(columns["percentage"]) > 0)).tolist():
        frame.bad.setdefault(row, ("number_out_of_range", "percentage is on neither side"))
    return making.plain(
        "raw.depth_bands", frame, table, table.instruments(frame), columns,
        all_numbers=tuple(columns), exchange=frame.time("timestamp", "iso"),
    )


_DEPTH_MESSAGE = ("symbol", "timestamp", "last_update_id", "update_type")


def _level_updates(frame: Frame, table: Table) -> Tables:
    """Coinbase's level2 channel: a row is a level; rows of one time are one message."""
    return making.messages(
        frame, table, table.instruments(frame), frame.changes("time"),
        kind=np.full(len(frame), making.DIFF), side=frame.code("side", _COINBASE_SIDES),
        price=frame.number("price", positive=True), size=frame.number("size"), receive=None,
        exchange=frame.time("time", "iso"),
    )


def _opening_book(frame: Frame, table: Table) -> Tables:
    """Coinbase's book as asked for over HTTP, a side a file: the bids begin it, the asks follow, a
    nanosecond later: what holds the same moment as an earlier capture counts as the same.
    """
    side = frame.code("side", _COINBASE_SIDES)
    beside = time_beside(table.path)
    asked = np.full(len(frame), NO_TIME, np.int64) if beside is None else beside + (side == 1)
    kind = np.where(side == 0, making.SNAPSHOT, making.DIFF)
    return making.messages(
        frame, table, table.instruments(frame), np.zeros(1, np.int64), kind=kind, side=side,
        price=frame.number("price", positive=True), size=frame.number("size"), receive=None,
        exchange=asked,
    )


def _matches(frame: Frame, table: Table) -> Tables:
    """Coinbase names the maker's side: the aggressor is on the other."""
    maker = frame.code("side", _COINBASE_SIDES)
    return making.trades(
        frame, table, table.instruments(frame, "product_id"),
        price=frame.number("price", positive=True), size=frame.number("size"),
        side=np.where(maker < 0, NO_SIDE, 1 - maker), ids=frame.whole("trade_id"),
        exchange=frame.time("time", "iso"),
    )


def _last_prices(frame: Frame, table: Table) -> Tables:
    due = np.full(len(frame), NO_TIME, np.int64)
    return making.plain(
        "raw.derivative_ticks", frame, table, table.instruments(frame),
        {"last_price": frame.number("last", positive=True)}, all_numbers=TICK_NUMBERS,
        exchange=frame.time("date", "iso"), more={"next_funding_time": time_column(due)},
    )


_MARKETS = tuple(binance.VENUES.values())
_FUTURES = _MARKETS[1:]
_COINBASE = ("coinbase",)
_COUNTED = "nothing: their ids go up by one"

LAYOUTS = (
    Layout("binance-depth", "depth", frozenset({*_DEPTH_MESSAGE, "first_update_id", "pu", "qty"}),
           "none", _depth, ("timestamp", "ms"), _DEPTH_MESSAGE,
           contents=Contents("book: snapshots and differences", _FUTURES, "chained_ids",
                             "nothing")),
    Layout("binance-aggregate-trades", "aggregate_trade",
           frozenset({"agg_trade_id", "price", "quantity", "transact_time", "is_buyer_maker"}),
           "none", _trades("price", "quantity", "agg_trade_id", "transact_time", "is_buyer_maker",
                           aggregate=True),
           ("transact_time", "ms"),
           contents=Contents("aggregate trades", _MARKETS, "counter", _COUNTED)),
    Layout("binance-trades", "trade",
           frozenset({"id", "price", "qty", "time", "is_buyer_maker"}), "none",
           _trades("price", "qty", "id", "time", "is_buyer_maker", aggregate=False),
           ("time", "ms"), contents=Contents("trades", _MARKETS, "counter", _COUNTED)),
    Layout("binance-book-ticker", "book_ticker",
           frozenset({"update_id", "best_bid_price", "best_ask_qty", "transaction_time"}), "none",
           _book_ticker, ("transaction_time", "ms"),
           contents=Contents("quotes", _FUTURES, blind="any loss: update ids leap")),
    Layout("binance-depth-bands", "depth_band",
           frozenset({"timestamp", "percentage", "depth", "notional"}), "none", _bands,
           ("timestamp", "iso"),
           contents=Contents("what rests within some percent of the mid", _FUTURES)),
    Layout("binance-metrics", "metrics", frozenset({"create_time", "symbol", "sum_open_interest"}),
           "none", _metrics, ("create_time", "iso"), contents=Contents("open interest", _FUTURES)),
    Layout("coinbase-matches", "match",
           frozenset({"maker_order_id", "product_id", "sequence", "trade_id", "time", "side"}),
           "none", _matches, ("time", "iso"),
           contents=Contents("trades", _COINBASE, "counter", _COUNTED)),
    Layout("coinbase-level-updates", "l2update", frozenset({"side", "price", "size", "time"}),
           "none", _level_updates, ("time", "iso"), ("time",),
           contents=Contents("book differences", _COINBASE)),
    Layout("coinbase-snapshot", "snapshot", frozenset({"side", "price", "size"}), "none",
           _opening_book, ("price", "none"), ("side",), exact=True,
           contents=Contents("book snapshot, a side a file", _COINBASE)),
    Layout("last-prices", "last_price", frozenset({"date", "last"}), "none", _last_prices,
           ("date", "iso"),
           contents=Contents("last price", ("coinbase", "bitflyer", "btcbox"))),
)
