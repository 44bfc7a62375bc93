"""Normalisations by the recent past: trailing standard deviation and trailing rank.

They look at preceding valid bars only, in a window of bars and not of time. Not here: which bars
are valid, and when the past is forgotten.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imbalance.features.columns import LEAST_BARS, TRAILING_BARS
from imbalance.kernels import jit

Floats = NDArray[np.float64]

_LANES = 4

SAME = 1e-11
"""Standard deviations of the past up to which two values are equal: above what sums of doubles are
off by, below a lot of the smallest coins."""


class Trailing:
    """The last valid values of one measure, through which further values are put in order.

    Feeding a series in one call or in many gives the same bits.
    """

    def __init__(self, bars: int = TRAILING_BARS, least: int = LEAST_BARS) -> None:
        if bars % _LANES or least < 2:
            raise ValueError(f"bars must be a multiple of {_LANES} and least at least 2")
        self._past = np.zeros(bars)
        self._least = least
        self._seen = 0

    def normalise(self, values: Floats) -> tuple[Floats, Floats]:
        """Scale and rank further values.

        Parameters
        ----------
        values : array, shape (n,)
            One per bar in the order of time; NaN for a bar which is not valid and is passed over.

        Returns
        -------
        scaled : array, shape (n,)
            x / s, s the standard deviation (n − 1 in the denominator) of the past values; NaN when
            they do not vary.
        rank : array, shape (n,)
            (number of past values below x + ½ number equal to x) / number of past values. Values
            that differ by less than `SAME` deviations are equal: sums of the same sizes in another
            order are.

        Both are NaN for a NaN, and before there are enough past values.
        """
        scaled = np.full(len(values), np.nan)
        rank = np.full(len(values), np.nan)
        self._seen = _normalise(
            np.ascontiguousarray(values, dtype=np.float64),
            self._past, self._seen, self._least, scaled, rank,
        )
        return scaled, rank


@jit
def _normalise(
    values: Floats, past: Floats, seen: int, least: int, scaled: Floats, rank: Floats
) -> int:
    size = len(past)
    for i in range(len(values)):
        x = values[i]
        if np.isnan(x):
            continue
        n = min(seen, size)
        if n >= least:
            # Four running sums, since one would wait for each addition to end; places of `past`
            # not filled yet hold 0.
            s0 = s1 = s2 = s3 = 0.0
            for j in range(0, size, 4):
                s0 += past[j]
                s1 += past[j + 1]
                s2 += past[j + 2]
                s3 += past[j + 3]
            mean = ((s0 + s1) + (s2 + s3)) / n
            s0 = s1 = s2 = s3 = 0.0
            whole = n - n % 4
            for j in range(0, whole, 4):
                s0 += (past[j] - mean) ** 2
                s1 += (past[j + 1] - mean) ** 2
                s2 += (past[j + 2] - mean) ** 2
                s3 += (past[j + 3] - mean) ** 2
            for j in range(whole, n):
                s0 += (past[j] - mean) ** 2
            deviation = np.sqrt(((s0 + s1) + (s2 + s3)) / (n - 1))
            margin = SAME * deviation
            below = 0
            equal = 0
            for j in range(n):
                below += past[j] < x - margin
                equal += abs(past[j] - x) <= margin
            rank[i] = (below + 0.5 * equal) / n
            # The mean of equal values may miss them by a rounding, which is no variation.
            if deviation > 1e-12 * abs(mean):
                scaled[i] = x / deviation
        past[seen % size] = x
        seen += 1
    return seen
