"""The tick of an instrument, found from the prices it has been quoted at."""

from __future__ import annotations

from typing import Any

import numpy as np

_DECIMALS = 15
_LARGEST = 2.0**53
"""Ticks beyond it are not told apart by a double."""


class GridError(ValueError):
    """Prices that lie on no grid which the book can be kept on."""


def find_tick(prices: Any) -> tuple[int, int]:
    """The coarsest grid on which all prices lie, as `parts / scale` with scale a power of ten.

    Prices come from decimal texts, so they are multiples of some power of ten to the last bit.

    Parameters
    ----------
    prices : positive floats (n,).

    Raises
    ------
    GridError
        If there are none, or no grid of up to fifteen decimals tells them apart.
    """
    prices = np.unique(prices)
    if not len(prices):
        raise GridError("no prices to find a tick from")
    for decimals in range(_DECIMALS + 1):
        scale = 10**decimals
        scaled = prices * scale
        whole = np.rint(scaled)
        close = np.abs(scaled - whole) <= 1e-6 * np.maximum(1.0, scaled * 1e-6)
        if whole.min() >= 1.0 and whole.max() < _LARGEST and close.all():
            return int(np.gcd.reduce(whole.astype(np.int64))), scale
    raise GridError(f"prices from {prices[0]!r} to {prices[-1]!r} lie on no common grid")


def common_tick(first: tuple[int, int], second: tuple[int, int]) -> tuple[int, int]:
    """The coarsest grid that holds both grids.

    Raises
    ------
    GridError
        If it is too fine for the prices of either.
    """
    scale = max(first[1], second[1])
    if max(first[0] * (scale // first[1]), second[0] * (scale // second[1])) >= _LARGEST:
        raise GridError("prices of very different size lie on no common grid")
    parts = np.gcd(first[0] * (scale // first[1]), second[0] * (scale // second[1]))
    return int(parts), scale
