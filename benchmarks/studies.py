"""`make benchmark-studies`: estimators of the studies against named libraries, on the same data.

Each comparison runs both in turn, in one process, and first holds their results against each other:
a ratio of two programs that compute different things says nothing. A peer that would take minutes
does a share of the work, and its cost is taken times the rest.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.measure import Cost, Stopwatch

ROUNDS = 7
ROUND_SECONDS = 0.05
"""What a round lasts at least: short work is done several times over."""


@dataclass(frozen=True)
class Comparison:
    """An estimator of ours beside that of a library.

    Parameters
    ----------
    ours, peer : the work, without arguments; what they return is compared.
    share : part of the work that the peer does.
    goal : the least ratio of the wall clocks; None where none is demanded.
    tolerance : largest absolute difference of the results.
    same : from what both return to two arrays that must agree.
    """

    name: str
    against: str
    ours: Callable[[], Any]
    peer: Callable[[], Any]
    share: float
    goal: float | None
    tolerance: float
    same: Callable[[Any, Any], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Outcome:
    """The least cost of the rounds, to which other load only adds; the peer's of the whole work."""

    name: str
    against: str
    ours: Cost
    peer: Cost
    goal: float | None
    difference: float
    tolerance: float

    @property
    def ratio(self) -> float:
        """How many times faster ours is by the wall clock."""
        return self.peer.wall / self.ours.wall

    @property
    def met(self) -> bool:
        """Whether results agree and the goal, if there is one, is reached."""
        return self.difference <= self.tolerance and (self.goal is None or self.ratio >= self.goal)


def lagged_correlations() -> list[Comparison]:
    """All pairs of 50 series of a day of seconds at 121 lags."""
    from statsmodels.tsa.stattools import ccf

    from imbalance.studies.lag_sums import lag_sums

    series, length, last, asked = 50, 86_400, 60, 6
    values = np.random.default_rng(1).standard_normal((series, length))
    values = (values - values.mean(axis=1)[:, None]) / values.std(axis=1)[:, None]
    pairs = series * (series + 1) // 2

    def by_statsmodels() -> list[np.ndarray]:
        found = []
        for x in range(asked):
            back = ccf(values[x + 1], values[x], adjusted=False, nlags=last + 1)
            ahead = ccf(values[x], values[x + 1], adjusted=False, nlags=last + 1)
            found.append(np.concatenate([ahead[:0:-1], back]))
        return found

    def by_products() -> np.ndarray:
        """A matrix product per lag, over the full series."""
        found = np.empty((series, series, 2 * last + 1))
        for lag in range(last + 1):
            ahead = values[:, : length - lag] @ values[:, lag:].T
            found[:, :, last + lag], found[:, :, last - lag] = ahead, ahead.T
        return found

    return [
        Comparison(
            f"lagged correlations, {series} series × {length:,} × {2 * last + 1} lags",
            "statsmodels ccf", lambda: lag_sums(values, values, last), by_statsmodels,
            asked / pairs, 100.0, 1e-8,
            lambda sums, found: (
                np.array([sums.xy[x, x + 1] / length for x in range(asked)]), np.array(found)),
        ),
        Comparison(
            "the same", "NumPy, a matrix product per lag",
            lambda: lag_sums(values, values, last), by_products, 1.0, 3.0, 1e-8,
            lambda sums, found: (sums.xy / length, found / length),
        ),
    ]


def rolling_correlations() -> list[Comparison]:
    """All pairs of ten series of a day of seconds over five minutes; ours in threads, as in the
    study.
    """
    import pandas as pd

    from imbalance.studies.dynamics.moving import rolling_correlation

    series, window = 10, 300
    values = np.random.default_rng(2).standard_normal((series, 86_400))
    columns = [pd.Series(one) for one in values]
    pairs = list(itertools.combinations(range(series), 2))

    def by_threads() -> list[np.ndarray]:
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            return list(threads.map(
                lambda pair: rolling_correlation(values[pair[0]], values[pair[1]], window)[0],
                pairs))

    def by_pandas() -> list[pd.Series]:
        return [columns[x].rolling(window).corr(columns[y]) for x, y in pairs]

    return [Comparison(
        f"rolling correlations, {len(pairs)} pairs × {values.shape[1]:,} bars, window {window}",
        "pandas", by_threads, by_pandas, 1.0, 10.0, 1e-8,
        lambda ours, peer: (np.array(ours)[:, window:], np.array(peer)[:, window:]),
    )]


def rank_correlations() -> list[Comparison]:
    """Kendall's with its influence values, of a day of seconds."""
    from scipy.stats import kendalltau

    from imbalance.studies.correlation.estimators import rank_influence

    x, y = np.random.default_rng(3).standard_normal((2, 86_400))
    y = y + 0.2 * x
    return [Comparison(
        f"Kendall's correlation with influence values, {len(x):,} bars", "SciPy, without them",
        lambda: rank_influence("kendall", x, y)[0], lambda: kendalltau(x, y).statistic,
        1.0, None, 1e-12, lambda ours, peer: (np.array(ours), np.array(peer)),
    )]


def block_lengths() -> list[Comparison]:
    """Politis and White's, of a day of seconds."""
    from arch.bootstrap import optimal_block_length as by_arch

    from imbalance.studies.inference.block_length import optimal_block_length

    noise = np.random.default_rng(4).standard_normal(86_400)
    x = noise + 0.8 * np.concatenate([[0.0], noise[:-1]])
    return [Comparison(
        f"block length of a bootstrap, {len(x):,} bars", "arch",
        lambda: optimal_block_length(x).moving, lambda: by_arch(x).iloc[0]["circular"],
        1.0, None, 1e-6, lambda ours, peer: (np.array(ours), np.array(peer)),
    )]


def lasso_paths() -> list[Comparison]:
    """A path of penalties and its choice on folds in time, of half an hour of 100 flows."""
    from sklearn.linear_model import LassoCV
    from sklearn.model_selection import TimeSeriesSplit

    from imbalance.studies.price_impact.penalised import PENALTIES, SMALLEST, lasso

    generator = np.random.default_rng(5)
    x = generator.standard_normal((1_800, 100)) + 0.5 * generator.standard_normal((1_800, 1))
    y = x[:, 0] - 0.5 * x[:, 1] + 0.2 * x[:, 2] + 2.0 * generator.standard_normal(1_800)
    z, w = (x - x.mean(axis=0)) / x.std(axis=0), (y - y.mean()) / y.std()
    largest = np.abs(z.T @ w / len(z)).max()
    penalties = np.geomspace(largest, largest * SMALLEST, PENALTIES)

    def by_scikit_learn() -> np.ndarray:
        folds = TimeSeriesSplit(5)
        return LassoCV(alphas=penalties, cv=folds, tol=1e-6, max_iter=10_000).fit(z, w).coef_

    return [Comparison(
        f"LASSO of {x.shape[1]} flows, {len(x):,} bars, {PENALTIES} penalties × 5 folds",
        "scikit-learn", lambda: lasso(x, y, 5).standardised, by_scikit_learn, 1.0, None, 1e-3,
        lambda ours, peer: (ours, peer),
    )]


GROUPS = (
    lagged_correlations, rolling_correlations, rank_correlations, block_lengths, lasso_paths,
)


def compare(one: Comparison) -> Outcome:
    """Both in turn, after a first time in which what has to be compiled is."""
    ours, peer = one.same(one.ours(), one.peer())
    difference = float(np.abs(ours - peer).max())
    found: list[tuple[Cost, Cost]] = [(_cost(one.ours), _cost(one.peer)) for _ in range(ROUNDS)]
    least, whole = (
        Cost(min(c.wall for c in costs), min(c.cpu for c in costs))
        for costs in zip(*found, strict=True)
    )
    return Outcome(
        one.name, one.against, least, Cost(whole.wall / one.share, whole.cpu / one.share),
        one.goal, difference, one.tolerance,
    )


def _cost(work: Callable[[], Any]) -> Cost:
    watch, times = Stopwatch(), 0
    while watch.cost.wall < ROUND_SECONDS:
        with watch:
            work()
        times += 1
    return Cost(watch.cost.wall / times, watch.cost.cpu / times)


def main() -> None:
    """Print a table, or JSON; exit 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--only", default="", help="comparisons whose name holds this text")
    arguments = parser.parse_args()
    chosen = [one for group in GROUPS for one in group() if arguments.only in one.name]
    outcomes = [compare(one) for one in chosen]
    if arguments.json:
        print(json.dumps([
            {"name": o.name, "against": o.against, "ours": vars(o.ours), "peer": vars(o.peer),
             "ratio": o.ratio, "goal": o.goal, "difference": o.difference, "met": o.met}
            for o in outcomes
        ], indent=2))
    else:
        print(f"load before: {os.getloadavg()[0]:.1f}; the least of {ROUNDS} rounds in turn\n")
        for o in outcomes:
            goal = "" if o.goal is None else f" (goal {o.goal:g})"
            print(f"{o.name}\n  ours {o.ours.wall:.4f} s, {o.against} {o.peer.wall:.4f} s: "
                  f"{o.ratio:.1f} times{goal}; by CPU {(o.peer / o.ours).cpu:.1f}; "
                  f"largest difference {o.difference:.1e}" + ("" if o.met else "  MISSED"))
    sys.exit(0 if all(o.met for o in outcomes) else 1)


if __name__ == "__main__":
    main()
