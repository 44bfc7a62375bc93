"""Registry of sides that are found, not told: the trades, and the columns of bars made from them.

The rules are in `sides`. No code that computes.
"""

from __future__ import annotations

from dataclasses import replace

from imbalance.books.columns import or_unsized
from imbalance.captures.event_tables import INSTRUMENT, NO_CONTRACT_SIZE, TRADES
from imbalance.contracts import Column, Table
from imbalance.features.columns import (
    FEED_SILENCE,
    FEW,
    TRAILING,
    no_feed,
    number,
    time,
    trade_flow,
)

_CLASSIFIED = or_unsized(
    f"{no_feed('trade')}, or a trade of the bar has no side by the rule either"
)
_LEE_READY = "Lee, Ready 1991"

SIDES = (
    trade_flow("traded_volume", "Volume of all trades, whatever their side", "base units",
               minimum=0.0),
    *(
        trade_flow(f"classified_{side}_volume",
                   f"Volume of trades whose aggressor {did}: by the venue's word, else as found "
                   "in `features.classified_trades`", "base units",
                   minimum=0.0, source=_LEE_READY, null_meaning=_CLASSIFIED)
        for side, did in (("buy", "bought"), ("sell", "sold"))
    ),
    trade_flow("classified_trade_imbalance", "Trade imbalance by the classified sides",
               "base units", formula="classified_buy_volume − classified_sell_volume",
               source=_LEE_READY, null_meaning=_CLASSIFIED),
    trade_flow("inferred_volume", "Volume of trades whose side the venue does not say: what of the "
               "classified volumes is by the rule", "base units", minimum=0.0),
    *(
        number(f"bulk_{side}_volume", f"Volume {did} by bulk volume classification, which needs no "
               "trade's side", "base units",
               or_unsized(FEW + ", the trade feed is not known, or the mid does not vary"),
               minimum=0.0,
               formula=f"traded_volume·Φ({sign}r/σ), r = return_bps, σ its standard deviation over "
               f"{TRAILING}", source="Easley, López de Prado, O'Hara 2012")
        for side, did, sign in (("buy", "bought", ""), ("sell", "sold", "−"))
    ),
)
"""Columns of the bars."""


def _as_traded(*names: str) -> tuple[Column, ...]:
    """Columns of raw.trades that are carried over."""
    return tuple(
        replace(column, unit="count" if column.type == "BIGINT" else "")
        for column in TRADES.columns if column.name in names
    )


CLASSIFIED = Table(
    name="features.classified_trades",
    description="Trades whose side the venue does not say, or says the same of all of them, with "
    "the side that is found: of feeds that show single orders by the two that met, the later one "
    "being the aggressor; else by the rule of Lee and Ready, against the mid of book and quotes as "
    "known before the trade, and at the mid by the last change of price. The venue's own column "
    "stays null.",
    grain="trade without a side",
    partitioning="day_venue",
    key=("instrument", "event_time", "capture_id", "line", "position"),
    order=("instrument", "event_time", "capture_id", "line", "position"),
    columns=(
        INSTRUMENT,
        *_as_traded("kind", "trade_id", "trade_key"),
        time("event_time", "Event time of the trade."),
        time("available_at", "When the trade and what its side is told by could have been known: "
             "of feeds that show single orders 5 s after the trade at least, and once no fill of "
             "its size has followed another for as long, since until then the two that met may be "
             "others."),
        Column("price", "DOUBLE", "Price of the trade.", unit="quote currency"),
        number("size_base", "Its size in base units", "base units", NO_CONTRACT_SIZE, minimum=0.0),
        number("mid_before", "Mid of the last best prices known before the trade",
               "quote currency", f"none within {FEED_SILENCE // 10**9} s before it, crossed, "
               "or one side empty"),
        Column("classified_side", "VARCHAR", "Aggressor's side as found.", nullable=True,
               allowed=("buy", "sell"), source=_LEE_READY,
               formula="the later order's; else sign(price − mid_before), where that is 0 or null "
               "the sign of the last change of price among all trades of its kind",
               null_meaning="at the mid or without one, and no change of price before"),
        Column("method", "VARCHAR", "What told the side.", allowed=("orders", "quote", "tick"),
               nullable=True, null_meaning="nothing: there is no classified side"),
        *_as_traded("capture_id", "line"),
        Column("position", "BIGINT", "Place of the trade among those without a side of its "
               "instrument, time and line, from 1: a line may tell of several.", unit="count",
               minimum=1),
    ),
)
