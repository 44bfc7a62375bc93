"""Linear shrinkage of a sample covariance towards a multiple of the identity.

Sources: Ledoit and Wolf 2004; Chen, Wiesel, Eldar and Hero 2010 (oracle approximating).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Shrunk:
    """(1 − δ) S + δ μ I."""

    covariance: Matrix
    intensity: float
    """δ in [0, 1]: 0 keeps the sample, 1 keeps only its mean variance μ."""


def sample_covariance(rows: Matrix) -> Matrix:
    """S = X'X / n of centred rows."""
    centred = rows - rows.mean(axis=0)
    return np.asarray(centred.T @ centred / len(rows), dtype=np.float64)


def ledoit_wolf(rows: Matrix) -> Shrunk:
    """Shrinkage with the intensity that minimises the expected squared error, n × instruments.

    Notes
    -----
    δ = min(b², d²)/d² with d² = ‖S − μI‖²/p and b² = 1/(p n²) Σ_t ‖x_t x_t' − S‖². Rows are taken
    as independent: under autocorrelation δ is too small.
    """
    n, p = rows.shape
    sample = sample_covariance(rows)
    mean = np.trace(sample) / p
    centred = rows - rows.mean(axis=0)
    squares = np.square(centred, out=centred).sum(axis=1)
    distance = np.square(sample).sum() / p - mean**2
    error = (np.square(squares).mean() - np.square(sample).sum()) / (n * p)
    return _shrink(sample, min(error, distance) / distance if distance > 0.0 else 1.0)


def oracle_approximating(rows: Matrix) -> Shrunk:
    """Shrinkage for normal rows, better than Ledoit–Wolf when n is of the order of p.

    Notes
    -----
    δ = min(1, (s̄ + μ²) / ((n + 1)(s̄ − μ²/p))) with s̄ the mean square of the entries of S.
    """
    n, p = rows.shape
    sample = sample_covariance(rows)
    mean = np.trace(sample) / p
    square = float(np.square(sample).mean())
    distance = (n + 1.0) * (square - mean**2 / p)
    return _shrink(sample, min(1.0, (square + mean**2) / distance) if distance > 0.0 else 1.0)


def to_correlation(covariance: Matrix) -> Matrix:
    """Covariance over the product of the standard deviations."""
    deviation = np.sqrt(np.diag(covariance))
    return np.asarray(covariance / np.outer(deviation, deviation), dtype=np.float64)


def _shrink(sample: Matrix, intensity: float) -> Shrunk:
    mean = np.trace(sample) / len(sample)
    shrunk = (1.0 - intensity) * sample + intensity * mean * np.eye(len(sample))
    return Shrunk(np.asarray(shrunk, dtype=np.float64), float(intensity))
