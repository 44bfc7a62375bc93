"""Events and the parameters of a Hawkes process: what the estimators take and give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]

_FADED = 40.0
"""Times a decay after which e^{−βt} is nothing beside 1, in whatever number of events."""


@dataclass(frozen=True)
class Events:
    """Events of d kinds within stretches of time over which all of them were recorded.

    Times are in seconds from `begins[0]` or any other origin; an event belongs to the stretch
    [begin, end) that holds it.
    """

    times: Vector
    kinds: Integers
    size: int
    """d, the number of kinds, some of which may have no event."""
    begins: Vector
    ends: Vector

    @classmethod
    def within(
        cls, times: Vector, kinds: Integers, size: int, stretches: Sequence[tuple[float, float]]
    ) -> Events:
        """Events in any order, without those outside the stretches (ascending, disjoint)."""
        begins = np.array([begin for begin, _ in stretches], dtype=np.float64)
        ends = np.array([end for _, end in stretches], dtype=np.float64)
        stretch = np.searchsorted(begins, times, side="right") - 1
        inside = (stretch >= 0) & (times < ends[np.maximum(stretch, 0)])
        order = np.argsort(times[inside], kind="stable")
        return cls(times[inside][order], kinds[inside][order].astype(np.int64), size, begins, ends)

    @cached_property
    def bounds(self) -> Integers:
        """Number of the first event of each stretch, and of all events."""
        first = np.searchsorted(self.times, self.begins, side="left")
        return np.append(first, len(self.times)).astype(np.int64)

    @cached_property
    def counts(self) -> Integers:
        """Events of each kind."""
        return np.bincount(self.kinds, minlength=self.size).astype(np.int64)

    @property
    def duration(self) -> float:
        """Seconds in all stretches."""
        return float((self.ends - self.begins).sum())

    @cached_property
    def left(self) -> Vector:
        """Seconds from each event to the end of its stretch."""
        return np.repeat(self.ends, np.diff(self.bounds)) - self.times

    def mass(self, decays: Vector) -> tuple[Vector, Vector]:
        """Σ over events of j of 1 − e^{−β_m left}, d × decays, and its derivative by β_m.

        Only events near the end of their stretch are looked at: of the others 1 − e^{…} is 1 to the
        last bit.
        """
        gone = np.empty((self.size, len(decays)))
        slope = np.empty((self.size, len(decays)))
        for m, decay in enumerate(decays):
            near = np.flatnonzero(self.left < _FADED / decay)
            left, kinds = self.left[near], self.kinds[near]
            faded = np.exp(-decay * left)
            gone[:, m] = self.counts - np.bincount(kinds, faded, minlength=self.size)
            slope[:, m] = np.bincount(kinds, left * faded, minlength=self.size)
        return gone, slope

    def exposure(self, knots: Vector) -> Vector:
        """∫ of each hat function of the baseline over the stretches."""
        if len(knots) == 1:
            return np.array([self.duration])
        return np.asarray(_hats(knots, self.ends) - _hats(knots, self.begins)).sum(axis=0)


def _hats(knots: Vector, times: Vector) -> Vector:
    """∫ of the hat functions up to each time, times × knots; constant beyond the last knots."""
    step = knots[1] - knots[0]
    place = (times[:, None] - knots) / step
    rising = np.clip(place + 1.0, 0.0, 1.0) ** 2 / 2.0
    rising[:, 0] = np.minimum(place[:, 0], 0.0)
    falling = np.clip(place, 0.0, 1.0)
    falling = falling - falling**2 / 2.0
    falling[:, -1] = np.maximum(place[:, -1], 0.0)
    return step * (rising + falling)


def knots_over(begin: float, end: float, spacing: float | None) -> Vector:
    """Knots of a baseline: one for a constant (`spacing` None), else about `spacing` seconds apart.

    A baseline that moves has two knots or more.
    """
    if spacing is None:
        return np.array([begin])
    return np.linspace(begin, end, max(2, round((end - begin) / spacing) + 1))


@dataclass(frozen=True)
class Hawkes:
    """λ_i(t) = μ_i(t) + Σ_jm n_ijm β_m Σ_{t_k < t} e^{−β_m (t − t_k)}, events t_k of kind j.

    With α_ijm = n_ijm β_m the jump of the intensity and n_ijm the mean number of events of kind i
    that one of kind j calls forth directly.
    """

    decays: Vector
    """β_m, per second."""
    knots: Vector
    """Times at which μ is given; between them it is a straight line."""
    baseline: Vector
    """μ_i at the knots, d × knots, events per second."""
    norms: Vector
    """n_ijm, d × d × decays: [effect, cause, decay]."""

    @property
    def branching(self) -> Vector:
        """N = Σ_m n_ijm, d × d."""
        return self.norms.sum(axis=2)

    @property
    def spectral_radius(self) -> float:
        """Largest eigenvalue of N: below 1 the process dies down by itself."""
        return float(np.abs(np.linalg.eigvals(self.branching)).max())

    def exogenous_share(self, events: Events) -> Vector:
        """Share of the events of each kind that the baseline accounts for; NaN without events."""
        expected = self.baseline @ events.exposure(self.knots)
        return np.divide(expected, events.counts, out=np.full(len(expected), np.nan),
                         where=events.counts > 0)
