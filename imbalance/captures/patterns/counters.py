"""Numbers that go up by one from message to message of a connection, and where each has got to."""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.captures.kept import Keeps
from imbalance.captures.patterns.pieces import NOT_COUNTED


class Counters(Keeps):
    """Counters of connections by name; `last` has the last number of each, `NOT_COUNTED` before
    the first.
    """

    _places: dict[tuple[str, str], int]
    last: np.ndarray

    def __init__(self) -> None:
        self._places = {}
        self.last: Any = np.zeros(0, np.int64)

    def place(self, connection: str, name: str) -> int:
        """Place of a counter in `last`."""
        found = self._places.get((connection, name))
        if found is None:
            found = self._places[connection, name] = len(self.last)
            self.last = np.append(self.last, NOT_COUNTED)
        return found

    def reset(self, connection: str) -> None:
        """All counters of a connection begin anew."""
        for (of, _), place in self._places.items():
            if of == connection:
                self.last[place] = NOT_COUNTED
