"""Deribit: options, futures, perpetuals and spot as notifications of JSON-RPC.

Sizes are amounts: of the base currency for options and linear contracts, of USD for inverse ones.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

from imbalance.captures import events
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.patterns import places
from imbalance.captures.records import Record
from imbalance.captures.venues import deribit_shapes as shapes
from imbalance.captures.venues import reading
from imbalance.captures.venues.feed import (
    CANDLES,
    HEARTBEAT,
    INSTRUMENTS,
    SUBSCRIBED,
    Feed,
    known,
)
from imbalance.captures.venues.reading import MS, Reader, aggressor, names
from imbalance.captures.venues.venue import IN_MESSAGES, Continuity, Instrument, Venue

VOLATILITY_UNIT = 100.0
"""What stands for an implied volatility of 1: they are sent in percent."""

NO_VOLATILITY = 0.0
"""Stands for the volatility of a side without a quote."""

_envelope, _changes, _image = Reader(shapes.Envelope), Reader(shapes.Changes), Reader(shapes.Image)
_trades, _ticker, _quote, _listing = (
    Reader(list[shapes.Trade]), Reader(shapes.Ticker), Reader(shapes.Quote), Reader(shapes.Listing),
)  # fmt: skip
_OPTION = re.compile(r"-[PC]$")


class _Session(Feed):
    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_envelope, record.payload)
        if found.method == "heartbeat":
            return HEARTBEAT
        if bytes(found.error):
            return Ignored("refused_request")
        if bytes(found.result):
            return SUBSCRIBED
        if found.method != "subscription" or found.params is None:
            raise Rejected("unknown_message", f"method {str(found.method)[:60]!r}")
        name, _, rest = found.params.channel.partition(".")
        if name == "chart":
            return CANDLES
        if name in _UNUSED:
            return Ignored(f"unused:{name}")
        make = _MAKERS.get(name)
        if make is None:
            raise Rejected("unknown_message", f"channel {found.params.channel!r}")
        return Decoded(name, make(self, found.params.data, rest))

    def answered(self, record: Record) -> Decoded | Ignored:
        if "/get_instruments" not in record.address:
            return super().answered(record)
        for one in self.read(_listing, record.payload).result:
            self.fact(one.instrument_name, **_listed(one))
        return INSTRUMENTS

    def book(self, data: msgspec.Raw, rest: str) -> list[Event]:
        # grouped books, `none.10.100ms` and the like, are whole every time
        if rest.count(".") > 1:
            image = self.read(_image, data)
            return [
                events.BookUpdate(
                    symbol=image.instrument_name, kind="image", bids=reading.sides(image.bids),
                    asks=reading.sides(image.asks), last_id=image.change_id,
                    exchange_time=image.timestamp * MS,
                )
            ]  # fmt: skip
        one = self.read(_changes, data)
        if one.type not in ("snapshot", "change"):
            raise Rejected("unknown_message", f"type {one.type[:40]!r}")
        if one.type == "change" and one.prev_change_id is None:
            raise Rejected("missing_field", "no prev_change_id")
        return [
            events.BookUpdate(
                symbol=one.instrument_name, kind="snapshot" if one.type == "snapshot" else "diff",
                bids=_levels(one.bids), asks=_levels(one.asks), last_id=one.change_id,
                previous_id=one.prev_change_id, exchange_time=one.timestamp * MS,
            )
        ]  # fmt: skip

    def trades(self, data: msgspec.Raw, rest: str) -> list[Event]:  # noqa: ARG002
        return [event for one in self.read(_trades, data) for event in _dealt(one)]

    def ticker(self, data: msgspec.Raw, rest: str) -> list[Event]:  # noqa: ARG002
        one = self.read(_ticker, data)
        made: list[Event] = [_best(one)]
        if _OPTION.search(one.instrument_name):
            made.append(_option(one))
        else:
            made.append(
                events.DerivativeTick(
                    symbol=one.instrument_name, mark_price=one.mark_price,
                    index_price=one.index_price, settlement_price=one.settlement_price or None,
                    last_price=one.last_price, funding_rate=one.current_funding,
                    open_interest=one.open_interest, exchange_time=one.timestamp * MS,
                )
            )  # fmt: skip
        return made

    def quote(self, data: msgspec.Raw, rest: str) -> list[Event]:  # noqa: ARG002
        return [_best(self.read(_quote, data))]


_MAKERS = {
    "book": _Session.book, "trades": _Session.trades, "ticker": _Session.ticker,
    "quote": _Session.quote,
}  # fmt: skip
_UNUSED = names(
    "deribit_price_index deribit_price_ranking deribit_price_statistics "
    "deribit_volatility_index markprice estimated_expiration_price perpetual platform_state "
    "instrument announcements incremental_ticker block_rfq block_trade_confirmations rfq"
)


def _levels(entries: list[shapes.Entry]) -> events.Levels:
    for action, _, _ in entries:
        if action not in ("new", "change", "delete"):
            raise Rejected("wrong_type", f"action {action[:40]!r}")
    prices = [price for _, price, _ in entries]
    return prices, [0.0 if action == "delete" else size for action, _, size in entries]


def _dealt(one: shapes.Trade) -> list[Event]:
    side, at = aggressor(one.direction), one.timestamp * MS
    made: list[Event] = [
        events.Trade(
            symbol=one.instrument_name, price=one.price, size=one.amount, side=side,
            trade_id=one.trade_seq, trade_key=one.trade_id, exchange_time=at,
        )
    ]  # fmt: skip
    # T: the taker was liquidated, M: the maker, MT: both
    forced: list[events.Side] = []
    if "T" in (one.liquidation or ""):
        forced.append(side)
    if "M" in (one.liquidation or ""):
        forced.append("sell" if side == "buy" else "buy")
    made += [
        events.Liquidation(
            symbol=one.instrument_name, price=one.price, size=one.amount, side=order,
            liquidation_key=one.trade_id, exchange_time=at,
        )
        for order in forced
    ]  # fmt: skip
    return made


def _best(one: shapes.Quote) -> Event:
    return events.Quote(
        symbol=one.instrument_name, bid_price=one.best_bid_price or math.nan,
        bid_size=_or_nan(one.best_bid_price, one.best_bid_amount),
        ask_price=one.best_ask_price or math.nan,
        ask_size=_or_nan(one.best_ask_price, one.best_ask_amount),
        exchange_time=one.timestamp * MS,
    )  # fmt: skip


def _or_nan(price: float | None, amount: float | None) -> float:
    return math.nan if not price or amount is None else amount


def _option(one: shapes.Ticker) -> Event:
    greeks = one.greeks or shapes.Greeks()
    return events.OptionTick(
        symbol=one.instrument_name, underlying=one.underlying_index,
        underlying_price=one.underlying_price, mark_price=one.mark_price,
        mark_volatility=_fraction(one.mark_iv), bid_price=one.best_bid_price or None,
        bid_size=one.best_bid_amount if one.best_bid_price else None,
        bid_volatility=_fraction(one.bid_iv), ask_price=one.best_ask_price or None,
        ask_size=one.best_ask_amount if one.best_ask_price else None,
        ask_volatility=_fraction(one.ask_iv), last_price=one.last_price,
        open_interest=one.open_interest, delta=greeks.delta, gamma=greeks.gamma, vega=greeks.vega,
        theta=greeks.theta, rho=greeks.rho, exchange_time=one.timestamp * MS,
    )  # fmt: skip


def _fraction(percent: float | None) -> float | None:
    return None if percent is None or percent == NO_VOLATILITY else percent / VOLATILITY_UNIT


def _listed(one: shapes.Listed) -> dict[str, Any]:
    perpetual = one.settlement_period == "perpetual"
    kind = "perpetual" if one.kind == "future" and perpetual else one.kind
    linear = one.future_type == "linear" or one.instrument_type == "linear"
    ends = None if perpetual or kind == "spot" else one.expiration_timestamp
    return {
        "kind": kind if kind in ("spot", "perpetual", "future", "option") else None,
        "base": one.base_currency, "quote": one.quote_currency,
        "underlying": None if kind == "spot" else
        f"{one.base_currency}-{one.counter_currency or 'USD'}",
        "tick": one.tick_size, "lot": one.min_trade_amount,
        "inverse": None if kind in ("spot", "option") else not linear,
        "expiry": None if ends is None else reading.expiry(ends), "asset_class": "crypto",
    }  # fmt: skip


_MONTHS = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"
_DAY = re.compile(r"(\d{1,2})([A-Z]{3})(\d{2})")


def instrument(symbol: str) -> Instrument:
    """`BTC-PERPETUAL`, `BTC-24SEP21`, `BTC-24SEP21-8000-P`; `_USDC` linear; `BTC_USDC` spot."""
    pair, *parts = symbol.split("-")
    base, _, counter = pair.partition("_")
    if not parts:
        return known(
            symbol, "symbol", kind="spot", base=base, quote=counter or None, asset_class="crypto"
        )
    day = _DAY.fullmatch(parts[0])
    expiry = None
    if day and _MONTHS.find(day[2]) % 3 == 0:
        month = _MONTHS.find(day[2]) // 3 + 1
        expiry = f"20{day[3]}-{month:02d}-{int(day[1]):02d}T08:00:00Z"
    option = _OPTION.search(symbol) is not None
    kind = "option" if option else "perpetual" if parts[0] == "PERPETUAL" else "future"
    return known(
        symbol, "symbol", kind=kind, base=base, underlying=f"{base}-{counter or 'USD'}",
        quote=counter or (base if option else "USD"), expiry=expiry, asset_class="crypto",
        inverse=None if option else not counter, rules={"multiplier": 1.0},
    )  # fmt: skip


_BEST = places.quote(
    bid_price="params.data.best_bid_price", bid_size="params.data.best_bid_amount",
    ask_price="params.data.best_ask_price", ask_size="params.data.best_ask_amount",
    exchange=places.milliseconds("params.data.timestamp"),
)  # fmt: skip
_STATISTICS = ("volume", "volume_usd", "volume_notional", "price_change", "low", "high")
_PLACES = {
    "book": (
        places.book(
            bids="params.data.bids", asks="params.data.asks", action="0", price="1", size="2",
            last_id="params.data.change_id", previous_id="params.data.prev_change_id",
            exchange=places.milliseconds("params.data.timestamp"),
        ),
        places.book(
            bids="params.data.bids", asks="params.data.asks", last_id="params.data.change_id",
            exchange=places.milliseconds("params.data.timestamp"),
        ),
    ),
    "trades": (
        places.trades(
            each="params.data", price="price", size="amount", side="direction",
            trade_id="trade_seq", trade_key="trade_id", exchange=places.milliseconds("timestamp"),
            trade_unused="tick_direction mark_price index_price iv contracts block_trade_id",
        ),
    ),
    "ticker": (
        places.quote_and_tick(
            _BEST, mark="params.data.mark_price", index="params.data.index_price",
            settlement="params.data.settlement_price", last="params.data.last_price",
            funding="params.data.current_funding", interest="params.data.open_interest",
            zero_is_none="settlement", unused=" ".join(
                f"params.data.{name}" for name in (
                    *(f"stats.{name}" for name in _STATISTICS), *shapes.Ticker.unused - {"stats"},
                )
            ),
        ),
    ),
    "quote": (_BEST,),
    HEARTBEAT.rule: (places.ignored("method"),),
} | {
    rule: (places.ignored("method params.channel"),)
    for rule in (CANDLES.rule, *(f"unused:{name}" for name in _UNUSED))
}  # fmt: skip

VENUE = Venue(
    name="deribit",
    title="Deribit",
    hosts=("www.deribit.com", "streams.deribit.com", "history.deribit.com"),
    recorders=("DERIBIT",),
    session=_Session,
    channels={
        "book": "book: snapshot, then differences; images where levels are grouped",
        "trades": "trades, liquidations",
        "ticker": "quotes; options with volatilities and sensitivities; mark and index price, "
                  "funding, open interest",
        "quote": "quotes",
    },
    continuity=(
        Continuity(
            "book", "chained_ids", "nothing; grouped books: any loss, each message is whole",
            source="docs.deribit.com, book.(instrument).(interval): prev_change_id",
        ),
        Continuity(
            "trades", "counter",
            "nothing in the venue's own messages; any loss in a vendor's tables, which have the id",
            source="docs.deribit.com: trade_seq goes up by one for each instrument",
        ),
    ),
    instrument=instrument,
    places=_PLACES,
    # a vendor's files have the id instead, which is of all instruments
    trades_counted=IN_MESSAGES,
)  # fmt: skip
