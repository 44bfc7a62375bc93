"""Registry of the raw layer: what every raw table and column means. No code that decodes."""

from __future__ import annotations

from imbalance.contracts import Column, Table

INSTRUMENT = Column(
    "instrument",
    "VARCHAR",
    "Instrument as `<venue>:<symbol>`, the symbol as the venue writes it.",
    owner="captures",
)

EVENT_TIMES = (
    Column(
        "exchange_time",
        "TIMESTAMP_NS",
        "Time at which the exchange sent the event, as recorded (Binance `E`).",
        unit="UTC, ns",
        nullable=True,
        null_meaning="the message carries no such time",
        owner="captures",
    ),
    Column(
        "transaction_time",
        "TIMESTAMP_NS",
        "Time at which the exchange's matching engine made the event, as recorded (Binance `T`).",
        unit="UTC, ns",
        nullable=True,
        null_meaning="the message carries no such time",
        owner="captures",
    ),
    Column(
        "receive_time",
        "TIMESTAMP_NS",
        "Time at which the recorder received the message, by the recorder's own clock.",
        unit="UTC, ns",
        nullable=True,
        null_meaning="the capture has no receive time",
        owner="captures",
    ),
    Column(
        "event_time",
        "TIMESTAMP_NS",
        "The time the event speaks of: transaction time, else exchange time, else receive time "
        "corrected for the recorder's clock skew.",
        unit="UTC, ns",
        owner="captures",
    ),
    Column(
        "time_source",
        "VARCHAR",
        "Which clock `event_time` is from.",
        allowed=("transaction", "exchange", "receive"),
        owner="captures",
    ),
    Column(
        "available_at",
        "TIMESTAMP_NS",
        "When the market could have told us: the later of `event_time` and the skew-corrected "
        "receive time, never falling within an instrument, whatever captures its events are from. "
        "Events received before anything was known of the recorder's skew are available when it "
        "was first known.",
        unit="UTC, ns",
        owner="captures",
    ),
)

ORIGIN = (
    Column("capture_id", "VARCHAR", "Capture the event was read from.", owner="captures"),
    Column("line", "BIGINT", "Line in the capture, from 1.", minimum=1, owner="captures"),
)


def _price(name: str, what: str, *, nullable: bool = False) -> Column:
    return Column(
        name,
        "DOUBLE",
        what,
        unit="quote currency per base unit",
        nullable=nullable,
        null_meaning="not in the message" if nullable else "",
        owner="captures",
    )


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
        Column("compression", "VARCHAR", "Outer compression.", allowed=("gzip", "none")),
        Column("venue", "VARCHAR", "Venue of every message in the file."),
        Column(
            "receive_time_unit",
            "VARCHAR",
            "Unit of the receive time.",
            allowed=("ns", "us", "ms", "s"),
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
            "lines_read", "BIGINT", "Lines in the file, an incomplete last one included.", minimum=0
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
        Column("line", "BIGINT", "Line from 1; 0 stands for the whole file.", minimum=0),
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

BOOK_UPDATES = Table(
    name="raw.book_updates",
    description="Order book messages, one row each: differences (new size at a price, 0 removes) "
    "and snapshots. Sizes are as sent (contracts for COIN-M). `raw.book_levels` has a row a level.",
    grain="message",
    partitioning="day_venue",
    key=("instrument", "kind", "last_update_id", "capture_id", "line"),
    columns=(
        INSTRUMENT,
        Column("kind", "VARCHAR", "Difference or snapshot.", allowed=("diff", "snapshot")),
        Column(
            "first_update_id",
            "BIGINT",
            "First update in the message (Binance `U`).",
            nullable=True,
            null_meaning="a snapshot has none",
        ),
        Column("last_update_id", "BIGINT", "Last update in the message (`u`, `lastUpdateId`)."),
        Column(
            "previous_update_id",
            "BIGINT",
            "Last update of the message before (`pu`).",
            nullable=True,
            null_meaning="the venue does not send it",
        ),
        *EVENT_TIMES,
        Column("bid_prices", "DOUBLE[]", "Bid prices in the order sent.", unit="quote currency"),
        Column("bid_sizes", "DOUBLE[]", "Size at each; 0 removes.", unit="venue's size unit"),
        Column("ask_prices", "DOUBLE[]", "Ask prices in the order sent.", unit="quote currency"),
        Column("ask_sizes", "DOUBLE[]", "Size at each; 0 removes.", unit="venue's size unit"),
        *ORIGIN,
    ),
)

TRADES = Table(
    name="raw.trades",
    description="Trades and aggregate trades as the venue reports them.",
    grain="trade",
    partitioning="day_venue",
    key=("instrument", "kind", "trade_id"),
    columns=(
        INSTRUMENT,
        Column(
            "kind",
            "VARCHAR",
            "A single trade, or fills of one taker order at one price.",
            allowed=("trade", "aggregate_trade"),
        ),
        Column("trade_id", "BIGINT", "Venue's trade id.", minimum=0),
        _price("price", "Price of the trade."),
        Column("size", "DOUBLE", "Size as sent.", unit="venue's size unit", minimum=0),
        Column(
            "size_base",
            "DOUBLE",
            "Size in base units: contracts × multiplier / price for inverse contracts.",
            unit="base units",
            minimum=0,
        ),
        Column(
            "side",
            "VARCHAR",
            "Aggressor's side, from the venue's maker flag.",
            allowed=("buy", "sell"),
        ),
        *EVENT_TIMES,
        *ORIGIN,
    ),
)

QUOTES = Table(
    name="raw.quotes",
    description="Best bid and ask as the venue sends them (bookTicker).",
    grain="quote message",
    partitioning="day_venue",
    key=("instrument", "update_id"),
    columns=(
        INSTRUMENT,
        Column("update_id", "BIGINT", "Update id of the book at the quote."),
        _price("bid_price", "Best bid."),
        Column("bid_size", "DOUBLE", "Size there, as sent.", unit="venue's size unit", minimum=0),
        _price("ask_price", "Best ask."),
        Column("ask_size", "DOUBLE", "Size there, as sent.", unit="venue's size unit", minimum=0),
        *EVENT_TIMES,
        *ORIGIN,
    ),
)

DERIVATIVE_TICKS = Table(
    name="raw.derivative_ticks",
    description="Mark price, index price and funding of derivatives (markPriceUpdate).",
    grain="mark price message",
    partitioning="day_venue",
    key=("instrument", "event_time", "capture_id", "line"),
    columns=(
        INSTRUMENT,
        _price("mark_price", "Mark price."),
        _price("index_price", "Index price.", nullable=True),
        _price("settlement_price", "Estimated settlement price.", nullable=True),
        Column(
            "funding_rate",
            "DOUBLE",
            "Funding rate of the running interval.",
            unit="fraction",
            nullable=True,
            null_meaning="not in the message (dated futures have none)",
        ),
        Column(
            "next_funding_time",
            "TIMESTAMP_NS",
            "When it is next paid.",
            unit="UTC, ns",
            nullable=True,
            null_meaning="not in the message",
        ),
        *EVENT_TIMES,
        *ORIGIN,
    ),
)

TABLES = (CAPTURES, QUARANTINE, BOOK_UPDATES, TRADES, QUOTES, DERIVATIVE_TICKS)
