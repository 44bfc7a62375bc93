"""What a book message does to the levels, and what follows: best levels, order flow, states.

Parts of the one pass in `kernel.py`; whether a message may be applied is decided in
`continuity.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.books import state as at
from imbalance.books.bars import note_mid
from imbalance.books.ladder import (
    ASK,
    BEST_ASK,
    BEST_BID,
    BID,
    MISPLACED,
    WIDTH,
    set_level,
    settle,
    take_best,
)  # fmt: skip
from imbalance.books.state import Book, Output
from imbalance.books.tables import FLOW_LEVELS
from imbalance.books.units import base_size, price_of
from imbalance.kernels import bare, inline

_FAR = 1 << 62

_BEST = np.int64(0)
"""The best level, NumPy's for the reason of the sides in `ladder`."""


@bare
def apply_side(
    book: Book, side: int, prices: Any, sizes: Any, start: int, stop: int, count: bool
) -> bool:
    """Put the levels of one side; True when the best levels shown may have changed."""
    whole, ladder = book.whole, book.ladder
    scale, parts = book.real[at.TICK_SCALE], book.whole[at.TICK_PARTS]
    shown = book.top_count[side]
    # a level at the worst one shown or better may change what is shown; in a thin side any may
    sign = 1 if side == BID else -1
    bound = -_FAR
    if shown >= book.top_ticks.shape[1]:
        bound = sign * book.top_ticks[side, shown - 1]
    touched = False
    additions = cancellations = unknown = 0
    for k in range(start, stop):
        tick = np.int64(np.rint(prices[k] * scale / parts))
        size = sizes[k]
        before = set_level(ladder, side, tick, size)
        touched |= (sign * tick >= bound) & (before != size)
        additions += size > before
        cancellations += size < before
        unknown += (size == 0.0) & (before == 0.0)
    if count:
        whole[at.BAR_COUNTS + at.ADDITIONS] += additions
        whole[at.BAR_COUNTS + at.CANCELLATIONS] += cancellations
        whole[at.HEALTH_UNKNOWN] += unknown
        whole[at.BAR_COUNTS + at.UPDATES] += stop - start
    return touched


@inline
def on_grid(whole: Any, real: Any, prices: Any, start: int, stop: int) -> bool:
    """Whether all of some prices are multiples of the tick."""
    scale, parts = real[at.TICK_SCALE], whole[at.TICK_PARTS]
    off = 0
    for k in range(start, stop):
        exact = prices[k] * scale / parts
        off += abs(exact - np.rint(exact)) > 1e-6 * max(1.0, exact * 1e-6)
    return off == 0


@inline
def _shift_old(book: Book, side: int) -> int:
    """Keep the best levels of a side as the old ones; returns how many there were."""
    count = book.top_count[side]
    for k in range(count):
        book.old_ticks[side, k] = book.top_ticks[side, k]
        book.old_base[side, k] = book.top_base[side, k]
    return count


@bare
def _take_side(book: Book, side: int) -> None:
    whole, real = book.whole, book.real
    count = take_best(
        book.ladder, side, book.top_ticks.shape[1], book.top_ticks[side], book.top_sizes[side]
    )
    book.top_count[side] = count
    for k in range(count):
        price = price_of(whole, real, book.top_ticks[side, k])
        book.top_base[side, k] = base_size(real, book.top_sizes[side, k], price)


@inline
def _side_flow(book: Book, side: int, level: int) -> float:
    """One side's part of e_n at a level (Cont, Kukanov, Stoikov 2014): a bid that holds or rises
    adds its size, one that holds or falls gives back the size before; asks mirror it.
    """
    new, old = book.top_ticks[side, level], book.old_ticks[side, level]
    flow = 0.0
    if side == BID:
        if new >= old:
            flow += book.top_base[side, level]
        if new <= old:
            flow -= book.old_base[side, level]
    else:
        if new <= old:
            flow -= book.top_base[side, level]
        if new >= old:
            flow += book.old_base[side, level]
    return flow


@inline
def _add_flows(book: Book, old_bids: int, old_asks: int) -> None:
    bids = min(old_bids, book.top_count[BID])
    asks = min(old_asks, book.top_count[ASK])
    for level in range(FLOW_LEVELS):
        if level >= bids or level >= asks:
            book.flows[level] = np.nan
            continue
        book.flows[level] += _side_flow(book, BID, level) + _side_flow(book, ASK, level)
    if (
        book.top_ticks[BID, 0] == book.old_ticks[BID, 0]
        and book.top_ticks[ASK, 0] == book.old_ticks[ASK, 0]
    ):
        book.real[at.NO_CHANGE_FLOW] += _side_flow(book, BID, _BEST) + _side_flow(book, ASK, _BEST)


@bare
def _write_state(book: Book, out: Output, event: int, update_id: int) -> None:
    whole, real = book.whole, book.real
    row = out.used[1]
    out.used[1] += 1
    whole[at.STATE_COUNT] += 1
    state = out.states[row]
    state[0] = event
    state[1] = whole[at.LAST_AVAILABLE]
    state[2] = update_id
    state[3] = whole[at.SEGMENT_START]
    state[4] = whole[at.CROSSED]
    state[5] = whole[at.LOCKED]
    for side in (BID, ASK):
        count = min(book.top_count[side], whole[at.LEVELS])
        out.state_counts[row, side] = count
        first = out.used[2 + side]
        for k in range(count):
            out.state_prices[side, first + k] = price_of(whole, real, book.top_ticks[side, k])
            out.state_sizes[side, first + k] = book.top_base[side, k]
        out.used[2 + side] = first + count


@inline
def _note_sides(whole: Any, top_ticks: Any, both: bool) -> None:
    """Note whether the sides cross or lock."""
    whole[at.CROSSED] = both and top_ticks[BID, 0] > top_ticks[ASK, 0]
    whole[at.LOCKED] = both and top_ticks[BID, 0] == top_ticks[ASK, 0]
    if whole[at.CROSSED]:
        whole[at.BAR_COUNTS + at.BAR_CROSSED] += 1
        whole[at.HEALTH_CROSSED] += 1
        whole[at.BAR_POISONED] = 1
    if whole[at.LOCKED]:
        whole[at.BAR_COUNTS + at.BAR_LOCKED] += 1
        whole[at.HEALTH_LOCKED] += 1


@bare
def follow(book: Book, out: Output, event: int, update_id: int, bids: bool, asks: bool) -> None:
    """What follows from a message: best levels, flow, state, mid, proof."""
    whole, real, meta = book.whole, book.real, book.ladder.meta
    if (
        meta[MISPLACED]
        or meta[BEST_BID] < 0
        or meta[BEST_ASK] < 0
        or (abs((meta[BEST_BID] + meta[BEST_ASK]) // 2 - meta[WIDTH] // 2) > meta[WIDTH] // 16)
    ):
        settle(book.ladder)
        bids = asks = True
    old_bids = _shift_old(book, BID)
    old_asks = _shift_old(book, ASK)
    if bids:
        _take_side(book, BID)
    if asks:
        _take_side(book, ASK)
    both = book.top_count[BID] > 0 and book.top_count[ASK] > 0
    whole[at.BANDS_STALE] = 1
    was_crossed = whole[at.CROSSED]
    _note_sides(whole, book.top_ticks, both)
    real[at.MID] = np.nan
    if both:
        bid = price_of(whole, real, book.top_ticks[BID, 0])
        ask = price_of(whole, real, book.top_ticks[ASK, 0])
        real[at.MID] = 0.5 * (bid + ask)
        note_mid(whole, real)
    if (
        whole[at.SEGMENT_START]
        or whole[at.FLOW_BREAK]
        or not both
        or whole[at.CROSSED]
        or was_crossed
    ):
        whole[at.FLOW_BREAK] = not both or whole[at.CROSSED]
        whole[at.BAR_POISONED] = 1
    else:
        if bids or asks:
            _add_flows(book, old_bids, old_asks)
        levels = min(book.top_count[BID], book.top_count[ASK], FLOW_LEVELS)
        total = 0.0
        for k in range(levels):
            total += book.top_base[BID, k] + book.top_base[ASK, k]
        real[at.DEPTH_SUM] += total / (2 * levels)
        whole[at.BAR_COUNTS + at.EVENTS] += 1
    changed = whole[at.SEGMENT_START] or old_bids != book.top_count[BID]
    changed = changed or old_asks != book.top_count[ASK]
    for side in (BID, ASK):
        if changed or (not bids if side == BID else not asks):
            continue
        for k in range(min(book.top_count[side], whole[at.LEVELS])):
            if (
                book.top_ticks[side, k] != book.old_ticks[side, k]
                or book.top_base[side, k] != book.old_base[side, k]
            ):
                changed = True
                break
    if changed:
        _write_state(book, out, event, update_id)
    whole[at.SEGMENT_START] = 0
    if both:
        row = out.used[5]
        out.used[5] += 1
        out.proof_id[row] = update_id
        out.proofs[row, 0] = price_of(whole, real, book.top_ticks[BID, 0])
        out.proofs[row, 1] = book.top_sizes[BID, 0]
        out.proofs[row, 2] = price_of(whole, real, book.top_ticks[ASK, 0])
        out.proofs[row, 3] = book.top_sizes[ASK, 0]


@bare
def show(book: Book) -> None:
    """Take the best levels and the mid from the ladder, as if a message had led to them."""
    whole, real = book.whole, book.real
    _take_side(book, BID)
    _take_side(book, ASK)
    whole[at.BANDS_STALE] = 1
    if book.top_count[BID] > 0 and book.top_count[ASK] > 0:
        bid, ask = book.top_ticks[BID, 0], book.top_ticks[ASK, 0]
        whole[at.CROSSED] = bid > ask
        whole[at.LOCKED] = bid == ask
        real[at.MID] = 0.5 * (price_of(whole, real, bid) + price_of(whole, real, ask))
