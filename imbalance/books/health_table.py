"""Registry of `book.book_health`: when a book could be trusted, and why not."""

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
            "Event time at which the interval begins.",
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
