"""Bitstamp, API v2: differences of the book with microseconds, whole books, single orders.

Differences carry no number. The book on request may be older than differences that came before it,
so that differences wait for it, and those after its time follow it.
"""

from __future__ import annotations

from collections import deque

import msgspec

from imbalance.captures import events
from imbalance.captures.events import BookUpdate, Decoded, Event, Ignored, Rejected
from imbalance.captures.patterns import places
from imbalance.captures.records import Record
from imbalance.captures.venues import reading
from imbalance.captures.venues.feed import (
    HEARTBEAT,
    INSTRUMENTS,
    SECOND_BOOK,
    SUBSCRIBED,
    Feed,
    known,
    split_pair,
)
from imbalance.captures.venues.reading import (
    US,
    Level,
    Message,
    Micros,
    Price,
    Reader,
    Size,
    Text,
    Whole,
    names,
)
from imbalance.captures.venues.venue import Continuity, Instrument, Venue

WAITING = 5000
"""Differences of an instrument that are kept for a book on request."""


class _Envelope(Message):
    event: str
    channel: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")


class _Book(Message):
    microtimestamp: Micros
    bids: list[Level]
    asks: list[Level]
    unused = names("timestamp")


class _Trade(Message):
    id: Whole
    amount_str: Size
    price_str: Price
    type: int
    microtimestamp: Micros
    unused = names("timestamp amount price buy_order_id sell_order_id")


class _Order(Message):
    id_str: Text
    order_type: int
    amount_str: Size
    price_str: Price
    microtimestamp: Micros
    event_id: Whole | None = None
    pre_event_id: Whole | None = None
    unused = names(
        "id order_subtype datetime amount amount_traded amount_at_create price trade_account_id "
        "is_liquidation"
    )


class _Pair(msgspec.Struct):
    url_symbol: Text
    name: str
    base_decimals: int
    counter_decimals: int


_envelope, _book, _trade = Reader(_Envelope), Reader(_Book), Reader(_Trade)
_order, _pairs = Reader(_Order), Reader(list[_Pair])
_ACTIONS: dict[str, events.OrderAction] = {
    "order_created": "add", "order_changed": "change", "order_deleted": "delete",
}  # fmt: skip


class _Session(Feed):
    _waiting: dict[str, deque[BookUpdate]]
    _since: dict[str, int]

    def __init__(self) -> None:
        super().__init__()
        self._waiting, self._since = {}, {}

    def reset(self, connection: str) -> None:
        super().reset(connection)
        self._waiting.clear()
        self._since.clear()

    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_envelope, record.payload)
        if found.event.startswith("bts:"):
            return _control(found.event)
        name, _, symbol = found.channel.rpartition("_")
        if name == "diff_order_book":
            if not self.owns(symbol, name):
                return SECOND_BOOK
            return self._difference(symbol, self.read(_book, found.data))
        if name in ("order_book", "detail_order_book"):
            if not self.owns(symbol, name):
                return SECOND_BOOK
            return Decoded(name, [_update(symbol, "image", self.read(_book, found.data))])
        if name == "live_trades" and found.event == "trade":
            return Decoded(name, [_dealt(symbol, self.read(_trade, found.data))])
        if name in ("live_orders", "detail_live_orders") and found.event in _ACTIONS:
            return Decoded("live_orders", [
                _ordered(symbol, _ACTIONS[found.event], self.read(_order, found.data))
            ])  # fmt: skip
        raise Rejected("unknown_message", f"{found.event[:40]!r} of {found.channel[:60]!r}")

    def answered(self, record: Record) -> Decoded | Ignored:
        path = record.address.partition("?")[0].rstrip("/")
        if path.endswith("/trading-pairs-info"):
            for pair in self.read(_pairs, record.payload):
                self._listed(pair)
            return INSTRUMENTS
        head, _, symbol = path.rpartition("/")
        if not head.endswith("/order_book"):
            return super().answered(record)
        book = self.read(_book, record.payload)
        whole = _update(symbol, "snapshot", book)
        since = self._since[symbol] = book.microtimestamp * US
        later = [
            event for event in self._waiting.get(symbol, ())
            if event.exchange_time is not None and event.exchange_time > since
        ]
        return Decoded("order_book", [whole, *later])

    def _difference(self, symbol: str, book: _Book) -> Decoded | Ignored:
        event = _update(symbol, "diff", book)
        waiting = self._waiting.setdefault(symbol, deque(maxlen=WAITING))
        waiting.append(event)
        since = self._since.get(symbol)
        if since is None:
            return Ignored("waiting_for_snapshot")
        if book.microtimestamp * US <= since:
            return Ignored("older_than_snapshot")
        return Decoded("diff_order_book", [event])

    def _listed(self, one: _Pair) -> None:
        base, _, quote = one.name.partition("/")
        digits = (one.counter_decimals, one.base_decimals)
        tick, lot = (float(f"1e-{n}") if 0 <= n <= 18 else None for n in digits)
        self.fact(
            one.url_symbol, kind="spot", base=base, quote=quote or None, tick=tick, lot=lot,
            asset_class="crypto",
        )  # fmt: skip


def _control(event: str) -> Ignored:
    if event == "bts:heartbeat":
        return HEARTBEAT
    if event in ("bts:subscription_succeeded", "bts:unsubscription_succeeded"):
        return SUBSCRIBED
    if event in ("bts:request_reconnect", "bts:error"):
        return Ignored(event.removeprefix("bts:"))
    raise Rejected("unknown_message", f"event {event[:60]!r}")


def _update(symbol: str, kind: events.BookKind, book: _Book) -> BookUpdate:
    return BookUpdate(
        symbol=symbol, kind=kind, bids=reading.sides(book.bids), asks=reading.sides(book.asks),
        exchange_time=book.microtimestamp * US,
    )


def _dealt(symbol: str, one: _Trade) -> Event:
    if one.type not in (0, 1):
        raise Rejected("wrong_type", f"type {one.type} is neither 0 nor 1")
    return events.Trade(
        symbol=symbol, price=one.price_str, size=one.amount_str, trade_id=one.id,
        side="sell" if one.type else "buy", exchange_time=one.microtimestamp * US,
    )  # fmt: skip


def _ordered(symbol: str, action: events.OrderAction, one: _Order) -> Event:
    if one.order_type not in (0, 1):
        raise Rejected("wrong_type", f"order_type {one.order_type} is neither 0 nor 1")
    return events.OrderUpdate(
        symbol=symbol, action=action, order_key=one.id_str,
        book_side="ask" if one.order_type else "bid", price=one.price_str, size=one.amount_str,
        sequence=one.event_id, previous_sequence=one.pre_event_id,
        exchange_time=one.microtimestamp * US,
    )  # fmt: skip


def instrument(symbol: str) -> Instrument:
    """`btcusd`: base and quote currency joined."""
    base, quote = split_pair(symbol.upper(), "USDT USDC PYUSD RLUSD USD EUR GBP PAX BTC ETH")
    return known(symbol, "symbol", kind="spot", base=base, quote=quote, asset_class="crypto")


_IMAGE = places.book(
    bids="data.bids", asks="data.asks", exchange=places.microseconds("data.microtimestamp"),
    unused="data.timestamp",
)  # fmt: skip
_PLACES = {"order_book": (_IMAGE,), "detail_order_book": (_IMAGE,)}

VENUE = Venue(
    name="bitstamp",
    title="Bitstamp",
    hosts=("ws.bitstamp.net", "www.bitstamp.net"),
    recorders=("BITSTAMP",),
    session=_Session,
    channels={
        "diff_order_book": "book differences, which wait for a snapshot on request",
        "order_book": "book snapshots, by request; as a channel book images of 100 levels",
        "detail_order_book": "book images of 100 orders",
        "live_trades": "trades",
        "live_orders": "orders",
    },
    continuity=(
        Continuity(
            "diff_order_book, order_book", "nothing",
            "any loss: messages carry a time and no number", source="Bitstamp WebSocket API v2",
        ),
        Continuity(
            "live_orders", "chained_ids", "nothing where pre_event_id is sent; the opening book",
            source="Bitstamp WebSocket API v2: pre_event_id",
        ),
        Continuity("live_trades", "nothing", "any loss: ids are of all pairs"),
    ),
    instrument=instrument,
    places=_PLACES,
)  # fmt: skip
