"""Nearest neighbours and counts of neighbours in the maximum norm, exact, in compiled loops.

A cloud of points lies in cells whose edges are quantiles of its first two coordinates, so that
heavy tails cost nothing. Searches widen a rectangle of cells towards the nearest side until no
point outside it can matter. Equal points are kept once with their number: order book data tie by
the thousand. What is estimated from distances and counts is in `information.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.kernels import jit

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Index = NDArray[np.int64]

_POINTS_PER_CELL = 3.0


@dataclass(frozen=True)
class Cloud:
    """Distinct points in the order of their cells."""

    points: Matrix
    """m × d."""
    weight: Index
    """How many of the given points are equal to it."""
    which: Index
    """Number of the distinct point for each given one."""
    x_edges: Vector
    y_edges: Vector
    start: Index
    """First point of each cell, cells in rows of x."""

    @classmethod
    def of(cls, points: Matrix) -> Cloud:
        """Cells for n × d points, d ≥ 2."""
        order = np.argsort(points[:, 0])
        ordered = points[order]
        if (ordered[1:, 0] == ordered[:-1, 0]).any():
            order = np.lexsort(points.T[::-1])
            ordered = points[order]
        new = np.ones(len(points), dtype=np.bool_)
        new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
        first = np.flatnonzero(new)
        distinct = ordered[first]
        cells = max(1, int(np.sqrt(len(distinct) / _POINTS_PER_CELL)))
        x_edges, y_edges = _edges(distinct[:, 0], cells), _edges(distinct[:, 1], cells)
        cell = _cell_of(distinct[:, 0], x_edges) * cells + _cell_of(distinct[:, 1], y_edges)
        start = np.zeros(cells * cells + 1, dtype=np.int64)
        np.cumsum(np.bincount(cell, minlength=cells * cells), out=start[1:])
        place, by_cell = np.empty(len(distinct), np.int64), np.empty(len(distinct), np.int64)
        _sort_by_cell(cell, start[:-1].copy(), place, by_cell)
        which = np.empty(len(points), dtype=np.int64)
        which[order] = place[np.cumsum(new) - 1]
        weight = np.diff(np.append(first, len(points)))[by_cell].astype(np.int64)
        return cls(np.ascontiguousarray(distinct[by_cell]), weight, which, x_edges, y_edges, start)

    def nearest(self, k: int) -> tuple[Vector, Index]:
        """Distance to the k-th neighbour of each distinct point, and its k neighbours.

        Equal points are neighbours at distance 0; a neighbour stands as often as it is there.
        """
        m = len(self.points)
        distance, neighbour = np.empty(m), np.empty((m, k), dtype=np.int64)
        _nearest(self.points, self.weight, self.x_edges, self.y_edges, self.start, k, distance,
                 neighbour)
        return distance, neighbour

    def count(self, queries: Matrix, radius: Vector, closed: bool) -> Index:
        """Given points within `radius` of each query; see `counts`."""
        found = np.empty(len(queries), dtype=np.int64)
        _count(self.points, self.weight, self.x_edges, self.y_edges, self.start, queries, radius,
               closed, found)
        return found


def counts(points: Matrix, radius: Vector, closed: bool = False) -> Index:
    """How many of n × d points lie within `radius` of each of them, itself among them.

    Parameters
    ----------
    points : n × d.
    radius : n.
    closed : whether points at the radius count; points at distance 0 always do.
    """
    if points.shape[1] > 1:
        return Cloud.of(points).count(points, radius, closed)
    values = points[:, 0]
    order = np.argsort(values)
    found = np.empty(len(values), dtype=np.int64)
    _count_on_line(values[order], order, radius, closed, found)
    return found


def _edges(values: Vector, cells: int) -> Vector:
    """Lower edges of the cells: quantiles; equal values stay together."""
    return np.sort(values)[np.arange(cells) * len(values) // cells]


def _cell_of(values: Vector, edges: Vector) -> Index:
    return (np.searchsorted(edges, values, side="right") - 1).astype(np.int64)


@jit
def _sort_by_cell(cell: Index, following: Index, place: Index, by_cell: Index) -> None:
    """Counting sort; `following` holds the next free place of each cell."""
    for i in range(len(cell)):
        place[i] = following[cell[i]]
        by_cell[place[i]] = i
        following[cell[i]] += 1


@jit
def _column(value: float, edges: Vector) -> int:
    """The last cell whose lower edge is not above the value."""
    low = 0
    high = len(edges)
    while high - low > 1:
        middle = (low + high) // 2
        if edges[middle] <= value:
            low = middle
        else:
            high = middle
    return low


@jit
def _scan(points: Matrix, weight: Index, first: int, stop: int, i: int, k: int, best: Vector,
          who: Index) -> None:
    """Insert the points first … stop into the k nearest of point i, which are kept in order."""
    furthest = best[k - 1]
    for j in range(first, stop):
        distance = abs(points[j, 0] - points[i, 0])
        c = 1
        while c < points.shape[1] and distance < furthest:
            distance = max(distance, abs(points[j, c] - points[i, c]))
            c += 1
        if distance >= furthest or j == i:
            continue
        copies = weight[j]
        while copies > 0 and distance < furthest:
            place = k - 1
            while place > 0 and best[place - 1] > distance:
                best[place] = best[place - 1]
                who[place] = who[place - 1]
                place -= 1
            best[place] = distance
            who[place] = j
            copies -= 1
            furthest = best[k - 1]


@jit
def _nearest(points: Matrix, weight: Index, x_edges: Vector, y_edges: Vector, start: Index, k: int,
             distance: Vector, neighbour: Index) -> None:
    """For every point, its k nearest: cells are added on the side that is nearest to the point.

    A point in a cell beyond a side is at least as far away as the side, also after rounding,
    since both are differences from the same number.
    """
    cells = len(x_edges)
    best = np.empty(k)
    for i in range(len(points)):
        who = neighbour[i]
        for r in range(k):
            best[r] = 0.0 if r < weight[i] - 1 else np.inf
            who[r] = i
        x = points[i, 0]
        y = points[i, 1]
        left = _column(x, x_edges)
        below = _column(y, y_edges)
        right = left
        above = below
        _scan(points, weight, start[left * cells + below], start[left * cells + below + 1], i, k,
              best, who)
        while best[k - 1] > 0.0:
            to_left = x - x_edges[left] if left > 0 else np.inf
            to_right = x_edges[right + 1] - x if right < cells - 1 else np.inf
            to_below = y - y_edges[below] if below > 0 else np.inf
            to_above = y_edges[above + 1] - y if above < cells - 1 else np.inf
            side = min(to_left, to_right, to_below, to_above)
            if side >= best[k - 1]:
                break
            if min(to_left, to_right) == side:
                if side == to_left:
                    left -= 1
                    column = left
                else:
                    right += 1
                    column = right
                _scan(points, weight, start[column * cells + below],
                      start[column * cells + above + 1], i, k, best, who)
            else:
                if side == to_below:
                    below -= 1
                    row = below
                else:
                    above += 1
                    row = above
                for column in range(left, right + 1):
                    _scan(points, weight, start[column * cells + row],
                          start[column * cells + row + 1], i, k, best, who)
        distance[i] = best[k - 1]


@jit
def _count(points: Matrix, weight: Index, x_edges: Vector, y_edges: Vector, start: Index,
           queries: Matrix, radius: Vector, closed: bool, found: Index) -> None:
    cells = len(x_edges)
    for i in range(len(queries)):
        x = queries[i, 0]
        y = queries[i, 1]
        r = radius[i]
        left = _column(x, x_edges)
        right = left
        below = _column(y, y_edges)
        above = below
        while left > 0 and x - x_edges[left] <= r:
            left -= 1
        while right < cells - 1 and x_edges[right + 1] - x <= r:
            right += 1
        while below > 0 and y - y_edges[below] <= r:
            below -= 1
        while above < cells - 1 and y_edges[above + 1] - y <= r:
            above += 1
        total = 0
        for column in range(left, right + 1):
            for j in range(start[column * cells + below], start[column * cells + above + 1]):
                away = max(abs(points[j, 0] - x), abs(points[j, 1] - y))
                for c in range(2, points.shape[1]):
                    away = max(away, abs(points[j, c] - queries[i, c]))
                # whether a point counts is as good as random: no branch on it
                total += weight[j] * ((away < r) | (away == 0.0) | (closed & (away == r)))
        found[i] = total


@jit
def _near(away: float, r: float, closed: bool) -> bool:
    return away < r or away == 0.0 or (closed and away == r)


@jit
def _count_on_line(ordered: Vector, order: Index, radius: Vector, closed: bool,
                   found: Index) -> None:
    """As `_count`, in one dimension: from each value outwards in growing steps, then by halving.

    Differences decide, so that rounding does not.
    """
    n = len(ordered)
    for place in range(n):
        value = ordered[place]
        r = radius[order[place]]
        step = 1
        low = place
        while low - step >= 0 and _near(value - ordered[low - step], r, closed):
            low -= step
            step *= 2
        while step > 0:
            if low - step >= 0 and _near(value - ordered[low - step], r, closed):
                low -= step
            step //= 2
        step = 1
        high = place
        while high + step < n and _near(ordered[high + step] - value, r, closed):
            high += step
            step *= 2
        while step > 0:
            if high + step < n and _near(ordered[high + step] - value, r, closed):
                high += step
            step //= 2
        found[order[place]] = high - low + 1
