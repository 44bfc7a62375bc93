"""What tickers have said so far, of venues that send only what changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.captures.clocks import NO_TIME
from imbalance.captures.kept import Keeps
from imbalance.captures.patterns.pieces import REALS


class Held(Keeps):
    """The last values of each ticker of a connection: `values` by `pieces.BID` and so on, NaN for
    what has not been said, `due` the time of the next funding, ns. Behind the rows of all tickers
    is room for more.
    """

    _places: dict[tuple[str, str], int]
    _rows: int
    values: np.ndarray
    due: np.ndarray

    def __init__(self) -> None:
        self._places, self._rows = {}, 0
        self.values: Any = np.empty((0, REALS))
        self.due: Any = np.empty(0, np.int64)

    def known(self, connection: str, symbol: str) -> int:
        """Row of a ticker; -1 before its first values."""
        return self._places.get((connection, symbol), -1)

    def row(self, place: int) -> Held:
        """What is held in one row, apart; nothing where it is none."""
        other = Held()
        if place >= 0:
            row = slice(place, place + 1)
            other.values, other.due = self.values[row].copy(), self.due[row].copy()
        return other

    def same(self, other: Held) -> bool:
        """Whether another one holds the same."""
        return np.array_equal(self.values, other.values, equal_nan=True) and np.array_equal(
            self.due, other.due
        )

    def begin(self, connection: str, symbol: str) -> int:
        """Row of a ticker of which nothing has been said."""
        place = self._places.setdefault((connection, symbol), self._rows)
        if place == self._rows:
            self._rows += 1
        if place == len(self.due):
            more = max(place, 16)
            self.values = np.concatenate([self.values, np.full((more, REALS), np.nan)])
            self.due = np.concatenate([self.due, np.full(more, NO_TIME)])
        self.values[place], self.due[place] = np.nan, NO_TIME
        return place

    def forget(self, connection: str) -> None:
        """Nothing has been said over a connection."""
        for key in [key for key in self._places if key[0] == connection]:
            del self._places[key]
