"""Trades and mid prices of one instrument as a series of events: signed flow, and what followed.

Everything about which trade meets which price is here. No estimation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.asynchrony.reading import STATES, TRADES, book_mids
from imbalance.studies.events import told_once

if TYPE_CHECKING:
    from imbalance.studies.events import Events

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Times = NDArray[np.int64]
Flow = Literal["sign", "signed_root_size"]

QUOTES = "raw.quotes"


@dataclass(frozen=True)
class Trades:
    """Aggressive orders in the order of time."""

    times: Times
    signed_size: Vector
    """Base units, above 0 when the buyer was the aggressor."""
    unsigned: int
    """Trades left out since the venue does not name the aggressor."""
    available_at: int
    prices: Vector
    """Mean price of each, weighted by size."""


@dataclass(frozen=True)
class Mids:
    """Mid prices in the order of time."""

    times: Times
    prices: Vector
    source: str
    """Table they are from."""
    available_at: int


@dataclass(frozen=True)
class Series:
    """One instrument in event time."""

    data: Matrix
    """Rows × 2: flow, return in bps. A row of NaN parts segments; NaN stands for no return."""
    events: int
    """Orders there were."""
    window_from: int
    window_to: int
    """First trade, and just after the last, ns."""


def read_trades(events: Events, instrument: str) -> Trades:
    """Trades whose aggressor the venue names; fills of one order count once.

    Where a venue sends single trades and aggregates of the same, only the single ones are taken;
    none whose size in base units is not known, or 0.
    Fills of one side at one time are one order.
    """
    read = events.read(TRADES, instrument, ["kind", "price", "size_base", "side", "available_at"])
    times = read["event_time"]
    if not len(times):
        return Trades(times, np.empty(0), 0, 0, np.empty(0))
    used = told_once(read["kind"])
    side = np.where(read["side"] == "buy", 1.0, np.where(read["side"] == "sell", -1.0, 0.0))
    unsigned = int((used & (side == 0.0)).sum())
    used &= (side != 0.0) & (read["size_base"].astype(np.float64) > 0.0)
    order = np.flatnonzero(used)[np.argsort(times[used], kind="stable")]
    times, side, size = times[order], side[order], read["size_base"][order].astype(np.float64)
    if not len(times):
        return Trades(times, np.empty(0), unsigned, 0, np.empty(0))
    first = np.concatenate([[True], (np.diff(times) != 0) | (np.diff(side) != 0.0)])
    starts = np.flatnonzero(first)
    known = int(read["available_at"].astype("datetime64[ns]").astype(np.int64).max())
    total = np.add.reduceat(size, starts)
    value = np.add.reduceat(size * read["price"][order].astype(np.float64), starts)
    return Trades(times[starts], side[starts] * total, unsigned, known, value / total)


def read_mids(events: Events, instrument: str) -> Mids:
    """Mid prices of the venue's quotes; of the rebuilt book where the venue sends none. A crossed
    market has none.
    """
    if instrument in events.instruments(QUOTES):
        read = events.read(QUOTES, instrument, ["bid_price", "ask_price", "available_at"])
        times = read["event_time"]
        bid, ask = (read[f"{side}_price"].astype(np.float64) for side in ("bid", "ask"))
        prices = np.where(bid <= ask, 0.5 * (bid + ask), np.nan)
        known = read["available_at"].astype("datetime64[ns]").astype(np.int64)
        source = QUOTES
    else:
        parts = list(book_mids(events, instrument))
        if not parts:
            return Mids(np.empty(0, dtype=np.int64), np.empty(0), STATES, 0)
        times, prices, _, known = (np.concatenate(part) for part in zip(*parts, strict=True))
        source = STATES
    order = np.argsort(times, kind="stable")
    sound = np.isfinite(prices[order]) & (prices[order] > 0.0)
    return Mids(times[order][sound], prices[order][sound], source,
                int(known.max()) if len(known) else 0)


def in_event_time(
    trades: Trades, mids: Mids, stretches: NDArray[np.int64], flow: Flow, most: int
) -> Series:
    """Signed flow of each order, and the return from just before it to just before the next.

    Parameters
    ----------
    trades, mids : of the instrument; at least one trade.
    stretches : [from, to) in which its book was valid, in order, n × 2.
    flow : `sign`, +1 or −1; or `signed_root_size`, with the root of the size in base units.
    most : the last so many orders are used.

    Notes
    -----
    The mid just before a trade is that of the last quote with an earlier time, so that quotes which
    the trade itself made belong to its return (Hasbrouck 1991). A trade whose own or next mid is
    from another stretch, or not there, has no return; a row of NaN stands between stretches, so
    that no lag reaches over them.
    """
    times = trades.times[-most:]
    size = trades.signed_size[-most:]
    x = np.sign(size) if flow == "sign" else np.sign(size) * np.sqrt(np.abs(size))
    apart = np.concatenate([[0], np.cumsum(stretches[1:, 0] > stretches[:-1, 1])])
    stretch = apart[np.searchsorted(stretches[:, 0], times, side="right") - 1]
    of_mid = apart[np.searchsorted(stretches[:, 0], mids.times, side="right") - 1]
    place = np.searchsorted(mids.times, times, side="left") - 1
    there = place >= 0
    there[there] &= of_mid[place[there]] == stretch[there]
    log_mid = np.full(len(times), np.nan)
    log_mid[there] = np.log(mids.prices[place[there]])
    returns = np.full(len(times), np.nan)
    returns[:-1] = 1e4 * np.diff(log_mid)
    new = np.diff(stretch) > 0
    returns[:-1][new] = np.nan
    rows = np.arange(len(times)) + np.concatenate([[0], np.cumsum(new)])
    data = np.full((int(rows[-1]) + 1, 2), np.nan)
    data[rows, 0], data[rows, 1] = x, returns
    return Series(data, len(trades.times), int(times[0]), int(times[-1]) + 1)
