"""Which market of a venue a file is of, where its markets share symbols and shapes.

Fields that only one market sends come first, then what symbols and paths say; what is left is
assumed, and said so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from imbalance.captures.formats.arrays import complete_elements
from imbalance.captures.formats.format import named_in, taken_for
from imbalance.captures.scanner import MARKET_INVERSE, MARKET_LINEAR, MARKET_SPOT
from imbalance.captures.venues import binance, bybit

_BYBIT = "bybit"
_ONLY_DERIVATIVES = re.compile(
    rb'^\{"topic":"(orderbook\.500\.|[a-zA-Z]+\.(\d+\.)?[A-Z0-9]+(PERP|-[\w-]+)")'
    rb'|"(L|markPrice|fundingRate|openInterest)":'
)
"""Books of 500 levels, USDC contracts and dated futures by their names, fields of derivatives."""

_ONLY_SPOT = re.compile(rb'^\{"topic":"publicTrade\.|"usdIndexPrice":')
_BYBIT_WORDS = {"spot": bybit.SPOT, "linear": _BYBIT, "inverse": _BYBIT}
SPOT_KIN = ("binance-us",)
"""Venues whose messages and dumps look like those of Binance's spot."""

_TRIED = 50
"""Elements of an array that are looked at."""


class Market(NamedTuple):
    """What `Sniff` says of a venue."""

    venue: str
    others: tuple[str, ...] | None = ()
    assumed: str | None = None


def bybit_market(lines: Sequence[bytes], path: Path) -> Market:
    """Spot or derivatives, by the first lines of a dump of Bybit.

    Trades of derivatives have `L`, those of spot do not; books of up to 200 levels are the same.
    """
    told = next(filter(None, map(_bybit_line, lines)), None) or named_in(path, _BYBIT_WORDS)
    others = (_BYBIT if told == bybit.SPOT else bybit.SPOT,)
    return Market(told or _BYBIT, others, None if told else taken_for(_BYBIT, others))


def _bybit_line(line: bytes) -> str | None:
    if _ONLY_DERIVATIVES.search(line):
        return _BYBIT
    return bybit.SPOT if _ONLY_SPOT.search(line) else None


def binance_array(head: bytes) -> Market:
    """The market of a JSON array of Binance's messages, by its first elements."""
    elements, _ = complete_elements(head)
    for element in elements[:_TRIED]:
        market, symbol = binance.sniff(element)
        if market is None and symbol is not None:
            # trades of spot have a field of their own
            market = binance.market_by_name([symbol])
        if market is not None:
            return _binance(market)
    others = (binance.VENUES[MARKET_LINEAR], binance.VENUES[MARKET_INVERSE], *SPOT_KIN)
    return Market(binance.VENUES[MARKET_SPOT], others, taken_for("binance", others))


def binance_book(head: bytes) -> Market:
    """The market of a book of Binance as asked for over HTTP, by what stands before its levels."""
    before = head.partition(b'"bids"')[0]
    if b'"pair"' in before:
        return _binance(MARKET_INVERSE)
    return _binance(MARKET_LINEAR if b'"T"' in before else MARKET_SPOT)


def _binance(market: int) -> Market:
    return Market(binance.VENUES[market], SPOT_KIN if market == MARKET_SPOT else ())

