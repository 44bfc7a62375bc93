"""Distance correlation against dcor, and mutual information against scikit-learn and SciPy's tree.

Run `python -m benchmarks.dependence [--check]`; dcor runs in `.venv-benchmark` (`make benchmark`
makes it). Same pairs, same estimator: values must agree, scikit-learn's within what its jitter
moves. All compiled, warmed up, on one thread.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_regression

from benchmarks.capture_to_features import PEER_PYTHON, REPOSITORY
from benchmarks.measure import Cost, Stopwatch, median, read_report
from imbalance.studies.dependence.distance_correlation import margin, squared_correlation
from imbalance.studies.dependence.information import NEIGHBOURS, mutual_information

Matrix = NDArray[np.float64]

LENGTH = 100_000
GOALS = {"dcor, avl": 2.0, "dcor, mergesort": 2.0, "scikit-learn": 4.0, "k-d tree": 2.0}
"""Times faster, by CPU."""


def pairs() -> Matrix:
    """Heavy-tailed pairs, the size of one depending on that of the other."""
    generator = np.random.default_rng(1)
    values = generator.standard_t(4, (LENGTH, 2))
    values[:, 1] *= 0.5 + np.abs(values[:, 0])
    return (values - values.mean(axis=0)) / values.std(axis=0)


def ours_by_distance(values: Matrix) -> float:
    x, y = margin(values[:, 0]), margin(values[:, 1])
    assert x is not None
    assert y is not None
    return float(np.sqrt(squared_correlation(x, y)))


def ours_by_neighbours(values: Matrix) -> float:
    return mutual_information(values[:, :1], values[:, 1:], NEIGHBOURS).value


def by_scikit_learn(values: Matrix) -> float:
    found = mutual_info_regression(
        values[:, :1], values[:, 1], n_neighbors=NEIGHBOURS, discrete_features=False,
        random_state=1)
    return float(found[0])


def by_tree(values: Matrix) -> float:
    """The first algorithm of Kraskov, Stögbauer and Grassberger with SciPy's k-d tree."""
    radius = cKDTree(values).query(values, NEIGHBOURS + 1, p=np.inf)[0][:, -1]
    total = digamma(NEIGHBOURS) + digamma(len(values))
    for column in values.T:
        ordered = np.sort(column)
        first = np.searchsorted(ordered, column - radius, side="right")
        stop = np.searchsorted(ordered, column + radius, side="left")
        total -= digamma(stop - first).mean()
    return float(total)


def timed(job: Callable[[Matrix], float], values: Matrix, rounds: int) -> tuple[Cost, float]:
    job(values[:1000])
    costs, found = [], 0.0
    for _ in range(rounds):
        watch = Stopwatch()
        with watch:
            found = job(values)
        costs.append(watch.cost)
    return median(costs), found


def by_dcor(values: Matrix, rounds: int) -> tuple[dict[str, Cost], dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.npy"
        np.save(file, values)
        done = subprocess.run(
            [PEER_PYTHON, "-m", "benchmarks.peer_dcor", file, str(rounds)], cwd=REPOSITORY,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, check=True, capture_output=True,
            text=True)
    return read_report(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="end with 1 when a goal is missed")
    given = parser.parse_args()
    if not PEER_PYTHON.exists():
        parser.error(f"there is no {PEER_PYTHON.parent.parent.name}: run `make benchmark`")
    values = pairs()
    distance, correlation = timed(ours_by_distance, values, given.rounds)
    neighbours, nats = timed(ours_by_neighbours, values, given.rounds)
    peers, theirs = by_dcor(values, given.rounds)
    for found in theirs.values():
        assert abs(found - correlation) < 1e-9, (found, correlation)
    peers["scikit-learn"], found = timed(by_scikit_learn, values, given.rounds)
    assert abs(found - nats) < 5e-3, (found, nats)
    peers["k-d tree"], found = timed(by_tree, values, given.rounds)
    assert abs(found - nats) < 1e-4, (found, nats)
    print(f"n = {LENGTH:,}, k = {NEIGHBOURS}; ms of CPU, times faster by CPU (wall)")
    print(f"{'distance correlation':<24}{1e3 * distance.cpu:>8.0f}   value {correlation:.9f}")
    print(f"{'mutual information':<24}{1e3 * neighbours.cpu:>8.0f}   value {nats:.9f}")
    missed = False
    for name, cost in peers.items():
        ratio = cost / (distance if name.startswith("dcor") else neighbours)
        missed |= ratio.cpu < GOALS[name]
        print(f"{name:<24}{1e3 * cost.cpu:>8.0f}{ratio.cpu:>8.1f}× ({ratio.wall:.1f}×)"
              f"   goal {GOALS[name]:g}×")  # fmt: skip
    return 1 if given.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
