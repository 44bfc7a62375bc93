"""Who leads whom, and by how long: the lag that maximises the Hayashi–Yoshida contrast.

Estimate, bootstrap band, lead-lag ratios and what is left of the sign under errors of the clocks.
The contrast itself is in `overlap.py`.

Sources: Hoffmann, Rosenbaum and Yoshida 2013; Huth and Abergel 2014 (ratio).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.asynchrony.blocks import block_ends, seen_time
from imbalance.studies.asynchrony.overlap import blocked_contrast, blocked_variance
from imbalance.studies.asynchrony.ticks import Ticks, Times, Vector

Matrix = NDArray[np.float64]

FEWEST_BLOCKS = 20
MOST_BLOCKS = 400
"""More blocks would cost time and sharpen no band."""

BLOCK_OVER_REACH = 10
"""A block is at least this many times the longest lag: what crosses its ends stays small."""


@dataclass(frozen=True)
class LeadLag:
    """Correlation of two prices at many lags, with bootstrap replications of it."""

    lags: Times
    """ns; x leads at positive ones."""
    correlation: Vector
    """ρ(θ) = U(θ) / √(RV_x RV_y)."""
    drawn: Matrix
    """Replications of it, replications × lags."""
    ratio_lags: NDArray[np.bool_]
    """Lags of the even grid that the ratios sum over."""
    blocks: int

    @cached_property
    def best(self) -> int:
        """θ̂ = argmax |ρ(θ)|, ns; of equal ones the shortest."""
        return int(self.lags[_farthest(self.correlation[None, :], self.lags)[0]])

    @property
    def best_correlation(self) -> float:
        return float(self.correlation[np.flatnonzero(self.lags == self.best)[0]])

    @cached_property
    def drawn_best(self) -> Times:
        """θ̂ of every replication."""
        return self.lags[_farthest(self.drawn, self.lags)]

    def ratio(self, power: int = 2, clock_error: int = 0) -> float:
        """Σ_{θ > e} |ρ(θ)|^p / Σ_{θ < e} |ρ(θ)|^p: above 1 when x leads.

        Parameters
        ----------
        power : 2 as Huth and Abergel define it, 1 as the R package highfrequency does.
        clock_error : e in ns, by which the clock of y may run ahead of that of x.
        """
        return float(self._ratios(self.correlation[None, :], power, clock_error)[0])

    def drawn_ratios(self, power: int = 2) -> Vector:
        """The ratio of every replication."""
        return self._ratios(self.drawn, power, 0)

    def sign_kept(self, clock_error: int) -> float:
        """Share of replications in which the leader still leads when the clocks err against it.

        Parameters
        ----------
        clock_error : ns; the lag is taken as shorter by that much. 0 asks of sampling error alone.
        """
        side = math.copysign(1.0, self.best) if self.best else 0.0
        return float((self.drawn_best * side > clock_error).mean())

    @property
    def sign_p_value(self) -> float:
        """Two-sided p-value of θ = 0 from the replications, at least 1/(replications + 1)."""
        count = min(int((self.drawn_best <= 0).sum()), int((self.drawn_best >= 0).sum()))
        return min(1.0, (2.0 * count + 1.0) / (len(self.drawn_best) + 1.0))

    def _ratios(self, correlation: Matrix, power: int, clock_error: int) -> Vector:
        weight = np.abs(correlation) ** power
        after = weight[:, self.ratio_lags & (self.lags > clock_error)].sum(axis=1)
        before = weight[:, self.ratio_lags & (self.lags < clock_error)].sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(after / before, dtype=np.float64)


def lag_grid(reach: int, step: int, fine_reach: int = 0, fine_step: int = 1) -> Times:
    """Multiples of `step` up to ±`reach`, with multiples of `fine_step` up to ±`fine_reach`."""
    coarse = np.arange(-(reach // step), reach // step + 1, dtype=np.int64) * step
    fine = np.arange(-(fine_reach // fine_step), fine_reach // fine_step + 1, dtype=np.int64)
    return np.union1d(coarse, fine * fine_step)


def blocks_of(x: Ticks, y: Ticks, reach: int) -> Times:
    """Ends of equal blocks of the time that both were seen, each at least ten times the reach."""
    start, stop = max(int(x.times[0]), int(y.times[0])), min(int(x.times[-1]), int(y.times[-1]))
    if stop <= start:
        return np.array([start], np.int64)
    gaps = np.concatenate([x.gaps, y.gaps])
    blocks = min(seen_time(start, stop, gaps) // (BLOCK_OVER_REACH * max(reach, 1)), MOST_BLOCKS)
    return block_ends(start, stop, gaps, max(blocks, 1))


def lead_lag(
    x: Ticks,
    y: Ticks,
    lags: Times,
    step: int,
    *,
    replications: int,
    seed: int,
) -> LeadLag:
    """Estimate the lead of x over y with a block bootstrap.

    Parameters
    ----------
    x, y : ticks of the same window.
    lags : ns, increasing, from −reach to reach.
    step : ns; the ratios sum over the lags that are multiples of it, so that a finer grid about
        0 does not count for more.
    replications, seed : of the bootstrap.

    Raises
    ------
    ValueError : if a price does not move in the window, or the window holds fewer than
        `FEWEST_BLOCKS` blocks.

    Notes
    -----
    U and the realised variances are split into blocks of time; a replication draws as many blocks
    with replacement and forms ρ*(θ) at all lags from the same draw. The argmax has no normal limit,
    so that its band is percentiles and as coarse as the grid.
    """
    if min(len(x), len(y)) < 2 or x.variance <= 0.0 or y.variance <= 0.0:
        raise ValueError("a price that does not move has no lead")
    edges = blocks_of(x, y, int(np.abs(lags).max()))
    if len(edges) < FEWEST_BLOCKS:
        raise ValueError(f"{len(edges)} blocks, fewer than {FEWEST_BLOCKS}")
    covariance = blocked_contrast(x, y, lags, edges)
    variances = np.column_stack([blocked_variance(x, edges), blocked_variance(y, edges)])
    scale = math.sqrt(x.variance * y.variance)
    weights = np.random.default_rng(seed).multinomial(
        len(edges), np.full(len(edges), 1.0 / len(edges)), replications
    ).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt((weights @ variances).prod(axis=1, keepdims=True))
        drawn = np.where(spread > 0.0, weights @ covariance / spread, 0.0)
    return LeadLag(
        lags=lags,
        correlation=covariance.sum(axis=0) / scale,
        drawn=drawn,
        ratio_lags=lags % step == 0,
        blocks=len(edges),
    )


def _farthest(correlation: Matrix, lags: Times) -> NDArray[np.intp]:
    """Column of the largest absolute value in every row; of equal ones the lag nearest 0."""
    order = np.argsort(np.abs(lags), kind="stable")
    return order[np.argmax(np.abs(correlation[:, order]), axis=1)]
