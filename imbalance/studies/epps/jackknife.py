"""Standard errors by leaving out one block of time after the other.

For estimators that have no formula for their error, or one that holds only for a kind of noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.asynchrony.ticks import Ticks

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

BLOCKS = 20


@dataclass(frozen=True)
class Estimate:
    """An estimate with its standard error; NaN where there is none."""

    value: float
    standard_error: float
    n: int


def jackknife(value: float, left_out: Vector, n: int) -> Estimate:
    """√((m − 1)/m Σ (θ_(i) − θ̄)²) over m estimates, each without one block."""
    m = len(left_out)
    error = math.sqrt((m - 1) / m * float(np.square(left_out - left_out.mean()).sum()))
    return Estimate(value, error, n)


def of_returns(estimator: Callable[[Matrix], float], returns: Matrix) -> Estimate:
    """An estimator of returns, blocks being equal numbers of them."""
    parts = [
        estimator(np.delete(returns, slice(first, last), axis=0))
        for first, last in _blocks(len(returns))
    ]
    return jackknife(estimator(returns), np.array(parts), len(returns))


def of_ticks(estimator: Callable[[Ticks], float], ticks: Ticks) -> Estimate:
    """An estimator of ticks; the time and the return of a block are cut out."""
    steps, waits = ticks.increments, ticks.waits
    parts = []
    for first, last in _blocks(len(steps)):
        block = slice(first, last)
        times = np.concatenate([[0], np.cumsum(np.delete(waits, block))])
        prices = np.concatenate([[0.0], np.cumsum(np.delete(steps, block))])
        parts.append(estimator(Ticks(times, prices)))
    return jackknife(estimator(ticks), np.array(parts), len(steps))


def _blocks(n: int) -> Iterator[tuple[int, int]]:
    edges = np.linspace(0, n, BLOCKS + 1).astype(int).tolist()
    yield from pairwise(edges)
