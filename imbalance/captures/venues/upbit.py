"""Upbit: whole books of 15 levels and trades, with short names of fields or long ones."""

from __future__ import annotations

import msgspec

from imbalance.captures import events
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.records import Record
from imbalance.captures.venues import reading
from imbalance.captures.venues.feed import HEARTBEAT, INSTRUMENTS, Feed, known
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


class _Type(Message):
    ty: str | None = None
    type: str | None = None
    status: str | None = None
    unused = names(
        "cd tms td ttm ttms tp tv ab pcp c cp sid st tas tbs obu code timestamp trade_date "
        "trade_time trade_timestamp trade_price trade_volume ask_bid prev_closing_price change "
        "change_price sequential_id stream_type total_ask_size total_bid_size orderbook_units "
        "level lv best_ask_price best_ask_size best_bid_price best_bid_size bap bas bbp bbs error"
    )


class _ShortUnit(Message):
    ap: Size
    bp: Size
    ask_size: Size = msgspec.field(name="as")
    bs: Size


class _LongUnit(Message):
    ask_price: Size
    bid_price: Size
    ask_size: Size
    bid_size: Size


class _ShortTrade(Message):
    cd: Text
    tms: Millis
    ttms: Millis
    tp: Price
    tv: Size
    ab: str
    sid: Whole
    unused = names("ty td ttm pcp c cp st bap bas bbp bbs")


class _LongTrade(Message):
    code: Text
    timestamp: Millis
    trade_timestamp: Millis
    trade_price: Price
    trade_volume: Size
    ask_bid: str
    sequential_id: Whole
    unused = names(
        "type trade_date trade_time prev_closing_price change change_price stream_type "
        "best_ask_price best_ask_size best_bid_price best_bid_size"
    )


class _ShortBook(Message):
    cd: Text
    tms: Millis
    obu: list[_ShortUnit]
    unused = names("ty tas tbs st lv")


class _LongBook(Message):
    code: Text
    timestamp: Millis
    orderbook_units: list[_LongUnit]
    unused = names("type total_ask_size total_bid_size stream_type level")


class _Listed(Message):
    market: Text
    unused = names("korean_name english_name market_warning market_event")


_type, _long_trade, _short_trade = Reader(_Type), Reader(_LongTrade), Reader(_ShortTrade)
_long_book, _short_book, _listing = Reader(_LongBook), Reader(_ShortBook), Reader(list[_Listed])


class _Session(Feed):
    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_type, record.payload)
        short = found.ty is not None
        kind = found.ty if found.ty is not None else found.type
        if kind is None:
            if found.status is not None:
                return HEARTBEAT
            raise Rejected("unknown_message", "neither ty nor type")
        if kind == "trade":
            return Decoded(kind, [self._trade(record.payload, short=short)])
        if kind == "orderbook":
            if short:
                book = self.read(_short_book, record.payload)
                rows = [(one.bp, one.bs, one.ap, one.ask_size) for one in book.obu]
                return Decoded(kind, [_image(book.cd, book.tms, rows)])
            whole = self.read(_long_book, record.payload)
            rows = [
                (one.bid_price, one.bid_size, one.ask_price, one.ask_size)
                for one in whole.orderbook_units
            ]
            return Decoded(kind, [_image(whole.code, whole.timestamp, rows)])
        if kind == "ticker" or kind.startswith("candle"):
            return Ignored(f"unused:{kind[:20]}")
        raise Rejected("unknown_message", f"type {kind[:60]!r}")

    def answered(self, record: Record) -> Decoded | Ignored:
        if not record.address.partition("?")[0].endswith("/market/all"):
            return super().answered(record)
        for one in self.read(_listing, record.payload):
            quote, _, base = one.market.partition("-")
            self.fact(one.market, kind="spot", base=base, quote=quote, asset_class="crypto")
        return INSTRUMENTS

    def _trade(self, payload: bytes, *, short: bool) -> Event:
        if short:
            one = self.read(_short_trade, payload)
            return events.Trade(
                symbol=one.cd, price=one.tp, size=one.tv, side=aggressor(one.ab),
                trade_id=one.sid, exchange_time=one.tms * MS, transaction_time=one.ttms * MS,
            )
        told = self.read(_long_trade, payload)
        return events.Trade(
            symbol=told.code, price=told.trade_price, size=told.trade_volume,
            side=aggressor(told.ask_bid), trade_id=told.sequential_id,
            exchange_time=told.timestamp * MS, transaction_time=told.trade_timestamp * MS,
        )


def _image(symbol: str, at: int, rows: list[tuple[float, float, float, float]]) -> Event:
    # a side with fewer levels is filled up with zeros
    bids = [(row[0], row[1]) for row in rows if row[0] > 0.0]
    asks = [(row[2], row[3]) for row in rows if row[2] > 0.0]
    return events.BookUpdate(
        symbol=symbol, kind="image", exchange_time=at * MS, bids=reading.sides(bids),
        asks=reading.sides(asks),
    )


def instrument(symbol: str) -> Instrument:
    """`KRW-BTC`: the quote currency stands first."""
    quote, _, base = symbol.partition("-")
    return known(
        symbol, "symbol", kind="spot", base=base or None, quote=quote, asset_class="crypto"
    )


VENUE = Venue(
    name="upbit",
    title="Upbit",
    hosts=("api.upbit.com",),
    recorders=("UPBIT",),
    session=_Session,
    channels={"trade": "trades", "orderbook": "book images of 15 levels"},
    continuity=(
        Continuity("orderbook", "nothing", "any loss: each message is whole"),
        Continuity("trade", "nothing", "any loss: ids leap", source="Upbit API: sequential_id"),
    ),
    instrument=instrument,
)  # fmt: skip
