"""Bitfinex: arrays by channel number, which the subscriptions' answers give their meaning.

What can be proved depends on what the recorder asked for: sequence numbers over the connection
(flag 65536), a checksum over the book (flag 131072).
"""

from __future__ import annotations

import math

import msgspec

from imbalance.captures import events
from imbalance.captures.checksums import Checked, colon, interleaved, javascript
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.records import Record
from imbalance.captures.venues.feed import (
    CANDLES,
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
    Signed,
    Whole,
    names,
)
from imbalance.captures.venues.venue import Continuity, Instrument, Venue

TIMESTAMPS, SEQUENCE = 32768, 65536


class _Control(Message):
    event: str
    channel: str = ""
    chanId: Whole | None = None
    symbol: str = ""
    key: str = ""
    prec: str = ""
    flags: Whole = 0
    unused = names("version serverId platform status freq len pair subId msg code cid ts currency")


class _Change(msgspec.Struct, array_like=True):
    price: Price
    count: Whole
    amount: Signed


class _Dealt(msgspec.Struct, array_like=True):
    identity: Whole
    time: Millis
    amount: Signed
    price: Price


_control, _parts, _number = Reader(_Control), Reader(list[msgspec.Raw]), Reader(int)
_change, _changes = Reader(_Change), Reader(list[_Change])
_dealt, _dealts = Reader(_Dealt), Reader(list[_Dealt])
_numbers = Reader(list[float | None])
_forced = Reader(list[list[float | str | None]])


class _Channel(msgspec.Struct):
    name: str
    symbol: str
    key: str
    precision: str


class _Session(Feed):
    _channels: dict[tuple[str, int], _Channel]
    _flags: dict[str, int]
    _checked: Checked

    def __init__(self) -> None:
        super().__init__()
        self._channels, self._flags = {}, {}
        self._checked = Checked(lambda book, due: interleaved(book) == due, colon)

    def reset(self, connection: str) -> None:
        super().reset(connection)
        self._channels = {k: c for k, c in self._channels.items() if k[0] != connection}
        self._flags.pop(connection, None)
        self._checked.clear()

    def received(self, record: Record) -> Decoded | Ignored:
        if record.payload[:1] != b"[":
            return self._controlled(self.read(_control, record.payload), record.connection)
        parts = self.read(_parts, record.payload)
        if len(parts) < 2:
            raise Rejected("unknown_message", f"an array of {len(parts)}")
        made: list[Event] = []
        flags = self._flags.get(record.connection, 0)
        at = _number(parts.pop()) * MS if flags & TIMESTAMPS and len(parts) > 2 else None
        if at is not None and not 0 <= at < 2**63:
            raise Rejected("number_out_of_range", f"timestamp {at}")
        if flags & SEQUENCE and len(parts) > 2:
            missing = self.hole(record.connection, _number(parts.pop()))
            if missing is None:
                return DUPLICATE
            if missing:
                made = self.breaks(record.connection, "sequence_gap")
        number = _number(parts[0])
        channel = self._channels.get((record.connection, number))
        body = bytes(parts[1])
        if body == b'"hb"':
            return Decoded("heartbeat", made) if made else HEARTBEAT
        if channel is None:
            raise Rejected("unknown_channel", f"channel {number} was not subscribed to")
        found = self._told(channel, body, parts[2:], at)
        if isinstance(found, Ignored):
            return Decoded(channel.name, made) if made else found
        return Decoded(channel.name, made + found)

    def answered(self, record: Record) -> Decoded | Ignored:
        if "/conf/pub:" not in record.address:
            return super().answered(record)
        return INSTRUMENTS

    def _controlled(self, found: _Control, connection: str) -> Ignored:
        if found.event == "subscribed" and found.chanId is not None:
            self._channels[connection, found.chanId] = _Channel(
                found.channel, found.symbol, found.key, found.prec
            )
            return SUBSCRIBED
        if found.event == "conf":
            self._flags[connection] = found.flags
            return SUBSCRIBED
        if found.event in ("info", "pong", "unsubscribed", "error"):
            return Ignored(found.event)
        raise Rejected("unknown_message", f"event {found.event[:60]!r}")

    def _told(
        self, channel: _Channel, body: bytes, rest: list[msgspec.Raw], at: int | None
    ) -> list[Event] | Ignored:
        symbol = channel.symbol
        if channel.name == "candles":
            return CANDLES
        if channel.name == "status":
            return _derivative(channel.key, body)
        if symbol.startswith("f"):
            return Ignored("unused:funding_market")
        if channel.name == "book":
            if channel.precision.startswith("R"):
                return Ignored("unused:orders")
            return self._book(symbol, body, rest, at)
        if channel.name == "trades":
            return self._trades(symbol, body, rest)
        if channel.name == "ticker":
            return _quote(symbol, self.read(_numbers, body), at)
        raise Rejected("unknown_message", f"channel {channel.name!r}")

    def _book(
        self, symbol: str, body: bytes, rest: list[msgspec.Raw], at: int | None
    ) -> list[Event]:
        if body == b'"cs"':
            if not rest:
                raise Rejected("missing_field", "no checksum")
            if self._checked.proved(symbol, [], [], _number(rest[0])):
                return []
            return [events.BookUpdate(
                symbol=symbol, kind="break", note="checksum_mismatch", exchange_time=at
            )]  # fmt: skip
        whole = body.startswith((b"[[", b"[]"))
        levels = self.read(_changes, body) if whole else [self.read(_change, body)]
        bids: tuple[list[float], list[float]] = ([], [])
        asks: tuple[list[float], list[float]] = ([], [])
        texts: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
        for one in levels:
            side = bids if one.amount > 0.0 else asks
            size = abs(one.amount) if one.count else 0.0
            side[0].append(one.price)
            side[1].append(size)
            amount = size if one.amount > 0.0 else -size
            texts[0 if one.amount > 0.0 else 1].append((javascript(one.price), javascript(amount)))
        if whole:
            self._checked.start(symbol)
        self._checked.proved(symbol, *texts, None)
        return [
            events.BookUpdate(
                symbol=symbol, kind="snapshot" if whole else "diff", bids=bids, asks=asks,
                exchange_time=at,
            )
        ]  # fmt: skip

    def _trades(self, symbol: str, body: bytes, rest: list[msgspec.Raw]) -> list[Event] | Ignored:
        if body.startswith((b"[[", b"[]")):
            # the last trades come newest first
            return [_trade(symbol, one) for one in self.read(_dealts, body)[::-1]]
        if body == b'"tu"':
            return Ignored("unused:trade_again")
        if body == b'"te"' and rest:
            return [_trade(symbol, self.read(_dealt, rest[0]))]
        raise Rejected("unknown_message", f"trades: {body[:40]!r}")


def _trade(symbol: str, one: _Dealt) -> Event:
    return events.Trade(
        symbol=symbol, price=one.price, size=abs(one.amount),
        side="buy" if one.amount > 0.0 else "sell", trade_id=one.identity,
        exchange_time=one.time * MS,
    )  # fmt: skip


def _quote(symbol: str, numbers: list[float | None], at: int | None) -> list[Event]:
    if len(numbers) < 4:
        raise Rejected("wrong_type", f"a ticker of {len(numbers)} numbers")
    bid, ask = (_price(numbers[i]) for i in (0, 2))
    # the sizes sent are sums over 25 levels, not those of the best ones
    return [
        events.Quote(
            symbol=symbol, bid_price=bid, bid_size=math.nan, ask_price=ask, ask_size=math.nan,
            exchange_time=at,
        )
    ]  # fmt: skip


def _price(number: float | None) -> float:
    if number is None or number == 0.0:
        return math.nan
    if not 0.0 < number <= 2.0**53:
        raise Rejected("number_out_of_range", f"price {number}")
    return number


def _derivative(key: str, body: bytes) -> list[Event] | Ignored:
    kind, _, symbol = key.partition(":")
    if kind == "liq":
        return [_liquidation(one) for one in _forced(body)]
    if kind != "deriv":
        return Ignored("unused:status")
    numbers = _numbers(body)
    if len(numbers) < 18:
        raise Rejected("wrong_type", f"a status of {len(numbers)} numbers")
    at, due = numbers[0], numbers[7]
    for number in numbers:
        if number is not None and not -(2.0**53) <= number <= 2.0**53:
            raise Rejected("number_out_of_range", f"{number}")
    return [
        events.DerivativeTick(
            symbol=symbol, last_price=numbers[2], index_price=numbers[3],
            funding_rate=numbers[11], mark_price=numbers[14], open_interest=numbers[17],
            next_funding_time=_time(due), exchange_time=_time(at),
        )
    ]  # fmt: skip


def _time(milliseconds: float | None) -> int | None:
    if milliseconds is None:
        return None
    if not 0.0 <= milliseconds < 9.2e12:
        raise Rejected("number_out_of_range", f"time {milliseconds}")
    return int(milliseconds) * MS


def _liquidation(one: list[float | str | None]) -> Event:
    if len(one) < 12 or one[0] != "pos":
        raise Rejected("wrong_type", f"a liquidation of {len(one)} parts")
    identity, at, symbol, amount, price = one[1], one[2], one[4], one[5], one[11] or one[6]
    if not (
        isinstance(symbol, str) and isinstance(amount, float)
        and not isinstance(identity, str) and isinstance(price, float)
        and isinstance(at, float) and 0.0 < price <= 2.0**53 and abs(amount) <= 2.0**53
    ):  # fmt: skip
        raise Rejected("wrong_type", f"a liquidation of {str(one)[:80]}")
    return events.Liquidation(
        symbol=symbol, price=price, size=abs(amount), side="sell" if amount > 0.0 else "buy",
        liquidation_key=None if identity is None else f"{identity:.0f}", exchange_time=_time(at),
    )  # fmt: skip


def instrument(symbol: str) -> Instrument:
    """`tBTCUSD`, or `tTESTBTC:TESTUSD` where a name is longer; `F0` marks derivatives."""
    pair = symbol.removeprefix("t")
    if not symbol.startswith("t"):
        return known(symbol, "symbol", asset_class="crypto")
    base, _, quote = pair.partition(":") if ":" in pair else (pair[:-3], "", pair[-3:])
    future = base.endswith("F0")
    return known(
        symbol, "symbol", kind="perpetual" if future else "spot", base=base.removesuffix("F0"),
        quote=quote.removesuffix("F0"), underlying=pair if future else None,
        asset_class="crypto",
        rules={"multiplier": 1.0, "inverse": False} if future else None,
    )  # fmt: skip


VENUE = Venue(
    name="bitfinex",
    title="Bitfinex",
    hosts=("api.bitfinex.com", "api-pub.bitfinex.com"),
    recorders=("BITFINEX",),
    session=_Session,
    channels={
        "book": "book: snapshot, then differences, one level each",
        "trades": "trades",
        "ticker": "quotes without sizes",
        "status": "mark and index price, funding, open interest, liquidations",
        "heartbeat": "nothing but its number in the sequence",
    },
    continuity=(
        Continuity(
            "all channels", "counter",
            "anything, unless the recorder asked for sequence numbers; which book a lost "
            "message was of", source="docs.bitfinex.com, configuration flag 65536 (SEQ_ALL)",
        ),
        Continuity(
            "book", "checksum",
            "anything, unless the recorder asked for checksums; a loss below the 25th level",
            source="docs.bitfinex.com, configuration flag 131072 (OB_CHECKSUM)",
        ),
    ),
    instrument=instrument,
)  # fmt: skip
