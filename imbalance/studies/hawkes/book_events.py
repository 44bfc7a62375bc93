"""Eight kinds of events of a book: trades, limit orders and cancellations by side, price moves.

From the states of the book and the trades between them. What is read from where is in
`reading.py`.

Sources: Large 2007; Bacry, Jaisson and Muzy 2016 (the eight kinds).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

KINDS = ("trade_ask", "trade_bid", "limit_ask", "limit_bid", "cancel_ask", "cancel_bid",
         "price_up", "price_down")
"""Trades at the ask are buys. The first six leave the mid price where it is."""

PRICE_UP, PRICE_DOWN = 6, 7

_ROUNDING = 1e-9
"""Share of a size below which a difference of sizes is rounding."""

_ROUNDING_OF_PRICES = 1e-12
"""The same of prices, whose ticks may be 1e-8 of them."""


@dataclass(frozen=True)
class States:
    """Best levels at every change of the book, in order; times in ns."""

    times: Integers
    bid_price: Vector
    bid_size: Vector
    ask_price: Vector
    ask_size: Vector
    usable: Mask
    """Both sides there and not crossed."""
    fresh: Mask
    """First after a snapshot or gap: nothing led to it."""


@dataclass(frozen=True)
class Trades:
    """Trades in order; times in ns, sizes in base units."""

    times: Integers
    sizes: Vector
    buys: Mask
    unsigned: Integers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Times of further trades, of which the venue does not say who was the aggressor."""


@dataclass(frozen=True)
class BookEvents:
    """Events with what their time stamps leave open."""

    stamps: Integers
    """As recorded, ns."""
    earliest: Integers
    latest: Integers
    """The event happened in [earliest, latest)."""
    kinds: Integers

    def select(self, where: Mask) -> BookEvents:
        """Some of the events."""
        return BookEvents(self.stamps[where], self.earliest[where], self.latest[where],
                          self.kinds[where])


def book_events(states: States, trades: Trades, feed_nanoseconds: int) -> BookEvents:
    """The events between successive states.

    Parameters
    ----------
    feed_nanoseconds : a change of the book happened after the message before its own, and at most
        so long before its own: feeds send what came together in one message.

    Notes
    -----
    A change of the mid is one event of price, and trades in that step are part of it. With prices
    as they were, a side's size has changed by (added − cancelled − traded): what is left of the
    change once the trades on that side are added back is a limit order (above 0) or a cancellation
    (below); of neither is known where a trade of unknown side is in it. Trades of one time stamp
    and side are one order. A change of prices that leaves the mid where it was is not counted.
    """
    step = np.flatnonzero(states.usable[1:] & states.usable[:-1] & ~states.fresh[1:]) + 1
    mid = states.bid_price + states.ask_price
    move = mid[step] - mid[step - 1]
    move[np.abs(move) <= _ROUNDING_OF_PRICES * np.abs(mid[step])] = 0.0
    still = (states.bid_price[step] == states.bid_price[step - 1]) & (
        states.ask_price[step] == states.ask_price[step - 1])
    found = [(step[move > 0], PRICE_UP), (step[move < 0], PRICE_DOWN)]
    quiet = step[still]
    unsigned = _between(states.times, trades.unsigned, np.ones(len(trades.unsigned)))
    signed = quiet[unsigned[quiet] == 0.0]
    for side, sizes in enumerate((states.ask_size, states.bid_size)):
        mine = trades.buys if side == 0 else ~trades.buys
        traded = _between(states.times, trades.times[mine], trades.sizes[mine])
        net = sizes[signed] - sizes[signed - 1] + traded[signed]
        rounding = _ROUNDING * (sizes[signed] + sizes[signed - 1] + traded[signed])
        found += [(signed[net > rounding], 2 + side), (signed[net < -rounding], 4 + side)]
    rows = np.concatenate([which for which, _ in found])
    kinds = np.concatenate([np.full(len(which), kind, dtype=np.int64) for which, kind in found])
    latest = states.times[rows]
    # Of states with one stamp the order alone is known: all lie after the last earlier one.
    before = np.maximum(np.searchsorted(states.times, latest) - 1, 0)
    earliest = np.maximum(states.times[before], latest - feed_nanoseconds)
    orders = _orders(trades)
    # The state that a trade leads to is the first at or after it.
    leads_to = np.searchsorted(states.times, trades.times[orders], side="left")
    counted = np.zeros(len(states.times) + 1, dtype=np.bool_)
    counted[quiet] = True
    orders = orders[counted[leads_to]]
    stamps = trades.times[orders]
    return BookEvents(
        np.concatenate([latest, stamps]),
        np.concatenate([earliest, stamps]),
        np.concatenate([latest, stamps + resolution(trades.times)]),
        np.concatenate([kinds, np.where(trades.buys[orders], 0, 1)]).astype(np.int64),
    )


def resolution(times: Integers) -> int:
    """Unit of time stamps, ns: the largest power of ten of which all are multiples, up to 1 ms."""
    for unit in (1_000_000, 100_000, 10_000, 1_000, 100, 10):
        if len(times) and not (times % unit).any():
            return unit
    return 1


def _orders(trades: Trades) -> Integers:
    """Numbers of the trades that begin a run of one time stamp and side."""
    if not len(trades.times):
        return np.empty(0, dtype=np.int64)
    same = (np.diff(trades.times) == 0) & (trades.buys[1:] == trades.buys[:-1])
    return np.flatnonzero(np.concatenate([[True], ~same]))


def _between(states: Integers, times: Integers, sizes: Vector) -> Vector:
    """Volume traded after the state before and up to each state; 0 for the first."""
    total = np.concatenate([[0.0], np.cumsum(sizes)])
    reached = total[np.searchsorted(times, states, side="right")]
    return np.diff(reached, prepend=reached[:1])
