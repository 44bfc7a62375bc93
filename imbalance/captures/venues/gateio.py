"""Gate.io, API v4: spot, and futures settled in USDT or BTC, each over its own socket."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from imbalance.captures import events
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.patterns import places
from imbalance.captures.records import Record
from imbalance.captures.venues import gateio_shapes as shapes
from imbalance.captures.venues import reading
from imbalance.captures.venues.feed import (
    CANDLES,
    HEARTBEAT,
    INSTRUMENTS,
    SECOND_BOOK,
    SUBSCRIBED,
    Feed,
    known,
    parameter,
)
from imbalance.captures.venues.reading import MS, Reader, aggressor, empty_or, empty_or_nan
from imbalance.captures.venues.venue import Continuity, Instrument, Venue

_envelope, _update = Reader(shapes.Envelope), Reader(shapes.Update)
_futures_update = Reader(shapes.FuturesUpdate)
_image, _best, _trade = Reader(shapes.Image), Reader(shapes.Best), Reader(shapes.Trade)
_futures_trades, _ticker = Reader(list[shapes.FuturesTrade]), Reader(shapes.Ticker)
_futures_tickers = Reader(list[shapes.FuturesTicker])
_spot_book, _futures_book = Reader(shapes.SpotBook), Reader(shapes.FuturesBook)
_pairs, _contracts = Reader(list[shapes.Pair]), Reader(list[shapes.Contract])


class _Session(Feed):
    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_envelope, record.payload)
        market, _, channel = found.channel.partition(".")
        if channel in ("ping", "pong"):
            return HEARTBEAT
        if bytes(found.error) not in (b"", b"null"):
            return Ignored("refused_subscription")
        if found.event in ("subscribe", "unsubscribe"):
            return SUBSCRIBED
        if channel == "candlesticks":
            return CANDLES
        if channel in ("liquidates", "public_liquidates"):
            return Ignored("unused:liquidates")
        make = (_SPOT if market == "spot" else _FUTURES if market == "futures" else {}).get(channel)
        if make is None or found.event not in ("update", "all"):
            raise Rejected("unknown_message", f"{found.event[:40]!r} of {found.channel[:60]!r}")
        made = make(self, found.result)
        return made if isinstance(made, Ignored) else Decoded(channel, made)

    def answered(self, record: Record) -> Decoded | Ignored:
        path = record.address.partition("?")[0]
        if path.endswith("/currency_pairs"):
            for pair in self.read(_pairs, record.payload):
                tick, lot = (_unit(n) for n in (pair.precision, pair.amount_precision))
                self.fact(pair.id, kind="spot", base=pair.base, quote=pair.quote, tick=tick,
                          lot=lot, asset_class="crypto")  # fmt: skip
            return INSTRUMENTS
        if path.endswith("/contracts"):
            for contract in self.read(_contracts, record.payload):
                self.fact(contract.name, **_listed(contract))
            return INSTRUMENTS
        if not path.endswith("/order_book"):
            return super().answered(record)
        if "/futures/" in path:
            rows = self.read(_futures_book, record.payload)
            symbol, identity = parameter(record.address, "contract"), rows.id
            bids, asks = _sides(rows.bids), _sides(rows.asks)
        else:
            book = self.read(_spot_book, record.payload)
            symbol, identity = parameter(record.address, "currency_pair"), book.id
            bids, asks = reading.sides(book.bids), reading.sides(book.asks)
        return Decoded("order_book", [
            events.BookUpdate(symbol=symbol, kind="snapshot", bids=bids, asks=asks,
                              last_id=identity)
        ])  # fmt: skip

    def update(self, data: msgspec.Raw) -> list[Event] | Ignored:
        one = self.read(_update, data)
        bids, asks = reading.sides(one.b), reading.sides(one.a)
        return self._difference(one.s, one.U, one.u, one.t, bids, asks)

    def futures_update(self, data: msgspec.Raw) -> list[Event] | Ignored:
        one = self.read(_futures_update, data)
        return self._difference(one.s, one.U, one.u, one.t, _sides(one.b), _sides(one.a))

    def _difference(
        self, symbol: str, first: int, last: int, at: int, bids: events.Levels,
        asks: events.Levels,
    ) -> list[Event] | Ignored:  # fmt: skip
        if first > last:
            raise Rejected("number_out_of_range", f"U = {first} above u = {last}")
        if not self.owns(symbol, "order_book_update"):
            return SECOND_BOOK
        return [
            events.BookUpdate(symbol=symbol, kind="diff", bids=bids, asks=asks, first_id=first,
                              last_id=last, exchange_time=at * MS)
        ]  # fmt: skip

    def image(self, data: msgspec.Raw) -> list[Event] | Ignored:
        one = self.read(_image, data)
        if not self.owns(one.s, "order_book"):
            return SECOND_BOOK
        return [
            events.BookUpdate(symbol=one.s, kind="image", bids=reading.sides(one.bids),
                              asks=reading.sides(one.asks), last_id=one.lastUpdateId,
                              exchange_time=one.t * MS)
        ]  # fmt: skip

    def best(self, data: msgspec.Raw) -> list[Event]:
        one = self.read(_best, data)
        return [
            events.Quote(
                symbol=one.s, bid_price=empty_or_nan(one.b),
                bid_size=one.B if one.b else math.nan, ask_price=empty_or_nan(one.a),
                ask_size=one.A if one.a else math.nan, update_id=one.u, exchange_time=one.t * MS,
            )
        ]  # fmt: skip

    def trade(self, data: msgspec.Raw) -> list[Event]:
        one = self.read(_trade, data)
        return [
            events.Trade(
                symbol=one.currency_pair, price=one.price, size=one.amount, trade_id=one.id,
                side=aggressor(one.side), exchange_time=reading.point_time(one.create_time_ms, MS),
            )
        ]  # fmt: skip

    def futures_trades(self, data: msgspec.Raw) -> list[Event]:
        return [_futures_trade(one) for one in self.read(_futures_trades, data)]

    def ticker(self, data: msgspec.Raw) -> list[Event]:
        one = self.read(_ticker, data)
        return [
            events.Quote(
                symbol=one.currency_pair, bid_price=empty_or_nan(one.highest_bid),
                bid_size=math.nan, ask_price=empty_or_nan(one.lowest_ask), ask_size=math.nan,
            )
        ]  # fmt: skip

    def futures_tickers(self, data: msgspec.Raw) -> list[Event]:
        return [
            events.DerivativeTick(
                symbol=one.contract, mark_price=empty_or(one.mark_price),
                index_price=empty_or(one.index_price), last_price=empty_or(one.last),
                funding_rate=empty_or(one.funding_rate), open_interest=empty_or(one.total_size),
            )
            for one in self.read(_futures_tickers, data)
        ]  # fmt: skip


_SPOT = {
    "order_book_update": _Session.update, "order_book": _Session.image,
    "book_ticker": _Session.best, "trades": _Session.trade, "tickers": _Session.ticker,
}  # fmt: skip
_FUTURES = {
    "order_book_update": _Session.futures_update, "book_ticker": _Session.best,
    "trades": _Session.futures_trades, "tickers": _Session.futures_tickers,
}  # fmt: skip


def _sides(rows: list[shapes.Row]) -> events.Levels:
    return [row.p for row in rows], [row.s for row in rows]


def _futures_trade(one: shapes.FuturesTrade) -> Event:
    size = abs(one.size)
    if not 0.0 < size <= 2.0**53:
        raise Rejected("number_out_of_range", f"size {one.size}")
    at = None if one.create_time is None else one.create_time * 1000 * MS
    if one.create_time_ms is not None:
        at = one.create_time_ms * MS
    return events.Trade(
        symbol=one.contract, price=one.price, size=size, trade_id=one.id,
        side="buy" if one.size > 0.0 else "sell", exchange_time=at,
    )  # fmt: skip


def _unit(decimals: int) -> float | None:
    return float(f"1e-{decimals}") if 0 <= decimals <= 18 else None


def _listed(one: shapes.Contract) -> dict[str, Any]:
    base, _, quote = one.name.partition("_")
    inverse = one.type == "inverse"
    return {
        "kind": "future" if one.expire_time else "perpetual", "base": base,
        "quote": quote.partition("_")[0] or None, "underlying": one.name,
        "tick": empty_or(one.order_price_round), "lot": 1.0, "inverse": inverse,
        "multiplier": empty_or(one.quanto_multiplier) or (1.0 if inverse else None),
        "expiry": reading.expiry(one.expire_time * 1000) if one.expire_time else None,
        "asset_class": "crypto",
    }  # fmt: skip


def spot_instrument(symbol: str) -> Instrument:
    """`BTC_USDT`: base and quote currency."""
    base, _, quote = symbol.partition("_")
    return known(
        symbol, "symbol", kind="spot", base=base, quote=quote or None, asset_class="crypto"
    )


def futures_instrument(symbol: str) -> Instrument:
    """`BTC_USDT` is a linear perpetual, `BTC_USD` an inverse one, with a date a future."""
    base, _, rest = symbol.partition("_")
    quote, _, day = rest.partition("_")
    dated = day.isdecimal() and len(day) == 8
    return known(
        symbol, "symbol", kind="future" if dated else "perpetual", base=base, quote=quote or None,
        underlying=f"{base}_{quote}", inverse=quote == "USD" if quote else None,
        expiry=f"{day[:4]}-{day[4:6]}-{day[6:]}" if dated else None, asset_class="crypto",
    )


_CHAIN = Continuity(
    "order_book_update", "chained_ids", "nothing within the depth of the snapshot",
    source="Gate.io API v4: U is the u before it plus one",
)  # fmt: skip
_CHANNELS = {
    "order_book_update": "book differences",
    "book_ticker": "quotes",
    "trades": "trades",
}
_IGNORED = {
    rule: (places.ignored("channel event error"),)
    for rule in (CANDLES.rule, HEARTBEAT.rule, "unused:liquidates")
}
_PLACES = _IGNORED | {
    "order_book_update": (
        places.book(
            bids="result.b", asks="result.a", first_id="result.U", last_id="result.u",
            exchange=places.milliseconds("result.t"), unused="time time_ms result.E result.l",
        ),
    ),
    "order_book": (
        places.book(
            bids="result.bids", asks="result.asks", last_id="result.lastUpdateId",
            exchange=places.milliseconds("result.t"), unused="time time_ms",
        ),
    ),
    "book_ticker": (
        places.quote(
            bid_price="result.b", bid_size="result.B", ask_price="result.a", ask_size="result.A",
            update_id="result.u", exchange=places.milliseconds("result.t"), unused="time time_ms",
        ),
    ),
    "trades": (
        places.trades(
            price="result.price", size="result.amount", side="result.side", trade_id="result.id",
            exchange=places.point_milliseconds("result.create_time_ms"),
            unused="time time_ms result.create_time result.range result.id_market",
        ),
    ),
}  # fmt: skip
_FUTURES_PLACES = _IGNORED | {
    "order_book_update": (
        places.book(
            bids="result.b", asks="result.a", price="p", size="s", first_id="result.U",
            last_id="result.u", exchange=places.milliseconds("result.t"),
            unused="time time_ms result.l",
        ),
    ),
    "book_ticker": _PLACES["book_ticker"],
}  # fmt: skip

VENUES = {
    "gate-io": Venue(
        "gate-io", "Gate.io spot",
        ("api.gateio.ws/ws", "ws.gate.io", "ws.gateio.ws", "api.gateio.ws/api/v4/spot"),
        ("GATEIO",), _Session,
        _CHANNELS | {
            "order_book": "book snapshots, by request; as a channel book images",
            "tickers": "quotes without sizes and time",
        },
        (
            _CHAIN, Continuity("order_book", "nothing", "any loss: each message is whole"),
            Continuity("trades", "nothing", "any loss: ids are of all pairs"),
        ),
        spot_instrument, _PLACES,
    ),
    "gate-io-futures": Venue(
        "gate-io-futures", "Gate.io futures",
        ("fx-ws.gateio.ws", "api.gateio.ws/api/v4/futures"),
        ("GATEIO_FUTURES",), _Session,
        _CHANNELS | {
            "order_book": "book snapshots, by request",
            "tickers": "mark and index price, funding, open interest",
        },
        (_CHAIN, Continuity("trades", "nothing", "any loss: whether ids have holes is not known")),
        futures_instrument, _FUTURES_PLACES,
    ),
}  # fmt: skip
