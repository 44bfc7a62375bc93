"""Where a correlation breaks: cumulated influence against the Brownian bridge, and halves again.

Sources: Brown, Durbin and Evans 1975 and Ploberger and Krämer 1992 (cumulated sums); Wied, Krämer
and Dehling 2012 (constant correlation); Galeano and Wied 2014 (binary segmentation and the second
look at every break).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.correlation.kernels import mean_variance

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Break:
    """A date at which a correlation changes."""

    at: int
    """First bar of the new regime."""
    before: float
    after: float
    standard_error: float
    """Of after − before: HAC errors of the two correlations."""
    statistic: float
    p_value: float


@dataclass(frozen=True)
class Constancy:
    """Test of one correlation for the whole window."""

    statistic: float
    p_value: float
    at: int
    """First bar with a pair after those in which it holds least."""


def constancy(x: Vector, y: Vector) -> Constancy:
    """Whether one correlation holds for all pairs, and where it is least so; nan where the
    influences have no long-run variance, as those of series that hardly ever move.

    Parameters
    ----------
    x, y : series in time order, NaN where missing.

    Notes
    -----
    max_j |Σ_{t ≤ j} ψ_t|/(σ̂ √n), ψ_t = u_t v_t − ½ r (u_t² + v_t²) the influence of pair t on r and
    σ̂² its prewhitened HAC long-run variance, against the supremum of the absolute Brownian bridge
    (Kolmogorov's distribution). To first order this is Wied, Krämer and Dehling's
    max_j (j/√n)|r_j − r|, without the noise of r_j when j is small.
    """
    from scipy.special import kolmogorov

    psi, present = _influence(x, y)
    n = float(present.sum())
    variance = mean_variance(psi, present, np.empty(len(psi)))[0]
    if not variance > 0.0:
        return Constancy(np.nan, np.nan, 0)
    path = np.abs(np.cumsum(psi)) / (n * np.sqrt(variance))
    at = int(path.argmax())
    after = at + 1 + int(present[at + 1 :].argmax()) if at + 1 < len(path) else at + 1
    return Constancy(float(path[at]), float(kolmogorov(path[at])), after)


def change_points(x: Vector, y: Vector, significance: float, shortest: int) -> list[Break]:
    """Breaks in the correlation of x and y, in order of time.

    Parameters
    ----------
    x, y : series in time order, NaN where missing.
    significance : level of each test; the window as a whole is tested at it too.
    shortest : pairs that a regime must have.

    Notes
    -----
    The window is cut at the largest deviation as long as a part is not constant at the level, then
    every break is tested again between its neighbours, until none is dropped.
    """
    ends = _cut(x, y, 0, len(x), significance, shortest)
    while True:
        kept: list[int] = []
        for stop in [*ends[1:], len(x)][: len(ends)]:
            first = kept[-1] if kept else 0
            found = constancy(x[first:stop], y[first:stop])
            place = first + found.at
            if found.p_value < significance and _long_enough(x, y, first, place, stop, shortest):
                kept.append(place)
        if len(kept) == len(ends):
            break
        ends = kept
    bounds = [0, *kept, len(x)]
    return [_break(x, y, *bounds[i : i + 3]) for i in range(len(kept))]


def correlation(x: Vector, y: Vector) -> tuple[float, float, int]:
    """Pearson correlation of the pairs that are there, its HAC error, and their number."""
    both = np.isfinite(x) & np.isfinite(y)
    r = float(np.corrcoef(x[both], y[both])[0, 1])
    psi, present = _influence(x, y)
    variance = mean_variance(psi, present, np.empty(len(psi)))[0]
    return r, float(np.sqrt(variance)), int(both.sum())


def _influence(x: Vector, y: Vector) -> tuple[Vector, Vector]:
    both = np.isfinite(x) & np.isfinite(y)
    u = np.where(both, (x - x[both].mean()) / x[both].std(), 0.0)
    v = np.where(both, (y - y[both].mean()) / y[both].std(), 0.0)
    r = float(u @ v) / both.sum()
    return u * v - 0.5 * r * (u**2 + v**2), both.astype(np.float64)


def _cut(x: Vector, y: Vector, first: int, stop: int, significance: float,
         shortest: int) -> list[int]:
    if not _varies(x, y, first, stop, 2 * shortest):
        return []
    found = constancy(x[first:stop], y[first:stop])
    at = first + found.at
    if not found.p_value < significance or not _long_enough(x, y, first, at, stop, shortest):
        return []
    return [
        *_cut(x, y, first, at, significance, shortest), at,
        *_cut(x, y, at, stop, significance, shortest),
    ]


def _long_enough(x: Vector, y: Vector, first: int, at: int, stop: int, shortest: int) -> bool:
    return _varies(x, y, first, at, shortest) and _varies(x, y, at, stop, shortest)


def _varies(x: Vector, y: Vector, first: int, stop: int, shortest: int) -> bool:
    both = np.isfinite(x[first:stop]) & np.isfinite(y[first:stop])
    if int(both.sum()) < shortest:
        return False
    return bool(x[first:stop][both].std() > 0.0 and y[first:stop][both].std() > 0.0)


def _break(x: Vector, y: Vector, first: int, at: int, stop: int) -> Break:
    before, error_before, _ = correlation(x[first:at], y[first:at])
    after, error_after, _ = correlation(x[at:stop], y[at:stop])
    test = constancy(x[first:stop], y[first:stop])
    return Break(at, before, after, float(np.hypot(error_before, error_after)), test.statistic,
                 test.p_value)
