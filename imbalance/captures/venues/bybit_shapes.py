"""The shapes of Bybit's messages, API v5 and v2. What they mean is in `bybit`."""

from __future__ import annotations

import msgspec

from imbalance.captures.venues.reading import (
    Level,
    Message,
    Micros,
    Millis,
    Price,
    Size,
    Text,
    Whole,
    names,
)


class Envelope(Message):
    """Around every message."""

    topic: Text | None = None
    type: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")
    ts: Millis | None = None
    cts: Millis | None = None
    timestamp_e6: Micros | None = None
    op: str | None = None
    success: bool | None = None
    unused = names("cs conn_id req_id ret_msg request cross_seq args")


class Book(Message):
    """A book or what changed in it; `u` counts its messages."""

    s: Text
    b: list[Level]
    a: list[Level]
    u: Whole
    unused = frozenset({"seq"})


class Trade(Message):
    """A trade."""

    T: Millis
    s: Text
    S: str
    v: Size
    p: Price
    i: Text
    unused = names("L BT RPI seq mP iP mIv iv")


class Ticker(Message):
    """What changed of a ticker; all of it in a snapshot."""

    symbol: Text
    bid1Price: str | None = None
    bid1Size: str | None = None
    ask1Price: str | None = None
    ask1Size: str | None = None
    markPrice: str | None = None
    indexPrice: str | None = None
    lastPrice: str | None = None
    fundingRate: str | None = None
    nextFundingTime: str | None = None
    openInterest: str | None = None
    unused = names(
        "tickDirection price24hPcnt prevPrice24h highPrice24h lowPrice24h prevPrice1h "
        "openInterestValue turnover24h volume24h fundingIntervalHour fundingCap usdIndexPrice "
        "singleOpenInterest singleOpenInterestValue preOpenPrice preQty curPreListingPhase "
        "symbolType deliveryTime basisRate deliveryFeeRate predictedDeliveryPrice basis "
        "basisRateYear"
    )


class Forced(Message):
    """A liquidation; its side is that of the position."""

    T: Millis
    s: Text
    S: str
    v: Size
    p: Price


class OldForced(Message):
    """A liquidation of the topic that ended in 2025."""

    updatedTime: Millis
    symbol: Text
    side: str
    size: Size
    price: Price


class Order(Message):
    """A level of API v2."""

    price: Price
    symbol: Text
    side: str
    size: Size = 0.0
    unused = frozenset({"id"})


class OldSnapshot(Message):
    """A book of API v2."""

    order_book: list[Order]


class OldChange(Message):
    """Changes of a book of API v2."""

    delete: list[Order]
    update: list[Order]
    insert: list[Order]
    unused = frozenset({"transactTimeE6"})


class OldTrade(Message):
    """A trade of API v2."""

    symbol: Text
    price: Price
    size: Size
    side: str
    trade_time_ms: Millis
    trade_id: Text
    unused = names("tick_direction timestamp cross_seq")


class Steps(msgspec.Struct, frozen=True):
    """Steps of prices and sizes."""

    tickSize: str = ""
    qtyStep: str = ""
    basePrecision: str = ""


class Listed(msgspec.Struct):
    """An instrument of the venue's list."""

    symbol: Text
    baseCoin: str
    quoteCoin: str
    contractType: str = ""
    deliveryTime: int = 0
    priceFilter: Steps = Steps()
    lotSizeFilter: Steps = Steps()


class Result(msgspec.Struct):
    """A list and its market."""

    category: str
    listed: list[Listed] = msgspec.field(name="list")


class Listing(msgspec.Struct):
    """The venue's list of instruments."""

    result: Result
