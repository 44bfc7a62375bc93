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

RESUMMED = 4_096
"""Steps after which running sums are made anew, so that rounding does not add up."""

_CHUNK = 512
_LOOKED_AT = 1_000


def fewest_pairs(window: int) -> int:
    """Pairs without which a rolling window has no value in the study: half of it, at least 20."""
    return max(20, window // 2)


def rolling_correlation(
    x: Vector, y: Vector, window: int, minimum: int | None = None
) -> tuple[Vector, Vector]:
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
    found, count = np.empty(len(x)), np.empty(len(x))
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
    correlation: Vector, pairs: Vector, inflation: float, significance: float
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
    some = some[np.isfinite(some)]
    return float(np.median(some)) if len(some) else 0.0


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
def _rolling(x: Vector, y: Vector, x_middle: float, y_middle: float, window: int, minimum: int,
             found: Vector, count: Vector) -> None:
    """Fill `found` and `count`.

    Sums of a chunk are written down first and made into correlations together, since roots and
    divisions of several bars can be taken at once.
    """
    length = len(x)
    chunk = np.empty((5, _CHUNK))
    anew = np.zeros(6)
    n = sx = sy = sxx = syy = sxy = 0.0
    for begin in range(0, length, _CHUNK):
        size = min(_CHUNK, length - begin)
        for i in range(size):
            t = begin + i
            u = x[t] - x_middle
            v = y[t] - y_middle
            # Neither missing nor infinite.
            if (u + v) - (u + v) == 0.0:
                n += 1.0
                sx += u
                sy += v
                sxx += u * u
                syy += v * v
                sxy += u * v
            rounding = t % RESUMMED == 0
            if t >= window:
                u = x[t - window] - x_middle
                v = y[t - window] - y_middle
                if (u + v) - (u + v) == 0.0:
                    n -= 1.0
                    sx -= u
                    sy -= v
                    sxx -= u * u
                    syy -= v * v
                    sxy -= u * v
                    rounding |= u * u > 1e6 * sxx or v * v > 1e6 * syy
            if rounding:
                _sums(x, y, x_middle, y_middle, max(0, t - window + 1), t + 1, anew)
                n, sx, sy, sxx, syy, sxy = anew
            count[t] = n
            chunk[0, i] = sx
            chunk[1, i] = sy
            chunk[2, i] = sxx
            chunk[3, i] = syy
            chunk[4, i] = sxy
        for i in range(size):
            m = count[begin + i]
            above = m * chunk[4, i] - chunk[0, i] * chunk[1, i]
            x_part = m * chunk[2, i] - chunk[0, i] * chunk[0, i]
            y_part = m * chunk[3, i] - chunk[1, i] * chunk[1, i]
            # Scatter of a constant is rounding.
            flat = x_part <= 1e-10 * m * chunk[2, i] or y_part <= 1e-10 * m * chunk[3, i]
            r = above / math.sqrt(max(x_part * y_part, 1e-300))
            missing = flat or m < minimum or m <= 1.0
            found[begin + i] = math.nan if missing else min(max(r, -1.0), 1.0)


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
