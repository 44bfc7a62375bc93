"""Rolling and exponentially weighted correlations, in one compiled pass each.

Running sums over a window, or sums that decay; NaN is missing and counts for nothing, while time
goes on. Bands allow for what the two series remember, see `persistence.variance_inflation`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from imbalance.kernels import jit

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Counts = NDArray[np.int32]

RESUMMED = 4_096
"""Steps after which running sums are made anew, so that rounding does not add up."""

ROUNDING = 1e-6
"""Share of a leaving square below which the sum of the others is as good as rounding."""

_CHUNK = 256
_LOOKED_AT = 1_000


def fewest_pairs(window: int) -> int:
    """Pairs without which a rolling window has no value in the study: half of it, at least 20."""
    return max(20, window // 2)


def rolling_correlation(
    x: Vector, y: Vector, window: int, minimum: int | None = None
) -> tuple[Vector, Counts]:
    """Pearson correlation over the `window` bars that end at each bar.

    Parameters
    ----------
    x, y : T values each, NaN where missing.
    window : bars.
    minimum : pairs that must be there (default: all of the window).

    Returns
    -------
    correlation, NaN where pairs are too few or a series does not vary; number of pairs.

    Notes
    -----
    (n Σxy − Σx Σy)/√((n Σx² − (Σx)²)(n Σy² − (Σy)²)) of values less a middle one of theirs, which
    changes nothing but the rounding. Sums are made anew every `RESUMMED` bars, and when a value
    leaves beside which all others are rounding.
    """
    found, count = np.empty(len(x)), np.empty(len(x), np.int32)
    least = window if minimum is None else minimum
    _rolling(x, y, _middle(x), _middle(y), window, least, found, count)
    return found, count


def weighted_correlation(
    x: Vector, y: Vector, half_life: float, minimum: int = 20
) -> tuple[Vector, Vector]:
    """Exponentially weighted correlation: a pair counts half after `half_life` bars.

    Returns
    -------
    correlation at each bar, from pairs up to it; (Σw)²/Σw², the equally weighted pairs they are
    worth. NaN until that is `minimum`.
    """
    found, count = np.empty(len(x)), np.empty(len(x))
    a, b = _centred(x, y)
    _weighted(a, b, 0.5 ** (1.0 / half_life), float(minimum), found, count)
    return found, count


def fisher_band(
    correlation: Vector, pairs: Vector | Counts, inflation: Vector | float, significance: float
) -> tuple[Vector, Vector, Vector]:
    """Standard error and ends of the interval of correlations over some pairs.

    Notes
    -----
    tanh(atanh r ± z √(f/(n − 3))), f the factor by which memory inflates the variance; the error is
    (1 − r²) √(f/(n − 3)).
    """
    from scipy.special import ndtri

    spread = np.sqrt(inflation / np.maximum(pairs - 3.0, 1.0))
    z = np.arctanh(np.clip(correlation, -1.0 + 1e-12, 1.0 - 1e-12))
    half = ndtri(1.0 - significance / 2.0) * spread
    return (1.0 - correlation**2) * spread, np.tanh(z - half), np.tanh(z + half)


def _middle(values: Vector) -> float:
    """A value amid the others: one huge value must not move all others away from 0."""
    some = values[:: max(1, len(values) // _LOOKED_AT)]
    some = np.sort(some[np.isfinite(some)])
    return float(some[len(some) // 2]) if len(some) else 0.0


def _centred(x: Vector, y: Vector) -> tuple[Vector, Vector]:
    both = np.isfinite(x) & np.isfinite(y)
    a, b = (np.where(both, v - _middle(v), np.nan) for v in (x, y))
    return a, b


@jit
def _ratio(n: float, sx: float, sy: float, sxx: float, syy: float, sxy: float) -> float:
    above = n * sxy - sx * sy
    x = n * sxx - sx * sx
    y = n * syy - sy * sy
    # Scatter of a constant is rounding.
    if not (x > 1e-10 * n * sxx and y > 1e-10 * n * syy):
        return math.nan
    return min(max(above / math.sqrt(x * y), -1.0), 1.0)


@jit
def _sums(x: Vector, y: Vector, x_middle: float, y_middle: float, first: int, stop: int,
          out: Vector) -> None:
    """Number of pairs from `first` to `stop`, and Σx, Σy, Σx², Σy², Σxy of them."""
    out[:] = 0.0
    for t in range(first, stop):
        u = x[t] - x_middle
        v = y[t] - y_middle
        if (u + v) - (u + v) == 0.0:
            out[0] += 1.0
            out[1] += u
            out[2] += v
            out[3] += u * u
            out[4] += v * v
            out[5] += u * v


@jit
def _changes(x: Vector, y: Vector, left_x: Vector, left_y: Vector, x_middle: float,
             y_middle: float, out: Matrix) -> None:
    """What each bar adds to the six sums of `_sums`, less what the bar adds that leaves with it.

    The last two rows are what must be left of Σx² and Σy² lest they be rounding beside what leaves.
    """
    n, sx, sy, sxx = out[0], out[1], out[2], out[3]
    syy, sxy, x_least, y_least = out[4], out[5], out[6], out[7]
    for i in range(len(x)):
        u = x[i] - x_middle
        v = y[i] - y_middle
        # Neither missing nor infinite.
        there = (u + v) - (u + v) == 0.0
        u = u if there else 0.0
        v = v if there else 0.0
        a = left_x[i] - x_middle
        b = left_y[i] - y_middle
        was = (a + b) - (a + b) == 0.0
        a = a if was else 0.0
        b = b if was else 0.0
        n[i] = (1.0 if there else 0.0) - (1.0 if was else 0.0)
        sx[i] = u - a
        sy[i] = v - b
        sxx[i] = u * u - a * a
        syy[i] = v * v - b * b
        sxy[i] = u * v - a * b
        x_least[i] = ROUNDING * (a * a)
        y_least[i] = ROUNDING * (b * b)


@jit
def _accumulate(changes: Matrix, first: int, stop: int, sums: Vector) -> int:
    """Make changes from `first` on into sums, in place, and carry `sums` on to the last of them.

    Returns `stop`, or before it the bar whose sums are rounding beside what left and must be made
    anew.
    """
    n, sx, sy, sxx = changes[0], changes[1], changes[2], changes[3]
    syy, sxy, x_least, y_least = changes[4], changes[5], changes[6], changes[7]
    count, x, y, xx, yy, xy = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]
    for i in range(first, stop):
        count += n[i]
        x += sx[i]
        y += sy[i]
        xx += sxx[i]
        yy += syy[i]
        xy += sxy[i]
        if (x_least[i] > xx) | (y_least[i] > yy):
            return i
        n[i] = count
        sx[i] = x
        sy[i] = y
        sxx[i] = xx
        syy[i] = yy
        sxy[i] = xy
    sums[0], sums[1], sums[2], sums[3], sums[4], sums[5] = count, x, y, xx, yy, xy
    return stop


@jit
def _correlations(sums: Matrix, minimum: int, found: Vector, count: Counts) -> None:
    for i in range(len(found)):
        n = sums[0, i]
        above = n * sums[5, i] - sums[1, i] * sums[2, i]
        x_part = n * sums[3, i] - sums[1, i] * sums[1, i]
        y_part = n * sums[4, i] - sums[2, i] * sums[2, i]
        # Scatter of a constant is rounding.
        flat = (x_part <= 1e-10 * n * sums[3, i]) | (y_part <= 1e-10 * n * sums[4, i])
        r = above / math.sqrt(max(x_part * y_part, 1e-300))
        missing = flat | (n < minimum) | (n <= 1.0)
        found[i] = math.nan if missing else min(max(r, -1.0), 1.0)
        count[i] = np.int32(n)


@jit
def _rolling(x: Vector, y: Vector, x_middle: float, y_middle: float, window: int, minimum: int,
             found: Vector, count: Counts) -> None:
    """Fill `found` and `count`.

    A chunk in three sweeps, of which only the middle one goes bar by bar: what changes in the sums
    and what becomes of them is worked out for several bars at once.
    """
    length = len(x)
    chunk = np.empty((8, _CHUNK))
    sums = np.zeros(6)
    nothing = np.full(_CHUNK, math.nan)
    begin = 0
    since = 0
    while begin < length:
        # A chunk in which some bars leave and some do not is two.
        end = min(length, begin + _CHUNK)
        if begin < window:
            end = min(end, window)
            left_x = left_y = nothing[: end - begin]
        else:
            left_x, left_y = x[begin - window : end - window], y[begin - window : end - window]
        if since >= RESUMMED:
            _sums(x, y, x_middle, y_middle, max(0, begin - window), begin, sums)
            since = 0
        size = end - begin
        _changes(x[begin:end], y[begin:end], left_x, left_y, x_middle, y_middle, chunk)
        at = _accumulate(chunk, 0, size, sums)
        while at < size:
            t = begin + at
            _sums(x, y, x_middle, y_middle, max(0, t - window + 1), t + 1, sums)
            chunk[:6, at] = sums
            at = _accumulate(chunk, at + 1, size, sums)
        _correlations(chunk, minimum, found[begin:end], count[begin:end])
        begin = end
        since += size


@jit
def _weighted(x: Vector, y: Vector, decay: float, minimum: float, found: Vector,
              count: Vector) -> None:
    w = 0.0
    ww = 0.0
    sx = 0.0
    sy = 0.0
    sxx = 0.0
    syy = 0.0
    sxy = 0.0
    for t in range(len(x)):
        w *= decay
        ww *= decay * decay
        sx *= decay
        sy *= decay
        sxx *= decay
        syy *= decay
        sxy *= decay
        u = x[t]
        v = y[t]
        if not math.isnan(u):
            w += 1.0
            ww += 1.0
            sx += u
            sy += v
            sxx += u * u
            syy += v * v
            sxy += u * v
        count[t] = w * w / ww if ww > 0.0 else 0.0
        found[t] = _ratio(w, sx, sy, sxx, syy, sxy) if count[t] >= minimum else math.nan
