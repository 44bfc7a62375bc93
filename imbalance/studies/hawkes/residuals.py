"""Whether a fitted Hawkes process tells the events' times: residuals after a change of clock.

Sources: Ogata 1988 (time rescaling); Ljung and Box 1978.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.hawkes.kernels import rescaled
from imbalance.studies.hawkes.process import Events, Hawkes

Vector = NDArray[np.float64]

LAGS = 20


@dataclass(frozen=True)
class Fit:
    """Goodness of fit of one kind of event."""

    n: int
    distance: float
    """Kolmogorov–Smirnov distance of the residuals from Exp(1)."""
    distance_p_value: float
    dependence: float
    """Ljung–Box statistic of the residuals over 20 lags."""
    dependence_p_value: float


def residuals(events: Events, process: Hawkes) -> Vector:
    """∫λ_i between successive events of a kind, one per event: Exp(1) under the model."""
    found = np.empty(len(events.times))
    rescaled(events.times, events.kinds, events.bounds, events.begins, process.decays,
             process.knots, process.baseline, process.norms, found)
    return found


def goodness_of_fit(values: Vector) -> Fit | None:
    """Test the residuals of one kind; None for fewer than 50 of them, or all equal.

    Notes
    -----
    √n D against Kolmogorov's distribution: conservative by a little, since parameters were
    fitted. Q = n (n + 2) Σ_k ρ_k²/(n − k) against χ²(20).
    """
    from scipy.special import chdtrc, kolmogorov

    n = len(values)
    if n < 50 or not values.std() > 0.0:
        return None
    expected = np.sort(-np.expm1(-values))
    rank = np.arange(n)
    distance = float(max((expected - rank / n).max(), ((rank + 1) / n - expected).max()))
    centred = values - values.mean()
    total = centred @ centred
    rho = np.array([centred[k:] @ centred[:-k] for k in range(1, LAGS + 1)]) / total
    statistic = float(n * (n + 2) * np.sum(rho**2 / (n - np.arange(1, LAGS + 1))))
    return Fit(n, distance, float(kolmogorov(math.sqrt(n) * distance)), statistic,
               float(chdtrc(LAGS, statistic)))
