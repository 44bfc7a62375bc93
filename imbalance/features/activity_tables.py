"""Registry of the bars in volume time and in event time: each ends when enough has happened.

What a bar is made of is in `activity_kernel`, its measures in `sql/features/activity_measures.sql`.
No code that computes.
"""

from __future__ import annotations

from imbalance.books.columns import or_unsized
from imbalance.captures.event_tables import INSTRUMENT
from imbalance.contracts import Column, Table
from imbalance.features.columns import count, flow, number, ratio, sided, state, time
from imbalance.features.tables import BAR_COLUMNS

_FEED = "poisoned, before the day's first trade, or trades are missing by book.trade_gaps"
_CKS = "Cont, Kukanov, Stoikov 2014"
_E_N = (
    "Σ e_n, e_n = 1{b_n≥b_{n−1}}q^b_n − 1{b_n≤b_{n−1}}q^b_{n−1} − 1{a_n≤a_{n−1}}q^a_n "
    "+ 1{a_n≥a_{n−1}}q^a_{n−1}"
)
_IMAGES = (
    "poisoned, or its book was of images, at least in part: a bar of 100 ms that it touches is, by "
    "`book_feed`"
)

_NO_RANGE = "no valid book at the bar's start, or none with both sides in the bar"


def _as_of_the_grid(*names: str) -> tuple[Column, ...]:
    """Columns that say the same of these bars as of those of a length of time."""
    return tuple(column for column in BAR_COLUMNS if column.name in names)


COLUMNS = (
    INSTRUMENT,
    time("bar_start", "Start of the bar, inclusive: the end of the one before."),
    time("bar_end", "End of the bar, exclusive: 1 ns after the event that filled it, with which "
         "all events of the same ns are in."),
    time("available_at", "When the row could have been known: the latest of its end and of the "
         "arrival of all before it; where the bar touches what nobody saw, or a book of images, "
         "also of when the bars of 100 ms could tell that. Never falling within instrument and "
         "day."),
    number("bar_size", "What the bar has to hold until it ends", "base units or book events",
           "the day's first bar of known volume, which is to tell it, and those before it",
           minimum=0.0),
    Column("complete", "BOOLEAN", "The bar has reached its size. The last one of a day has not: it "
           "is what was open at midnight or at the end of the captures. Nor is it known of a "
           "volume bar with a trade of unknown size: that one ends with the next trade whose size "
           "is known, and its volume is null."),
    Column("coverage", "DOUBLE", "Share of the bar, to its last event, with a valid book.",
           unit="fraction", minimum=0.0, maximum=1.0, formula="Σ covered time / length"),
    Column("poisoned", "BOOLEAN",
           "The bar touches a gap, a snapshot, a crossed or one-sided book or a silence beyond the "
           "limit; a volume bar also one in the trades. Its flows and counts are null. One that "
           "ends with the last message before a gap or a silence does not touch it."),
    Column("valid", "BOOLEAN", "The bar can be used: complete, not poisoned, a mid at both ends.",
           formula="complete and not poisoned and mid_open and mid_close are not null"),
    number("duration_seconds", "How long the bar took to fill", "s", "never", minimum=0.0,
           formula="bar_end − bar_start"),
    *_as_of_the_grid("mid_open"),
    state("mid_high", "Highest mid price in the bar", "quote currency", minimum=0.0,
          null_meaning=_NO_RANGE),
    state("mid_low", "Lowest mid price in the bar", "quote currency", minimum=0.0,
          null_meaning=_NO_RANGE),
    *_as_of_the_grid("mid_close", "return_bps", "bid_price", "ask_price", "spread", "spread_bps",
                     "bid_size", "ask_size"),
    ratio("queue_imbalance", "Queue imbalance at the end of the bar",
          formula="(q^b − q^a)/(q^b + q^a)", source="Gould, Bonart 2016"),
    state("volume_imbalance", "Resting volume at the touch: best bid size − best ask size",
          "base units", formula="q^b − q^a"),
    flow("order_flow_imbalance", "Order flow imbalance at the best level", "base units",
         formula=_E_N, source=_CKS, null_meaning=or_unsized(_IMAGES)),
    flow("order_flow_imbalance_no_price_change",
         "Order flow imbalance at the best level without the events that change a best price",
         "base units", formula="Σ e_n over events with b_n = b_{n−1} and a_n = a_{n−1}",
         source=f"{_CKS}, footnote 3", null_meaning=or_unsized(_IMAGES)),
    flow("traded_volume", "Volume of all trades, whatever their side", "base units", minimum=0.0,
         null_meaning=or_unsized(_FEED)),
    flow("buy_volume", "Volume of trades whose aggressor bought", "base units", minimum=0.0,
         null_meaning=or_unsized(sided(_FEED))),
    flow("sell_volume", "Volume of trades whose aggressor sold", "base units", minimum=0.0,
         null_meaning=or_unsized(sided(_FEED))),
    flow("trade_imbalance", "Trade imbalance", "base units", formula="buy_volume − sell_volume",
         source=_CKS, null_meaning=or_unsized(sided(_FEED))),
    number("trade_imbalance_normalised", "Trade imbalance by volume", "fraction",
           or_unsized(sided(_FEED) + ", or no trade in the bar"), minimum=-1.0, maximum=1.0,
           formula="(buy_volume − sell_volume)/(buy_volume + sell_volume)"),
    flow("trade_notional", "Value traded", "quote currency", minimum=0.0, formula="Σ price·size",
         null_meaning=or_unsized(_FEED)),
    number("vwap", "Volume-weighted average price of the trades", "quote currency",
           or_unsized(_FEED + ", or no trade in the bar"), minimum=0.0,
           formula="trade_notional / traded_volume"),
    count("trade_count", "Trades: single ones where the feed has them, else aggregate ones",
          null_meaning=_FEED),
    count("book_event_count", "Changes of the best levels: states of `book.book_states`"),
)

_RULES = (
    "Bars follow one another without a hole; each begins where the one before ended and the day "
    "begins anew. A bar that touches a gap is poisoned and goes on until it is full."
)


def _table(name: str, what: str) -> Table:
    return Table(
        name=name,
        description=f"{what} {_RULES}",
        grain="instrument and bar",
        partitioning="day_venue",
        key=("instrument", "bar_start"),
        order=("instrument", "bar_start"),
        columns=COLUMNS,
        published=True,
        may_be_empty="captures without such events have no such bars",
    )


VOLUME_BARS = _table(
    "features.volume_bars",
    "Order flow and returns per instrument and volume bar, from the day's first trade on. A bar "
    "ends when its trades reach `bar_size`: by the settings; else the volume that a number of "
    "trades had on average the day before; without such a day the first bar ends after that number "
    "of trades, and its volume is the size of the others. A bar with a trade of unknown size ends "
    "with the next trade whose size is known.",
)
EVENT_BARS = _table(
    "features.event_bars",
    "Order flow and returns per instrument and bar of a fixed number of book events (changes of "
    "the best levels), from the day's first on.",
)

TABLES = (VOLUME_BARS, EVENT_BARS)
