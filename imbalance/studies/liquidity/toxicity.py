"""VPIN: the share by which buys and sells of equal volumes differ, and what it says of the future.

Sides are the venue's own, or guessed from price changes (bulk volume classification). Sources:
Easley, López de Prado and O'Hara 2012; Andersen and Bondarenko 2014, who find that VPIN says no
more than volume and volatility do: hence the controls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.covariance import (
    hac_covariance,
    long_run_variance,
    newey_west_bandwidth,
)

Vector = NDArray[np.float64]
Times = NDArray[np.int64]

_SECOND = 1_000_000_000
_LEAST = 20
"""Fewest buckets of a regression."""


@dataclass(frozen=True)
class Buckets:
    """Buckets of equal volume, in order."""

    imbalance: Vector
    """|B − S|/V with the venue's sides."""
    bulk: Vector
    """The same with guessed sides."""
    agreement: Vector
    """Share of each bucket's volume whose side the guess has right."""
    move: Vector
    """Absolute log return of the trade price over the bucket, bps; NaN over a gap."""
    seconds: Vector
    """How long it took to trade the bucket's volume; NaN over a gap."""


@dataclass(frozen=True)
class Slope:
    """A mean over buckets or a standardised coefficient, with its HAC error."""

    value: float
    error: float
    n: int
    freedom: float = np.inf
    """Degrees of freedom of its t."""


def fill(
    times: Times, sides: Vector, sizes: Vector, prices: Vector, stretch: Times, buckets: int,
    bulk_seconds: int,
) -> Buckets:
    """Cut trades into buckets of equal volume; a trade over an edge is shared by both.

    Parameters
    ----------
    times, sides, sizes, prices : of trades in order of time.
    stretch : number of the stretch without a gap that each is in.
    buckets : how many for 24 hours from the first trade to the last, and for any shorter time.
    bulk_seconds : length of the bars of the guess: of a bar's volume, the share Φ(Δp/σ) is taken as
        bought, Δp its price change and σ the standard deviation of all; half of it where a gap is
        in the change, which says nothing of sides.
    """
    from scipy.special import ndtr

    days = max((times[-1] - times[0]) / (86_400 * _SECOND), 1.0)
    volume = np.concatenate([[0.0], np.cumsum(sizes)])
    edges = np.linspace(0.0, volume[-1], max(round(buckets * days), 1) + 1)
    each = volume[-1] / (len(edges) - 1)
    bought = np.concatenate([[0.0], np.cumsum(np.where(sides > 0.0, sizes, 0.0))])
    buys = np.diff(np.interp(edges, volume, bought)) / each

    last = np.append(np.flatnonzero(np.diff(times // (bulk_seconds * _SECOND))), len(times) - 1)
    change = np.diff(np.log(prices[last]), prepend=np.log(prices[0]))
    unbroken = np.diff(stretch[last], prepend=stretch[0]) == 0
    spread = change[unbroken].std() if unbroken.any() else 0.0
    share = np.full(len(change), 0.5)
    if spread > 0.0:
        share[unbroken] = ndtr(change[unbroken] / spread)
    of_bar = np.diff(volume[last + 1], prepend=0.0)
    guessed = np.interp(edges, np.concatenate([[0.0], volume[last + 1]]),
                        np.concatenate([[0.0], np.cumsum(share * of_bar)]))
    guess = np.diff(guessed) / each

    ends = np.clip(np.searchsorted(volume, edges[1:] * (1.0 - 1e-12)) - 1, 0, len(times) - 1)
    starts = np.concatenate([[0], ends[:-1]])
    whole = np.where(stretch[starts] == stretch[ends], 1.0, np.nan)
    return Buckets(
        np.abs(2.0 * buys - 1.0), np.abs(2.0 * guess - 1.0),
        np.minimum(buys, guess) + np.minimum(1.0 - buys, 1.0 - guess),
        whole * np.abs(1e4 * np.log(prices[ends] / prices[starts])),
        whole * np.maximum((times[ends] - times[starts]) / _SECOND, 1e-3),
    )


def mean_of(values: Vector) -> Slope:
    """Mean over buckets with its HAC error."""
    variance = long_run_variance((values - values.mean())[:, None]).matrix[0, 0]
    return Slope(float(values.mean()), float(np.sqrt(max(variance, 0.0) / len(values))),
                 len(values))


def forecast(imbalance: Vector, found: Buckets, memory: int, *, controlled: bool) -> Slope | None:
    """Coefficient of VPIN in a regression of the next bucket's absolute move, standardised.

    Parameters
    ----------
    imbalance : that of the buckets, by either sides.
    memory : VPIN is the mean over so many buckets, the present one the last.
    controlled : beside the absolute move of the present bucket and the logarithm of the seconds it
        took: volatility, and the speed of volume.

    Returns
    -------
    None for too few buckets without a gap, or regressors that do not vary.

    Notes
    -----
    Windows of VPIN overlap: the bandwidth is `memory` at least. Means over a bandwidth count as
    one observation each in the degrees of freedom, without which 15 of 100 tests at 5 % reject
    what is true of 50 buckets.
    """
    running = np.concatenate([[0.0], np.cumsum(imbalance)])
    vpin = (running[memory:] - running[:-memory]) / memory
    y, x = found.move[memory:], vpin[:-1]
    now = slice(memory - 1, -1)
    columns = [x, found.move[now], np.log(found.seconds[now])] if controlled else [x]
    usable = np.isfinite([y, *columns]).all(axis=0)
    y, columns = y[usable], [column[usable] for column in columns]
    if len(y) < _LEAST or any(not np.ptp(column) > 1e-12 for column in (*columns, y)):
        return None
    scaled = [(column - column.mean()) / column.std() for column in columns]
    design = np.column_stack([np.ones(len(y)), *scaled])
    target = (y - y.mean()) / y.std()
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    coefficients = np.linalg.solve(design.T @ design, design.T @ target)
    residuals = target - design @ coefficients
    bandwidth = max(memory, int(newey_west_bandwidth(design[:, 1:] * residuals[:, None])))
    covariance = hac_covariance(design, residuals, bandwidth=bandwidth, small_sample=True)
    return Slope(float(coefficients[1]), float(np.sqrt(covariance[1, 1])), len(y),
                 max(len(y) / (bandwidth + 1) - 1.0, 1.0))
