"""How far the clocks of recorder and exchange are apart, message by message, in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MOST = 1 << 17
"""Differences kept; beyond it those of half of the lines only, then of a fourth, and so on."""

_MIX, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)

QUANTILES = {"p01": 0.01, "p50": 0.5, "p99": 0.99}


class Latency:
    """Receive − exchange time of a capture's messages."""

    def __init__(self) -> None:
        self._kept: list[tuple[Any, Any]] = []
        self._count = self._held = 0
        self._step = 1
        self._smallest: int | None = None
        self._largest: int | None = None

    def take(self, rows: pa.Table) -> None:
        """Take rows of a raw table."""
        difference = pc.subtract(
            rows["receive_time"].cast(pa.int64()), rows["exchange_time"].cast(pa.int64())
        )
        lines = rows["line"].to_numpy()
        if difference.null_count:
            lines = lines[difference.is_valid().to_numpy()]
        difference = difference.drop_null().to_numpy()
        if not len(difference):
            return
        smallest, largest = int(difference.min()), int(difference.max())
        self._smallest = smallest if self._smallest is None else min(self._smallest, smallest)
        self._largest = largest if self._largest is None else max(self._largest, largest)
        self._count += len(difference)
        # by their line: which are kept does not depend on the pieces and tables they come in
        self._keep(lines, difference)
        while self._held > MOST:
            kept, self._kept, self._held = self._kept, [], 0
            self._step *= 2
            self._keep(*(np.concatenate(parts) for parts in zip(*kept, strict=True)))

    def _keep(self, lines: Any, difference: Any) -> None:
        # mixed: feeds that a recorder writes by turns stay in the sample by their shares
        mixed = (lines.astype(np.uint64) * _MIX) >> _SHIFT
        chosen = mixed % np.uint64(self._step) == 0
        self._kept.append((lines[chosen], difference[chosen]))
        self._held += int(chosen.sum())

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
