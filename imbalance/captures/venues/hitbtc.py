"""HitBTC, API v2: numbered changes of the book, and its snapshots sent again in mid-stream."""

from __future__ import annotations

import math

import msgspec

from imbalance.captures import events
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.patterns import places
from imbalance.captures.records import Record
from imbalance.captures.venues import reading
from imbalance.captures.venues.feed import CANDLES, SUBSCRIBED, Feed, known, split_pair
from imbalance.captures.venues.reading import (
    Message,
    Price,
    Reader,
    Size,
    Text,
    Whole,
    aggressor,
    empty_or_nan,
    names,
)
from imbalance.captures.venues.venue import Continuity, Instrument, Venue


class _Envelope(Message):
    method: str | None = None
    params: msgspec.Raw = msgspec.Raw(b"{}")
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    unused = names("jsonrpc id")


class _Level(Message):
    price: Price
    size: Size


class _Book(Message):
    symbol: Text
    sequence: Whole
    ask: list[_Level]
    bid: list[_Level]
    timestamp: str | None = None


class _Trade(Message):
    id: Whole
    price: Price
    quantity: Size
    side: str
    timestamp: str


class _Trades(Message):
    symbol: Text
    data: list[_Trade]


class _Ticker(Message):
    symbol: Text
    timestamp: str
    ask: str | None = None
    bid: str | None = None
    unused = names("last open low high volume volumeQuote")


_envelope, _book, _trades, _ticker = (
    Reader(_Envelope), Reader(_Book), Reader(_Trades), Reader(_Ticker),
)  # fmt: skip


class _Session(Feed):
    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_envelope, record.payload)
        if bytes(found.error):
            return Ignored("refused_subscription")
        if bytes(found.result):
            return SUBSCRIBED
        method = found.method or ""
        if method in ("snapshotOrderbook", "updateOrderbook"):
            whole = method == "snapshotOrderbook"
            return Decoded(method, [_update(self.read(_book, found.params), whole=whole)])
        if method in ("snapshotTrades", "updateTrades"):
            dealt = self.read(_trades, found.params)
            return Decoded(method, [_traded(one, dealt.symbol) for one in dealt.data])
        if method == "ticker":
            return Decoded(method, [_quote(self.read(_ticker, found.params))])
        if method in ("snapshotCandles", "updateCandles"):
            return CANDLES
        raise Rejected("unknown_message", f"method {method[:60]!r}")


def _update(one: _Book, *, whole: bool) -> Event:
    return events.BookUpdate(
        symbol=one.symbol, kind="snapshot" if whole else "diff",
        bids=([level.price for level in one.bid], [level.size for level in one.bid]),
        asks=([level.price for level in one.ask], [level.size for level in one.ask]),
        first_id=None if whole else one.sequence, last_id=one.sequence,
        exchange_time=None if one.timestamp is None else reading.iso_time(one.timestamp),
    )  # fmt: skip


def _traded(one: _Trade, symbol: str) -> Event:
    return events.Trade(
        symbol=symbol, price=one.price, size=one.quantity, side=aggressor(one.side),
        trade_id=one.id, exchange_time=reading.iso_time(one.timestamp),
    )  # fmt: skip


def _quote(one: _Ticker) -> Event:
    return events.Quote(
        symbol=one.symbol, bid_price=empty_or_nan(one.bid or ""), bid_size=math.nan,
        ask_price=empty_or_nan(one.ask or ""), ask_size=math.nan,
        exchange_time=reading.iso_time(one.timestamp),
    )  # fmt: skip


def instrument(symbol: str) -> Instrument:
    """`ETHBTC`: base and quote currency joined."""
    base, quote = split_pair(symbol, "USDT TUSD USDC EURS GUSD BUSD USD BTC ETH DAI BCH EOS")
    return known(symbol, "symbol", kind="spot", base=base, quote=quote, asset_class="crypto")


_WHOLE, _CHANGED = (
    places.book(
        bids="params.bid", asks="params.ask", price="price", size="size", first_id=first,
        last_id="params.sequence", exchange=places.iso_time("params.timestamp"),
    )
    for first in (None, "params.sequence")
)  # fmt: skip
_PLACES = {
    "snapshotOrderbook": (_WHOLE,),
    "updateOrderbook": (_CHANGED,),
    "updateTrades": (
        places.trades(
            each="params.data", price="price", size="quantity", side="side", trade_id="id",
            exchange=places.iso_time("timestamp"),
        ),
    ),
    "ticker": (
        places.quote(
            bid_price="params.bid", ask_price="params.ask",
            exchange=places.iso_time("params.timestamp"),
            unused=" ".join(f"params.{name}" for name in _Ticker.unused),
        ),
    ),
    CANDLES.rule: (places.ignored("method"),),
}  # fmt: skip

VENUE = Venue(
    name="hitbtc",
    title="HitBTC",
    hosts=("api.hitbtc.com", "st.hitbtc.com"),
    recorders=("HITBTC",),
    session=_Session,
    channels={
        "snapshotOrderbook": "book snapshots, sent again in mid-stream with the same number",
        "updateOrderbook": "book differences",
        "snapshotTrades": "the last trades before the subscription",
        "updateTrades": "trades",
        "ticker": "quotes without sizes",
    },
    continuity=(
        Continuity(
            "updateOrderbook", "chained_ids", "nothing",
            source="HitBTC API v2: sequence goes up by one for each symbol",
        ),
        Continuity("updateTrades", "nothing", "any loss: ids are of all pairs"),
    ),
    instrument=instrument,
    places=_PLACES,
)  # fmt: skip
