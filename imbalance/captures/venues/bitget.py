"""Bitget: API v1 and v2 of spot and futures, and what the unified account's feed adds to them.

Spot and futures share symbols, told apart by the type of instrument in every message.
"""

from __future__ import annotations

import math

import msgspec

from imbalance.captures import events
from imbalance.captures.checksums import Checked, TextBook, big_decimal, colon, interleaved
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.patterns import places
from imbalance.captures.records import Record
from imbalance.captures.venues.feed import (
    CANDLES,
    HEARTBEAT,
    INSTRUMENTS,
    SECOND_BOOK,
    SUBSCRIBED,
    Feed,
    known,
    split_pair,
)
from imbalance.captures.venues.reading import (
    MS,
    Message,
    Millis,
    Price,
    Reader,
    Row,
    Size,
    Text,
    Whole,
    aggressor,
    empty_or,
    empty_or_nan,
    names,
    sides,
)
from imbalance.captures.venues.venue import Continuity, Instrument, Venue

FUTURES = "bitget-futures"
_SPOT_TYPES = frozenset({"sp", "spot", "spbl"})
_BOOKS = frozenset({"books", "books1", "books5", "books15", "books50"})


class _Argument(Message):
    instType: str
    channel: str | None = None
    topic: str | None = None
    instId: Text | None = None
    symbol: Text | None = None


class _Envelope(Message):
    arg: _Argument | None = None
    action: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")
    event: str | None = None
    unused = names("ts code msg op")


class _Book(Message):
    asks: list[tuple[str, str]] | None = None
    bids: list[tuple[str, str]] | None = None
    a: list[tuple[str, str]] | None = None
    b: list[tuple[str, str]] | None = None
    ts: Millis | None = None
    checksum: int | None = None
    seq: Whole | None = None
    pseq: Whole | None = None


class _Numbers(msgspec.Struct):
    asks: list[Row] | None = None
    bids: list[Row] | None = None
    a: list[Row] | None = None
    b: list[Row] | None = None


class _Listed4(msgspec.Struct, array_like=True):
    ts: Millis
    price: Price
    size: Size
    side: str


class _Trade(Message):
    ts: Millis | None = None
    price: Price | None = None
    size: Size | None = None
    side: str | None = None
    tradeId: Text | None = None


class _Ticker(Message):
    instId: Text | None = None
    bestBid: str = ""
    bestAsk: str = ""
    bidSz: str = ""
    askSz: str = ""
    bidPr: str = ""
    askPr: str = ""
    markPrice: str = ""
    indexPrice: str = ""
    capitalRate: str = ""
    fundingRate: str = ""
    nextSettleTime: Millis | None = None
    nextFundingTime: Millis | None = None
    holding: str = ""
    holdingAmount: str = ""
    ts: Millis | None = None
    systemTime: Millis | None = None
    unused = names(
        "last lastPr open24h openUtc high24h low24h baseVolume quoteVolume labeId change24h "
        "priceChangePercent chgUTC symbolType symbol deliveryPrice changeUtc24h openUtc0 symbolId"
    )


class _Pair(msgspec.Struct):
    symbolName: Text
    baseCoin: str
    quoteCoin: str
    priceScale: int
    quantityScale: int


class _Pairs(msgspec.Struct):
    data: list[_Pair]


class _Contract(msgspec.Struct):
    symbol: Text
    baseCoin: str
    quoteCoin: str
    pricePlace: int
    priceEndStep: int
    volumePlace: int


class _Contracts(msgspec.Struct):
    data: list[_Contract]


_envelope, _books, _numbers = Reader(_Envelope), Reader(list[_Book]), Reader(list[_Numbers])
_rows, _trades = Reader(list[_Listed4]), Reader(list[_Trade])
_tickers, _pairs, _contracts = Reader(list[_Ticker]), Reader(_Pairs), Reader(_Contracts)


def _agrees(book: TextBook, due: int) -> bool:
    # numbers below 1e-6 are hashed as sent, or as the venue's language writes them
    return interleaved(book) == due or interleaved(book, big_decimal) == due


class _Session(Feed):
    _checked: Checked

    def __init__(self) -> None:
        super().__init__()
        self._checked = Checked(_agrees, colon)

    def reset(self, connection: str) -> None:
        super().reset(connection)
        self._checked.clear()

    def received(self, record: Record) -> Decoded | Ignored:
        if record.payload == b"pong":
            return HEARTBEAT
        found = self.read(_envelope, record.payload)
        if found.event is not None:
            return SUBSCRIBED if found.event != "error" else Ignored("refused_subscription")
        if found.arg is None:
            raise Rejected("missing_field", "no arg")
        channel = found.arg.channel or found.arg.topic or ""
        symbol = found.arg.instId or found.arg.symbol
        if symbol is None:
            raise Rejected("missing_field", "neither instId nor symbol")
        market = None if found.arg.instType.lower() in _SPOT_TYPES else FUTURES
        if channel.startswith(("candle", "kline")):
            return CANDLES
        if channel in _BOOKS:
            if not self.owns(f"{market}:{symbol}", channel):
                return SECOND_BOOK
            made: list[Event] = []
            books = self.read(_books, found.data)
            for book, rows in zip(books, _numbers(found.data), strict=True):
                made += self._book(book, rows, found.action, channel, symbol, market)
            return Decoded(channel, made)
        if channel in ("trade", "publicTrade"):
            return Decoded("trade", self._trades(found.data, symbol, market))
        if channel == "ticker":
            return Decoded("ticker", [
                event for one in self.read(_tickers, found.data)
                for event in _ticks(one, symbol, market)
            ])  # fmt: skip
        raise Rejected("unknown_message", f"channel {channel[:60]!r}")

    def answered(self, record: Record) -> Decoded | Ignored:
        path = record.address.partition("?")[0]
        if path.endswith("/public/products"):
            for pair in self.read(_pairs, record.payload).data:
                self.fact(
                    pair.symbolName, kind="spot", base=pair.baseCoin, quote=pair.quoteCoin,
                    tick=_unit(pair.priceScale), lot=_unit(pair.quantityScale),
                    asset_class="crypto",
                )  # fmt: skip
            return INSTRUMENTS
        if path.endswith("/market/contracts"):
            for contract in self.read(_contracts, record.payload).data:
                self._contract(contract)
            return INSTRUMENTS
        return super().answered(record)

    def _contract(self, one: _Contract) -> None:
        symbol, _, kind = one.symbol.partition("_")
        if "_" in kind:
            return  # a future with a date, whose name in market data is not in the list
        unit = _unit(one.pricePlace)
        self.fact(
            symbol, venue=FUTURES, kind="perpetual", base=one.baseCoin, quote=one.quoteCoin,
            underlying=symbol, tick=None if unit is None else unit * one.priceEndStep,
            lot=_unit(one.volumePlace), inverse=kind == "DMCBL", asset_class="crypto",
            multiplier=None if kind == "DMCBL" else 1.0,
        )  # fmt: skip

    def _book(
        self, one: _Book, rows: _Numbers, action: str, channel: str, symbol: str,
        market: str | None,
    ) -> list[Event]:  # fmt: skip
        bids = one.bids if one.bids is not None else one.b
        asks = one.asks if one.asks is not None else one.a
        if bids is None or asks is None:
            raise Rejected("missing_field", "no bids or asks")
        if channel != "books":
            kind: events.BookKind = "image"
        elif action in ("snapshot", "update"):
            kind = "snapshot" if action == "snapshot" else "diff"
        else:
            raise Rejected("unknown_message", f"action {action[:40]!r}")
        at = None if one.ts is None else one.ts * MS
        update = events.BookUpdate(
            symbol=symbol, venue=market, kind=kind, bids=_sides(rows.bids, rows.b),
            asks=_sides(rows.asks, rows.a), last_id=one.seq,
            previous_id=one.pseq if kind == "diff" and one.seq is not None else None,
            exchange_time=at,
        )  # fmt: skip
        key = (market, symbol)
        if kind == "image":
            return [update]
        if kind == "snapshot":
            self._checked.start(key)
        # a missing or zero one says nothing
        if self._checked.proved(key, bids, asks, one.checksum or None):
            return [update]
        return [update, events.BookUpdate(
            symbol=symbol, venue=market, kind="break", note="checksum_mismatch", exchange_time=at
        )]  # fmt: skip

    def _trades(self, data: msgspec.Raw, symbol: str, market: str | None) -> list[Event]:
        # the last trades come newest first
        if bytes(data).startswith(b"[["):
            return [
                _trade(symbol, market, row.price, row.size, row.side, row.ts, None)
                for row in self.read(_rows, data)[::-1]
            ]
        made: list[Event] = []
        for one in self.read(_trades, data)[::-1]:
            if one.price is None or one.size is None or one.side is None or one.ts is None:
                raise Rejected("missing_field", "a trade without price, size, side or ts")
            made.append(
                _trade(symbol, market, one.price, one.size, one.side, one.ts, one.tradeId)
            )
        return made


def _sides(rows: list[Row] | None, others: list[Row] | None) -> events.Levels:
    return sides(rows if rows is not None else others or [])


def _trade(
    symbol: str, market: str | None, price: float, size: float, side: str, at: int,
    key: str | None,
) -> Event:  # fmt: skip
    return events.Trade(
        symbol=symbol, venue=market, price=price, size=size, side=aggressor(side), trade_key=key,
        exchange_time=at * MS,
    )  # fmt: skip


def _ticks(one: _Ticker, symbol: str, market: str | None) -> list[Event]:
    told = one.ts if one.ts is not None else one.systemTime
    at = None if told is None else told * MS
    made: list[Event] = [
        events.Quote(
            symbol=symbol, venue=market, bid_price=empty_or_nan(one.bidPr or one.bestBid),
            bid_size=empty_or_nan(one.bidSz) if one.bidSz else math.nan,
            ask_price=empty_or_nan(one.askPr or one.bestAsk),
            ask_size=empty_or_nan(one.askSz) if one.askSz else math.nan, exchange_time=at,
        )
    ]  # fmt: skip
    if one.markPrice:
        due = one.nextFundingTime if one.nextFundingTime is not None else one.nextSettleTime
        made.append(
            events.DerivativeTick(
                symbol=symbol, venue=market, mark_price=empty_or(one.markPrice),
                index_price=empty_or(one.indexPrice),
                funding_rate=empty_or(one.fundingRate or one.capitalRate),
                next_funding_time=None if due is None else due * MS,
                open_interest=empty_or(one.holdingAmount or one.holding), exchange_time=at,
            )
        )  # fmt: skip
    return made


def _unit(decimals: int) -> float | None:
    return float(f"1e-{decimals}") if 0 <= decimals <= 18 else None


def _instrument(symbol: str, kind: str) -> Instrument:
    base, quote = split_pair(symbol, "USDT USDC PERP USD BTC ETH EUR BRL BGB")
    future = kind == "perpetual"
    return known(
        symbol, "symbol", kind=kind, base=base, quote="USDC" if quote == "PERP" else quote,
        underlying=symbol if future else None, asset_class="crypto",
        inverse=quote == "USD" if future and quote else None,
        rules={"multiplier": 1.0} if future and quote not in (None, "USD") else None,
    )


def instrument(symbol: str) -> Instrument:
    """`BTCUSDT` of the spot market."""
    return _instrument(symbol, "spot")


def contract(symbol: str) -> Instrument:
    """`BTCUSDT`, `BTCPERP` and `BTCUSD`, which is inverse, of the futures market."""
    return _instrument(symbol, "perpetual")


_CHANNELS = {
    "books": "book: snapshot, then differences",
    "books1": "book images of the best level",
    "books5": "book images of 5 levels",
    "books15": "book images of 15 levels",
    "books50": "book images of 50 levels",
    "trade": "trades",
    "ticker": "quotes, of v1 without sizes and with rounded prices; for futures mark and index "
              "price, funding, open interest",
}  # fmt: skip
_PROOFS = (
    Continuity(
        "books", "checksum",
        "a loss below the 25th level, until it moves up; messages without a checksum",
        source="Bitget API v1 and v2, depth channel; missing in newer feeds since 2026-06",
    ),
    Continuity(
        "books, with seq and pseq", "chained_ids", "nothing", source="Bitget unified account feed"
    ),
    Continuity("books1, books5, books15, books50", "nothing", "any loss: each message is whole"),
    Continuity("trade", "nothing", "any loss: v1 sends no ids"),
)
_HOSTS = ("ws.bitget.com", "api.bitget.com", "vip-ws-public-ga.bitget.com")

_PLACES = {
    "trade": (
        places.trades(
            price="data.0.1", size="data.0.2", side="data.0.3",
            exchange=places.milliseconds("data.0.0"), unused="ts",
        ),
        places.trades(
            price="data.0.price", size="data.0.size", side="data.0.side",
            trade_key="data.0.tradeId", exchange=places.milliseconds("data.0.ts"), unused="ts",
        ),
    ),
    CANDLES.rule: (
        places.ignored("arg.instType arg.channel arg.topic arg.instId arg.symbol action event"),
    ),
} | {
    channel: tuple(
        places.book(
            bids=f"data.0.{bids}", asks=f"data.0.{asks}", last_id="data.0.seq",
            exchange=places.milliseconds("data.0.ts"), unused="ts",
        )
        for bids, asks in (("bids", "asks"), ("b", "a"))
    )
    for channel in _BOOKS - {"books"}
}  # fmt: skip

VENUES = {
    "bitget": Venue(
        "bitget", "Bitget", _HOSTS, ("BITGET",), _Session, _CHANNELS, _PROOFS, instrument, _PLACES
    ),
    FUTURES: Venue(
        FUTURES, "Bitget futures", ("ws.bitget.com/mix",), (), _Session, _CHANNELS, _PROOFS,
        contract, _PLACES,
    ),
}
