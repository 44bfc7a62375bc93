"""Bootstraps of aligned series in blocks of time: moving and stationary, for any statistic.

Which rows a replication draws is decided once and used for many statistics, so that they can be
compared. Statistics made of means (correlations among them) need no resampled rows at all: sums
over blocks are differences of running sums.

Sources: Künsch 1989 (moving blocks); Politis and Romano 1992 (wrapped around), 1994 (stationary).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Scheme = Literal["moving", "stationary"]


@dataclass(frozen=True)
class Blocks:
    """Which rows each replication draws: blocks [start, start + length), wrapped around the end.

    Blocks of replication r are those from `first[r]` up to `first[r + 1]`; they hold n rows.
    """

    n: int
    length: float
    """Length of the moving blocks, mean length of the stationary ones."""
    first: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @property
    def replications(self) -> int:
        """How many replications there are."""
        return len(self.first) - 1

    def rows(self, replication: int) -> NDArray[np.int64]:
        """The n rows that a replication draws, in order."""
        part = slice(self.first[replication], self.first[replication + 1])
        starts, lengths = self.starts[part], self.lengths[part]
        ends = np.cumsum(lengths)
        within = np.arange(self.n) - np.repeat(ends - lengths, lengths)
        return (np.repeat(starts, lengths) + within) % self.n


def draw_blocks(
    n: int, length: float, replications: int, seed: int, scheme: Scheme = "moving"
) -> Blocks:
    """Draw the blocks of all replications.

    Parameters
    ----------
    n : rows of the sample.
    length : of the moving blocks (rounded up), or the mean length of the stationary ones.
    replications : how many.
    seed : the same seed gives the same blocks.
    scheme : `moving`: blocks of one length; `stationary`: lengths are geometric, so that the
        resampled series is stationary.
    """
    generator = np.random.default_rng(seed)
    length = min(max(1.0, length), n)
    counts = np.empty(replications, dtype=np.int64)
    lengths: list[NDArray[np.int64]] = []
    if scheme == "moving":
        length = size = int(np.ceil(length))
        blocks = -(-n // size)
        one = np.full(blocks, size, dtype=np.int64)
        one[-1] = n - size * (blocks - 1)
        lengths = [one] * replications
        counts[:] = blocks
    else:
        for r in range(replications):
            one = _geometric_lengths(generator, n, length)
            lengths.append(one)
            counts[r] = len(one)
    first = np.concatenate([[0], np.cumsum(counts)])
    starts = generator.integers(0, n, int(first[-1]))
    return Blocks(n, float(length), first, starts, np.concatenate(lengths))


def _geometric_lengths(
    generator: np.random.Generator, n: int, mean: float
) -> NDArray[np.int64]:
    ends = np.empty(0, dtype=np.int64)
    while not len(ends) or ends[-1] < n:
        more = np.cumsum(generator.geometric(1.0 / mean, int(n / mean) + 16))
        ends = np.concatenate([ends, more + (ends[-1] if len(ends) else 0)])
    ends = ends[: int(np.searchsorted(ends, n)) + 1]
    ends[-1] = n
    return np.diff(ends, prepend=0)


def bootstrap(
    statistic: Callable[[NDArray[Any]], Any], data: NDArray[Any], blocks: Blocks
) -> Vector:
    """A statistic of every replication.

    Parameters
    ----------
    statistic : from rows (n × …) to a number or an array.
    data : n rows in time order, without missing ones.
    blocks : which rows to draw.

    Returns
    -------
    replications × shape of the statistic.
    """
    return np.array([statistic(data[blocks.rows(r)]) for r in range(blocks.replications)])


def bootstrap_means(values: Vector, blocks: Blocks) -> Vector:
    """Means of the columns in every replication, replications × k; values are n × k.

    Bring columns to mean near 0 and scale near 1 first: running sums then lose nothing.
    """
    from imbalance.studies.inference.kernels import block_sums

    wrapped = np.concatenate([values, values])
    running = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(wrapped, axis=0)])
    out = np.empty((blocks.replications, values.shape[1]))
    block_sums(running, blocks.first, blocks.starts, blocks.lengths, out)
    return out / blocks.n


def percentile_interval(
    draws: Vector, significance: float = 0.05
) -> tuple[Vector, Vector]:
    """Limits between which the share 1 − significance of the replications lies, along axis 0."""
    low, high = np.quantile(draws, [significance / 2.0, 1.0 - significance / 2.0], axis=0)
    return np.asarray(low), np.asarray(high)
