"""Compiled passes over the events of a Hawkes process: likelihood, information, residuals.

One pass costs events × decays × dimensions. Only loops over events belong here; what is maximised
and how is in `estimate.py`. Events with one time stamp do not excite each other: what is pending is
taken up when time moves on. At the start of a stretch nothing is remembered.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from imbalance.kernels import jit

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]

# No sum may be reordered here: rows are compared by their hash.


@jit
def likelihood(
    times: Vector, kinds: Integers, bounds: Integers, decays: Vector, knots: Vector,
    baseline: Vector, norms: Vector, by_baseline: Vector, by_norm: Vector, by_decay: Vector,
) -> float:
    """Σ ln λ over the events, and its derivatives.

    Parameters
    ----------
    times, kinds : of the events, ascending; kinds from 0.
    bounds : number of the first event of each stretch, and of all events.
    decays : β_m.
    knots : of the baseline, equally spaced; one knot is a constant.
    baseline : d × knots, values at the knots.
    norms : d × d × decays, [effect, cause, decay].
    by_baseline, by_norm, by_decay : are filled: derivatives in the shape of what they are by.

    Notes
    -----
    λ_i(t) = μ_i(t) + Σ_jm n_ijm β_m R_jm(t), R_jm = Σ_{t_k < t} e^{−β_m (t − t_k)} over events of
    j; D_jm = Σ (t − t_k) e^{…}, so that ∂λ_i/∂β_m = Σ_j n_ijm (R_jm − β_m D_jm).
    """
    size, many = norms.shape[1], len(decays)
    by_baseline[:] = 0.0
    by_norm[:] = 0.0
    by_decay[:] = 0.0
    r = np.zeros((many, size))
    d = np.zeros((many, size))
    pending = np.zeros(size)
    total = 0.0
    for stretch in range(len(bounds) - 1):
        r[:] = 0.0
        d[:] = 0.0
        pending[:] = 0.0
        for event in range(bounds[stretch], bounds[stretch + 1]):
            time, i = times[event], kinds[event]
            if event > bounds[stretch] and time > times[event - 1]:
                _advance(r, d, pending, decays, time - times[event - 1])
            left, weight = _knot(knots, time)
            rate = baseline[i, left]
            if weight > 0.0:
                rate += weight * (baseline[i, left + 1] - baseline[i, left])
            for m in range(many):
                part = 0.0
                for j in range(size):
                    part += norms[i, j, m] * r[m, j]
                rate += decays[m] * part
            total += math.log(rate)
            inverse = 1.0 / rate
            by_baseline[i, left] += (1.0 - weight) * inverse
            if weight > 0.0:
                by_baseline[i, left + 1] += weight * inverse
            for m in range(many):
                scaled = decays[m] * inverse
                slope = 0.0
                for j in range(size):
                    by_norm[i, j, m] += scaled * r[m, j]
                    slope += norms[i, j, m] * (r[m, j] - decays[m] * d[m, j])
                by_decay[m] += slope * inverse
            pending[i] += 1.0
    return total


@jit
def information(
    times: Vector, kinds: Integers, bounds: Integers, decays: Vector, knots: Vector,
    baseline: Vector, norms: Vector, found: Vector,
) -> None:
    """Σ gg' over the events of each kind, g = ∂ ln λ by (baseline, norms, ln decays) of its row.

    Parameters
    ----------
    found : d × q × q, filled; q = knots + d · decays + decays, norms as [cause, decay].
    """
    size, many, points = norms.shape[1], len(decays), len(knots)
    q = found.shape[1]
    found[:] = 0.0
    r = np.zeros((many, size))
    d = np.zeros((many, size))
    pending = np.zeros(size)
    g = np.zeros(q)
    for stretch in range(len(bounds) - 1):
        r[:] = 0.0
        d[:] = 0.0
        pending[:] = 0.0
        for event in range(bounds[stretch], bounds[stretch + 1]):
            time, i = times[event], kinds[event]
            if event > bounds[stretch] and time > times[event - 1]:
                _advance(r, d, pending, decays, time - times[event - 1])
            left, weight = _knot(knots, time)
            g[:] = 0.0
            g[left] = 1.0 - weight
            rate = baseline[i, left]
            if weight > 0.0:
                g[left + 1] = weight
                rate += weight * (baseline[i, left + 1] - baseline[i, left])
            for m in range(many):
                slope = 0.0
                for j in range(size):
                    g[points + j * many + m] = decays[m] * r[m, j]
                    rate += norms[i, j, m] * decays[m] * r[m, j]
                    slope += norms[i, j, m] * (r[m, j] - decays[m] * d[m, j])
                g[points + size * many + m] = decays[m] * slope
            square = 1.0 / (rate * rate)
            for a in range(q):
                if g[a] != 0.0:
                    scaled = g[a] * square
                    for b in range(q):
                        found[i, a, b] += scaled * g[b]
            pending[i] += 1.0


@jit
def rescaled(
    times: Vector, kinds: Integers, bounds: Integers, begins: Vector, decays: Vector,
    knots: Vector, baseline: Vector, norms: Vector, found: Vector,
) -> None:
    """∫λ_i from the event of kind i before (or the start of the stretch) to each event of kind i.

    Parameters
    ----------
    begins : start of each stretch.
    found : one value per event, filled; Exp(1) under the model.
    """
    size, many = norms.shape[1], len(decays)
    r = np.zeros((many, size))
    d = np.zeros((many, size))
    pending = np.zeros(size)
    since = np.zeros(size)
    for stretch in range(len(bounds) - 1):
        r[:] = 0.0
        d[:] = 0.0
        pending[:] = 0.0
        since[:] = 0.0
        last = begins[stretch]
        for event in range(bounds[stretch], bounds[stretch + 1]):
            time, kind = times[event], kinds[event]
            if time > last:
                for i in range(size):
                    since[i] += _baseline_integral(knots, baseline[i], last, time)
                for m in range(many):
                    gone = 1.0 - math.exp(-decays[m] * (time - last))
                    for j in range(size):
                        mass = (r[m, j] + pending[j]) * gone
                        for i in range(size):
                            since[i] += norms[i, j, m] * mass
                _advance(r, d, pending, decays, time - last)
                last = time
            found[event] = since[kind]
            since[kind] = 0.0
            pending[kind] += 1.0


@jit
def _advance(r: Vector, d: Vector, pending: Vector, decays: Vector, step: float) -> None:
    for m in range(len(decays)):
        left = math.exp(-decays[m] * step)
        for j in range(len(pending)):
            mass = r[m, j] + pending[j]
            d[m, j] = (d[m, j] + step * mass) * left
            r[m, j] = mass * left
    pending[:] = 0.0


@jit
def _knot(knots: Vector, time: float) -> tuple[int, float]:
    """Number of the knot at or before a time, and how far the time is on the way to the next."""
    last = len(knots) - 1
    if last == 0:
        return 0, 0.0
    place = (time - knots[0]) / (knots[1] - knots[0])
    left = min(max(int(place), 0), last - 1)
    return left, min(max(place - left, 0.0), 1.0)


@jit
def _baseline_integral(knots: Vector, values: Vector, begin: float, end: float) -> float:
    """Exact integral of a piecewise linear function."""
    if len(knots) == 1:
        return values[0] * (end - begin)
    total = 0.0
    at = begin
    while at < end:
        left, weight = _knot(knots, at)
        stop = end if left == len(knots) - 2 else min(end, knots[left + 1])
        if stop <= at:
            left += 1
            weight = 0.0
            stop = end if left == len(knots) - 2 else min(end, knots[left + 1])
        slope = (values[left + 1] - values[left]) / (knots[left + 1] - knots[left])
        first = values[left] + weight * (values[left + 1] - values[left])
        total += (first + 0.5 * slope * (stop - at)) * (stop - at)
        at = stop
    return total
