"""The shapes of OKX's messages, API v5 and v3. What they mean is in `okex`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from imbalance.captures.venues.reading import (
    Message,
    Millis,
    Price,
    Row,
    Signed,
    Size,
    Text,
    Whole,
    names,
)

Level = tuple[str, str, str, str]
Sequence = Annotated[int, Meta(ge=-1, le=2**63 - 1)]
"""A number of the book; −1 where there is none before it."""


class Argument(Message):
    """What was subscribed to."""

    channel: Text
    instId: Text | None = None
    unused = frozenset({"instType", "instFamily", "uly", "ccy"})


class Envelope(Message):
    """Around every message; `table` is of API v3."""

    arg: Argument | None = None
    table: Text | None = None
    action: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"[]")
    event: str | None = None
    unused = frozenset({"connId", "code", "msg", "id", "op", "channel", "message", "errorCode"})


class Book(Message):
    """Levels are price, size, a number of no use any more, and the number of orders."""

    asks: list[Level]
    bids: list[Level]
    ts: Millis
    checksum: int | None = None
    seqId: Sequence | None = None
    prevSeqId: Sequence | None = None
    unused = frozenset({"instId"})


class Rows(msgspec.Struct):
    """The numbers of a book, of either version."""

    bids: list[Row]
    asks: list[Row]


class OldBook(Message):
    """A book of API v3, which has no sequence."""

    instrument_id: Text
    asks: list[Level]
    bids: list[Level]
    timestamp: str
    checksum: int | None = None
    seqId: Sequence | None = None
    prevSeqId: Sequence | None = None


class Trade(Message):
    """A trade."""

    instId: Text
    tradeId: Whole
    px: Price
    sz: Size
    side: str
    ts: Millis
    unused = frozenset({"count", "source", "seqId"})


class OldTrade(Message):
    """A trade of API v3; contracts have `qty`."""

    instrument_id: Text
    trade_id: Whole
    price: Price
    side: str
    timestamp: str
    size: Size | None = None
    qty: Size | None = None
    unused = frozenset({"trade_side"})


class Ticker(Message):
    """A ticker; texts are empty where a side of the book is."""

    instId: Text
    askPx: str
    askSz: str
    bidPx: str
    bidSz: str
    ts: Millis
    unused = names("instType last lastSz open24h high24h low24h sodUtc0 sodUtc8 volCcy24h vol24h")


class OldTicker(Message):
    """A ticker of API v3."""

    instrument_id: Text
    best_bid: str
    best_ask: str
    best_bid_size: str
    best_ask_size: str
    timestamp: str
    open_interest: str = ""
    unused = names(
        "last open_24h high_24h low_24h open_utc0 open_utc8 volume_24h volume_token_24h "
        "last_qty base_volume_24h quote_volume_24h ask bid product_id"
    )


class Funding(Message):
    """The rate of the coming funding."""

    instId: Text
    fundingRate: str
    fundingTime: Millis
    ts: Millis | None = None
    unused = names(
        "instType nextFundingRate nextFundingTime method minFundingRate maxFundingRate "
        "settState settFundingRate premium formulaType interestRate impactValue"
    )


class Mark(Message):
    """A mark price."""

    instId: Text
    markPx: Price
    ts: Millis
    unused = frozenset({"instType"})


class Index(Message):
    """An index price."""

    instId: Text
    idxPx: Price
    ts: Millis
    unused = names("high24h low24h open24h sodUtc0 sodUtc8")


class Interest(Message):
    """Open interest in contracts."""

    instId: Text
    oi: Size
    ts: Millis
    unused = names("instType oiCcy oiUsd")


class Forced(Message):
    """One forced order; its side is the order's."""

    side: str
    bkPx: Price
    sz: Size
    ts: Millis
    unused = names("posSide bkLoss ccy")


class Liquidations(Message):
    """Forced orders of an instrument."""

    instId: Text
    details: list[Forced]
    unused = names("instType uly instFamily totalLoss")


class Option(Message):
    """An option's volatilities as fractions, and Black-Scholes sensitivities."""

    instId: Text
    uly: Text
    ts: Millis
    markVol: str = ""
    bidVol: str = ""
    askVol: str = ""
    fwdPx: str = ""
    deltaBS: Signed | None = None
    gammaBS: Signed | None = None
    vegaBS: Signed | None = None
    thetaBS: Signed | None = None
    unused = names("instType delta gamma vega theta lever realVol volLv instFamily")


class Listed(msgspec.Struct):
    """An instrument of the venue's list."""

    instId: Text
    instType: str
    baseCcy: str = ""
    quoteCcy: str = ""
    uly: str = ""
    ctVal: str = ""
    ctMult: str = ""
    ctType: str = ""
    tickSz: str = ""
    lotSz: str = ""
    expTime: str = ""


class Listing(msgspec.Struct):
    """The venue's list of instruments."""

    data: list[Listed]
