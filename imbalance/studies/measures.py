"""Bar sizes, measures and regimes by name: the words in which families are declared."""

from __future__ import annotations

import re

BAR_NANOSECONDS = {
    "100ms": 100_000_000,
    "1s": 1_000_000_000,
    "10s": 10_000_000_000,
    "1m": 60_000_000_000,
    "5m": 300_000_000_000,
}
"""Bar sizes by name."""

REGIME_MEASURES = {"depth": "depth_touch_mean", "messages": "messages_per_second"}
"""Regimes by name, with the measure whose terciles they are."""

LOGARITHMIC_LAGS = (-64, -32, -16, -8, -4, -2, -1, 0, 1, 2, 4, 8, 16, 32, 64)
"""Lags in bars: fine where dependence changes fast, coarse where it does not."""

_TRANSFORMED = re.compile(r"^absolute\((\w+)\)$")


def base_measure(measure: str) -> str:
    """Column that a measure is made from: `absolute(x)` is made from `x`."""
    found = _TRANSFORMED.match(measure)
    return found.group(1) if found else measure
