"""Events of Hawkes processes with known parameters: the planted truth of the studies of events.

Belongs here: the generator. What the parameters are is in `studies/hawkes/process.py`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from imbalance.kernels import jit

Array = NDArray[np.float64]


def simulate_hawkes(
    baseline: Array,
    norms: Array,
    decays: Array,
    duration: float,
    rng: np.random.Generator,
) -> tuple[Array, NDArray[np.int64]]:
    """Draw the events of a Hawkes process with exponential kernels, from nothing.

    Parameters
    ----------
    baseline : d × knots, events per second at knots spread evenly from 0 to `duration` (one knot:
        a constant); straight lines between them.
    norms : d × d × decays, events of [effect] that one of [cause] calls forth through [decay].
    decays : per second.
    duration : seconds.
    rng : source of randomness.

    Returns
    -------
    (times, kinds), in order of time.

    Raises
    ------
    ValueError
        When each event calls forth one or more on average.

    Notes
    -----
    Thinning (Ogata 1981): between events the excitation only falls, so that the present intensity,
    with the baseline's largest value ahead, bounds what comes.
    """
    if np.abs(np.linalg.eigvals(norms.sum(axis=2))).max() >= 1.0:
        raise ValueError("the process explodes: the spectral radius of its norms is not below 1")
    size = len(baseline)
    rates = np.linalg.solve(np.eye(size) - norms.sum(axis=2), baseline.max(axis=1))
    room = int(1.5 * rates.sum() * duration) + 1_000
    while True:
        times, kinds = np.empty(room), np.empty(room, dtype=np.int64)
        state = rng.bit_generator.state
        count = _thin(np.ascontiguousarray(baseline), np.ascontiguousarray(norms), decays,
                      float(duration), rng, times, kinds)
        if count >= 0:
            return times[:count], kinds[:count]
        rng.bit_generator.state = state
        room *= 2


@jit
def _thin(
    baseline: Array, norms: Array, decays: Array, duration: float,
    rng: np.random.Generator, times: Array, kinds: NDArray[np.int64],
) -> int:
    """Number of events drawn; −1 when there is no room for all."""
    size, many = len(baseline), len(decays)
    excitation = np.zeros((many, size))
    largest = 0.0
    for i in range(size):
        largest += baseline[i].max()
    rate = np.empty(size)
    now = 0.0
    count = 0
    while True:
        bound = largest
        for m in range(many):
            for i in range(size):
                bound += excitation[m, i]
        step = rng.exponential() / bound
        now += step
        if now >= duration:
            return count
        for m in range(many):
            faded = math.exp(-decays[m] * step)
            for i in range(size):
                excitation[m, i] *= faded
        total = _rates(baseline, excitation, now / duration, rate)
        drawn = rng.random() * bound
        if drawn >= total:
            continue
        kind = 0
        while kind < size - 1 and drawn >= rate[kind]:
            drawn -= rate[kind]
            kind += 1
        if count == len(times):
            return -1
        times[count] = now
        kinds[count] = kind
        count += 1
        for m in range(many):
            for i in range(size):
                excitation[m, i] += norms[i, kind, m] * decays[m]


@jit
def _rates(baseline: Array, excitation: Array, place: float, rate: Array) -> float:
    """Intensities of all kinds, filled in, and their sum; `place` is the share of time gone by."""
    size, points = baseline.shape
    at = place * (points - 1)
    left = min(int(at), max(points - 2, 0))
    total = 0.0
    for i in range(size):
        rate[i] = baseline[i, left]
        if points > 1:
            rate[i] += (at - left) * (baseline[i, left + 1] - baseline[i, left])
        for m in range(len(excitation)):
            rate[i] += excitation[m, i]
        total += rate[i]
    return total
