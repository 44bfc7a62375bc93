"""Registry of the raw layer: how much rests in a book within bands around its mid.

No book: neither levels nor best prices can be had from it.
"""

from __future__ import annotations

from imbalance.captures.event_tables import EVENT_TIMES, INSTRUMENT, ORIGIN
from imbalance.contracts import Column, Table

DEPTH_BANDS = Table(
    name="raw.depth_bands",
    description="How much rests in a book between its mid and so many percent from it, as samples "
    "of Binance's bookDepth dumps say (one in half a minute, times in whole seconds). Bands of a "
    "side hold each other: that of 2 % has what that of 1 % has. No book of levels.",
    grain="band of a sample",
    partitioning="day_venue",
    key=("instrument", "event_time", "percentage", "capture_id", "line"),
    columns=(
        INSTRUMENT,
        Column(
            "percentage",
            "DOUBLE",
            "How far from the mid the band reaches: bids below 0, asks above.",
            unit="% of the mid",
            owner="captures",
        ),
        Column(
            "depth",
            "DOUBLE",
            "Size of the orders in the band, as sent.",
            unit="venue's size unit",
            minimum=0,
        ),
        Column(
            "notional",
            "DOUBLE",
            "Worth of the orders in the band, as sent.",
            unit="venue's unit of worth: quote currency of linear contracts",
            minimum=0,
        ),
        *EVENT_TIMES,
        *ORIGIN,
    ),
)
