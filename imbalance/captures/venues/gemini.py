"""Gemini, market data v2: one snapshot with the last trades, then changes without a number."""

from __future__ import annotations

from imbalance.captures import events
from imbalance.captures.events import Decoded, Event, Ignored, Rejected
from imbalance.captures.patterns import places
from imbalance.captures.records import Record
from imbalance.captures.venues import reading
from imbalance.captures.venues.feed import (
    CANDLES,
    DUPLICATE,
    HEARTBEAT,
    INSTRUMENTS,
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
    Size,
    Text,
    Whole,
    aggressor,
    names,
)
from imbalance.captures.venues.venue import Continuity, Instrument, Venue


class _Trade(Message):
    symbol: Text
    price: Price
    quantity: Size
    side: str
    event_id: Whole
    timestamp: Millis
    tid: Whole | None = None
    unused = names("type socket_sequence")


class _Message(Message):
    type: str
    symbol: Text | None = None
    changes: list[tuple[str, Price, Size]] | None = None
    trades: list[_Trade] | None = None
    socket_sequence: Whole | None = None
    unused = names(
        "auction_events event_id price quantity side timestamp tid sequence trade_id reason result"
    )


class _Listed(Message):
    symbol: Text
    base_currency: str
    quote_currency: str
    tick_size: Price
    quote_increment: Price
    product_type: str = ""
    contract_type: str = ""
    unused = names("min_order_size status wrap_enabled contract_price_currency")


_message, _trade, _listed = Reader(_Message), Reader(_Trade), Reader(_Listed)
_symbols = Reader(list[str])


class _Session(Feed):
    def received(self, record: Record) -> Decoded | Ignored:
        found = self.read(_message, record.payload)
        made: list[Event] = []
        if found.socket_sequence is not None:
            missing = self.hole(record.connection, found.socket_sequence)
            if missing is None:
                return DUPLICATE
            if missing:
                made = self.breaks(record.connection, "sequence_gap")
        told = self._told(found, record.payload)
        if isinstance(told, Ignored):
            return Decoded(found.type, made) if made else told
        return Decoded(found.type, made + told)

    def answered(self, record: Record) -> Decoded | Ignored:
        if record.address.endswith("/v1/symbols"):
            self.read(_symbols, record.payload)
            return INSTRUMENTS
        if "/v1/symbols/details/" not in record.address:
            return super().answered(record)
        one = self.read(_listed, record.payload)
        perpetual = one.product_type == "swap"
        self.fact(
            one.symbol, base=one.base_currency, quote=one.quote_currency,
            kind="perpetual" if perpetual else "spot" if one.product_type == "spot" else None,
            # what the venue calls tick size is the step of sizes
            tick=one.quote_increment, lot=one.tick_size, asset_class="crypto",
            inverse=one.contract_type == "inverse" if perpetual else None,
            underlying=one.symbol.removesuffix("PERP") if perpetual else None,
        )  # fmt: skip
        return INSTRUMENTS

    def _told(self, found: _Message, payload: bytes) -> list[Event] | Ignored:
        if found.type == "heartbeat":
            return HEARTBEAT
        if found.type == "trade":
            return [_dealt(self.read(_trade, payload))]
        if found.type.startswith("candles_"):
            return CANDLES
        if found.type == "subscription_ack":
            return Ignored("subscribed")
        if found.type in ("auction_open", "auction_indicative", "auction_result", "block_trade"):
            return Ignored(f"unused:{found.type}")
        if found.type != "l2_updates":
            raise Rejected("unknown_message", f"type {found.type[:60]!r}")
        if found.symbol is None or found.changes is None:
            raise Rejected("missing_field", "no symbol or changes")
        levels: dict[str, list[tuple[float, float]]] = {"buy": [], "sell": []}
        for side, price, size in found.changes:
            levels[aggressor(side)].append((price, size))
        update = events.BookUpdate(
            symbol=found.symbol, kind="diff" if found.trades is None else "snapshot",
            bids=reading.sides(levels["buy"]), asks=reading.sides(levels["sell"]),
        )  # fmt: skip
        before = sorted(found.trades or [], key=lambda one: one.event_id)
        return [*(_dealt(one) for one in before), update]


def _dealt(one: _Trade) -> Event:
    return events.Trade(
        symbol=one.symbol, price=one.price, size=one.quantity, side=aggressor(one.side),
        trade_id=one.event_id, exchange_time=one.timestamp * MS,
    )  # fmt: skip


def instrument(symbol: str) -> Instrument:
    """`BTCUSD` is spot, `BTCUSDCPERP` a perpetual."""
    pair = symbol.upper().removesuffix("PERP")
    perpetual = pair != symbol.upper()
    quotes = "USDT USDC RLUSD GUSD USD EUR GBP SGD BTC ETH BCH LTC FIL DAI"
    base, quote = split_pair(pair, quotes)
    return known(
        symbol, "symbol", kind="perpetual" if perpetual else "spot", base=base, quote=quote,
        underlying=pair if perpetual else None, asset_class="crypto",
        # listed as linear, with the step of sizes in the base currency
        rules={"multiplier": 1.0, "inverse": False} if perpetual else None,
    )


_NUMBER = "socket_sequence"
_PLACES = {
    "l2_updates": (
        places.book(changes="changes", side="0", price="1", size="2", counter=_NUMBER),
    ),
    "trade": (
        places.trades(
            price="price", size="quantity", side="side", trade_id="event_id",
            exchange=places.milliseconds("timestamp"), checked=places.nanoseconds("tid"),
            counter=_NUMBER,
        ),
    ),
    HEARTBEAT.rule: (
        places.ignored(within=" ".join(_Message.unused), counter=_NUMBER),
    ),
}  # fmt: skip

VENUE = Venue(
    name="gemini",
    title="Gemini",
    hosts=("api.gemini.com", "api.sandbox.gemini.com"),
    recorders=("GEMINI",),
    session=_Session,
    channels={
        "l2_updates": "book: snapshot with the last trades, then differences without a time",
        "trade": "trades",
        "heartbeat": "nothing but its number in the sequence",
    },
    continuity=(
        Continuity(
            "all channels", "counter",
            "anything where no socket_sequence is sent, as in the recording of 2026",
            source="Gemini market data v1 and v2: socket_sequence counts the connection",
        ),
        Continuity("trade", "nothing", "any loss: ids leap"),
    ),
    instrument=instrument,
    places=_PLACES,
)  # fmt: skip
