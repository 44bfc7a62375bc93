"""Kraken Futures (formerly Crypto Facilities): every change of a level is one numbered message."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from imbalance.captures import events
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.patterns import places
from imbalance.captures.records import Record
from imbalance.captures.venues import reading
from imbalance.captures.venues.feed import HEARTBEAT, INSTRUMENTS, SUBSCRIBED, Feed, known
from imbalance.captures.venues.reading import (
    MS,
    Message,
    Millis,
    Price,
    Reader,
    Signed,
    Size,
    Text,
    Whole,
    aggressor,
    names,
)
from imbalance.captures.venues.venue import IN_ALL, Continuity, Instrument, Venue

_FIELDS = names(
    "product_id product_ids seq timestamp side price qty bids asks tickSize trades uid type "
    "time bid ask change premium volume tag pair dtm maturityTime version message"
)
_TICKER = names(
    "feed time suspended post_only leverage change premium volume tag pair dtm maturityTime "
    "volumeQuote relative_funding_rate_prediction funding_rate_prediction open high low"
)


class _Feed(Message):
    feed: str | None = None
    event: str | None = None
    unused = _FIELDS | _TICKER | names(
        "bid_size ask_size markPrice index last openInterest funding_rate relative_funding_rate "
        "next_funding_rate_time"
    )


class _Level(Message):
    price: Price
    qty: Size


class _Snapshot(Message):
    product_id: Text
    timestamp: Millis
    seq: Whole
    bids: list[_Level]
    asks: list[_Level]
    unused = frozenset({"feed", "tickSize"})


class _Change(Message):
    product_id: Text
    side: str
    seq: Whole
    price: Price
    qty: Size
    timestamp: Millis
    unused = frozenset({"feed"})


class _Trade(Message):
    product_id: Text
    uid: Text
    side: str
    type: str
    seq: Whole
    time: Millis
    qty: Size
    price: Price
    unused = frozenset({"feed"})


class _Trades(Message):
    trades: list[_Trade]
    unused = frozenset({"feed", "product_id"})


class _Ticker(Message):
    product_id: Text
    bid: Price | None = None
    ask: Price | None = None
    bid_size: Size | None = None
    ask_size: Size | None = None
    markPrice: Price | None = None
    index: Price | None = None
    last: Price | None = None
    openInterest: Size | None = None
    relative_funding_rate: Signed | None = None
    next_funding_rate_time: Millis | None = None
    time: Millis | None = None
    unused = _TICKER | frozenset({"funding_rate"})


class _Listed(msgspec.Struct):
    symbol: Text
    type: str
    underlying: str = ""
    tickSize: float | None = None
    contractSize: float | None = None
    lastTradingTime: str | None = None


class _Listing(msgspec.Struct):
    instruments: list[_Listed]


_feed, _snapshot, _change = Reader(_Feed), Reader(_Snapshot), Reader(_Change)
_trade, _trades, _ticker, _listing = (
    Reader(_Trade), Reader(_Trades), Reader(_Ticker), Reader(_Listing),
)  # fmt: skip


class _Session(Feed):
    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_feed, record.payload)
        if found.event is not None:
            return _control(found.event)
        if found.feed == "heartbeat":
            return HEARTBEAT
        make = _MAKERS.get(found.feed or "")
        if make is None:
            raise Rejected("unknown_message", f"feed {str(found.feed)[:60]!r}")
        return Decoded(found.feed or "", make(self, record.payload))

    def answered(self, record: Record) -> Decoded | Ignored:
        if not record.address.endswith("/instruments"):
            return super().answered(record)
        for one in self.read(_listing, record.payload).instruments:
            if one.type.startswith(("futures", "flexible")):
                # the list has the symbols of the feed in lower case
                self.fact(one.symbol.upper(), **_listed(one))
        return INSTRUMENTS

    def snapshot(self, payload: bytes) -> list[Event]:
        one = self.read(_snapshot, payload)
        return [
            events.BookUpdate(
                symbol=one.product_id, kind="snapshot", last_id=one.seq,
                bids=reading.sides([(level.price, level.qty) for level in one.bids]),
                asks=reading.sides([(level.price, level.qty) for level in one.asks]),
                exchange_time=one.timestamp * MS,
            )
        ]  # fmt: skip

    def change(self, payload: bytes) -> list[Event]:
        one = self.read(_change, payload)
        levels, bid = ([one.price], [one.qty]), aggressor(one.side) == "buy"
        return [
            events.BookUpdate(
                symbol=one.product_id, kind="diff", bids=levels if bid else ([], []),
                asks=([], []) if bid else levels, first_id=one.seq, last_id=one.seq,
                exchange_time=one.timestamp * MS,
            )
        ]  # fmt: skip

    def trade(self, payload: bytes) -> list[Event]:
        return _dealt(self.read(_trade, payload))

    def trades(self, payload: bytes) -> list[Event]:
        # the last trades come newest first
        found = self.read(_trades, payload).trades
        return [event for one in reversed(found) for event in _dealt(one)]

    def ticker(self, payload: bytes) -> list[Event]:
        one = self.read(_ticker, payload)
        at = None if one.time is None else one.time * MS
        made: list[Event] = [
            events.Quote(
                symbol=one.product_id, bid_price=_or_nan(one.bid), bid_size=_or_nan(one.bid_size),
                ask_price=_or_nan(one.ask), ask_size=_or_nan(one.ask_size), exchange_time=at,
            )
        ]  # fmt: skip
        if one.markPrice is not None:
            due = one.next_funding_rate_time
            made.append(
                events.DerivativeTick(
                    symbol=one.product_id, mark_price=one.markPrice, index_price=one.index,
                    last_price=one.last, open_interest=one.openInterest,
                    funding_rate=one.relative_funding_rate,
                    next_funding_time=None if due is None else due * MS, exchange_time=at,
                )
            )  # fmt: skip
        return made


_MAKERS = {
    "book_snapshot": _Session.snapshot, "book": _Session.change, "trade": _Session.trade,
    "trade_snapshot": _Session.trades, "ticker": _Session.ticker, "ticker_lite": _Session.ticker,
}  # fmt: skip


def _control(event: str) -> Ignored:
    if event in ("subscribed", "unsubscribed"):
        return SUBSCRIBED
    if event in ("info", "alert", "error"):
        return Ignored(event)
    raise Rejected("unknown_message", f"event {event[:60]!r}")


def _dealt(one: _Trade) -> list[Event]:
    side, at = aggressor(one.side), one.time * MS
    made: list[Event] = [
        events.Trade(
            symbol=one.product_id, price=one.price, size=one.qty, side=side, trade_id=one.seq,
            trade_key=one.uid, exchange_time=at,
        )
    ]  # fmt: skip
    if one.type == "liquidation":
        made.append(
            events.Liquidation(
                symbol=one.product_id, price=one.price, size=one.qty, side=side,
                liquidation_key=one.uid, exchange_time=at,
            )
        )  # fmt: skip
    return made


def _or_nan(number: float | None) -> float:
    return math.nan if number is None else number


def _listed(one: _Listed) -> dict[str, Any]:
    inverse = one.type == "futures_inverse"
    ends = one.lastTradingTime
    return {
        "kind": "perpetual" if ends is None else "future", "underlying": one.underlying or None,
        "tick": one.tickSize, "multiplier": one.contractSize, "inverse": inverse,
        "expiry": None if ends is None else reading.expiry(reading.iso_time(ends) // MS),
        "asset_class": "crypto",
    }  # fmt: skip


_TYPES = {"PI": ("perpetual", True), "FI": ("future", True), "PF": ("perpetual", False),
          "FF": ("future", False), "PV": ("perpetual", None), "FV": ("future", None)}  # fmt: skip


def instrument(symbol: str) -> Instrument:
    """`PI_XBTUSD` is an inverse perpetual, `FI_XBTUSD_210924` a future, `PF_…` linear ones."""
    kind, _, rest = symbol.partition("_")
    pair, _, day = rest.partition("_")
    if kind not in _TYPES or len(pair) < 6:
        return known(symbol, "symbol", asset_class="crypto")
    name, inverse = _TYPES[kind]
    dated = day.isdecimal() and len(day) == 6
    return known(
        symbol, "symbol", kind=name, base=pair[:-3], quote=pair[-3:], inverse=inverse,
        underlying=pair, asset_class="crypto",
        expiry=f"20{day[:2]}-{day[2:4]}-{day[4:]}" if dated else None,
        rules={"multiplier": 1.0 if inverse is not None else None},
    )  # fmt: skip


_VARYING = " ".join(_TICKER - {"feed", "time"})
_PLACES = {
    "book": (
        places.book(
            price="price", size="qty", side="side", first_id="seq", last_id="seq",
            exchange=places.milliseconds("timestamp"),
        ),
    ),
    "trade": (
        places.trades(
            price="price", size="qty", side="side", trade_id="seq", trade_key="uid",
            exchange=places.milliseconds("time"),
        ),
    ),
    "ticker": (
        places.quote_and_tick(
            places.quote(
                bid_price="bid", bid_size="bid_size", ask_price="ask", ask_size="ask_size",
                exchange=places.milliseconds("time"),
            ),
            mark="markPrice", index="index", last="last", funding="relative_funding_rate",
            interest="openInterest", due=places.milliseconds("next_funding_rate_time"),
            positive="mark index last", unused=f"funding_rate {_VARYING}",
        ),
    ),
    "ticker_lite": (places.quote(bid_price="bid", ask_price="ask", unused=_VARYING),),
    HEARTBEAT.rule: (places.ignored("feed event"),),
}  # fmt: skip

VENUE = Venue(
    name="cryptofacilities",
    title="Kraken Futures",
    hosts=("futures.kraken.com", "www.cryptofacilities.com"),
    recorders=("KRAKEN_FUTURES",),
    session=_Session,
    channels={
        "book_snapshot": "book snapshot",
        "book": "book differences, one level each",
        "trade": "trades, liquidations",
        "trade_snapshot": "the last trades before the subscription",
        "ticker": "quotes, mark and index price, funding, open interest",
        "ticker_lite": "quotes without sizes and time",
    },
    continuity=(
        Continuity(
            "book", "chained_ids", "nothing", source="seq goes up by one for each product"
        ),
        Continuity("trade", "counter", "nothing: seq goes up by one for each product"),
    ),
    instrument=instrument,
    places=_PLACES,
    trades_counted=IN_ALL,
)  # fmt: skip
