"""Depth of the book within bands around the mid, and weighted by distance from it.

Sums are kept by word of 64 ticks and made anew where something has changed. They depend on the book
and its mid alone, to the last bit, never on how the book came about.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imbalance.books.ladder import ASK, BASE, BEST_ASK, BEST_BID, BID, WIDTH
from imbalance.books.state import (
    BAND_AT,
    KNOWN_HIGH,
    KNOWN_LOW,
    MID,
    MULTIPLIER,
    REACH_AT,
    TICK_PARTS,
    TICK_SCALE,
    WEIGHTED_AT,
    Book,
)  # fmt: skip
from imbalance.books.sums import plain_sum, weighted_sum
from imbalance.books.tables import BANDS_BPS, WEIGHT_REACH_BPS, WEIGHT_SCALE_BPS
from imbalance.books.units import base_size, price_of
from imbalance.kernels import bare, inline, product_of_64, sum_of_64, trailing_zeros

_BANDS = np.array(BANDS_BPS, float)
_ALL = ~np.uint64(0)

_FURTHEST = max(*BANDS_BPS, WEIGHT_REACH_BPS)
"""How far words are summed anew."""

_STEEPEST = 10.0
"""Step from which powers over a word may leave the range of a double: of prices below 100 ticks, of
which no more than one place a side is within reach."""


@inline
def _base_at(book: Book, side: int, index: int) -> float:
    """Size at a place of the window in base units."""
    size = book.ladder.sizes[side, index]
    price = price_of(book.whole, book.real, book.ladder.meta[BASE] + index)
    return base_size(book.real, size, price)


@inline
def _places_sum(book: Book, side: int, low: int, high: int) -> float:
    """Base size at some places of the window, both ends included."""
    if book.real[MULTIPLIER] > 0.0:
        total = 0.0
        for index in range(low, high + 1):
            total += _base_at(book, side, index)
        return total
    start = side * book.ladder.meta[WIDTH] + low
    return plain_sum(book.ladder.sizes, start, start + high - low + 1)


@inline
def _places_weighted(book: Book, side: int, low: int, high: int) -> float:
    """Σ size · exp(±step)^place at some places of a word, both ends included."""
    place = side * 64 + (low & 63)
    if book.real[MULTIPLIER] > 0.0:
        total = 0.0
        for index in range(low, high + 1):
            total += _base_at(book, side, index) * book.powers[side, index & 63]
        return total
    start = side * book.ladder.meta[WIDTH] + low
    return weighted_sum(book.ladder.sizes, book.powers, start, start + high - low + 1, place)


@inline
def _within(block: int, first: int, last: int) -> Any:
    """Bits of the words of a block which are from `first` to `last`."""
    bits = _ALL
    if block == first >> 6:
        bits = bits << np.uint64(first & 63)
    if block == last >> 6:
        bits = bits & (_ALL >> np.uint64(63 - (last & 63)))
    return bits


@bare
def _sum_words(book: Book, side: int, first: int, last: int) -> None:
    """Sum those of some words anew which have changed."""
    ladder = book.ladder
    contracts = book.real[MULTIPLIER] > 0.0
    for block in range(first >> 6, (last >> 6) + 1):
        bits = ladder.changed[side, block] & _within(block, first, last)
        ladder.changed[side, block] ^= bits
        ladder.unweighted[side, block] |= bits
        while bits != 0:
            word = (block << 6) + trailing_zeros(bits)
            bits &= bits - np.uint64(1)
            if contracts:
                total = _places_sum(book, side, word << 6, (word << 6) + 63)
            else:
                total = sum_of_64(ladder.sizes, side * ladder.meta[WIDTH] + (word << 6))
            ladder.word_sums[side, word] = total


@bare
def _weigh_words(book: Book, side: int, first: int, last: int) -> None:
    """Weigh those of some words anew whose weighted sum is no longer right."""
    ladder = book.ladder
    contracts = book.real[MULTIPLIER] > 0.0
    for block in range(first >> 6, (last >> 6) + 1):
        bits = ladder.unweighted[side, block] & _within(block, first, last)
        ladder.unweighted[side, block] ^= bits
        while bits != 0:
            word = (block << 6) + trailing_zeros(bits)
            bits &= bits - np.uint64(1)
            if contracts:
                total = _places_weighted(book, side, word << 6, (word << 6) + 63)
            else:
                start = side * ladder.meta[WIDTH] + (word << 6)
                total = product_of_64(ladder.sizes, start, book.powers, side * 64)
            ladder.weighted[side, word] = ladder.scales[side, word] * total


@inline
def _range_sum(book: Book, side: int, low: int, high: int) -> float:
    """Base size at the places `low` to `high` of the window, both included."""
    if low > high:
        return 0.0
    first, last = low >> 6, high >> 6
    if first == last:
        return _places_sum(book, side, low, high)
    start = side * book.ladder.word_sums.shape[1]
    total = _places_sum(book, side, low, (first << 6) + 63)
    total += plain_sum(book.ladder.word_sums, start + first + 1, start + last)
    return total + _places_sum(book, side, last << 6, high)


@bare
def _set_weights(book: Book, side: int, middle: float, step: float, furthest: int) -> None:
    """Weights for a mid: powers of exp(step) within a word and of exp(−64 step) from word to word,
    from the middle outwards.
    """
    ladder, powers = book.ladder, book.powers
    sign = 1 if side == BID else -1
    factor = np.exp(sign * step)
    powers[side, 0] = 1.0
    for k in range(1, 64):
        powers[side, k] = powers[side, k - 1] * factor
    word: Any = np.int64(np.floor(middle)) >> 6
    scale = np.exp(sign * ((word << 6) - middle) * step)
    decay = np.exp(-64.0 * step)
    while sign * (word - furthest) >= 0:
        ladder.scales[side, word] = scale
        scale *= decay
        word -= sign
    ladder.unweighted[side, :] = _ALL
    ladder.weighted_for[side] = book.real[MID]


@bare
def _weighted(book: Book, side: int, low: int, high: int, middle: float, step: float) -> float:
    """Σ size · exp(−distance · step) over the places `low` to `high` on the side's own side of
    `middle`, from which distances are. The sum of a whole word is kept until it changes or the mid
    does: nine of ten bars end at the mid of the bar before.
    """
    if low > high:
        return 0.0
    total = 0.0
    if step > _STEEPEST:
        for index in range(low, high + 1):
            total += _base_at(book, side, index) * np.exp(-abs(index - middle) * step)
        return total
    ladder = book.ladder
    first, last = low >> 6, high >> 6
    if ladder.weighted_for[side] != book.real[MID]:
        _set_weights(book, side, middle, step, first if side == BID else last)
    within: Any = np.int64(np.floor(middle)) >> 6
    if first <= within if side == BID else first >= within:
        stop = min(high, (first << 6) + 63)
        total += ladder.scales[side, first] * _places_weighted(book, side, low, stop)
    if last > first and (last <= within if side == BID else last >= within):
        total += ladder.scales[side, last] * _places_weighted(book, side, last << 6, high)
    if side == BID:
        first, last = first + 1, min(last - 1, within)
    else:
        first, last = max(first + 1, within), last - 1
    if first > last:
        return total
    _weigh_words(book, side, first, last)
    start = side * ladder.weighted.shape[1]
    return total + plain_sum(ladder.weighted, start + first, start + last + 1)


@bare
def fill_bands(book: Book) -> None:
    """Depth within the bands and weighted by distance, from the best price outwards."""
    whole, real, bands, meta = book.whole, book.real, book.bands, book.ladder.meta
    mid = real[MID]
    unit = real[TICK_SCALE] / whole[TICK_PARTS]
    middle = mid * unit - meta[BASE]
    per_bps = mid * unit / 1e4
    end = meta[WIDTH] - 1
    step = 1.0 / (per_bps * WEIGHT_SCALE_BPS)
    reach = WEIGHT_REACH_BPS * per_bps
    for side in (BID, ASK):
        best: Any = meta[BEST_BID] if side == BID else meta[BEST_ASK]
        if best < 0:
            for band in range(len(_BANDS)):
                bands[BAND_AT + 2 * band + side] = 0.0
            bands[WEIGHTED_AT + side] = 0.0
            continue
        furthest = _bound(side, middle, _FURTHEST * per_bps, end)
        _sum_words(book, side, min(best, furthest) >> 6, max(best, furthest) >> 6)
        total = 0.0
        edge = best
        for band in range(len(_BANDS)):
            bound = _bound(side, middle, _BANDS[band] * per_bps, end)
            if side == BID:
                total += _range_sum(book, side, bound, edge)
                edge = min(edge, bound - 1)
            else:
                total += _range_sum(book, side, edge, bound)
                edge = max(edge, bound + 1)
            bands[BAND_AT + 2 * band + side] = total
        low = max(0, np.int64(np.ceil(middle - reach))) if side == BID else best
        high = best if side == BID else min(end, np.int64(np.floor(middle + reach)))
        bands[WEIGHTED_AT + side] = _weighted(book, side, low, high, middle, step)
    low_price = price_of(whole, real, max(whole[KNOWN_LOW], meta[BASE]))
    high_price = price_of(whole, real, min(whole[KNOWN_HIGH], meta[BASE] + end))
    # the market may have left what was told of
    bands[REACH_AT] = max(0.0, (mid - low_price) / mid * 1e4)
    bands[REACH_AT + 1] = max(0.0, (high_price - mid) / mid * 1e4)


@inline
def _bound(side: int, middle: float, distance: float, end: int) -> Any:
    """Place of the window furthest from the middle that is within a distance."""
    if side == BID:
        return max(0, np.int64(np.ceil(middle - distance - 1e-6)))
    return min(end, np.int64(np.floor(middle + distance + 1e-6)))
