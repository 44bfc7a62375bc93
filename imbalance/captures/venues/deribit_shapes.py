"""The shapes of Deribit's messages. What they mean is in `deribit`."""

from __future__ import annotations

import msgspec

from imbalance.captures.venues.reading import (
    Level,
    Message,
    Millis,
    Price,
    Signed,
    Size,
    Text,
    Whole,
    names,
)


class Params(Message):
    """What a notification tells."""

    channel: Text = "-"
    data: msgspec.Raw = msgspec.Raw(b"{}")
    type: str | None = None
    unused = frozenset({"label"})


class Envelope(Message):
    """Around every message."""

    method: str | None = None
    params: Params | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    unused = names("jsonrpc id usIn usOut usDiff testnet")


Entry = tuple[str, Price, Size]


class Changes(Message):
    """A book or what changed in it; `change_id` and the one before it are a chain."""

    instrument_name: Text
    timestamp: Millis
    change_id: Whole
    bids: list[Entry]
    asks: list[Entry]
    type: str
    prev_change_id: Whole | None = None


class Image(Message):
    """A book whose levels are grouped, whole every time."""

    instrument_name: Text
    timestamp: Millis
    change_id: Whole
    bids: list[Level]
    asks: list[Level]


class Trade(Message):
    """A trade; `liquidation` says whose order was forced."""

    instrument_name: Text
    trade_seq: Whole
    trade_id: Text
    timestamp: Millis
    price: Price
    amount: Size
    direction: str
    liquidation: str | None = None
    unused = names(
        "tick_direction mark_price index_price iv contracts block_trade_id combo_trade_id "
        "combo_id block_trade_leg_count block_rfq_id block_rfq_quotes"
    )


class Greeks(Message):
    """Sensitivities of an option."""

    delta: Signed | None = None
    gamma: Signed | None = None
    vega: Signed | None = None
    theta: Signed | None = None
    rho: Signed | None = None


class Quote(Message):
    """Best bid and ask."""

    instrument_name: Text
    timestamp: Millis
    best_bid_price: Size | None = None
    best_bid_amount: Size | None = None
    best_ask_price: Size | None = None
    best_ask_amount: Size | None = None


class Ticker(Quote):
    """What is said of an instrument besides: marks, volatilities."""

    mark_price: Size | None = None
    index_price: Size | None = None
    settlement_price: Size | None = None
    last_price: Size | None = None
    open_interest: Size | None = None
    current_funding: Signed | None = None
    underlying_price: Price | None = None
    underlying_index: str | None = None
    mark_iv: Size | None = None
    bid_iv: Size | None = None
    ask_iv: Size | None = None
    greeks: Greeks | None = None
    unused = names(
        "stats state min_price max_price interest_rate estimated_delivery_price funding_8h "
        "interest_value delivery_price"
    )


class Listed(msgspec.Struct):
    """An instrument."""

    instrument_name: Text
    kind: str
    base_currency: str
    quote_currency: str
    counter_currency: str | None = None
    settlement_period: str | None = None
    expiration_timestamp: int | None = None
    tick_size: float | None = None
    min_trade_amount: float | None = None
    future_type: str | None = None
    instrument_type: str | None = None


class Listing(msgspec.Struct):
    """The answer that lists instruments."""

    result: list[Listed]
