"""Integrated order flow: the first principal component of ten levels, trained on the past.

Moments are summed per half-hour, weights come from the moments of half-hours that have ended, and
are applied in the half-hour that follows them. Not here: the level flows themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from imbalance.books.tables import FLOW_LEVELS
from imbalance.features.columns import LEAST_BARS
from imbalance.features.tables import TRAINING_WINDOWS

Floats = NDArray[np.float64]

WINDOW = 1_800_000_000_000
"""Nanoseconds of a half-hour; windows are aligned to it."""

_UPPER = np.triu_indices(FLOW_LEVELS)


@dataclass(frozen=True)
class Moments:
    """Sums over the usable bars of one half-hour.

    `sums` has shape (10,); `products` shape (55,), the upper triangle of Σ ofi ofiᵀ by rows.
    """

    window_start: int
    available_at: int
    n: int
    sums: Floats
    products: Floats


@dataclass(frozen=True)
class Weights:
    """Weights of the levels, shape (10,), with what they were trained on."""

    trained_from: int
    trained_to: int
    available_at: int
    n: int
    first_component_share: float
    weights: Floats


def moments_of(scaled: Floats, window_start: int, available_at: int) -> Moments:
    """Moments of the scaled flows of a half-hour's usable bars, of which there must be some.

    Parameters
    ----------
    scaled : array, shape (bars, 10)
        Level flows divided by the bar's common depth; no NaN.
    """
    # einsum rather than BLAS: the same bits whatever the library and the number of threads.
    products = np.einsum("bi,bj->ij", scaled, scaled, optimize=False)
    return Moments(window_start, available_at, len(scaled), scaled.sum(axis=0), products[_UPPER])


def principal_weights(n: int, sums: Floats, products: Floats) -> tuple[Floats, float] | None:
    """First principal vector from moments, and its share of the variance.

    Returns
    -------
    weights : array, shape (10,), w₁/‖w₁‖₁ with Σ w₁ > 0; None together with the share when the
        flows do not vary.

    Notes
    -----
    w₁ is the eigenvector of the largest eigenvalue of the covariance matrix of the scaled flows;
    the sign, which an eigenvector leaves open, is fixed by Σ w₁ > 0.
    Source: Cont, Cucuringu, Zhang 2023, eq. 4.
    """
    full = np.zeros((FLOW_LEVELS, FLOW_LEVELS))
    full[_UPPER] = products
    full = full + np.triu(full, 1).T
    mean = sums / n
    return principal_vector(full / n - np.outer(mean, mean))


def principal_vector(covariance: Floats) -> tuple[Floats, float] | None:
    """w₁/‖w₁‖₁ with Σ w₁ > 0 of a covariance matrix, and its share; None when nothing varies."""
    values, vectors = np.linalg.eigh(covariance)
    total = values.clip(min=0.0).sum()
    if not total > 0.0:
        return None
    w = vectors[:, -1]
    if w.sum() < 0.0:
        w = -w
    return w / np.abs(w).sum(), float(min(values[-1] / total, 1.0))


@dataclass
class Training:
    """The moments of the last 24 hours of one instrument and bar size."""

    past: list[Moments] = field(default_factory=list)

    def add(self, moments: Moments) -> None:
        """Remember a half-hour; half-hours come in the order of time."""
        self.past.append(moments)

    def weights_for(self, window_start: int) -> Weights | None:
        """Weights for the half-hour that starts then, None when its past is too short."""
        earliest = window_start - TRAINING_WINDOWS * WINDOW
        self.past = [m for m in self.past if m.window_start >= earliest]
        used = [m for m in self.past if m.window_start < window_start]
        n = sum(m.n for m in used)
        if n < LEAST_BARS:
            return None
        found = principal_weights(
            n,
            np.sum([m.sums for m in used], axis=0),
            np.sum([m.products for m in used], axis=0),
        )
        if found is None:
            return None
        return Weights(
            trained_from=used[0].window_start,
            trained_to=used[-1].window_start + WINDOW,
            available_at=max(window_start, *(m.available_at for m in used)),
            n=n,
            first_component_share=found[1],
            weights=found[0],
        )


def windows(bar_start: NDArray[np.int64]) -> list[tuple[int, slice]]:
    """Half-hours of ascending bar starts: start of each and the slice of its bars."""
    labels = bar_start // WINDOW
    cuts = np.flatnonzero(np.diff(labels)) + 1
    edges = [0, *cuts.tolist(), len(labels)]
    return [
        (int(labels[first]) * WINDOW, slice(first, last))
        for first, last in pairwise(edges)
        if last > first
    ]
