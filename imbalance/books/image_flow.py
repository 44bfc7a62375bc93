"""Order flow between images of a book: what a feed that shows no changes lets one say.

Between two images the best price may have passed several levels; all of them are credited, however
many the images have. With one level passed it is the e_n of Cont, Kukanov and Stoikov. It stands
apart from the event-level flow: orders that came and went between two images are not in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.books.ladder import ASK, BID, levels_of
from imbalance.books.state import (
    IMAGE_FLOW,
    TICK_PARTS,
    TICK_SCALE,
    Book,
    Messages,
)
from imbalance.books.units import base_size, price_of
from imbalance.kernels import bare


@bare
def _gone(book: Book, side: int, until: int) -> float:
    """Base size of the levels held that are better than a tick; the sign of bids is 1."""
    whole, real = book.whole, book.real
    sign = 1 if side == BID else -1
    count = book.top_count[side]
    ticks, sizes = book.top_ticks[side, :count], book.top_sizes[side, :count]
    if count == book.top_ticks.shape[1] and sign * ticks[count - 1] > sign * until:
        ticks, sizes = levels_of(book.ladder, side)  # more may have been passed than are shown
    total = 0.0
    for k in range(len(ticks)):
        if sign * ticks[k] <= sign * until:
            break
        total += base_size(real, sizes[k], price_of(whole, real, ticks[k]))
    return total


@bare
def _side(book: Book, side: int, prices: Any, sizes: Any, start: int, stop: int) -> float:
    """One side's part of the flow from the book held to an image in its place."""
    real, sign = book.real, 1 if side == BID else -1
    scale, parts = real[TICK_SCALE], book.whole[TICK_PARTS]
    new = best_size = np.nan
    for k in range(start, stop):
        tick = sign * np.rint(prices[k] * scale / parts)
        if sizes[k] > 0.0 and not tick <= new:
            new, best_size = tick, base_size(real, sizes[k], prices[k])
    if np.isnan(new) or book.top_count[side] == 0:
        return np.nan
    old = sign * book.top_ticks[side, 0]
    if new == old:
        return best_size - book.top_base[side, 0]
    if new < old:
        return -_gone(book, side, sign * np.int64(new))
    total = 0.0
    for k in range(start, stop):
        if sign * np.rint(prices[k] * scale / parts) > old:
            total += base_size(real, sizes[k], prices[k])
    return total


@bare
def add_image_flow(book: Book, m: Messages, k: int) -> None:
    """Add the generalised order flow imbalance from the book held to an image, before that is put
    in its place; NaN where a side of either is empty.

    With p the prices of a side and b its best, for bids Σ_{p>b_{n−1}} q_n when the best rises,
    q_n(b) − q_{n−1}(b) when it stays, −Σ_{p>b_n} q_{n−1} when it falls; asks mirrored; bids less
    asks; sizes in base units (Su et al. 2021, generalising Cont, Kukanov, Stoikov 2014).
    """
    bids = _side(book, BID, m.bid_prices, m.bid_sizes, m.bid_offsets[k], m.bid_offsets[k + 1])
    asks = _side(book, ASK, m.ask_prices, m.ask_sizes, m.ask_offsets[k], m.ask_offsets[k + 1])
    book.real[IMAGE_FLOW] += bids - asks
