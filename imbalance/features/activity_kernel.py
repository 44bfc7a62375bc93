"""Bars in volume time and event time: one pass over states of the book and trades, by time.

Here: when a bar ends, and what is summed in it. Not here: reading and writing (`activity_bars`),
ratios and what is null (`sql/features/activity_measures.sql`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imbalance.kernels import jit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

INTEGERS = ("bar_start", "bar_end", "available_at", "complete", "broken", "book_event_count",
            "trade_count", "unknown_side_count")
"""Whole numbers of a bar; `broken`: a snapshot, a crossed or a one-sided book is in it."""

REALS = ("bar_size", "mid_open", "mid_high", "mid_low", "mid_close", "bid_price", "bid_size",
         "ask_price", "ask_size", "order_flow_imbalance", "order_flow_imbalance_no_price_change",
         "traded_volume", "buy_volume", "sell_volume", "trade_notional")

(_START, _END, _AVAILABLE, _COMPLETE, _BROKEN, _EVENTS, _TRADES, _UNSIDED, _RUNNING, _SEEN,
 _UNCLEAN, _SIZED) = range(12)
(_SIZE, _OPEN, _HIGH, _LOW, _CLOSE, _BID, _BID_SIZE, _ASK, _ASK_SIZE, _FLOW, _STILL, _VOLUME, _BUY,
 _SELL, _NOTIONAL) = range(15)


class States(NamedTuple):
    """States of a book in their order; prices NaN where a side is empty."""

    time: Integers
    available_at: Integers
    segment_start: NDArray[np.bool_]
    bid_price: Floats
    bid_size: Floats
    ask_price: Floats
    ask_size: Floats


class Trades(NamedTuple):
    """Trades in the order of time; `side` is 1 (bought), −1 (sold) or 0 (not known)."""

    time: Integers
    available_at: Integers
    price: Floats
    size: Floats
    side: Integers


@dataclass
class ActivityBars:
    """The bars of one instrument's day, made piece by piece.

    Parameters
    ----------
    by_volume : a bar ends by volume traded, else by book events.
    size : what it has to hold; NaN: the first one of known volume ends after `first_trades` trades,
        and its volume is the size of the others.
    trades : all of the day.

    Notes
    -----
    A bar ends with the last event of the ns in which it is full, so that bars are intervals of
    time and the order within a ns has no part in where they end. The clock is the latest event time
    so far: an event whose time is before it counts as at it. Before trades of the same ns stands no
    state. A trade of unknown size makes the volume of its bar unknown: that bar ends with the next
    trade whose size is known, and is not complete. e_n follows `order_flow.order_flow_events`; the
    first state of a day and each that begins a segment has none, nor has a change from or to a
    crossed or one-sided book.
    """

    by_volume: bool
    size: float
    first_trades: int
    trades: Trades
    _next: int = 0
    _whole: Integers = field(default_factory=lambda: np.zeros(12, np.int64))
    _real: Floats = field(default_factory=lambda: np.full(15, np.nan))

    def __post_init__(self) -> None:
        self._real[_SIZE] = self.size

    def add(self, states: States, *, last: bool) -> dict[str, NDArray[Any]]:
        """Take the next states and the trades up to them; returns the bars that have ended.

        Parameters
        ----------
        last : no states come after these: all trades are taken, and the open bar is returned too.
        """
        until = len(self.trades.time)
        if not last:
            now = states.time.max(initial=self._whole[_END])
            until = int(np.searchsorted(self.trades.time, now, side="right"))
        rows = len(states.time) + until - self._next + 1
        whole = np.empty((rows, len(INTEGERS)), np.int64)
        real = np.empty((rows, len(REALS)))
        count, self._next = _advance(
            self._whole, self._real, self.by_volume, self.first_trades, states, self.trades,
            self._next, last, whole, real,
        )
        columns: dict[str, NDArray[Any]] = {}
        columns |= {name: whole[:count, k].copy() for k, name in enumerate(INTEGERS)}
        columns |= {name: real[:count, k].copy() for k, name in enumerate(REALS)}
        return columns


@jit
def _begin(whole: Integers, real: Floats, start: int) -> None:
    """Start a bar with the book as it stands."""
    whole[_START] = start
    whole[_RUNNING] = 1
    whole[_BROKEN] = whole[_UNCLEAN]
    for k in (_EVENTS, _TRADES, _UNSIDED, _COMPLETE, _SIZED):
        whole[k] = 0
    for k in (_FLOW, _STILL, _VOLUME, _BUY, _SELL, _NOTIONAL):
        real[k] = 0.0
    real[_OPEN] = real[_CLOSE]
    real[_HIGH] = real[_CLOSE]
    real[_LOW] = real[_CLOSE]


@jit
def _emit(
    whole: Integers, real: Floats, by_volume: bool, out_whole: Integers, out_real: Floats, row: int
) -> None:
    """Write the running bar, which ends 1 ns after the clock."""
    # Element by element: the compiler would build the message of a shape that does not fit, too.
    for k in range(out_whole.shape[1]):
        out_whole[row, k] = whole[k]
    unknown = by_volume and np.isnan(real[_VOLUME])
    out_whole[row, _COMPLETE] = whole[_COMPLETE] and not unknown
    out_whole[row, _END] = whole[_END] + 1
    out_whole[row, _AVAILABLE] = max(whole[_AVAILABLE], whole[_END] + 1)
    for k in range(len(real)):
        out_real[row, k] = real[k]
    if by_volume and whole[_COMPLETE] and np.isnan(real[_SIZE]):
        real[_SIZE] = real[_VOLUME]


@jit
def _full(whole: Integers, real: Floats, by_volume: bool, first_trades: int) -> bool:
    if not by_volume:
        return whole[_EVENTS] >= real[_SIZE]
    if np.isnan(real[_VOLUME]):
        # how much it holds is not known: it ends where trades of known size begin again
        return whole[_SIZED] != 0
    if np.isnan(real[_SIZE]):
        return whole[_TRADES] >= first_trades and real[_VOLUME] > 0.0
    return real[_VOLUME] >= real[_SIZE]


@jit
def _take_state(whole: Integers, real: Floats, states: States, k: int) -> None:
    """Take a state into the bar: its flow from the one before, and the book as it stands."""
    b0, a0 = real[_BID], real[_ASK]
    qb0, qa0 = real[_BID_SIZE], real[_ASK_SIZE]
    b, qb, a, qa = (states.bid_price[k], states.bid_size[k], states.ask_price[k],
                    states.ask_size[k])  # fmt: skip
    unclean = np.isnan(a - b) or b > a
    first = whole[_SEEN] == 0
    if unclean or whole[_UNCLEAN] or (states.segment_start[k] and not first):
        whole[_BROKEN] = 1
    elif first:
        # within a bar, its flow from the book before is missing; a bar may begin with it
        if whole[_EVENTS] > 0 or whole[_TRADES] > 0 or whole[_START] < whole[_END]:
            whole[_BROKEN] = 1
    else:
        e = 0.0
        if b >= b0:
            e += qb
        if b <= b0:
            e -= qb0
        if a <= a0:
            e -= qa
        if a >= a0:
            e += qa0
        real[_FLOW] += e
        if b == b0 and a == a0:
            real[_STILL] += e
    whole[_SEEN] = 1
    whole[_UNCLEAN] = unclean
    whole[_EVENTS] += 1
    real[_BID], real[_BID_SIZE], real[_ASK], real[_ASK_SIZE] = b, qb, a, qa
    mid = 0.5 * (b + a)
    real[_CLOSE] = mid
    if first and not whole[_BROKEN]:
        real[_OPEN] = mid
    if not np.isnan(mid):
        real[_HIGH] = mid if np.isnan(real[_HIGH]) else max(real[_HIGH], mid)
        real[_LOW] = mid if np.isnan(real[_LOW]) else min(real[_LOW], mid)


@jit
def _take_trade(whole: Integers, real: Floats, trades: Trades, k: int) -> None:
    whole[_TRADES] += 1
    whole[_SIZED] = not np.isnan(trades.size[k])
    real[_VOLUME] += trades.size[k]
    real[_NOTIONAL] += trades.price[k] * trades.size[k]
    if trades.side[k] > 0:
        real[_BUY] += trades.size[k]
    elif trades.side[k] < 0:
        real[_SELL] += trades.size[k]
    else:
        whole[_UNSIDED] += 1


@jit
def _advance(
    whole: Integers, real: Floats, by_volume: bool, first_trades: int, states: States,
    trades: Trades, next_trade: int, last: bool, out_whole: Integers, out_real: Floats,
) -> tuple[int, int]:  # fmt: skip
    n, m = len(states.time), len(trades.time)
    k, t = 0, next_trade
    row: Any = np.int64(0)
    while k < n or (last and t < m):
        is_trade = t < m and (k >= n or trades.time[t] <= max(states.time[k], whole[_END]))
        now = trades.time[t] if is_trade else states.time[k]
        known = trades.available_at[t] if is_trade else states.available_at[k]
        now = max(now, whole[_END])
        if whole[_RUNNING] and whole[_COMPLETE] and now > whole[_END]:
            _emit(whole, real, by_volume, out_whole, out_real, row)
            row += 1
            _begin(whole, real, whole[_END] + 1)
        elif not whole[_RUNNING] and is_trade == by_volume:
            _begin(whole, real, now)
        whole[_END] = now
        whole[_AVAILABLE] = max(whole[_AVAILABLE], known)
        if is_trade:
            t += 1
            if whole[_RUNNING]:
                _take_trade(whole, real, trades, t - 1)
        else:
            k += 1
            if whole[_RUNNING]:
                _take_state(whole, real, states, k - 1)
            else:
                _stand(whole, real, states, k - 1)
        if whole[_RUNNING] and _full(whole, real, by_volume, first_trades):
            whole[_COMPLETE] = 1
    if last and whole[_RUNNING]:
        _emit(whole, real, by_volume, out_whole, out_real, row)
        row += 1
    return row, t


@jit
def _stand(whole: Integers, real: Floats, states: States, k: int) -> None:
    """Keep the book before the first bar: the one that follows begins with it."""
    b, a = states.bid_price[k], states.ask_price[k]
    whole[_SEEN] = 1
    whole[_UNCLEAN] = np.isnan(a - b) or b > a
    real[_BID], real[_BID_SIZE] = b, states.bid_size[k]
    real[_ASK], real[_ASK_SIZE] = a, states.ask_size[k]
    real[_CLOSE] = 0.5 * (b + a)
