"""Bars of several instruments on one grid, with everything that must not be used taken out.

Belongs here: joining by bar start, leaving out poisoned and invalid bars, keeping gaps gaps,
transforms of measures, regimes. No estimation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.columns import ANY
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

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

_HOUR = 3_600_000_000_000
_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")

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
    columns: dict[tuple[str, str], Vector]
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
    _made: dict[tuple[str, str], Vector] = field(default_factory=dict, compare=False)
    _masks: dict[tuple[str, str], Mask | None] = field(default_factory=dict, compare=False)

    def series(self, instrument: str, measure: str) -> Vector | None:
        """Values of a measure: a column, `absolute(…)` of one, the `ratio(…,…)` of two, or the
        `first(…,…)` of two that has a value.

        None without the columns. A ratio over 0 is missing.
        """
        if (instrument, measure) in self.columns:
            return self.columns[instrument, measure]
        key = (instrument, measure)
        if key not in self._made:
            parts = [self.columns.get((instrument, name)) for name in columns_of(measure)]
            if measure in columns_of(measure) or any(part is None for part in parts):
                return None
            self._made[key] = _transformed(measure, [part for part in parts if part is not None])
        return self._made[key]

    def regime(self, instrument: str, name: str) -> Mask | None:
        """Slots of one regime, such as `depth_low`; None when its measure is not in the bars.

        A bar belongs to the regime that its instrument's measure had in the bar before, so that
        what happens in the bar does not decide where it is counted. The limits are the terciles
        of the measure over this window. The time of day, `time_06` for the six hours from 06:00
        UTC, is the bar's own. The regime of all instruments together, `*`, is that of the mean of
        their ranks.
        """
        if (instrument, name) not in self._masks:
            self._masks[instrument, name] = self._regime(instrument, name)
        return self._masks[instrument, name]

    def _regime(self, instrument: str, name: str) -> Mask | None:
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
        if (ANY, measure) not in self._made:
            found = [self.series(one, measure) for one in self.instruments]
            ranked = [_ranks(values) for values in found if values is not None]
            if not ranked:
                return None
            there = np.sum([np.isfinite(one) for one in ranked], axis=0)
            total = np.sum([np.nan_to_num(one) for one in ranked], axis=0)
            self._made[ANY, measure] = np.where(there > 0, total / np.maximum(there, 1), np.nan)
        return self._made[ANY, measure]

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
        image = self.columns.get((instrument, IMAGE_FLOW))
        if base_measure(measure) != FLOW or image is None or not np.isfinite(image).any():
            return series
        own = self.columns.get((instrument, FLOW))
        if own is not None and not np.isnan(own).all():
            return series
        return instrument, measure.replace(FLOW, IMAGE_FLOW)

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


def align(bars: Any, bar_size: str, measures: Sequence[str], reach: int) -> Panel | None:
    """Put a table of bars on a grid.

    Parameters
    ----------
    bars : Arrow table with `instrument, bar_start, bar_end, available_at`, the measures, and
        `valid` and `poisoned` where the layer has them.
    bar_size : name of the length of the bars.
    measures : columns to take.
    reach : largest distance in bars that an estimate looks over.

    Returns
    -------
    Panel, or None when the table is empty.

    Raises
    ------
    ValueError
        If an instrument has two bars with one start: the bars' key is broken.
    """
    if bars.num_rows == 0:
        return None
    import pyarrow as pa
    import pyarrow.compute as pc

    names = bars.column("instrument")
    encoded = pc.dictionary_encode(names.combine_chunks() if names.num_chunks != 1
                                   else names.chunk(0))
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    instruments = encoded.dictionary.to_pylist()
    which = encoded.indices.to_numpy()
    start = _nanoseconds(bars, "bar_start")
    usable = np.ones(bars.num_rows, dtype=np.bool_)
    if "valid" in bars.column_names:
        usable &= _boolean(bars, "valid")
    if "poisoned" in bars.column_names:
        usable &= ~_boolean(bars, "poisoned")
    starts, index = np.unique(start, return_inverse=True)
    spacer = max(SHORTEST_GAP, reach + 1)
    steps = np.diff(starts) // BAR_NANOSECONDS[bar_size]
    slot_of_start = np.concatenate([[0], np.cumsum(np.minimum(steps, spacer))])
    slot = slot_of_start[index]
    slots = int(slot_of_start[-1]) + 1
    available = _nanoseconds(bars, "available_at")
    slot_start = np.zeros(slots, dtype=np.int64)
    slot_start[slot_of_start] = starts
    slot_available = np.zeros(slots, dtype=np.int64)
    np.maximum.at(slot_available, slot, available)
    exists: dict[str, Mask] = {}
    rows_of: dict[str, NDArray[np.intp]] = {}
    for number, instrument in enumerate(instruments):
        rows = np.flatnonzero(which == number)
        there = np.zeros(slots, dtype=np.bool_)
        there[slot[rows]] = True
        if int(there.sum()) != len(rows):
            raise ValueError(f"{instrument} has two bars of {bar_size} with one start")
        exists[instrument] = there
        rows_of[instrument] = rows
    columns: dict[tuple[str, str], Vector] = {}
    for measure in measures:
        if measure not in bars.column_names:
            continue
        values = bars.column(measure).to_numpy().astype(np.float64)
        values = np.where(usable & np.isfinite(values), values, np.nan)
        for instrument, rows in rows_of.items():
            series = np.full(slots, np.nan)
            series[slot[rows]] = values[rows]
            columns[instrument, measure] = series
    return Panel(
        bar_size=bar_size,
        slots=slots,
        instruments=tuple(sorted(instruments)),
        exists=exists,
        columns=columns,
        window_from=int(starts[0]),
        window_to=int(_nanoseconds(bars, "bar_end").max()),
        available_at=int(available.max()),
        slot_start=slot_start,
        slot_available=np.maximum.accumulate(slot_available),
        starts=_slot_starts(starts, slot_of_start, slots, BAR_NANOSECONDS[bar_size]),
    )


def _slot_starts(
    starts: NDArray[np.int64], slot_of_start: NDArray[np.int64], slots: int, width: int
) -> NDArray[np.int64]:
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


def _nanoseconds(bars: Any, name: str) -> NDArray[np.int64]:
    return bars.column(name).to_numpy().astype("datetime64[ns]").astype(np.int64)


def _boolean(bars: Any, name: str) -> Mask:
    # A flag which is null does not vouch for the bar: valid counts as false, poisoned as true.
    import pyarrow.compute as pc

    return np.asarray(
        pc.fill_null(bars.column(name), name == "poisoned").to_numpy(), dtype=np.bool_
    )
