"""Significance by circular shifts: how large a statistic is when x and y have nothing to say.

Shifting one series against the other keeps what each remembers of itself, all values and all
ties, and breaks only what joins the two; shuffling would break the memory too and call persistent
series dependent. What is computed for every shift is the caller's business.

Sources: Politis and Romano 1992 (circular blocks; here the block is the series); Davison and
Hinkley 1997, ch. 4 (p-value with one added); Knijnenburg, Wessels, Reinders and Shmulevich 2009
(generalised Pareto tail); Hosking and Wallis 1987 (its moments).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

_ENOUGH_ABOVE = 10
"""Surrogates above the observed value from which their share alone gives the p-value."""

_SMALLEST = 1e-6
"""A tail fitted to some dozens of surrogates vouches for no smaller p-value."""


@dataclass(frozen=True)
class Significance:
    """How an observed value stands among its surrogates."""

    p_value: float
    tail_fitted: bool
    """Whether the p-value comes from a generalised Pareto tail and not from counting."""
    mean: float
    """Mean of the surrogates: what the estimator finds where there is nothing."""


def shortest_shift(n: int) -> int:
    """Shifts nearer to none than this are not drawn: a twentieth of the pairs, at least 10."""
    return max(10, n // 20)


def circular_shifts(n: int, wanted: int, seed: int) -> NDArray[np.int64]:
    """Distinct shifts of n pairs, at least `shortest_shift` from none; fewer when n has no more."""
    nearest = shortest_shift(n)
    choices = np.arange(nearest, n - nearest + 1)
    generator = np.random.default_rng(seed)
    return generator.permutation(choices)[:wanted].astype(np.int64)


def significance(observed: float, surrogates: Vector, independent: float) -> Significance:
    """One-sided p-value of a value that is large under dependence.

    Parameters
    ----------
    observed : the statistic without a shift.
    surrogates : the statistic under each shift.
    independent : independent pairs that the n pairs are worth.

    Notes
    -----
    (1 + number of surrogates at or above it)/(1 + number of surrogates) when ten or more are, or
    when there are not four independent pairs to a surrogate: neighbouring shifts of persistent
    series give nearly the same value, and a tail fitted to repetitions promises too much (AR(1),
    φ = 0.9, n = 400: one p-value in 300 came out at 3e-5). Otherwise a generalised Pareto
    distribution is fitted by probability-weighted moments to the excesses of the upper quarter
    over their threshold u: p = ¼ (1 + ξ(v − u)/σ)^{−1/ξ}. A shape below 0, which would set an end
    to the distribution and make p-values of 0, is taken as 0 (exponential tail).
    """
    count = len(surrogates)
    mean = float(surrogates.mean())
    above = int((surrogates >= observed).sum())
    if above >= _ENOUGH_ABOVE or independent < 4 * count or count < 4 * _ENOUGH_ABOVE:
        return Significance((1.0 + above) / (1.0 + count), False, mean)
    ordered = np.sort(surrogates)
    tail = count // 4
    threshold = 0.5 * (ordered[-tail - 1] + ordered[-tail])
    excess = ordered[-tail:] - threshold
    first = float(excess.mean())
    second = float(np.mean((1.0 - (np.arange(1, tail + 1) - 0.35) / tail) * excess))
    # Hosking and Wallis, whose k is minus the shape; a₀ > 2a₁ for every distribution.
    shape = 2.0 - first / (first - 2.0 * second) if first > 2.0 * second else 0.0
    if shape > 0.0:
        scale = 2.0 * first * second / (first - 2.0 * second)
        beyond = (1.0 + shape * (observed - threshold) / scale) ** (-1.0 / shape)
    else:
        beyond = np.exp(-(observed - threshold) / first) if first > 0.0 else 0.0
    p_value = tail / count * beyond
    return Significance(float(min(max(p_value, _SMALLEST), 1.0)), True, mean)
