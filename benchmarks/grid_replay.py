"""The peer's replay done with the product's book: every level update applied, and ten levels a side
read each 100 ms. No states, no flow, no bands, no bars: the same work, to compare like with like.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.books.ladder import ASK, BID, new_ladder, set_level, settle, take_best
from imbalance.books.state import Messages
from imbalance.kernels import jit

STEP_NS, LEVELS = 100_000_000, 10
TICKS_PER_UNIT = 10.0
"""The instrument's tick is 0.1, as the peer is told too."""


@jit
def _replay(
    ladder: Any, m: Messages, ticks: Any, sizes: Any, totals: Any, step: int, levels: int,
    per_unit: float,
) -> None:  # fmt: skip
    """Apply messages; `totals` carries the next time to read the book and the steps so far."""
    for k in range(len(m.event)):
        if totals[0] == 0:
            totals[0] = m.event[k] + step
        while totals[0] <= m.event[k]:
            settle(ladder)
            for side in (BID, ASK):
                count = take_best(ladder, side, levels, ticks[side], sizes[side])
                for j in range(count):
                    sizes[2, 0] += sizes[side, j]
            totals[0] += step
            totals[1] += 1
        for j in range(m.bid_offsets[k], m.bid_offsets[k + 1]):
            tick = np.int64(np.rint(m.bid_prices[j] * per_unit))
            set_level(ladder, BID, tick, m.bid_sizes[j])
        for j in range(m.ask_offsets[k], m.ask_offsets[k + 1]):
            tick = np.int64(np.rint(m.ask_prices[j] * per_unit))
            set_level(ladder, ASK, tick, m.ask_sizes[j])


def replay(messages: list[Messages]) -> tuple[int, float, list[float]]:
    """Steps, the sum of all sizes read, last best bid and ask.

    Begins, as the peer does, with the first message; what comes before the snapshot is overwritten
    by what comes after it.
    """
    ladder = new_ladder(int(messages[0].bid_prices[-1] * TICKS_PER_UNIT), 1 << 16)
    ticks, sizes = np.zeros((2, LEVELS), np.int64), np.zeros((3, LEVELS))
    totals = np.zeros(2, np.int64)
    for part in messages:
        _replay(ladder, part, ticks, sizes, totals, STEP_NS, LEVELS, TICKS_PER_UNIT)
    settle(ladder)
    best = []
    for side in (BID, ASK):
        take_best(ladder, side, 1, ticks[side], sizes[side])
        best.append(float(ticks[side, 0] / TICKS_PER_UNIT))
    return int(totals[1]), float(sizes[2, 0]), best
