"""Correlation matrices by state of the market, and of every replication of a bootstrap.

Sums over blocks of time are made once; a replication draws blocks, so that memory does not grow
with the bars. Sources: Carlstein 1986 (blocks side by side); Choueifaty and Coignard 2008 (the
diversification ratio); Longin and Solnik 2001 and Ang and Chen 2002 (correlations in tails, which
selection alone changes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.inference.block_length import optimal_block_length
from imbalance.studies.inference.resampling import bootstrap_means, draw_blocks
from imbalance.studies.prepared_series import forward_sum

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_VARIANCE = 1e-12
"""Of a return standardised over the window; with less it stands still and has no correlation."""
MOST_BLOCKS = 500
LEAST_BLOCKS = 10
_ROWS_AT_A_TIME = 4_096


@dataclass(frozen=True)
class Correlations:
    """Correlation matrices of a state: of the sample, and of the replications (first axis)."""

    sample: Matrix
    draws: Matrix
    covariance: Matrix
    """Of the sample, for returns standardised over the whole window."""
    covariance_draws: Matrix
    n: int
    blocks: int
    """That a replication draws."""


def standardised(returns: Matrix) -> Matrix:
    """Columns with mean 0 and deviation 1."""
    return np.asarray((returns - returns.mean(axis=0)) / returns.std(axis=0))


def states(market: Vector, memory: int, tail: float) -> dict[str, Mask]:
    """Bars of each state of the market.

    Parameters
    ----------
    market : mean of the standardised returns, in time order; NaN is missing.
    memory : bars before each, over which volatility is the root mean square of the market.
    tail : share of the bars in each tail.

    Notes
    -----
    Calm and stress are told by what was before the bar, so that no selection of the bar's own
    return makes its correlations. The tails are selected by it, and have their own benchmark.
    """
    before = np.full(len(market), np.nan)
    if memory < len(market):
        before[memory:] = forward_sum(np.square(market), memory)[:-memory]
    found = {"all": np.isfinite(market)}
    known = np.isfinite(before) & np.isfinite(market)
    with np.errstate(invalid="ignore"):
        if known.any():
            low, high = np.quantile(before[known], [1.0 / 3.0, 2.0 / 3.0])
            found["calm"], found["stressed"] = known & (before <= low), known & (before > high)
        if found["all"].any():
            bottom, top = np.nanquantile(market, [tail, 1.0 - tail])
            found["lower_tail"], found["upper_tail"] = market <= bottom, market >= top
    return found


def by_state(
    z: Matrix, masks: Mapping[str, Mask], least: int, replications: int, seed: int
) -> dict[str, Correlations] | None:
    """Correlations of each state with at least so many bars; None for too few blocks.

    States in which an instrument stands still are left out: it has no correlation there.

    Parameters
    ----------
    z : n × N standardised returns, complete, in time order.
    masks : n each, by state.
    """
    n, k = z.shape
    market = np.abs(z.mean(axis=1))
    length = max(int(np.ceil(optimal_block_length(market).moving)), -(-n // MOST_BLOCKS))
    count = n // length
    if count < LEAST_BLOCKS:
        return None
    blocks = draw_blocks(count, 1.0, replications, seed)
    upper = np.triu_indices(k)
    found = {}
    for name, mask in masks.items():
        if mask.sum() < least:
            continue
        rows = z[mask]
        if (rows.var(axis=0) <= LEAST_VARIANCE).any():
            continue
        drawn = _covariances(
            bootstrap_means(_block_sums(z, mask, upper, length, count), blocks), k, upper)
        covariance = np.cov(rows.T, bias=True)
        found[name] = Correlations(
            _normalised(covariance), _normalised(drawn), covariance, drawn, len(rows), count)
    return found


def _block_sums(
    z: Matrix, mask: Mask, upper: tuple[NDArray[np.intp], ...], length: int, count: int
) -> Matrix:
    """Sums of (bars, returns, their products) over each block of bars of a state.

    Some blocks at a time, since there are more products than returns. Bars that fill no block are
    left to the sample; the last block is never shorter.
    """
    sums = []
    together = max(1, _ROWS_AT_A_TIME // length)
    for first in range(0, count, together):
        blocks = min(together, count - first)
        rows = slice(first * length, (first + blocks) * length)
        kept = np.where(mask[rows, None], z[rows], 0.0)
        pairs = kept[:, upper[0]] * kept[:, upper[1]]
        columns = np.column_stack([mask[rows], kept, pairs])
        sums.append(np.add.reduceat(columns, np.arange(blocks) * length, axis=0))
    return np.concatenate(sums)


def _covariances(sums: Matrix, k: int, upper: tuple[NDArray[np.intp], ...]) -> Matrix:
    """Covariances from rows of (bars, sums, sums of products); NaN where a draw has no bar."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums[:, 1:] / sums[:, :1]
    first, second = upper
    out = np.empty((len(sums), k, k))
    values = means[:, k:] - means[:, first] * means[:, second]
    out[:, first, second] = values
    out[:, second, first] = values
    return out


def _normalised(covariances: Matrix) -> Matrix:
    """Correlations; NaN for what does not vary."""
    variances = np.einsum("...ii->...i", covariances)
    spread = np.sqrt(np.where(variances > LEAST_VARIANCE, variances, np.nan))
    scaled = covariances / (spread[..., :, None] * spread[..., None, :])
    return np.asarray(np.clip(scaled, -1.0, 1.0))


def diversification_ratio(correlations: Matrix) -> Vector:
    """N / √(1'R1): weighted volatilities over the portfolio's, weights one over volatility.

    1 without any diversification, √N for independent assets; its square is the number of
    independent bets. Source: Choueifaty and Coignard 2008.
    """
    total = correlations.sum(axis=(-2, -1))
    return np.asarray(correlations.shape[-1] / np.sqrt(np.maximum(total, 1e-12)))


def market_variance(covariance: Matrix) -> Any:
    """Variance of the mean of all: one, or one a replication."""
    return covariance.mean(axis=(-2, -1))


def in_a_tail(covariance: Matrix, market_variance_ratio: float | Vector) -> Matrix:
    """Correlations that normal returns have where the mean of all is in a tail.

    Parameters
    ----------
    covariance : over all bars; one, or one a replication.
    market_variance_ratio : variance of the mean in the tail over that in all bars, for each.

    Notes
    -----
    Given m, normal returns vary by Σ − bb' with b = cov(z, m)/sd(m), and the part along m has the
    variance of m that is left: Σ − (1 − v) bb'.
    """
    with_market = covariance.mean(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        b = with_market / np.sqrt(with_market.mean(axis=-1, keepdims=True))
    gone = np.asarray(1.0 - market_variance_ratio)[..., None, None]
    return _normalised(covariance - gone * b[..., :, None] * b[..., None, :])
