"""Hayashi–Yoshida against NumPy's searchsorted: the same sum over 2 × 1 M ticks, per lag.

Run `python -m benchmarks.asynchrony [--check]`. Both sides get the same ticks and lags, take turns,
and must agree; the peer is the vectorised form: two binary searches per increment. With them what a
study does per pair: the contrast split into blocks, refresh times, pre-averaging and the kernel.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

import numpy as np

from benchmarks.measure import Cost, Stopwatch, median
from imbalance.studies.asynchrony.overlap import blocked_contrast, hayashi_yoshida
from imbalance.studies.asynchrony.pre_averaging import modulated_realised_covariance
from imbalance.studies.asynchrony.realised import realised_kernel
from imbalance.studies.asynchrony.sampling import refresh_times, sampled_increments
from imbalance.studies.asynchrony.ticks import Ticks

TICKS = 1_000_000
LAGS = (0, 200_000_000, -200_000_000)
MOST_SECONDS = 0.1
LEAST_RATIO = 4.0

_DAY = 86_400 * 1_000_000_000


def ticks(seed: int) -> Ticks:
    """A random walk at Poisson times over a day."""
    generator = np.random.default_rng(seed)
    times = np.unique(generator.integers(0, _DAY, TICKS))
    return Ticks(times, np.cumsum(generator.normal(size=len(times))) * 1e-5)


def by_binary_search(x: Ticks, y: Ticks, lag: int) -> float:
    """The peer: for every increment of x the ticks of y around its ends, found by bisection."""
    moved = x.times + lag
    last = len(y) - 1
    low = np.maximum(np.searchsorted(y.times, moved[:-1], side="right") - 1, 0)
    high = np.minimum(np.searchsorted(y.times, moved[1:]), last)
    return float(np.sum(np.diff(x.log_prices) * (y.log_prices[high] - y.log_prices[low])))


def cost(call: Callable[[], object]) -> Cost:
    watch = Stopwatch()
    with watch:
        call()
    return watch.cost


def _line(name: str, found: Cost) -> None:
    print(f"{name:<36}{found.wall:>10.4f}{found.cpu:>10.4f}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asynchrony", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="end with 1 when a goal is missed")
    given = parser.parse_args()
    x, y = ticks(1), ticks(2)
    hayashi_yoshida(x, y)
    ours, theirs = [], []
    for _ in range(given.rounds):
        for lag in LAGS:
            found, wanted = hayashi_yoshida(x, y, lag), by_binary_search(x, y, lag)
            assert abs(found - wanted) <= 1e-9 * np.sqrt(x.variance * y.variance)
            ours.append(cost(lambda lag=lag: hayashi_yoshida(x, y, lag)))
            theirs.append(cost(lambda lag=lag: by_binary_search(x, y, lag)))
    own, peer = median(ours), median(theirs)
    print(f"2 × {TICKS:,} ticks, {len(ours)} rounds in turn, medians; {os.cpu_count()} CPUs, "
          f"load {os.getloadavg()[0]:.1f}\n")  # fmt: skip
    print(f"{'':<36}{'wall s':>10}{'CPU s':>10}")
    _line("Hayashi–Yoshida, one lag", own)
    _line("searchsorted, one lag", peer)
    print(f"{'times faster':<36}{peer.wall / own.wall:>9.1f}×{peer.cpu / own.cpu:>9.1f}×\n")
    edges = np.linspace(0, _DAY, 401)[1:].astype(np.int64)
    times = refresh_times((x, y))
    returns = sampled_increments((x, y), times)
    for name, call in (
        ("contrast in 400 blocks, three lags",
         lambda: blocked_contrast(x, y, np.array(LAGS), edges)),
        (f"refresh times ({len(times):,})", lambda: refresh_times((x, y))),
        ("modulated realised covariance", lambda: modulated_realised_covariance(returns)),
        ("realised kernel", lambda: realised_kernel(returns)),
    ):
        call()
        _line(name, median([cost(call) for _ in range(3)]))
    met = own.cpu < MOST_SECONDS and peer.cpu / own.cpu >= LEAST_RATIO
    print(f"\n{'met' if met else 'MISSED'}: under {MOST_SECONDS:g} s of CPU a lag and "
          f"at least {LEAST_RATIO:g} × searchsorted")  # fmt: skip
    return 1 if given.check and not met else 0


if __name__ == "__main__":
    sys.exit(main())
