"""Bars of several instruments on one grid, with everything that must not be used taken out.

Belongs here: joining by bar start, leaving out poisoned and invalid bars, keeping gaps gaps,
transforms of measures, regimes. No estimation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.columns import ANY
from imbalance.studies.held import Held
from imbalance.studies.measures import (
    BAR_NANOSECONDS,
    FLOW,
    HOURS,
    IMAGE_FLOW,
    REGIME_LEVELS,
    REGIME_MEASURES,
    TIME,
    base_measure,
    columns_of,
)
from imbalance.studies.pairs import Series, richest
from imbalance.studies.panel_columns import (
    ROOM,
    Columns,
    Grid,
    Index,
    Mask,
    Vector,
    nanoseconds,
)

_HOUR = 3_600_000_000_000
_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")

_ROOM = 1 << 27
"""Bytes of what is made of columns, and of masks, that are held."""
_LEAST = 32
"""How many of them are held however large they are."""

SHORTEST_GAP = 256
"""Slots that a long gap keeps on the grid: more than any lag or kernel reaches over."""


@dataclass(frozen=True)
class Panel:
    """Series on a common grid of T slots; NaN where a bar is missing or must not be used.

    A gap longer than `spacer` slots is shortened to that many empty slots, so that a span with
    quiet months stays small while no lag reaches from one side of the gap to the other.
    """

    bar_size: str
    slots: int
    instruments: tuple[str, ...]
    exists: dict[str, Mask]
    """Where the instrument has a bar at all, used or not."""
    columns: Columns
    """(instrument, measure) to values; measures that the bars do not have are absent."""
    window_from: int
    window_to: int
    """Start of the first and end of the last bar, ns."""
    available_at: int
    """Latest `available_at` of the bars, ns."""
    slot_start: NDArray[np.int64]
    """Start of the bars at each slot, ns; 0 where no instrument has one."""
    slot_available: NDArray[np.int64]
    """When all bars up to and with the slot could be known, ns."""
    starts: NDArray[np.int64]
    """Start of each slot, ns; those of a shortened gap count on from its beginning."""
    _made: Held[tuple[str, str], Vector | None] = field(
        default_factory=lambda: Held(_ROOM, _size, _LEAST), compare=False)
    _masks: Held[tuple[str, str], Mask | None] = field(
        default_factory=lambda: Held(_ROOM, _size, _LEAST), compare=False)
    _images: dict[str, bool] = field(default_factory=dict, compare=False)

    def series(self, instrument: str, measure: str) -> Vector | None:
        """Values of a measure: a column, `absolute(…)` of one, the `ratio(…,…)` of two, or the
        `first(…,…)` of two that has a value.

        None without the columns. A ratio over 0 is missing.
        """
        if (instrument, measure) in self.columns:
            return self.columns[instrument, measure]
        return self._made.get((instrument, measure), self._make)

    def _make(self, series: Series) -> Vector | None:
        instrument, measure = series
        parts = [self.columns.get((instrument, name)) for name in columns_of(measure)]
        if measure in columns_of(measure) or any(part is None for part in parts):
            return None
        return _transformed(measure, [part for part in parts if part is not None])

    def regime(self, instrument: str, name: str) -> Mask | None:
        """Slots of one regime, such as `depth_low`; None when its measure is not in the bars.

        A bar belongs to the regime that its instrument's measure had in the bar before, so that
        what happens in the bar does not decide where it is counted. The limits are the terciles
        of the measure over this window. The time of day, `time_06` for the six hours from 06:00
        UTC, is the bar's own. The regime of all instruments together, `*`, is that of the mean of
        their ranks.
        """
        return self._masks.get((instrument, name), self._regime)

    def _regime(self, key: tuple[str, str]) -> Mask | None:
        instrument, name = key
        kind, level = name.rsplit("_", 1)
        if kind == TIME:
            hours = self.starts // _HOUR % 24
            return np.asarray((hours >= int(level)) & (hours < int(level) + 24 // len(HOURS)))
        values = self.regime_values(instrument, kind)
        if values is None:
            return None
        before = np.concatenate([[np.nan], values[:-1]])
        present = values[np.isfinite(values)]
        if not len(present):
            return np.zeros(self.slots, dtype=np.bool_)
        low, high = np.quantile(present, [1.0 / 3.0, 2.0 / 3.0])
        with np.errstate(invalid="ignore"):
            if level == "low":
                return np.asarray(before <= low)
            if level == "middle":
                return np.asarray((before > low) & (before <= high))
            return np.asarray(before > high)

    def regime_values(self, instrument: str, regime: str) -> Vector | None:
        """Measure of a regime; of all instruments together the mean of each one's ranks, 0 to 1."""
        measure = REGIME_MEASURES[regime]
        if instrument != ANY:
            return self.series(instrument, measure)
        return self._made.get((ANY, measure), self._mean_rank)

    def _mean_rank(self, series: Series) -> Vector | None:
        there = np.zeros(self.slots, dtype=np.int64)
        total = np.zeros(self.slots)
        known = False
        for instrument in self.instruments:
            values = self.series(instrument, series[1])
            if values is not None:
                known = True
                ranks = _ranks(values)
                there += np.isfinite(ranks)
                total += np.nan_to_num(ranks)
        return np.where(there > 0, total / np.maximum(there, 1), np.nan) if known else None

    def crossed(self, most: int) -> tuple[str, ...]:
        """The instruments that are paired with one another: so many at most, those whose measures
        change most often. Bars are there in a market that stands still, too.
        """
        if len(self.instruments) <= most:
            return self.instruments
        changes = dict.fromkeys(self.instruments, 0)
        for (instrument, _), values in self.columns.items():
            changes[instrument] += int(np.count_nonzero(np.diff(values[np.isfinite(values)])))
        return richest(changes, most)

    @property
    def bars(self) -> dict[str, int]:
        """How many bars there are of each instrument, used or not."""
        return {name: int(there.sum()) for name, there in self.exists.items()}

    def known_as(self, series: Series) -> Series:
        """The series; instead of the flow that a feed of images does not give, or its
        size, the generalised one of Su et al. 2021, which it does.
        """
        instrument, measure = series
        if base_measure(measure) != FLOW or not self._gives_images(instrument):
            return series
        return instrument, measure.replace(FLOW, IMAGE_FLOW)

    def _gives_images(self, instrument: str) -> bool:
        """Whether there is the generalised flow and no other; looked up once, as pairs ask for the
        same instruments over and over, and columns that are not held are read for it.
        """
        if instrument not in self._images:
            image, own = (self.columns.get((instrument, one)) for one in (IMAGE_FLOW, FLOW))
            self._images[instrument] = (
                image is not None and bool(np.isfinite(image).any())
                and (own is None or bool(np.isnan(own).all())))
        return self._images[instrument]

    def known_pairs(self, pairs: Iterable[tuple[Series, Series]]) -> list[tuple[Series, Series]]:
        """Pairs `known_as`, each once; without those that have become one series."""
        known: dict[tuple[Series, Series], None] = {}
        for x, y in pairs:
            pair = self.known_as(x), self.known_as(y)
            if pair[0] != pair[1] or x == y:
                known[pair] = None
        return list(known)

    def levels(self, regime: str) -> tuple[str, ...]:
        """Levels of a regime, such as `depth_low`; of the time of day, those with a bar."""
        names = tuple(f"{regime}_{level}" for level in REGIME_LEVELS[regime])
        if regime != TIME or not self.instruments:
            return names
        there = np.any(list(self.exists.values()), axis=0)
        return tuple(
            name for name in names
            if (mask := self.regime(self.instruments[0], name)) is not None and (mask & there).any()
        )


def align(
    bars: Mapping[str, Any], bar_size: str, measures: Sequence[str], reach: int, room: int = ROOM
) -> Panel | None:
    """Put bars on a grid.

    Parameters
    ----------
    bars : instrument to an Arrow table of its bars, with `bar_start, bar_end, available_at`, the
        measures, and `valid` and `poisoned` where the layer has them. A table is read when it is
        asked for, and again where not all fit in memory.
    bar_size : name of the length of the bars.
    measures : columns to take.
    reach : largest distance in bars that an estimate looks over.
    room : bytes of columns that the panel holds at once.

    Returns
    -------
    Panel, or None when there are no bars.

    Raises
    ------
    ValueError
        If an instrument has two bars with one start: the bars' key is broken.
    """
    columns = Columns(bars, measures, room)
    times: dict[str, tuple[Index, Index]] = {}
    starts, window_to = np.empty(0, dtype=np.int64), 0
    for instrument in bars:
        table = bars[instrument]
        start = nanoseconds(table, "bar_start")
        own = np.unique(start)
        if len(own) != len(start):
            raise ValueError(f"{instrument} has two bars of {bar_size} with one start")
        if not np.array_equal(own, starts):
            starts = np.union1d(starts, own)
        times[instrument] = start, nanoseconds(table, "available_at")
        window_to = max(window_to, int(nanoseconds(table, "bar_end").max()))
        columns.read(instrument, table)
    if not times:
        return None
    width = BAR_NANOSECONDS[bar_size]
    steps = np.minimum(np.diff(starts) // width, max(SHORTEST_GAP, reach + 1))
    grid = Grid(starts, np.concatenate([[0], np.cumsum(steps)]))
    columns.place(grid)
    slot_start = np.zeros(grid.slots, dtype=np.int64)
    slot_start[grid.slot_of_start] = starts
    slot_available = np.zeros(grid.slots, dtype=np.int64)
    exists: dict[str, Mask] = {}
    for instrument, (start, available) in times.items():
        slot = grid.slot(start)
        slot_available[slot] = np.maximum(slot_available[slot], available)
        exists[instrument] = np.zeros(grid.slots, dtype=np.bool_)
        exists[instrument][slot] = True
    return Panel(
        bar_size=bar_size,
        slots=grid.slots,
        instruments=tuple(sorted(times)),
        exists=exists,
        columns=columns,
        window_from=int(starts[0]),
        window_to=window_to,
        available_at=int(slot_available.max()),
        slot_start=slot_start,
        slot_available=np.maximum.accumulate(slot_available),
        starts=_slot_starts(starts, grid.slot_of_start, grid.slots, width),
    )


def _slot_starts(starts: Index, slot_of_start: Index, slots: int, width: int) -> Index:
    every = np.arange(slots)
    last = np.searchsorted(slot_of_start, every, side="right") - 1
    return np.asarray(starts[last] + (every - slot_of_start[last]) * width)


def _transformed(measure: str, parts: Sequence[Vector]) -> Vector:
    if len(parts) == 1:
        return np.abs(parts[0])
    if measure.startswith("first("):
        return parts[0] if np.isfinite(parts[0]).any() else parts[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = parts[0] / parts[1]
    return np.where(np.isfinite(found), found, np.nan)


def _ranks(values: Vector) -> Vector:
    """Share of the values below each, plus half of those equal to it; NaN stays."""
    there = np.isfinite(values)
    ordered = np.sort(values[there])
    ranks = np.full(len(values), np.nan)
    below, not_above = (np.searchsorted(ordered, values[there], side) for side in _SIDES)
    ranks[there] = (below + not_above) / (2.0 * max(len(ordered), 1))
    return ranks


def _size(values: Vector | Mask | None) -> int:
    return 0 if values is None else values.nbytes
