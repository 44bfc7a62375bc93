"""Prices of one instrument at the times they changed, cleaned once for every estimator.

Not here: where the prices come from, and any estimation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Times = NDArray[np.int64]


@dataclass(frozen=True)
class Ticks:
    """Log prices at strictly increasing times."""

    times: Times
    """UTC, ns."""
    log_prices: Vector
    """Up to a constant. What the price did over a gap is taken out, so that no increment spans
    time in which nothing was seen."""

    gaps: Times = field(default_factory=lambda: np.empty((0, 2), np.int64))
    """Last time before and first time after every gap, gaps × 2."""

    def __len__(self) -> int:
        return len(self.times)

    @property
    def increments(self) -> Vector:
        """Log returns between neighbouring ticks; 0 over a gap."""
        return np.diff(self.log_prices)

    @property
    def waits(self) -> Times:
        """Time between neighbouring ticks, ns; 0 over a gap."""
        return np.where(sharing_time(self.times, self.gaps), 0, np.diff(self.times))

    @property
    def variance(self) -> float:
        """Realised variance: Σ of the squared increments."""
        return float(np.square(self.increments).sum())

    def between(self, start: int, stop: int) -> Ticks:
        """Ticks of start ≤ time < stop."""
        first, last = np.searchsorted(self.times, [start, stop])
        touched = (self.gaps[:, 1] > start) & (self.gaps[:, 0] < stop)
        return Ticks(self.times[first:last], self.log_prices[first:last], self.gaps[touched])

    def changes(self) -> Ticks:
        """Only ticks at which the price differs from the one before, and the first after a gap."""
        kept = np.append(True, self.increments != 0.0)[: len(self)]
        kept[np.searchsorted(self.times, self.gaps[:, 1])] = True
        return Ticks(self.times[kept], self.log_prices[kept], self.gaps)

    def without(self, gaps: Times) -> Ticks:
        """The same with the increments taken out that share time with gaps of another series."""
        steps = np.where(sharing_time(self.times, gaps), 0.0, self.increments)
        start = self.log_prices[:1]
        every = np.concatenate([self.gaps, gaps])
        return Ticks(
            self.times, np.concatenate([start, start + np.cumsum(steps)]),
            every[np.argsort(every[:, 0], kind="stable")],
        )

    @property
    def left_out(self) -> int:
        """Increments that share time with a gap and count as 0."""
        return int(sharing_time(self.times, self.gaps).sum())


def sharing_time(times: Times, gaps: Times) -> NDArray[np.bool_]:
    """Which intervals (t_i, t_{i+1}] share time with a gap (before, after]."""
    touched = np.zeros(max(len(times) - 1, 0), np.bool_)
    for before, after in gaps:
        first = int(np.searchsorted(times, before, side="right")) - 1
        touched[max(first, 0) : int(np.searchsorted(times, after))] = True
    return touched


def common(x: Ticks, y: Ticks) -> tuple[Ticks, Ticks]:
    """Both series over the time in which both were seen, so that their variances are of it too."""
    if not len(x) or not len(y):
        return x, y
    start = max(int(x.times[0]), int(y.times[0]))
    stop = min(int(x.times[-1]), int(y.times[-1])) + 1
    first, second = x.between(start, stop), y.between(start, stop)
    return first.without(second.gaps), second.without(first.gaps)


def make_ticks(
    times: Times, prices: Vector, starts: NDArray[np.bool_] | None = None
) -> Ticks:
    """Clean a series of prices.

    Parameters
    ----------
    times : ns, in any order.
    prices : NaN, 0 and below are no prices and left out.
    starts : where a new segment begins (after a gap): the increment into it counts as 0.

    Notes
    -----
    Of several prices at one time the last one stands: between them no time passes, and an interval
    of no length overlaps nothing.
    """
    order = np.argsort(times, kind="stable")
    stamps, values = times[order].astype(np.int64), prices[order].astype(np.float64)
    begins = np.zeros(len(values), np.bool_) if starts is None else starts[order]
    # A start whose price is left out, or that shares its time, hands its gap on to the next tick.
    segment = np.cumsum(begins)
    with np.errstate(invalid="ignore"):
        kept = np.flatnonzero(np.isfinite(values) & (values > 0.0))
    if len(kept):
        kept = kept[np.append(stamps[kept[1:]] != stamps[kept[:-1]], True)]
    stamps, logs, segment = stamps[kept], np.log(values[kept]), segment[kept]
    fresh = np.concatenate([[False], np.diff(segment) > 0])[: len(logs)]
    step = np.diff(logs, prepend=logs[:1])
    step[fresh] = 0.0
    after = np.flatnonzero(fresh)
    gaps = np.column_stack([stamps[after - 1], stamps[after]])
    return Ticks(stamps, np.cumsum(step), gaps)
