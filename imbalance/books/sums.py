"""Sums over neighbouring sizes of a ladder, empty places included: in several sums side by side,
which is quicker than to look for the places that hold something. The order of additions depends on
nothing but the places, so the same levels give the same sum to the last bit.
"""

from __future__ import annotations

from typing import Any

from imbalance.kernels import bare, peek


@bare
def plain_sum(sizes: Any, start: int, stop: int) -> float:
    """Σ size over the places `start` to `stop`, the last one excluded."""
    total = a = b = c = d = e = f = g = h = 0.0
    k = start
    while k + 8 <= stop:
        a += peek(sizes, k)
        b += peek(sizes, k + 1)
        c += peek(sizes, k + 2)
        d += peek(sizes, k + 3)
        e += peek(sizes, k + 4)
        f += peek(sizes, k + 5)
        g += peek(sizes, k + 6)
        h += peek(sizes, k + 7)
        k += 8
    while k < stop:
        total += peek(sizes, k)
        k += 1
    return total + (((a + b) + (c + d)) + ((e + f) + (g + h)))


@bare
def weighted_sum(sizes: Any, weights: Any, start: int, stop: int, first: int) -> float:
    """The same with weights, of which `first` is that of the place `start`."""
    total = a = b = c = d = 0.0
    k, w = start, first
    while k + 4 <= stop:
        a += peek(sizes, k) * peek(weights, w)
        b += peek(sizes, k + 1) * peek(weights, w + 1)
        c += peek(sizes, k + 2) * peek(weights, w + 2)
        d += peek(sizes, k + 3) * peek(weights, w + 3)
        k += 4
        w += 4
    while k < stop:
        total += peek(sizes, k) * peek(weights, w)
        k += 1
        w += 1
    return total + ((a + b) + (c + d))
