"""Blocks of equal time for resampling ticks, in which time that nobody saw does not count."""

from __future__ import annotations

import numpy as np

from imbalance.studies.asynchrony.ticks import Times


def seen_time(start: int, stop: int, gaps: Times) -> int:
    """Time between start and stop outside of the gaps, ns."""
    return int(_clocks(start, stop, gaps)[1][-1])


def block_ends(start: int, stop: int, gaps: Times, blocks: int) -> Times:
    """Ends of blocks that hold equal lengths of seen time.

    Parameters
    ----------
    start, stop : the window, ns.
    gaps : (before, after) of the stretches that nobody saw, in any order; they may overlap.
    blocks : how many, at least 1.
    """
    clock, seen = _clocks(start, stop, gaps)
    ends = np.interp(np.linspace(0.0, float(seen[-1]), blocks + 1)[1:], seen, clock)
    return np.asarray(start + np.append(np.rint(ends[:-1]), stop - start), dtype=np.int64)


def _clocks(start: int, stop: int, gaps: Times) -> tuple[Times, Times]:
    """Corners of the curve of seen time against time, both from the start."""
    inside = np.clip(gaps[np.argsort(gaps[:, 0], kind="stable")], start, stop) - start
    after = np.maximum.accumulate(inside[:, 1]) if len(inside) else inside[:, 1]
    before = np.maximum(inside[:, 0], np.concatenate([[0], after[:-1]])[: len(after)])
    clock = np.concatenate([[0], np.column_stack([before, after]).ravel(), [stop - start]])
    # Every second step is a gap: in it no time is seen.
    steps = np.diff(clock)
    steps[1::2] = 0
    return clock, np.concatenate([[0], np.cumsum(steps)])
