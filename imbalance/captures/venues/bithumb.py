"""Bithumb: trades, changes and images of the book, with the time of Korea (UTC + 9 hours)."""

from __future__ import annotations

import msgspec

from imbalance.captures import events
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.patterns import places
from imbalance.captures.records import Record
from imbalance.captures.venues import reading
from imbalance.captures.venues.feed import INSTRUMENTS, SECOND_BOOK, SUBSCRIBED, Feed, known
from imbalance.captures.venues.reading import (
    MS,
    US,
    Level,
    Message,
    Micros,
    Millis,
    Price,
    Reader,
    Size,
    Text,
    aggressor,
    names,
)
from imbalance.captures.venues.venue import Continuity, Instrument, Venue

HOURS_AHEAD = 9


class _Envelope(Message):
    type: str | None = None
    status: str | None = None
    content: msgspec.Raw = msgspec.Raw(b"{}")
    unused = names("resmsg")


class _Trade(Message):
    symbol: Text
    buySellGb: str
    contPrice: Price
    contQty: Size
    contDtm: str
    unused = names("contAmt updn")


class _Trades(Message):
    list: msgspec.Raw


class _Change(Message):
    symbol: Text
    orderType: str
    price: Price
    quantity: Size
    unused = names("total")


class _Changes(Message):
    list: msgspec.Raw
    datetime: Micros


class _Image(Message):
    symbol: Text
    datetime: Millis
    bids: list[Level]
    asks: list[Level]


class _Listing(msgspec.Struct):
    data: dict[str, msgspec.Raw]


_envelope, _trades, _dealts = Reader(_Envelope), Reader(_Trades), Reader(list[_Trade])
_changes, _rows, _image = Reader(_Changes), Reader(list[_Change]), Reader(_Image)
_listing = Reader(_Listing)


class _Session(Feed):
    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_envelope, record.payload)
        if found.type is None:
            if found.status is None:
                raise Rejected("unknown_message", "neither type nor status")
            return SUBSCRIBED if found.status == "0000" else Ignored("refused_subscription")
        if found.type == "transaction":
            dealt = self.read(_dealts, self.read(_trades, found.content).list)
            return Decoded("transaction", [_dealt(one) for one in dealt])
        if found.type == "orderbooksnapshot":
            return self._image(found)
        if found.type == "orderbookdepth":
            changes = self.read(_changes, found.content)
            rows = self.read(_rows, changes.list)
            if any(not self.owns(row.symbol, "orderbookdepth") for row in rows):
                return SECOND_BOOK
            return Decoded("orderbookdepth", _differences(rows, changes.datetime * US))
        if found.type == "ticker":
            return Ignored("unused:ticker")
        raise Rejected("unknown_message", f"type {found.type[:60]!r}")

    def answered(self, record: Record) -> Decoded | Ignored:
        _, _, quote = record.address.partition("/public/ticker/ALL_")
        if not quote.isalnum():
            return super().answered(record)
        for base in self.read(_listing, record.payload).data:
            if base != "date":
                self.fact(
                    f"{base}_{quote}", kind="spot", base=base, quote=quote, asset_class="crypto"
                )
        return INSTRUMENTS

    def _image(self, found: _Envelope) -> Decoded | Ignored:
        one = self.read(_image, found.content)
        if not self.owns(one.symbol, "orderbooksnapshot"):
            return SECOND_BOOK
        return Decoded("orderbooksnapshot", [
            events.BookUpdate(
                symbol=one.symbol, kind="image", bids=reading.sides(one.bids),
                asks=reading.sides(one.asks), exchange_time=one.datetime * MS,
            )
        ])  # fmt: skip


def _dealt(one: _Trade) -> Event:
    if one.buySellGb not in ("1", "2"):
        raise Rejected("wrong_type", f"buySellGb {one.buySellGb[:20]!r} is neither 1 nor 2")
    return events.Trade(
        symbol=one.symbol, price=one.contPrice, size=one.contQty,
        side="sell" if one.buySellGb == "1" else "buy",
        exchange_time=reading.iso_time(one.contDtm, HOURS_AHEAD),
    )  # fmt: skip


def _differences(rows: list[_Change], at: int) -> list[Event]:
    books: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in rows:
        sides = books.setdefault(row.symbol, {"buy": [], "sell": []})
        sides[aggressor(row.orderType)].append((row.price, row.quantity))
    return [
        events.BookUpdate(
            symbol=symbol, kind="diff", bids=reading.sides(sides["buy"]),
            asks=reading.sides(sides["sell"]), exchange_time=at,
        )
        for symbol, sides in books.items()
    ]  # fmt: skip


def instrument(symbol: str) -> Instrument:
    """`BTC_KRW`: base and quote currency."""
    base, _, quote = symbol.partition("_")
    return known(
        symbol, "symbol", kind="spot", base=base, quote=quote or None, asset_class="crypto"
    )


_PLACES = {
    "orderbookdepth": (
        places.book(
            changes="content.list", price="price", size="quantity", side="orderType",
            exchange=places.microseconds("content.datetime"), level_unused="total",
        ),
    ),
    "orderbooksnapshot": (
        places.book(
            bids="content.bids", asks="content.asks",
            exchange=places.milliseconds("content.datetime"),
        ),
    ),
    "unused:ticker": (places.ignored("type status"),),
}  # fmt: skip

VENUE = Venue(
    name="bithumb",
    title="Bithumb",
    hosts=("pubwss.bithumb.com", "api.bithumb.com"),
    recorders=("BITHUMB",),
    session=_Session,
    channels={
        "transaction": "trades",
        "orderbookdepth": "book differences, for which the feed sends no snapshot",
        "orderbooksnapshot": "book images of 30 levels",
    },
    continuity=(
        Continuity("all channels", "nothing", "any loss: no message is numbered"),
    ),
    instrument=instrument,
    places=_PLACES,
)  # fmt: skip
