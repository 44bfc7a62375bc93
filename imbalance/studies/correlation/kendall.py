"""Compiled inner loop of Kendall's correlation: τ_b in O(n log n), with its variance.

The twin of `kernels.py` for the one estimator that counts pairs of bars. Only the loop belongs
here.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from imbalance.kernels import jit
from imbalance.studies.correlation.kernels import mean_variance

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]


@jit
def _up_to(tree: Integers, rank: int) -> int:
    """How many values of rank 1 … `rank` have been put into the tree."""
    total = 0
    while rank > 0:
        total += tree[rank]
        rank -= rank & -rank
    return total


@jit
def _put(tree: Integers, rank: int) -> None:
    while rank < len(tree):
        tree[rank] += 1
        rank += rank & -rank


@jit
def _dense_ranks(values: Vector, order: Integers, shift: int, present: Vector,
                 ranks: Integers) -> int:
    """Ranks 1, 2, … of the present values, equal ones sharing one; returns how many there are."""
    n = len(present)
    found = 0
    last = 0.0
    for k in order:
        t = k - shift
        if t < 0 or t >= n or present[t] == 0.0:
            continue
        if found == 0 or values[k] != last:
            found += 1
            last = values[k]
        ranks[t] = found
    return found


@jit
def _pair_scores(xs: Vector, members: Integers, first: int, ranks: Integers, equal: Integers,
                 score: Vector, ties: Vector) -> None:
    """Per bar: concordant less discordant bars, and other bars with its value of x.

    Parameters
    ----------
    members : present bars in the order of x.
    ranks, equal : rank of y of each bar, and bars of each rank.
    """
    count, levels = len(members), len(equal) - 2
    below = np.zeros(levels + 2, dtype=np.int64)
    for r in range(1, levels + 1):
        below[r + 1] = below[r] + equal[r]
    tree = np.zeros(levels + 1, dtype=np.int64)
    start = 0
    while start < count:
        stop = start + 1
        value = xs[members[start] + first]
        while stop < count and xs[members[stop] + first] == value:
            stop += 1
        for i in range(start, stop):
            r = ranks[members[i]]
            score[members[i]] += _up_to(tree, r - 1) - (start - _up_to(tree, r))
        for i in range(start, stop):
            _put(tree, ranks[members[i]])
        for i in range(start, stop):
            t = members[i]
            r = ranks[t]
            lower = below[r] - _up_to(tree, r - 1)
            upper = count - below[r] - equal[r] - (stop - _up_to(tree, r))
            score[t] += upper - lower
            ties[t] = stop - start - 1.0
        start = stop


@jit
def _members(xs: Vector, ys: Vector, x_order: Integers, first: int, lag: int,
             present: Vector) -> Integers:
    """Fill `present`; the bars where both are there, in the order of x."""
    n = len(present)
    count = 0
    for t in range(n):
        there = not (math.isnan(xs[t + first]) or math.isnan(ys[t + first + lag]))
        present[t] = 1.0 if there else 0.0
        count += 1 if there else 0
    members = np.empty(count, dtype=np.int64)
    seen = 0
    for k in x_order:
        t = k - first
        if 0 <= t < n and present[t] == 1.0:
            members[seen] = t
            seen += 1
    return members


@jit
def kendall_influence(xs: Vector, ys: Vector, x_order: Integers, y_order: Integers, lag: int,
                      present: Vector, psi: Vector) -> tuple[float, float]:
    """Kendall's τ_b over the common valid pairs, and the influence of each pair on it.

    Parameters
    ----------
    xs, ys : series of equal length, NaN where missing.
    x_order, y_order : indices that sort them.
    lag : x leads y at positive lags.
    present, psi : filled for the pairs from max(0, −lag) on: 1.0 where both are there; influence
        values of mean zero.

    Returns
    -------
    τ_b, or NaN where one side does not vary; and n times its variance if the pairs were independent
    of one another and x of y.

    Notes
    -----
    τ_b = S/√(V_x V_y): S the mean over pairs of bars of sign(x_s − x_t) sign(y_s − y_t), V_x the
    share of pairs that differ in x. The influence of t is 2 (S_t − S)/√(V_x V_y)
    − τ_b [(V_{x,t} − V_x)/V_x + (V_{y,t} − V_y)/V_y] with S_t, V_{x,t} the means over the pairs
    that t is in (Hoeffding 1948). S_t counts by a tree of ranks (Knight 1966, Christensen 2005).
    Where x and y are independent it is 2 (2F − 1)(2G − 1)/√(V_x V_y), F and G their middle ranks,
    with variance 4/9 (1 − Σp³)(1 − Σq³)/(V_x V_y), p and q the shares of equal values.
    """
    first = max(0, -lag)
    n = len(present)
    members = _members(xs, ys, x_order, first, lag, present)
    count = len(members)
    psi[:] = 0.0
    if count < 2:
        return np.nan, np.nan
    ranks = np.zeros(n, dtype=np.int64)
    levels = _dense_ranks(ys, y_order, first + lag, present, ranks)
    equal = np.zeros(levels + 2, dtype=np.int64)
    for t in members:
        equal[ranks[t]] += 1
    score = np.zeros(n)
    ties = np.zeros(n)
    _pair_scores(xs, members, first, ranks, equal, score, ties)
    total = 0.0
    x_ties = 0.0
    y_ties = 0.0
    x_cubes = 0.0
    y_cubes = 0.0
    for t in members:
        total += score[t]
        x_ties += ties[t]
        y_ties += equal[ranks[t]] - 1.0
        x_cubes += (ties[t] + 1.0) ** 2
        y_cubes += float(equal[ranks[t]]) ** 2
    pairs = count * (count - 1.0)
    s, vx, vy = total / pairs, 1.0 - x_ties / pairs, 1.0 - y_ties / pairs
    if vx <= 0.0 or vy <= 0.0:
        return np.nan, np.nan
    scale = math.sqrt(vx * vy)
    tau = s / scale
    for t in members:
        x_own = 1.0 - ties[t] / (count - 1.0)
        y_own = 1.0 - (equal[ranks[t]] - 1.0) / (count - 1.0)
        psi[t] = 2.0 * (score[t] / (count - 1.0) - s) / scale - tau * (
            (x_own - vx) / vx + (y_own - vy) / vy
        )
    cube = float(count) ** 3
    null = 4.0 / 9.0 * (1.0 - x_cubes / cube) * (1.0 - y_cubes / cube) / (vx * vy)
    return tau, null


@jit
def kendall_jobs(
    x: Vector, y: Vector, x_orders: Integers, y_orders: Integers, rows: Integers, out: Vector
) -> None:
    """Kendall correlations with variance.

    Parameters
    ----------
    x, y, x_orders, y_orders, rows : as in `kernels.spearman_jobs`.
    out : jobs × 3, filled with the estimate, its variance, which the test uses too, and n times the
        variance under independence.
    """
    length = x.shape[1]
    present = np.empty(length)
    psi = np.empty(length)
    work = np.empty(length)
    for job in range(len(rows)):
        i, j, lag = rows[job]
        n = length - abs(lag)
        tau, null = kendall_influence(
            x[i], y[j], x_orders[i], y_orders[j], lag, present[:n], psi[:n])
        out[job, 0], out[job, 1], out[job, 2] = tau, np.nan, null
        if not math.isnan(tau):
            out[job, 1] = mean_variance(psi[:n], present[:n], work[:n])[0]
