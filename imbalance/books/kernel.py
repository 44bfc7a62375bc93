"""The one pass over book messages: continuity, levels, order flow, states, health.

Continuity follows the venue's rules. Spot: differences with `u ≤ L` of the snapshot are stale, the
first used has `U ≤ L+1 ≤ u`, then `U = u+1`. Futures: `u < L` is stale, the first used has
`U ≤ L ≤ u` or `pu = L`, then `pu = u`. A break closes the book until a snapshot bridges again;
nothing is stitched. Differences that came before their snapshot are kept and applied after it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.books.bars import (
    advance,
    base_size,
    end_bar,
    note_mid,
    price_of,
    start_bar,
)  # fmt: skip
from imbalance.books.ladder import (
    ASK,
    BEST_ASK,
    BEST_BID,
    BID,
    FAR_USED,
    MISPLACED,
    WIDTH,
    clear,
    furthest,
    set_level,
    settle,
    take_best,
)  # fmt: skip
from imbalance.books.state import (
    ADDITIONS,
    BANDS_STALE,
    BAR,
    BAR_AVAILABLE,
    BAR_COUNTS,
    BAR_CROSSED,
    BAR_LOCKED,
    BAR_NS,
    BAR_POISONED,
    CANCELLATIONS,
    CLOCK,
    COVERED,
    CROSSED,
    DEPTH_SUM,
    EVENTS,
    FLOW_BREAK,
    FRESH,
    FUTURES,
    HEALTH_CAUSE,
    HEALTH_CROSSED,
    HEALTH_EXPECTED,
    HEALTH_FOUND,
    HEALTH_FROM,
    HEALTH_LOCKED,
    HEALTH_MESSAGES,
    HEALTH_STALE,
    HEALTH_STATE,
    HEALTH_UNKNOWN,
    KNOWN_HIGH,
    KNOWN_LOW,
    LAST_AVAILABLE,
    LAST_EVENT,
    LAST_ID,
    LEVELS,
    LOCKED,
    MESSAGES,
    MID,
    NO_CHANGE_FLOW,
    NO_ID,
    OPENED,
    PENDING,
    PENDING_ASKS,
    PENDING_BIDS,
    PENDING_LAST,
    PENDING_LEVELS,
    PENDING_MESSAGES,
    SEGMENT_START,
    SILENCE,
    STATE_COUNT,
    STATUS,
    TICK_PARTS,
    TICK_SCALE,
    UPDATES,
    VALID,
    WAITING,
    Book,
    Messages,
    Output,
)  # fmt: skip
from imbalance.books.tables import FLOW_LEVELS
from imbalance.kernels import bare, inline

DONE, BUFFERS_FULL, FAR_FULL, FINER_TICK = range(4)
"""Why the kernel returned: all messages done; empty the buffers; give the ladder more room for
far levels; a price is no multiple of the tick."""

_SNAPSHOT, _CLOSING, _NO_SNAPSHOT, _GAP, _UNBRIDGEABLE, _SILENCE, _RESUMED = range(7)
_STATE_VALID, _STATE_WAITING, _STATE_SILENT = range(3)


@inline
def _tick(book: Book, price: float) -> Any:
    """Ticks of a price; −1 when it is no multiple of the tick."""
    exact = price * book.real[TICK_SCALE] / book.whole[TICK_PARTS]
    tick = np.int64(np.rint(exact))
    return tick if abs(exact - tick) <= 1e-6 * max(1.0, exact * 1e-6) else -1


@bare
def change_health(
    book: Book, out: Output, at: int, state: int, cause: int, expected: int, found: int
) -> None:
    """End the running health interval at a time and begin the next."""
    whole = book.whole
    if whole[HEALTH_FROM] >= 0 and (at > whole[HEALTH_FROM] or whole[HEALTH_MESSAGES] > 0):
        row = out.used[4]
        out.used[4] += 1
        out.health[row, 0] = whole[HEALTH_FROM]
        out.health[row, 1] = at
        for k in range(9):
            out.health[row, 2 + k] = whole[HEALTH_STATE + k]
    whole[HEALTH_FROM] = at
    whole[HEALTH_STATE] = state
    whole[HEALTH_CAUSE] = cause
    whole[HEALTH_EXPECTED] = expected
    whole[HEALTH_FOUND] = found
    for k in range(HEALTH_MESSAGES, HEALTH_UNKNOWN + 1):
        whole[k] = 0


@bare
def _apply_side(
    book: Book, side: int, prices: Any, sizes: Any, start: int, stop: int, count: bool
) -> bool:
    """Put the levels of one side; True when the best levels shown may have changed."""
    whole = book.whole
    shown = book.top_count[side]
    full = shown >= book.top_ticks.shape[1]
    worst = book.top_ticks[side, shown - 1] if shown else 0
    touched = False
    for k in range(start, stop):
        tick = _tick(book, prices[k])
        size = sizes[k]
        before = set_level(book.ladder, side, tick, size)
        if not full or (tick >= worst if side == BID else tick <= worst):
            touched = touched or before != size
        if count:
            if size > before:
                whole[BAR_COUNTS + ADDITIONS] += 1
            elif size < before:
                whole[BAR_COUNTS + CANCELLATIONS] += 1
            elif size == 0.0:
                whole[HEALTH_UNKNOWN] += 1
    if count:
        whole[BAR_COUNTS + UPDATES] += stop - start
    return touched


@bare
def _shift_old(book: Book, side: int) -> int:
    """Keep the best levels of a side as the old ones; returns how many there were."""
    count = book.top_count[side]
    for k in range(count):
        book.old_ticks[side, k] = book.top_ticks[side, k]
        book.old_base[side, k] = book.top_base[side, k]
    return count


@bare
def _take_side(book: Book, side: int) -> None:
    count = take_best(
        book.ladder, side, book.top_ticks.shape[1], book.top_ticks[side], book.top_sizes[side]
    )
    book.top_count[side] = count
    for k in range(count):
        book.top_base[side, k] = base_size(
            book, book.top_sizes[side, k], price_of(book, book.top_ticks[side, k])
        )


@bare
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


@bare
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
        book.real[NO_CHANGE_FLOW] += _side_flow(book, BID, 0) + _side_flow(book, ASK, 0)


@bare
def _write_state(book: Book, out: Output, event: int, update_id: int) -> None:
    whole = book.whole
    row = out.used[1]
    out.used[1] += 1
    whole[STATE_COUNT] += 1
    state = out.states[row]
    state[0] = event
    state[1] = whole[LAST_AVAILABLE]
    state[2] = update_id
    state[3] = whole[SEGMENT_START]
    state[4] = whole[CROSSED]
    state[5] = whole[LOCKED]
    for side in (BID, ASK):
        count = min(book.top_count[side], whole[LEVELS])
        out.state_counts[row, side] = count
        at = out.used[2 + side]
        for k in range(count):
            out.state_prices[side, at + k] = price_of(book, book.top_ticks[side, k])
            out.state_sizes[side, at + k] = book.top_base[side, k]
        out.used[2 + side] = at + count


@bare
def _after(book: Book, out: Output, event: int, update_id: int, bids: bool, asks: bool) -> None:
    """What follows from a message: best levels, flow, state, mid, proof."""
    whole, real, meta = book.whole, book.real, book.ladder.meta
    if meta[MISPLACED] or meta[BEST_BID] < 0 or meta[BEST_ASK] < 0 or (
        abs((meta[BEST_BID] + meta[BEST_ASK]) // 2 - meta[WIDTH] // 2) > meta[WIDTH] // 16
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
    whole[BANDS_STALE] = 1
    was_crossed = whole[CROSSED]
    whole[CROSSED] = both and book.top_ticks[BID, 0] > book.top_ticks[ASK, 0]
    whole[LOCKED] = both and book.top_ticks[BID, 0] == book.top_ticks[ASK, 0]
    if whole[CROSSED]:
        whole[BAR_COUNTS + BAR_CROSSED] += 1
        whole[HEALTH_CROSSED] += 1
        whole[BAR_POISONED] = 1
    if whole[LOCKED]:
        whole[BAR_COUNTS + BAR_LOCKED] += 1
        whole[HEALTH_LOCKED] += 1
    real[MID] = np.nan
    if both:
        bid = price_of(book, book.top_ticks[BID, 0])
        ask = price_of(book, book.top_ticks[ASK, 0])
        real[MID] = 0.5 * (bid + ask)
        note_mid(book)
    if whole[SEGMENT_START] or whole[FLOW_BREAK] or not both or whole[CROSSED] or was_crossed:
        whole[FLOW_BREAK] = not both or whole[CROSSED]
        whole[BAR_POISONED] = 1
    else:
        if bids or asks:
            _add_flows(book, old_bids, old_asks)
        levels = min(book.top_count[BID], book.top_count[ASK], FLOW_LEVELS)
        total = 0.0
        for k in range(levels):
            total += book.top_base[BID, k] + book.top_base[ASK, k]
        real[DEPTH_SUM] += total / (2 * levels)
        whole[BAR_COUNTS + EVENTS] += 1
    changed = whole[SEGMENT_START] or old_bids != book.top_count[BID]
    changed = changed or old_asks != book.top_count[ASK]
    for side in (BID, ASK):
        if changed or (not bids if side == BID else not asks):
            continue
        for k in range(min(book.top_count[side], whole[LEVELS])):
            if (
                book.top_ticks[side, k] != book.old_ticks[side, k]
                or book.top_base[side, k] != book.old_base[side, k]
            ):
                changed = True
                break
    if changed:
        _write_state(book, out, event, update_id)
    whole[SEGMENT_START] = 0
    if both:
        row = out.used[5]
        out.used[5] += 1
        out.proof_id[row] = update_id
        out.proofs[row, 0] = price_of(book, book.top_ticks[BID, 0])
        out.proofs[row, 1] = book.top_sizes[BID, 0]
        out.proofs[row, 2] = price_of(book, book.top_ticks[ASK, 0])
        out.proofs[row, 3] = book.top_sizes[ASK, 0]


@bare
def _links(book: Book, first: int, last: int, previous: int) -> bool:
    """Whether a difference continues the book."""
    whole = book.whole
    held = whole[LAST_ID]
    if whole[FUTURES]:
        return previous == held or (whole[FRESH] != 0 and first <= held <= last)
    return first == held + 1 or (whole[FRESH] != 0 and first <= held + 1 <= last)


@bare
def _stale(book: Book, last: int) -> bool:
    """Whether all of a difference is in the book already."""
    whole = book.whole
    if whole[FUTURES] and whole[FRESH]:
        return last < whole[LAST_ID]
    return last <= whole[LAST_ID]


@bare
def _keep(book: Book, m: Messages, k: int) -> None:
    """Keep a difference until a snapshot comes; a broken chain empties what was kept."""
    whole, ids = book.whole, m.ids[k]
    if whole[PENDING] and whole[PENDING_LAST] != NO_ID:
        linked = (
            ids[2] == whole[PENDING_LAST]
            if whole[FUTURES]
            else ids[0] == whole[PENDING_LAST] + 1
        )
        if not linked:
            _forget(book)
    bids = m.bid_offsets[k + 1] - m.bid_offsets[k]
    asks = m.ask_offsets[k + 1] - m.ask_offsets[k]
    if (
        whole[PENDING] == PENDING_MESSAGES
        or whole[PENDING_BIDS] + bids > PENDING_LEVELS
        or whole[PENDING_ASKS] + asks > PENDING_LEVELS
    ):
        _forget(book)
    if bids > PENDING_LEVELS or asks > PENDING_LEVELS:
        return
    row = book.pending[whole[PENDING]]
    row[0], row[1], row[2] = ids[0], ids[1], ids[2]
    row[3], row[4] = whole[PENDING_BIDS] + bids, whole[PENDING_ASKS] + asks
    for j in range(bids):
        book.pending_bids[whole[PENDING_BIDS] + j, 0] = m.bid_prices[m.bid_offsets[k] + j]
        book.pending_bids[whole[PENDING_BIDS] + j, 1] = m.bid_sizes[m.bid_offsets[k] + j]
    for j in range(asks):
        book.pending_asks[whole[PENDING_ASKS] + j, 0] = m.ask_prices[m.ask_offsets[k] + j]
        book.pending_asks[whole[PENDING_ASKS] + j, 1] = m.ask_sizes[m.ask_offsets[k] + j]
    whole[PENDING] += 1
    whole[PENDING_BIDS] += bids
    whole[PENDING_ASKS] += asks
    whole[PENDING_LAST] = ids[1]


@bare
def _forget(book: Book) -> None:
    book.whole[HEALTH_STALE] += book.whole[PENDING]
    book.whole[PENDING] = 0
    book.whole[PENDING_BIDS] = 0
    book.whole[PENDING_ASKS] = 0
    book.whole[PENDING_LAST] = NO_ID


@bare
def begin(book: Book, last: int) -> None:
    """Start a segment with the levels just put: the prices they span are what is known."""
    whole, ladder = book.whole, book.ladder
    settle(ladder)
    whole[KNOWN_LOW] = furthest(ladder, BID)
    whole[KNOWN_HIGH] = furthest(ladder, ASK)
    whole[LAST_ID] = last
    whole[SEGMENT_START] = 1
    book.top_count[BID] = 0
    book.top_count[ASK] = 0


@bare
def show(book: Book) -> None:
    """Take the best levels and the mid from the ladder, as if a message had led to them."""
    _take_side(book, BID)
    _take_side(book, ASK)
    book.whole[BANDS_STALE] = 1
    if book.top_count[BID] > 0 and book.top_count[ASK] > 0:
        bid, ask = book.top_ticks[BID, 0], book.top_ticks[ASK, 0]
        book.whole[CROSSED] = bid > ask
        book.whole[LOCKED] = bid == ask
        book.real[MID] = 0.5 * (price_of(book, bid) + price_of(book, ask))


@bare
def _snapshot(book: Book, m: Messages, out: Output, k: int, event: int) -> None:
    whole = book.whole
    change_health(book, out, event, _STATE_VALID, _SNAPSHOT, NO_ID, NO_ID)
    clear(book.ladder)
    _apply_side(book, BID, m.bid_prices, m.bid_sizes, m.bid_offsets[k], m.bid_offsets[k + 1],
                False)
    _apply_side(book, ASK, m.ask_prices, m.ask_sizes, m.ask_offsets[k], m.ask_offsets[k + 1],
                False)
    begin(book, m.ids[k, 1])
    whole[STATUS] = VALID
    whole[FRESH] = 1
    start = whole[PENDING]
    bid_at = ask_at = 0
    for j in range(whole[PENDING]):
        row = book.pending[j]
        if not _stale(book, row[1]):
            if not _links(book, row[0], row[1], row[2]):
                start = j
                break
            _apply_side(book, BID, book.pending_bids[:, 0], book.pending_bids[:, 1], bid_at,
                        row[3], False)
            _apply_side(book, ASK, book.pending_asks[:, 0], book.pending_asks[:, 1], ask_at,
                        row[4], False)
            whole[LAST_ID] = row[1]
            whole[FRESH] = 0
            whole[HEALTH_MESSAGES] += 1
        else:
            whole[HEALTH_STALE] += 1
        bid_at, ask_at = row[3], row[4]
    if start < whole[PENDING]:
        # the kept differences lie wholly after the snapshot: it cannot be bridged
        whole[STATUS] = WAITING
        change_health(book, out, event, _STATE_WAITING, _UNBRIDGEABLE, whole[LAST_ID] + 1,
                      book.pending[start, 0])
        return
    whole[PENDING] = whole[PENDING_BIDS] = whole[PENDING_ASKS] = 0
    whole[PENDING_LAST] = NO_ID
    _after(book, out, event, whole[LAST_ID], True, True)


@bare
def _lose(book: Book, out: Output, first: int, previous: int) -> None:
    """Close the book at its last proved message: from there on it cannot be trusted."""
    whole = book.whole
    cause = _UNBRIDGEABLE if whole[FRESH] else _GAP
    expected = whole[LAST_ID] if whole[FUTURES] else whole[LAST_ID] + 1
    at = whole[LAST_EVENT] if whole[STATUS] == VALID else whole[HEALTH_FROM]
    change_health(book, out, at, _STATE_WAITING, cause, expected,
                  previous if whole[FUTURES] else first)
    whole[STATUS] = WAITING
    whole[BAR_POISONED] = 1
    book.real[MID] = np.nan
    book.top_count[BID] = 0
    book.top_count[ASK] = 0


@bare
def run(book: Book, m: Messages, out: Output, start: int) -> tuple[int, int]:
    """Take messages from `start` on.

    Returns
    -------
    why, position : `DONE` and the number of messages, or a reason to act and the message to go on
    from. Going on is safe: nothing of that message has been applied.
    """
    whole = book.whole
    ladder = book.ladder
    for k in range(start, len(m.event)):
        event = max(m.event[k], whole[LAST_EVENT])
        if (
            out.used[1] + 2 > len(out.states)
            or out.used[4] + 8 > len(out.health)
            or out.used[5] + 2 > len(out.proof_id)
        ):
            return BUFFERS_FULL, k
        if (
            ladder.meta[FAR_USED] + (m.bid_offsets[k + 1] - m.bid_offsets[k])
            + (m.ask_offsets[k + 1] - m.ask_offsets[k]) + whole[PENDING_BIDS]
            + whole[PENDING_ASKS] > len(ladder.far_key) // 2
        ):  # fmt: skip
            return FAR_FULL, k
        for j in range(m.bid_offsets[k], m.bid_offsets[k + 1]):
            if _tick(book, m.bid_prices[j]) < 0:
                return FINER_TICK, k
        for j in range(m.ask_offsets[k], m.ask_offsets[k + 1]):
            if _tick(book, m.ask_prices[j]) < 0:
                return FINER_TICK, k
        first, last, previous = m.ids[k, 0], m.ids[k, 1], m.ids[k, 2]
        if whole[HEALTH_FROM] < 0:
            whole[HEALTH_FROM] = event
        if whole[STATUS] != WAITING and last <= whole[LAST_ID] and (
            m.snapshot[k] or _stale(book, last)
        ):
            whole[HEALTH_STALE] += 1
            continue
        if not m.snapshot[k] and whole[STATUS] != WAITING and not _links(
            book, first, last, previous
        ):
            _lose(book, out, first, previous)
        if whole[STATUS] == OPENED:
            if m.snapshot[k]:
                _lose(book, out, last, last)
            else:
                # the chain reaches over midnight: the closing book held from the first moment on
                whole[STATUS] = VALID
                start_bar(book, whole[CLOCK] // BAR_NS)
        silent = whole[STATUS] == VALID and event - whole[LAST_EVENT] > whole[SILENCE]
        if silent and whole[HEALTH_STATE] != _STATE_SILENT:
            change_health(book, out, whole[LAST_EVENT], _STATE_SILENT, _SILENCE, NO_ID, NO_ID)
        if silent:
            while (whole[BAR] + 1) * BAR_NS <= event:
                whole[BAR_POISONED] = 1
                if not advance(book, out, (whole[BAR] + 1) * BAR_NS):
                    return BUFFERS_FULL, k
            whole[BAR_POISONED] = 1
        if not advance(book, out, event):
            return BUFFERS_FULL, k
        if silent:
            change_health(book, out, event, _STATE_VALID, _RESUMED, NO_ID, NO_ID)
        whole[LAST_EVENT] = event
        whole[LAST_AVAILABLE] = max(m.available[k], whole[LAST_AVAILABLE])
        whole[BAR_AVAILABLE] = whole[LAST_AVAILABLE]
        whole[BAR_COUNTS + MESSAGES] += 1
        if m.snapshot[k]:
            _snapshot(book, m, out, k, event)
        elif whole[STATUS] == WAITING:
            _keep(book, m, k)
        else:
            bids = _apply_side(book, BID, m.bid_prices, m.bid_sizes, m.bid_offsets[k],
                               m.bid_offsets[k + 1], True)
            asks = _apply_side(book, ASK, m.ask_prices, m.ask_sizes, m.ask_offsets[k],
                               m.ask_offsets[k + 1], True)
            whole[LAST_ID] = last
            whole[FRESH] = 0
            whole[HEALTH_MESSAGES] += 1
            _after(book, out, event, last, bids, asks)
    return DONE, len(m.event)


@bare
def finish(book: Book, out: Output, until: int) -> bool:
    """Close the bars up to `until`, the last moment the captures tell of, and the health.

    A bar that `until` cuts is written poisoned. Returns False when the buffers are full: empty
    them and call again.
    """
    whole = book.whole
    if whole[CLOCK] < 0 or whole[STATUS] == OPENED:
        return True
    if not advance(book, out, max(until, whole[CLOCK])):
        return False
    if whole[COVERED] or whole[BAR_COUNTS + MESSAGES]:
        if out.used[0] == len(out.bars):
            return False
        whole[BAR_POISONED] = 1
        end_bar(book, out)
        start_bar(book, whole[BAR] + 1)
        whole[CLOCK] = whole[BAR] * BAR_NS
    change_health(book, out, max(until, whole[LAST_EVENT]), whole[HEALTH_STATE],
                  whole[HEALTH_CAUSE], NO_ID, NO_ID)
    return True
