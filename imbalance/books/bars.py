"""The 100 ms bars of the rebuild: what is accumulated between messages and written at a bar's end.

All functions are parts of the one pass in `kernel.py`. NaN stands for null.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.books.ladder import (
    ASK, BASE, BEST_ASK, BEST_BID, BID, WIDTH, next_above, next_below,
)  # fmt: skip
from imbalance.books.state import (
    BAND_AT, BANDS_STALE, BAR, BAR_AVAILABLE, BAR_COUNTS, BAR_NS, BAR_POISONED, CLOCK, COVERED,
    CROSSED, DEPTH_SUM, FLOW_AT, KNOWN_HIGH, KNOWN_LOW, MEAN_AT, MEASURED, MID, MID_HIGH, MID_LOW,
    MID_OPEN, MID_SUM, MULTIPLIER, NO_CHANGE_FLOW, QUEUE_SUM, REACH_AT, SPREAD_SUM, STATUS,
    TICK_PARTS, TICK_SCALE, TOUCH_SUM, VALID, WEIGHTED_AT, Book, Output,
)  # fmt: skip
from imbalance.books.tables import BANDS_BPS, FLOW_LEVELS, WEIGHT_SCALE_BPS
from imbalance.kernels import inline, jit

_BANDS = np.array(BANDS_BPS, float)
_COUNTS = 7


@inline
def price_of(book: Book, tick: int) -> float:
    """Price of a tick: the same double that reading its decimal text gives."""
    return (tick * book.whole[TICK_PARTS]) / book.real[TICK_SCALE]


@inline
def base_size(book: Book, size: float, price: float) -> float:
    """A size as sent in base units: contracts of inverse instruments are worth
    multiplier / price each."""
    if book.real[MULTIPLIER] > 0.0:
        return size * book.real[MULTIPLIER] / price
    return size


@inline
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


@inline
def pass_time(book: Book, until: int) -> None:
    """Let the state as it stands count up to `until`, which is within the running bar."""
    whole, real = book.whole, book.real
    span = until - whole[CLOCK]
    whole[CLOCK] = until
    if span <= 0 or whole[STATUS] != VALID:
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


@inline
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


@jit
def fill_bands(book: Book) -> None:
    """Depth within the bands and weighted by distance, from the best price outwards."""
    bands, ladder, mid = book.bands, book.ladder, book.real[MID]
    base = ladder.meta[BASE]
    for side in (BID, ASK):
        total = weighted = 0.0
        band = 0
        index = ladder.meta[BEST_BID] if side == BID else ladder.meta[BEST_ASK]
        while index >= 0:
            price = price_of(book, base + index)
            distance = (mid - price if side == BID else price - mid) / mid * 1e4
            while band < len(_BANDS) and distance > _BANDS[band]:
                bands[BAND_AT + 2 * band + side] = total
                band += 1
            if band == len(_BANDS):
                break
            size = base_size(book, ladder.sizes[side, index], price)
            total += size
            weighted += size * np.exp(-max(distance, 0.0) / WEIGHT_SCALE_BPS)
            if side == BID:
                index = next_below(ladder, BID, index - 1)
            else:
                index = next_above(ladder, ASK, index + 1)
        while band < len(_BANDS):
            bands[BAND_AT + 2 * band + side] = total
            band += 1
        bands[WEIGHTED_AT + side] = weighted
    low = max(book.whole[KNOWN_LOW], base)
    high = min(book.whole[KNOWN_HIGH], base + ladder.meta[WIDTH] - 1)
    bands[REACH_AT] = (mid - price_of(book, low)) / mid * 1e4
    bands[REACH_AT + 1] = (price_of(book, high) - mid) / mid * 1e4


@jit
def end_bar(book: Book, out: Output) -> None:
    """Write the running bar; its state must have been counted up to its end."""
    whole, real = book.whole, book.real
    row = out.used[0]
    out.used[0] += 1
    values = out.bars[row]
    values[:] = np.nan
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
        values[BAND_AT:MEAN_AT] = book.bands[BAND_AT:MEAN_AT]
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


@jit
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


