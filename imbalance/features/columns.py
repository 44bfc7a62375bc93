"""How the feature registry phrases each kind of column: states, means, flows, counts, ratios.

One function per kind, so that all columns of a kind say the same about null. No column is declared
here.
"""

from __future__ import annotations

from typing import Any

from imbalance.books.columns import of_sizes, or_unsized
from imbalance.contracts import Column

_POISONED = "the bar is poisoned"

TRAILING_BARS = 300
"""Preceding valid bars which the trailing normalisations look at."""

LEAST_BARS = 20
"""Valid bars below which a trailing or trained quantity is null."""

TRAILING = (
    f"the {TRAILING_BARS} preceding valid bars of the UTC day (from {LEAST_BARS}; begins anew at "
    "midnight)"
)
FEW = f"poisoned, or fewer than {LEAST_BARS} valid bars before it in the UTC day"

FEED_SILENCE = 60_000_000_000
"""Nanoseconds for which the last trade or quote of a day vouches for its feed on the next."""


def no_feed(message: str) -> str:
    """What null means where a bar counts the messages of a feed."""
    return (
        f"poisoned, or the {message} feed is not known: before the day's first {message} and more "
        f"than {FEED_SILENCE // 10**9} s after the last of the day before"
        + (", or in a gap of book.trade_gaps" if message == "trade" else "")
        + " (coarser bars: in part)"
    )


def time(name: str, what: str) -> Column:
    """A time that is never missing."""
    return Column(name, "TIMESTAMP_NS", what, unit="UTC, ns")


def number(name: str, what: str, unit: str, null: str, **more: Any) -> Column:
    """A number whose nulls need their own words."""
    return Column(name, "DOUBLE", _sentence(what), unit=unit, nullable=True, null_meaning=null,
                  **more)


def state(name: str, what: str, unit: str, **more: Any) -> Column:
    """A state of the book at the end of the bar (or an extreme within it)."""
    null = "no valid book with both sides at the bar's end"
    more.setdefault("null_meaning", of_sizes(null, unit))
    return Column(name, "DOUBLE", _sentence(what), unit=unit, nullable=True, **more)


def ratio(name: str, what: str, **more: Any) -> Column:
    """A normalised difference of two sizes in the closing book, in [−1, 1]."""
    return Column(name, "DOUBLE", _sentence(what), unit="fraction", nullable=True, minimum=-1.0,
                  maximum=1.0,
                  null_meaning=or_unsized(
                      "no valid book with both sides at the bar's end, or both sizes 0"),
                  **more)


def mean(name: str, what: str, unit: str, **more: Any) -> Column:
    """A mean over the time of the bar in which the book was valid and uncrossed."""
    return Column(name, "DOUBLE", what + ", time-weighted mean over the part of the bar with a "
                  "valid, uncrossed book.", unit=unit, nullable=True,
                  null_meaning=of_sizes("no such part", unit), **more)


def flow(name: str, what: str, unit: str, **more: Any) -> Column:
    """A sum over the events of the bar; 0 when valid and nothing happened."""
    more.setdefault("null_meaning", of_sizes(_POISONED, unit))
    return Column(name, "DOUBLE", _sentence(what), unit=unit, nullable=True, **more)


def count(name: str, what: str, **more: Any) -> Column:
    """A number of events of the bar."""
    more.setdefault("null_meaning", _POISONED)
    return Column(name, "BIGINT", _sentence(what), unit="count", nullable=True, minimum=0, **more)


def sided(null_meaning: str) -> str:
    """What null means where the side of every trade must be known."""
    return f"{null_meaning}, or the side of a trade of the bar is not known"


def trade_flow(name: str, what: str, unit: str, **more: Any) -> Column:
    """A sum over the trades of the bar."""
    more.setdefault("null_meaning", or_unsized(no_feed("trade")))
    return flow(name, what, unit, **more)


def trade_count(name: str, what: str, **more: Any) -> Column:
    """A number of trades of the bar."""
    more.setdefault("null_meaning", no_feed("trade"))
    return count(name, what, **more)


def depth(bps: int) -> tuple[Column, ...]:
    """Size within `bps` of the mid on both sides, its imbalance and its truncation flag."""
    within = f"within {bps} bps of the mid at the end of the bar"
    return (
        state(f"bid_depth_{bps}bps", f"Bid size {within}", "base units", minimum=0.0),
        state(f"ask_depth_{bps}bps", f"Ask size {within}", "base units", minimum=0.0),
        ratio(f"depth_imbalance_{bps}bps", f"Imbalance of the sizes {within}",
              formula="(Σ q^b − Σ q^a)/(Σ q^b + Σ q^a)"),
        Column(f"depth_truncated_{bps}bps", "BOOLEAN",
               f"The book is not known to {bps} bps on both sides, so that the sizes and the "
               "imbalance of this band may lack levels.", nullable=True,
               null_meaning="no valid book with both sides at the bar's end",
               formula=f"least(bid_reach_bps, ask_reach_bps) < {bps}"),
    )


def _sentence(text: str) -> str:
    return text if text.endswith(".") else text + "."
