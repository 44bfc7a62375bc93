"""The 100 ms bars of the rebuild: what is accumulated between messages and written at a bar's end.

All functions are parts of the one pass in `kernel.py`. NaN stands for null.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.books.bands import fill_bands
from imbalance.books.ladder import ASK, BID
from imbalance.books.state import (
    BAND_AT,
    BANDS_STALE,
    BAR,
    BAR_AVAILABLE,
    BAR_COUNTS,
    BAR_FEEDS,
    BAR_NS,
    BAR_POISONED,
    CLOCK,
    COVERED,
    CROSSED,
    DEPTH_SUM,
    EVENTS_ALONE,
    FEED,
    FLOW_AT,
    HEALTH_STATE,
    IMAGE_FLOW,
    IMAGES_ALONE,
    MEAN_AT,
    MEASURED,
    MID,
    MID_HIGH,
    MID_LOW,
    MID_OPEN,
    MID_SUM,
    NO_CHANGE_FLOW,
    QUEUE_SUM,
    SILENT,
    SPREAD_SUM,
    STATUS,
    TOUCH_SUM,
    VALID,
    Book,
    Output,
)  # fmt: skip
from imbalance.books.tables import FLOW_LEVELS
from imbalance.books.units import price_of
from imbalance.kernels import bare

_COUNTS = 7


@bare
def start_bar(book: Book, bar: int) -> None:
    """Clear what is accumulated and begin a bar with the state as it stands."""
    whole, real = book.whole, book.real
    whole[BAR] = bar
    whole[BAR_POISONED] = 0
    whole[COVERED] = 0
    whole[MEASURED] = 0
    whole[BAR_FEEDS] = 1 << whole[FEED]
    for k in range(_COUNTS):
        whole[BAR_COUNTS + k] = 0
    for k in range(FLOW_LEVELS):
        book.flows[k] = 0.0
    held = whole[STATUS] == VALID and whole[HEALTH_STATE] != SILENT
    real[MID_OPEN] = real[MID] if held else np.nan
    real[MID_HIGH] = real[MID_OPEN]
    real[MID_LOW] = real[MID_OPEN]
    for k in (SPREAD_SUM, MID_SUM, QUEUE_SUM, TOUCH_SUM, NO_CHANGE_FLOW, DEPTH_SUM, IMAGE_FLOW):
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
    bid_price = price_of(whole, real, book.top_ticks[BID, 0])
    whole[MEASURED] += span
    spread = price_of(whole, real, book.top_ticks[ASK, 0]) - bid_price
    real[SPREAD_SUM] += span * spread
    real[MID_SUM] += span * real[MID]
    real[QUEUE_SUM] += span * ((bid - ask) / (bid + ask))
    real[TOUCH_SUM] += span * (0.5 * (bid + ask))


@bare
def note_mid(whole: Any, real: Any) -> None:
    """Take the mid after a message into the bar's high and low; at the bar's start it opens it."""
    mid = real[MID]
    if np.isnan(mid):
        return
    if np.isnan(real[MID_HIGH]):
        real[MID_HIGH] = mid
        real[MID_LOW] = mid
        if whole[CLOCK] == whole[BAR] * BAR_NS:
            real[MID_OPEN] = mid
    else:
        real[MID_HIGH] = max(real[MID_HIGH], mid)
        real[MID_LOW] = min(real[MID_LOW], mid)


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
    out.bar_times[row, 3] = whole[BAR_FEEDS] != EVENTS_ALONE
    values[0] = whole[COVERED] / BAR_NS
    values[1] = real[MID_OPEN]
    values[2] = real[MID_HIGH]
    values[3] = real[MID_LOW]
    for k in range(_COUNTS):
        out.bar_counts[row, k] = whole[BAR_COUNTS + k]
    if whole[STATUS] == VALID and whole[HEALTH_STATE] != SILENT and not np.isnan(real[MID]):
        if whole[BANDS_STALE]:
            fill_bands(book)
            whole[BANDS_STALE] = 0
        for k in range(BAND_AT, MEAN_AT):
            values[k] = book.bands[k]
        values[4] = real[MID]
        for side in (BID, ASK):
            values[5 + 2 * side] = price_of(whole, real, book.top_ticks[side, 0])
            values[6 + 2 * side] = book.top_base[side, 0]
            total = 0.0
            for k in range(min(book.top_count[side], 10)):
                total += book.top_base[side, k]
                if k == 4:
                    values[9 + side] = total
            if book.top_count[side] < 5:
                values[9 + side] = total
            values[11 + side] = total
    values[MEAN_AT + 4] = whole[MEASURED] / BAR_NS
    if whole[MEASURED] > 0:
        values[MEAN_AT] = real[SPREAD_SUM] / whole[MEASURED]
        values[MEAN_AT + 1] = real[MID_SUM] / whole[MEASURED]
        values[MEAN_AT + 2] = max(-1.0, min(1.0, real[QUEUE_SUM] / whole[MEASURED]))
        values[MEAN_AT + 3] = real[TOUCH_SUM] / whole[MEASURED]
    if not poisoned:
        values[FLOW_AT + FLOW_LEVELS + 1] = real[DEPTH_SUM]
        # where one feed follows the other neither tells of all that happened
        if whole[BAR_FEEDS] == EVENTS_ALONE:
            for k in range(FLOW_LEVELS):
                values[FLOW_AT + k] = book.flows[k]
            values[FLOW_AT + FLOW_LEVELS] = real[NO_CHANGE_FLOW]
        elif whole[BAR_FEEDS] == IMAGES_ALONE:
            values[FLOW_AT + FLOW_LEVELS + 2] = real[IMAGE_FLOW]


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
