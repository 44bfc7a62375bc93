"""`python -m benchmarks.hawkes`: a Hawkes process of a million events of eight kinds, fitted.

The peer is the same recursion written with NumPy, one event at a time, as public implementations
without a compiler have it; it is timed on fewer events and told per event. Both give the same
likelihood and gradient on the events they share.
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Cost, Stopwatch, median, peak_bytes
from imbalance.simulate.point_processes import simulate_hawkes
from imbalance.studies.hawkes.estimate import Derivatives, log_likelihood, maximise, start
from imbalance.studies.hawkes.process import Events, Hawkes
from imbalance.studies.hawkes.residuals import residuals

Array = NDArray[np.float64]

SIZE = 8
RADIUS = 0.7
DECAY = 5.0
GOAL_SECONDS = 60.0
CONSTANT = np.array([0.0])


def planted(count: int, seed: int) -> tuple[Events, Array]:
    """About `count` events of eight kinds with every kind calling forth every other."""
    generator = np.random.default_rng(seed)
    norms = generator.uniform(0.0, 0.1, (SIZE, SIZE)) + 0.2 * np.eye(SIZE)
    norms *= RADIUS / np.abs(np.linalg.eigvals(norms)).max()
    rate = np.linalg.solve(np.eye(SIZE) - norms, np.ones(SIZE)).sum()
    duration = count / rate
    times, kinds = simulate_hawkes(np.ones((SIZE, 1)), norms[:, :, None], np.array([DECAY]),
                                   duration, generator)
    return Events.within(times, kinds, SIZE, [(0.0, duration)]), norms


def peer_likelihood(events: Events, process: Hawkes) -> Derivatives:
    """The likelihood and its gradient by NumPy, one event at a time."""
    decay, norms = float(process.decays[0]), process.norms[:, :, 0]
    r, d = np.zeros(events.size), np.zeros(events.size)
    by_baseline, by_norm = np.zeros(events.size), np.zeros_like(norms)
    total, by_decay, last = 0.0, 0.0, 0.0
    for time, kind in zip(events.times, events.kinds, strict=True):
        step = time - last
        left = np.exp(-decay * step)
        d = (d + step * r) * left
        r = r * left
        rate = process.baseline[kind, 0] + decay * (norms[kind] @ r)
        total += np.log(rate)
        by_baseline[kind] += 1.0 / rate
        by_norm[kind] += decay * r / rate
        by_decay += norms[kind] @ (r - decay * d) / rate
        r[kind] += 1.0
        last = time
    mass, slope = events.mass(process.decays)
    total -= process.baseline.sum() * events.duration + (norms * mass[:, 0]).sum()
    return Derivatives(
        float(total), (by_baseline - events.duration)[:, None], (by_norm - mass[:, 0])[:, :, None],
        np.array([by_decay - (norms * slope[:, 0]).sum()]))


def measure(count: int, peer_count: int, rounds: int) -> dict[str, object]:
    """Costs of a fit, of one pass and of the peer's pass; and whether they agree."""
    warm, _ = planted(2_000, 0)
    residuals(warm, maximise(warm, np.array([1.0]), CONSTANT).process)
    events, norms = planted(count, 1)
    few, _ = planted(peer_count, 2)
    process = start(events, np.array([1.0]), CONSTANT)
    costs: dict[str, list[Cost]] = {"fit": [], "pass": [], "peer": [], "residuals": []}
    for _ in range(rounds):
        watches = {name: Stopwatch() for name in costs}
        with watches["fit"]:
            found = maximise(events, np.array([1.0]), CONSTANT)
        with watches["pass"]:
            log_likelihood(events, process)
        with watches["residuals"]:
            residuals(events, found.process)
        with watches["peer"]:
            theirs = peer_likelihood(few, process)
        for name, watch in watches.items():
            costs[name].append(watch.cost)
    ours = log_likelihood(few, process)
    for name in ("value", "baseline", "norms", "decays"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-7)
    cost = {name: median(made) for name, made in costs.items()}
    ratio = (cost["peer"].cpu / len(few.times)) / (cost["pass"].cpu / len(events.times))
    return {
        "events": len(events.times), "kinds": SIZE, "steps": found.steps,
        "costs": {name: vars(one) for name, one in cost.items()},
        "peer_events": len(few.times), "times_faster_per_event": ratio,
        "largest_error_of_branching": float(np.abs(found.process.branching - norms).max()),
        "spectral_radius": found.process.spectral_radius, "peak_bytes": peak_bytes(),
        "met": cost["fit"].cpu < GOAL_SECONDS,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hawkes", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--peer-events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="end with 1 when the goal is missed")
    given = parser.parse_args()
    found = measure(given.events, given.peer_events, given.rounds)
    print(json.dumps(found, indent=2))
    return 1 if given.check and not found["met"] else 0


if __name__ == "__main__":
    sys.exit(main())
