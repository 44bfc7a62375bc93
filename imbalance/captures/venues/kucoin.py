"""KuCoin spot: numbered changes of the book, its snapshots by request."""

from __future__ import annotations

from typing import Any

import msgspec

from imbalance.captures import events
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.patterns import places
from imbalance.captures.records import Record
from imbalance.captures.venues import reading
from imbalance.captures.venues.feed import (
    CANDLES,
    HEARTBEAT,
    INSTRUMENTS,
    SECOND_BOOK,
    SUBSCRIBED,
    Feed,
    known,
    parameter,
)
from imbalance.captures.venues.reading import (
    MS,
    Level,
    Message,
    Millis,
    Price,
    Reader,
    Size,
    Text,
    Whole,
    empty_or,
    empty_or_nan,
    names,
)
from imbalance.captures.venues.venue import Continuity, Instrument, Venue


class _Envelope(Message):
    type: str
    topic: str = ""
    subject: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")
    unused = names("id code channelType sn userId")


_Change = tuple[Size, Size, Whole]


class _Changes(Message):
    asks: list[_Change]
    bids: list[_Change]


class _Update(Message):
    symbol: Text
    sequenceStart: Whole
    sequenceEnd: Whole
    changes: _Changes
    time: Millis | None = None


class _Image(Message):
    asks: list[Level]
    bids: list[Level]
    timestamp: Millis


class _Ticker(Message):
    sequence: Whole
    bestAsk: str
    bestAskSize: str
    bestBid: str
    bestBidSize: str
    time: Millis
    unused = names("price size Time")


class _Match(Message):
    symbol: Text
    sequence: Whole
    side: str
    size: Size
    price: Price
    time: Whole
    tradeId: Text
    unused = names("type takerOrderId makerOrderId feeRate")


class _Book(Message):
    time: Millis
    sequence: Whole
    bids: list[Level]
    asks: list[Level]


class _Snapshot(Message):
    data: _Book
    unused = names("code")


class _Listed(msgspec.Struct):
    symbol: Text
    baseCurrency: str
    quoteCurrency: str
    baseIncrement: str = ""
    priceIncrement: str = ""


class _Listing(msgspec.Struct):
    data: list[_Listed]


_envelope, _update, _image = Reader(_Envelope), Reader(_Update), Reader(_Image)
_ticker, _match = Reader(_Ticker), Reader(_Match)
_snapshot, _listing = Reader(_Snapshot), Reader(_Listing)


class _Session(Feed):
    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_envelope, record.payload)
        if found.type in ("welcome", "ack"):
            return SUBSCRIBED
        if found.type in ("pong", "ping"):
            return HEARTBEAT
        if found.type == "error":
            return Ignored("refused_subscription")
        if found.type != "message":
            raise Rejected("unknown_message", f"type {found.type[:60]!r}")
        channel, _, symbol = found.topic.rpartition(":")
        channel = channel.rpartition("/")[2]
        if channel == "candles":
            return CANDLES
        if channel in ("level2Depth5", "level2Depth50", "level2", "level2_0"):
            name = "level2Depth" if channel.startswith("level2Depth") else "level2"
            if not self.owns(symbol, channel):
                return SECOND_BOOK
            book = self._image if name == "level2Depth" else self._changes
            return Decoded(name, [book(found.data, symbol)])
        if channel == "ticker":
            name = found.subject if symbol == "all" else symbol
            return Decoded("ticker", [self._quote(found.data, name)])
        if channel == "match":
            return Decoded("match", [self._trade(found.data)])
        if channel == "snapshot":
            return Ignored("unused:market_snapshot")
        raise Rejected("unknown_message", f"topic {found.topic[:80]!r}")

    def answered(self, record: Record) -> Decoded | Ignored:
        path = record.address.partition("?")[0]
        if path.endswith("/symbols"):
            for one in self.read(_listing, record.payload).data:
                self.fact(one.symbol, **_listed(one))
            return INSTRUMENTS
        if "/orderbook/level2" not in path:
            return super().answered(record)
        book = self.read(_snapshot, record.payload).data
        return Decoded("level2_snapshot", [
            events.BookUpdate(
                symbol=parameter(record.address, "symbol"), kind="snapshot",
                bids=reading.sides(book.bids), asks=reading.sides(book.asks),
                last_id=book.sequence, exchange_time=book.time * MS,
            )
        ])  # fmt: skip

    def _changes(self, data: msgspec.Raw, symbol: str) -> Event:
        one = self.read(_update, data)
        if one.symbol != symbol:
            raise Rejected("wrong_type", f"{one.symbol[:60]!r} in the topic of {symbol[:60]!r}")
        # a price of 0 changes nothing and only counts the sequence on
        return events.BookUpdate(
            symbol=symbol, kind="diff", first_id=one.sequenceStart, last_id=one.sequenceEnd,
            bids=reading.sides([change for change in one.changes.bids if change[0] > 0.0]),
            asks=reading.sides([change for change in one.changes.asks if change[0] > 0.0]),
            exchange_time=None if one.time is None else one.time * MS,
        )  # fmt: skip

    def _image(self, data: msgspec.Raw, symbol: str) -> Event:
        one = self.read(_image, data)
        return events.BookUpdate(
            symbol=symbol, kind="image", bids=reading.sides(one.bids),
            asks=reading.sides(one.asks), exchange_time=one.timestamp * MS,
        )  # fmt: skip

    def _quote(self, data: msgspec.Raw, symbol: str) -> Event:
        one = self.read(_ticker, data)
        return events.Quote(
            symbol=symbol, bid_price=empty_or_nan(one.bestBid),
            bid_size=empty_or_nan(one.bestBidSize), ask_price=empty_or_nan(one.bestAsk),
            ask_size=empty_or_nan(one.bestAskSize), update_id=one.sequence,
            exchange_time=one.time * MS,
        )  # fmt: skip

    def _trade(self, data: msgspec.Raw) -> Event:
        one = self.read(_match, data)
        return events.Trade(
            symbol=one.symbol, price=one.price, size=one.size, trade_key=one.tradeId,
            side=reading.aggressor(one.side), exchange_time=one.time,
        )  # fmt: skip


def _listed(one: _Listed) -> dict[str, Any]:
    return {
        "kind": "spot", "base": one.baseCurrency, "quote": one.quoteCurrency,
        "tick": empty_or(one.priceIncrement), "lot": empty_or(one.baseIncrement),
        "asset_class": "crypto",
    }  # fmt: skip


def instrument(symbol: str) -> Instrument:
    """`BTC-USDT`; a name may be older than its currency's (`BCHSV-USDT` is of BSV)."""
    base, _, quote = symbol.partition("-")
    return known(
        symbol, "symbol", kind="spot", base=base, quote=quote or None, asset_class="crypto"
    )


_PLACES = {
    "level2": (
        places.book(
            bids="data.changes.bids", asks="data.changes.asks", first_id="data.sequenceStart",
            last_id="data.sequenceEnd", exchange=places.milliseconds("data.time"),
            level_checked=places.nanoseconds("2"), none_at_zero=True,
        ),
    ),
    "match": (
        places.trades(
            price="data.price", size="data.size", side="data.side", trade_key="data.tradeId",
            exchange=places.nanoseconds("data.time"), checked=places.nanoseconds("data.sequence"),
            unused="data.type data.takerOrderId data.makerOrderId data.feeRate",
        ),
    ),
    "level2Depth": (
        places.book(
            bids="data.bids", asks="data.asks", exchange=places.milliseconds("data.timestamp"),
        ),
    ),
    "ticker": (
        places.quote(
            bid_price="data.bestBid", bid_size="data.bestBidSize", ask_price="data.bestAsk",
            ask_size="data.bestAskSize", update_id="data.sequence",
            exchange=places.milliseconds("data.time"), unused="data.price data.size data.Time",
        ),
    ),
    CANDLES.rule: (places.ignored("type topic"),),
    SECOND_BOOK.rule: (places.ignored("type topic"),),
    HEARTBEAT.rule: (places.ignored("type"),),
    "unused:market_snapshot": (places.ignored("type topic"),),
}  # fmt: skip

VENUE = Venue(
    name="kucoin",
    title="KuCoin",
    hosts=("push-private.kucoin.com", "ws-api.kucoin.com", "ws-api-spot.kucoin.com",
           "api.kucoin.com"),
    recorders=("KUCOIN",),
    session=_Session,
    channels={
        "level2": "book differences",
        "level2_snapshot": "book snapshots, by request",
        "level2Depth": "book images of 5 or 50 levels",
        "ticker": "quotes",
        "match": "trades",
    },
    continuity=(
        Continuity(
            "level2", "chained_ids", "nothing", source="KuCoin API, Level-2 market data: "
            "sequenceStart is the sequenceEnd before it plus one",
        ),
        Continuity("level2Depth", "nothing", "any loss: each message is whole"),
        Continuity("match", "nothing", "any loss: its numbers are those of the book"),
    ),
    instrument=instrument,
    places=_PLACES,
)  # fmt: skip
