"""Tables of Tardis: CSV with `exchange,symbol,timestamp,local_timestamp`, times in µs.

`timestamp` is the exchange's time, `local_timestamp` the recorder's. Book rows of one message share
both; a row with `is_snapshot` belongs to the whole book that a connection began with.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.captures.frames import SIDE_CODES, TRUTHS, Frame
from imbalance.captures.layouts import making
from imbalance.captures.rows import Tables, time_column
from imbalance.captures.tabular import Layout, Table
from imbalance.captures.venues import deribit, huobi
from imbalance.captures.venues.venue import Contents

_HEAD = ("exchange", "symbol", "timestamp", "local_timestamp")
_BOOK_SIDES = {"bid": 0, "ask": 1}
_LEVEL = re.compile(r"^(asks|bids)\[(\d+)\]\.price$")
TICK_NUMBERS = ("mark_price", "index_price", "settlement_price", "funding_rate", "last_price",
                "open_interest")
OPTION_NUMBERS = ("underlying_price", "mark_price", "mark_volatility", "bid_price", "bid_size",
                  "bid_volatility", "ask_price", "ask_size", "ask_volatility", "last_price",
                  "open_interest", "delta", "gamma", "vega", "theta", "rho")

_VOLATILITIES = ("mark_volatility", "bid_volatility", "ask_volatility")
_VOLATILITY_UNITS = {
    "deribit": deribit.VOLATILITY_UNIT, "okex-options": 1.0, "bybit-options": 1.0,
    "binance-options": 1.0, "binance-european-options": 1.0,
}  # fmt: skip
"""What stands for an implied volatility of 1: Tardis stores it as the exchange sends it, which is
percent for Deribit (`62.89`) and a fraction for the others (`0.5542`).
"""


def _times(frame: Frame) -> dict[str, Any]:
    return {
        "exchange": frame.time("timestamp", "us"),
        "receive": frame.time("local_timestamp", "us"),
    }


def _book(frame: Frame, table: Table) -> Tables:
    snapshot = frame.code("is_snapshot", TRUTHS)
    kind = np.where(snapshot == 1, making.SNAPSHOT, making.DIFF)
    return making.messages(
        frame, table, table.instruments(frame, "symbol"), frame.changes(*_BOOK_MESSAGE),
        kind=kind, side=frame.code("side", _BOOK_SIDES), price=frame.number("price", positive=True),
        size=frame.number("amount"), **_times(frame),
    )


def _numbered(side: str, what: str, depth: int) -> list[str]:
    return [f"{side}[{k}].{what}" for k in range(depth)]


def _images(frame: Frame, table: Table) -> Tables:
    depth = sum(_LEVEL.match(name) is not None for name in frame.columns) // 2
    sides = [
        (_numbered(side, "price", depth), _numbered(side, "amount", depth))
        for side in ("bids", "asks")
    ]
    return making.images(frame, table, table.instruments(frame, "symbol"), sides, **_times(frame))


def _trades(frame: Frame, table: Table) -> Tables:
    ids, keys = making.identities(frame.words("id"))
    # amounts are as the venue sends them
    sides = huobi.BOTH_SIDES if table.venue in huobi.COUNTING_BOTH_SIDES else 1
    return making.trades(
        frame, table, table.instruments(frame, "symbol"),
        price=frame.number("price", positive=True),
        size=frame.number("amount") / sides,
        side=frame.code("side", SIDE_CODES), ids=ids, keys=keys, **_times(frame),
    )


def _quotes(frame: Frame, table: Table) -> Tables:
    names = ("bid_price", "bid_amount", "ask_price", "ask_amount")
    values = [frame.number(name, optional=True) for name in names]
    return making.quotes(
        frame, table, table.instruments(frame, "symbol"), values, **_times(frame)
    )


def _ticks(frame: Frame, table: Table) -> Tables:
    due = frame.time("funding_timestamp", "us", optional=True)
    columns = {
        "mark_price": frame.number("mark_price", optional=True),
        "index_price": frame.number("index_price", optional=True),
        "last_price": frame.number("last_price", optional=True),
        "open_interest": frame.number("open_interest", optional=True),
        "funding_rate": frame.signed("funding_rate"),
    }
    return making.plain(
        "raw.derivative_ticks", frame, table, table.instruments(frame, "symbol"), columns,
        all_numbers=TICK_NUMBERS, more={"next_funding_time": time_column(due)}, **_times(frame),
    )


def _liquidations(frame: Frame, table: Table) -> Tables:
    """`buy` is the forced order that closes a short position, as in `raw.liquidations`."""
    price, size = frame.number("price", positive=True), frame.number("amount")
    instruments = table.instruments(frame, "symbol")
    side = frame.code("side", {"buy": 0, "sell": 1})
    words = pa.array(["buy", "sell"]).take(pa.array(np.maximum(side, 0)))
    return making.plain(
        "raw.liquidations", frame, table, instruments,
        {"price": price, "size": size, "size_base": table.rows.in_base(instruments, price, size)},
        all_numbers=("price", "size", "size_base"),
        more={"side": words, "liquidation_key": pa.array(frame.words("id"), pa.string())},
        **_times(frame),
    )


def _options(frame: Frame, table: Table) -> Tables:
    names = {
        "underlying_price": "underlying_price", "mark_price": "mark_price",
        "mark_volatility": "mark_iv", "bid_price": "bid_price", "bid_size": "bid_amount",
        "bid_volatility": "bid_iv", "ask_price": "ask_price", "ask_size": "ask_amount",
        "ask_volatility": "ask_iv", "last_price": "last_price", "open_interest": "open_interest",
        "delta": "delta", "gamma": "gamma", "vega": "vega", "theta": "theta", "rho": "rho",
    }  # fmt: skip
    columns = {ours: frame.signed(theirs) for ours, theirs in names.items()}
    exchanges = frame.words("exchange")
    units = np.array([_VOLATILITY_UNITS.get(word or "", np.nan) for word in exchanges])
    of_deribit = np.array([word == "deribit" for word in exchanges], bool)
    for name in _VOLATILITIES:
        sent = columns[name]
        nothing = of_deribit & (sent == deribit.NO_VOLATILITY)
        columns[name] = np.where(nothing, np.nan, sent) / units
    return making.plain(
        "raw.options", frame, table, table.instruments(frame, "symbol"), columns,
        all_numbers=OPTION_NUMBERS,
        more={"underlying": pa.array(frame.words("underlying_index"), pa.string())},
        **_times(frame),
    )


_BOOK_MESSAGE = ("symbol", "timestamp", "local_timestamp", "is_snapshot")


def _layout(
    name: str, more: set[str], make: Any, contents: Contents, message: tuple[str, ...] = ()
) -> Layout:
    return Layout(
        f"tardis-{name}", name, frozenset({*_HEAD, *more}), "us", make, ("local_timestamp", "us"),
        message, contents=contents,
    )  # fmt: skip


_WHOLE = "any loss: each row is whole"


LAYOUTS = (
    _layout(
        "incremental_book_L2", {"is_snapshot", "side", "price", "amount"}, _book,
        Contents("book: snapshot at each connection, then differences",
                 blind="any loss until the next snapshot: rows carry no number"),
        _BOOK_MESSAGE,
    ),
    _layout("book_snapshot", {"asks[0].price", "bids[0].price"}, _images,
            Contents("book images", blind=_WHOLE)),
    _layout("options_chain", {"strike_price", "expiration", "mark_iv", "underlying_index"},
            _options, Contents("options: prices, volatilities, sensitivities", blind=_WHOLE)),
    _layout("derivative_ticker", {"funding_timestamp", "open_interest", "mark_price"}, _ticks,
            Contents("mark and index price, funding, open interest", blind=_WHOLE)),
    _layout("quotes", {"ask_amount", "ask_price", "bid_price", "bid_amount"}, _quotes,
            Contents("quotes", blind=_WHOLE)),
    _layout("trades", {"id", "side", "price", "amount"}, _trades,
            Contents("trades", blind="any loss: trades off the book are left out, which makes "
                     "holes in the ids of venues that count")),
)

LIQUIDATIONS = _layout("liquidations", {"id", "side", "price", "amount"}, _liquidations,
                       Contents("liquidations"))
"""Has the columns of trades: which of the two a file is, the path or the user says."""
