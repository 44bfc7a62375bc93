"""Crypto.com Exchange: whole books every time, or with what changed since API v1 of 2022."""

from __future__ import annotations

from typing import Any

import msgspec

from imbalance.captures import events
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.patterns import places
from imbalance.captures.patterns.pieces import NEWEST_FIRST
from imbalance.captures.records import Record
from imbalance.captures.venues.feed import (
    CANDLES,
    HEARTBEAT,
    INSTRUMENTS,
    SECOND_BOOK,
    SENT,
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
    Row,
    Signed,
    Size,
    Text,
    Whole,
    aggressor,
    names,
    sides,
)
from imbalance.captures.venues.venue import Continuity, Instrument, Venue


class _Result(Message):
    channel: str = ""
    subscription: str = ""
    instrument_name: Text | None = None
    data: msgspec.Raw = msgspec.Raw(b"[]")
    unused = names("depth interval")


class _Envelope(Message):
    method: str = ""
    code: int = 0
    result: _Result | None = None
    unused = names("id")


class _Levels(Message):
    bids: list[Row] | None = None
    asks: list[Row] | None = None


class _Book(Message):
    t: Millis | None = None
    bids: list[Row] | None = None
    asks: list[Row] | None = None
    update: _Levels | None = None
    u: Whole | None = None
    pu: Whole | None = None
    unused = names("tt cs s")


class _Trade(Message):
    d: int
    s: str
    p: Price
    q: Size
    t: Millis
    unused = names("dataTime i m tn")


class _Ticker(Message):
    t: Millis
    b: Price | None = None
    k: Price | None = None
    bs: Size | None = None
    ks: Size | None = None
    oi: Size | None = None
    unused = names("i a v h l c vv")


class _Value(Message):
    v: Signed
    t: Millis


class _Listed(msgspec.Struct):
    instrument_name: Text | None = None
    symbol: Text | None = None
    quote_currency: str = ""
    base_currency: str = ""
    price_decimals: int | None = None
    quantity_decimals: int | None = None


class _Instruments(msgspec.Struct):
    instruments: list[_Listed]


class _Listing(msgspec.Struct):
    result: _Instruments


_envelope, _books, _trades = Reader(_Envelope), Reader(list[_Book]), Reader(list[_Trade])
_tickers, _values, _listing = Reader(list[_Ticker]), Reader(list[_Value]), Reader(_Listing)


class _Session(Feed):
    _differences: bool

    def __init__(self) -> None:
        super().__init__()
        self._differences = False

    def sent(self, record: Record) -> Ignored:
        if b"SNAPSHOT_AND_UPDATE" in record.payload:
            self._differences = True
        return SENT

    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_envelope, record.payload)
        if found.method == "public/heartbeat":
            return HEARTBEAT
        if found.method not in ("subscribe", "unsubscribe"):
            raise Rejected("unknown_message", f"method {found.method[:60]!r}")
        if found.code != 0:
            return Ignored("refused_subscription")
        result = found.result
        if result is None or not result.channel:
            return SUBSCRIBED
        if result.channel == "candlestick":
            return CANDLES
        symbol = result.instrument_name
        if symbol is None:
            raise Rejected("missing_field", "no instrument_name")
        made = self._told(result, symbol)
        return made if isinstance(made, Ignored) else Decoded(result.channel, made)

    def answered(self, record: Record) -> Decoded | Ignored:
        if not record.address.partition("?")[0].endswith("/get-instruments"):
            return super().answered(record)
        for one in self.read(_listing, record.payload).result.instruments:
            symbol = one.instrument_name or one.symbol
            if symbol is not None:
                self.fact(symbol, **_listed(one))
        return INSTRUMENTS

    def _told(self, result: _Result, symbol: str) -> list[Event] | Ignored:
        if result.channel in ("book", "book.update"):
            if not self.owns(symbol, result.subscription):
                return SECOND_BOOK
            return [self._book(one, symbol) for one in self.read(_books, result.data)]
        if result.channel == "trade":
            # the last trades come newest first
            return [_dealt(one, symbol) for one in self.read(_trades, result.data)[::-1]]
        if result.channel == "ticker":
            return [e for one in self.read(_tickers, result.data) for e in _ticks(one, symbol)]
        if result.channel not in _FIELDS:
            raise Rejected("unknown_message", f"channel {result.channel[:60]!r}")
        return [
            msgspec.structs.replace(
                events.DerivativeTick(symbol=symbol, exchange_time=one.t * MS),
                **{_FIELDS[result.channel]: one.v},
            )
            for one in self.read(_values, result.data)
        ]

    def _book(self, one: _Book, symbol: str) -> Event:
        at = None if one.t is None else one.t * MS
        if one.update is not None:
            if one.u is None or one.pu is None:
                raise Rejected("missing_field", "an update without u or pu")
            return events.BookUpdate(
                symbol=symbol, kind="diff", bids=sides(one.update.bids or []),
                asks=sides(one.update.asks or []), last_id=one.u, previous_id=one.pu,
                exchange_time=at,
            )  # fmt: skip
        if one.bids is None or one.asks is None:
            raise Rejected("missing_field", "no bids or asks")
        return events.BookUpdate(
            symbol=symbol, kind="snapshot" if self._differences else "image",
            bids=sides(one.bids), asks=sides(one.asks), last_id=one.u, exchange_time=at,
        )  # fmt: skip


_FIELDS = {"mark": "mark_price", "index": "index_price", "funding": "funding_rate",
           "settlement": "settlement_price"}  # fmt: skip


def _dealt(one: _Trade, symbol: str) -> Event:
    fits = 0 <= one.d < 2**63
    return events.Trade(
        symbol=symbol, price=one.p, size=one.q, side=aggressor(one.s),
        trade_id=one.d if fits else None, trade_key=None if fits else str(one.d),
        exchange_time=one.t * MS,
    )  # fmt: skip


def _ticks(one: _Ticker, symbol: str) -> list[Event]:
    nan = float("nan")
    made: list[Event] = [
        events.Quote(
            symbol=symbol, bid_price=nan if one.b is None else one.b,
            bid_size=nan if one.bs is None else one.bs, ask_price=nan if one.k is None else one.k,
            ask_size=nan if one.ks is None else one.ks, exchange_time=one.t * MS,
        )
    ]  # fmt: skip
    if one.oi is not None:
        made.append(
            events.DerivativeTick(symbol=symbol, open_interest=one.oi, exchange_time=one.t * MS)
        )
    return made


def _listed(one: _Listed) -> dict[str, Any]:
    spot = bool(one.base_currency and one.quote_currency)
    tick, lot = (
        float(f"1e-{digits}") if digits is not None and 0 <= digits <= 18 else None
        for digits in (one.price_decimals, one.quantity_decimals)
    )
    return {
        "kind": "spot" if spot else None, "base": one.base_currency or None,
        "quote": one.quote_currency or None, "tick": tick, "lot": lot,
        "asset_class": "crypto" if spot else None,
    }  # fmt: skip


def instrument(symbol: str) -> Instrument:
    """`BTC_USDT` is spot, `BTCUSD-PERP` a perpetual."""
    base, _, quote = symbol.partition("_")
    if quote:
        return known(symbol, "symbol", kind="spot", base=base, quote=quote, asset_class="crypto")
    pair, _, kind = symbol.partition("-")
    if kind == "PERP" and pair.endswith("USD"):
        return known(
            symbol, "symbol", kind="perpetual", base=pair.removesuffix("USD"), quote="USD",
            underlying=pair, asset_class="crypto", rules={"multiplier": 1.0, "inverse": False},
        )
    return known(symbol, "symbol", asset_class="crypto")


_DATA = "result.data.0"


def _quote(bid_size: str | None, ask_size: str | None) -> places.Places:
    return places.quote(
        bid_price=f"{_DATA}.b", bid_size=bid_size, ask_price=f"{_DATA}.k", ask_size=ask_size,
        exchange=places.milliseconds(f"{_DATA}.t"),
        unused=" ".join(f"{_DATA}.{name}" for name in "avhlc"),
    )  # fmt: skip


_PRICES, _QUOTE = _quote(None, None), _quote(f"{_DATA}.bs", f"{_DATA}.ks")
_PLACES = {
    "book": (
        places.book(
            bids=f"{_DATA}.bids", asks=f"{_DATA}.asks", last_id=f"{_DATA}.u",
            exchange=places.milliseconds(f"{_DATA}.t"), level_unused="2",
            unused=f"{_DATA}.tt {_DATA}.cs {_DATA}.s",
        ),
    ),
    "book.update": (
        places.book(
            bids=f"{_DATA}.update.bids", asks=f"{_DATA}.update.asks", last_id=f"{_DATA}.u",
            previous_id=f"{_DATA}.pu", exchange=places.milliseconds(f"{_DATA}.t"),
            level_unused="2", unused=f"{_DATA}.tt {_DATA}.cs {_DATA}.s",
        ),
    ),
    "trade": (
        places.trades(
            each="result.data", price="p", size="q", side="s", trade_id="d", order=NEWEST_FIRST,
            exchange=places.milliseconds("t"), trade_unused="dataTime m tn",
        ),
    ),
    "ticker": (places.quote_and_tick(_QUOTE, interest=f"{_DATA}.oi"), _QUOTE, _PRICES),
    CANDLES.rule: (places.ignored("method code result.channel"),),
    HEARTBEAT.rule: (places.ignored("method code"),),
}  # fmt: skip

VENUE = Venue(
    name="crypto-com",
    title="Crypto.com",
    hosts=("stream.crypto.com", "api.crypto.com", "uat-stream.3ona.co"),
    recorders=("CRYPTO.COM", "CRYPTODOTCOM"),
    session=_Session,
    channels={
        "book": "book images; snapshots where the recorder asked for differences too",
        "book.update": "book differences",
        "trade": "trades",
        "ticker": "quotes, without sizes before 2022; open interest",
        "mark": "mark price", "index": "index price", "funding": "funding",
        "settlement": "settlement price",
    },
    continuity=(
        Continuity("book", "nothing", "any loss: each message is whole"),
        Continuity(
            "book.update", "chained_ids", "nothing within the subscribed depth",
            source="Crypto.com Exchange API v1, book: pu is the u before it",
        ),
        Continuity("trade", "nothing", "any loss: ids leap"),
    ),
    instrument=instrument,
    places=_PLACES,
)  # fmt: skip
