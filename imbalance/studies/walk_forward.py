"""Which bars a forecast is fitted on and which it is judged by: always the past, then what follows.

Belongs here: the cut of a window into steps, and folds in the order of time. No model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HALF_HOUR = 1_800_000_000_000
PARTS = 5
"""A window shorter than five half-hours is cut into so many parts."""


@dataclass(frozen=True)
class Step:
    """Rows to fit on and the rows right after them to judge by."""

    train: slice
    test: slice

    @property
    def both(self) -> slice:
        """All its rows."""
        return slice(self.train.start, self.test.stop)


def walk_forward(starts: NDArray[np.int64], least: int, length: int = HALF_HOUR) -> list[Step]:
    """Steps through a window: fitted on the half-hour before, judged on what follows.

    Parameters
    ----------
    starts : start of each row's bar, ns, ascending.
    least : fewest rows to fit on; a step with fewer is left out.
    length : of the past that is fitted on, and of the stretch that is judged, ns. Stretches begin
        at multiples of it; in a window of fewer than five they are a fifth of the window.

    Source: Cont, Cucuringu, Zhang 2023, with half-hours.
    """
    if not len(starts):
        return []
    span = int(starts[-1] - starts[0]) + 1
    size = min(length, -(-span // PARTS))
    first = int(starts[0]) // length * length if size == length else int(starts[0])
    steps = []
    for edge in range(first, int(starts[-1]) + 1, size):
        past, now, end = np.searchsorted(starts, [edge - length, edge, edge + size])
        if now - past >= least and end > now:
            steps.append(Step(slice(int(past), int(now)), slice(int(now), int(end))))
    return steps


def ordered_folds(n: int, folds: int) -> list[Step]:
    """Folds in the order of time: each is judged by a fit on all rows before it.

    The first of `folds` + 1 equal blocks is only fitted on; rows that do not divide belong to it.
    There are never more folds than rows to judge: one less than n.
    """
    folds = min(folds, max(n - 1, 0))
    size = n // (folds + 1)
    first = n - size * folds
    return [
        Step(slice(0, first + size * fold), slice(first + size * fold, first + size * (fold + 1)))
        for fold in range(folds)
    ]
