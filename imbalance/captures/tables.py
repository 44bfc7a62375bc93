"""Registry of the raw layer: captures, what was quarantined of them, their instruments.

The tables of events are declared in `event_tables` and `band_table`. No code that decodes.
"""

from __future__ import annotations

from imbalance.captures.band_table import DEPTH_BANDS
from imbalance.captures.event_tables import (
    BOOK_UPDATES,
    DERIVATIVE_TICKS,
    INSTRUMENT,
    LIQUIDATIONS,
    OPTIONS,
    ORDERS,
    QUOTES,
    TRADES,
)
from imbalance.contracts import Column, Table

CAPTURES = Table(
    name="raw.captures",
    description="One row per capture file: what it is, what it holds and where every line went.",
    grain="capture",
    partitioning="capture",
    key=("capture_id",),
    columns=(
        Column("capture_id", "VARCHAR", "First 16 hex digits of the SHA-256 of the file's bytes."),
        Column("sha256", "VARCHAR", "SHA-256 of the file's bytes."),
        Column("path", "VARCHAR", "Where the file was when it was registered."),
        Column("size_bytes", "BIGINT", "Size of the file.", unit="bytes", minimum=0),
        Column("text_bytes", "BIGINT", "Size of its text.", unit="bytes", minimum=0),
        Column("format", "VARCHAR", "How the bytes are framed."),
        Column(
            "compression",
            "VARCHAR",
            "Outer compression.",
            allowed=("gzip", "zstd", "xz", "zip", "none"),
        ),
        Column("venue", "VARCHAR", "Venue of every message in the file."),
        Column(
            "receive_time_unit",
            "VARCHAR",
            "Unit of the receive time; `none`: the capture has no receive time.",
            allowed=("ns", "us", "ms", "s", "none"),
            nullable=True,
            null_meaning="a refused file of which it is not known",
        ),
        Column(
            "state",
            "VARCHAR",
            "`whole`; `truncated`: ends in the middle, its complete lines are used; "
            "`refused`: nothing of it is used.",
            allowed=("whole", "truncated", "refused"),
        ),
        Column(
            "reason",
            "VARCHAR",
            "Why the state is not `whole`.",
            nullable=True,
            null_meaning="the file is whole",
        ),
        Column(
            "lines_read",
            "BIGINT",
            "Lines in the file, an incomplete last one included.",
            minimum=0,
            nullable=True,
            null_meaning="a refused file, of which none is read",
        ),
        Column("lines_decoded", "BIGINT", "Lines that became events.", minimum=0),
        Column("lines_ignored", "BIGINT", "Lines left out by a named rule.", minimum=0),
        Column("lines_quarantined", "BIGINT", "Lines that could not be understood.", minimum=0),
        Column("ignored_by_rule", "VARCHAR", "JSON object: rule to number of lines."),
        Column("decoded_by_kind", "VARCHAR", "JSON object: message kind to number of lines."),
        Column("quarantined_by_reason", "VARCHAR", "JSON object: reason to number of lines."),
        Column("instruments", "VARCHAR", "JSON array of the instruments in the file."),
        Column(
            "fields_unknown",
            "VARCHAR",
            "JSON object: field no rule knows, to the number of messages carrying it.",
        ),
        Column(
            "events_left_out",
            "VARCHAR",
            "JSON object: rule to number of events left out of lines that are decoded, such as "
            "trades sent again long after they happened.",
        ),
        Column(
            "first_event_time",
            "TIMESTAMP_NS",
            "Earliest event time.",
            unit="UTC, ns",
            nullable=True,
            null_meaning="no event",
        ),
        Column(
            "last_event_time",
            "TIMESTAMP_NS",
            "Latest event time.",
            unit="UTC, ns",
            nullable=True,
            null_meaning="no event",
        ),
        Column(
            "last_receive_time",
            "TIMESTAMP_NS",
            "Latest receive time by the recorder's own clock.",
            unit="UTC, ns",
            nullable=True,
            null_meaning="no event",
        ),
        Column(
            "clock_skew_ns",
            "BIGINT",
            "Smallest receive time − exchange time seen; negative: the recorder's clock is "
            "behind by at least that much, and receive times are corrected for it.",
            unit="ns",
            nullable=True,
            null_meaning="no message carries both times",
        ),
    ),
)

QUARANTINE = Table(
    name="raw.quarantine",
    description="One row per line (or whole file) that could not be understood. Nothing is lost: "
    "the text stands in the capture at that offset.",
    grain="quarantined line",
    partitioning="capture",
    key=("capture_id", "line"),
    columns=(
        Column("capture_id", "VARCHAR", "Capture the line is in."),
        Column("path", "VARCHAR", "The capture's path."),
        Column(
            "line",
            "BIGINT",
            "Line from 1; 0 stands for the whole file. In a LOBSTER archive message and book take "
            "turns, each with its own line in `detail`.",
            minimum=0,
        ),
        Column(
            "byte_offset",
            "BIGINT",
            "Offset of the line in the uncompressed text.",
            unit="bytes",
            minimum=0,
        ),
        Column("byte_length", "BIGINT", "Length of the line.", unit="bytes", minimum=0),
        Column("reason", "VARCHAR", "Named reason."),
        Column("detail", "VARCHAR", "What exactly was found."),
        Column("text_sha256", "VARCHAR", "SHA-256 of the line's bytes."),
        Column("text_start", "VARCHAR", "First 200 characters, unprintable ones replaced."),
    ),
)

def _fact(name: str, kind: str, what: str, unit: str = "") -> Column:
    return Column(
        name,
        kind,  # type: ignore[arg-type]
        what,
        unit=unit,
        nullable=True,
        null_meaning="neither settings, messages, symbol nor registry say so",
        owner="captures",
    )


INSTRUMENTS = Table(
    name="raw.instruments",
    description="What is known of the instruments in each capture: of each fact the word of the "
    "settings, else of the capture itself, else of the venue's rules, else of the registry.",
    grain="capture and instrument",
    partitioning="capture",
    key=("capture_id", "instrument"),
    columns=(
        Column("capture_id", "VARCHAR", "Capture the instrument is in."),
        INSTRUMENT,
        Column("venue", "VARCHAR", "Its venue."),
        _fact("kind", "VARCHAR", "spot, perpetual, future, option, equity or index."),
        _fact("base", "VARCHAR", "What is bought and sold."),
        _fact("quote", "VARCHAR", "What it is priced in; USD and USDT are different."),
        _fact("underlying", "VARCHAR", "What a derivative follows."),
        _fact("tick", "DOUBLE", "Smallest step of its price.", "quote currency"),
        _fact("lot", "DOUBLE", "Smallest step of its size.", "venue's size unit"),
        _fact(
            "multiplier",
            "DOUBLE",
            "Base units per contract; quote units per contract of inverse instruments.",
        ),
        _fact("inverse", "BOOLEAN", "Whether a contract is worth a fixed sum of the quote."),
        _fact("expiry", "VARCHAR", "Day of expiry, as the venue writes it."),
        _fact("asset_class", "VARCHAR", "Class of the underlying asset, such as crypto or equity."),
        Column("source", "VARCHAR", "JSON object: fact to where it is from: `configuration`, "
               "`capture`, `venue` (rules), `symbol`, or `registry: …`, with its own source."),
        Column(
            "available_at",
            "TIMESTAMP_NS",
            "When the capture's last message could be known.",
            unit="UTC, ns",
            owner="captures",
        ),
    ),
)

def _difference(name: str, what: str) -> Column:
    return Column(
        name,
        "BIGINT",
        what,
        unit="ns",
        nullable=True,
        null_meaning="no message carries both times",
        owner="captures",
    )


CLOCK_SKEW = Table(
    name="raw.clock_skew",
    description="How far the recorder's clock is from the exchange's: receive − exchange time of "
    "each capture's messages, as recorded. A smallest difference below 0 is skew for certain; "
    "above 0 it may be latency, and is left alone.",
    grain="capture",
    partitioning="capture",
    key=("capture_id",),
    columns=(
        Column("capture_id", "VARCHAR", "The capture."),
        Column("venue", "VARCHAR", "Its venue."),
        Column("messages", "BIGINT", "Events that carry both times.", minimum=0),
        _difference("smallest_ns", "Smallest difference."),
        _difference("p01_ns", "Difference that one in a hundred is below."),
        _difference("p50_ns", "Median difference."),
        _difference("p99_ns", "Difference that one in a hundred is above."),
        _difference("largest_ns", "Largest difference."),
        Column(
            "correction_ns",
            "BIGINT",
            "By how much receive times are moved forward at the capture's end.",
            unit="ns",
            minimum=0,
            owner="captures",
        ),
        Column(
            "available_at",
            "TIMESTAMP_NS",
            "When the capture's last message could be known.",
            unit="UTC, ns",
            owner="captures",
        ),
    ),
)

TABLES = (
    CAPTURES, QUARANTINE, INSTRUMENTS, CLOCK_SKEW, BOOK_UPDATES, TRADES, QUOTES, DERIVATIVE_TICKS,
    LIQUIDATIONS, OPTIONS, ORDERS, DEPTH_BANDS,
)
