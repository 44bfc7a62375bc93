"""Compiled inner loops of the correlation study: influence values and their long-run variance.

One call handles many (x, y, lag) jobs and releases the GIL. Only loops over bars belong here; what
is done with the results is in `correlation.py`. The HAC part is the one-series twin of
`covariance.long_run_variance`; tests hold the two together.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from imbalance.kernels import jit

Vector = NDArray[np.float64]

_LOST = 1e-3
"""Error of a mean square from which on a correlation is not known."""

# No sum may be reordered here: the same source compiled twice then gives other last bits, and rows
# are compared by their hash.


@jit
def _dot(a: Vector, b: Vector, n: int) -> float:
    total = 0.0
    for i in range(n):
        total += a[i] * b[i]
    return total


@jit
def mean_variance(psi: Vector, present: Vector, work: Vector) -> tuple[float, float, int]:
    """Prewhitened Bartlett HAC variance of the mean of `psi` over the bars that are present.

    Parameters
    ----------
    psi : mean-zero influence values, 0 where missing.
    present : 1.0 where there is a value, else 0.0.
    work : scratch of the same length.

    Returns
    -------
    variance of the mean; coefficient of the prewhitening; lag of the kernel.

    Notes
    -----
    e_t = ψ_t − a ψ_{t−1} where both are there, a from OLS and held within ±0.97; the lag is that
    of Newey and West 1994 for prewhitened scores; recoloured by 1/(1−a)². Products join only bars
    which are that far apart in time: nothing reaches over a gap.
    """
    length = len(psi)
    count = _dot(present, present, length)
    above = _dot(psi[1:], psi[:-1], length - 1)
    below = 0.0
    pairs = 0.0
    for t in range(1, length):
        below += psi[t - 1] * psi[t - 1] * present[t]
        pairs += present[t] * present[t - 1]
    a = 0.0
    if pairs >= 10.0 and below > 0.0:
        a = min(max(above / below, -0.97), 0.97)
        work[0] = 0.0
        for t in range(1, length):
            work[t] = (psi[t] - a * psi[t - 1]) * present[t] * present[t - 1]
        # As in the matrix form: only what gaps cost is made up for, not the first row.
        scale = 1.0 if pairs == count - 1.0 else count / pairs
    else:
        pairs = count
        scale = 1.0
        for t in range(length):
            work[t] = psi[t]
    m = min(int(3.0 * (count / 100.0) ** (2.0 / 9.0)), length - 1)
    gamma = _dot(work, work, length)
    s0 = gamma
    s1 = 0.0
    for j in range(1, m + 1):
        sigma = _dot(work[j:], work[: length - j], length - j)
        s0 += 2.0 * sigma
        s1 += 2.0 * j * sigma
    last = 0
    if s0 != 0.0:
        last = int(1.1447 * ((s1 / s0) ** 2) ** (1.0 / 3.0) * count ** (1.0 / 3.0))
    last = min(last, int(count) // 4, length - 1)
    total = gamma
    for j in range(1, last + 1):
        weight = 1.0 - j / (last + 1.0)
        total += 2.0 * weight * _dot(work[j:], work[: length - j], length - j)
    return total * scale / (1.0 - a) ** 2 / count**2, a, last


@jit
def pearson_jobs(
    x: Vector, y: Vector, rows: NDArray[np.int64], moments: Vector, out: Vector
) -> None:
    """Variance of Pearson correlations.

    Parameters
    ----------
    x, y : nx × T and ny × T, NaN where missing.
    rows : jobs × 3: row of x, row of y, lag (x leads y at positive lags).
    moments : jobs × 5: mean of x, mean of y, standard deviation of x, of y, correlation, over the
        common valid pairs.
    out : jobs × 2, filled with the variance of the estimate and its variance for the test; NaN
        where the moments are rounding.

    Notes
    -----
    Moments are differences of sums over whole series: where what is left of one in the pairs is too
    small beside it, its squares over `moments` do not have mean 1.

    Influence of pair t on r: ψ_t = u_t v_t − r/2 (u_t² + v_t²), u and v standardised. The test of
    r = 0 takes u_t v_t − r instead. Both agree when r = 0, but where a few large pairs make r, the
    second term of ψ hides how much they vary: with a shared, slowly moving volatility (kurtosis
    about 30, T = 3,600) true nulls were then called at 0.3 % where 0.1 % was meant, with
    u_t v_t − r at 0.02 %.
    """
    length = x.shape[1]
    psi = np.empty(length)
    product = np.empty(length)
    present = np.empty(length)
    work = np.empty(length)
    for job in range(len(rows)):
        lag = rows[job, 2]
        first, stop = max(0, -lag), length - max(0, lag)
        mx, my, sx, sy, r = moments[job]
        xs, ys = x[rows[job, 0]], y[rows[job, 1]]
        uu = 0.0
        vv = 0.0
        count = 0.0
        for t in range(first, stop):
            u = (xs[t] - mx) / sx
            v = (ys[t + lag] - my) / sy
            uv = u * v
            there = not math.isnan(uv)
            if there:
                uu += u * u
                vv += v * v
                count += 1.0
            present[t - first] = 1.0 if there else 0.0
            product[t - first] = uv - r if there else 0.0
            psi[t - first] = uv - 0.5 * r * (u * u + v * v) if there else 0.0
        out[job] = np.nan
        if abs(uu / count - 1.0) > _LOST or abs(vv / count - 1.0) > _LOST:
            continue
        n = stop - first
        out[job, 0] = mean_variance(psi[:n], present[:n], work[:n])[0]
        out[job, 1] = mean_variance(product[:n], present[:n], work[:n])[0]


@jit
def _middle_ranks(values: Vector, order: NDArray[np.int64], shift: int, present: Vector,
                  ranks: Vector) -> None:
    """(rank − ½)/n of the present pairs, ties sharing the middle; `order` sorts all values."""
    n = len(present)
    seen = 0
    start = 0
    members = np.empty(n, dtype=np.int64)
    for k in range(len(order)):
        t = order[k] - shift
        if t < 0 or t >= n or present[t] == 0.0:
            continue
        members[seen] = t
        if seen > start and values[order[k]] != values[members[start] + shift]:
            for i in range(start, seen):
                ranks[members[i]] = 0.5 * (start + seen)
            start = seen
        seen += 1
    for i in range(start, seen):
        ranks[members[i]] = 0.5 * (start + seen)
    for i in range(seen):
        ranks[members[i]] /= seen


@jit
def _add_mean_above(order: NDArray[np.int64], shift: int, present: Vector, ranks: Vector,
                    values: Vector, weight: float, result: Vector) -> None:
    """Add weight · (1/n) Σ_s [1(rank_s > rank_t) + ½ 1(rank_s = rank_t)] values_s to each t."""
    n = len(present)
    count = 0.0
    for t in range(n):
        count += present[t]
    above = 0.0
    k = len(order) - 1
    while k >= 0:
        t = order[k] - shift
        if t < 0 or t >= n or present[t] == 0.0:
            k -= 1
            continue
        rank = ranks[t]
        tied = 0.0
        first = k
        while first >= 0:
            s = order[first] - shift
            if s >= 0 and s < n and present[s] == 1.0:
                if ranks[s] != rank:
                    break
                tied += values[s]
            first -= 1
        for i in range(first + 1, k + 1):
            s = order[i] - shift
            if s >= 0 and s < n and present[s] == 1.0:
                result[s] += weight * (above + 0.5 * tied) / count
        above += tied
        k = first


@jit
def spearman_influence(xs: Vector, ys: Vector, x_order: NDArray[np.int64],
                       y_order: NDArray[np.int64], lag: int, present: Vector, psi: Vector) -> float:
    """Spearman's correlation, ranked anew over the common valid pairs, and each one's influence.

    Parameters
    ----------
    xs, ys : series of equal length, NaN where missing.
    x_order, y_order : indices that sort them; missing ones at the end are skipped.
    lag : x leads y at positive lags.
    present, psi : filled for the pairs from max(0, −lag) on: 1.0 where both are there; influence
        values of mean zero.

    Returns
    -------
    The correlation, or NaN where one side does not vary.

    Notes
    -----
    With a, b the centred middle ranks over n, r = C/√(V_x V_y), C = mean(ab), V_x = mean(a²).
    The ranks are themselves estimated, so that the influence of pair t on C is
    a_t b_t + h_x(b)_t + h_y(a)_t, with h_x(b)_t = mean_s [1(x_s > x_t) + ½ 1(x_s = x_t)] b_s, and
    likewise for V_x and V_y (where it is constant when there are no ties).
    """
    first = max(0, -lag)
    n = len(present)
    count = 0.0
    for t in range(n):
        missing = math.isnan(xs[t + first]) or math.isnan(ys[t + first + lag])
        present[t] = 0.0 if missing else 1.0
        count += present[t]
    a = np.full(n, 0.5)
    b = np.full(n, 0.5)
    _middle_ranks(xs, x_order, first, present, a)
    _middle_ranks(ys, y_order, first + lag, present, b)
    for t in range(n):
        a[t] = (a[t] - 0.5) * present[t]
        b[t] = (b[t] - 0.5) * present[t]
    vx = _dot(a, a, n) / count
    vy = _dot(b, b, n) / count
    if vx == 0.0 or vy == 0.0:
        return np.nan
    scale = math.sqrt(vx * vy)
    r = _dot(a, b, n) / count / scale
    for t in range(n):
        psi[t] = a[t] * b[t] / scale - 0.5 * r * (a[t] * a[t] / vx + b[t] * b[t] / vy)
    _add_mean_above(x_order, first, present, a, b, 1.0 / scale, psi)
    _add_mean_above(y_order, first + lag, present, b, a, 1.0 / scale, psi)
    _add_mean_above(x_order, first, present, a, a, -r / vx, psi)
    _add_mean_above(y_order, first + lag, present, b, b, -r / vy, psi)
    centre = _dot(psi, present, n) / count
    for t in range(n):
        psi[t] = (psi[t] - centre) * present[t]
    return r


@jit
def spearman_jobs(
    x: Vector,
    y: Vector,
    x_orders: NDArray[np.int64],
    y_orders: NDArray[np.int64],
    rows: NDArray[np.int64],
    out: Vector,
) -> None:
    """Spearman correlations with variance.

    Parameters
    ----------
    x, y, rows : as in `pearson_jobs`.
    x_orders, y_orders : indices that sort each row.
    out : jobs × 3, filled with the estimate, its variance and n times its variance under
        independence, which is 1. The test uses the same variance: ranks are bounded, and no few
        pairs can make the estimate.
    """
    length = x.shape[1]
    present = np.empty(length)
    psi = np.empty(length)
    work = np.empty(length)
    for job in range(len(rows)):
        i, j, lag = rows[job]
        n = length - abs(lag)
        r = spearman_influence(x[i], y[j], x_orders[i], y_orders[j], lag, present[:n], psi[:n])
        out[job] = np.nan
        if not math.isnan(r):
            out[job, 0] = r
            out[job, 1] = mean_variance(psi[:n], present[:n], work[:n])[0]
            out[job, 2] = 1.0
