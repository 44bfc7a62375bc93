"""Microprice chains half-hour by half-hour: what each is trained on, and its bars' microprice.

Not here: the mathematics of a chain (`microprice`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.features.integrated import WINDOW, windows
from imbalance.features.microprice import (
    BUCKETS,
    apply_chain,
    count_chain,
    solve_chain,
    symmetrise,
)
from imbalance.features.tables import BAR_SIZES, TRAINING_WINDOWS
from imbalance.kernels import jit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LEAST_TRANSITIONS = 1_000
LEAST_MOVES = 50
"""Transitions, and among them changes of the mid, below which no chain is estimated."""

_CELLS = 4_096
_STEP = BAR_SIZES["100ms"]


@dataclass(frozen=True)
class States:
    """Closing states of successive 100 ms bars, arrays of shape (n,); NaN: no usable state."""

    bar_start: Integers
    available_at: Integers
    imbalance: Floats
    spread: Floats
    mid: Floats

    @classmethod
    def of(
        cls, bar_start: Integers, available_at: Integers, usable: NDArray[np.bool_],
        bid: Floats, bid_size: Floats, ask: Floats, ask_size: Floats,
    ) -> States:
        """From the best quotes at the end of each bar."""
        total = bid_size + ask_size
        usable = usable & (total > 0.0) & (ask > bid)
        with np.errstate(invalid="ignore", divide="ignore"):
            imbalance = np.where(usable, bid_size / total, np.nan)
        return cls(bar_start, available_at, imbalance, ask - bid, (ask + bid) / 2)

    def __getitem__(self, part: slice) -> States:
        return States(
            self.bar_start[part], self.available_at[part], self.imbalance[part],
            self.spread[part], self.mid[part],
        )


@dataclass(frozen=True)
class _Window:
    start: int
    states: States
    cells: Integers  # histogram of |I − ½|
    step: float  # smallest step of a price
    available_at: int


@dataclass(frozen=True)
class Chain:
    """A chain trained on the past of one half-hour; arrays over states (spread, bucket)."""

    valid_from: int
    trained_from: int
    trained_to: int
    available_at: int
    n: int
    tick: float
    edges: Floats
    adjustment: Floats
    count: Integers


class Chains:
    """Trains a chain for every half-hour of one instrument on the 48 half-hours before it."""

    def __init__(self) -> None:
        self._past: list[_Window] = []
        self._trained: list[Chain] = []

    def learn(self, states: States) -> None:
        """Remember half-hours, in the order of time and each whole, without pricing them."""
        for start, part in windows(states.bar_start):
            self._remember(start, states[part])

    def microprice(self, states: States) -> Floats:
        """Microprice of each state, then remember them; whole half-hours in the order of time."""
        out = np.full(len(states.mid), np.nan)
        for start, part in windows(states.bar_start):
            chain = self._train(start)
            if chain is not None:
                self._trained.append(chain)
                out[part] = apply_chain(
                    states.imbalance[part], states.spread[part], states.mid[part],
                    chain.edges, chain.tick, chain.adjustment,
                )
            self._remember(start, states[part])
        return out

    def take(self) -> list[Chain]:
        """The chains trained since the last call."""
        trained, self._trained = self._trained, []
        return trained

    def _remember(self, start: int, states: States) -> None:
        cells, step = _summary(states.imbalance, states.spread, states.mid, _CELLS)
        usable = ~np.isnan(states.imbalance)
        if usable.any():
            available_at = int(states.available_at[usable].max())
            self._past.append(_Window(start, states, cells, step, available_at))

    def _train(self, valid_from: int) -> Chain | None:
        earliest = valid_from - TRAINING_WINDOWS * WINDOW
        self._past = [w for w in self._past if w.start >= earliest]
        past = [w for w in self._past if w.start < valid_from]
        steps = [w.step for w in past if w.step > 0.0]
        if not steps:
            return None
        # Prices are decimals in floating point: what is left of a difference beyond nine digits
        # is rounding.
        tick = float(f"{min(steps):.9g}")
        edges = _edges(np.sum([w.cells for w in past], axis=0))
        Q, R1, R2 = _counted(past, edges, tick)
        n, moves = int(Q.sum() + R1.sum()), int(R1.sum())
        if n < LEAST_TRANSITIONS or moves < LEAST_MOVES:
            return None
        Q, R1, R2 = symmetrise(Q, R1, R2)
        count = Q.sum(axis=1) + R1.sum(axis=1)
        share = 1.0 / np.maximum(count, 1)[:, None]
        limit = solve_chain(Q * share, R1 * share, R2 * share).limit
        if limit is None:
            return None
        return Chain(
            valid_from=valid_from,
            trained_from=past[0].start,
            trained_to=past[-1].start + WINDOW,
            available_at=max(valid_from, *(w.available_at for w in past)),
            n=n,
            tick=tick,
            edges=edges,
            adjustment=np.where(count > 0, limit, np.nan),
            count=count,
        )


def _counted(past: list[_Window], edges: Floats, tick: float) -> tuple[Integers, ...]:
    states = [w.states for w in past]
    bar_start = np.concatenate([s.bar_start for s in states])
    return count_chain(
        np.concatenate([s.imbalance for s in states]),
        np.concatenate([s.spread for s in states]),
        np.concatenate([s.mid for s in states]),
        np.diff(bar_start, prepend=bar_start[0]) == _STEP,
        edges,
        tick,
    )


def _edges(cells: Integers) -> Floats:
    """Inner edges of buckets of equal counts, symmetric about ½, to 1/8192."""
    below = np.cumsum(cells)
    share = np.arange(1, BUCKETS // 2) / (BUCKETS // 2) * below[-1]
    distance = (np.searchsorted(below, share) + 1) / (2 * len(cells))
    return np.concatenate([0.5 - distance[::-1], [0.5], 0.5 + distance])


@jit
def _summary(
    imbalance: Floats, spread: Floats, mid: Floats, n_cells: int
) -> tuple[Integers, float]:
    cells = np.zeros(n_cells, dtype=np.int64)
    step = 0.0
    bid = np.nan
    ask = np.nan
    for i in range(len(imbalance)):
        if np.isnan(imbalance[i]):
            continue
        cells[min(int(abs(imbalance[i] - 0.5) * 2 * n_cells), n_cells - 1)] += 1
        low, high = mid[i] - spread[i] / 2, mid[i] + spread[i] / 2
        least = mid[i] * 1e-9
        for found in (spread[i], abs(low - bid), abs(high - ask)):
            if found > least and (step == 0.0 or found < step):
                step = found
        bid, ask = low, high
    return cells, step
