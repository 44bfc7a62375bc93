"""Independent Reserve: every order, in the prices of four currencies at once.

A channel is of one coin; an order stands in the book of each currency the coin is traded in. The
opening book of a pair comes on request: orders of the pair are told from it on, with those that
came after its time before it arrived.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Literal

import msgspec

from imbalance.captures import events
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.records import Record
from imbalance.captures.venues import reading
from imbalance.captures.venues.feed import (
    DUPLICATE,
    HEARTBEAT,
    INSTRUMENTS,
    SUBSCRIBED,
    Feed,
    known,
)
from imbalance.captures.venues.reading import (
    MS,
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

WAITING = 5000
"""Messages of a channel that are kept for an opening book on request."""

_WAITS = Ignored("waiting_for_snapshot")


class _Envelope(Message):
    Event: str
    Channel: str = ""
    Nonce: Whole | None = None
    Time: Millis | None = None
    Data: msgspec.Raw = msgspec.Raw(b"{}")


class _Change(Message):
    OrderType: str
    OrderGuid: Text
    Price: dict[str, Size] | None = None
    Volume: Size | None = None


class _Trade(Message):
    TradeGuid: Text
    Pair: Text
    TradeDate: str
    Price: Price
    Volume: Size
    Side: str | None = None
    unused = names("BidGuid OfferGuid")


class _Resting(Message):
    Guid: Text
    Price: Size
    Volume: Size


class _Opening(Message):
    BuyOrders: list[_Resting]
    SellOrders: list[_Resting]
    PrimaryCurrencyCode: Text
    SecondaryCurrencyCode: Text
    CreatedTimestampUtc: str


_envelope, _change, _trade = Reader(_Envelope), Reader(_Change), Reader(_Trade)
_opening, _codes = Reader(_Opening), Reader(list[str])

_ACTIONS: dict[str, events.OrderAction] = {
    "NewOrder": "add", "OrderChanged": "change", "OrderCanceled": "delete",
}  # fmt: skip
_SIDES: dict[str, Literal["bid", "ask"]] = {"LimitBid": "bid", "LimitOffer": "ask"}


class _Told(msgspec.Struct):
    """A message about an order, kept until the opening books are there."""

    action: events.OrderAction
    change: _Change
    nonce: int
    at: int


class _Session(Feed):
    _recent: dict[str, deque[_Told]]
    _since: dict[str, dict[str, int]]
    _prices: dict[str, dict[str, float]]
    _left: dict[str, float]

    def __init__(self) -> None:
        super().__init__()
        self._recent, self._since, self._prices, self._left = {}, {}, {}, {}

    def reset(self, connection: str) -> None:
        super().reset(connection)
        self._recent.clear()
        self._since.clear()
        self._prices.clear()
        self._left.clear()

    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_envelope, record.payload)
        if found.Event == "Heartbeat":
            return HEARTBEAT
        if found.Event in ("Subscriptions", "Unsubscriptions"):
            return SUBSCRIBED
        if found.Event == "Error":
            return Ignored("refused_subscription")
        if found.Event not in _ACTIONS and found.Event != "Trade":
            raise Rejected("unknown_message", f"event {found.Event[:60]!r}")
        kind, _, pair = found.Channel.partition("-")
        if found.Nonce is None or found.Time is None:
            raise Rejected("missing_field", "no Nonce or Time")
        if kind == "ticker" and found.Event == "Trade":
            return Decoded("ticker", [_dealt(self.read(_trade, found.Data))])
        if kind != "orderbook" or found.Event == "Trade":
            raise Rejected("unknown_message", f"{found.Event[:40]!r} of {found.Channel[:60]!r}")
        change = self.read(_change, found.Data)
        missing = self.hole(record.connection, found.Nonce, found.Channel)
        if missing is None:
            return DUPLICATE
        made: list[Event] = []
        if missing:
            made += self._broken(pair)
        told = self._order(found, change, pair, found.Nonce, found.Time * MS)
        if isinstance(told, Ignored):
            return Decoded("orderbook", made) if made else told
        return Decoded("orderbook", made + told)

    def answered(self, record: Record) -> Decoded | Ignored:
        if "CurrencyCodes" in record.address:
            self.read(_codes, record.payload)
            return INSTRUMENTS
        if "/GetAllOrders" not in record.address:
            return super().answered(record)
        book = self.read(_opening, record.payload)
        coin, currency = book.PrimaryCurrencyCode.lower(), book.SecondaryCurrencyCode.lower()
        at = reading.iso_time(book.CreatedTimestampUtc)
        self._since.setdefault(coin, {})[currency] = at
        made: list[Event] = []
        for side, orders in (("bid", book.BuyOrders), ("ask", book.SellOrders)):
            for order in orders:
                if order.Price == 0.0:
                    continue  # so small that it rounds to nothing in this currency
                self._prices.setdefault(order.Guid, {})[currency] = order.Price
                made.append(
                    events.OrderUpdate(
                        symbol=f"{coin}-{currency}", action="snapshot", order_key=order.Guid,
                        book_side="bid" if side == "bid" else "ask", price=order.Price,
                        size=order.Volume, exchange_time=at,
                    )
                )  # fmt: skip
        for told in self._recent.get(coin, ()):
            if told.at > at:
                made += self._updates(told, coin, [currency])
        return Decoded("all_orders", made)

    def _order(
        self, found: _Envelope, change: _Change, coin: str, nonce: int, at: int
    ) -> list[Event] | Ignored:
        if change.OrderType not in _SIDES:
            if change.OrderType in ("MarketBid", "MarketOffer"):
                return Ignored("unused:orders_not_resting")
            raise Rejected("wrong_type", f"OrderType {change.OrderType[:40]!r}")
        if found.Event != "OrderCanceled" and change.Volume is None:
            raise Rejected("missing_field", "no Volume")
        if found.Event == "NewOrder":
            if not change.Price:
                raise Rejected("missing_field", "no Price")
            priced = {name: price for name, price in change.Price.items() if price > 0.0}
            self._prices[change.OrderGuid] = priced
        if found.Event == "OrderCanceled":
            # a cancellation does not say what was left
            left = self._left.pop(change.OrderGuid, None)
            if change.Volume is None:
                change = msgspec.structs.replace(change, Volume=left)
        elif change.Volume:
            self._left[change.OrderGuid] = change.Volume
        else:
            self._left.pop(change.OrderGuid, None)
        told = _Told(_ACTIONS[found.Event], change, nonce, at)
        self._recent.setdefault(coin, deque(maxlen=WAITING)).append(told)
        since = self._since.get(coin)
        if since is None:
            return _WAITS
        made = self._updates(told, coin, [name for name, from_ in since.items() if at > from_])
        return made or Ignored("older_than_snapshot")

    def _updates(self, told: _Told, coin: str, currencies: list[str]) -> list[Event]:
        key = told.change.OrderGuid
        prices = self._prices.get(key, {})
        gone = told.action == "delete" or told.change.Volume == 0.0
        return [
            events.OrderUpdate(
                symbol=f"{coin}-{currency}", action="delete" if gone else told.action,
                order_key=key, book_side=_SIDES[told.change.OrderType],
                # an order is taken away by its name: its price may never have been told
                price=prices.get(currency, math.nan), size=told.change.Volume or 0.0,
                sequence=told.nonce, exchange_time=told.at,
            )
            for currency in currencies
            if told.action != "add" or currency in prices
        ]  # fmt: skip

    def _broken(self, coin: str) -> list[Event]:
        currencies = self._since.pop(coin, {})
        self._recent.pop(coin, None)
        return [
            events.BookUpdate(symbol=f"{coin}-{one}", kind="break", note="sequence_gap")
            for one in currencies
        ]


def _dealt(one: _Trade) -> Event:
    return events.Trade(
        symbol=one.Pair.lower(), price=one.Price, size=one.Volume, trade_key=one.TradeGuid,
        side=None if one.Side is None else aggressor(one.Side),
        exchange_time=_local(one.TradeDate),
    )  # fmt: skip


def _local(text: str) -> int:
    """A time with the hours of Sydney: `2022-04-04T08:10:09.2090000+10:00`."""
    zone = text[-6:]
    if len(text) > 19 and zone[0] in "+-" and zone[1:3].isdecimal() and zone[3:] == ":00":
        hours = int(zone[1:3])
        return reading.iso_time(text[:-6], hours if zone[0] == "+" else -hours)
    return reading.iso_time(text)


def instrument(symbol: str) -> Instrument:
    """`dot-nzd`: base and quote currency."""
    base, _, quote = symbol.partition("-")
    return known(
        symbol, "symbol", kind="spot", base=base, quote=quote or None, asset_class="crypto"
    )


VENUE = Venue(
    name="independent-reserve",
    title="Independent Reserve",
    hosts=("websockets.independentreserve.com", "api.independentreserve.com"),
    recorders=("INDEPENDENT_RESERVE",),
    session=_Session,
    channels={
        "orderbook": "orders of the pairs whose opening book is known",
        "all_orders": "opening books, by request",
        "ticker": "trades",
    },
    continuity=(
        Continuity(
            "orderbook", "counter", "nothing", source="Nonce goes up by one for each channel"
        ),
        Continuity("ticker", "nothing", "any loss: trades are named at random"),
    ),
    instrument=instrument,
)  # fmt: skip
