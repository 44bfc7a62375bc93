"""Bootstrap intervals of single correlations, beside those of the standard error.

Pairs of bars are drawn in moving blocks. Pearson's correlation is made of means, so that each
replication is exact; those of ranks are taken to first order, by the influence of each pair.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.correlation.estimators import (
    Estimator,
    pearson_influence,
    rank_influence,
)
from imbalance.studies.inference.block_length import optimal_block_length
from imbalance.studies.inference.resampling import (
    Blocks,
    bootstrap_means,
    draw_blocks,
    percentile_interval,
)

Vector = NDArray[np.float64]

_ROUNDING = 1e-12
"""Share of a mean square below which a variance is nothing but rounding."""


@dataclass(frozen=True)
class BootstrapInterval:
    """Percentiles of the bootstrap, and the length of its blocks in pairs of bars."""

    low: float
    high: float
    block_length: int


def bootstrap_interval(
    estimator: Estimator, x: Vector, y: Vector, *, replications: int, seed: int,
    significance: float,
) -> BootstrapInterval | None:
    """Interval of the correlation of two series, pair by pair; None where it has no estimate.

    Parameters
    ----------
    x, y : series of equal length, already shifted against each other; NaN where missing.

    Notes
    -----
    Blocks are as long as Politis and White find for the influence values, and at least n^{1/3}.
    Missing pairs are taken out first, so that a block may reach over a gap: leaving such blocks out
    would draw too much from long stretches. For ranks a replication is
    tanh(atanh r + mean ψ*/(1 − r²)).
    """
    r, psi = (
        pearson_influence(x, y) if estimator == "pearson" else rank_influence(estimator, x, y)
    )
    there = np.isfinite(psi)
    n = int(there.sum())
    if not abs(r) < 1.0:
        return None
    length = math.ceil(max(optimal_block_length(psi).moving, n ** (1.0 / 3.0)))
    blocks = _blocks(n, length, replications, seed)
    if estimator == "pearson":
        draws = _pearson_draws(x[there], y[there], blocks)
    else:
        moved = bootstrap_means(psi[there][:, None], blocks)[:, 0]
        draws = np.tanh(math.atanh(r) + moved / (1.0 - r * r))
    low, high = percentile_interval(draws[np.isfinite(draws)], significance)
    return BootstrapInterval(float(low), float(high), length)


@lru_cache(maxsize=8)
def _blocks(n: int, length: int, replications: int, seed: int) -> Blocks:
    return draw_blocks(n, length, replications, seed)


def _pearson_draws(x: Vector, y: Vector, blocks: Blocks) -> Vector:
    u, v = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    mu, mv, uu, vv, uv = bootstrap_means(np.column_stack([u, v, u * u, v * v, u * v]), blocks).T
    of_u, of_v = uu - mu * mu, vv - mv * mv
    # A replication that drew one value only has no correlation; its variances are what rounding
    # leaves of a difference. Of few values it may be 1, and rounding must not lift it above.
    spread = (of_u > _ROUNDING * uu) & (of_v > _ROUNDING * vv)
    found = (uv - mu * mv) / np.sqrt(np.where(spread, of_u * of_v, np.nan))
    return np.asarray(np.clip(found, -1.0, 1.0))
