"""The shapes of Gate.io's messages. What they mean is in `gateio`."""

from __future__ import annotations

import msgspec

from imbalance.captures.venues.reading import (
    Level,
    Message,
    Millis,
    Price,
    Seconds,
    Size,
    Text,
    Whole,
    names,
)


class Envelope(Message):
    """Around every message."""

    channel: str
    event: str = ""
    result: msgspec.Raw = msgspec.Raw(b"{}")
    error: msgspec.Raw = msgspec.Raw(b"null")
    unused = names("time time_ms id conn_id trace_id request_id header")


class Update(Message):
    """What changed in a book of spot."""

    s: Text
    U: Whole
    u: Whole
    t: Millis
    b: list[Level]
    a: list[Level]
    unused = names("e E l")


class Row(Message):
    """A level of futures."""

    p: Price
    s: Size


class FuturesUpdate(Message):
    """What changed in a book of futures."""

    s: Text
    U: Whole
    u: Whole
    t: Millis
    b: list[Row]
    a: list[Row]
    unused = names("l")


class Image(Message):
    """The best levels of a book, whole every time."""

    s: Text
    lastUpdateId: Whole
    t: Millis
    bids: list[Level]
    asks: list[Level]
    unused = names("l")


class Best(Message):
    """Best bid and ask."""

    s: Text
    u: Whole
    t: Millis
    b: str
    B: Size
    a: str
    A: Size


class Trade(Message):
    """A trade of spot."""

    id: Whole
    create_time_ms: str
    side: str
    currency_pair: Text
    amount: Size
    price: Price
    unused = names("create_time range id_market")


class FuturesTrade(Message):
    """A trade of futures; the sign of its size is its side."""

    id: Whole
    size: float
    price: Price
    contract: Text
    create_time_ms: Millis | None = None
    create_time: Seconds | None = None
    unused = names("is_internal")


class Ticker(Message):
    """Best prices of a pair."""

    currency_pair: Text
    lowest_ask: str
    highest_bid: str
    unused = names("last change_percentage base_volume quote_volume high_24h low_24h")


class FuturesTicker(Message):
    """What is said of a contract: marks, funding, open interest."""

    contract: Text
    mark_price: str = ""
    index_price: str = ""
    last: str = ""
    funding_rate: str = ""
    total_size: str = ""
    unused = names(
        "change_percentage funding_rate_indicative volume_24h quanto_base_rate low_24h high_24h "
        "volume_24h_btc volume_24h_usd volume_24h_quote volume_24h_settle volume_24h_base "
        "price_type change_from change_price"
    )


class SpotBook(Message):
    """The answer with a book of spot."""

    id: Whole
    bids: list[Level]
    asks: list[Level]
    unused = names("current update")


class FuturesBook(Message):
    """The answer with a book of futures."""

    id: Whole
    bids: list[Row]
    asks: list[Row]
    unused = names("current update")


class Pair(msgspec.Struct):
    """A pair of spot."""

    id: Text
    base: str
    quote: str
    precision: int
    amount_precision: int


class Contract(msgspec.Struct):
    """A contract of futures."""

    name: Text
    type: str
    quanto_multiplier: str
    order_price_round: str
    expire_time: int | None = None
