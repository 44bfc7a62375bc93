"""Eigenvalues of a correlation matrix: which of them noise explains, and the matrix without it.

Sources: Marchenko and Pastur 1967; Laloux, Cizeau, Bouchaud and Potters 1999 (clipping); Kritzman,
Li, Page and Rigobon 2011 (absorption ratio); Bartlett 1935 (effective sample size).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.persistence import Memory, variance_inflation

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues from the largest, with the eigenvectors as columns."""

    values: Vector
    vectors: Matrix


def spectrum(matrix: Matrix) -> Spectrum:
    """Eigenvalues and eigenvectors of a symmetric matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return Spectrum(values[::-1], vectors[:, ::-1])


def marchenko_pastur_edges(series: int, observations: float) -> tuple[float, float]:
    """λ∓ = (1 ∓ √(N/T))²: where eigenvalues of pure noise end, for N series and T rows.

    With T < N the lower edge belongs to the non-zero eigenvalues.
    """
    root = math.sqrt(series / observations)
    return (1.0 - root) ** 2, (1.0 + root) ** 2


def clip(correlation: Matrix, upper: float) -> Matrix:
    """The correlation matrix with all eigenvalues up to `upper` replaced by their mean.

    The trace stays; the diagonal is brought back to 1 by scaling rows and columns.
    """
    found = spectrum(correlation)
    values = found.values.copy()
    bulk = values <= upper
    if bulk.any():
        values[bulk] = values[bulk].mean()
    cleaned = (found.vectors * values) @ found.vectors.T
    deviation = np.sqrt(np.diag(cleaned))
    return np.asarray(cleaned / np.outer(deviation, deviation), dtype=np.float64)


def absorbing(series: int) -> int:
    """How many eigenvalues of so many series the absorption ratio counts: a fifth, at least one."""
    return max(1, round(series / 5))


def absorption_ratio(values: Vector, top: int = 1) -> float:
    """Share of the total variance that the `top` largest eigenvalues account for."""
    return float(np.sort(values)[::-1][:top].sum() / values.sum())


def effective_observations(memories: Sequence[Memory], n: int) -> float:
    """T/(1 + 2 Σ_k ρ̄_k): rows that independent series would need for correlations as precise.

    Parameters
    ----------
    memories : what every series remembers.
    n : rows used.

    Notes
    -----
    ρ̄_k is the autocorrelation at lag k of the products of two independent series,
    (1 − k/n) ρ_x(k) ρ_y(k), averaged over all pairs. Never more than n.
    """
    pairs = [
        variance_inflation(x, y, n) for i, x in enumerate(memories) for y in memories[:i]
    ]
    return n / max(1.0, float(np.mean(pairs))) if pairs else float(n)
