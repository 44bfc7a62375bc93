"""What tickers have said so far, of venues that send only what changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.captures.clocks import NO_TIME
from imbalance.captures.kept import Keeps
from imbalance.captures.patterns.pieces import REALS


class Held(Keeps):
    """The last values of each ticker of a connection: `values` by `pieces.BID` and so on, NaN for
    what has not been said, `due` the time of the next funding, ns.
    """

    _places: dict[tuple[str, str], int]
    values: np.ndarray
    due: np.ndarray

    def __init__(self) -> None:
        self._places = {}
        self.values: Any = np.empty((0, REALS))
        self.due: Any = np.empty(0, np.int64)

    def known(self, connection: str, symbol: str) -> int:
        """Row of a ticker; -1 before its first values."""
        return self._places.get((connection, symbol), -1)

    def copy(self) -> Held:
        """The same, apart."""
        other = Held()
        other.values, other.due = self.values.copy(), self.due.copy()
        return other

    def same(self, other: Held) -> bool:
        """Whether another one holds the same."""
        return np.array_equal(self.values, other.values, equal_nan=True) and np.array_equal(
            self.due, other.due
        )

    def begin(self, connection: str, symbol: str) -> int:
        """Row of a ticker of which nothing has been said."""
        place = self._places.setdefault((connection, symbol), len(self.due))
        if place == len(self.due):
            self.values = np.append(self.values, np.empty((1, REALS)), axis=0)
            self.due = np.append(self.due, NO_TIME)
        self.values[place], self.due[place] = np.nan, NO_TIME
        return place
