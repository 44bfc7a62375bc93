"""Structure in a correlation matrix: minimum spanning tree and hierarchical clusters.

Distance is d = √(2 (1 − ρ)): 0 for ρ = 1, √2 for none, 2 for ρ = −1.

Sources: Mantegna 1999; single linkage merges along the spanning tree, average linkage is less
given to chains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Edge:
    """An edge of the spanning tree: two columns of the matrix."""

    first: int
    second: int
    distance: float


@dataclass(frozen=True)
class Merge:
    """Two clusters that become one, as the columns in each."""

    first: tuple[int, ...]
    second: tuple[int, ...]
    distance: float


def distances(correlation: Matrix) -> Matrix:
    """√(2 (1 − ρ)), 0 on the diagonal."""
    found = np.sqrt(np.maximum(2.0 * (1.0 - correlation), 0.0))
    np.fill_diagonal(found, 0.0)
    return np.asarray(found, dtype=np.float64)


def spanning_tree(distance: Matrix) -> list[Edge]:
    """Edges of least total distance that join all columns, in the order Prim's method finds them.

    Of equally near columns the first one is taken, so that the same matrix gives the same tree.
    """
    size = len(distance)
    nearest, reached_from = distance[0].copy(), np.zeros(size, np.intp)
    outside = np.ones(size, np.bool_)
    outside[:1] = False
    edges = []
    for _ in range(size - 1):
        column = int(np.argmin(np.where(outside, nearest, np.inf)))
        edges.append(Edge(int(reached_from[column]), column, float(nearest[column])))
        outside[column] = False
        closer = outside & (distance[column] < nearest)
        nearest[closer], reached_from[closer] = distance[column][closer], column
    return edges


def average_linkage(distance: Matrix) -> list[Merge]:
    """Merges of the nearest two clusters until one is left; distance is the mean between them."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    if len(distance) < 2:
        return []
    members: list[tuple[int, ...]] = [(i,) for i in range(len(distance))]
    merges = []
    for first, second, height, _ in linkage(squareform(distance, checks=False), "average"):
        merges.append(Merge(members[int(first)], members[int(second)], float(height)))
        members.append(tuple(sorted(members[int(first)] + members[int(second)])))
    return merges


def clusters(merges: list[Merge], size: int, farthest: float) -> NDArray[np.intp]:
    """Number of the cluster of every column, merging up to a distance; numbered by first column."""
    label = np.arange(size)
    for merge in merges:
        if merge.distance <= farthest:
            label[list(merge.first + merge.second)] = min(merge.first + merge.second)
    return np.unique(label, return_inverse=True)[1]
