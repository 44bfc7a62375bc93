"""What the order of the variables does to orthogonal responses and shares: all orders at once.

A shock of variable j made orthogonal depends on which variables stand before j, not on their order:
there are 2^{K−1} such shocks and K! orders. Ranges over all orders are exact and cheap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

LARGEST = 10
"""Variables up to which all orders are looked at: 5,120 shocks."""


def shocks(sigma: Matrix, variable: int) -> Matrix:
    """Orthogonal shocks of one standard deviation of a variable, for each set that may precede it.

    Parameters
    ----------
    sigma : K × K covariance of the residuals.
    variable : j.

    Returns
    -------
    2^{K−1} × K: Σ_{·j|S}/√Σ_{jj|S}, conditional on the set S of variables before j. Set number b
    holds the i-th of the other variables when bit i of b is set.
    """
    others = [i for i in range(len(sigma)) if i != variable]
    found = np.empty((2 ** len(others), len(sigma)))
    for number in range(len(found)):
        before = [i for bit, i in enumerate(others) if number >> bit & 1]
        column = sigma[:, variable].copy()
        if before:
            weights = np.linalg.solve(sigma[np.ix_(before, before)], sigma[before, variable])
            column -= sigma[:, before] @ weights
            column[before] = 0.0
        found[number] = column / np.sqrt(column[variable])
    return found


def response_range(phi: Matrix, sigma: Matrix) -> tuple[Matrix, Matrix]:
    """Least and greatest orthogonal response over all orders.

    Parameters
    ----------
    phi : horizons × K × K.
    sigma : K × K.

    Returns
    -------
    Two arrays, horizons × response × impulse.
    """
    each = [phi @ shocks(sigma, j).T for j in range(len(sigma))]
    return (np.stack([one.min(axis=-1) for one in each], axis=-1),
            np.stack([one.max(axis=-1) for one in each], axis=-1))  # fmt: skip


def total_range(phi: Matrix, sigma: Matrix) -> tuple[float, float]:
    """Least and greatest total connectedness of the orthogonal decomposition over all orders.

    Notes
    -----
    What j gives to the others depends on the set before it, so that the extremes over K! orders are
    shortest and longest paths through the 2^K sets, one variable joining at a time.
    """
    k = len(sigma)
    variance = np.einsum("hij,jk,hik->i", phi, sigma, phi)
    given = np.empty((k, 2 ** (k - 1)))
    for j in range(k):
        shares = np.square(phi @ shocks(sigma, j).T).sum(axis=0) / variance[:, None]
        given[j] = shares.sum(axis=0) - shares[j]
    least, most = np.full(2**k, np.inf), np.full(2**k, -np.inf)
    least[0] = most[0] = 0.0
    for members in range(2**k):
        for j in range(k):
            if members >> j & 1:
                continue
            # The same set without a place for j.
            low = members & ((1 << j) - 1)
            gift = given[j, low | (members - low) >> 1]
            with_j = members | 1 << j
            least[with_j] = min(least[with_j], least[members] + gift)
            most[with_j] = max(most[with_j], most[members] + gift)
    return float(least[-1] / k), float(most[-1] / k)
