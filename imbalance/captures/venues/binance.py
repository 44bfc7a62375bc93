"""What Binance's messages mean, told slowly and exactly: markets, kinds, rules, multipliers.

The scanner decodes the hot kinds; whatever it does not expect comes here, to be decoded, ignored
by a named rule, or rejected with a reason. No bytes are framed and no tables built here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from imbalance.captures.events import Ignored, Rejected
from imbalance.captures.scanner import (
    KIND_AGGREGATE,
    KIND_DIFF,
    KIND_QUOTE,
    KIND_TRADE,
    MARKET_INVERSE,
    MARKET_LINEAR,
    MARKET_SPOT,
    SYMBOL_BYTES,
)
from imbalance.captures.text import DECIMALS, levels_of_words

KIND_SNAPSHOT, KIND_MARK = 6, 7

VENUES = {
    MARKET_SPOT: "binance",
    MARKET_LINEAR: "binance-futures",
    MARKET_INVERSE: "binance-delivery",
}
MARKETS = {venue: market for market, venue in VENUES.items()}

INVERSE_NAME = re.compile(r"USD_(PERP|\d{6})$")
"""COIN-M symbols are of a pair with USD and a contract."""

CONTRACT_OF_BTC, CONTRACT = 100.0, 10.0
"""USD that a contract of COIN-M stands for: of BTC, of any other coin (contract specifications)."""

LAST_MS = (2**63 - 1) // 1_000_000
"""Last millisecond that is a time in 64 bits of nanoseconds."""

_EXACT = 2**53
"""Whole numbers beyond it are not told apart by a double."""

UNUSED_EVENTS = frozenset(
    {
        "kline", "continuous_kline", "indexPrice_kline", "markPrice_kline", "24hrTicker",
        "24hrMiniTicker", "1hTicker", "4hTicker", "1dTicker", "avgPrice", "forceOrder",
        "compositeIndex", "contractInfo", "assetIndexUpdate", "indexPriceUpdate",
    }
)  # fmt: skip
"""Kinds of message that are known and not used: ignored by the rule `unused:<kind>`."""

_KNOWN_FIELDS = {
    KIND_DIFF: frozenset({"e", "E", "T", "s", "ps", "U", "u", "pu", "b", "a"}),
    KIND_SNAPSHOT: frozenset({"lastUpdateId", "E", "T", "symbol", "pair", "bids", "asks"}),
    KIND_QUOTE: frozenset({"e", "u", "s", "ps", "b", "B", "a", "A", "T", "E"}),
    KIND_TRADE: frozenset({"e", "E", "T", "s", "ps", "t", "p", "q", "X", "m", "M", "a", "b"}),
    KIND_AGGREGATE: frozenset({"e", "E", "T", "s", "ps", "a", "p", "q", "f", "l", "m", "M", "nq"}),
    KIND_MARK: frozenset({"e", "E", "s", "p", "i", "P", "r", "T", "ap"}),
}


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """A message understood. Times in milliseconds, None where it carries none.

    `values` holds, by kind: diff (U, u, pu or None, bids, asks); snapshot (lastUpdateId, bids,
    asks); quote (u, bid, bid size, ask, ask size); trade and aggregate (id, price, size, maker);
    mark (mark, index, settlement, funding rate, next funding ms).
    """

    kind: int
    symbol: str | None
    exchange: int | None
    transaction: int | None
    values: tuple[Any, ...]
    unknown_fields: tuple[str, ...] = ()


_FEW_LEVELS = 4
"""So few levels are read one by one sooner than all at once."""

_decode = msgspec.json.Decoder().decode
_PARTIAL = re.compile(r"@depth[0-9]")
_KEY = re.compile(rb'"\s*:')


def parse(payload: bytes, market: int | None) -> Decoded | Ignored:
    """Understand one message.

    Parameters
    ----------
    payload : the JSON text of the line, after its receive time.
    market : the capture's market; None while it is being found out.

    Raises
    ------
    Rejected
        With one of the reasons `not_json`, `not_an_object`, `unknown_message`, `missing_field`,
        `wrong_type`, `number_out_of_range`, `bad_symbol`, `wrong_market`, `duplicate_key`.
    """
    return _understood(*_message(payload), market)


def _understood(
    message: dict[str, Any], stream: str, outer: list[str], market: int | None
) -> Decoded | Ignored:
    if _PARTIAL.search(stream):
        # the best levels again and again: neither differences nor the whole book
        return Ignored("unused:partial_depth")
    if "result" in message and "id" in message:
        return Ignored("control_message")
    event = message.get("e")
    if event is not None and not isinstance(event, str):
        raise Rejected(*_absent(message, "e", "a string"))
    if event in UNUSED_EVENTS:
        return Ignored(f"unused:{event}")
    if event is None and "lastUpdateId" in message:
        found = _snapshot(message)
    elif event == "depthUpdate":
        found = _diff(message)
    elif event == "bookTicker" or (event is None and {"u", "b", "B", "a", "A"} <= message.keys()):
        found = _quote(message)
    elif event == "trade":
        found = _trade(message)
    elif event == "aggTrade":
        found = _aggregate(message)
    elif event == "markPriceUpdate":
        found = _mark(message)
    else:
        raise Rejected("unknown_message", f"e = {event!r}, keys {sorted(message)[:12]}")
    told = market_of(message)
    if market is not None and told is not None and told != market:
        raise Rejected(
            "wrong_market", f"a message of {VENUES[told]} in a capture of {VENUES[market]}"
        )
    if not outer:
        return found
    return msgspec.structs.replace(found, unknown_fields=(*found.unknown_fields, *outer))


def _message(payload: bytes) -> tuple[dict[str, Any], str, list[str]]:
    """The message of a line, out of its envelope, whose stream and unknown fields follow."""
    try:
        message = _decode(payload)
        if not isinstance(message, dict):
            raise Rejected("not_an_object", type(message).__name__)
        keys, stream, outer = len(message), "", []
        if "stream" in message and "data" in message:
            stream = str(message["stream"])
            outer = sorted(message.keys() - {"stream", "data"})
            message = message["data"]
            if not isinstance(message, dict):
                raise Rejected("not_an_object", f"data is {type(message).__name__}")
            keys += len(message)
        compact = len(payload.split(None, 1)) == 1  # no space stands before a colon
        if (payload.count(b'":') if compact else len(_KEY.findall(payload))) > keys:
            json.loads(payload, object_pairs_hook=_unrepeated)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Rejected("not_json", str(error)[:200]) from None
    return message, stream, outer


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Rejected("duplicate_key", f"{twice[:60]!r} stands there more than once")
    return found


def market_of(message: dict[str, Any]) -> int | None:
    """The market a message's fields give away; None where they fit several."""
    event = message.get("e")
    if event is None and "lastUpdateId" in message:
        if "pair" in message:
            return MARKET_INVERSE
        return MARKET_LINEAR if "T" in message else None
    if "ps" in message:
        return MARKET_INVERSE
    if event == "depthUpdate":
        return MARKET_LINEAR if "pu" in message else MARKET_SPOT
    if event == "bookTicker" or (event is None and "u" in message):
        return MARKET_LINEAR if "T" in message else MARKET_SPOT
    if event in ("trade", "aggTrade") and "M" in message:
        return MARKET_SPOT
    return None


def market_by_name(symbols: Iterable[str]) -> int:
    """The futures market of symbols."""
    inverse = all(INVERSE_NAME.search(symbol) for symbol in symbols)
    return MARKET_INVERSE if inverse else MARKET_LINEAR


def sniff(payload: bytes) -> tuple[int | None, str | None]:
    """The market and the symbol of a line's message; None where this line does not tell."""
    try:
        message, stream, outer = _message(payload)
        found = _understood(message, stream, outer, None)
        return market_of(message), getattr(found, "symbol", None)
    except Rejected:
        return None, None


def contract_multiplier(instrument: str) -> float | None:
    """Quote units per contract of an inverse instrument; None where sizes are in base units."""
    venue, _, symbol = instrument.partition(":")
    if venue != VENUES[MARKET_INVERSE]:
        return None
    return CONTRACT_OF_BTC if symbol.startswith("BTCUSD") else CONTRACT


def _snapshot(message: dict[str, Any]) -> Decoded:
    symbol = message.get("symbol")
    return Decoded(
        KIND_SNAPSHOT,
        None if symbol is None else _symbol(message, "symbol"),
        _optional_integer(message, "E"),
        _optional_integer(message, "T"),
        (_integer(message, "lastUpdateId"), _levels(message, "bids"), _levels(message, "asks")),
        _unknown(message, KIND_SNAPSHOT),
    )


def _diff(message: dict[str, Any]) -> Decoded:
    first, last = _integer(message, "U"), _integer(message, "u")
    if first > last:
        raise Rejected("number_out_of_range", f"U = {first} above u = {last}")
    return Decoded(
        KIND_DIFF,
        _symbol(message, "s"),
        _integer(message, "E"),
        _optional_integer(message, "T"),
        (
            first,
            last,
            _optional_integer(message, "pu"),
            _levels(message, "b"),
            _levels(message, "a"),
        ),
        _unknown(message, KIND_DIFF),
    )


def _quote(message: dict[str, Any]) -> Decoded:
    return Decoded(
        KIND_QUOTE,
        _symbol(message, "s"),
        _optional_integer(message, "E"),
        _optional_integer(message, "T"),
        (
            _integer(message, "u"),
            _positive(message, "b"),
            _number(message, "B"),
            _positive(message, "a"),
            _number(message, "A"),
        ),
        _unknown(message, KIND_QUOTE),
    )


def _trade(message: dict[str, Any]) -> Decoded:
    return _dealt(message, KIND_TRADE, "t")


def _aggregate(message: dict[str, Any]) -> Decoded:
    return _dealt(message, KIND_AGGREGATE, "a")


def _dealt(message: dict[str, Any], kind: int, identity: str) -> Decoded:
    maker = message.get("m")
    if not isinstance(maker, bool):
        raise Rejected(*_absent(message, "m", "true or false"))
    return Decoded(
        kind,
        _symbol(message, "s"),
        _optional_integer(message, "E"),
        _integer(message, "T"),
        (_integer(message, identity), _positive(message, "p"), _positive(message, "q"), maker),
        _unknown(message, kind),
    )


def _mark(message: dict[str, Any]) -> Decoded:
    rate = message.get("r")
    due = _optional_integer(message, "T")
    if due is not None and due > LAST_MS:
        raise Rejected("number_out_of_range", f"T = {due}")
    return Decoded(
        KIND_MARK,
        _symbol(message, "s"),
        _integer(message, "E"),
        None,
        (
            _positive(message, "p"),
            _positive(message, "i") if "i" in message else None,
            _number(message, "P") or None if "P" in message else None,
            None if rate in (None, "") else _number(message, "r", signed=True),
            due or None,
        ),
        _unknown(message, KIND_MARK),
    )


def _absent(message: dict[str, Any], name: str, wanted: str) -> tuple[str, str]:
    if name not in message:
        return "missing_field", f"no {name}; keys {sorted(message)[:12]}"
    return "wrong_type", f"{name} = {str(message[name])[:60]!r} is not {wanted}"


def _symbol(message: dict[str, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise Rejected(*_absent(message, name, "a string"))
    if not value or len(value.encode()) > SYMBOL_BYTES or not value.isprintable():
        raise Rejected("bad_symbol", f"{value[:60]!r}: 1 to {SYMBOL_BYTES} printable bytes wanted")
    return value


def _integer(message: dict[str, Any], name: str) -> int:
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Rejected(*_absent(message, name, "a whole number"))
    if not 0 <= value < 2**63:
        raise Rejected("number_out_of_range", f"{name} = {value}")
    return value


def _optional_integer(message: dict[str, Any], name: str) -> int | None:
    return _integer(message, name) if name in message else None


def _number(message: dict[str, Any], name: str, *, signed: bool = False) -> float:
    value = message.get(name)
    if not isinstance(value, str):
        raise Rejected(*_absent(message, name, "a decimal in a string"))
    return _decimal(value, name, signed=signed)


def _positive(message: dict[str, Any], name: str) -> float:
    value = _number(message, name)
    if value <= 0.0:
        raise Rejected("number_out_of_range", f"{name} = {value} is not positive")
    return value


def _decimal(text: str, name: str, *, signed: bool = False) -> float:
    if len(text) <= DECIMALS + 1 and text.isascii() and text.replace(".", "", 1).isdecimal():
        return float(text)  # too short to be out of range
    plain = text.removeprefix("-") if signed else text
    if not plain.replace(".", "", 1).isdecimal() or not plain.isascii() or len(plain) > 40:
        raise Rejected("wrong_type", f"{name} = {text[:60]!r} is not a decimal")
    whole, _, decimals = plain.partition(".")
    # zeros at the end say nothing: venues pad all numbers to the same decimals
    decimals = decimals.rstrip("0")
    if len(decimals) > DECIMALS or int(whole + decimals or "0") > _EXACT:
        raise Rejected(
            "number_out_of_range",
            f"{name} = {text[:60]}: at most {DECIMALS} decimals and 2^53 units of the last wanted",
        )
    return float(text)


def _levels(message: dict[str, Any], name: str) -> tuple[list[float], list[float]]:
    levels = message.get(name)
    if not isinstance(levels, list):
        raise Rejected(*_absent(message, name, "a list of levels"))
    found = levels_of_words(levels) if len(levels) > _FEW_LEVELS else None
    if found is not None:
        return found
    prices, sizes = [], []
    price_name, size_name = f"price in {name}", f"size in {name}"
    for level in levels:
        if (
            not isinstance(level, list)
            or len(level) < 2
            or not isinstance(level[0], str)
            or not isinstance(level[1], str)
        ):
            raise Rejected("wrong_type", f"a level of {name} is {str(level)[:60]}")
        price = _decimal(level[0], price_name)
        if price <= 0.0:
            raise Rejected("number_out_of_range", f"price {price} in {name} is not positive")
        prices.append(price)
        sizes.append(_decimal(level[1], size_name))
    return prices, sizes


def _unknown(message: dict[str, Any], kind: int) -> tuple[str, ...]:
    known = _KNOWN_FIELDS[kind]
    return () if message.keys() <= known else tuple(sorted(message.keys() - known))
