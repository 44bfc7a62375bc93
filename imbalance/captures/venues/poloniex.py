"""Poloniex, API of 2022: chained changes of the book."""

from __future__ import annotations

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
    aggressor,
    names,
)
from imbalance.captures.venues.venue import Continuity, Instrument, Venue


class _Envelope(Message):
    channel: str = ""
    event: str | None = None
    action: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")
    unused = names("symbols message")


class _Book(Message):
    symbol: Text
    bids: list[Level]
    asks: list[Level]
    id: Whole
    ts: Millis
    createTime: Millis
    lastId: Whole | None = None


class _Trade(Message):
    symbol: Text
    quantity: Size
    price: Price
    takerSide: str
    createTime: Millis
    ts: Millis
    id: Whole
    unused = names("amount")


class _Scales(msgspec.Struct):
    priceScale: int
    quantityScale: int


class _Listed(msgspec.Struct):
    symbol: Text
    baseCurrencyName: str
    quoteCurrencyName: str
    symbolTradeLimit: _Scales


_envelope, _books = Reader(_Envelope), Reader(list[_Book])
_trades, _listing = Reader(list[_Trade]), Reader(list[_Listed])


class _Session(Feed):
    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_envelope, record.payload)
        if found.event == "pong":
            return HEARTBEAT
        if found.event == "error":
            return Ignored("refused_subscription")
        if found.event is not None:
            return SUBSCRIBED
        if found.channel.startswith("candles"):
            return CANDLES
        if found.channel in ("ticker", "currencies", "exchange"):
            return Ignored(f"unused:{found.channel}")
        if found.channel == "trades":
            return Decoded("trades", [_dealt(one) for one in self.read(_trades, found.data)])
        if found.channel not in ("book_lv2", "book"):
            raise Rejected("unknown_message", f"channel {found.channel[:60]!r}")
        books = self.read(_books, found.data)
        if any(not self.owns(one.symbol, found.channel) for one in books):
            return SECOND_BOOK
        return Decoded(found.channel, [_update(one, found) for one in books])

    def answered(self, record: Record) -> Decoded | Ignored:
        if not record.address.endswith("/markets"):
            return super().answered(record)
        for one in self.read(_listing, record.payload):
            scales = one.symbolTradeLimit
            tick, lot = (
                float(f"1e-{n}") if 0 <= n <= 18 else None
                for n in (scales.priceScale, scales.quantityScale)
            )
            self.fact(
                one.symbol, kind="spot", base=one.baseCurrencyName, quote=one.quoteCurrencyName,
                tick=tick, lot=lot, asset_class="crypto",
            )  # fmt: skip
        return INSTRUMENTS


def _update(one: _Book, found: _Envelope) -> Event:
    kind: events.BookKind = "image"
    if found.channel == "book_lv2":
        if found.action not in ("snapshot", "update"):
            raise Rejected("unknown_message", f"action {found.action[:40]!r}")
        kind = "snapshot" if found.action == "snapshot" else "diff"
    if kind == "diff" and one.lastId is None:
        raise Rejected("missing_field", "no lastId")
    return events.BookUpdate(
        symbol=one.symbol, kind=kind, bids=reading.sides(one.bids), asks=reading.sides(one.asks),
        last_id=one.id, previous_id=one.lastId if kind == "diff" else None,
        exchange_time=one.ts * MS, transaction_time=one.createTime * MS,
    )  # fmt: skip


def _dealt(one: _Trade) -> Event:
    return events.Trade(
        symbol=one.symbol, price=one.price, size=one.quantity, side=aggressor(one.takerSide),
        trade_id=one.id, exchange_time=one.ts * MS, transaction_time=one.createTime * MS,
    )  # fmt: skip


def instrument(symbol: str) -> Instrument:
    """`BTC_USDT`: base and quote currency."""
    base, _, quote = symbol.partition("_")
    return known(
        symbol, "symbol", kind="spot", base=base, quote=quote or None, asset_class="crypto"
    )


_CHANGED, _WHOLE = (
    places.book(
        bids="data.0.bids", asks="data.0.asks", last_id="data.0.id", previous_id=previous,
        exchange=places.milliseconds("data.0.ts"),
        transaction=places.milliseconds("data.0.createTime"),
    )
    for previous in ("data.0.lastId", None)
)  # fmt: skip
_PLACES = {
    "book_lv2": (_CHANGED, _WHOLE),
    "book": (_WHOLE,),
    "trades": (
        places.trades(
            each="data", price="price", size="quantity", side="takerSide", trade_id="id",
            exchange=places.milliseconds("ts"), transaction=places.milliseconds("createTime"),
            trade_unused="amount",
        ),
    ),
    CANDLES.rule: (places.ignored("channel event action"),),
    "unused:ticker": (places.ignored("channel event action"),),
}  # fmt: skip

VENUE = Venue(
    name="poloniex",
    title="Poloniex",
    hosts=("ws.poloniex.com", "api.poloniex.com"),
    recorders=("POLONIEX",),
    session=_Session,
    channels={
        "book_lv2": "book: snapshot, then differences of 20 levels",
        "book": "book images of 5, 10 or 20 levels",
        "trades": "trades",
    },
    continuity=(
        Continuity(
            "book_lv2", "chained_ids", "nothing within 20 levels", since="2022-08-01",
            source="Poloniex API docs, book_lv2: lastId is the id before it",
        ),
        Continuity("book", "nothing", "any loss: each message is whole"),
        Continuity("trades", "nothing", "any loss: ids are of all pairs"),
    ),
    instrument=instrument,
    places=_PLACES,
)  # fmt: skip
