"""Bands of impulse responses against statsmodels: fit and replications, per replication.

Run `python -m benchmarks.impulse_responses [--check]`. Both sides fit the same simulated system and
make bands of orthogonal responses. They do not do the same: `irf_resim` simulates the system anew
with Gaussian shocks and fits again, ours resamples blocks of residuals on the fixed design, which
keeps conditional heteroskedasticity and needs no simulation. Both have one BLAS thread: a second
one that waits for a core counts as CPU time.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from statsmodels.tsa.api import VAR

from benchmarks.measure import Cost, Stopwatch, median
from imbalance.studies.bootstrap import replicate, replicate_wild
from imbalance.studies.impulse_response import moving_average, orthogonal
from imbalance.studies.vector_autoregression import fit

Matrix = NDArray[np.float64]

LENGTH, LAG, HORIZON = 86_400, 10, 20
"""A day of seconds."""

GOALS = {(5, "bands"): 200.0, (20, "bands"): 70.0, (5, "fit"): 12.0, (20, "fit"): 12.0}
"""Times faster, by number of variables; bands per replication."""


@dataclass(frozen=True)
class Comparison:
    """What one side and the other cost for one number of variables."""

    variables: int
    part: str
    ours: Cost
    theirs: Cost

    @property
    def ratio(self) -> Cost:
        return self.theirs / self.ours


def simulate(variables: int, seed: int) -> Matrix:
    """A stable first-order system with correlated shocks."""
    generator = np.random.default_rng(seed)
    a = generator.uniform(-0.4, 0.4, (variables, variables)) / np.sqrt(variables)
    root = np.eye(variables) + 0.2 * generator.standard_normal((variables, variables))
    values = generator.standard_normal((LENGTH, variables)) @ root.T
    for t in range(1, LENGTH):
        values[t] += a @ values[t - 1]
    return values


def timed(job: Callable[[], object], rounds: int) -> Cost:
    costs = []
    for _ in range(rounds):
        watch = Stopwatch()
        with watch:
            job()
        costs.append(watch.cost)
    return median(costs)


def compare(variables: int, rounds: int, replications: int, peer: int) -> list[Comparison]:
    data = simulate(variables, variables)
    model, reference = fit(data, LAG), VAR(data).fit(LAG, trend="c")
    difference = np.abs(model.coefficients - reference.coefs).max()
    assert difference < 1e-10, f"coefficients differ by {difference}"

    def bands() -> None:
        drawn = replicate(model, replications, 1)
        responses = orthogonal(moving_average(drawn.lagged, HORIZON), drawn.sigma)
        np.quantile(responses, [0.025, 0.975], axis=0)

    def their_bands() -> None:
        reference.irf_resim(orth=True, repl=peer, steps=HORIZON, rng=np.random.RandomState(1))

    def wild() -> None:
        np.quantile(moving_average(replicate_wild(model, replications, 1), HORIZON),
                    [0.025, 0.975], axis=0)

    each, per = Cost(replications, replications), Cost(peer, peer)
    theirs = timed(their_bands, 1) / per
    return [
        Comparison(variables, "fit", timed(lambda: fit(data, LAG).beta, rounds),
                   timed(lambda: VAR(data).fit(LAG, trend="c"), rounds)),
        Comparison(variables, "bands", timed(bands, rounds) / each, theirs),
        Comparison(variables, "wild", timed(wild, rounds) / each, theirs),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--replications", type=int, default=200)
    parser.add_argument("--peer-replications", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="end with 1 when a goal is missed")
    given = parser.parse_args()
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        # The number is read when NumPy is loaded.
        again = [sys.executable, "-m", "benchmarks.impulse_responses", *sys.argv[1:]]
        os.execve(again[0], again, os.environ | {"OPENBLAS_NUM_THREADS": "1"})  # noqa: S606
    missed = False
    print(f"T = {LENGTH:,}, order {LAG}, {HORIZON} steps; CPU ms, and times faster by CPU (wall)")
    for variables in (5, 20):
        for found in compare(variables, given.rounds, given.replications, given.peer_replications):
            goal = GOALS.get((variables, found.part))
            missed |= goal is not None and found.ratio.cpu < goal
            print(f"K = {variables:<3} {found.part:<6}{1e3 * found.ours.cpu:>10.2f}"
                  f"{1e3 * found.theirs.cpu:>12.1f}{found.ratio.cpu:>9.0f}× "
                  f"({found.ratio.wall:.0f}×)" + (f"  goal {goal:.0f}×" if goal else ""),
                  flush=True)  # fmt: skip
    return 1 if given.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
