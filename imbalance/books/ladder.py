"""Price levels of one book in integer ticks: a window of sizes with an occupancy bitmap, and a
hash table for prices far from the market. Knows nothing of messages, time or features.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from imbalance.kernels import bare, inline, jit, leading_zeros, trailing_zeros

BID, ASK = np.arange(2)
"""NumPy's integers: a kernel is compiled once for each value of Python's that it is given."""

# places in `Ladder.meta`
BASE, WIDTH, BEST_BID, BEST_ASK, FAR_USED, MISPLACED = range(6)

WINDOW_SHARE = 0.06
"""Width of the window as a share of the price: ±300 bps, more than the widest depth band."""

_ALL = ~np.uint64(0)

_NARROWEST, _WIDEST = 1 << 14, 1 << 20


class Ladder(NamedTuple):
    """`sizes`, `bits` and `summary` are (2, n): bids, asks. A bit says that a tick is populated, a
    summary bit that a word of bits is not zero. `far_key` is 0 where free, else
    tick · 2 + side + 1; a far level that was removed keeps its key with size 0.

    What is kept by word for `bands`: the sum of its sizes, and that sum weighted for the mid
    `weighted_for` with `scales`, the weights of the words' first places. `changed` has a bit for
    each word whose sizes have changed since it was summed, `unweighted` one for each whose weighted
    sum is no longer right.
    """

    meta: Any
    sizes: Any
    bits: Any
    summary: Any
    changed: Any
    word_sums: Any
    unweighted: Any
    weighted: Any
    weighted_for: Any
    scales: Any
    far_key: Any
    far_size: Any


@inline
def _base(centre: int, width: int) -> int:
    """First tick of a window around a price, on a whole word: so sums over words do not depend,
    to the last bit, on where the window happens to lie.
    """
    return (centre - width // 2) // 64 * 64


def new_ladder(centre: int, far_room: int = 1 << 12) -> Ladder:
    """An empty ladder whose window is centred on a price of that many ticks."""
    width = _NARROWEST
    while width < WINDOW_SHARE * centre and width < _WIDEST:
        width *= 2
    meta = np.zeros(8, np.int64)
    meta[BASE] = _base(centre, width)
    meta[WIDTH] = width
    meta[BEST_BID] = meta[BEST_ASK] = -1
    return Ladder(
        meta,
        np.zeros((2, width)),
        np.zeros((2, width // 64), np.uint64),
        np.zeros((2, max(1, width // 4096)), np.uint64),
        np.full((2, max(1, width // 4096)), _ALL),
        np.zeros((2, width // 64)),
        np.full((2, max(1, width // 4096)), _ALL),
        np.zeros((2, width // 64)),
        np.full(2, np.nan),
        np.zeros((2, width // 64)),
        np.zeros(far_room, np.int64),
        np.zeros(far_room),
    )


@inline
def _far_slot(ladder: Ladder, key: int) -> int:
    mask = len(ladder.far_key) - 1
    slot = (key * 0x9E3779B97F4A7C1) >> 20 & mask
    while ladder.far_key[slot] != 0 and ladder.far_key[slot] != key:
        slot = (slot + 1) & mask
    return slot


@inline
def _far_tick(ladder: Ladder, side: int, slot: int) -> int:
    """Tick of the level of a side that a slot outside of the window holds; −1: it holds none."""
    key = ladder.far_key[slot]
    held = key != 0 and (key - 1) & 1 == side and ladder.far_size[slot] > 0.0
    return (key - 1) >> 1 if held else -1


@inline
def next_below(ladder: Ladder, side: int, index: int) -> int:
    """The highest populated place of the window at or below `index`; −1 if there is none."""
    if index < 0:
        return -1
    word = index >> 6
    bits = ladder.bits[side, word] << np.uint64(63 - (index & 63))
    if bits != 0:
        return index - leading_zeros(bits)
    word -= 1
    if word < 0:
        return -1
    block = word >> 6
    summary = ladder.summary[side, block] << np.uint64(63 - (word & 63))
    if summary != 0:
        word -= leading_zeros(summary)
    else:
        block -= 1
        while block >= 0 and ladder.summary[side, block] == 0:
            block -= 1
        if block < 0:
            return -1
        word = (block << 6) + 63 - leading_zeros(ladder.summary[side, block])
    return (word << 6) + 63 - leading_zeros(ladder.bits[side, word])


@inline
def next_above(ladder: Ladder, side: int, index: int) -> int:
    """The lowest populated place of the window at or above `index`; −1 if there is none."""
    words = ladder.bits.shape[1]
    word = index >> 6
    if word >= words:
        return -1
    bits = ladder.bits[side, word] >> np.uint64(index & 63)
    if bits != 0:
        return index + trailing_zeros(bits)
    word += 1
    if word >= words:
        return -1
    block = word >> 6
    summary = ladder.summary[side, block] >> np.uint64(word & 63)
    if summary != 0:
        word += trailing_zeros(summary)
    else:
        block += 1
        while block < ladder.summary.shape[1] and ladder.summary[side, block] == 0:
            block += 1
        if block >= ladder.summary.shape[1]:
            return -1
        word = (block << 6) + trailing_zeros(ladder.summary[side, block])
    return (word << 6) + trailing_zeros(ladder.bits[side, word])


@inline
def _next(ladder: Ladder, side: int, index: int) -> int:
    """Place of the level of the window after one, away from the market; −1: none."""
    if side == BID:
        return next_below(ladder, BID, index - 1)
    return next_above(ladder, ASK, index + 1)


@inline
def set_level(ladder: Ladder, side: int, tick: int, size: float) -> float:
    """Put a size at a price (0 removes it) and return the size before."""
    meta = ladder.meta
    index = tick - meta[BASE]
    if 0 <= index < meta[WIDTH]:
        # whether a level comes, goes or changes is as good as random: no branch on it
        before = ladder.sizes[side, index]
        ladder.sizes[side, index] = size
        word = index >> 6
        ladder.changed[side, index >> 12] |= np.uint64(1) << np.uint64(word & 63)
        held = ladder.bits[side, word]
        place = np.uint64(index & 63)
        bits = held & ~(np.uint64(1) << place) | np.uint64(size > 0.0) << place
        ladder.bits[side, word] = bits
        if (held == 0) != (bits == 0):
            ladder.summary[side, index >> 12] ^= np.uint64(1) << np.uint64(word & 63)
        if side == BID:
            if index >= meta[BEST_BID]:
                if size > 0.0:
                    meta[BEST_BID] = index
                elif index == meta[BEST_BID]:
                    meta[BEST_BID] = next_below(ladder, BID, index)
        elif index <= meta[BEST_ASK] or meta[BEST_ASK] < 0:
            if size > 0.0:
                meta[BEST_ASK] = index
            elif index == meta[BEST_ASK]:
                meta[BEST_ASK] = next_above(ladder, ASK, index)
        return before
    key = tick * 2 + side + 1
    slot = _far_slot(ladder, key)
    if ladder.far_key[slot] == 0:
        if size == 0.0:
            return 0.0
        ladder.far_key[slot] = key
        ladder.far_size[slot] = 0.0
        meta[FAR_USED] += 1
    before = ladder.far_size[slot]
    ladder.far_size[slot] = size
    # a bid above the window or an ask below it is the best of its side: the window is misplaced
    if size > 0.0 and ((side == BID) == (index >= meta[WIDTH])):
        meta[MISPLACED] = 1
    return before


@bare
def _put_best_first(side: int, ticks: Any, sizes: Any) -> None:
    """Bring levels into their order, best first (Shell's sort: that of NumPy, compiled into every
    kernel above, takes longer to compile than the rest of the ladder).
    """
    sign = -1 if side == BID else 1
    gap = len(ticks) // 2
    while gap > 0:
        for k in range(gap, len(ticks)):
            tick, size = ticks[k], sizes[k]
            place = k
            while place >= gap and sign * (ticks[place - gap] - tick) > 0:
                ticks[place] = ticks[place - gap]
                sizes[place] = sizes[place - gap]
                place -= gap
            ticks[place] = tick
            sizes[place] = size
        gap //= 2


@jit
def levels_of(ladder: Ladder, side: int) -> tuple[Any, Any]:
    """All levels of a side, best first: ticks int64 (n,) and sizes (n,)."""
    base = ladder.meta[BASE]
    first = ladder.meta[BEST_BID] if side == BID else ladder.meta[BEST_ASK]
    count = 0
    index = first
    while index >= 0:
        count += 1
        index = _next(ladder, side, index)
    for slot in range(len(ladder.far_key)):
        count += _far_tick(ladder, side, slot) >= 0
    ticks = np.empty(count, np.int64)
    sizes = np.empty(count)
    count = 0
    index = first
    while index >= 0:
        ticks[count] = base + index
        sizes[count] = ladder.sizes[side, index]
        count += 1
        index = _next(ladder, side, index)
    inside = count
    for slot in range(len(ladder.far_key)):
        tick = _far_tick(ladder, side, slot)
        if tick >= 0:
            ticks[count], sizes[count] = tick, ladder.far_size[slot]
            count += 1
    if count > inside:
        _put_best_first(side, ticks, sizes)
    return ticks, sizes


@bare
def _outermost(ladder: Ladder, side: int, index: int, sign: int) -> int:
    """Tick of a side's level at a place of the window (−1: none) or of one outside of it, the
    highest for a sign of 1, the lowest for −1; −1 where there is none.
    """
    found = ladder.meta[BASE] + index if index >= 0 else -1
    if ladder.meta[FAR_USED] > 0:
        for slot in range(len(ladder.far_key)):
            tick = _far_tick(ladder, side, slot)
            if tick >= 0 and (found < 0 or sign * (tick - found) > 0):
                found = tick
    return found


@bare
def furthest(ladder: Ladder, side: int) -> int:
    """Tick of the level furthest from the market; −1 on an empty side."""
    if side == BID:
        return _outermost(ladder, BID, next_above(ladder, BID, np.int64(0)), -1)
    return _outermost(ladder, ASK, next_below(ladder, ASK, ladder.meta[WIDTH] - 1), 1)


@jit
def clear(ladder: Ladder) -> None:
    """Remove every level."""
    ladder.sizes[:] = 0.0
    ladder.bits[:] = 0
    ladder.summary[:] = 0
    ladder.changed[:] = _ALL
    ladder.weighted_for[:] = np.nan
    ladder.far_key[:] = 0
    ladder.far_size[:] = 0.0
    ladder.meta[BEST_BID] = -1
    ladder.meta[BEST_ASK] = -1
    ladder.meta[FAR_USED] = 0
    ladder.meta[MISPLACED] = 0


@jit
def put_levels(ladder: Ladder, side: int, ticks: Any, sizes: Any) -> None:
    """Put many levels of a side."""
    for k in range(len(ticks)):
        set_level(ladder, side, ticks[k], sizes[k])


@jit
def recentre(ladder: Ladder, centre: int) -> None:
    """Move the window so that `centre` (in ticks) is its middle; no level is lost. It is misplaced
    still where a side begins beyond it: a book may be crossed by more than the window is wide.
    """
    bid_ticks, bid_sizes = levels_of(ladder, BID)
    ask_ticks, ask_sizes = levels_of(ladder, ASK)
    clear(ladder)
    ladder.meta[BASE] = _base(centre, ladder.meta[WIDTH])
    put_levels(ladder, BID, bid_ticks, bid_sizes)
    put_levels(ladder, ASK, ask_ticks, ask_sizes)


@bare
def _best(ladder: Ladder, side: int) -> int:
    """Tick of the best level of a side, wherever it lies; −1 on an empty side."""
    if side == BID:
        return _outermost(ladder, BID, ladder.meta[BEST_BID], 1)
    return _outermost(ladder, ASK, ladder.meta[BEST_ASK], -1)


@jit
def settle(ladder: Ladder) -> None:
    """Bring the window back to the market where the market has left its middle."""
    meta = ladder.meta
    bid, ask = meta[BEST_BID], meta[BEST_ASK]
    if meta[MISPLACED] == 0 and bid >= 0 and ask >= 0:
        middle = (bid + ask) // 2
        if abs(middle - meta[WIDTH] // 2) <= meta[WIDTH] // 16:
            return
        recentre(ladder, meta[BASE] + middle)
        return
    bid, ask = _best(ladder, BID), _best(ladder, ASK)
    if bid >= 0 and ask >= 0:
        centre = (bid + ask) // 2
    elif bid >= 0:
        centre = bid
    elif ask >= 0:
        centre = ask
    else:
        return
    if _base(centre, meta[WIDTH]) != meta[BASE]:
        recentre(ladder, centre)
        return
    meta[MISPLACED] = bid >= meta[BASE] + meta[WIDTH] or 0 <= ask < meta[BASE]


@bare
def _add_far(ladder: Ladder, side: int, wanted: int, count: int, ticks: Any, sizes: Any) -> int:
    """Put the levels outside of the window among the `count` best within it, as far as they belong
    to the best; returns how many there are. Nothing is sorted: a book may stay crossed, or thin,
    for all of a day.
    """
    sign = -1 if side == BID else 1
    for slot in range(len(ladder.far_key)):
        tick = _far_tick(ladder, side, slot)
        if tick < 0 or (count == wanted and sign * (tick - ticks[count - 1]) > 0):
            continue
        place = min(count, wanted - 1)
        while place > 0 and sign * (ticks[place - 1] - tick) > 0:
            ticks[place] = ticks[place - 1]
            sizes[place] = sizes[place - 1]
            place -= 1
        ticks[place] = tick
        sizes[place] = ladder.far_size[slot]
        count = min(count + 1, wanted)
    return count


@bare
def take_best(ladder: Ladder, side: int, wanted: int, ticks: Any, sizes: Any) -> int:
    """Write the best levels of a side into `ticks` and `sizes`; returns how many there are."""
    base = ladder.meta[BASE]
    count = 0
    if side == BID:
        index = ladder.meta[BEST_BID]
        while index >= 0 and count < wanted:
            ticks[count] = base + index
            sizes[count] = ladder.sizes[BID, index]
            count += 1
            index = next_below(ladder, BID, index - 1)
    else:
        index = ladder.meta[BEST_ASK]
        while index >= 0 and count < wanted:
            ticks[count] = base + index
            sizes[count] = ladder.sizes[ASK, index]
            count += 1
            index = next_above(ladder, ASK, index + 1)
    if ladder.meta[FAR_USED] > 0 and (count < wanted or ladder.meta[MISPLACED]):
        # a thin book, or one that crosses by more than the window: others lie outside of it
        return _add_far(ladder, side, wanted, count, ticks, sizes)
    return count
