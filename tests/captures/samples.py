"""Capture lines of every kind and market, and ways to read captures that share no code with ours.

Messages follow the venue's documentation and the real captures. No fixtures, no tests.
"""

import gzip
import json
import zlib
from collections import Counter
from pathlib import Path

START = 1_723_161_256_000_000_000
"""Receive time of the first line, ns: 2024-08-08 23:54:16 UTC."""

MS = 1_000_000
MINUTE = 60_000_000_000
DAY = 86_400_000_000_000
MIDNIGHT = START // DAY * DAY + DAY
FIRST, SECOND = "2024-08-08", "2024-08-09"
"""The days before and after it."""

SPOT, LINEAR, INVERSE = "binance", "binance-futures", "binance-delivery"
VENUES = (SPOT, LINEAR, INVERSE)
SYMBOLS = {SPOT: "BTCUSDT", LINEAR: "BTCUSDT", INVERSE: "BTCUSD_PERP"}


def line(message: dict, receive: int = START, channel: str = "x@y") -> bytes:
    """`<receive ns> <JSON>` with the stream's envelope, as a recorder of streams writes it."""
    text = json.dumps({"stream": channel, "data": message}, separators=(",", ":"))
    return f"{receive} {text}\n".encode()


def bare(message: dict, receive: int = START) -> bytes:
    """The same without the envelope: REST answers, single streams."""
    return f"{receive} {json.dumps(message, separators=(',', ':'))}\n".encode()


def _pair(venue: str, symbol: str) -> dict:
    return {"ps": symbol.partition("_")[0]} if venue == INVERSE else {}


def diff(
    venue: str, first: int, last: int, *, previous=None, bids=(), asks=(), at=START, symbol=None
) -> dict:
    """A depth difference; `at` is the exchange time in ns."""
    symbol = symbol or SYMBOLS[venue]
    message = {"e": "depthUpdate", "E": at // MS}
    if venue != SPOT:
        message["T"] = at // MS - 1
    message |= {"s": symbol, **_pair(venue, symbol), "U": first, "u": last}
    if venue != SPOT:
        message["pu"] = first - 1 if previous is None else previous
    return message | {"b": [list(level) for level in bids], "a": [list(level) for level in asks]}


def quote(venue: str, identity: int, *, at=START, symbol=None, prices=("100.5", "100.6")) -> dict:
    """A best bid and ask."""
    symbol = symbol or SYMBOLS[venue]
    message = {"u": identity}
    if venue != SPOT:
        message["e"] = "bookTicker"
    message |= {"s": symbol, **_pair(venue, symbol)}
    message |= {"b": prices[0], "B": "3.25", "a": prices[1], "A": "0.75"}
    if venue != SPOT:
        message |= {"T": at // MS - 1, "E": at // MS}
    return message


def trade(venue: str, identity: int, *, at=START, symbol=None, price="100.5", size="2") -> dict:
    """A single trade; even ids are sold by the aggressor."""
    message = {
        "e": "trade", "E": at // MS, "T": at // MS - 1, "s": symbol or SYMBOLS[venue],
        "t": identity, "p": price, "q": size,
    }  # fmt: skip
    if venue != SPOT:
        message["X"] = "MARKET"
    message["m"] = identity % 2 == 0
    if venue == SPOT:
        message["M"] = True
    return message


def aggregate(venue: str, identity: int, *, at=START, symbol=None) -> dict:
    """An aggregate trade."""
    message = {
        "e": "aggTrade", "E": at // MS, "a": identity, "s": symbol or SYMBOLS[venue],
        "p": "100.5", "q": "2", "f": 10, "l": 12, "T": at // MS - 1, "m": identity % 2 == 0,
    }  # fmt: skip
    if venue == SPOT:
        message["M"] = True
    return message


def mark(venue: str, *, at=START, symbol=None, **changed) -> dict:
    """A mark price with funding."""
    message = {"e": "markPriceUpdate", "E": at // MS, "s": symbol or SYMBOLS[venue]}
    message |= {"p": "100.51", "P": "100.40", "r": "-0.00012", "T": 1_723_190_400_000}
    if venue == LINEAR:
        message["i"] = "100.49"
    return message | changed


def snapshot(venue: str, identity: int, *, at=START, symbol=None, bids=(), asks=()) -> dict:
    """An answer of the REST book; on spot it has no time, and only COIN-M names the instrument."""
    message: dict = {"lastUpdateId": identity}
    if venue != SPOT:
        message |= {"E": at // MS, "T": at // MS - 1}
    if venue == INVERSE:
        symbol = symbol or SYMBOLS[venue]
        message |= {"symbol": symbol, "pair": symbol.partition("_")[0]}
    return message | {"bids": [list(x) for x in bids], "asks": [list(x) for x in asks]}


def recording(venue: str, count: int, *, receive=START, symbol=None, first=1000) -> list[bytes]:
    """Lines of all kinds, a millisecond apart: a diff, a quote and a trade in turn."""
    found = []
    for k in range(count):
        at = receive + k * MS
        kind = k % 3
        if kind == 0:
            message = diff(
                venue, first + k, first + k + 1, previous=first + k - 2, at=at, symbol=symbol,
                bids=[("100.4", f"{k}.5")], asks=[("100.7", "0"), ("100.8", "1")],
            )  # fmt: skip
        elif kind == 1:
            message = quote(venue, first + k, at=at, symbol=symbol)
        else:
            message = trade(venue, first + k, at=at, symbol=symbol)
        found.append(line(message, at))
    return found


def text_of(path: Path) -> bytes:
    """The text of a file by the standard library."""
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def inflated_prefix(data: bytes) -> bytes:
    """All that can be had of a gzip file cut short, by the standard library's zlib."""
    found = []
    while data:
        member = zlib.decompressobj(wbits=31)
        found.append(member.decompress(data))
        found.append(member.flush())
        data = member.unused_data
    return b"".join(found)


def kinds_of(text: bytes) -> Counter:
    """Lines by kind, counted with `json` alone."""
    names = {
        "depthUpdate": "depth_diff", "trade": "trade", "aggTrade": "aggregate_trade",
        "bookTicker": "book_ticker", "markPriceUpdate": "mark_price",
    }  # fmt: skip
    found: Counter = Counter()
    for one in text.splitlines():
        message = json.loads(one.split(b" ", 1)[1])
        message = message.get("data", message)
        if "lastUpdateId" in message:
            found["depth_snapshot"] += 1
        else:
            found[names[message.get("e", "bookTicker")]] += 1
    return found
