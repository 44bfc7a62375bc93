"""The tick of an instrument, found from the prices it has been quoted at."""

from __future__ import annotations

from typing import Any

import numpy as np

_DECIMALS = 12


def find_tick(prices: Any) -> tuple[int, int]:
    """The coarsest grid on which all prices lie, as `parts / scale` with scale a power of ten.

    Prices come from decimal texts, so they are multiples of some power of ten to the last bit.

    Parameters
    ----------
    prices : positive floats (n,).

    Raises
    ------
    ValueError
        If there are none, or they have more decimals than twelve.
    """
    prices = np.unique(prices)
    if not len(prices):
        raise ValueError("no prices to find a tick from")
    for decimals in range(_DECIMALS + 1):
        scale = 10**decimals
        scaled = prices * scale
        whole = np.rint(scaled)
        if (np.abs(scaled - whole) <= 1e-6 * np.maximum(1.0, scaled * 1e-6)).all():
            return int(np.gcd.reduce(whole.astype(np.int64))), scale
    raise ValueError(f"prices with more than {_DECIMALS} decimals, such as {prices[0]!r}")


def common_tick(first: tuple[int, int], second: tuple[int, int]) -> tuple[int, int]:
    """The coarsest grid that holds both grids."""
    scale = max(first[1], second[1])
    parts = np.gcd(first[0] * (scale // first[1]), second[0] * (scale // second[1]))
    return int(parts), scale
