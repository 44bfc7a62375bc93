"""The 100 ms bars of the rebuild: what is accumulated between messages and written at a bar's end.

All functions are parts of the one pass in `kernel.py`. NaN stands for null.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.books.ladder import (
    ASK,
    BASE,
    BEST_ASK,
    BEST_BID,
    BID,
    SUM_STALE,
    WEIGHTED_STALE,
    WIDTH,
)  # fmt: skip
from imbalance.books.state import (
    BAND_AT,
    BANDS_STALE,
    BAR,
    BAR_AVAILABLE,
    BAR_COUNTS,
    BAR_NS,
    BAR_POISONED,
    CLOCK,
    COVERED,
    CROSSED,
    DEPTH_SUM,
    FLOW_AT,
    HEALTH_STATE,
    KNOWN_HIGH,
    KNOWN_LOW,
    MEAN_AT,
    MEASURED,
    MID,
    MID_HIGH,
    MID_LOW,
    MID_OPEN,
    MID_SUM,
    MULTIPLIER,
    NO_CHANGE_FLOW,
    QUEUE_SUM,
    REACH_AT,
    SILENT,
    SPREAD_SUM,
    STATUS,
    TICK_PARTS,
    TICK_SCALE,
    TOUCH_SUM,
    VALID,
    WEIGHTED_AT,
    Book,
    Output,
)  # fmt: skip
from imbalance.books.tables import BANDS_BPS, FLOW_LEVELS, WEIGHT_REACH_BPS, WEIGHT_SCALE_BPS
from imbalance.kernels import bare, inline, trailing_zeros

_BANDS = np.array(BANDS_BPS, float)
_COUNTS = 7


@inline
def price_of(book: Book, tick: int) -> float:
    """Price of a tick: the same double that reading its decimal text gives."""
    return (tick * book.whole[TICK_PARTS]) / book.real[TICK_SCALE]


@inline
def base_size(book: Book, size: float, price: float) -> float:
    """A size as sent in base units: contracts of inverse instruments are worth
    multiplier / price each.
    """
    if book.real[MULTIPLIER] > 0.0:
        return size * book.real[MULTIPLIER] / price
    return size


@bare
def start_bar(book: Book, bar: int) -> None:
    """Clear what is accumulated and begin a bar with the state as it stands."""
    whole, real = book.whole, book.real
    whole[BAR] = bar
    whole[BAR_POISONED] = 0
    whole[COVERED] = 0
    whole[MEASURED] = 0
    for k in range(_COUNTS):
        whole[BAR_COUNTS + k] = 0
    for k in range(FLOW_LEVELS):
        book.flows[k] = 0.0
    real[MID_OPEN] = real[MID] if whole[STATUS] == VALID else np.nan
    real[MID_HIGH] = real[MID_OPEN]
    real[MID_LOW] = real[MID_OPEN]
    for k in (SPREAD_SUM, MID_SUM, QUEUE_SUM, TOUCH_SUM, NO_CHANGE_FLOW, DEPTH_SUM):
        real[k] = 0.0


@bare
def pass_time(book: Book, until: int) -> None:
    """Let the state as it stands count up to `until`, which is within the running bar."""
    whole, real = book.whole, book.real
    span = until - whole[CLOCK]
    whole[CLOCK] = until
    if span <= 0 or whole[STATUS] != VALID:
        return
    if whole[HEALTH_STATE] == SILENT:
        whole[BAR_POISONED] = 1
        return
    whole[COVERED] += span
    if np.isnan(real[MID]):
        whole[BAR_POISONED] = 1
        return
    if whole[CROSSED]:
        whole[BAR_POISONED] = 1
        return
    bid, ask = book.top_base[BID, 0], book.top_base[ASK, 0]
    whole[MEASURED] += span
    spread = price_of(book, book.top_ticks[ASK, 0]) - price_of(book, book.top_ticks[BID, 0])
    real[SPREAD_SUM] += span * spread
    real[MID_SUM] += span * real[MID]
    real[QUEUE_SUM] += span * ((bid - ask) / (bid + ask))
    real[TOUCH_SUM] += span * (0.5 * (bid + ask))


@bare
def note_mid(book: Book) -> None:
    """Take the mid after a message into the bar's high and low."""
    mid = book.real[MID]
    if np.isnan(mid):
        return
    if np.isnan(book.real[MID_HIGH]):
        book.real[MID_OPEN] = mid
        book.real[MID_HIGH] = mid
        book.real[MID_LOW] = mid
    else:
        book.real[MID_HIGH] = max(book.real[MID_HIGH], mid)
        book.real[MID_LOW] = min(book.real[MID_LOW], mid)


@inline
def _word_sum(book: Book, side: int, word: int) -> float:
    """Base size within a word of 64 ticks, summed anew where it has changed."""
    ladder = book.ladder
    if ladder.dirty[side, word] & SUM_STALE:
        ladder.word_sums[side, word] = _bits_sum(book, side, word, ladder.bits[side, word])
        ladder.dirty[side, word] &= WEIGHTED_STALE
    return ladder.word_sums[side, word]


@inline
def _bits_sum(book: Book, side: int, word: int, bits: Any) -> float:
    """Base size at some populated ticks of a word."""
    sizes = book.ladder.sizes
    base = book.ladder.meta[BASE]
    inverse = book.real[MULTIPLIER] > 0.0
    total = 0.0
    while bits != 0:
        index = (word << 6) + trailing_zeros(bits)
        bits &= bits - np.uint64(1)
        size = sizes[side, index]
        total += base_size(book, size, price_of(book, base + index)) if inverse else size
    return total


@bare
def _range_sum(book: Book, side: int, low: int, high: int) -> float:
    """Base size at the places `low` to `high` of the window, both included."""
    if low > high:
        return 0.0
    bits = book.ladder.bits
    full = ~np.uint64(0)
    first, last = low >> 6, high >> 6
    head = full << np.uint64(low & 63)
    tail = full >> np.uint64(63 - (high & 63))
    if first == last:
        return _bits_sum(book, side, first, bits[side, first] & head & tail)
    total = _bits_sum(book, side, first, bits[side, first] & head)
    for word in range(first + 1, last):
        if bits[side, word] != 0:
            total += _word_sum(book, side, word)
    return total + _bits_sum(book, side, last, bits[side, last] & tail)


@bare
def _weighted(book: Book, side: int, low: int, high: int, middle: float, step: float) -> float:
    """Σ size · exp(−distance · step) over the places `low` to `high`, distance from `middle`, a
    place too: powers of exp(step) within a word and of exp(−64 step) from word to word, from the
    middle outwards. The sum of a whole word is kept until it changes or the middle does: nine of
    ten bars end at the mid of the bar before. It depends on nothing else, so not on the past.
    """
    if low > high:
        return 0.0
    ladder = book.ladder
    sign = 1 if side == BID else -1
    powers = book.powers
    factor = np.exp(sign * step)
    powers[0] = 1.0
    for k in range(1, 64):
        powers[k] = powers[k - 1] * factor
    full = ~np.uint64(0)
    first, last = low >> 6, high >> 6
    near, far = (last, first) if side == BID else (first, last)
    word: Any = np.int64(np.floor(middle)) >> 6
    scale = np.exp(sign * ((word << 6) - middle) * step)
    decay = np.exp(-64.0 * step)
    while sign * (word - near) > 0:
        scale *= decay
        word -= sign
    key = middle + ladder.meta[BASE]
    total = 0.0
    while sign * (word - far) >= 0:
        bits = ladder.bits[side, word]
        if word <= first or word >= last:
            if word <= first:
                bits &= full << np.uint64(low & 63)
            if word >= last:
                bits &= full >> np.uint64(63 - (high & 63))
            total += scale * _bits_weighted(book, side, word, bits)
        elif bits != 0:
            if ladder.dirty[side, word] & WEIGHTED_STALE or ladder.weighted_at[side, word] != key:
                ladder.weighted[side, word] = scale * _bits_weighted(book, side, word, bits)
                ladder.weighted_at[side, word] = key
                ladder.dirty[side, word] &= SUM_STALE
            total += ladder.weighted[side, word]
        scale *= decay
        word -= sign
    return total


@inline
def _bits_weighted(book: Book, side: int, word: int, bits: Any) -> float:
    """Σ size · exp(step)^place at some populated ticks of a word."""
    sizes, powers = book.ladder.sizes, book.powers
    base = book.ladder.meta[BASE]
    inverse = book.real[MULTIPLIER] > 0.0
    total = 0.0
    while bits != 0:
        place = trailing_zeros(bits)
        bits &= bits - np.uint64(1)
        index = (word << 6) + place
        size = sizes[side, index]
        if inverse:
            size = base_size(book, size, price_of(book, base + index))
        total += size * powers[place]
    return total


@bare
def fill_bands(book: Book) -> None:
    """Depth within the bands and weighted by distance, from the best price outwards."""
    bands, meta, mid = book.bands, book.ladder.meta, book.real[MID]
    unit = book.real[TICK_SCALE] / book.whole[TICK_PARTS]
    middle = mid * unit - meta[BASE]
    per_bps = mid * unit / 1e4
    last = meta[WIDTH] - 1
    step = 1.0 / (per_bps * WEIGHT_SCALE_BPS)
    for side in (BID, ASK):
        best = meta[BEST_BID] if side == BID else meta[BEST_ASK]
        total = 0.0
        edge: Any = best
        for band in range(len(_BANDS)):
            if best >= 0 and side == BID:
                bound: Any = max(0, np.int64(np.ceil(middle - _BANDS[band] * per_bps - 1e-6)))
                total += _range_sum(book, side, bound, edge)
                edge = min(edge, bound - 1)
            elif best >= 0:
                bound = min(last, np.int64(np.floor(middle + _BANDS[band] * per_bps + 1e-6)))
                total += _range_sum(book, side, edge, bound)
                edge = max(edge, bound + 1)
            bands[BAND_AT + 2 * band + side] = total
        reach = WEIGHT_REACH_BPS * per_bps
        low = max(0, np.int64(np.ceil(middle - reach))) if side == BID else best
        high = best if side == BID else min(last, np.int64(np.floor(middle + reach)))
        bands[WEIGHTED_AT + side] = (
            _weighted(book, side, low, high, middle, step) if best >= 0 else 0.0
        )
    low_price = price_of(book, max(book.whole[KNOWN_LOW], meta[BASE]))
    high_price = price_of(book, min(book.whole[KNOWN_HIGH], meta[BASE] + last))
    bands[REACH_AT] = (mid - low_price) / mid * 1e4
    bands[REACH_AT + 1] = (high_price - mid) / mid * 1e4


@bare
def end_bar(book: Book, out: Output) -> None:
    """Write the running bar; its state must have been counted up to its end."""
    whole, real = book.whole, book.real
    row = out.used[0]
    out.used[0] += 1
    values = out.bars[row]
    for k in range(len(values)):
        values[k] = np.nan
    end = (whole[BAR] + 1) * BAR_NS
    poisoned = whole[BAR_POISONED] != 0 or whole[COVERED] < BAR_NS
    out.bar_times[row, 0] = whole[BAR] * BAR_NS
    out.bar_times[row, 1] = max(end, whole[BAR_AVAILABLE])
    out.bar_times[row, 2] = poisoned
    values[0] = whole[COVERED] / BAR_NS
    for k in range(_COUNTS):
        out.bar_counts[row, k] = whole[BAR_COUNTS + k]
    if whole[STATUS] == VALID and not np.isnan(real[MID]):
        if whole[BANDS_STALE]:
            fill_bands(book)
            whole[BANDS_STALE] = 0
        for k in range(BAND_AT, MEAN_AT):
            values[k] = book.bands[k]
        values[1] = real[MID_OPEN]
        values[2] = real[MID_HIGH]
        values[3] = real[MID_LOW]
        values[4] = real[MID]
        for side in (BID, ASK):
            values[5 + 2 * side] = price_of(book, book.top_ticks[side, 0])
            values[6 + 2 * side] = book.top_base[side, 0]
            total = 0.0
            for k in range(min(book.top_count[side], 10)):
                total += book.top_base[side, k]
                if k == 4:
                    values[9 + side] = total
            if book.top_count[side] < 5:
                values[9 + side] = total
            values[11 + side] = total
    if whole[MEASURED] > 0:
        values[MEAN_AT] = real[SPREAD_SUM] / whole[MEASURED]
        values[MEAN_AT + 1] = real[MID_SUM] / whole[MEASURED]
        values[MEAN_AT + 2] = max(-1.0, min(1.0, real[QUEUE_SUM] / whole[MEASURED]))
        values[MEAN_AT + 3] = real[TOUCH_SUM] / whole[MEASURED]
    if not poisoned:
        for k in range(FLOW_LEVELS):
            values[FLOW_AT + k] = book.flows[k]
        values[FLOW_AT + FLOW_LEVELS] = real[NO_CHANGE_FLOW]
        values[FLOW_AT + FLOW_LEVELS + 1] = real[DEPTH_SUM]


@bare
def advance(book: Book, out: Output, until: int) -> bool:
    """Close the bars that end by `until` and count the state up to it.

    Returns False when the buffers are full: empty them and call again.
    """
    whole = book.whole
    if whole[CLOCK] < 0:
        whole[CLOCK] = until
        start_bar(book, until // BAR_NS)
        return True
    while (whole[BAR] + 1) * BAR_NS <= until:
        if whole[STATUS] != VALID and whole[COVERED] == 0 and whole[BAR_COUNTS + 1] == 0:
            # no book, nothing to tell: on to the bar of `until`
            whole[CLOCK] = until
            start_bar(book, until // BAR_NS)
            return True
        if out.used[0] == len(out.bars):
            return False
        end = (whole[BAR] + 1) * BAR_NS
        pass_time(book, end)
        end_bar(book, out)
        start_bar(book, end // BAR_NS)
    pass_time(book, until)
    return True
