"""Ticks to prices and sizes as sent to base units, as an instrument's book has them.

Small functions take the arrays of the book which they read: a whole book is thirty arrays, which
every call hands on one by one and every compilation takes apart.
"""

from __future__ import annotations

from typing import Any

from imbalance.books.state import MULTIPLIER, TICK_PARTS, TICK_SCALE
from imbalance.kernels import inline


@inline
def price_of(whole: Any, real: Any, tick: int) -> float:
    """Price of a tick: the same double that reading its decimal text gives."""
    return (tick * whole[TICK_PARTS]) / real[TICK_SCALE]


@inline
def base_size(real: Any, size: float, price: float) -> float:
    """A size as sent in base units: contracts of inverse instruments are worth
    multiplier / price each.
    """
    if real[MULTIPLIER] > 0.0:
        return size * real[MULTIPLIER] / price
    return size
