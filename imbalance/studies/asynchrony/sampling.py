"""Putting ticks of several instruments on common times: previous tick and refresh time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imbalance.kernels import jit
from imbalance.studies.asynchrony.blocks import seen_time
from imbalance.studies.asynchrony.ticks import Ticks, Times, sharing_time

Matrix = NDArray[np.float64]


def previous_tick(series: Sequence[Ticks], times: Times) -> Matrix:
    """Log prices last seen at or before every time, times × instruments; NaN before the first."""
    columns = []
    for ticks in series:
        at = np.searchsorted(ticks.times, times, side="right") - 1
        if not len(ticks):
            columns.append(np.full(len(times), np.nan))
            continue
        columns.append(np.where(at >= 0, ticks.log_prices[at], np.nan))
    return np.column_stack(columns)


def regular_grid(series: Sequence[Ticks], step: int) -> Times:
    """Multiples of `step` ns from when all instruments have a price to when the first one ends;
    without those within a gap of one of them, from which no return begins or ends.
    """
    if any(not len(ticks) for ticks in series):
        return np.empty(0, np.int64)
    first = -(-max(int(ticks.times[0]) for ticks in series) // step)
    last = min(int(ticks.times[-1]) for ticks in series) // step
    # Numbers of the first multiple within each gap, and of the first one behind it.
    within = np.concatenate([ticks.gaps for ticks in series])
    within = np.column_stack([within[:, 0] // step + 1, -(-within[:, 1] // step)])
    parts = []
    for inside, behind in within[np.argsort(within[:, 0], kind="stable")].tolist():
        if behind > max(first, inside):
            parts.append(np.arange(first, min(inside, last + 1)))
            first = behind
    parts.append(np.arange(first, last + 1))
    return np.concatenate(parts).astype(np.int64) * step


def refresh_times(series: Sequence[Ticks]) -> Times:
    """Times by which every instrument has ticked since the time before.

    Notes
    -----
    τ_1 = max_i t_i1 and τ_{j+1} = max_i (first tick of i after τ_j), until one has no more. The
    mean gap of N instruments that tick at Poisson rate λ is H_N / λ, H_N the harmonic number.
    Source: Barndorff-Nielsen, Hansen, Lunde and Shephard 2011.
    """
    if any(not len(ticks) for ticks in series):
        return np.empty(0, np.int64)
    joined = np.concatenate([ticks.times for ticks in series])
    ends = np.cumsum([len(ticks) for ticks in series])
    found = np.empty(min(len(ticks) for ticks in series), np.int64)
    return found[: _refresh(joined, ends, found)].copy()


def sampled_increments(series: Sequence[Ticks], times: Times) -> Matrix:
    """Returns of the previous-tick prices between neighbouring times, returns × instruments.

    A row is left out when a gap of any instrument reaches into it.
    """
    returns = np.diff(previous_tick(series, times), axis=0)
    kept = np.asarray(np.isfinite(returns).all(axis=1))
    for ticks in series:
        kept &= ~sharing_time(times, ticks.gaps)
    return np.asarray(returns[kept], dtype=np.float64)


def observation_rate(ticks: Ticks) -> float:
    """Ticks per second between the first and the last, without gaps and what came in them: the
    Poisson rate λ; NaN below two ticks.
    """
    if len(ticks) < 2:
        return float("nan")
    seen = seen_time(int(ticks.times[0]), int(ticks.times[-1]), ticks.gaps)
    gaps = ticks.gaps[np.argsort(ticks.gaps[:, 0], kind="stable")]
    # The latest end of all gaps that began before a tick.
    ends = np.maximum.accumulate(np.concatenate([ticks.times[:1], gaps[:, 1]]))
    last_end = ends[np.searchsorted(gaps[:, 0], ticks.times)]
    return float((ticks.times > last_end).sum()) / (seen / 1e9) if seen else float("nan")


@jit
def _refresh(times: Times, ends: NDArray[np.int64], found: Times) -> int:
    """Fill in refresh times of series that stand one after the other; returns how many."""
    at = np.zeros(len(ends), np.int64)
    at[1:] = ends[:-1]
    count = 0
    while True:
        latest = times[at[0]]
        for i in range(1, len(ends)):
            latest = max(latest, times[at[i]])
        found[count] = latest
        count += 1
        for i in range(len(ends)):
            while times[at[i]] <= latest:
                at[i] += 1
                if at[i] == ends[i]:
                    return count
