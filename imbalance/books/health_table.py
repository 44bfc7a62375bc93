"""Registry of what could be trusted when, and why not: `book.book_health` of the book,
`book.trade_gaps` of the trade feed.
"""

from __future__ import annotations

from imbalance.books.columns import count_column
from imbalance.captures.event_tables import INSTRUMENT
from imbalance.contracts import Column, Table

BOOK_HEALTH = Table(
    name="book.book_health",
    description="Intervals over which the book of an instrument was valid or not, with the cause.",
    grain="instrument and interval",
    partitioning="day_venue",
    key=("instrument", "interval"),
    columns=(
        INSTRUMENT,
        Column(
            "interval",
            "INTEGER",
            "Number of the interval within instrument and day, from 1.",
            minimum=1,
            owner="books",
        ),
        Column(
            "valid_from",
            "TIMESTAMP_NS",
            "Event time at which the interval begins; where a break, a gap or a silence ends a "
            "valid book, that of the book's last message, or the day's start.",
            unit="UTC, ns",
            owner="books",
        ),
        Column(
            "valid_to",
            "TIMESTAMP_NS",
            "Event time at which it ends.",
            unit="UTC, ns",
            owner="books",
        ),
        Column(
            "state",
            "VARCHAR",
            "`valid`: a proved book; `waiting`: no book to apply differences to; `silent`: a "
            "proved book whose feed was silent beyond the limit.",
            allowed=("valid", "waiting", "silent"),
            owner="books",
        ),
        Column(
            "cause",
            "VARCHAR",
            "What began the interval.",
            allowed=(
                "snapshot",
                "closing_book",
                "no_snapshot",
                "sequence_gap",
                "unbridgeable_snapshot",
                "silence",
                "resumed",
                "unusable_prices",
                "image",
                "reconnected",
                "checksum_mismatch",
                "restarted",
                "channel_gap",
                "capture_start",
                "broken_off",
            ),
            owner="books",
        ),
        Column(
            "expected_update_id",
            "BIGINT",
            "Update id that the chain asked for at a break.",
            nullable=True,
            null_meaning="the interval does not begin with a break",
            owner="books",
        ),
        Column(
            "found_update_id",
            "BIGINT",
            "Update id that came instead.",
            nullable=True,
            null_meaning="the interval does not begin with a break",
            owner="books",
        ),
        count_column("messages", "Difference messages applied in the interval."),
        count_column(
            "stale_messages", "Differences older than the snapshot, dropped as the rules say."
        ),
        count_column("crossed_messages", "Messages after which the book was crossed."),
        count_column("locked_messages", "Messages after which the book was locked."),
        count_column("unknown_removals", "Removals of levels that were not in the book."),
    ),
)

TRADE_GAPS = Table(
    name="book.trade_gaps",
    description="Times of which not every trade of an instrument is there, while something of it "
    "was recorded: holes in the venue's trade ids, and times that no capture with its trades "
    "covers. Bars that touch one have no trade measures. Of the trades which the features count: "
    "single ones where an instrument has any that day, else aggregate ones. Venues whose ids are "
    "not counted show no holes: see the page of venues.",
    grain="instrument and gap",
    partitioning="day_venue",
    key=("instrument", "gap"),
    may_be_empty="no trade is missing",
    columns=(
        INSTRUMENT,
        Column(
            "gap",
            "INTEGER",
            "Number of the gap within instrument and day, from 1.",
            minimum=1,
            owner="books",
        ),
        Column(
            "kind",
            "VARCHAR",
            "The trades that are missing.",
            allowed=("trade", "aggregate_trade"),
            owner="books",
        ),
        Column(
            "missing_from",
            "TIMESTAMP_NS",
            "Event time of the last trade before the hole, or of the last event of the captures "
            "that hold trades; the day's start for one that began before.",
            unit="UTC, ns",
            owner="books",
        ),
        Column(
            "missing_to",
            "TIMESTAMP_NS",
            "Event time of the first trade after the hole, or of the first event of the next "
            "capture with trades; the day's end for one that goes on.",
            unit="UTC, ns",
            owner="books",
        ),
        Column(
            "cause",
            "VARCHAR",
            "`id_hole`: the venue counts its trades, and numbers are missing; `not_recorded`: no "
            "capture that holds trades of the instrument covers the time.",
            allowed=("id_hole", "not_recorded"),
            owner="books",
        ),
        *(
            Column(
                name,
                "BIGINT",
                what,
                nullable=True,
                null_meaning="the gap is no hole in the ids",
                minimum=0,
                owner="books",
            )
            for name, what in (
                ("expected_trade_id", "Id that should have come after the last one."),
                ("found_trade_id", "Id that came instead."),
                ("missing_trades", "How many are missing; in all, where the hole is on two days."),
            )
        ),
        Column(
            "available_at",
            "TIMESTAMP_NS",
            "When the gap could be known: with the trade after the hole, or when nothing had been "
            "recorded for the silence that is borne.",
            unit="UTC, ns",
            owner="books",
        ),
    ),
)
