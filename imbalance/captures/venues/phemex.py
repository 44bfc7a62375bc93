"""Phemex: scaled whole numbers; contracts and spot pairs over one socket.

Prices of contracts have four decimals in what is sent, those of spot pairs eight, as do their
sizes (venue's product list: `priceScale` 4; `valueScale` 8). Sizes of contracts are contracts.
"""

from __future__ import annotations

from typing import Any

import msgspec

from imbalance.captures import events
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
    split_pair,
)
from imbalance.captures.venues.reading import Message, Reader, Text, Whole, aggressor, names
from imbalance.captures.venues.venue import Continuity, Instrument, Venue

_CONTRACT, _SPOT, _RATIO = 10_000, 100_000_000, 100_000_000


class _Sides(Message):
    asks: list[tuple[Whole, Whole]]
    bids: list[tuple[Whole, Whole]]


class _Row(msgspec.Struct, array_like=True):
    time: Whole
    side: str
    price: Whole
    size: Whole


class _Day(Message):
    symbol: Text
    indexPrice: Whole | None = None
    markPrice: Whole | None = None
    openInterest: Whole | None = None
    fundingRate: int | None = None
    unused = names("close high low open predFundingRate turnover volume turnoverEv volumeEv "
                   "openEp highEp lowEp lastEp")  # fmt: skip


class _Message(Message):
    symbol: Text | None = None
    type: str = ""
    sequence: Whole | None = None
    timestamp: Whole | None = None
    book: _Sides | None = None
    trades: list[_Row] | None = None
    kline: msgspec.Raw = msgspec.Raw()
    market24h: _Day | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    unused = names("depth id")


class _Product(msgspec.Struct):
    symbol: Text
    type: str
    quoteCurrency: str
    baseCurrency: str = ""
    contractUnderlyingAssets: str = ""
    settleCurrency: str = ""
    contractSize: float | None = None
    lotSize: float | None = None
    tickSize: float | None = None
    priceScale: int | None = None
    quoteTickSizeEv: Whole | None = None
    baseTickSizeEv: Whole | None = None


class _Products(msgspec.Struct):
    products: list[_Product]


class _Listing(msgspec.Struct):
    data: _Products


_message, _listing = Reader(_Message), Reader(_Listing)


class _Session(Feed):
    _last: dict[str, int]

    def __init__(self) -> None:
        super().__init__()
        self._last = {}

    def reset(self, connection: str) -> None:
        super().reset(connection)
        self._last.clear()

    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_message, record.payload)
        if found.book is not None:
            return self._book(found, found.book)
        if found.trades is not None:
            symbol, _ = _named(found)
            # the last trades come newest first
            return Decoded("trades", [_trade(one, symbol) for one in reversed(found.trades)])
        if bytes(found.kline):
            return CANDLES
        if found.market24h is not None:
            return Decoded("market24h", [_day(found.market24h, found.timestamp)])
        if bytes(found.result) == b'"pong"':
            return HEARTBEAT
        if bytes(found.error) not in (b"", b"null"):
            return Ignored("refused_subscription")
        if bytes(found.result):
            return SUBSCRIBED
        raise Rejected("unknown_message", "neither book, trades, market24h nor result")

    def answered(self, record: Record) -> Decoded | Ignored:
        if not record.address.endswith("/products"):
            return super().answered(record)
        for one in self.read(_listing, record.payload).data.products:
            if one.priceScale not in (None, 4):
                raise Rejected("unknown_scale", f"{one.symbol}: priceScale {one.priceScale}")
            self.fact(one.symbol, **_listed(one))
        return INSTRUMENTS

    def _book(self, found: _Message, sides: _Sides) -> Decoded | Ignored:
        symbol, sequence = _named(found)
        if found.type not in ("snapshot", "incremental"):
            raise Rejected("unknown_message", f"type {found.type[:40]!r}")
        whole = found.type == "snapshot"
        # snapshots come again and again, with the sequence of the last change
        if not whole and sequence <= self._last.get(symbol, -1):
            return DUPLICATE
        self._last[symbol] = sequence
        return Decoded("book", [
            events.BookUpdate(
                symbol=symbol, kind="snapshot" if whole else "diff",
                bids=_levels(sides.bids, symbol), asks=_levels(sides.asks, symbol),
                exchange_time=found.timestamp,
            )
        ])  # fmt: skip


def _named(found: _Message) -> tuple[str, int]:
    if found.symbol is None or found.sequence is None:
        raise Rejected("missing_field", "no symbol or sequence")
    return found.symbol, found.sequence


def _scales(symbol: str) -> tuple[int, int]:
    """By what a symbol's prices and sizes are multiplied in what is sent."""
    return (_SPOT, _SPOT) if symbol.startswith("s") else (_CONTRACT, 1)


def _levels(levels: list[tuple[int, int]], symbol: str) -> events.Levels:
    price, size = _scales(symbol)
    prices = [level[0] / price for level in levels]
    if prices and min(prices) <= 0.0:
        raise Rejected("number_out_of_range", "a price that is not positive")
    return prices, [level[1] / size for level in levels]


def _trade(one: _Row, symbol: str) -> Event:
    price, size = _scales(symbol)
    if one.price == 0:
        raise Rejected("number_out_of_range", "a price that is not positive")
    return events.Trade(
        symbol=symbol, price=one.price / price, size=one.size / size, side=aggressor(one.side),
        exchange_time=one.time,
    )  # fmt: skip


def _day(one: _Day, at: int | None) -> Event:
    price, _ = _scales(one.symbol)
    return events.DerivativeTick(
        symbol=one.symbol,
        mark_price=None if not one.markPrice else one.markPrice / price,
        index_price=None if not one.indexPrice else one.indexPrice / price,
        open_interest=None if one.openInterest is None else float(one.openInterest),
        funding_rate=None if one.fundingRate is None else one.fundingRate / _RATIO,
        exchange_time=at,
    )  # fmt: skip


def _listed(one: _Product) -> dict[str, Any]:
    spot = one.type == "Spot"
    tick = one.tickSize if one.quoteTickSizeEv is None else one.quoteTickSizeEv / _SPOT
    lot = one.lotSize if one.baseTickSizeEv is None else one.baseTickSizeEv / _SPOT
    inverse = one.contractUnderlyingAssets == one.quoteCurrency
    base = one.baseCurrency if spot else one.settleCurrency if inverse else \
        one.contractUnderlyingAssets
    return {
        "kind": "spot" if spot else "perpetual" if one.type == "Perpetual" else None,
        "base": base or None, "quote": one.quoteCurrency, "tick": tick, "lot": lot,
        "underlying": None if spot else one.symbol,
        "multiplier": None if spot else one.contractSize,
        "inverse": None if spot else inverse, "asset_class": "crypto",
    }  # fmt: skip


def instrument(symbol: str) -> Instrument:
    """`BTCUSD` is a contract, `sBTCUSDT` a spot pair."""
    spot = symbol.startswith("s")
    base, quote = split_pair(symbol.removeprefix("s"), "USDT USD")
    return known(
        symbol, "symbol", kind="spot" if spot else "perpetual", base=base, quote=quote,
        underlying=None if spot else symbol, asset_class="crypto",
    )


VENUE = Venue(
    name="phemex",
    title="Phemex",
    hosts=("phemex.com/ws", "ws.phemex.com", "api.phemex.com"),
    recorders=("PHEMEX",),
    session=_Session,
    channels={
        "book": "book: snapshots again and again, differences between",
        "trades": "trades",
        "market24h": "mark and index price, funding, open interest",
    },
    continuity=(
        Continuity(
            "book", "nothing",
            "any loss until the next snapshot: the sequence goes up by leaps",
            source="Phemex API, order book: sequence",
        ),
        Continuity("trades", "nothing", "any loss: trades have no ids"),
    ),
    instrument=instrument,
)  # fmt: skip
