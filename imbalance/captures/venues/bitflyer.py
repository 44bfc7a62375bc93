"""bitFlyer Lightning: snapshots and changes of the board without number and time."""

from __future__ import annotations

import re

import msgspec

from imbalance.captures import events
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.patterns import places
from imbalance.captures.records import Record
from imbalance.captures.venues import reading
from imbalance.captures.venues.feed import INSTRUMENTS, SUBSCRIBED, Feed, known
from imbalance.captures.venues.reading import (
    Message,
    Price,
    Reader,
    Size,
    Text,
    Whole,
    aggressor,
    names,
)
from imbalance.captures.venues.venue import Continuity, Instrument, InstrumentKind, Venue


class _Params(Message):
    channel: str = ""
    message: msgspec.Raw = msgspec.Raw(b"{}")


class _Envelope(Message):
    method: str | None = None
    params: _Params | None = None
    result: msgspec.Raw = msgspec.Raw()
    unused = names("jsonrpc id error")


class _Level(Message):
    price: Size
    size: Size


class _Board(Message):
    bids: list[_Level]
    asks: list[_Level]
    unused = names("mid_price")


class _Execution(Message):
    id: Whole
    side: str
    price: Price
    size: Size
    exec_date: str
    unused = names("buy_child_order_acceptance_id sell_child_order_acceptance_id")


class _Ticker(Message):
    timestamp: str
    tick_id: Whole
    best_bid: Size
    best_ask: Size
    best_bid_size: Size
    best_ask_size: Size
    unused = names(
        "product_code state total_bid_depth total_ask_depth market_bid_size market_ask_size ltp "
        "volume volume_by_product preopen_end circuit_break_end"
    )


class _Listed(Message):
    product_code: Text
    market_type: str = ""
    unused = names("alias")


_envelope, _board = Reader(_Envelope), Reader(_Board)
_executions, _ticker = Reader(list[_Execution]), Reader(_Ticker)
_listing = Reader(list[_Listed])

_CHANNEL = re.compile(r"lightning_(board_snapshot|board|executions|ticker)_(.+)", re.DOTALL)
_KINDS: dict[str, InstrumentKind] = {"Spot": "spot", "FX": "perpetual", "Futures": "future"}


class _Session(Feed):
    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_envelope, record.payload)
        if found.method is None and bytes(found.result):
            return SUBSCRIBED
        if found.method != "channelMessage" or found.params is None:
            raise Rejected("unknown_message", f"method {str(found.method)[:60]!r}")
        named = _CHANNEL.fullmatch(found.params.channel)
        if named is None:
            raise Rejected("unknown_message", f"channel {found.params.channel[:60]!r}")
        kind, symbol, told = named[1], named[2], found.params.message
        if kind == "executions":
            made: list[Event] = [_dealt(one, symbol) for one in self.read(_executions, told)]
            return Decoded(kind, made)
        if kind == "ticker":
            return Decoded(kind, [_quote(self.read(_ticker, told), symbol)])
        board = self.read(_board, told)
        return Decoded(kind, [
            events.BookUpdate(
                symbol=symbol, kind="diff" if kind == "board" else "snapshot",
                bids=_sides(board.bids), asks=_sides(board.asks),
            )
        ])  # fmt: skip

    def answered(self, record: Record) -> Decoded | Ignored:
        if "/v1/getmarkets" not in record.address and "/v1/markets" not in record.address:
            return super().answered(record)
        for one in self.read(_listing, record.payload):
            self.fact(
                one.product_code, kind=_KINDS.get(one.market_type), asset_class="crypto"
            )
        return INSTRUMENTS


def _sides(levels: list[_Level]) -> events.Levels:
    # a price of 0 stands for market orders before an auction
    kept = [level for level in levels if level.price > 0.0]
    return [level.price for level in kept], [level.size for level in kept]


def _dealt(one: _Execution, symbol: str) -> Event:
    return events.Trade(
        symbol=symbol, price=one.price, size=one.size, trade_id=one.id,
        # trades of an auction have no side
        side=aggressor(one.side) if one.side else None,
        exchange_time=reading.iso_time(one.exec_date),
    )  # fmt: skip


def _quote(one: _Ticker, symbol: str) -> Event:
    nan = float("nan")
    return events.Quote(
        symbol=symbol, bid_price=one.best_bid or nan,
        bid_size=one.best_bid_size if one.best_bid else nan, ask_price=one.best_ask or nan,
        ask_size=one.best_ask_size if one.best_ask else nan, update_id=one.tick_id,
        exchange_time=reading.iso_time(one.timestamp),
    )  # fmt: skip


_FUTURE = re.compile(r"([A-Z]{3})([A-Z]{3})(\d{2})([A-Z]{3})(\d{4})")
_MONTHS = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"


def instrument(symbol: str) -> Instrument:
    """`BTC_JPY` is spot, `FX_BTC_JPY` a perpetual, `BTCJPY17DEC2021` a future."""
    dated = _FUTURE.fullmatch(symbol)
    if dated and _MONTHS.find(dated[4]) % 3 == 0:
        month = _MONTHS.find(dated[4]) // 3 + 1
        return known(
            symbol, "symbol", kind="future", base=dated[1], quote=dated[2],
            underlying=f"{dated[1]}_{dated[2]}", expiry=f"{dated[5]}-{month:02d}-{dated[3]}",
            asset_class="crypto", rules={"multiplier": 1.0, "inverse": False},
        )
    margined = symbol.startswith("FX_")
    base, parted, quote = symbol.removeprefix("FX_").partition("_")
    if not parted:
        return known(symbol, "symbol", asset_class="crypto")
    return known(
        symbol, "symbol", kind="perpetual" if margined else "spot", base=base,
        quote=quote or None, underlying=f"{base}_{quote}" if margined else None,
        asset_class="crypto",
        rules={"multiplier": 1.0, "inverse": False} if margined else None,
    )


_BOARD = places.book(
    bids="params.message.bids", asks="params.message.asks", price="price", size="size",
    unused="params.message.mid_price", none_at_zero=True,
)  # fmt: skip
_PLACES = {
    "board": (_BOARD,),
    "board_snapshot": (_BOARD,),
    "executions": (
        places.trades(
            each="params.message", price="price", size="size", side="side", trade_id="id",
            exchange=places.iso_time("exec_date"),
            trade_unused="buy_child_order_acceptance_id sell_child_order_acceptance_id",
        ),
    ),
    "ticker": (
        places.quote(
            bid_price="params.message.best_bid", bid_size="params.message.best_bid_size",
            ask_price="params.message.best_ask", ask_size="params.message.best_ask_size",
            update_id="params.message.tick_id",
            exchange=places.iso_time("params.message.timestamp"),
            unused=" ".join(f"params.message.{name}" for name in _Ticker.unused),
        ),
    ),
}  # fmt: skip

VENUE = Venue(
    name="bitflyer",
    title="bitFlyer",
    hosts=("ws.lightstream.bitflyer.com", "api.bitflyer.com", "api.bitflyer.jp"),
    recorders=("BITFLYER",),
    session=_Session,
    channels={
        "board_snapshot": "book snapshots, now and again",
        "board": "book differences",
        "executions": "trades",
        "ticker": "quotes",
    },
    continuity=(
        Continuity(
            "board", "nothing", "any loss until the next snapshot: no message is numbered"
        ),
        Continuity("executions", "nothing", "any loss: ids are of all products"),
    ),
    instrument=instrument,
    places=_PLACES,
)  # fmt: skip
