"""Pearson's correlation at the levels of a regime."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.levels import Estimate, Estimator, Mask
from imbalance.studies.prepared_series import COLLINEAR

Vector = NDArray[np.float64]

STILL = 1e-10
"""Share of a level's variance that must be left without any one of its bars."""


def correlation_at(x: Vector, y: Vector, least: int) -> Estimator:
    """Pearson's correlation of two series in the bars of a level, of which there must be some.

    What a bar adds is (n − 1)(r − r without it): of the few bars of a level the derivative would
    make too little of the outer ones, which move r most (Miller 1974).
    """
    both = np.isfinite(x) & np.isfinite(y)

    def estimate(mask: Mask) -> Estimate | str:
        used = both & mask
        n = int(used.sum())
        if n < max(least, 4):
            return "too_few_bars"
        u, v = x[used] - x[used].mean(), y[used] - y[used].mean()
        if not (np.ptp(u) > 0.0 and np.ptp(v) > 0.0):
            return "constant_series"
        # Sums, not products of vectors: those give other last bits on other numbers of cores.
        squares, product = np.array([np.sum(u * u), np.sum(v * v)]), float(np.sum(u * v))
        r = product / float(np.sqrt(squares.prod()))
        if not abs(r) < COLLINEAR:
            return "collinear"
        # Sums about the means of the others: a deviation of 0 in the mean leaves n/(n − 1) of it.
        weight = n / (n - 1.0)
        left = squares[:, None] - weight * np.stack([u * u, v * v])
        if (left.min(axis=1) <= STILL * squares).any():
            return "constant_series"
        rest = (product - weight * u * v) / np.sqrt(left.prod(axis=0))
        added = np.full(len(x), np.nan)
        added[used] = (n - 1.0) * (r - rest)
        return Estimate(r, added)

    return estimate
