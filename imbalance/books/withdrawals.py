"""Improvements of a best price that are soon taken back: what a book of levels tells of fleeting
orders.

When a best price improves there was no order at the new price before, so that the life of the level
bounds that of every order in it. Deeper, an addition and a cancellation at one price may be of two
orders. Whether a level was taken back or traded away a book cannot tell: see
`sql/features/bars_100ms.sql`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.books.ladder import ASK, BID
from imbalance.books.state import Output
from imbalance.kernels import jit

LIFE = 1_000_000_000
"""Nanoseconds up to which a life is fleeting."""

COLUMNS = ("bid_withdrawals", "ask_withdrawals")


@jit
def withdrawn(event: Any, broken: Any, best: Any, price: float, since: int, life: int) -> Any:
    """States in which the best bid has fallen from where it rose to at most `life` before.

    Parameters
    ----------
    event : int64 (n,), times in ns.
    broken : bool (n,), states into which nothing leads: a new segment, a crossed book.
    best : best bids, or best asks times −1; NaN where the side is empty.
    price, since : best before the first state, and when it rose there; −1: not known.

    Returns
    -------
    bool (n,) ; and price and since after the last state.
    """
    found = np.zeros(len(event), np.bool_)
    for k in range(len(event)):
        now = best[k]
        if broken[k] or np.isnan(now) or np.isnan(price):
            since = -1
        elif now > price:
            since = event[k]
        elif now < price:
            found[k] = 0 <= since <= event[k] <= since + life
            since = -1
        price = now
    return found, price, since


class Withdrawals:
    """Counts them by bar, as states and bars are written.

    Parameters
    ----------
    bar_ns : length of the bars.
    """

    def __init__(self, bar_ns: int) -> None:
        self._bar_ns = bar_ns
        self._held = [(np.nan, -1), (np.nan, -1)]
        self._counts: list[dict[int, int]] = [{}, {}]

    def take_states(self, out: Output, count: int) -> None:
        """Take the states in a rebuild's buffers."""
        event = out.states[:count, 0].copy()
        broken = (out.states[:count, 3] != 0) | (out.states[:count, 4] != 0)
        for side, sign in ((BID, 1.0), (ASK, -1.0)):
            levels = out.state_counts[:count, side]
            there = levels > 0
            best = np.full(count, np.nan)
            best[there] = sign * out.state_prices[side, (np.cumsum(levels) - levels)[there]]
            found, *held = withdrawn(event, broken, best, *self._held[side], LIFE)
            self._held[side] = (float(held[0]), int(held[1]))
            bars, counts = np.unique(event[found] // self._bar_ns, return_counts=True)
            known = self._counts[side]
            for bar, number in zip(bars.tolist(), counts.tolist(), strict=True):
                known[bar] = known.get(bar, 0) + number

    def columns(self, starts: Any) -> dict[str, pa.Array]:
        """Counts of some bars, by their start in ns, each asked for once."""
        bars = (starts // self._bar_ns).tolist()
        return {
            name: pa.array([self._counts[side].pop(bar, 0) for bar in bars], pa.int64())
            for name, side in zip(COLUMNS, (BID, ASK), strict=True)
        }
