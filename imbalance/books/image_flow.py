"""Order flow between images of a book: what a feed that shows no changes lets one say.

Between two images the best price may have passed several levels; all of them are credited. With one
level passed it is the e_n of Cont, Kukanov and Stoikov. It stands apart from the event-level flow:
orders that came and went between two images are not in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.books.ladder import ASK, BID
from imbalance.books.state import FLOW_COLUMNS, Output
from imbalance.kernels import jit


@jit
def _bid_flow(prices: Any, sizes: Any, old_prices: Any, old_sizes: Any) -> float:
    """Flow on the bid side; levels best first."""
    if len(prices) == 0 or len(old_prices) == 0:
        return np.nan
    if prices[0] == old_prices[0]:
        return sizes[0] - old_sizes[0]
    total = 0.0
    if prices[0] > old_prices[0]:
        for k in range(len(prices)):
            if prices[k] <= old_prices[0]:
                break
            total += sizes[k]
        return total
    for k in range(len(old_prices)):
        if old_prices[k] <= prices[0]:
            break
        total += old_sizes[k]
    return -total


@jit
def generalised_flows(
    segment: Any, bid_offsets: Any, bid_prices: Any, bid_sizes: Any,
    ask_offsets: Any, ask_prices: Any, ask_sizes: Any,
) -> Any:
    """Generalised order flow imbalance from each state to the next.

    Parameters
    ----------
    segment : bool (n,), states into which no flow leads.
    bid_offsets, ask_offsets : int (n+1,), where each state's levels lie.
    bid_prices, bid_sizes, ask_prices, ask_sizes : levels, best first; sizes in base units.

    Returns
    -------
    float64 (n,) : flow into each state, NaN for the first one, after a break, or with an empty
    side. With p the prices of a side and b its best, for bids Σ_{p>b_{n−1}} q_n when the best
    rises, q_n(b) − q_{n−1}(b) when it stays, −Σ_{p>b_n} q_{n−1} when it falls; asks mirrored;
    bids less asks (Su et al. 2021, generalising Cont, Kukanov, Stoikov 2014).
    """
    count = len(segment)
    flows = np.full(count, np.nan)
    for k in range(1, count):
        if segment[k]:
            continue
        b0, b1, b2 = bid_offsets[k - 1], bid_offsets[k], bid_offsets[k + 1]
        a0, a1, a2 = ask_offsets[k - 1], ask_offsets[k], ask_offsets[k + 1]
        bids = _bid_flow(bid_prices[b1:b2], bid_sizes[b1:b2], bid_prices[b0:b1], bid_sizes[b0:b1])
        asks = _bid_flow(
            -ask_prices[a1:a2], ask_sizes[a1:a2], -ask_prices[a0:a1], ask_sizes[a0:a1]
        )
        flows[k] = bids - asks
    return flows


class ImageFlow:
    """Sums the flow between images by bar, as states and bars are written.

    Parameters
    ----------
    bar_ns : length of the bars.
    """

    def __init__(self, bar_ns: int) -> None:
        self._bar_ns = bar_ns
        self._last: tuple[Any, Any, Any, Any] | None = None
        self._sums: dict[int, float] = {}

    def take(self, event: Any, segment: Any, sides: tuple[tuple[Any, Any, Any], ...]) -> None:
        """Take the next states.

        Parameters
        ----------
        event : int64 (n,), times in ns.
        segment : bool (n,).
        sides : of bids and asks: offsets (n+1,), prices, sizes.
        """
        if not len(event):
            return
        segment = np.asarray(segment, bool)
        arrays = []
        for side, (offsets, prices, sizes) in enumerate(sides):
            if self._last is None:
                arrays += [offsets, prices, sizes]
                continue
            held_prices, held_sizes = self._last[2 * side], self._last[2 * side + 1]
            shifted = np.concatenate([[0], offsets + len(held_prices)])
            arrays += [shifted, np.concatenate([held_prices, prices]),
                       np.concatenate([held_sizes, sizes])]
        first = 0 if self._last is None else 1
        marks = np.concatenate([np.zeros(first, bool), segment])
        flows = generalised_flows(marks, *arrays)[first:]
        for bar, flow in zip((event // self._bar_ns).tolist(), flows.tolist(), strict=True):
            self._sums[bar] = self._sums.get(bar, 0.0) + flow
        ends = [
            values[offsets[-2] : offsets[-1]]
            for offsets, prices, sizes in sides for values in (prices, sizes)
        ]
        self._last = (ends[0], ends[1], ends[2], ends[3])

    def take_states(self, out: Output, count: int) -> None:
        """Take the states in a rebuild's buffers."""
        sides = []
        for side in (BID, ASK):
            offsets = np.zeros(count + 1, np.int64)
            np.cumsum(out.state_counts[:count, side], out=offsets[1:])
            levels = slice(0, int(offsets[-1]))
            sides.append((offsets, out.state_prices[side, levels].copy(),
                          out.state_sizes[side, levels].copy()))
        self.take(out.states[:count, 0].copy(), out.states[:count, 3] != 0, tuple(sides))

    def of_bars(self, starts: Any) -> Any:
        """Sums of some bars, by their start in ns, each asked for once; 0 where nothing changed."""
        return np.array([self._sums.pop(int(s) // self._bar_ns, 0.0) for s in starts], float)


def image_columns(flow: ImageFlow | None, bar_times: Any) -> dict[str, pa.Array]:
    """What is different in bars of a feed of images: no flow of events, but one between images.

    Parameters
    ----------
    flow : None where the feed shows every change.
    bar_times : int64 (n, 3): start, time known, whether poisoned.
    """
    count = len(bar_times)
    nothing = pa.nulls(count, pa.float64())
    if flow is None:
        return {
            "generalised_order_flow_imbalance": nothing, "book_feed": pa.repeat("events", count)
        }
    sums = np.where(bar_times[:, 2] != 0, np.nan, flow.of_bars(bar_times[:, 0]))
    return {
        **dict.fromkeys(FLOW_COLUMNS, nothing),
        "generalised_order_flow_imbalance": pa.array(sums, from_pandas=True),
        "book_feed": pa.repeat("images", count),
    }
