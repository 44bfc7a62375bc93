"""Columns of the bars on the slots of a panel, held as long as there is room.

Where all bars fit they are read once. Otherwise those of an instrument are read when it is its
turn, so that a day of 200 instruments takes the room of a few of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.held import FEW, Held

Vector = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]
Slots = NDArray[np.int32]

ROOM = 1 << 29
"""Bytes of columns that are held: a day of 1 s bars of 32 instruments, 24 columns of each."""
_PLACED = 1 << 26
"""Bytes of them that are held on the slots of a grid, where there are slots without a bar."""
_LEAST_PLACED = 8
"""How many of those are held however large they are."""


class Usable:
    """Values of the bars of each instrument in order of time, NaN where they must not be used.

    Parameters
    ----------
    bars : instrument to a table of its bars.
    measures : columns to take; those that the bars do not have are absent.
    room : bytes of columns that are held.
    """

    def __init__(self, bars: Mapping[str, Any], measures: Sequence[str], room: int) -> None:
        self._bars, self._wanted, self._room = bars, measures, room
        self.measures: tuple[str, ...] = ()
        self._first: dict[str, dict[str, Vector]] = {}
        self._first_bytes = self._read = 0
        self._held: Held[str, dict[str, Vector]] = Held(
            room, lambda one: sum(values.nbytes for values in one.values()), FEW)

    def read(self, instrument: str, table: Any) -> None:
        """Keep the columns of a table that is read to know the grid, if all can be kept."""
        self.measures = tuple(name for name in self._wanted if name in table.column_names)
        self._read += 1
        self._first_bytes += 8 * table.num_rows * len(self.measures)
        if self._first_bytes <= self._room or self._read <= FEW:
            self._first[instrument] = self._columns(table)
        else:
            self._first.clear()

    def of(self, instrument: str) -> dict[str, Vector]:
        """Measure to values, bar after bar."""
        return self._held.get(instrument, self._make)

    def _make(self, instrument: str) -> dict[str, Vector]:
        found = self._first.pop(instrument, None)
        return self._columns(self._bars[instrument]) if found is None else found

    def _columns(self, table: Any) -> dict[str, Vector]:
        usable = np.ones(table.num_rows, dtype=np.bool_)
        if "valid" in table.column_names:
            usable &= _boolean(table, "valid")
        if "poisoned" in table.column_names:
            usable &= ~_boolean(table, "poisoned")
        start = nanoseconds(table, "bar_start")
        order = slice(None) if (np.diff(start) > 0).all() else np.argsort(start)
        columns = {}
        for name in self.measures:
            values = table.column(name).to_numpy().astype(np.float64)
            columns[name] = np.where(usable & np.isfinite(values), values, np.nan)[order]
        return columns


class Columns(Mapping[tuple[str, str], Vector]):
    """(instrument, measure) to values by slot, NaN where a bar is missing or must not be used.

    Parameters
    ----------
    usable : values of the bars.
    slots_of : instrument to the slots of its bars.
    slots : how many slots there are.
    """

    def __init__(self, usable: Usable, slots_of: Mapping[str, Slots], slots: int) -> None:
        self._usable, self._slots_of, self._slots = usable, slots_of, slots
        self._held: Held[tuple[str, str], Vector] = Held(
            _PLACED, lambda one: one.nbytes, _LEAST_PLACED)

    def on(self, slots_of: Mapping[str, Slots], slots: int) -> Columns:
        """The same values on other slots, of the instruments that have some."""
        return Columns(self._usable, slots_of, slots)

    def bars(self, instrument: str, measure: str) -> Vector:
        """Values bar after bar, without the slots between them."""
        return self._usable.of(instrument)[measure]

    def __getitem__(self, key: tuple[str, str]) -> Vector:
        if key not in self:
            raise KeyError(key)
        if len(self._slots_of[key[0]]) == self._slots:
            return self.bars(*key)
        return self._held.get(key, self._place)

    def _place(self, key: tuple[str, str]) -> Vector:
        return placed(self.bars(*key), self._slots_of[key[0]], self._slots)

    def __contains__(self, key: object) -> bool:
        return (isinstance(key, tuple) and key[0] in self._slots_of
                and key[1] in self._usable.measures)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((one, name) for one in self._slots_of for name in self._usable.measures)

    def __len__(self) -> int:
        return len(self._slots_of) * len(self._usable.measures)


class Existence(Mapping[str, Mask]):
    """Instrument to where it has a bar at all, used or not."""

    def __init__(self, slots_of: Mapping[str, Slots], slots: int) -> None:
        self._slots_of, self._slots = slots_of, slots

    def __getitem__(self, instrument: str) -> Mask:
        there = np.zeros(self._slots, dtype=np.bool_)
        there[self._slots_of[instrument]] = True
        return there

    def __iter__(self) -> Iterator[str]:
        return iter(self._slots_of)

    def __len__(self) -> int:
        return len(self._slots_of)


def placed(values: Vector, at: Slots, slots: int) -> Vector:
    """The values at their slots, NaN at the others."""
    found = np.full(slots, np.nan)
    found[at] = values
    return found


def shortened(steps: Index | Slots, spacer: int) -> Slots:
    """Slots from 0 on that are so many steps apart; over `spacer` steps count as that many."""
    return np.concatenate([[0], np.cumsum(np.minimum(steps, spacer))]).astype(np.int32)


def slot_starts(starts: Index, slot_of_start: Slots, slots: int, width: int) -> Index:
    """Starts of all slots, ns: those without a bar count on, bar by bar, from the one before."""
    every = np.arange(slots)
    last = np.searchsorted(slot_of_start, every, side="right") - 1
    return np.asarray(starts[last] + (every - slot_of_start[last]) * width)


def nanoseconds(bars: Any, name: str) -> Index:
    """A column of times, ns."""
    return np.asarray(bars.column(name).to_numpy().astype("datetime64[ns]").astype(np.int64))


def _boolean(bars: Any, name: str) -> Mask:
    # A flag which is null does not vouch for the bar: valid counts as false, poisoned as true.
    import pyarrow.compute as pc

    return np.asarray(
        pc.fill_null(bars.column(name), name == "poisoned").to_numpy(), dtype=np.bool_
    )
