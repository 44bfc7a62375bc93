"""What a book rebuild carries from one chunk of messages to the next, and the buffers it fills.

Only layout: the rules are in `kernel.py`, the 100 ms bars in `bars.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from imbalance.books.ladder import Ladder, new_ladder
from imbalance.books.tables import BANDS_BPS, FLOW_LEVELS
from imbalance.kernels import read_only

BAR_NS = 100_000_000
FAR_AWAY = 1 << 40
"""Ticks beyond which there is no level."""
NO_ID = -1

# `Book.whole`
(
    STATUS, LAST_ID, FRESH, CLOCK, LAST_EVENT, LAST_AVAILABLE, BAR, BAR_POISONED, SEGMENT_START,
    FLOW_BREAK, STATE_COUNT, KNOWN_LOW, KNOWN_HIGH, PENDING, PENDING_BIDS, PENDING_ASKS,
    PENDING_LAST, TICK_PARTS, SILENCE, LEVELS, BANDS_STALE, CROSSED, LOCKED,
    HEALTH_FROM, HEALTH_STATE, HEALTH_CAUSE, HEALTH_EXPECTED, HEALTH_FOUND,
    HEALTH_MESSAGES, HEALTH_STALE, HEALTH_CROSSED, HEALTH_LOCKED, HEALTH_UNKNOWN,
    BAR_AVAILABLE, COVERED, MEASURED, IMAGE_INTERVALS, FEED, BAR_FEEDS, BAR_COUNTS,
) = range(40)  # fmt: skip

# values of `Book.whole[STATUS]`
WAITING, OPENED, VALID = range(3)
"""No book; the closing book of the day before, not yet proved; a proved book."""

DIFF, SNAPSHOT, IMAGE, BREAK = range(4)
"""Kinds of message, as in `captures.rows.BOOK_KINDS`."""

HEALTH_STATES = ("valid", "waiting", "silent")
SILENT = HEALTH_STATES.index("silent")
CAUSES = (
    "snapshot", "closing_book", "no_snapshot", "sequence_gap", "unbridgeable_snapshot", "silence",
    "resumed", "unusable_prices", "image", "reconnected", "checksum_mismatch", "restarted",
    "channel_gap", "capture_start", "broken_off",
)  # fmt: skip
BREAK_NOTES = CAUSES[CAUSES.index("reconnected") :]
"""Notes of breaks that are causes of their own; any other is told as the last of them."""

FEEDS = ("events", "images")
"""Values of `book_feed`. `Book.whole[FEED]` is the place of the one of which the last difference or
image was, `Book.whole[BAR_FEEDS]` has the bit at the place of each with a part in the running bar.
"""
EVENTS_ALONE, IMAGES_ALONE = 1, 2
"""What `BAR_FEEDS` is where all of a bar was of one of them."""

# counts of a bar, in `Book.whole` from BAR_COUNTS on and in `Output.bar_counts`
(
    EVENTS, MESSAGES, UPDATES, ADDITIONS, CANCELLATIONS, BAR_CROSSED, BAR_LOCKED,
) = range(7)  # fmt: skip
COUNT_COLUMNS = (
    "book_events", "book_messages", "level_updates", "level_additions", "level_cancellations",
    "crossed_messages", "locked_messages",
)  # fmt: skip

# `Book.real`
(
    TICK_SCALE, MULTIPLIER, MID, MID_OPEN, MID_HIGH, MID_LOW, SPREAD_SUM, MID_SUM, QUEUE_SUM,
    TOUCH_SUM, NO_CHANGE_FLOW, DEPTH_SUM, IMAGE_FLOW, IMAGE_PACE,
) = range(14)  # fmt: skip

# columns of `Output.bars`
BAR_COLUMNS = (
    "coverage", "mid_open", "mid_high", "mid_low", "mid_close", "bid_price", "bid_size",
    "ask_price", "ask_size", "bid_depth_5", "ask_depth_5", "bid_depth_10", "ask_depth_10",
    *(f"{side}_depth_{bps}bps" for bps in BANDS_BPS for side in ("bid", "ask")),
    "bid_depth_weighted_10bps", "ask_depth_weighted_10bps", "bid_reach_bps", "ask_reach_bps",
    "spread_mean", "mid_mean", "queue_imbalance_mean", "depth_touch_mean", "measured_coverage",
    *(f"order_flow_imbalance_level_{m}" for m in range(1, FLOW_LEVELS + 1)),
    "order_flow_imbalance_no_price_change", "level_depth_sum",
    "generalised_order_flow_imbalance",
)  # fmt: skip
SIZE_COLUMNS = tuple(
    name for name in BAR_COLUMNS
    if any(part in name for part in ("_size", "depth", "queue_imbalance", "order_flow"))
)
"""Columns of `book.bars_100ms` that are made of sizes in base units."""

BAND_AT = BAR_COLUMNS.index("bid_depth_5bps")
WEIGHTED_AT = BAR_COLUMNS.index("bid_depth_weighted_10bps")
REACH_AT = BAR_COLUMNS.index("bid_reach_bps")
MEAN_AT = BAR_COLUMNS.index("spread_mean")
FLOW_AT = BAR_COLUMNS.index("order_flow_imbalance_level_1")

PENDING_MESSAGES, PENDING_LEVELS = 1 << 13, 1 << 18
"""Differences kept while no snapshot has come; older ones cannot matter and are let go."""


class Book(NamedTuple):
    """State of one instrument's rebuild. `top_*` are (2, levels): bids, asks, best first; ticks,
    sizes as sent and in base units. `pending_levels` is (2, 2, n): bids, asks; prices, sizes.
    `kept_levels` is the same memory, read-only as the levels of messages are: what puts levels in
    the ladder is then compiled once for both.
    """

    whole: Any
    real: Any
    ladder: Ladder
    top_count: Any
    top_ticks: Any
    top_sizes: Any
    top_base: Any
    old_ticks: Any
    old_base: Any
    flows: Any
    bands: Any
    powers: Any
    pending: Any
    pending_levels: Any
    kept_levels: Any


class Messages(NamedTuple):
    """Book messages of one instrument in order: ids are (n, 3) first, last, previous; of a break
    the first is the code of its cause. See `as_compiled`.
    """

    kind: Any
    ids: Any
    event: Any
    available: Any
    bid_offsets: Any
    ask_offsets: Any
    bid_prices: Any
    bid_sizes: Any
    ask_prices: Any
    ask_sizes: Any


class Output(NamedTuple):
    """Buffers a rebuild fills; `used` counts bars, states, state levels (bid, ask), health rows
    and proofs. `bar_times` is (n, 4): start, available, poisoned, feed. `states` is (n, 6): event,
    available, update id, segment start, crossed, locked.
    `proofs` is (n, 4): best bid, size, best ask, size as sent, after the message of `proof_id`.
    """

    used: Any
    bar_times: Any
    bars: Any
    bar_counts: Any
    states: Any
    state_counts: Any
    state_prices: Any
    state_sizes: Any
    health: Any
    proof_id: Any
    proofs: Any


_MESSAGE_TYPES = Messages(
    np.uint8, np.int64, np.int64, np.int64, np.int32, np.int32, *(np.float64,) * 4
)


def as_compiled(messages: Messages) -> Messages:
    """The same as the one type of arrays that the kernel is compiled for: those of Arrow are
    read-only, those of NumPy are not, and for each mixture of them it would be compiled anew.
    """
    return Messages(*map(read_only, messages, _MESSAGE_TYPES))


def new_book(
    *, tick: tuple[int, int], centre: int, multiplier: float | None,
    levels: int, silence_ns: int, far_room: int,
) -> Book:  # fmt: skip
    """An empty book.

    Parameters
    ----------
    tick : the tick as `parts / scale`, e.g. (10, 100) for 0.1 sent with two decimals.
    centre : a price near the market, in ticks.
    multiplier : quote units per contract of inverse instruments.
    levels : levels a side of `book.book_states`.
    silence_ns : silence beyond which bars are poisoned; of images, the longest (`continuity`).
    far_room : slots for levels outside the window.
    """
    whole = np.zeros(BAR_COUNTS + len(COUNT_COLUMNS), np.int64)
    whole[TICK_PARTS], whole[SILENCE] = tick[0], silence_ns
    whole[LEVELS] = levels
    whole[LAST_ID] = whole[PENDING_LAST] = whole[CLOCK] = whole[BAR] = NO_ID
    whole[HEALTH_STATE], whole[HEALTH_CAUSE] = 1, CAUSES.index("no_snapshot")
    whole[HEALTH_FROM] = whole[HEALTH_EXPECTED] = whole[HEALTH_FOUND] = NO_ID
    real = np.zeros(IMAGE_PACE + 1)
    real[TICK_SCALE] = tick[1]
    real[MULTIPLIER] = 0.0 if multiplier is None else multiplier
    real[[MID, MID_OPEN, MID_HIGH, MID_LOW]] = np.nan
    depth = max(levels, FLOW_LEVELS)
    pending = np.zeros((2, 2, PENDING_LEVELS))
    kept = pending.view()
    kept.flags.writeable = False
    return Book(
        whole, real, new_ladder(centre, far_room),
        np.zeros(2, np.int64), np.zeros((2, depth), np.int64), np.zeros((2, depth)),
        np.zeros((2, depth)), np.zeros((2, depth), np.int64), np.zeros((2, depth)),
        np.zeros(FLOW_LEVELS), np.zeros(FLOW_AT), np.zeros((2, 64)),
        np.zeros((PENDING_MESSAGES, 7), np.int64),
        pending, kept,
    )  # fmt: skip


def new_output(levels: int, bars: int = 1 << 14, states: int = 1 << 15) -> Output:
    """Empty buffers for that many bars and states."""
    return Output(
        np.zeros(6, np.int64),
        np.zeros((bars, 4), np.int64),
        np.zeros((bars, len(BAR_COLUMNS))),
        np.zeros((bars, len(COUNT_COLUMNS)), np.int64),
        np.zeros((states, 6), np.int64),
        np.zeros((states, 2), np.int64),
        np.zeros((2, states * levels)),
        np.zeros((2, states * levels)),
        np.zeros((1024, 11), np.int64),
        np.zeros(states, np.int64),
        np.zeros((states, 4)),
    )
