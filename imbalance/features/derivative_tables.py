"""Registry of the derivative bars: funding, mark and index price, basis, open interest,
liquidations.

They have tables of their own, since they are of all venues of a day: a derivative and its spot may
stand on two. No code that computes.
"""

from __future__ import annotations

from dataclasses import replace

from imbalance.books.columns import or_unsized
from imbalance.captures.event_tables import DERIVATIVE_TICKS, INSTRUMENT
from imbalance.contracts import Column, Table
from imbalance.features.columns import flow, number, time
from imbalance.features.tables import BAR_SIZES

SIZES = {size: length for size, length in BAR_SIZES.items() if size != "100ms"}
"""Bar size to its nanoseconds. What is told once in seconds needs no bars of 100 ms."""

_UNTOLD = "no message of the day known by the bar's end has told it"
_NO_MID = "no valid, uncrossed book with both sides at the bar's end"
_NO_SPOT = f"no such spot instrument, or {_NO_MID}"
_NO_BASIS = f"no spot instrument, or for one of both {_NO_MID}"
_LIQUIDATIONS = "poisoned, or the bar is before that of the instrument's first liquidation that day"
_LIQUIDATED = or_unsized(_LIQUIDATIONS)


def _told(name: str, what: str) -> Column:
    column = DERIVATIVE_TICKS.column(name)
    return replace(column, description=f"{what} as last told, known by the bar's end.",
                   null_meaning=_UNTOLD, owner="features")


def _liquidated(name: str, what: str, unit: str = "base units", **more: object) -> Column:
    return flow(name, what, unit, null_meaning=_LIQUIDATED, **more)


COLUMNS = (
    INSTRUMENT,
    time("bar_start", "Start of the bar, inclusive; the bar belongs to its day."),
    time("bar_end", "End of the bar, exclusive: `bar_start` plus the bar size."),
    time("available_at", "When the row could have been known: the latest of its end and of the "
         "arrival of the books and liquidations it was made from, never falling within instrument "
         "and day."),
    Column("poisoned", "BOOLEAN", "The instrument's bar of this size is poisoned; its "
           "liquidations are null.", nullable=True,
           null_meaning="there has been no book of the instrument that day"),
    Column("spot_instrument", "VARCHAR", "Spot instrument of the same base and quote at the same "
           "operator, to which the basis is.", nullable=True,
           null_meaning="no such instrument has bars that day, or base and quote are not known"),
    _told("mark_price", "Mark price"),
    _told("index_price", "Index price"),
    _told("funding_rate", "Funding rate of the running interval"),
    _told("next_funding_time", "When it is next paid,"),
    _told("open_interest", "Open interest"),
    number("tick_age_seconds", "Age of the last message of mark, index, funding or open interest",
           "s", _UNTOLD, minimum=0.0, formula="bar_end − available_at of the message"),
    number("mark_premium_bps", "Mark price above index price", "bps", f"of one of both: {_UNTOLD}",
           formula="ln(mark_price/index_price)·1e4"),
    number("mid_close", "Mid price at the end of the bar", "quote currency", _NO_MID, minimum=0.0,
           formula="(a + b)/2"),
    number("spot_mid_close", "Mid price of the spot instrument at the end of the bar",
           "quote currency", _NO_SPOT, minimum=0.0, formula="(a + b)/2"),
    number("basis_bps", "Basis: log mid of the derivative less log mid of its spot, of books valid "
           "at the bar's end", "bps", _NO_BASIS, formula="ln(mid_close/spot_mid_close)·1e4"),
    number("basis_change_bps", "Change of the basis from the bar's start to its end", "bps",
           "no basis at the start or at the end", formula="basis_bps less that of the bar before"),
    number("index_basis_bps", "Log mid of the derivative less log index price", "bps",
           f"{_NO_MID}, or no index price told", formula="ln(mid_close/index_price)·1e4"),
    number("open_interest_change", "Change of the open interest from the bar's start to its end",
           "venue's size unit", "not known at the start or at the end",
           formula="open_interest less that of the bar before"),
    _liquidated("liquidated_buy_volume", "Volume of forced orders that bought: short positions "
                "closed", minimum=0.0, formula="Σ size of side buy"),
    _liquidated("liquidated_sell_volume", "Volume of forced orders that sold: long positions "
                "closed", minimum=0.0, formula="Σ size of side sell"),
    _liquidated("liquidation_imbalance", "Liquidation imbalance",
                formula="liquidated_buy_volume − liquidated_sell_volume"),
    number("liquidation_imbalance_normalised", "Liquidation imbalance by liquidated volume",
           "fraction", f"{_LIQUIDATED}, or nothing was liquidated", minimum=-1.0, maximum=1.0,
           formula="(liquidated_buy_volume − liquidated_sell_volume)/"
           "(liquidated_buy_volume + liquidated_sell_volume)"),
    Column("liquidation_count", "BIGINT", "Liquidations.", unit="count", nullable=True, minimum=0,
           null_meaning=_LIQUIDATIONS),
)

DERIVATIVE_BARS = tuple(
    Table(
        name=f"features.derivative_bars_{size}",
        description=f"Funding, mark and index price, basis to the spot market, open interest and "
        f"liquidations per derivative and {size} bar [bar_start, bar_end), over all venues of the "
        "day. Bars run from the instrument's first event to its last. States are what was known "
        "by the bar's end; a venue that tells nothing of a measure leaves it null, never 0.",
        grain="derivative and bar",
        partitioning="day",
        key=("instrument", "bar_start"),
        order=("instrument", "bar_start"),
        columns=COLUMNS,
        published=True,
        may_be_empty="captures without derivatives have no such bars",
    )
    for size in SIZES
)

TABLES = DERIVATIVE_BARS
