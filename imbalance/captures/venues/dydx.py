"""dYdX, API v3: levels with offsets, messages numbered over the connection.

Messages do not always come in the order of their numbers, which the offset of each level makes
good: an older offset than the level's does not change it. A number that never comes is a loss.
"""

from __future__ import annotations

import msgspec

from imbalance.captures import events
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.records import Record
from imbalance.captures.venues import reading
from imbalance.captures.venues.feed import DUPLICATE, SUBSCRIBED, Feed, known
from imbalance.captures.venues.reading import (
    Level,
    Message,
    Price,
    Reader,
    Size,
    Text,
    Whole,
    aggressor,
    names,
)
from imbalance.captures.venues.venue import Continuity, Instrument, Venue

PATIENCE = 64
"""Messages after which one that was passed over counts as lost; at most 14 late were seen."""


class _Envelope(Message):
    type: str
    message_id: Whole
    channel: str = ""
    id: Text | None = None
    contents: msgspec.Raw = msgspec.Raw(b"{}")
    unused = names("connection_id version")


class _Row(Message):
    price: Price
    size: Size
    offset: Whole = 0


class _Snapshot(Message):
    bids: list[_Row]
    asks: list[_Row]


class _Update(Message):
    offset: Whole
    bids: list[Level]
    asks: list[Level]


class _Trade(Message):
    side: str
    size: Size
    price: Price
    createdAt: str
    liquidation: bool = False


class _Trades(Message):
    trades: list[_Trade]


_envelope, _snapshot, _update, _trades = (
    Reader(_Envelope), Reader(_Snapshot), Reader(_Update), Reader(_Trades),
)  # fmt: skip


class _Session(Feed):
    _offsets: dict[str, dict[tuple[str, float], int]]
    _highest: dict[str, int]
    _missing: dict[str, set[int]]

    def __init__(self) -> None:
        super().__init__()
        self._offsets, self._highest, self._missing = {}, {}, {}

    def reset(self, connection: str) -> None:
        super().reset(connection)
        self._highest.pop(connection, None)
        self._missing.pop(connection, None)
        self._offsets.clear()

    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_envelope, record.payload)
        made = self._counted(record.connection, found.message_id)
        if isinstance(made, Ignored):
            return made
        told = self._told(found)
        if isinstance(told, Ignored):
            return Decoded(found.channel or found.type, made) if made else told
        return Decoded(found.channel, made + told)

    def _counted(self, connection: str, number: int) -> list[Event] | Ignored:
        missing = self._missing.setdefault(connection, set())
        highest = self._highest.get(connection, number - 1)
        if number <= highest and number not in missing:
            return DUPLICATE
        missing.discard(number)
        # a leap of millions is a wrong number, not millions of lost messages
        if number > highest:
            missing.update(range(max(highest + 1, number - 10_000), number))
            self._highest[connection] = number
        lost = {one for one in missing if one < self._highest[connection] - PATIENCE}
        if not lost:
            return []
        missing -= lost
        return self.breaks(connection, "sequence_gap")

    def _told(self, found: _Envelope) -> list[Event] | Ignored:
        if found.type in ("connected", "unsubscribed"):
            return SUBSCRIBED
        if found.type == "error":
            return Ignored("refused_subscription")
        if found.id is None:
            raise Rejected("missing_field", "no id")
        if found.channel == "v3_trades" and found.type in ("subscribed", "channel_data"):
            # trades come newest first
            trades = self.read(_trades, found.contents).trades
            return [event for one in reversed(trades) for event in _dealt(one, found.id)]
        if found.channel == "v3_orderbook" and found.type == "subscribed":
            return [self._whole(self.read(_snapshot, found.contents), found.id)]
        if found.channel == "v3_orderbook" and found.type == "channel_data":
            return [self._changed(self.read(_update, found.contents), found.id)]
        if found.channel in ("v3_markets", "v3_accounts"):
            return Ignored(f"unused:{found.channel}")
        raise Rejected("unknown_message", f"{found.type[:40]!r} of {found.channel[:40]!r}")

    def _whole(self, book: _Snapshot, symbol: str) -> Event:
        offsets = self._offsets[symbol] = {}
        sides: list[events.Levels] = []
        for name, rows in (("bid", book.bids), ("ask", book.asks)):
            for row in rows:
                offsets[name, row.price] = row.offset
            resting = [(row.price, row.size) for row in rows if row.size > 0.0]
            sides.append(reading.sides(resting))
        return events.BookUpdate(symbol=symbol, kind="snapshot", bids=sides[0], asks=sides[1])

    def _changed(self, book: _Update, symbol: str) -> Event:
        offsets = self._offsets.setdefault(symbol, {})
        sides: list[events.Levels] = []
        for name, levels in (("bid", book.bids), ("ask", book.asks)):
            newer = [one for one in levels if book.offset > offsets.get((name, one[0]), -1)]
            for price, _ in newer:
                offsets[name, price] = book.offset
            sides.append(reading.sides(newer))
        return events.BookUpdate(symbol=symbol, kind="diff", bids=sides[0], asks=sides[1])


def _dealt(one: _Trade, symbol: str) -> list[Event]:
    side, at = aggressor(one.side), reading.iso_time(one.createdAt)
    made: list[Event] = [
        events.Trade(symbol=symbol, price=one.price, size=one.size, side=side, exchange_time=at)
    ]
    if one.liquidation:
        made.append(
            events.Liquidation(
                symbol=symbol, price=one.price, size=one.size, side=side, exchange_time=at
            )
        )
    return made


def instrument(symbol: str) -> Instrument:
    """`BTC-USD` is a perpetual with sizes in the base currency, margined in USDC."""
    base, _, quote = symbol.partition("-")
    return known(
        symbol, "symbol", kind="perpetual", base=base, quote=quote or None, underlying=symbol,
        asset_class="crypto", rules={"multiplier": 1.0, "inverse": False},
    )


VENUE = Venue(
    name="dydx",
    title="dYdX v3",
    hosts=("api.dydx.exchange", "api.stage.dydx.exchange"),
    recorders=("DYDX",),
    session=_Session,
    channels={
        "v3_orderbook": "book: snapshot, then differences; may cross for moments",
        "v3_trades": "trades, liquidations",
        "connected": "nothing but its number",
    },
    continuity=(
        Continuity(
            "all channels", "counter",
            f"which book a lost message was of; a loss is told {PATIENCE} messages late, since "
            "messages change places", until="2024-10-28",
            source="dYdX API v3: message_id counts the messages of a connection",
        ),
    ),
    instrument=instrument,
)  # fmt: skip
