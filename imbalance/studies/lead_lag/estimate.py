"""Who leads whom, and by how long: the lag that maximises the Hayashi–Yoshida contrast.

Estimate, bootstrap band, lead-lag ratios and what is left of the sign under errors of the clocks.
The contrast itself is in `overlap.py`.

Sources: Hoffmann, Rosenbaum and Yoshida 2013; Huth and Abergel 2014 (ratio).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

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

    @cached_property
    def asymmetry(self) -> float:
        """Mean of ρ(θ) over positive lags of the even grid less that over negative ones."""
        return float(self.correlation @ asymmetry_weights(self.lags, self.ratio_lags))

    @cached_property
    def drawn_asymmetry(self) -> Vector:
        """The asymmetry of every replication."""
        return np.asarray(self.drawn @ asymmetry_weights(self.lags, self.ratio_lags))

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
        return two_sided(self.drawn_best)

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


def two_sided(drawn: NDArray[Any]) -> float:
    """p-value of 0 from replications: twice the fewer of those on one side of it or at it."""
    count = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return min(1.0, (2.0 * count + 1.0) / (len(drawn) + 1.0))


def asymmetry_weights(lags: Times, even: NDArray[np.bool_]) -> Vector:
    """Of each ρ(θ) in the asymmetry."""
    side = np.where(even, np.sign(lags), 0).astype(np.float64)
    return side / max((side > 0.0).sum(), 1)


def blocks_of(x: Ticks, y: Ticks, reach: int) -> Times:
    """Ends of equal blocks of the time that both were seen, each at least ten times the reach."""
    start, stop = max(int(x.times[0]), int(y.times[0])), min(int(x.times[-1]), int(y.times[-1]))
    if stop <= start:
        return np.array([start], np.int64)
    gaps = np.concatenate([x.gaps, y.gaps])
    blocks = min(seen_time(start, stop, gaps) // (BLOCK_OVER_REACH * max(reach, 1)), MOST_BLOCKS)
    return block_ends(start, stop, gaps, max(blocks, 1))


@dataclass(frozen=True)
class Blocks:
    """The contrast and both realised variances of a pair, by blocks of time."""

    lags: Times
    """ns; x leads at positive ones."""
    ratio_lags: NDArray[np.bool_]
    """Lags of the even grid."""
    starts: Times
    """Start of each block, ns."""
    ends: Times
    covariance: Matrix
    """U(θ), blocks × lags."""
    variances: Matrix
    """Of x and y, blocks × 2."""

    def estimate(
        self, replications: int, seed: int | Sequence[int], chosen: NDArray[np.bool_] | None = None
    ) -> LeadLag:
        """The lead over all blocks or the chosen ones, drawn again block by block.

        Raises
        ------
        ValueError : if a price does not move in them.
        """
        every = np.ones(len(self.ends), np.bool_) if chosen is None else chosen
        covariance, variances = self.covariance[every], self.variances[every]
        total = variances.sum(axis=0)
        if not len(covariance) or total.min() <= 0.0:
            raise ValueError("a price that does not move has no lead")
        weights = np.random.default_rng(seed).multinomial(
            len(covariance), np.full(len(covariance), 1.0 / len(covariance)), replications
        ).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = np.sqrt((weights @ variances).prod(axis=1, keepdims=True))
            drawn = np.where(spread > 0.0, weights @ covariance / spread, 0.0)
        return LeadLag(
            lags=self.lags,
            correlation=covariance.sum(axis=0) / math.sqrt(total.prod()),
            drawn=drawn,
            ratio_lags=self.ratio_lags,
            blocks=len(covariance),
        )


def split(x: Ticks, y: Ticks, lags: Times, step: int) -> Blocks:
    """Contrast and variances of a pair by blocks of the time that both were seen.

    Parameters
    ----------
    x, y : ticks of the same window.
    lags : ns, increasing, from −reach to reach.
    step : ns; ratios and asymmetry sum over the lags that are multiples of it, so that a finer grid
        about 0 does not count for more.

    Raises
    ------
    ValueError : if a price does not move in the window, or the window holds fewer than
        `FEWEST_BLOCKS` blocks.
    """
    if min(len(x), len(y)) < 2 or x.variance <= 0.0 or y.variance <= 0.0:
        raise ValueError("a price that does not move has no lead")
    ends = blocks_of(x, y, int(np.abs(lags).max()))
    if len(ends) < FEWEST_BLOCKS:
        raise ValueError(f"{len(ends)} blocks, fewer than {FEWEST_BLOCKS}")
    return Blocks(
        lags, lags % step == 0,
        np.concatenate([[max(int(x.times[0]), int(y.times[0]))], ends[:-1]]), ends,
        blocked_contrast(x, y, lags, ends),
        np.column_stack([blocked_variance(x, ends), blocked_variance(y, ends)]),
    )


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
    x, y, lags, step : as `split` takes them.
    replications, seed : of the bootstrap.

    Raises
    ------
    ValueError : as `split` does.

    Notes
    -----
    U and the realised variances are split into blocks of time; a replication draws as many blocks
    with replacement and forms ρ*(θ) at all lags from the same draw. The argmax has no normal limit,
    so that its band is percentiles and as coarse as the grid.
    """
    return split(x, y, lags, step).estimate(replications, seed)


def _farthest(correlation: Matrix, lags: Times) -> NDArray[np.intp]:
    """Column of the largest absolute value in every row; of equal ones the lag nearest 0."""
    order = np.argsort(np.abs(lags), kind="stable")
    return order[np.argmax(np.abs(correlation[:, order]), axis=1)]
