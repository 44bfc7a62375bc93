"""How far the clocks of recorder and exchange are apart, message by message, in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.captures.clocks import NO_TIME
from imbalance.captures.kept import Keeps
from imbalance.captures.rows import whole_times
from imbalance.kernels import jit

MOST = 1 << 17
"""Differences kept; beyond it those of half of the lines only, then of a fourth, and so on."""

_MIX, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)

QUANTILES = {"p01": 0.01, "p50": 0.5, "p99": 0.99}


class Latency(Keeps):
    """Receive − exchange time of a capture's messages."""

    _kept: list[tuple[np.ndarray, np.ndarray]]
    _count: int
    _held: int
    _step: int
    _smallest: int | None
    _largest: int | None

    def __init__(self) -> None:
        self._kept, self._count, self._held, self._step = [], 0, 0, 1
        self._smallest = self._largest = None

    def take(self, rows: pa.Table) -> None:
        """Take rows of a raw table."""
        lines = rows["line"].to_numpy()
        times = (whole_times(rows[name]) for name in ("receive_time", "exchange_time"))
        differences, count, smallest, largest = _differences(lines, *times, self._step)
        if not count:
            return
        self._smallest = smallest if self._smallest is None else min(self._smallest, smallest)
        self._largest = largest if self._largest is None else max(self._largest, largest)
        self._count += count
        self._keep(*differences)
        while self._held > MOST:
            kept, self._kept, self._held = self._kept, [], 0
            self._step *= 2
            for lines, found in kept:
                chosen = _chosen(lines, self._step)
                self._keep(lines[chosen], found[chosen])

    def _keep(self, lines: Any, differences: Any) -> None:
        self._kept.append((lines, differences))
        self._held += len(lines)

    def row(self, capture_id: str, venue: str, available_at: int) -> dict[str, Any]:
        """The capture's row of `raw.clock_skew`; differences in ns."""
        values = np.concatenate([*(kept for _, kept in self._kept), np.empty(0, np.int64)])
        quantiles = {
            f"{name}_ns": int(np.quantile(values, q)) if len(values) else None
            for name, q in QUANTILES.items()
        }
        return {
            "capture_id": capture_id, "venue": venue, "messages": self._count,
            "smallest_ns": self._smallest, "largest_ns": self._largest, **quantiles,
            "correction_ns": max(0, -(self._smallest or 0)), "available_at": available_at,
        }  # fmt: skip


@jit
def _is_chosen(line: int, step: int) -> bool:
    """Whether a line is among one of `step`, a power of two.

    By the line, mixed: which are kept does not depend on the pieces and tables they come in, and
    feeds that a recorder writes by turns stay in the sample by their shares.
    """
    return ((np.uint64(line) * _MIX) >> _SHIFT) & np.uint64(step - 1) == 0


@jit
def _chosen(lines: Any, step: int) -> Any:
    chosen = np.empty(len(lines), np.bool_)
    for k in range(len(lines)):
        chosen[k] = _is_chosen(lines[k], step)
    return chosen


@jit
def _differences(lines: Any, receive: Any, exchange: Any, step: int) -> Any:
    """Lines and differences of one of `step` lines; number, least and greatest of all."""
    kept_lines = np.empty(len(lines), np.int64)
    kept = np.empty(len(lines), np.int64)
    held = count = 0
    smallest, largest = np.iinfo(np.int64).max, np.iinfo(np.int64).min
    for k in range(len(lines)):
        if receive[k] == NO_TIME or exchange[k] == NO_TIME:
            continue
        difference = receive[k] - exchange[k]
        count += 1
        smallest = min(smallest, difference)
        largest = max(largest, difference)
        if _is_chosen(lines[k], step):
            kept_lines[held] = lines[k]
            kept[held] = difference
            held += 1
    return (kept_lines[:held].copy(), kept[:held].copy()), count, smallest, largest
