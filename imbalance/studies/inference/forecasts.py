"""How good forecasts are out of sample, and whether one nested in the other is beaten.

Sources: Campbell and Thompson 2008 (R² out of sample); Clark and West 2007; Newey and West 1994.
Which of many models is best is judged in `model_race`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.covariance import long_run_variance
from imbalance.studies.inference.block_length import optimal_block_length
from imbalance.studies.inference.resampling import (
    Blocks,
    Scheme,
    bootstrap_means,
    draw_blocks,
)

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Accuracy:
    """R² out of sample of each model, and of every replication of the bootstrap."""

    r_squared: Matrix
    draws: Matrix
    """Replications × models; differences of columns are draws of differences."""


@dataclass(frozen=True)
class MeanTest:
    """A mean with its HAC error, and the one-sided p-value of its not being above 0.

    The p-value is NaN where the mean is above 0 and nothing varies: one value tests nothing.
    """

    mean: float
    standard_error: float
    p_value: float


def loss_blocks(
    losses: Matrix, replications: int, seed: int, scheme: Scheme = "stationary"
) -> Blocks:
    """Blocks of a bootstrap for n × models losses, as long as the first and the last one ask.

    Races need the stationary bootstrap; intervals do as well with moving blocks, which are drawn
    at a fraction of the cost.
    """
    chosen = (optimal_block_length(losses[:, one]) for one in (0, -1))
    length = max(one.stationary if scheme == "stationary" else one.moving for one in chosen)
    return draw_blocks(len(losses), length, replications, seed, scheme)


def accuracy(losses: Matrix, benchmark: Matrix, blocks: Blocks) -> Accuracy:
    """R² of models against a benchmark: 1 − Σ loss / Σ loss of the benchmark.

    Parameters
    ----------
    losses : n × models, squared errors in time order.
    benchmark : n, squared errors of the mean of what was fitted on.
    """
    stacked = np.column_stack([benchmark, losses]) / benchmark.mean()
    mean = stacked.mean(axis=0)
    drawn = bootstrap_means(stacked - mean, blocks) + mean
    return Accuracy(1.0 - mean[1:] / mean[0], 1.0 - drawn[:, 1:] / drawn[:, :1])


def clark_west(small: Matrix, large: Matrix, gap: Matrix, overlap: int = 0) -> MeanTest:
    """Whether a model beats one that is nested in it, one-sided.

    Parameters
    ----------
    small, large : n forecast errors of the nested model and of the one that holds it.
    gap : n differences of the two forecasts.
    overlap : bars that targets share with their neighbours, over which errors are correlated.

    Notes
    -----
    The mean of e_s² − (e_l² − gap²): what the larger model must lose by estimating coefficients
    that are 0 is given back. Source: Clark and West 2007, eq. 3.1.
    """
    return mean_test(small**2 - large**2 + gap**2, overlap)


def mean_test(values: Matrix, overlap: int = 0) -> MeanTest:
    """A mean against 0 from above, with HAC error (Newey and West 1994) over `overlap` or more."""
    from scipy.special import ndtr

    mean = float(values.mean())
    found = long_run_variance((values - mean)[:, None])
    if found.bandwidth < overlap:
        found = long_run_variance((values - mean)[:, None], bandwidth=overlap)
    variance = found.matrix[0, 0] / len(values)
    error = float(np.sqrt(max(variance, 0.0)))
    if not error > 0.0:
        return MeanTest(mean, error, 1.0 if mean <= 0.0 else float("nan"))
    return MeanTest(mean, error, float(ndtr(-mean / error)))
