"""Compiled loop of Burg's method over a series with gaps; what is done with it: `persistence`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imbalance.kernels import jit

Vector = NDArray[np.float64]

_LARGEST = 0.9999


@jit
def partial_autocorrelations(
    centred: Vector, largest: int, pairs_a_coefficient: int
) -> tuple[Vector, Vector]:
    """Partial autocorrelations of orders 1 … `largest`, and the pairs of errors of each.

    Parameters
    ----------
    centred : T values with mean zero, NaN where missing.
    pairs_a_coefficient : an order p with fewer than (p + 1) times so many pairs is the last but
        one, and nothing is found of those from it on.

    Returns
    -------
    Both arrays, up to the order after which hardly an error is left: what remains of a series that
    its past tells exactly is rounding, and orders beyond would explode.

    Notes
    -----
    π_p = 2 Σ f_t b_{t−1} / Σ (f_t² + b_{t−1}²), f and b the errors forwards and backwards of order
    p − 1, over the t of which both are known (Burg 1975; de Waele and Broersen 2000). Sums are in
    the order of time.
    """
    n = len(centred)
    forward, backward = centred.copy(), centred.copy()
    partial, pairs = np.zeros(largest), np.zeros(largest)
    count, product, power = 0, 0.0, 0.0
    for t in range(1, n):
        ahead, behind = forward[t], backward[t - 1]
        if np.isfinite(ahead) and np.isfinite(behind):
            count += 1
            product += ahead * behind
            power += ahead * ahead + behind * behind
    for order in range(1, largest + 1):
        if count < pairs_a_coefficient * (order + 1) or not power > 0.0:
            return partial[: order - 1], pairs[: order - 1]
        reflection = min(max(2.0 * product / power, -_LARGEST), _LARGEST)
        partial[order - 1], pairs[order - 1] = reflection, count
        if abs(reflection) == _LARGEST:
            return partial[:order], pairs[:order]
        count, product, power = 0, 0.0, 0.0
        before, known = backward[order - 1], np.nan  # the error backwards a bar ago: old, and new
        for t in range(order, n):
            old = backward[t]
            ahead = forward[t] - reflection * before
            backward[t] = before - reflection * forward[t]
            forward[t] = ahead
            if np.isfinite(ahead) and np.isfinite(known):
                count += 1
                product += ahead * known
                power += ahead * ahead + known * known
            before, known = old, backward[t]
    return partial, pairs
