"""Ranks of series in the forms that dependence is measured on; ties share the middle rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def uniform_scores(values: Vector) -> Vector:
    """Middle rank over n + 1: in (0, 1), free of the margin's distribution."""
    from scipy.stats import rankdata

    return rankdata(values) / (len(values) + 1.0)


def normal_scores(values: Vector) -> Vector:
    """Normal quantiles of the uniform scores: information does not change, heavy tails go."""
    from scipy.special import ndtri

    return ndtri(uniform_scores(values))


def tied_share(values: Vector) -> float:
    """Share of the values that some other value equals."""
    _, number = np.unique(values, return_counts=True)
    return float(number[number > 1].sum() / len(values)) if len(values) else 0.0
