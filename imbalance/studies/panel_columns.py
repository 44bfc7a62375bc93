"""Columns of the bars on the slots of a panel, held as long as there is room.

Where all bars fit they are read once. Otherwise those of an instrument are read when it is its
turn, so that a day of 200 instruments takes the room of a few of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.held import FEW, Held

Vector = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

ROOM = 1 << 29
"""Bytes of columns that are held: a day of 1 s bars of 32 instruments, 24 columns of each."""


@dataclass(frozen=True)
class Grid:
    """The starts that some instrument has a bar at, ns, ascending, and their slots."""

    starts: Index
    slot_of_start: Index

    @property
    def slots(self) -> int:
        """How many slots there are."""
        return int(self.slot_of_start[-1]) + 1

    def slot(self, start: Index) -> Index:
        """Slots of bars."""
        return np.asarray(self.slot_of_start[np.searchsorted(self.starts, start)])


class Columns(Mapping[tuple[str, str], Vector]):
    """(instrument, measure) to values by slot, NaN where a bar is missing or must not be used.

    Parameters
    ----------
    bars : instrument to a table of its bars.
    measures : columns to take; those that the bars do not have are absent.
    room : bytes of columns that are held.
    """

    def __init__(self, bars: Mapping[str, Any], measures: Sequence[str], room: int) -> None:
        self._bars, self._wanted, self._room = bars, measures, room
        self._instruments: dict[str, None] = {}
        self._measures: tuple[str, ...] = ()
        self._first: dict[str, tuple[Index, dict[str, Vector]]] = {}
        self._first_bytes = 0
        self._grid: Grid | None = None
        self._held: Held[str, dict[str, Vector]] = Held(
            room, lambda one: sum(values.nbytes for values in one.values()), FEW)

    def read(self, instrument: str, table: Any) -> None:
        """Keep the columns of a table that is read before the grid is known, if all can be kept."""
        self._instruments[instrument] = None
        self._measures = tuple(name for name in self._wanted if name in table.column_names)
        self._first_bytes += 8 * table.num_rows * len(self._measures)
        if self._first_bytes <= self._room or len(self._instruments) <= FEW:
            self._first[instrument] = self._usable(table)
        else:
            self._first.clear()

    def place(self, grid: Grid) -> None:
        """Say what the slots are."""
        self._grid = grid

    def __getitem__(self, key: tuple[str, str]) -> Vector:
        if key not in self:
            raise KeyError(key)
        return self._held.get(key[0], self._of)[key[1]]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tuple) and key[0] in self._instruments and key[1] in self._measures

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((instrument, name) for instrument in self._instruments for name in self._measures)

    def __len__(self) -> int:
        return len(self._instruments) * len(self._measures)

    def _of(self, instrument: str) -> dict[str, Vector]:
        if self._grid is None:
            raise RuntimeError("columns are asked for before their slots are known")
        try:
            start, columns = self._first.pop(instrument)
        except KeyError:
            start, columns = self._usable(self._bars[instrument])
        slot = self._grid.slot(start)
        found = {}
        for name, values in columns.items():
            found[name] = np.full(self._grid.slots, np.nan)
            found[name][slot] = values
        return found

    def _usable(self, table: Any) -> tuple[Index, dict[str, Vector]]:
        """Starts of the bars, and their values where they may be used."""
        usable = np.ones(table.num_rows, dtype=np.bool_)
        if "valid" in table.column_names:
            usable &= _boolean(table, "valid")
        if "poisoned" in table.column_names:
            usable &= ~_boolean(table, "poisoned")
        columns = {}
        for name in self._measures:
            values = table.column(name).to_numpy().astype(np.float64)
            columns[name] = np.where(usable & np.isfinite(values), values, np.nan)
        return nanoseconds(table, "bar_start"), columns


def nanoseconds(bars: Any, name: str) -> Index:
    """A column of times, ns."""
    return np.asarray(bars.column(name).to_numpy().astype("datetime64[ns]").astype(np.int64))


def _boolean(bars: Any, name: str) -> Mask:
    # A flag which is null does not vouch for the bar: valid counts as false, poisoned as true.
    import pyarrow.compute as pc

    return np.asarray(
        pc.fill_null(bars.column(name), name == "poisoned").to_numpy(), dtype=np.bool_
    )
