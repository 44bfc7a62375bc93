"""OKX (formerly OKEx): spot, margin, swaps, futures and options over one socket, API v5 and v3.

What its messages mean, its chain of sequence numbers, its book checksum with its dates. The shapes
of the messages are in `okex_shapes`.
"""

from __future__ import annotations

import math

import msgspec

from imbalance.captures import events
from imbalance.captures.checksums import Checked, colon, interleaved
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.patterns import places
from imbalance.captures.records import Record
from imbalance.captures.venues import okex_shapes as shapes
from imbalance.captures.venues import reading
from imbalance.captures.venues.feed import (
    CANDLES,
    HEARTBEAT,
    INSTRUMENTS,
    SECOND_BOOK,
    SUBSCRIBED,
    Feed,
    known,
)
from imbalance.captures.venues.reading import MS, Reader, aggressor, empty_or, empty_or_nan
from imbalance.captures.venues.venue import Continuity, Instrument, Venue

CHECKSUM_UNTIL = 1_782_259_200_000 * MS
"""2026-06-24 00:00 UTC: from then on a checksum of 0 says nothing."""

_DIFFERENCES = frozenset({"books", "books-l2-tbt", "books50-l2-tbt"})
_OLD_DIFFERENCES = frozenset({"depth", "depth_l2_tbt"})
_IMAGES = frozenset({"books5", "bbo-tbt", "depth5"})

_envelope = Reader(shapes.Envelope)
_books, _old_books = Reader(list[shapes.Book]), Reader(list[shapes.OldBook])
_numbers = Reader(list[shapes.Rows])
_trades, _old_trades = Reader(list[shapes.Trade]), Reader(list[shapes.OldTrade])
_tickers, _old_tickers = Reader(list[shapes.Ticker]), Reader(list[shapes.OldTicker])
_fundings, _marks = Reader(list[shapes.Funding]), Reader(list[shapes.Mark])
_indices, _interests = Reader(list[shapes.Index]), Reader(list[shapes.Interest])
_liquidations, _options = Reader(list[shapes.Liquidations]), Reader(list[shapes.Option])
_listing = Reader(shapes.Listing)


class _Session(Feed):
    _checked: Checked

    def __init__(self) -> None:
        super().__init__()
        self._checked = Checked(lambda book, due: interleaved(book) == due, colon)

    def reset(self, connection: str) -> None:
        super().reset(connection)
        self._checked.clear()

    def received(self, record: Record) -> Decoded | Ignored:
        if record.payload == b"pong":
            return HEARTBEAT
        found = self.read(_envelope, record.payload)
        if found.event is not None:
            return SUBSCRIBED if found.event != "error" else Ignored("refused_subscription")
        if found.table is not None:
            return self._old(found, found.table)
        if found.arg is None:
            raise Rejected("missing_field", "neither arg nor table")
        channel = found.arg.channel
        if "candle" in channel:
            return CANDLES
        if channel in _DIFFERENCES or channel in _IMAGES:
            if channel != "bbo-tbt" and not self.owns(found.arg.instId or "", channel):
                return SECOND_BOOK
            made: list[Event] = []
            books = self.read(_books, found.data)
            for book, rows in zip(books, _numbers(found.data), strict=True):
                made += self._book(found, channel, found.arg.instId, book, rows, book.ts * MS)
            return Decoded(channel, made)
        make = _MAKERS.get(channel)
        if make is None:
            raise Rejected("unknown_message", f"channel {channel!r}")
        return Decoded(channel, make(self, found.data))

    def answered(self, record: Record) -> Decoded | Ignored:
        if "/public/instruments" not in record.address:
            return super().answered(record)
        for one in self.read(_listing, record.payload).data:
            self.fact(one.instId, **_listed(one))
        return INSTRUMENTS

    def _old(self, found: shapes.Envelope, table: str) -> Decoded | Ignored:
        channel = table.partition("/")[2]
        made: list[Event] = []
        if channel in _OLD_DIFFERENCES or channel in _IMAGES:
            books = self.read(_old_books, found.data)
            for book, rows in zip(books, _numbers(found.data), strict=True):
                at = reading.iso_time(book.timestamp)
                made += self._book(found, channel, book.instrument_id, book, rows, at)
        elif channel == "trade":
            for one in self.read(_old_trades, found.data):
                if one.size is None and one.qty is None:
                    raise Rejected("missing_field", "neither size nor qty")
                made.append(
                    events.Trade(
                        symbol=one.instrument_id, price=one.price,
                        size=one.size if one.size is not None else one.qty or 0.0,
                        side=aggressor(one.side), trade_id=one.trade_id,
                        exchange_time=reading.iso_time(one.timestamp),
                    )
                )  # fmt: skip
        elif channel == "ticker":
            for tick in self.read(_old_tickers, found.data):
                made += _old_tick(tick)
        elif channel.startswith("candle"):
            return CANDLES
        else:
            raise Rejected("unknown_message", f"table {table!r}")
        return Decoded(channel, made)

    def _book(
        self, found: shapes.Envelope, channel: str, symbol: str | None,
        book: shapes.Book | shapes.OldBook, rows: shapes.Rows, at: int,
    ) -> list[Event]:  # fmt: skip
        if symbol is None:
            raise Rejected("missing_field", "no instId")
        kind = "image" if channel in _IMAGES else _ACTIONS.get(found.action or "")
        if kind is None:
            raise Rejected("unknown_message", f"action {found.action!r}")
        if channel == "bbo-tbt":
            return [_best(symbol, rows, book.seqId, at)]
        update = events.BookUpdate(
            symbol=symbol, kind=kind, bids=reading.sides(rows.bids), asks=reading.sides(rows.asks),
            last_id=book.seqId, previous_id=None if book.prevSeqId == -1 else book.prevSeqId,
            exchange_time=at,
        )  # fmt: skip
        if kind == "image" or self._proved(kind, (channel, symbol), book, at):
            return [update]
        note = "checksum_mismatch"
        return [update, events.BookUpdate(symbol=symbol, kind="break", note=note, exchange_time=at)]

    def _proved(
        self, kind: str, key: tuple[str, str], book: shapes.Book | shapes.OldBook, at: int
    ) -> bool:
        due = book.checksum
        if kind == "snapshot":
            self._checked.start(key)
        if at >= CHECKSUM_UNTIL and not due:
            due = None
        return self._checked.proved(key, book.bids, book.asks, due)

    def trades(self, data: msgspec.Raw) -> list[Event]:
        return [
            events.Trade(
                symbol=one.instId, price=one.px, size=one.sz, side=aggressor(one.side),
                trade_id=one.tradeId, exchange_time=one.ts * MS,
            )
            for one in self.read(_trades, data)
        ]  # fmt: skip

    def tickers(self, data: msgspec.Raw) -> list[Event]:
        return [
            events.Quote(
                symbol=one.instId, bid_price=empty_or_nan(one.bidPx),
                bid_size=empty_or_nan(one.bidSz), ask_price=empty_or_nan(one.askPx),
                ask_size=empty_or_nan(one.askSz), exchange_time=one.ts * MS,
            )
            for one in self.read(_tickers, data)
        ]  # fmt: skip

    def fundings(self, data: msgspec.Raw) -> list[Event]:
        return [
            events.DerivativeTick(
                symbol=one.instId, funding_rate=empty_or(one.fundingRate),
                next_funding_time=one.fundingTime * MS,
                exchange_time=None if one.ts is None else one.ts * MS,
            )
            for one in self.read(_fundings, data)
        ]  # fmt: skip

    def marks(self, data: msgspec.Raw) -> list[Event]:
        return [
            events.DerivativeTick(
                symbol=one.instId, mark_price=one.markPx, exchange_time=one.ts * MS
            )
            for one in self.read(_marks, data)
        ]

    def indices(self, data: msgspec.Raw) -> list[Event]:
        return [
            events.DerivativeTick(
                symbol=one.instId, index_price=one.idxPx, exchange_time=one.ts * MS
            )
            for one in self.read(_indices, data)
        ]

    def interests(self, data: msgspec.Raw) -> list[Event]:
        return [
            events.DerivativeTick(
                symbol=one.instId, open_interest=one.oi, exchange_time=one.ts * MS
            )
            for one in self.read(_interests, data)
        ]

    def liquidations(self, data: msgspec.Raw) -> list[Event]:
        return [
            events.Liquidation(
                symbol=one.instId, price=order.bkPx, size=order.sz, side=aggressor(order.side),
                exchange_time=order.ts * MS,
            )
            for one in self.read(_liquidations, data) for order in one.details
        ]  # fmt: skip

    def options(self, data: msgspec.Raw) -> list[Event]:
        return [
            events.OptionTick(
                symbol=one.instId, underlying=one.uly, underlying_price=empty_or(one.fwdPx),
                mark_volatility=empty_or(one.markVol), bid_volatility=empty_or(one.bidVol),
                ask_volatility=empty_or(one.askVol), delta=one.deltaBS, gamma=one.gammaBS,
                vega=one.vegaBS, theta=one.thetaBS, exchange_time=one.ts * MS,
            )
            for one in self.read(_options, data)
        ]  # fmt: skip


_ACTIONS: dict[str, events.BookKind] = {
    "snapshot": "snapshot", "partial": "snapshot", "update": "diff",
}  # fmt: skip
_MAKERS = {
    "trades": _Session.trades, "trades-all": _Session.trades, "tickers": _Session.tickers,
    "funding-rate": _Session.fundings, "mark-price": _Session.marks,
    "index-tickers": _Session.indices, "open-interest": _Session.interests,
    "liquidation-orders": _Session.liquidations, "opt-summary": _Session.options,
}  # fmt: skip


def _best(symbol: str, rows: shapes.Rows, update: int | None, at: int) -> Event:
    bid, ask = (
        (prices[0], sizes[0]) if prices else (math.nan, math.nan)
        for prices, sizes in map(reading.sides, (rows.bids, rows.asks))
    )
    return events.Quote(
        symbol=symbol, bid_price=bid[0], bid_size=bid[1], ask_price=ask[0], ask_size=ask[1],
        update_id=update, exchange_time=at,
    )  # fmt: skip


def _old_tick(one: shapes.OldTicker) -> list[Event]:
    at = reading.iso_time(one.timestamp)
    made: list[Event] = [
        events.Quote(
            symbol=one.instrument_id, bid_price=empty_or_nan(one.best_bid),
            bid_size=empty_or_nan(one.best_bid_size), ask_price=empty_or_nan(one.best_ask),
            ask_size=empty_or_nan(one.best_ask_size), exchange_time=at,
        )
    ]  # fmt: skip
    if one.open_interest:
        interest = empty_or(one.open_interest)
        made.append(
            events.DerivativeTick(
                symbol=one.instrument_id, open_interest=interest, exchange_time=at
            )
        )
    return made


_KINDS = {"SPOT": "spot", "MARGIN": "spot", "SWAP": "perpetual", "FUTURES": "future",
          "OPTION": "option"}  # fmt: skip


def _listed(one: shapes.Listed) -> dict[str, object]:
    spot = one.baseCcy and one.quoteCcy
    base, _, quote = (one.uly or "-").partition("-")
    value, factor = empty_or(one.ctVal), empty_or(one.ctMult) or 1.0
    return {
        "kind": _KINDS.get(one.instType),
        "base": (one.baseCcy if spot else base) or None,
        "quote": (one.quoteCcy if spot else quote) or None,
        "underlying": one.uly or None,
        "tick": empty_or(one.tickSz),
        "lot": empty_or(one.lotSz),
        "multiplier": None if value is None else value * factor,
        "inverse": {"inverse": True, "linear": False}.get(one.ctType),
        "expiry": reading.expiry(int(one.expTime)) if one.expTime.isdecimal() else None,
        "asset_class": "crypto",
    }


def instrument(symbol: str) -> Instrument:
    """`BTC-USDT` is spot, `…-SWAP` a perpetual, with a date a future, with a strike an option."""
    parts = symbol.split("-")
    if len(parts) < 2:
        return known(symbol, "symbol")
    pair, kind = f"{parts[0]}-{parts[1]}", "spot"
    if len(parts) == 3:
        kind = "perpetual" if parts[2] == "SWAP" else "future"
    elif len(parts) == 5:
        kind = "option"
    dated = len(parts) > 2 and parts[2].isdecimal() and len(parts[2]) == 6
    return known(
        symbol, "symbol", kind=kind, base=parts[0], quote=parts[1], asset_class="crypto",
        underlying=None if kind == "spot" else pair,
        inverse=parts[1] == "USD" if kind in ("perpetual", "future") else None,
        expiry=f"20{parts[2][:2]}-{parts[2][2:4]}-{parts[2][4:]}T08:00:00Z" if dated else None,
    )  # fmt: skip


_GUIDE = "OKX API guide v5, order book channel; help page on the end of its checksum, 2026-05-21"

_TRADES = places.trades(
    each="data", price="px", size="sz", side="side", trade_id="tradeId",
    exchange=places.milliseconds("ts"), trade_unused="count source seqId",
)  # fmt: skip
_PLACES = {
    "trades": (_TRADES,), "trades-all": (_TRADES,),
    "books5": (
        places.book(
            bids="data.0.bids", asks="data.0.asks", last_id="data.0.seqId", level_unused="2 3",
            exchange=places.milliseconds("data.0.ts"),
        ),
    ),
    "bbo-tbt": (
        places.quote(
            bid_price="data.0.bids.0.0", bid_size="data.0.bids.0.1", update_id="data.0.seqId",
            ask_price="data.0.asks.0.0", ask_size="data.0.asks.0.1",
            exchange=places.milliseconds("data.0.ts"),
            unused="data.0.bids.0.2 data.0.bids.0.3 data.0.asks.0.2 data.0.asks.0.3",
        ),
    ),
    "tickers": (
        places.quote(
            bid_price="data.0.bidPx", bid_size="data.0.bidSz", ask_price="data.0.askPx",
            ask_size="data.0.askSz", exchange=places.milliseconds("data.0.ts"),
            unused=" ".join(f"data.0.{name}" for name in shapes.Ticker.unused),
        ),
    ),
    "ticker": (
        places.quote(
            bid_price="data.0.best_bid", bid_size="data.0.best_bid_size",
            ask_price="data.0.best_ask", ask_size="data.0.best_ask_size",
            exchange=places.iso_time("data.0.timestamp"),
            unused=" ".join(f"data.0.{name}" for name in shapes.OldTicker.unused),
        ),
    ),
    "trade": tuple(
        places.trades(
            each="data", price="price", size=size, side="side", trade_id="trade_id",
            exchange=places.iso_time("timestamp"), trade_unused="trade_side",
        )
        for size in ("size", "qty")
    ),
    CANDLES.rule: (places.ignored("arg.channel arg.instId table action event"),),
}  # fmt: skip

VENUE = Venue(
    name="okex",
    title="OKX",
    hosts=("ws.okx.com", "wsaws.okx.com", "www.okx.com", "wspap.okx.com", "real.okex.com",
           "ws.okex.com", "www.okex.com"),
    recorders=("OKX", "OKEX"),
    session=_Session,
    channels={
        "books": "book: snapshot, then differences of 400 levels",
        "books-l2-tbt": "book: snapshot, then differences of 400 levels, event by event",
        "books50-l2-tbt": "book: snapshot, then differences of 50 levels, event by event",
        "depth": "book of API v3: snapshot, then differences",
        "depth_l2_tbt": "book of API v3: snapshot, then differences, event by event",
        "books5": "book images of 5 levels",
        "bbo-tbt": "quotes",
        "depth5": "book images of 5 levels, API v3",
        "trades": "trades", "trades-all": "trades", "trade": "trades of API v3",
        "tickers": "quotes",
        "ticker": "quotes and open interest of API v3",
        "funding-rate": "funding", "mark-price": "mark price", "index-tickers": "index price",
        "open-interest": "open interest", "liquidation-orders": "liquidations",
        "opt-summary": "options: volatilities and sensitivities, underlying price",
    },
    continuity=(
        Continuity(
            "books, books-l2-tbt, books50-l2-tbt", "checksum",
            "a loss below the 25th level, until it moves up", until="2026-06-23", source=_GUIDE,
        ),
        Continuity(
            "books, books-l2-tbt, books50-l2-tbt", "chained_ids",
            "how many messages are lost, since ids leap; anything where no seqId is sent, as in "
            "2022", source=_GUIDE,
        ),
        Continuity(
            "depth, depth_l2_tbt", "checksum", "a loss below the 25th level, until it moves up",
            source="OKEx API guide v3",
        ),
        Continuity("books5, depth5", "nothing", "any loss: each message is whole"),
        Continuity("trades", "nothing", "any loss: several trades share a message and ids leap"),
    ),
    instrument=instrument,
    places=_PLACES,
)  # fmt: skip
