"""Registry of the raw layer: the tables of events. No code that decodes."""

from __future__ import annotations

from imbalance.contracts import Column, Table

INSTRUMENT = Column(
    "instrument",
    "VARCHAR",
    "Instrument as `<venue>:<symbol>`, the symbol as the venue writes it.",
    owner="captures",
)

NO_CONTRACT_SIZE = "what a contract is worth is not known (see `raw.instruments`)"
"""What null means of sizes in base units."""

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
        "receive time, never falling within an instrument of a table (trades: of a kind), whatever "
        "captures its events are from. "
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


def _size(name: str) -> Column:
    return Column(
        name,
        "DOUBLE",
        "Size there, as sent.",
        unit="venue's size unit",
        minimum=0,
        nullable=True,
        null_meaning="not in the message",
        owner="captures",
    )


BOOK_UPDATES = Table(
    name="raw.book_updates",
    description="Order book messages, one row each: differences (new size at a price, 0 removes), "
    "snapshots, images (the visible book again and again, of feeds that send nothing else) and "
    "breaks (the book cannot be trusted until the next snapshot). Sizes are as sent (contracts "
    "for COIN-M). `raw.book_levels` has a row a level.",
    grain="message",
    partitioning="day_venue",
    key=("instrument", "kind", "last_update_id", "capture_id", "line"),
    identity=("last_update_id",),
    columns=(
        INSTRUMENT,
        Column(
            "kind",
            "VARCHAR",
            "What the message says of the book.",
            allowed=("diff", "snapshot", "image", "break"),
        ),
        Column(
            "first_update_id",
            "BIGINT",
            "First update in the message (Binance `U`).",
            nullable=True,
            null_meaning="a snapshot has none, nor has a feed without such ids",
        ),
        Column(
            "last_update_id",
            "BIGINT",
            "Last update in the message (`u`, `lastUpdateId`).",
            nullable=True,
            null_meaning="the feed has no ids of updates",
        ),
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
        Column(
            "note",
            "VARCHAR",
            "Why the book breaks, such as `reconnected` or `checksum_mismatch`.",
            nullable=True,
            null_meaning="the message is no break",
        ),
        *ORIGIN,
    ),
)

TRADES = Table(
    name="raw.trades",
    description="Trades and aggregate trades as the venue reports them.",
    grain="trade",
    partitioning="day_venue",
    key=("instrument", "kind", "trade_id"),
    identity=("trade_id",),
    columns=(
        INSTRUMENT,
        Column(
            "kind",
            "VARCHAR",
            "A single trade, or fills of one taker order at one price.",
            allowed=("trade", "aggregate_trade"),
        ),
        Column(
            "trade_id",
            "BIGINT",
            "Venue's trade id.",
            minimum=0,
            nullable=True,
            null_meaning="the venue's id is no whole number (see trade_key), or it sends none",
        ),
        Column(
            "trade_key",
            "VARCHAR",
            "Venue's trade id where it is text.",
            nullable=True,
            null_meaning="the id is a whole number (see trade_id), or the venue sends none",
        ),
        _price("price", "Price of the trade."),
        Column("size", "DOUBLE", "Size as sent.", unit="venue's size unit", minimum=0),
        Column("size_base", "DOUBLE",
               "Size in base units: contracts × multiplier, / price for inverse contracts.",
               unit="base units", minimum=0, nullable=True, null_meaning=NO_CONTRACT_SIZE),
        Column(
            "side",
            "VARCHAR",
            "Aggressor's side, as the venue says.",
            allowed=("buy", "sell"),
            nullable=True,
            null_meaning="the venue does not say",
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
    identity=("update_id",),
    columns=(
        INSTRUMENT,
        Column(
            "update_id",
            "BIGINT",
            "Update id of the book at the quote.",
            nullable=True,
            null_meaning="the feed has no ids of updates",
        ),
        _price("bid_price", "Best bid.", nullable=True),
        _size("bid_size"),
        _price("ask_price", "Best ask.", nullable=True),
        _size("ask_size"),
        *EVENT_TIMES,
        *ORIGIN,
    ),
)

DERIVATIVE_TICKS = Table(
    name="raw.derivative_ticks",
    description="Mark price, index price, funding and open interest of derivatives.",
    grain="message",
    partitioning="day_venue",
    key=("instrument", "event_time", "capture_id", "line"),
    columns=(
        INSTRUMENT,
        _price("mark_price", "Mark price.", nullable=True),
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
        _price("last_price", "Price of the last trade, as told in the message.", nullable=True),
        Column(
            "open_interest",
            "DOUBLE",
            "Open interest, as sent.",
            unit="venue's size unit",
            minimum=0,
            nullable=True,
            null_meaning="not in the message",
        ),
        *EVENT_TIMES,
        *ORIGIN,
    ),
)

LIQUIDATIONS = Table(
    name="raw.liquidations",
    description="Forced orders as the venue reports them.",
    grain="liquidation",
    partitioning="day_venue",
    key=("instrument", "event_time", "capture_id", "line"),
    columns=(
        INSTRUMENT,
        Column(
            "liquidation_key",
            "VARCHAR",
            "Venue's id of the liquidation.",
            nullable=True,
            null_meaning="the venue sends none",
        ),
        _price("price", "Price of the order."),
        Column("size", "DOUBLE", "Size as sent.", unit="venue's size unit", minimum=0),
        Column("size_base", "DOUBLE", "Size in base units.", unit="base units", minimum=0,
               nullable=True, null_meaning=NO_CONTRACT_SIZE),
        Column(
            "side",
            "VARCHAR",
            "Side of the forced order: `sell` closes a long position.",
            allowed=("buy", "sell"),
        ),
        *EVENT_TIMES,
        *ORIGIN,
    ),
)


def _option_number(name: str, what: str, unit: str = "", null: str = "") -> Column:
    null = f"not in the message{null}"
    return Column(name, "DOUBLE", what, unit=unit, nullable=True, null_meaning=null)


def _volatility(name: str, what: str) -> Column:
    return _option_number(
        name, f"Implied volatility of the {what}: 0.6 is 60 % a year, however the venue writes it.",
        "fraction", ", 0 as Deribit sends it of a side without a quote, or in a unit that is not "
        "known of the venue",
    )


OPTIONS = Table(
    name="raw.options",
    description="Option chains: quotes, marks and sensitivities as sent, and implied volatilities "
    "as fractions.",
    grain="message about an option",
    partitioning="day_venue",
    key=("instrument", "event_time", "capture_id", "line"),
    columns=(
        INSTRUMENT,
        Column(
            "underlying",
            "VARCHAR",
            "Underlying, as the venue names it.",
            nullable=True,
            null_meaning="not in the message",
        ),
        _option_number("underlying_price", "Price of the underlying.", "quote currency"),
        _option_number("mark_price", "Mark price.", "venue's price unit"),
        _volatility("mark_volatility", "mark price"),
        _option_number("bid_price", "Best bid.", "venue's price unit"),
        _option_number("bid_size", "Size there.", "venue's size unit"),
        _volatility("bid_volatility", "best bid"),
        _option_number("ask_price", "Best ask.", "venue's price unit"),
        _option_number("ask_size", "Size there.", "venue's size unit"),
        _volatility("ask_volatility", "best ask"),
        _option_number("last_price", "Price of the last trade.", "venue's price unit"),
        _option_number("open_interest", "Open interest.", "venue's size unit"),
        _option_number("delta", "Delta."),
        _option_number("gamma", "Gamma."),
        _option_number("vega", "Vega."),
        _option_number("theta", "Theta."),
        _option_number("rho", "Rho."),
        *EVENT_TIMES,
        *ORIGIN,
    ),
)

ORDERS = Table(
    name="raw.orders",
    description="Orders one by one, of feeds that show every order (L3).",
    grain="event of an order",
    partitioning="day_venue",
    key=("instrument", "sequence", "order_key", "action"),
    identity=("sequence",),
    columns=(
        INSTRUMENT,
        Column(
            "action",
            "VARCHAR",
            "What happened: `snapshot` is an order of the opening book, `fill` takes size off by a "
            "trade, `reduce` without one.",
            allowed=("add", "change", "delete", "fill", "reduce", "snapshot"),
        ),
        Column("order_key", "VARCHAR", "Venue's id of the order."),
        Column("book_side", "VARCHAR", "Where it rests.", allowed=("bid", "ask")),
        _price("price", "Its price.", nullable=True),
        Column(
            "size",
            "DOUBLE",
            "What is left of it; what was taken off, for a `fill` or `reduce`; what was left, for "
            "a `delete`, 0 where nothing was or the venue does not say.",
            unit="venue's size unit",
            minimum=0,
        ),
        Column(
            "sequence",
            "BIGINT",
            "Venue's number of the event.",
            nullable=True,
            null_meaning="the venue sends none",
        ),
        Column(
            "previous_sequence",
            "BIGINT",
            "Number of the event before.",
            nullable=True,
            null_meaning="the venue sends none",
        ),
        *EVENT_TIMES,
        *ORIGIN,
    ),
)
