"""Bootstrap of least-squares systems by blocks of scores: what intervals of ratios are made from.

A replication weights blocks of time instead of drawing residuals onto a fixed design, so that it
costs as much as there are blocks, and keeps what the size of a shock has to do with the regressors.
Bands of impulse responses are in `bootstrap.py`.

Sources: Carlstein 1986 (blocks that do not overlap); Kline and Santos 2012 (scores); Hall, Horowitz
and Jing 1995 (block length).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Positions = NDArray[np.intp]


@dataclass(frozen=True)
class BlockSums:
    """Sums over B blocks of time; blocks without rows are left out."""

    scores: Matrix
    """Σ x_t u_t', B × m × k."""
    squares: Matrix
    """Σ u_t u_t', B × k × k."""
    rows: NDArray[np.int64]
    """Observations in each."""
    length: int
    """Slots of a block."""


@dataclass(frozen=True)
class Draws:
    """Replications of coefficients and residual covariance."""

    beta: Matrix
    """R × m × k."""
    sigma: Matrix
    """R × k × k."""


def block_slots(n: int) -> int:
    """Length of a block: n^{1/3} slots, rounded up."""
    return max(1, math.ceil(n ** (1.0 / 3.0)))


def blocks(targets: Positions, length: int) -> list[slice]:
    """Ranges of rows whose slots fall into one block of time; `targets` ascend."""
    number = targets // length
    edges = np.flatnonzero(np.diff(number)) + 1
    bounds = [0, *edges.tolist(), len(targets)]
    return [slice(a, b) for a, b in itertools.pairwise(bounds)]


def block_sums(design: Matrix, residuals: Matrix, targets: Positions, length: int) -> BlockSums:
    """Scores of a fitted system, block by block.

    Parameters
    ----------
    design, residuals : n × m and n × k.
    targets : slot of each row on the grid, ascending: a block is a stretch of time, and rows on
        both sides of a gap fall into different blocks or into one that is as long as all others.
    length : slots of a block.
    """
    ranges = blocks(targets, length)
    scores = np.stack([design[r].T @ residuals[r] for r in ranges])
    squares = np.stack([residuals[r].T @ residuals[r] for r in ranges])
    return BlockSums(scores, squares, np.array([r.stop - r.start for r in ranges]), length)


def resample(
    sums: BlockSums, beta: Matrix, gram_inverse: Matrix, replications: int, seed: int
) -> Draws:
    """Replications of the coefficients and of the residuals' covariance.

    Notes
    -----
    With w_b the number of times that block b is drawn among as many draws as there are blocks:
    B* = B̂ + (X'X)⁻¹ Σ_b w_b S_b √(n/(n−m) · G/(G−1)), G the number of blocks, and
    Σ* = Σ_b w_b V_b / Σ_b w_b n_b · n/(n−m).
    """
    count, m, k = sums.scores.shape
    n = int(sums.rows.sum())
    inflation = n / (n - m)
    generator = np.random.default_rng(seed)
    weight = generator.multinomial(count, np.full(count, 1.0 / count), replications).astype(
        np.float64
    )
    change = (weight @ sums.scores.reshape(count, -1)).reshape(replications, m, k)
    squares = (weight @ sums.squares.reshape(count, -1)).reshape(replications, k, k)
    # Centred sums of G blocks vary by (G−1)/G too little.
    few = count / (count - 1.0) if count > 1 else 1.0
    drawn = beta + gram_inverse @ change * math.sqrt(inflation * few)
    return Draws(drawn, squares / (weight @ sums.rows)[:, None, None] * inflation)
