"""The feed of Coinbase Exchange (formerly Pro, GDAX): levels, matches, and every order.

Sides are those of the resting order. Part of the venue `coinbase`, which declares it.
"""

from __future__ import annotations

from imbalance.captures import events
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.kept import Keeps
from imbalance.captures.records import Record
from imbalance.captures.venues import reading
from imbalance.captures.venues.feed import HEARTBEAT, SUBSCRIBED, Feed
from imbalance.captures.venues.reading import (
    Level,
    Message,
    Price,
    Reader,
    Size,
    Text,
    Whole,
    names,
)
from imbalance.captures.venues.venue import Continuity

FIELDS = names(
    "type product_id asks bids changes time sequence trade_id maker_order_id taker_order_id "
    "side size price order_id remaining_size new_size old_size new_price reason best_bid "
    "best_ask channels last_size open_24h volume_24h low_24h high_24h volume_30d best_bid_size "
    "best_ask_size"
)

CHANNELS = {
    "snapshot": "book snapshot (Exchange)",
    "l2update": "book differences (Exchange)",
    "match": "trades (Exchange)",
    "last_match": "the last trade before the subscription (Exchange)",
    "open": "orders that come to rest (Exchange, full channel)",
    "done": "orders that leave (Exchange, full channel)",
    "change": "orders that change (Exchange, full channel)",
}
CONTINUITY = (
    Continuity("snapshot, l2update", "nothing", "any loss: levels carry no number"),
    Continuity(
        "open, done, change, match", "chained_ids",
        "nothing once the opening book is known; the feed itself sends none",
        source="Coinbase Exchange, full channel: sequence goes up by one for each product",
    ),
    Continuity("match", "counter", "nothing: trade_id goes up by one for each product"),
)  # fmt: skip


class _Type(Message):
    type: str
    product_id: Text | None = None
    unused = FIELDS


class _Snapshot(Message):
    product_id: Text
    asks: list[Level]
    bids: list[Level]
    time: str | None = None
    unused = frozenset({"type"})


class _Update(Message):
    product_id: Text
    changes: list[tuple[str, Price, Size]]
    time: str | None = None
    unused = frozenset({"type"})


class _Match(Message):
    product_id: Text
    trade_id: Whole
    maker_order_id: Text
    side: str
    size: Size
    price: Price
    sequence: Whole
    time: str
    unused = frozenset({"type", "taker_order_id"})


class _Ticker(Message):
    product_id: Text
    best_bid: str
    best_ask: str
    time: str | None = None
    best_bid_size: str = ""
    best_ask_size: str = ""
    unused = FIELDS


class _Order(Message):
    product_id: Text
    order_id: Text
    side: str
    sequence: Whole
    time: str
    price: Price | None = None
    remaining_size: Size | None = None
    new_size: Size | None = None
    new_price: Price | None = None
    unused = FIELDS


_type, _snapshot, _update = Reader(_Type), Reader(_Snapshot), Reader(_Update)
_match, _ticker, _order = Reader(_Match), Reader(_Ticker), Reader(_Order)


class Exchange(Keeps):
    """The meaning of the Exchange feed's messages, for the session of a capture."""

    _ordered: set[str]

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._ordered = set()

    def received(self, record: Record) -> Decoded | Ignored:
        """A message of the feed."""
        kind = self._feed.read(_type, record.payload).type
        if kind == "subscriptions":
            return SUBSCRIBED
        if kind == "heartbeat":
            return HEARTBEAT
        if kind in ("received", "activate"):
            return Ignored("unused:orders_not_resting")
        if kind == "status":
            return Ignored("reference:status")
        make = _MAKERS.get(kind)
        if make is None:
            raise Rejected("unknown_message", f"type {kind[:60]!r}")
        return Decoded(kind, make(self, record.payload, kind))

    def snapshot(self, payload: bytes, kind: str) -> list[Event]:  # noqa: ARG002
        one = self._feed.read(_snapshot, payload)
        return [
            events.BookUpdate(
                symbol=one.product_id, kind="snapshot", bids=reading.sides(one.bids),
                asks=reading.sides(one.asks), exchange_time=_time(one.time),
            )
        ]  # fmt: skip

    def update(self, payload: bytes, kind: str) -> list[Event]:  # noqa: ARG002
        one = self._feed.read(_update, payload)
        levels: dict[str, list[tuple[float, float]]] = {"buy": [], "sell": []}
        for side, price, size in one.changes:
            levels[reading.aggressor(side)].append((price, size))
        return [
            events.BookUpdate(
                symbol=one.product_id, kind="diff", bids=reading.sides(levels["buy"]),
                asks=reading.sides(levels["sell"]), exchange_time=_time(one.time),
            )
        ]  # fmt: skip

    def match(self, payload: bytes, kind: str) -> list[Event]:
        one = self._feed.read(_match, payload)
        at, maker = reading.iso_time(one.time), reading.aggressor(one.side)
        made: list[Event] = [
            events.Trade(
                symbol=one.product_id, price=one.price, size=one.size, trade_id=one.trade_id,
                side="sell" if maker == "buy" else "buy", exchange_time=at,
            )
        ]  # fmt: skip
        if kind == "match" and one.product_id in self._ordered:
            made.append(
                events.OrderUpdate(
                    symbol=one.product_id, action="fill", order_key=one.maker_order_id,
                    book_side="bid" if maker == "buy" else "ask", price=one.price, size=one.size,
                    sequence=one.sequence, previous_sequence=one.sequence - 1, exchange_time=at,
                )
            )  # fmt: skip
        return made

    def ticker(self, payload: bytes, kind: str) -> list[Event]:  # noqa: ARG002
        one = self._feed.read(_ticker, payload)
        return [
            events.Quote(
                symbol=one.product_id, bid_price=reading.empty_or_nan(one.best_bid),
                bid_size=reading.empty_or_nan(one.best_bid_size),
                ask_price=reading.empty_or_nan(one.best_ask),
                ask_size=reading.empty_or_nan(one.best_ask_size), exchange_time=_time(one.time),
            )
        ]  # fmt: skip

    def order(self, payload: bytes, kind: str) -> list[Event]:
        one = self._feed.read(_order, payload)
        self._ordered.add(one.product_id)
        price = one.new_price if one.new_price is not None else one.price
        size = one.new_size if kind == "change" else one.remaining_size
        if kind == "done" and (price is None or size is None):
            return []  # a market order, which never rested
        if price is None or size is None:
            raise Rejected("missing_field", f"no price or size in {kind}")
        return [
            events.OrderUpdate(
                symbol=one.product_id, action=_ACTIONS[kind], order_key=one.order_id,
                book_side="bid" if reading.aggressor(one.side) == "buy" else "ask",
                price=price, size=size, sequence=one.sequence,
                previous_sequence=one.sequence - 1, exchange_time=reading.iso_time(one.time),
            )
        ]  # fmt: skip


_ACTIONS: dict[str, events.OrderAction] = {"open": "add", "done": "delete", "change": "change"}
_MAKERS = {
    "snapshot": Exchange.snapshot, "l2update": Exchange.update, "match": Exchange.match,
    "last_match": Exchange.match, "ticker": Exchange.ticker, "open": Exchange.order,
    "done": Exchange.order, "change": Exchange.order,
}  # fmt: skip


def _time(text: str | None) -> int | None:
    return None if text is None else reading.iso_time(text)
