"""Ticks to prices and sizes as sent to base units, as an instrument's book has them."""

from __future__ import annotations

from imbalance.books.state import MULTIPLIER, TICK_PARTS, TICK_SCALE, Book
from imbalance.kernels import inline


@inline
def price_of(book: Book, tick: int) -> float:
    """Price of a tick: the same double that reading its decimal text gives."""
    return (tick * book.whole[TICK_PARTS]) / book.real[TICK_SCALE]


@inline
def base_size(book: Book, size: float, price: float) -> float:
    """A size as sent in base units: contracts of inverse instruments are worth
    multiplier / price each.
    """
    if book.real[MULTIPLIER] > 0.0:
        return size * book.real[MULTIPLIER] / price
    return size
