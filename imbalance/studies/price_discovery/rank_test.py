"""p-values of Johansen's trace statistic, from its limit distribution drawn once.

The limit is a functional of Brownian motion without a closed form; published tables hold critical
values at three levels only. Tests hold the draws against Osterwald-Lenum 1992.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

_STEPS = 500
_DRAWS = 4_000


@cache
def trace_limits(trends: int) -> Vector:
    """Draws of the limit of the trace statistic with `trends` common trends, ascending.

    Notes
    -----
    tr{∫dB F' (∫FF')⁻¹ ∫F dB'} with B a Brownian motion of that dimension and F = B less its mean:
    a constant is left free and the prices do not drift. Over a day they hardly do; where they
    drift, t − ½ takes the place of one dimension of F, the statistic is smaller and this test
    rejects more seldom. The limit with drift rejects more than twice too often without.
    """
    generator = np.random.default_rng(trends)
    found = np.empty(_DRAWS)
    batch = 250
    for first in range(0, _DRAWS, batch):
        steps = generator.standard_normal((batch, _STEPS, trends))
        path = np.cumsum(steps, axis=1) - steps
        path -= path.mean(axis=1, keepdims=True)
        cross = path.transpose(0, 2, 1) @ steps
        inner = path.transpose(0, 2, 1) @ path
        projected = cross.transpose(0, 2, 1) @ np.linalg.solve(inner, cross)
        found[first : first + batch] = np.trace(projected, axis1=1, axis2=2)
    return np.sort(found)


def trace_p_value(trace: float, trends: int) -> float:
    """p-value of the prices having `trends` common trends or more; never below 1/4,001."""
    above = _DRAWS - int(np.searchsorted(trace_limits(trends), trace))
    return (above + 1.0) / (_DRAWS + 1.0)
