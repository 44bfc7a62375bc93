"""Bybit: API v5 (linear, inverse, spot), and the older v2 sockets of perpetuals.

Spot and derivatives share symbols and come over connections of their own, told apart by address.
Tickers of v5 are differences, so that a session keeps what each ticker said before.
"""

from __future__ import annotations

import math

import msgspec

from imbalance.captures import events
from imbalance.captures.clocks import NO_TIME
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.patterns import places
from imbalance.captures.patterns.pieces import (
    ASK,
    ASK_SIZE,
    BID,
    BID_SIZE,
    FUNDING,
    INDEX,
    INTEREST,
    LAST_PRICE,
    MARK,
)
from imbalance.captures.records import Record
from imbalance.captures.venues import bybit_shapes as shapes
from imbalance.captures.venues import reading
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
from imbalance.captures.venues.reading import MS, US, Reader
from imbalance.captures.venues.venue import Continuity, Instrument, Venue

SPOT = "bybit-spot"
_SPOT_QUOTES = (
    "USDT USDC USDE USDQ USDR USD1 RLUSD XUSD USD BTC ETH EUR DAI BRZ BRL TRY PLN MNT SOL"
)

_envelope, _book, _trades = Reader(shapes.Envelope), Reader(shapes.Book), Reader(list[shapes.Trade])
_ticker, _forced = Reader(shapes.Ticker), Reader(list[shapes.Forced])
_old_forced = Reader(shapes.OldForced)
_old_book: Reader[shapes.OldSnapshot | list[shapes.Order]] = Reader(
    shapes.OldSnapshot | list[shapes.Order]  # type: ignore[arg-type]
)
_old_change, _old_trades = Reader(shapes.OldChange), Reader(list[shapes.OldTrade])
_listing = Reader(shapes.Listing)

_QUOTED = ("bid1Price", "bid1Size", "ask1Price", "ask1Size")
_SAID = dict(zip(_QUOTED, (BID, BID_SIZE, ASK, ASK_SIZE), strict=True)) | {
    "markPrice": MARK, "indexPrice": INDEX, "lastPrice": LAST_PRICE, "fundingRate": FUNDING,
    "openInterest": INTEREST,
}
"""What a ticker holds."""

_SHORTEST_TIME = 9
"""Digits of a time in ms; what is shorter says that there is none."""

_TOLD = ("markPrice", "indexPrice", "fundingRate", "nextFundingTime", "openInterest")


class _Session(Feed):
    _markets: dict[str, str | None]
    _best: dict[tuple[str | None, str], dict[str, tuple[float, float]]]

    def __init__(self) -> None:
        super().__init__()
        self._markets, self._best = {}, {}

    def take(self, record: Record) -> Decoded | Ignored:
        if record.address:
            spot = "/public/spot" in record.address or "/spot/" in record.address
            market = SPOT if spot else None
            if self._markets.get(record.connection) != market:
                self.held.forget(record.connection)
            self._markets[record.connection] = market
        return super().take(record)

    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_envelope, record.payload)
        if found.topic is None:
            if found.op in ("ping", "pong"):
                return HEARTBEAT
            if found.success is not None or found.op is not None:
                return SUBSCRIBED if found.success else Ignored("refused_subscription")
            raise Rejected("unknown_message", "neither topic nor op")
        channel = found.topic.partition(".")[0]
        if "kline" in channel.lower() or channel == "candle":
            return CANDLES
        if channel == "instrument_info":
            return Ignored("unused:instrument_info")
        if channel not in _CHANNELS:
            raise Rejected("unknown_message", f"topic {found.topic!r}")
        market = self._markets.get(record.connection)
        made = (
            self.ticker(found, market, record.connection) if channel == "tickers"
            else _MAKERS[channel](self, found, market)
        )
        if isinstance(made, Ignored):
            return made
        return Decoded(channel, made) if made else Ignored("unused:ticker_fields")

    def answered(self, record: Record) -> Decoded | Ignored:
        if "/instruments-info" not in record.address:
            return super().answered(record)
        result = self.read(_listing, record.payload).result
        for one in result.listed:
            self.fact(one.symbol, **_listed(one, result.category))
        return INSTRUMENTS

    def book(self, found: shapes.Envelope, market: str | None) -> list[Event] | Ignored:
        book = self.read(_book, found.data)
        topic = found.topic or ""
        if topic.startswith("orderbook.1."):
            return self._quote_of(found, book, market)
        if not self.owns(f"{market}:{book.s}", topic):
            return SECOND_BOOK
        if found.type not in ("snapshot", "delta"):
            raise Rejected("unknown_message", f"type {found.type!r}")
        whole = found.type == "snapshot"
        return [
            events.BookUpdate(
                symbol=book.s, venue=market, kind="snapshot" if whole else "diff",
                bids=reading.sides(book.b), asks=reading.sides(book.a),
                first_id=None if whole else book.u, last_id=book.u,
                exchange_time=_ns(found.ts), transaction_time=_ns(found.cts),
            )
        ]  # fmt: skip

    def _quote_of(
        self, found: shapes.Envelope, book: shapes.Book, market: str | None
    ) -> list[Event]:
        empty = (float("nan"), float("nan"))
        best = self._best.setdefault((market, book.s), {"b": empty, "a": empty})
        for name, side in (("b", book.b), ("a", book.a)):
            for price, size in side:
                if size > 0.0:
                    best[name] = (price, size)
        return [
            events.Quote(
                symbol=book.s, venue=market, bid_price=best["b"][0], bid_size=best["b"][1],
                ask_price=best["a"][0], ask_size=best["a"][1], update_id=book.u,
                exchange_time=_ns(found.ts), transaction_time=_ns(found.cts),
            )
        ]  # fmt: skip

    def trades(self, found: shapes.Envelope, market: str | None) -> list[Event]:
        return [
            events.Trade(
                symbol=one.s, venue=market, price=one.p, size=one.v, trade_key=one.i,
                side=reading.aggressor(one.S), exchange_time=one.T * MS,
            )
            for one in self.read(_trades, found.data)
        ]  # fmt: skip

    def old_trades(self, found: shapes.Envelope, market: str | None) -> list[Event]:
        return [
            events.Trade(
                symbol=one.symbol, venue=market, price=one.price, size=one.size,
                trade_key=one.trade_id, side=reading.aggressor(one.side),
                exchange_time=one.trade_time_ms * MS,
            )
            for one in self.read(_old_trades, found.data)
        ]  # fmt: skip

    def ticker(
        self, found: shapes.Envelope, market: str | None, connection: str
    ) -> list[Event] | Ignored:
        one = self.read(_ticker, found.data)
        row = self.held.known(connection, one.symbol)
        if found.type == "delta" and row < 0:
            return Ignored("before_snapshot")
        said = {name: value for name, value in msgspec.structs.asdict(one).items() if value}
        numbers = {
            meaning: (reading.decimal if meaning < MARK else _signed)(said[name])
            for name, meaning in _SAID.items() if name in said
        }  # fmt: skip
        due = said.get("nextFundingTime", "")
        at = reading.point_time(due, MS) if len(due) >= _SHORTEST_TIME else None
        if found.type != "delta":
            row = self.held.begin(connection, one.symbol)
        for meaning, value in numbers.items():
            self.held.values[row, meaning] = value
        if due:
            self.held.due[row] = NO_TIME if at is None else at
        return self._ticks(row, said, one.symbol, market, _ns(found.ts))

    def _ticks(
        self, row: int, said: dict[str, str], symbol: str, market: str | None, at: int | None
    ) -> list[Event]:
        made: list[Event] = []
        held = self.held.values[row].tolist()
        if any(name in said for name in _QUOTED):
            made.append(
                events.Quote(
                    symbol=symbol, venue=market, bid_price=held[BID], bid_size=held[BID_SIZE],
                    ask_price=held[ASK], ask_size=held[ASK_SIZE], exchange_time=at,
                )
            )  # fmt: skip
        if any(name in said for name in _TOLD):
            due = int(self.held.due[row])
            mark, index, last, funding, interest = (
                None if math.isnan(held[k]) else held[k]
                for k in (MARK, INDEX, LAST_PRICE, FUNDING, INTEREST)
            )
            made.append(
                events.DerivativeTick(
                    symbol=symbol, venue=market, mark_price=mark, index_price=index,
                    last_price=last, funding_rate=funding, open_interest=interest,
                    next_funding_time=None if due == NO_TIME else due, exchange_time=at,
                )
            )  # fmt: skip
        return made

    def liquidations(self, found: shapes.Envelope, market: str | None) -> list[Event]:
        return [
            _liquidation(one.s, market, one.p, one.v, one.S, one.T)
            for one in self.read(_forced, found.data)
        ]

    def old_liquidation(self, found: shapes.Envelope, market: str | None) -> list[Event]:
        one = self.read(_old_forced, found.data)
        return [_liquidation(one.symbol, market, one.price, one.size, one.side, one.updatedTime)]

    def old_book(self, found: shapes.Envelope, market: str | None) -> list[Event] | Ignored:
        topic = found.topic or ""
        symbol = topic.rpartition(".")[2]
        if not self.owns(f"{market}:{symbol}", topic):
            return SECOND_BOOK
        whole = found.type == "snapshot"
        if whole:
            book = self.read(_old_book, found.data)
            orders = book.order_book if isinstance(book, shapes.OldSnapshot) else book
        else:
            change = self.read(_old_change, found.data)
            orders = [shapes.Order(o.price, o.symbol, o.side) for o in change.delete]
            orders += change.update + change.insert
        bids = [(o.price, o.size) for o in orders if reading.aggressor(o.side) == "buy"]
        asks = [(o.price, o.size) for o in orders if reading.aggressor(o.side) == "sell"]
        return [
            events.BookUpdate(
                symbol=symbol, venue=market, kind="snapshot" if whole else "diff",
                bids=reading.sides(bids), asks=reading.sides(asks),
                exchange_time=None if found.timestamp_e6 is None else found.timestamp_e6 * US,
            )
        ]  # fmt: skip


_MAKERS = {
    "orderbook": _Session.book, "publicTrade": _Session.trades,
    "allLiquidation": _Session.liquidations, "liquidation": _Session.old_liquidation,
    "trade": _Session.old_trades, "orderBookL2_25": _Session.old_book,
    "orderBook_200": _Session.old_book,
}  # fmt: skip


def _ns(milliseconds: int | None) -> int | None:
    return None if milliseconds is None else milliseconds * MS


def _liquidation(
    symbol: str, market: str | None, price: float, size: float, side: str, at: int
) -> Event:
    # the venue names the side of the position that was closed
    return events.Liquidation(
        symbol=symbol, venue=market, price=price, size=size, exchange_time=at * MS,
        side="sell" if reading.aggressor(side) == "buy" else "buy",
    )  # fmt: skip


def _signed(text: str) -> float:
    return -reading.decimal(text[1:]) if text.startswith("-") else reading.decimal(text)


def _listed(one: shapes.Listed, category: str) -> dict[str, object]:
    spot = category == "spot"
    dated = one.contractType.endswith("Futures")
    kind = "option" if category == "option" else "future" if dated else "perpetual"
    return {
        "kind": "spot" if spot else kind, "base": one.baseCoin, "quote": one.quoteCoin,
        "venue": SPOT if spot else None, "tick": reading.empty_or(one.priceFilter.tickSize),
        "lot": reading.empty_or(one.lotSizeFilter.qtyStep or one.lotSizeFilter.basePrecision),
        "multiplier": None if spot else 1.0, "inverse": None if spot else category == "inverse",
        "expiry": reading.expiry(one.deliveryTime) if dated and one.deliveryTime else None,
        "asset_class": "crypto",
    }  # fmt: skip


def instrument(symbol: str) -> Instrument:
    """`BTCUSDT` is linear, `BTCPERP` too, `BTCUSD` inverse with contracts of 1 USD."""
    base, quote = split_pair(symbol, "USDT USDC PERP USD")
    if base is None:
        return known(symbol, "symbol", asset_class="crypto")
    return known(
        symbol, "symbol", kind="perpetual", base=base, underlying=f"{base}{quote}",
        quote="USDC" if quote == "PERP" else quote, asset_class="crypto",
        rules={"multiplier": 1.0, "inverse": quote == "USD"},
    )


def spot_instrument(symbol: str) -> Instrument:
    """`BTCUSDT`: base and quote currency joined."""
    base, quote = split_pair(symbol, _SPOT_QUOTES)
    return known(symbol, "symbol", kind="spot", base=base, quote=quote, asset_class="crypto")


_CHANNELS = {
    "orderbook": "book: snapshot, then differences; of depth 1: quotes",
    "publicTrade": "trades",
    "tickers": "quotes, mark and index price, funding, open interest",
    "allLiquidation": "liquidations",
    "liquidation": "liquidations: at most one a second, until 2025",
    "orderBookL2_25": "book of API v2: snapshot, then differences of 25 levels",
    "orderBook_200": "book of API v2: snapshot, then differences of 200 levels",
    "trade": "trades of API v2",
}
_TICKERS, _OTHER_FIELDS = places.changes(
    "data.symbol", ("type", b"delta"), bid_price="data.bid1Price", bid_size="data.bid1Size",
    ask_price="data.ask1Price", ask_size="data.ask1Size", mark="data.markPrice",
    index="data.indexPrice", last="data.lastPrice", funding="data.fundingRate",
    interest="data.openInterest", signed="mark index last funding interest",
    due=places.point_milliseconds("data.nextFundingTime"), exchange=places.milliseconds("ts"),
    unused=" ".join(("cs", *(f"data.{name}" for name in shapes.Ticker.unused))),
)  # fmt: skip
_PLACES = {
    "tickers": _TICKERS,
    "unused:ticker_fields": (_OTHER_FIELDS,),
    "orderbook": (
        places.book(
            bids="data.b", asks="data.a", first_id="data.u", last_id="data.u", unused="data.seq",
            exchange=places.milliseconds("ts"), transaction=places.milliseconds("cts"),
        ),
    ),
    "publicTrade": (
        places.trades(
            each="data", price="p", size="v", side="S", trade_key="i",
            exchange=places.milliseconds("T"), checked=places.milliseconds("ts"),
            trade_unused="L seq",
        ),
    ),
    CANDLES.rule: (
        places.ignored(
            "topic type op success data.0.confirm data.0.interval", places.milliseconds("ts"),
            places.milliseconds("cts"), places.microseconds("timestamp_e6"),
        ),
    ),
}  # fmt: skip
_PROOFS = (
    Continuity(
        "orderbook", "chained_ids", "nothing within the subscribed depth",
        source="Bybit API v5, Orderbook: u goes up by one; a new snapshot starts anew",
    ),
    Continuity(
        "orderBookL2_25, orderBook_200", "nothing",
        "any loss: cross_seq goes up by leaps over all symbols", source="Bybit API v2",
    ),
    Continuity("publicTrade, trade", "nothing", "any loss: ids are random"),
)  # fmt: skip

VENUES = {
    "bybit": Venue(
        "bybit", "Bybit derivatives",
        ("stream.bybit.com", "stream.bytick.com", "api.bybit.com"),
        ("BYBIT",), _Session, _CHANNELS, _PROOFS, instrument, _PLACES,
    ),
    SPOT: Venue(
        SPOT, "Bybit spot", ("stream.bybit.com/v5/public/spot",), (), _Session,
        {name: _CHANNELS[name] for name in ("orderbook", "publicTrade", "tickers")},
        (_PROOFS[0], Continuity("publicTrade", "nothing", "any loss: ids are random")),
        spot_instrument, _PLACES,
    ),
}  # fmt: skip
