"""Bars of several instruments on one grid, with everything that must not be used taken out.

Belongs here: joining by bar start, leaving out poisoned and invalid bars, keeping gaps gaps,
transforms of measures, regimes. No estimation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
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
    Existence,
    Index,
    Mask,
    Slots,
    Usable,
    Vector,
    nanoseconds,
    placed,
    shortened,
    slot_starts,
)

_HOUR = 3_600_000_000_000
_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")

_ROOM = 1 << 26
"""Bytes of what is made of columns, and of masks, that a panel holds."""
_LEAST = 32
"""How many of them are held however large they are."""
_PANELS = 2
"""Panels of some of the instruments that are held: pairs come in the order of their names."""

SHORTEST_GAP = 256
"""Slots that a long gap keeps on the grid: more than any lag or kernel reaches over."""


@dataclass(frozen=True)
class Panel:
    """Series on a common grid of T slots; NaN where a bar is missing or must not be used.

    A gap longer than `spacer` slots is shortened to that many empty slots, so that a span with
    quiet months stays small while no lag reaches from one side of the gap to the other. What is
    estimated of some of the instruments is estimated on the panel `of` them, whose gaps are theirs.
    """

    bar_size: str
    slots: int
    spacer: int
    slots_of: Mapping[str, Slots]
    """Instrument to the slots of its bars, used or not, ascending."""
    hours: tuple[str, ...]
    """Levels of the time of day in which there is a bar of the window, of whatever instrument."""
    columns: Columns
    """(instrument, measure) to values; measures that the bars do not have are absent."""
    window_from: int
    window_to: int
    """Start of the first and end of the last bar of the window, of whatever instrument, ns."""
    available_at: int
    """Latest `available_at` of these bars, ns."""
    slot_start: NDArray[np.int64]
    """Start of the bars at each slot, ns; 0 where no instrument has one."""
    slot_available: NDArray[np.int64]
    """When all bars of the window up to and with the slot could be known, ns."""
    starts: NDArray[np.int64]
    """Start of each slot, ns; those of a shortened gap count on from its beginning."""
    _made: Held[tuple[str, str], Vector | None] = field(
        default_factory=lambda: Held(_ROOM, _size, _LEAST), init=False, compare=False)
    _masks: Held[tuple[str, str], Mask | None] = field(
        default_factory=lambda: Held(_ROOM, _size, _LEAST), init=False, compare=False)
    _panels: Held[tuple[str, ...], Panel] = field(
        default_factory=lambda: Held(0, lambda one: one.slots, _PANELS), init=False,
        compare=False)
    _images: dict[str, bool] = field(default_factory=dict, compare=False)
    _limits: dict[Series, tuple[float, float] | None] = field(default_factory=dict, compare=False)

    @property
    def instruments(self) -> tuple[str, ...]:
        """Those that have bars, sorted."""
        return tuple(self.slots_of)

    @cached_property
    def exists(self) -> Mapping[str, Mask]:
        """Where an instrument has a bar at all, used or not."""
        return Existence(self.slots_of, self.slots)

    @property
    def occupied(self) -> Mask:
        """Where some instrument has a bar, used or not."""
        there = np.zeros(self.slots, dtype=np.bool_)
        for at in self.slots_of.values():
            there[at] = True
        return there

    def of(self, instruments: Iterable[str]) -> Panel:
        """The panel of some of the instruments: their bars, and gaps in which none of them has one
        shortened; the window is that of all.

        Of every instrument it is the panel itself. Two panels of the same instruments give the same
        estimates, whatever other instruments are in the window.
        """
        chosen = tuple(sorted(set(instruments)))
        return self if chosen == self.instruments else self._panels.get(chosen, self._of)

    def _of(self, instruments: tuple[str, ...]) -> Panel:
        there = np.zeros(self.slots, dtype=np.bool_)
        for name in instruments:
            there[self.slots_of[name]] = True
        kept = np.flatnonzero(there)
        to = shortened(np.diff(kept), self.spacer)
        slots = int(to[-1]) + 1
        slots_of = {name: to[np.searchsorted(kept, self.slots_of[name])] for name in instruments}
        slot_start, known = np.zeros(slots, dtype=np.int64), np.zeros(slots, dtype=np.int64)
        slot_start[to], known[to] = self.slot_start[kept], self.slot_available[kept]
        return replace(
            self, slots=slots, slots_of=slots_of, columns=self.columns.on(slots_of, slots),
            slot_start=slot_start, slot_available=np.maximum.accumulate(known),
            starts=slot_starts(self.slot_start[kept], to, slots, BAR_NANOSECONDS[self.bar_size]),
        )

    def placed(self, instrument: str, values: Vector) -> Vector:
        """Values on the slots of the panel `of` one instrument, on the slots of this one."""
        at = self.slots_of[instrument]
        if len(values) == self.slots:
            return values
        return placed(values[shortened(np.diff(at), self.spacer)], at, self.slots)

    def near(self, x: str, y: str) -> bool:
        """Whether the instruments have bars that an estimate could join, or nearly so: False says
        that none of x is within reach of any of y.
        """
        first, second = (np.unique(self.slots_of[one] // self.spacer) for one in (x, y))
        return bool(np.isin(first[:, None] + np.arange(-1, 2), second).any())

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
        # Those of one instrument are the same on every panel.
        known = self._limits if instrument != ANY else {}
        if (instrument, kind) not in known:
            known[instrument, kind] = _terciles(values)
        limits = known[instrument, kind]
        if limits is None:
            return np.zeros(self.slots, dtype=np.bool_)
        low, high = limits
        before = np.concatenate([[np.nan], values[:-1]])
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
        for instrument, at in self.slots_of.items():
            values = self.series(instrument, series[1])
            if values is not None:
                known = True
                ranks = middle_ranks(values[at])
                there[at] += np.isfinite(ranks)
                total[at] += np.nan_to_num(ranks)
        return np.where(there > 0, total / np.maximum(there, 1), np.nan) if known else None

    def crossed(self, most: int) -> tuple[str, ...]:
        """The instruments that are paired with one another: so many at most, those whose measures
        change most often. Bars are there in a market that stands still, too.
        """
        if len(self.instruments) <= most:
            return self.instruments
        changes = dict.fromkeys(self.instruments, 0)
        for instrument, measure in self.columns:
            values = self.columns.bars(instrument, measure)
            changes[instrument] += int(np.count_nonzero(np.diff(values[np.isfinite(values)])))
        return richest(changes, most)

    @property
    def bars(self) -> dict[str, int]:
        """How many bars there are of each instrument, used or not."""
        return {name: len(at) for name, at in self.slots_of.items()}

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
            image, own = (
                self.columns.bars(instrument, one) if (instrument, one) in self.columns else None
                for one in (IMAGE_FLOW, FLOW))
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
        if regime == TIME:
            return self.hours
        return tuple(f"{regime}_{level}" for level in REGIME_LEVELS[regime])


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
    usable = Usable(bars, measures, room)
    times: dict[str, tuple[Index, Index, Index]] = {}
    starts, window_to = np.empty(0, dtype=np.int64), 0
    waiting: list[Index] = []
    for instrument in bars:
        table = bars[instrument]
        start = nanoseconds(table, "bar_start")
        own = np.unique(start)
        if len(own) != len(start):
            raise ValueError(f"{instrument} has two bars of {bar_size} with one start")
        if np.array_equal(own, starts):
            own = starts
        else:
            waiting.append(own)
        # As many at a time as there are already: to join each by itself takes their square.
        if sum(map(len, waiting)) >= len(starts):
            starts = np.unique(np.concatenate([starts, *waiting]))
            waiting.clear()
        times[instrument] = own, start, nanoseconds(table, "available_at")
        window_to = max(window_to, int(nanoseconds(table, "bar_end").max()))
        usable.read(instrument, table)
    if not times:
        return None
    starts = np.unique(np.concatenate([starts, *waiting]))
    width, spacer = BAR_NANOSECONDS[bar_size], max(SHORTEST_GAP, reach + 1)
    slot_of_start = shortened(np.diff(starts) // width, spacer)
    slots = int(slot_of_start[-1]) + 1
    slot_start = np.zeros(slots, dtype=np.int64)
    slot_start[slot_of_start] = starts
    slot_available = np.zeros(slots, dtype=np.int64)
    slots_of: dict[str, Slots] = {}
    for instrument, (own, start, available) in sorted(times.items()):
        slot = slot_of_start[np.searchsorted(starts, start)]
        slot_available[slot] = np.maximum(slot_available[slot], available)
        # Instruments with a bar at every slot, as most have on one day, share one array.
        slots_of[instrument] = slot_of_start if len(own) == len(starts) else np.sort(slot)
    return Panel(
        bar_size=bar_size,
        slots=slots,
        spacer=spacer,
        slots_of=slots_of,
        hours=_hours(starts),
        columns=Columns(usable, slots_of, slots),
        window_from=int(starts[0]),
        window_to=window_to,
        available_at=int(slot_available.max()),
        slot_start=slot_start,
        slot_available=np.maximum.accumulate(slot_available),
        starts=slot_starts(starts, slot_of_start, slots, width),
    )


def _hours(starts: Index) -> tuple[str, ...]:
    length = 24 // len(HOURS)
    there = set((starts // _HOUR % 24 // length * length).tolist())
    return tuple(f"{TIME}_{hour}" for hour in HOURS if int(hour) in there)


def _transformed(measure: str, parts: Sequence[Vector]) -> Vector:
    if len(parts) == 1:
        return np.abs(parts[0])
    if measure.startswith("first("):
        return parts[0] if np.isfinite(parts[0]).any() else parts[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = parts[0] / parts[1]
    return np.where(np.isfinite(found), found, np.nan)


def _terciles(values: Vector) -> tuple[float, float] | None:
    present = values[np.isfinite(values)]
    if not len(present):
        return None
    low, high = np.quantile(present, [1.0 / 3.0, 2.0 / 3.0])
    return float(low), float(high)


def middle_ranks(values: Vector) -> Vector:
    """Share of the values below each, plus half of those equal to it; NaN stays."""
    there = np.isfinite(values)
    ordered = np.sort(values[there])
    ranks = np.full(len(values), np.nan)
    below, not_above = (np.searchsorted(ordered, values[there], side) for side in _SIDES)
    ranks[there] = (below + not_above) / (2.0 * max(len(ordered), 1))
    return ranks


def _size(values: Vector | Mask | None) -> int:
    return 0 if values is None else values.nbytes
