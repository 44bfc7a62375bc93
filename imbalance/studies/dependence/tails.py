"""Tail dependence and quantile dependence, counted from ranks, with intervals.

Parametric copulas are in `copulas.py`.

Sources: Joe 1997 and Schmidt and Stadtmüller 2006 (tail dependence); Fermanian, Radulović and
Wegkamp 2004 (influence of estimated margins); Han, Linton, Oka and Whang 2016 (quantilogram);
Korn and Graubard 1998 (exact interval at the effective number).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.covariance import long_run_variance

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]
Side = Literal["lower", "upper"]

FEWEST_TAIL_BARS = 10
"""Bars that a tail must hold to be looked at."""


@dataclass(frozen=True)
class Share:
    """An estimate made of a share of pairs, with its uncertainty."""

    value: float
    standard_error: float
    low: float
    high: float
    n_effective: float
    """Independent tail bars which would give the same standard error."""


def tail_masks(u: Vector, v: Vector, level: float, side: Side) -> tuple[Mask, Mask]:
    """Where each of two rank series is in its tail of the given probability."""
    if side == "lower":
        return u <= level, v <= level
    return u >= 1.0 - level, v >= 1.0 - level


def tail_dependence(u: Vector, v: Vector, level: float, side: Side, significance: float) -> Share:
    """λ(q): how probable the tail of one is in the tail of the other.

    Parameters
    ----------
    u, v : uniform scores of n pairs in time order.
    level : q, the probability of the tail.
    side : which tail.
    significance : 0.05 for a 95 % interval.

    Notes
    -----
    λ_L(q) = P(U ≤ q, V ≤ q)/q, likewise above 1 − q. Independence gives q, not 0. The standard
    error is the HAC one of the influence 1(U ≤ q, V ≤ q) − C₁ 1(U ≤ q) − C₂ 1(V ≤ q), in which C₁
    and C₂, the slopes of the copula, stand for the ranks being estimated. The interval is Clopper
    and Pearson's at the number of tail bars over the design effect, HAC over binomial variance,
    if that is above 1.
    """
    from scipy.special import betaincinv

    n = len(u)
    tail = 0.5 * float(sum(mask.sum() for mask in tail_masks(u, v, level, side)))
    share, influence = tail_share(u, v, level, side)
    variance = long_run_variance(influence[:, None]).matrix[0, 0] / n
    error = float(np.sqrt(max(variance, 0.0)))
    effective = tail
    if 0.0 < share < 1.0:
        effective = tail / max(1.0, error**2 * tail / (share * (1.0 - share)))
    hits = share * effective
    low = betaincinv(hits, effective - hits + 1.0, significance / 2.0) if hits > 0.0 else 0.0
    high = (
        betaincinv(hits + 1.0, effective - hits, 1.0 - significance / 2.0)
        if effective > hits else 1.0
    )
    return Share(share, error, float(low), float(high), effective)


def tail_share(u: Vector, v: Vector, level: float, side: Side) -> tuple[float, Vector]:
    """λ(q), and the influence of every pair on it, of mean 0; see `tail_dependence`."""
    in_x, in_y = tail_masks(u, v, level, side)
    tail = 0.5 * float(in_x.sum() + in_y.sum())
    influence = (in_x & in_y) - _slope(u, in_y, level, side) * in_x - _slope(
        v, in_x, level, side) * in_y
    share = min(float((in_x & in_y).sum()) / tail, 1.0)
    return share, np.asarray((influence - influence.mean()) * len(u) / tail)


def tail_refusal(masks: tuple[Mask, Mask], level: float, n: int) -> str | None:
    """Why tails of that level cannot be looked at; None where they can."""
    tail = min(level, 1.0 - level)
    if n * tail < FEWEST_TAIL_BARS:
        return "too_few_tail_bars"
    # A tie that reaches over the edge of the tail makes it much larger or smaller than it is to be.
    for mask in masks:
        held = min(float(mask.mean()), 1.0 - float(mask.mean()))
        if abs(held - tail) > 0.5 * tail:
            return "heavily_tied"
    return None


def quantilogram(u: Vector, v: Vector, level: float, significance: float) -> Share:
    """Correlation of being below one's quantile of that level.

    Notes
    -----
    ρ_τ = (P(U ≤ τ, V ≤ τ) − τ²)/(τ(1−τ)): 0 when the quantiles have nothing to do with each other,
    whatever the rest of the distributions does. Influence and standard error as in
    `tail_dependence`; normal interval.
    """
    from scipy.special import ndtri

    below_x, below_y = u <= level, v <= level
    n = len(u)
    spread = float(below_x.std() * below_y.std())
    value = float(np.mean((below_x - below_x.mean()) * (below_y - below_y.mean()))) / spread
    value = min(max(value, -1.0), 1.0)  # rounding must not put it beyond the ends of its interval
    influence = (below_x & below_y) - _slope(u, below_y, level, "lower") * below_x - _slope(
        v, below_x, level, "lower") * below_y
    variance = long_run_variance((influence - influence.mean())[:, None]).matrix[0, 0] / n
    error = float(np.sqrt(max(variance, 0.0))) / spread
    half = float(ndtri(1.0 - significance / 2.0)) * error
    effective = min(float(n), (1.0 - value**2) / error**2) if error > 0.0 else float(n)
    return Share(value, error, max(value - half, -1.0), min(value + half, 1.0), effective)


def _slope(own: Vector, other_in: Mask, level: float, side: Side) -> float:
    """P(other in its tail | own at the edge of its tail), from the pairs nearest to the edge."""
    edge = level if side == "lower" else 1.0 - level
    near = np.abs(own - edge) <= min(level, 1.0 / np.sqrt(len(own)))
    return float(other_in[near].mean()) if near.any() else 0.0


def shift_p_value(in_x: Mask, in_y: Mask, least: int, *, two_sided: bool) -> float:
    """Share of all circular shifts under which the masks meet as often as they do.

    Parameters
    ----------
    least : smallest shift, in both directions.
    two_sided : whether meeting too seldom counts as well.

    Notes
    -----
    The numbers for all shifts are one circular correlation, so that every shift is used and none
    is drawn.
    """
    from scipy import fft

    a, b = fft.rfft(in_x.astype(np.float64)), fft.rfft(in_y.astype(np.float64))
    meetings = np.rint(fft.irfft(a.conj() * b, len(in_x)))
    if two_sided:
        meetings = np.abs(meetings - in_x.sum() * in_y.sum() / len(in_x))
    shifted = meetings[least : len(in_x) - least + 1]
    return float((1 + (shifted >= meetings[0]).sum()) / (1 + len(shifted)))
