"""Series of a panel made ready for correlation: standardised, their memory known, or refused."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel, middle_ranks
from imbalance.studies.held import Held
from imbalance.studies.pairs import Series
from imbalance.studies.persistence import Memory, has_unit_root, memory, variance_inflation

Vector = NDArray[np.float64]

FEWEST_INDEPENDENT_PAIRS = 10.0
COLLINEAR = 1.0 - 1e-10
"""Absolute correlation from which two series count as one."""
_ROOM = 1 << 28
"""Bytes of prepared series that are held."""
_LEAST = 64
"""Prepared series that are held however long they are."""
PAIRS_AT_A_TIME = 64
"""Pairs that are held ready together, at most."""
_PAIRS_ROOM = 1 << 28
"""Bytes of them."""


@dataclass(frozen=True)
class Prepared:
    """A series ready for use: standardised over the window, with its memory; or its refusal."""

    values: Vector
    """On the slots of the panel of its instrument alone; see `SeriesPool.on`."""
    reason: str | None
    memory: Memory | None = None
    rank_memory: Memory | None = None


@dataclass
class SeriesPool:
    """Prepared series by name and horizon, each made once as long as there is room."""

    panel: Panel
    minimum_bars: int
    ranked: bool
    made: Held[tuple[Series, int], Prepared] = field(
        default_factory=lambda: Held(_ROOM, lambda one: one.values.nbytes, _LEAST))

    def get(self, series: Series, horizon: int = 1) -> Prepared:
        """A series by itself: what it is like does not depend on the other instruments."""
        return self.made.get((series, horizon), self._prepare)

    def on(self, panel: Panel, series: Series, horizon: int = 1) -> Vector:
        """Values of a series on the slots of a panel of its instrument and others."""
        return panel.placed(series[0], self.get(series, horizon).values)

    def _prepare(self, key: tuple[Series, int]) -> Prepared:
        series, horizon = key
        panel = self.panel.of(series[:1])
        raw = panel.series(*series)
        if raw is None:
            return Prepared(np.full(panel.slots, np.nan), "no_such_measure")
        if horizon > 1:
            raw = forward_sum(raw, horizon)
        present = np.isfinite(raw)
        n = int(present.sum())
        if n == 0:
            return Prepared(raw, "all_null")
        if n < self.minimum_bars:
            return Prepared(raw, "too_few_bars")
        used = raw[present]
        spread = used.std()
        if not spread > 1e-12 * np.abs(used).max():
            return Prepared(raw, "constant_series")
        values = (raw - used.mean()) / spread
        if horizon > 1:
            # Overlapping sums are persistent by construction: what they sum is tested, not they.
            one = self.get(series)
            return Prepared(values, one.reason, *(
                None if known is None else summed_memory(known, horizon)
                for known in (one.memory, one.rank_memory)))
        found = memory(values)
        if has_unit_root(values, found):
            return Prepared(values, "unit_root")
        rank_memory = None
        if self.ranked:
            # Ties share a rank: told apart by their time, they would remember one another.
            rank_memory = memory(middle_ranks(values))
        return Prepared(values, None, found, rank_memory)


def forward_sum(values: Vector, horizon: int) -> Vector:
    """Σ of the bar and the `horizon` − 1 after it; NaN where one of them is missing."""
    total = np.full(len(values), np.nan)
    if len(values) >= horizon:
        windows = np.lib.stride_tricks.sliding_window_view(values, horizon)
        total[: len(windows)] = windows.sum(axis=1)
    return total


def summed_memory(found: Memory, horizon: int) -> Memory:
    """What sums over so many bars remember, from the memory of what is summed.

    Notes
    -----
    ρ_h(k) ∝ Σ_{|j| < h} (h − |j|) ρ(k + j); of ranks, whose sums are not the ranks of sums, nearly.
    No autoregression of an order that can be fitted has the zeros of a moving sum: one fitted to
    sums of a persistent series explodes every other time.
    """
    both = np.concatenate([found.autocorrelation[:0:-1], found.autocorrelation])
    shared = horizon - np.abs(np.arange(1 - horizon, horizon))
    covariance = np.convolve(both, shared)
    covariance = covariance[len(covariance) // 2 :]
    # Estimates with gaps may say that sums of what alternates do not vary, or less than that.
    scale = max(float(covariance[0]), 1e-9)
    return replace(found, autocorrelation=np.clip(covariance / scale, -1.0, 1.0))


@dataclass(frozen=True)
class PreparedPair:
    """Two series on the slots of the panel of their instruments, ready for use, or why not."""

    x: Vector
    y: Vector
    there: int
    """Slots at which both instruments have a bar."""
    n: int
    """Slots at which both series have a value."""
    independent: float
    """Independent pairs that the n are worth in the absence of an effect."""
    reason: str | None


def prepare_pair(pool: SeriesPool, x: Series, y: Series) -> PreparedPair:
    """Both series with NaN where either is missing; refused as the correlation study would."""
    panel = pool.panel.of((x[0], y[0]))
    first, second = pool.get(x), pool.get(y)
    there = int((panel.exists[x[0]] & panel.exists[y[0]]).sum())
    left, right = pool.on(panel, x), pool.on(panel, y)
    both = np.isfinite(left) & np.isfinite(right)
    n = int(both.sum())
    left, right = (np.where(both, values, np.nan) for values in (left, right))
    reason = first.reason or second.reason
    independent = 0.0
    if reason is None:
        reason = _pair_reason(left[both], right[both], pool.minimum_bars)
    if reason is None and first.memory is not None and second.memory is not None:
        independent = min(n / variance_inflation(first.memory, second.memory, n), float(n))
        if not independent >= FEWEST_INDEPENDENT_PAIRS:
            reason = "too_persistent"
    return PreparedPair(left, right, there, n, independent, reason)


def prepared_pairs(
    pool: SeriesPool, pairs: Sequence[tuple[Series, Series]]
) -> Iterator[list[tuple[Series, Series, PreparedPair]]]:
    """Pairs made ready, some at a time: each holds copies of its series, which have a room; there
    are enough for all threads however long they are.
    """
    each = 2 * np.dtype(np.float64).itemsize * max(pool.panel.slots, 1)
    some = max(os.cpu_count() or 1, min(PAIRS_AT_A_TIME, _PAIRS_ROOM // each))
    for start in range(0, len(pairs), some):
        yield [(x, y, prepare_pair(pool, x, y)) for x, y in pairs[start : start + some]]


def _pair_reason(x: Vector, y: Vector, minimum_bars: int) -> str | None:
    if len(x) < minimum_bars:
        return "too_few_bars"
    if not (x.std() > 1e-12 and y.std() > 1e-12):
        return "constant_series"
    if abs(np.corrcoef(x, y)[0, 1]) > COLLINEAR:
        return "collinear"
    return None
