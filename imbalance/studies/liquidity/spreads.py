"""Spreads that trades paid and what the price did after them, in bps of the mid.

Sources: Roll 1984; Huang and Stoll 1996 (effective and realised spread).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.covariance import long_run_variance

Vector = NDArray[np.float64]
Times = NDArray[np.int64]

_SECOND = 1_000_000_000
_SHORTEST = 10
"""Seconds that errors of neighbouring trades are summed over at least."""

_SPANS = 10
"""Fewest spans of time that an error can be told from."""


@dataclass(frozen=True)
class Mean:
    """A mean over trades with its HAC error."""

    value: float
    error: float
    n: int
    excluded: int


@dataclass(frozen=True)
class Spreads:
    """Means over trades: 2 D (p − m)/m, 2 D (p − m_τ)/m, and 2 D (m_τ − m)/m, which is the rest."""

    effective: Mean | None
    realised: Mean | None
    impact: Mean | None


def spreads(
    times: Times, sides: Vector, prices: Vector, mid_times: Times, mids: Vector,
    stretches: NDArray[np.int64], seconds: int,
) -> Spreads:
    """Spreads of trades, with the mid `seconds` later.

    Parameters
    ----------
    times, sides, prices : of trades in order: ns, ±1 by the aggressor, price.
    mid_times, mids : the mid from each time on.
    stretches : [from, to) in which the book was valid, in order; no mid is carried from one into
        another.

    Notes
    -----
    The mid before a trade is the last with an earlier time: quotes at its own time are its work.
    """
    before = _mid_at(times, mid_times, mids, stretches, times, "left")
    later = times + seconds * _SECOND
    after = _mid_at(later, mid_times, mids, stretches, times, "right")
    with np.errstate(invalid="ignore"):
        unit = 2e4 * sides / before
        paid, kept, moved = (unit * (prices - before), unit * (prices - after),
                             unit * (after - before))
    span = max(seconds, _SHORTEST) * _SECOND
    whole = np.isfinite(kept)
    return Spreads(
        _mean(paid, times, _SHORTEST * _SECOND),
        _mean(np.where(whole, kept, np.nan), times, span),
        _mean(np.where(whole, moved, np.nan), times, span),
    )


def roll(prices: Vector, stretch: Times) -> Mean | None:
    """2 √(−cov of successive log price changes of trades), bps; None where it is not below 0.

    Parameters
    ----------
    prices : of trades in order.
    stretch : number of the stretch without a gap that each is in; a change from one to the next is
        none.

    Notes
    -----
    The error is that of the covariance (HAC), by the delta method. Source: Roll 1984.
    """
    changes = 1e4 * np.diff(np.log(prices))
    changes[np.diff(stretch) != 0] = np.nan
    centred = changes - changes[np.isfinite(changes)].mean()
    products = centred[1:] * centred[:-1]
    there = np.isfinite(products)
    n = int(there.sum())
    covariance = float(products[there].mean()) if n else 0.0
    if not covariance < 0.0:
        return None
    variance = long_run_variance((products - covariance)[:, None]).matrix[0, 0] / n
    return Mean(2.0 * float(np.sqrt(-covariance)),
                float(np.sqrt(max(variance, 0.0) / -covariance)), n, len(products) - n)


def _mid_at(
    at: Times, mid_times: Times, mids: Vector, stretches: NDArray[np.int64], trades: Times,
    side: Literal["left", "right"],
) -> Vector:
    """Last mid before (left) or up to (right) each time, of the stretch that the trade is in."""
    found = np.full(len(at), np.nan)
    if not len(mid_times) or not len(stretches):
        return found
    own = np.searchsorted(stretches[:, 0], trades, side="right") - 1
    place = np.searchsorted(mid_times, at, side=side) - 1
    inside = (own >= 0) & (place >= 0)
    start, end = stretches[np.maximum(own, 0)].T
    inside &= (at < end) & (mid_times[np.maximum(place, 0)] >= start)
    found[inside] = mids[place[inside]]
    return found


def _mean(values: Vector, times: Times, span: int) -> Mean | None:
    """Mean over trades, its error from sums over spans of time; None for under ten spans."""
    there = np.isfinite(values)
    n = int(there.sum())
    if n < 2:
        return None
    kept, when = values[there], times[there]
    mean = float(kept.mean())
    counted = np.bincount((when - when[0]) // span, weights=kept - mean)
    sums = np.asarray(counted, dtype=np.float64)[:, None]
    if len(sums) < _SPANS:
        return None
    chosen = long_run_variance(sums)
    if chosen.bandwidth < 1.0:
        chosen = long_run_variance(sums, bandwidth=1.0)
    variance = max(float(chosen.matrix[0, 0]), 0.0) * len(sums)
    return Mean(mean, float(np.sqrt(variance)) / n, n, len(values) - n)
