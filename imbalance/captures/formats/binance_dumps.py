"""Which of Binance's public dumps a file is, and of which market: spot, USD-M or COIN-M futures.

Files without a header are told by the number and kinds of their columns. Sums of trades tell
COIN-M's, which are in coins, from those of spot and USD-M; the rest is left to symbols and paths.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from imbalance.captures.formats.format import named_in, taken_for
from imbalance.captures.formats.markets import SPOT_KIN, Market
from imbalance.captures.frames import Frame
from imbalance.captures.scanner import MARKET_INVERSE, MARKET_LINEAR, MARKET_SPOT
from imbalance.captures.venues import binance

SPOT, LINEAR, INVERSE = (
    binance.VENUES[market] for market in (MARKET_SPOT, MARKET_LINEAR, MARKET_INVERSE)
)

_WORDS = {"spot": SPOT, "um": LINEAR, "cm": INVERSE}

_KINDS = {"i": rb"\d+", "n": rb"\d+(?:\.\d*)?(?:[eE]-?\d+)?", "t": rb"\d{13}(?:\d{3})?",
          "b": rb"(?:[Tt]rue|[Ff]alse)"}  # fmt: skip
"""An id, a number, a time in ms or µs, a truth value."""


def _line(kinds: str) -> re.Pattern[bytes]:
    return re.compile(rb"^" + rb",".join(_KINDS[kind] for kind in kinds) + rb"$")


_TRADES = ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker", "is_best_match")
_AGGREGATES = ("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id",
               "transact_time", "is_buyer_maker", "is_best_match")
_HEADLESS = (
    (_line("innntbb"), "binance-trades", _TRADES),
    (_line("innntb"), "binance-trades", _TRADES[:-1]),
    (_line("inniitbb"), "binance-aggregate-trades", _AGGREGATES),
    (_line("inniitb"), "binance-aggregate-trades", _AGGREGATES[:-1]),
    (_line("innnntt"), "binance-book-ticker",
     ("update_id", "best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty",
      "transaction_time", "event_time")),
)  # fmt: skip
"""Lines of files without a header, their layout and columns; those of spot have `is_best_match`.
What COIN-M has in the place of `quote_qty` is the sum in coins.
"""

_SYMBOL = re.compile(r"(?:^|[-_])((?=\d*[A-Z])[A-Z0-9]{3,24}(?:_(?:PERP|\d{6}))?)(?=[-_.]|$)")
_LINEAR_SYMBOL = re.compile(r"(USDT|USDC|BUSD)(_\d{6})?$")

_ROUNDED = 1e-3
"""How far a sum may be from what price and size say, relative to it."""


def headless(line: bytes) -> tuple[str, tuple[str, ...]] | None:
    """Layout and columns by the first line of a file that has no header."""
    return next(
        ((name, columns) for pattern, name, columns in _HEADLESS if pattern.match(line)), None
    )


def symbol(stem: str) -> str | None:
    """The symbol in the name of a dump, such as `BTCUSD_240628-trades-2024-06-01`."""
    found = _SYMBOL.search(stem)
    return found[1] if found else None


def market(
    layout: str, markets: Sequence[str], frame: Frame, named: str, path: Path
) -> Market:
    """The market of a dump.

    Parameters
    ----------
    markets : those of which the layout is published.
    frame : its first rows, with all of its columns.
    named : its symbol.
    """
    if "is_best_match" in frame.columns:
        return Market(SPOT, SPOT_KIN)
    if "base_qty" in frame.columns:
        return Market(INVERSE)
    sums = _by_sums(frame) if layout == "binance-trades" else None
    if sums == INVERSE:
        return Market(INVERSE)
    if sums is not None:
        markets = [one for one in markets if one != INVERSE]
    if INVERSE in markets and binance.INVERSE_NAME.search(named):
        told: str | None = INVERSE
    else:
        told = named_in(path, {word: venue for word, venue in _WORDS.items() if venue in markets})
    if told is None and _LINEAR_SYMBOL.search(named):
        told = LINEAR
    others = tuple(one for one in markets if one != (told or LINEAR))
    return Market(told or LINEAR, others, None if told else taken_for(LINEAR, others))


def _by_sums(frame: Frame) -> str | None:
    """USD-M, or spot of the same columns, where sums are price times size; COIN-M where they are
    coins for that many contracts; None where they fit neither, or both.
    """
    price, size, total = (frame.number(name, optional=True)
                          for name in ("price", "qty", "quote_qty"))
    with np.errstate(all="ignore"):
        linear = np.abs(total / (price * size) - 1.0) < _ROUNDED
        inverse = np.zeros(len(frame), bool)
        for each in (binance.CONTRACT_OF_BTC, binance.CONTRACT):
            # coins are rounded to eight decimals
            coins = size * each / price
            inverse |= np.abs(total - coins) < _ROUNDED * coins + 1e-8
    votes = int((linear & ~inverse).sum()), int((inverse & ~linear).sum())
    if votes[0] == votes[1]:
        return None
    return LINEAR if votes[0] > votes[1] else INVERSE
