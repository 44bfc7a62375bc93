"""Registry of the book layer: states, health, closing books and the book's side of 100 ms bars.

Every size here is in base units: contracts of inverse instruments are converted at their own price.
"""

from __future__ import annotations

from imbalance.books.columns import (
    count_column,
    flow_column,
    mean_column,
    or_unsized,
    state_column,
)
from imbalance.books.health_table import BOOK_HEALTH, TRADE_GAPS
from imbalance.captures.event_tables import INSTRUMENT, NO_CONTRACT_SIZE
from imbalance.contracts import Column, Table

FLOW_LEVELS = 10
"""Levels whose order flow is measured, whatever depth `book.book_states` shows."""

BANDS_BPS = (5, 10, 25, 50, 100, 200)
"""Distances from the mid, in bps, within which depth is summed."""

WEIGHT_SCALE_BPS = 10
"""κ of the distance weight exp(−d/κ)."""

WEIGHT_REACH_BPS = 100
"""Distance up to which weighted depth is summed: the weight there is e⁻¹⁰."""


BOOK_STATES = Table(
    name="book.book_states",
    description="The best levels of the book (10 a side by default) at every change of them.",
    grain="change of the best levels",
    partitioning="day_venue",
    key=("instrument", "sequence"),
    columns=(
        INSTRUMENT,
        Column(
            "sequence",
            "BIGINT",
            "Number of the state within instrument and day, from 1.",
            minimum=1,
            owner="books",
        ),
        Column(
            "event_time",
            "TIMESTAMP_NS",
            "Event time of the message that made the state.",
            unit="UTC, ns",
            owner="books",
        ),
        Column(
            "available_at",
            "TIMESTAMP_NS",
            "When the state could have been known.",
            unit="UTC, ns",
            owner="books",
        ),
        Column(
            "update_id",
            "BIGINT",
            "Last update id of that message.",
            nullable=True,
            null_meaning="the feed has no ids of updates",
            owner="books",
        ),
        Column(
            "segment_start",
            "BOOLEAN",
            "First state after a snapshot, gap or reconnection: no flow leads into it.",
            owner="books",
        ),
        Column("crossed", "BOOLEAN", "Best bid above best ask.", owner="books"),
        Column("locked", "BOOLEAN", "Best bid equal to best ask.", owner="books"),
        Column(
            "bid_prices",
            "DOUBLE[]",
            "Populated bid levels, best first.",
            unit="quote currency",
            owner="books",
        ),
        Column("bid_sizes", "DOUBLE[]", "Their sizes.", unit="base units", owner="books",
               nullable=True, null_meaning="of each level: " + NO_CONTRACT_SIZE),
        Column(
            "ask_prices",
            "DOUBLE[]",
            "Populated ask levels, best first.",
            unit="quote currency",
            owner="books",
        ),
        Column("ask_sizes", "DOUBLE[]", "Their sizes.", unit="base units", owner="books",
               nullable=True, null_meaning="of each level: " + NO_CONTRACT_SIZE),
    ),
)

CLOSING_BOOKS = Table(
    name="book.closing_books",
    description="The whole book of each instrument at the end of its UTC day; opens the next day "
    "when the chain of update ids is unbroken. An instrument without a message all day keeps the "
    "book it had. Sizes as sent by the venue.",
    grain="instrument",
    partitioning="day_venue",
    key=("instrument",),
    columns=(
        INSTRUMENT,
        Column(
            "event_time",
            "TIMESTAMP_NS",
            "Event time of the last message applied.",
            unit="UTC, ns",
            owner="books",
        ),
        Column(
            "available_at",
            "TIMESTAMP_NS",
            "When the book could have been known.",
            unit="UTC, ns",
            owner="books",
        ),
        Column(
            "update_id",
            "BIGINT",
            "Last update id applied.",
            nullable=True,
            null_meaning="the feed has no ids of updates",
            owner="books",
        ),
        Column(
            "known_low",
            "DOUBLE",
            "Lowest price the last snapshot told of.",
            unit="quote currency",
            owner="books",
        ),
        Column(
            "known_high",
            "DOUBLE",
            "Highest price the last snapshot told of.",
            unit="quote currency",
            owner="books",
        ),
        Column(
            "bid_prices",
            "DOUBLE[]",
            "All bid levels, best first.",
            unit="quote currency",
            owner="books",
        ),
        Column("bid_sizes", "DOUBLE[]", "Their sizes.", unit="venue's size unit", owner="books"),
        Column(
            "ask_prices",
            "DOUBLE[]",
            "All ask levels, best first.",
            unit="quote currency",
            owner="books",
        ),
        Column("ask_sizes", "DOUBLE[]", "Their sizes.", unit="venue's size unit", owner="books"),
    ),
)

QUOTE_AGREEMENT = Table(
    name="book.quote_agreement",
    description="Proof of the rebuild: at every book message whose last update id equals a "
    "quote's, the book's best prices and sizes are compared with the quote's.",
    grain="instrument",
    partitioning="day_venue",
    key=("instrument",),
    columns=(
        INSTRUMENT,
        count_column("compared", "Messages compared with a quote of the same update id."),
        count_column("mismatched", "Comparisons in which a best price or size differs."),
        count_column("agreed_since", "Comparisons after the last one that differs: all of them "
                     "where none does."),
        Column(
            "first_mismatch_update_id",
            "BIGINT",
            "Update id of the first difference.",
            nullable=True,
            null_meaning="all agree",
            owner="books",
        ),
    ),
)

_NO_EVENTS = "the bar is poisoned, or its book was made of images, at least in part"

_LEVEL_FLOWS = tuple(
    flow_column(
        f"order_flow_imbalance_level_{m}",
        f"Order flow imbalance at level {m}",
        "base units",
        null_meaning=f"{_NO_EVENTS}, or an event of it lacks level {m} on a side",
        formula="Σ e_n, e_n = 1{b_n≥b_{n−1}}q^b_n − 1{b_n≤b_{n−1}}q^b_{n−1} "
        "− 1{a_n≤a_{n−1}}q^a_n + 1{a_n≥a_{n−1}}q^a_{n−1}, prices and sizes of the level",
        source="Cont, Kukanov, Stoikov 2014; Xu, Gould, Howison 2019",
    )
    for m in range(1, FLOW_LEVELS + 1)
)

_BANDS = tuple(
    state_column(
        f"{side}_depth_{bps}bps",
        f"{side} size within {bps} bps of the mid",
        "base units",
        minimum=0.0,
    )
    for bps in BANDS_BPS
    for side in ("bid", "ask")
)

BARS_100MS = Table(
    name="book.bars_100ms",
    description="What one pass over the book yields per 100 ms bar: order flow, closing state, "
    "time-weighted means, depth, counts and coverage.",
    grain="instrument and bar",
    partitioning="day_venue",
    key=("instrument", "bar_start"),
    columns=(
        INSTRUMENT,
        Column(
            "bar_start",
            "TIMESTAMP_NS",
            "Start of the bar, inclusive.",
            unit="UTC, ns",
            owner="books",
        ),
        Column(
            "available_at",
            "TIMESTAMP_NS",
            "When the bar could have been known: its end, or later where a message of it "
            "arrived later.",
            unit="UTC, ns",
            owner="books",
        ),
        Column(
            "coverage",
            "DOUBLE",
            "Share of the bar with a valid book.",
            unit="fraction",
            minimum=0.0,
            maximum=1.0,
            owner="books",
        ),
        Column(
            "measured_coverage",
            "DOUBLE",
            "Share of the bar with a valid, uncrossed book of both sides: what its means are of.",
            unit="fraction",
            minimum=0.0,
            maximum=1.0,
            owner="books",
        ),
        Column(
            "poisoned",
            "BOOLEAN",
            "The bar touches a gap, the edge of the captures, a snapshot, a crossed book or a "
            "silence beyond the limit.",
            owner="books",
        ),
        state_column("mid_open", "Mid price at the start of the bar", "quote currency", minimum=0.0,
                     null_meaning="no valid book with both sides at the bar's start"),
        *(
            state_column(f"mid_{extreme}", f"{word} mid price in the bar", "quote currency",
                         minimum=0.0, null_meaning="no valid book with both sides in the bar")
            for extreme, word in (("high", "Highest"), ("low", "Lowest"))
        ),
        state_column("mid_close", "Mid price at the end of the bar", "quote currency", minimum=0.0),
        state_column("bid_price", "Best bid at the end of the bar", "quote currency", minimum=0.0),
        state_column("bid_size", "Size there", "base units", minimum=0.0),
        state_column("ask_price", "Best ask at the end of the bar", "quote currency", minimum=0.0),
        state_column("ask_size", "Size there", "base units", minimum=0.0),
        state_column("bid_depth_5", "Size of the five best bid levels", "base units", minimum=0.0),
        state_column("ask_depth_5", "Size of the five best ask levels", "base units", minimum=0.0),
        state_column("bid_depth_10", "Size of the ten best bid levels", "base units", minimum=0.0),
        state_column("ask_depth_10", "Size of the ten best ask levels", "base units", minimum=0.0),
        *_BANDS,
        state_column(
            "bid_depth_weighted_10bps",
            "Bid size weighted by exp(−d/10), d in bps, to 100 bps",
            "base units",
            minimum=0.0,
        ),
        state_column(
            "ask_depth_weighted_10bps",
            "Ask size weighted by exp(−d/10), d in bps, to 100 bps",
            "base units",
            minimum=0.0,
        ),
        state_column(
            "bid_reach_bps",
            "How far below the mid the last snapshot told of the book, as far as depth is summed",
            "bps",
            minimum=0.0,
        ),
        state_column(
            "ask_reach_bps",
            "How far above the mid the last snapshot told of the book, as far as depth is summed",
            "bps",
            minimum=0.0,
        ),
        mean_column("spread_mean", "Spread", "quote currency"),
        mean_column("mid_mean", "Mid price", "quote currency", minimum=0.0),
        mean_column(
            "queue_imbalance_mean", "(q^b − q^a)/(q^b + q^a)", "fraction", minimum=-1.0, maximum=1.0
        ),
        mean_column(
            "depth_touch_mean",
            "Mean of the best bid's and the best ask's size",
            "base units",
            minimum=0.0,
        ),
        *_LEVEL_FLOWS,
        flow_column(
            "order_flow_imbalance_no_price_change",
            "Order flow imbalance at the best level without the events that change a best price",
            "base units",
            null_meaning=_NO_EVENTS,
            source="Cont, Kukanov, Stoikov 2014, footnote 3",
        ),
        flow_column(
            "level_depth_sum",
            "Σ over the bar's book events of the mean size per level and side over ten levels; "
            "divided by `book_events` the common depth Q of the scaled flows",
            "base units",
            source="Cont, Cucuringu, Zhang 2023, eq. 3",
        ),
        Column(
            "generalised_order_flow_imbalance",
            "DOUBLE",
            "Order flow imbalance between images of the book, each level that the best price has "
            "passed credited",
            unit="base units",
            nullable=True,
            null_meaning=or_unsized(
                "the bar is poisoned, or its book was made of changes, at least in part"
            ),
            formula="bids: Σ_{p>b_{n−1}} q_n when the best rises, q_n − q_{n−1} when it stays, "
            "−Σ_{p>b_n} q_{n−1} when it falls; asks mirrored; bids less asks",
            source="Su et al. 2021",
            owner="books",
        ),
        Column(
            "book_feed",
            "VARCHAR",
            "What the book was made of: `events`, every change; `images`, the visible book again "
            "and again. A bar in which one follows the other is of `images`, without the flow of "
            "either.",
            allowed=("events", "images"),
            owner="books",
        ),
        count_column(
            "book_events", "Book events with a flow (messages on a valid, uncrossed book)."
        ),
        count_column("book_messages", "Book messages, valid or not."),
        count_column("level_updates", "Level updates in them; snapshots and images tell of none."),
        count_column("level_additions", "Level updates which raised the size at a price."),
        count_column(
            "level_cancellations",
            "Level updates which lowered the size at a price or removed it (fills included: a "
            "book of levels cannot tell them apart).",
        ),
        *(
            count_column(
                f"{side}_withdrawals",
                f"Improvements of the best {side} that ended within a second, by a cancellation or "
                "a trade: the next move of the best price took them back. One that stands at "
                "midnight has no known life.",
            )
            for side in ("bid", "ask")
        ),
        count_column("crossed_messages", "Messages after which the book was crossed."),
        count_column("locked_messages", "Messages after which the book was locked."),
    ),
)

TABLES = (BOOK_STATES, BOOK_HEALTH, CLOSING_BOOKS, QUOTE_AGREEMENT, BARS_100MS, TRADE_GAPS)
