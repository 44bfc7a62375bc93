"""Kraken spot: WebSocket API v1 (pairs in arrays) and v2 (objects).

Books carry no number: a checksum over the ten best levels a side is all there is to prove them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from imbalance.captures import events
from imbalance.captures.checksums import Checked, TextLevel, digits, kraken
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.patterns import places
from imbalance.captures.records import Record
from imbalance.captures.venues import reading
from imbalance.captures.venues.feed import CANDLES, HEARTBEAT, INSTRUMENTS, SUBSCRIBED, Feed, known
from imbalance.captures.venues.reading import (
    SECOND,
    Message,
    Price,
    Reader,
    Size,
    Text,
    Whole,
    aggressor,
    names,
)
from imbalance.captures.venues.venue import IN_ALL, Continuity, Instrument, Venue


class _Object(Message):
    event: str | None = None
    channel: str | None = None
    type: str | None = None
    method: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"[]")
    success: bool = True
    status: str = ""
    unused = names(
        "connectionID version channelID channelName pair subscription errorMessage reqid req_id "
        "result time_in time_out error symbol"
    )


class _Text(msgspec.Struct, array_like=True):
    """A level: price, size, time, and `r` where it is sent again."""

    price: str
    size: str
    time: str


class _Changes(Message):
    a: list[_Text] | None = None
    b: list[_Text] | None = None
    bids: list[_Text] | None = msgspec.field(name="bs", default=None)
    asks: list[_Text] | None = msgspec.field(name="as", default=None)
    c: int | None = None


class _Row(msgspec.Struct, array_like=True):
    price: Price
    size: Size


class _Numbers(msgspec.Struct):
    a: list[_Row] | None = None
    b: list[_Row] | None = None
    bids: list[_Row] | None = msgspec.field(name="bs", default=None)
    asks: list[_Row] | None = msgspec.field(name="as", default=None)


class _Quoted(Message):
    a: tuple[Price, float, Size]
    b: tuple[Price, float, Size]
    unused = names("c v p t l h o")


class _Level(Message):
    price: Price
    qty: Size


class _Book(Message):
    symbol: Text
    bids: list[_Level]
    asks: list[_Level]
    checksum: int | None = None
    timestamp: str | None = None


class _Trade(Message):
    symbol: Text
    side: str
    price: Price
    qty: Size
    trade_id: Whole
    timestamp: str
    unused = frozenset({"ord_type"})


class _Ticker(Message):
    symbol: Text
    bid: Price
    bid_qty: Size
    ask: Price
    ask_qty: Size
    timestamp: str | None = None
    unused = names("last volume vwap low high change change_pct volume_usd trades")


class _Pair(msgspec.Struct):
    symbol: Text
    base: str
    quote: str
    price_precision: int
    qty_precision: int
    price_increment: float | None = None
    qty_increment: float | None = None


class _Pairs(msgspec.Struct):
    pairs: list[_Pair] = []


class _Listed(msgspec.Struct):
    base: str
    quote: str
    pair_decimals: int
    lot_decimals: int
    wsname: str = ""
    tick_size: str = ""


class _Listing(msgspec.Struct):
    result: dict[str, _Listed]


_object, _parts, _changes = Reader(_Object), Reader(list[msgspec.Raw]), Reader(_Changes)
_numbers = Reader(_Numbers)
_trades, _quoted, _text = Reader(list[list[str]]), Reader(_Quoted), Reader(str)
_spread = Reader(tuple[Price, Price, str, Size, Size])
_books, _new_trades, _tickers = Reader(list[_Book]), Reader(list[_Trade]), Reader(list[_Ticker])
_pairs, _listing = Reader(_Pairs), Reader(_Listing)


class _Session(Feed):
    _checked: Checked
    _precision: dict[str, tuple[int, int]]
    _depth: dict[str, int]

    def __init__(self) -> None:
        super().__init__()
        self._checked = Checked(lambda book, due: kraken(book) == due, digits)
        self._precision, self._depth = {}, {}

    def reset(self, connection: str) -> None:
        super().reset(connection)
        self._checked.clear()

    def received(self, record: Record) -> Decoded | Ignored:
        if record.payload[:1] == b"[":
            return self._array(record.payload)
        found = self.read(_object, record.payload)
        if found.event is not None:
            return _control(found)
        if found.method is not None:
            return SUBSCRIBED if found.success else Ignored("refused_subscription")
        if found.channel == "heartbeat":
            return HEARTBEAT
        if found.channel == "status":
            return Ignored("status")
        if found.channel == "ohlc":
            return CANDLES
        if found.channel == "instrument":
            for pair in self.read(_pairs, found.data).pairs:
                self._precision[pair.symbol] = (pair.price_precision, pair.qty_precision)
                self.fact(
                    pair.symbol, kind="spot", base=pair.base, quote=pair.quote,
                    tick=pair.price_increment, lot=pair.qty_increment, asset_class="crypto",
                )  # fmt: skip
            return INSTRUMENTS
        if found.channel == "book":
            return Decoded("book", [e for b in self.read(_books, found.data) for e in
                                    self._new_book(b, found.type == "snapshot")])  # fmt: skip
        if found.channel == "trade":
            return Decoded("trade", [_new_trade(t) for t in self.read(_new_trades, found.data)])
        if found.channel == "ticker":
            return Decoded("ticker", [_new_quote(t) for t in self.read(_tickers, found.data)])
        raise Rejected("unknown_message", f"channel {found.channel!r}")

    def answered(self, record: Record) -> Decoded | Ignored:
        if not record.address.partition("?")[0].endswith("/AssetPairs"):
            return super().answered(record)
        for one in self.read(_listing, record.payload).result.values():
            base, _, quote = one.wsname.partition("/")
            if quote and 0 <= one.pair_decimals <= 12 and 0 <= one.lot_decimals <= 12:
                self.fact(
                    one.wsname, kind="spot", base=base, quote=quote, asset_class="crypto",
                    tick=float(f"1e-{one.pair_decimals}"), lot=float(f"1e-{one.lot_decimals}"),
                )  # fmt: skip
        return INSTRUMENTS

    def _array(self, payload: bytes) -> Decoded | Ignored:
        parts = self.read(_parts, payload)
        if len(parts) < 4:
            raise Rejected("unknown_message", f"an array of {len(parts)}")
        channel, symbol = _text(parts[-2]), _text(parts[-1])
        name, _, depth = channel.partition("-")
        if name == "book":
            return Decoded("book", self._book(parts[1:-2], symbol, depth))
        if name == "trade":
            return Decoded("trade", [_trade(t, symbol) for t in self.read(_trades, parts[1])])
        if name == "ticker":
            one = self.read(_quoted, parts[1])
            return Decoded("ticker", [
                events.Quote(
                    symbol=symbol, bid_price=one.b[0], bid_size=one.b[2], ask_price=one.a[0],
                    ask_size=one.a[2],
                )
            ])  # fmt: skip
        if name == "spread":
            bid, ask, at, bid_size, ask_size = self.read(_spread, parts[1])
            return Decoded("spread", [
                events.Quote(
                    symbol=symbol, bid_price=bid, bid_size=bid_size, ask_price=ask,
                    ask_size=ask_size, exchange_time=reading.point_time(at, SECOND),
                )
            ])  # fmt: skip
        if name == "ohlc":
            return CANDLES
        raise Rejected("unknown_message", f"channel {channel!r}")

    def _book(self, parts: list[msgspec.Raw], symbol: str, depth: str) -> list[Event]:
        texts: tuple[list[TextLevel], list[TextLevel]] = ([], [])
        rows: tuple[list[_Row], list[_Row]] = ([], [])
        latest, due, whole = "", None, False
        for part in parts:
            one, numbers = self.read(_changes, part), _numbers(part)
            whole = whole or one.bids is not None or one.asks is not None
            for side, levels in zip(texts, (one.b or one.bids, one.a or one.asks), strict=True):
                if levels:
                    side += [(level.price, level.size) for level in levels]
                    # all have the same digits before the point until 2286
                    latest = max(latest, *[level.time for level in levels])
            rows[0].extend(numbers.b or numbers.bids or [])
            rows[1].extend(numbers.a or numbers.asks or [])
            due = one.c if one.c is not None else due
        bids, asks = (([row.price for row in side], [row.size for row in side]) for side in rows)
        update = events.BookUpdate(
            symbol=symbol, kind="snapshot" if whole else "diff", bids=bids, asks=asks,
            exchange_time=reading.point_time(latest, SECOND) if latest else None,
        )  # fmt: skip
        if whole:
            self._checked.start(symbol, int(depth) if depth.isdecimal() else 10)
        return self._verified(update, texts[0], texts[1], due)

    def _verified(
        self, update: events.BookUpdate, bids: list[TextLevel], asks: list[TextLevel],
        due: int | None,
    ) -> list[Event]:  # fmt: skip
        if self._checked.proved(update.symbol, bids, asks, due):
            return [update]
        return [update, events.BookUpdate(
            symbol=update.symbol, kind="break", note="checksum_mismatch",
            exchange_time=update.exchange_time,
        )]  # fmt: skip

    def _new_book(self, one: _Book, whole: bool) -> list[Event]:
        bids = [(level.price, level.qty) for level in one.bids]
        asks = [(level.price, level.qty) for level in one.asks]
        update = events.BookUpdate(
            symbol=one.symbol, kind="snapshot" if whole else "diff", bids=reading.sides(bids),
            asks=reading.sides(asks),
            exchange_time=None if one.timestamp is None else reading.iso_time(one.timestamp),
        )  # fmt: skip
        precision = self._precision.get(one.symbol)
        if precision is None:
            return [update]  # numbers without their precision are not the text that was hashed
        if whole:
            self._checked.start(one.symbol, self._depth.get(one.symbol, 10))
        price, size = precision
        texts: list[list[TextLevel]] = [
            [(f"{level.price:.{price}f}", f"{level.qty:.{size}f}") for level in side]
            for side in (one.bids, one.asks)
        ]
        return self._verified(update, texts[0], texts[1], one.checksum)

    def sent(self, record: Record) -> Ignored:
        try:
            asked = _subscribe(record.payload)
        except Rejected:
            return super().sent(record)
        for symbol in asked.params.symbol:
            self._depth[symbol] = asked.params.depth
        return super().sent(record)


class _Params(msgspec.Struct):
    channel: str
    symbol: list[str]
    depth: int = 10


class _Subscribe(msgspec.Struct):
    params: _Params


_subscribe = Reader(_Subscribe)


def _control(found: _Object) -> Ignored:
    if found.event == "heartbeat":
        return HEARTBEAT
    if found.event == "systemStatus":
        return Ignored("status")
    if found.event == "subscriptionStatus":
        return SUBSCRIBED if found.status != "error" else Ignored("refused_subscription")
    if found.event == "pong":
        return HEARTBEAT
    raise Rejected("unknown_message", f"event {str(found.event)[:60]!r}")


def _trade(one: list[Any], symbol: str) -> Event:
    if len(one) < 4:
        raise Rejected("wrong_type", f"a trade of {len(one)} parts")
    price = reading.decimal(one[0])
    if price <= 0.0:
        raise Rejected("number_out_of_range", f"price {one[0]!r} is not positive")
    return events.Trade(
        symbol=symbol, price=price, size=reading.decimal(one[1]), side=aggressor(one[3]),
        exchange_time=reading.point_time(one[2], SECOND),
    )  # fmt: skip


def _new_trade(one: _Trade) -> Event:
    return events.Trade(
        symbol=one.symbol, price=one.price, size=one.qty, side=aggressor(one.side),
        trade_id=one.trade_id, exchange_time=reading.iso_time(one.timestamp),
    )  # fmt: skip


def _new_quote(one: _Ticker) -> Event:
    return events.Quote(
        symbol=one.symbol, bid_price=one.bid, bid_size=one.bid_qty, ask_price=one.ask,
        ask_size=one.ask_qty,
        exchange_time=None if one.timestamp is None else reading.iso_time(one.timestamp),
    )  # fmt: skip


def instrument(symbol: str) -> Instrument:
    """`XBT/CHF`: base and quote as the venue calls them."""
    base, _, quote = symbol.partition("/")
    return known(
        symbol, "symbol", kind="spot", base=base, quote=quote or None, asset_class="crypto"
    )


_PLACES = {
    "trade": (
        places.trades(
            each="1", price="0", size="1", side="3", exchange=places.point_seconds("2"),
            trade_unused="4 5",
        ),
        places.trades(
            each="data", price="price", size="qty", side="side", trade_id="trade_id",
            exchange=places.iso_time("timestamp"), trade_unused="ord_type",
        ),
    ),
    CANDLES.rule: (places.ignored(within="0 1 data timestamp"),),
    HEARTBEAT.rule: (places.ignored("event channel type method success status"),),
}  # fmt: skip

_BOOKS = "docs.kraken.com, book checksum v1 and v2"

VENUE = Venue(
    name="kraken",
    title="Kraken",
    hosts=("ws.kraken.com", "ws-auth.kraken.com", "api.kraken.com"),
    recorders=("KRAKEN",),
    session=_Session,
    channels={
        "book": "book: snapshot, then differences, of v1 and v2",
        "trade": "trades",
        "ticker": "quotes, of v1 without a time",
        "spread": "quotes (v1)",
    },
    continuity=(
        Continuity(
            "book", "checksum", "a loss below the tenth level, until it moves up", source=_BOOKS
        ),
        Continuity("trade", "nothing", "any loss in v1, where trades have no id"),
        Continuity("trade (v2)", "counter", "nothing: trade_id goes up by one for each pair"),
    ),
    instrument=instrument,
    places=_PLACES,
    trades_counted=IN_ALL,
)  # fmt: skip
