"""Coinbase: Advanced Trade, and the Exchange (Pro) feed with its levels or every order.

Advanced Trade numbers all messages of a connection, control messages included. The side it gives a
trade is the maker's in both feeds, so that the aggressor's is the other one.
"""

from __future__ import annotations

import msgspec

from imbalance.captures import events
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.patterns import places
from imbalance.captures.patterns.pieces import BID_OFFER, BY_ID
from imbalance.captures.records import Record
from imbalance.captures.venues import coinbase_exchange, reading
from imbalance.captures.venues.feed import (
    CANDLES,
    DUPLICATE,
    HEARTBEAT,
    INSTRUMENTS,
    SUBSCRIBED,
    Feed,
    known,
)
from imbalance.captures.venues.reading import Message, Price, Reader, Size, Text, Whole, names
from imbalance.captures.venues.venue import IN_ALL, Continuity, Instrument, Venue


class _Envelope(Message):
    channel: Text | None = None
    timestamp: str = ""
    sequence_num: Whole | None = None
    events: msgspec.Raw = msgspec.Raw(b"[]")
    type: str | None = None
    unused = coinbase_exchange.FIELDS | {"client_id"}


class _Change(Message):
    side: str
    price_level: Price
    new_quantity: Size
    unused = frozenset({"event_time"})


class _Book(Message):
    type: str
    product_id: Text
    updates: list[_Change]


class _Trade(Message):
    product_id: Text
    trade_id: Whole
    price: Price
    size: Size
    time: str
    side: str


class _Trades(Message):
    trades: list[_Trade]
    unused = frozenset({"type"})


class _Ticker(Message):
    product_id: Text
    best_bid: str
    best_ask: str
    best_bid_quantity: str
    best_ask_quantity: str
    unused = names(
        "type price volume_24_h low_24_h high_24_h low_52_w high_52_w price_percent_chg_24_h"
    )


class _Tickers(Message):
    tickers: list[_Ticker]
    unused = frozenset({"type"})


class _Listed(msgspec.Struct):
    product_id: Text
    product_type: str = ""
    base_currency_id: str = ""
    quote_currency_id: str = ""
    price_increment: str = ""
    base_increment: str = ""


class _Listing(msgspec.Struct):
    products: list[_Listed]


_envelope, _books = Reader(_Envelope), Reader(list[_Book])
_trades, _tickers, _listing = Reader(list[_Trades]), Reader(list[_Tickers]), Reader(_Listing)


class _Session(Feed):
    _exchange: coinbase_exchange.Exchange

    def __init__(self) -> None:
        super().__init__()
        self._exchange = coinbase_exchange.Exchange(self)

    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_envelope, record.payload)
        if found.channel is None:
            return self._exchange.received(record)
        made: list[Event] = []
        if found.sequence_num is not None:
            missing = self.hole(record.connection, found.sequence_num)
            if missing is None:
                return DUPLICATE
            if missing:
                made = self.breaks(record.connection, "sequence_gap")
        understood = self._channel(found)
        if isinstance(understood, Ignored):
            return Decoded(found.channel, made) if made else understood
        return Decoded(found.channel, made + understood)

    def answered(self, record: Record) -> Decoded | Ignored:
        if not record.address.partition("?")[0].endswith("/products"):
            return super().answered(record)
        for one in self.read(_listing, record.payload).products:
            spot = one.product_type == "SPOT"
            self.fact(
                one.product_id, kind="spot" if spot else None, base=one.base_currency_id or None,
                quote=one.quote_currency_id or None, tick=reading.empty_or(one.price_increment),
                lot=reading.empty_or(one.base_increment), asset_class="crypto" if spot else None,
            )  # fmt: skip
        return INSTRUMENTS

    def _channel(self, found: _Envelope) -> list[Event] | Ignored:
        if found.channel == "subscriptions":
            return SUBSCRIBED
        if found.channel == "heartbeats":
            return HEARTBEAT
        if found.channel == "candles":
            return CANDLES
        if found.channel == "status":
            return Ignored("reference:status")
        at = reading.iso_time(found.timestamp)
        if found.channel == "l2_data":
            return [_book(one, at) for one in self.read(_books, found.events)]
        if found.channel == "market_trades":
            # the last trades come newest first
            trades = [t for group in self.read(_trades, found.events) for t in group.trades]
            return [_trade(one) for one in sorted(trades, key=lambda one: one.trade_id)]
        if found.channel in ("ticker", "ticker_batch"):
            groups = self.read(_tickers, found.events)
            return [_quote(one, at) for group in groups for one in group.tickers]
        raise Rejected("unknown_message", f"channel {found.channel!r}")


def _book(one: _Book, at: int) -> Event:
    if one.type not in ("snapshot", "update"):
        raise Rejected("unknown_message", f"type {one.type!r}")
    bids = [change for change in one.updates if change.side == "bid"]
    asks = [change for change in one.updates if change.side == "offer"]
    if len(bids) + len(asks) < len(one.updates):
        side = next(c.side for c in one.updates if c.side not in ("bid", "offer"))
        raise Rejected("wrong_type", f"side {side[:40]!r}")
    return events.BookUpdate(
        symbol=one.product_id, kind="snapshot" if one.type == "snapshot" else "diff",
        bids=_side(bids), asks=_side(asks), exchange_time=at,
    )  # fmt: skip


def _side(changes: list[_Change]) -> events.Levels:
    return [one.price_level for one in changes], [one.new_quantity for one in changes]


def _trade(one: _Trade) -> Event:
    return events.Trade(
        symbol=one.product_id, price=one.price, size=one.size, trade_id=one.trade_id,
        side="sell" if reading.aggressor(one.side) == "buy" else "buy",
        exchange_time=reading.iso_time(one.time),
    )  # fmt: skip


def _quote(one: _Ticker, at: int) -> Event:
    return events.Quote(
        symbol=one.product_id, bid_price=reading.empty_or_nan(one.best_bid),
        bid_size=reading.empty_or_nan(one.best_bid_quantity),
        ask_price=reading.empty_or_nan(one.best_ask),
        ask_size=reading.empty_or_nan(one.best_ask_quantity), exchange_time=at,
    )  # fmt: skip


def instrument(symbol: str) -> Instrument:
    """`BTC-USD` is spot; names of futures say nothing sure."""
    base, _, quote = symbol.partition("-")
    spot = quote.isalnum()
    return known(
        symbol, "symbol", kind="spot" if spot else None, base=base if spot else None,
        quote=quote if spot else None, asset_class="crypto" if spot else None,
    )  # fmt: skip


_NUMBER = "sequence_num"
_PLACES = {
    "l2_data": (
        places.book(
            changes="events.0.updates", price="price_level", size="new_quantity", side="side",
            written=BID_OFFER, level_unused="event_time", counter=_NUMBER,
            exchange=places.iso_time("timestamp"),
        ),
    ),
    "market_trades": (
        places.trades(
            each="events.0.trades", price="price", size="size", maker_side="side",
            trade_id="trade_id", order=BY_ID, exchange=places.iso_time("time"), counter=_NUMBER,
            checked=places.iso_time("timestamp"),
        ),
    ),
    "ticker": (
        places.quote(
            bid_price="events.0.tickers.0.best_bid",
            bid_size="events.0.tickers.0.best_bid_quantity",
            ask_price="events.0.tickers.0.best_ask",
            ask_size="events.0.tickers.0.best_ask_quantity",
            exchange=places.iso_time("timestamp"), counter=_NUMBER,
            unused=" ".join(f"events.0.tickers.0.{name}" for name in _Ticker.unused - {"type"}),
        ),
    ),
    HEARTBEAT.rule: (places.ignored("channel", counter=_NUMBER),),
    CANDLES.rule: (places.ignored("channel", counter=_NUMBER),),
}  # fmt: skip

VENUE = Venue(
    name="coinbase",
    title="Coinbase",
    hosts=("advanced-trade-ws.coinbase.com", "ws-feed.pro.coinbase.com",
           "ws-feed.exchange.coinbase.com", "api.coinbase.com", "api.pro.coinbase.com",
           "api.exchange.coinbase.com"),
    recorders=("COINBASE",),
    session=_Session,
    channels={
        "l2_data": "book: snapshot, then differences (Advanced Trade)",
        "market_trades": "trades (Advanced Trade)",
        "ticker": "quotes; without sizes in the Exchange feed",
        "ticker_batch": "quotes every five seconds (Advanced Trade)",
        **coinbase_exchange.CHANNELS,
    },
    continuity=(
        Continuity(
            "Advanced Trade, all channels", "counter",
            "which book a lost message was of: all books of the connection break",
            source="sequence_num counts every message of the connection",
        ),
        *coinbase_exchange.CONTINUITY,
    ),
    instrument=instrument,
    places=_PLACES,
    trades_counted=IN_ALL,
)  # fmt: skip
