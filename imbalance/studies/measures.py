"""Bar sizes, measures and regimes by name: the words in which families are declared."""

from __future__ import annotations

import re
from collections.abc import Iterable

BAR_NANOSECONDS = {
    "100ms": 100_000_000,
    "1s": 1_000_000_000,
    "10s": 10_000_000_000,
    "1m": 60_000_000_000,
    "5m": 300_000_000_000,
}
"""Bar sizes by name."""

REGIME_MEASURES = {
    "depth": "depth_touch_mean",
    "spread": "spread_bps_mean",
    "volatility": "realised_variance",
    "messages": "messages_per_second",
    "cancellations": "cancellation_to_trade_ratio",
    "messages_per_trade": "ratio(messages_per_second,trade_count)",
    "message_bursts": "message_dispersion",
    "fleeting_orders": "first(fleeting_order_count,fleeting_quote_count)",
}
"""Regimes by name, with the measure whose terciles they are. Many cancellations, and many messages,
for a trade are what algorithms leave behind, and so are messages that come in bursts and orders
that are cancelled at once."""

LEVELS = ("low", "middle", "high")
"""Terciles of a regime's measure."""

TIME = "time"
HOURS = ("00", "06", "12", "18")
"""Hours (UTC) at which the quarters of the day begin: the levels of the regime `time`."""

REGIME_LEVELS = {**dict.fromkeys(REGIME_MEASURES, LEVELS), TIME: HOURS}
"""Regimes to the levels that they have."""

LOGARITHMIC_LAGS = (-64, -32, -16, -8, -4, -2, -1, 0, 1, 2, 4, 8, 16, 32, 64)
"""Lags in bars: fine where dependence changes fast, coarse where it does not."""

FLOW = "order_flow_imbalance"
IMAGE_FLOW = "generalised_order_flow_imbalance"
"""Order flow as a feed of images of the book allows it, where there is no other."""

_ABSOLUTE = re.compile(r"^absolute\((\w+)\)$")
_OF_TWO = re.compile(r"^(?:ratio|first)\((\w+),(\w+)\)$")


def base_measure(measure: str) -> str:
    """Column that a measure is made from: `absolute(x)` is made from `x`."""
    found = _ABSOLUTE.match(measure)
    return found.group(1) if found else measure


def columns_of(measure: str) -> tuple[str, ...]:
    """Columns that a measure is made from: `ratio(x,y)` and `first(x,y)` are made from both."""
    found = _OF_TWO.match(measure)
    return found.groups() if found else (base_measure(measure),)


def columns_read(measures: Iterable[str], regimes: Iterable[str]) -> tuple[str, ...]:
    """Columns of the bars that measures (transformed or not) and regimes are made from."""
    return tuple(dict.fromkeys((*map(base_measure, measures), *regime_columns(regimes))))


def regime_columns(regimes: Iterable[str]) -> tuple[str, ...]:
    """Columns that regimes are made from; the time of day needs none."""
    return tuple(
        column for name in regimes if name != TIME for column in columns_of(REGIME_MEASURES[name])
    )


def beside(size: str, columns: Iterable[str]) -> list[str]:
    """Those of the columns which only the derivative bars of a size have."""
    from imbalance import catalog
    from imbalance.features.derivative_tables import SIZES

    if size not in SIZES:
        return []
    bars = catalog.table(f"features.bars_{size}").column_names
    others = catalog.table(f"features.derivative_bars_{size}").column_names
    return [column for column in columns if column in others and column not in bars]
