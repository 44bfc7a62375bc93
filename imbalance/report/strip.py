"""The strip under each chart: when the bars behind it are valid, all instruments together.

It is drawn once and referred to by every chart, so that it costs a page nothing. The ribbon of each
instrument is in `charts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from imbalance.report.records import Series, Stretch

WIDTH = 1000.0
"""Units across; the page scales them."""

_GAP = 4.0
"""Units between two stretches of bars: a long pause is left out, as in the ribbon."""


@dataclass(frozen=True)
class Span:
    """A run of one state: `valid`, `partial` or `invalid`; where there are no bars is none."""

    start: float
    width: float
    state: str


def coverage_strip(series: Sequence[Series], stretches: Sequence[Stretch]) -> list[Span]:
    """The spans of the strip from left to right.

    A bucket is `valid` where all bars of all instruments are, `invalid` where none is.
    """
    if not series:
        return []
    bucket = series[0].bucket_ns
    counts = [-(-s.end_ns // bucket) - s.start_ns // bucket for s in stretches]
    unit = (WIDTH - _GAP * (len(stretches) - 1)) / max(sum(counts), 1)
    found, left = [], 0.0
    for stretch, count in zip(stretches, counts, strict=True):
        shares = _shares(series, stretch.start_ns // bucket, count)
        names = ["valid" if s == 1 else "invalid" if s == 0 else "partial" for s in shares]
        states = [None if np.isnan(s) else n for s, n in zip(shares, names, strict=True)]
        place = 0
        for state, run in groupby(states):
            length = len(list(run))
            if state is not None:
                found.append(Span(round(left + place * unit, 2), round(length * unit, 2), state))
            place += length
        left += count * unit + _GAP
    return found


def _shares(series: Sequence[Series], first: int, count: int) -> np.ndarray:
    """Mean share of valid bars by bucket, NaN where no instrument has bars."""
    sums, present = np.zeros(count), np.zeros(count)
    for one in series:
        place = one.start_ns // one.bucket_ns - first
        inside = (place >= 0) & (place < count) & ~np.isnan(one.valid_share)
        np.add.at(sums, place[inside], one.valid_share[inside])
        np.add.at(present, place[inside], 1.0)
    return np.where(present > 0, sums / np.maximum(present, 1), np.nan)
