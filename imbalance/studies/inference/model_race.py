"""Whether the best of many models beats a benchmark, after looking at all of them.

White's reality check, Hansen's test of superior predictive ability and the stepwise selection of
Romano and Wolf, on one set of bootstrap draws. Which losses are compared is the study's business.

Sources: White 2000; Hansen 2005; Romano and Wolf 2005. Checked against `arch.bootstrap.SPA` and
`StepM` on the same draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.inference.resampling import Blocks, bootstrap_means

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Race:
    """Outcome of a race of models against a benchmark."""

    statistic: float
    """The largest mean gain, studentised if asked for."""
    lower: float
    """p-value when models worse than the benchmark count as equal to it only if they are better."""
    consistent: float
    """p-value of Hansen's test."""
    upper: float
    """p-value when every model counts as equal to the benchmark; White's without studentising."""
    better: tuple[int, ...]
    """Models that beat the benchmark by the stepwise selection, in order of their number."""


def race(
    gains: Matrix, blocks: Blocks, *, significance: float = 0.05, studentised: bool = True
) -> Race:
    """Test whether any model does better than the benchmark.

    Parameters
    ----------
    gains : T × models: loss of the benchmark less loss of the model, in time order, complete.
    blocks : the bootstrap draws of T rows (`draw_blocks`, stationary); from their mean length
        follows the long-run variance of the gains.
    significance : family-wise error rate of the stepwise selection.
    studentised : divide gains by their long-run standard deviation (Hansen); False is White's.

    Notes
    -----
    Draws are centred at 0 for a model whose mean gain is below −ω √(2 ln ln T / T) (consistent),
    below 0 (lower), or never (upper), and at its mean gain otherwise. p-values are
    (1 + draws at or above the statistic) / (draws + 1), so that none is 0.
    """
    periods = len(gains)
    mean = gains.mean(axis=0)
    deviation = np.sqrt(np.maximum(_long_run_variance(gains - mean, blocks.length), 0.0))
    scale = np.where(deviation > 0.0, deviation, np.inf) if studentised else np.ones(len(mean))
    spread = np.where(deviation > 0.0, deviation, 1.0)
    # Centred and scaled for the running sums, which then lose nothing.
    change = bootstrap_means((gains - mean) / spread, blocks) * spread
    bound = -deviation * np.sqrt(2.0 * np.log(np.log(periods)) / periods)
    relevant = {"lower": mean >= 0.0, "consistent": mean >= bound, "upper": mean >= -np.inf}
    observed = mean / scale
    simulated = {
        name: (change + np.where(counts, 0.0, mean)) / scale for name, counts in relevant.items()
    }
    statistic = float(observed.max())
    found = {
        name: float((1 + (values.max(axis=1) >= statistic).sum()) / (len(values) + 1))
        for name, values in simulated.items()
    }
    better = _stepwise(observed, simulated["consistent"], significance)
    return Race(statistic, found["lower"], found["consistent"], found["upper"], better)


def _stepwise(observed: Matrix, simulated: Matrix, significance: float) -> tuple[int, ...]:
    """Models above the critical value of the largest of those not yet selected, until none is."""
    left = np.ones(len(observed), dtype=np.bool_)
    while left.any():
        critical = np.quantile(simulated[:, left].max(axis=1), 1.0 - significance)
        new = left & (observed > critical)
        if not new.any():
            break
        left &= ~new
    return tuple(np.flatnonzero(~left).tolist())


def _long_run_variance(centred: Matrix, mean_length: float) -> Matrix:
    """Variance of √T × mean under the stationary bootstrap (Politis and Romano 1994).

    Σ_i κ_i γ_i, κ_i = (1 − i/T)(1 − p)^i + (i/T)(1 − p)^{T−i} with p one over the mean length.
    """
    from scipy import fft

    periods = len(centred)
    size = fft.next_fast_len(2 * periods, real=True)
    spectrum = np.abs(fft.rfft(centred, size, axis=0)) ** 2
    covariance = fft.irfft(spectrum, size, axis=0)[:periods] / periods
    i = np.arange(1, periods)
    keep = 1.0 - 1.0 / mean_length
    kappa = (1.0 - i / periods) * keep**i + (i / periods) * keep ** (periods - i)
    return np.asarray(covariance[0] + 2.0 * kappa @ covariance[1:])
