"""Copulas with tails, fitted to ranks: Student's t, Clayton, Gumbel; which one by AIC.

Sources: Genest, Ghoudi and Rivest 1995 (pseudo-likelihood of ranks); Demarta and McNeil 2005 (t);
Nelsen 2006 (Clayton, Gumbel); Joe 1997 (tail dependence coefficients).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.covariance import long_run_variance

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class CopulaFit:
    """A fitted copula and the tail dependence that follows from it."""

    name: str
    parameters: dict[str, float]
    log_likelihood: float
    aic: float
    lower: float
    """Coefficient of lower tail dependence, lim P(V ≤ q | U ≤ q) as q → 0."""
    upper: float
    error: float
    """Standard error of the coefficient that is not 0 (of both, for the t copula)."""


@dataclass(frozen=True)
class _Copula:
    name: str
    names: tuple[str, ...]
    log_density: Callable[[Vector, Vector, Vector], Vector]
    start: tuple[float, ...]
    bounds: tuple[tuple[float, float], ...]
    tails: Callable[[Vector], tuple[float, float]]


def student_tail(rho: float, degrees: float) -> float:
    """2 t_{ν+1}(−√((ν+1)(1−ρ)/(1+ρ))): both tails of the t copula."""
    from scipy.special import stdtr

    inside = (degrees + 1.0) * (1.0 - rho) / (1.0 + rho)
    return float(2.0 * stdtr(degrees + 1.0, -np.sqrt(inside)))


def clayton_tail(theta: float) -> float:
    """2^{−1/θ}: the lower tail of the Clayton copula; its upper tail is 0."""
    return float(2.0 ** (-1.0 / theta))


def gumbel_tail(theta: float) -> float:
    """2 − 2^{1/θ}: the upper tail of the Gumbel copula; its lower tail is 0."""
    return float(2.0 - 2.0 ** (1.0 / theta))


def fit_copulas(u: Vector, v: Vector) -> list[CopulaFit]:
    """The three copulas by maximum pseudo-likelihood, the best by AIC first.

    Parameters
    ----------
    u, v : uniform scores of n pairs in time order.

    Notes
    -----
    The errors of the tail coefficients are by the delta method from the sandwich H⁻¹JH⁻¹, J the
    HAC variance of the scores: they allow for dependence over time, not for the ranks being
    estimated. Clayton and Gumbel know no negative dependence and then end at independence.
    """
    return sorted((_fit(copula, u, v) for copula in _COPULAS), key=lambda fit: fit.aic)


def _fit(copula: _Copula, u: Vector, v: Vector) -> CopulaFit:
    from scipy.optimize import minimize

    def loss(point: Vector) -> float:
        return -float(copula.log_density(u, v, point).mean())

    start = np.array(copula.start)
    if copula.name == "student":
        start[0] = 2.0 * np.sin(np.pi / 6.0 * np.corrcoef(u, v)[0, 1])
    start = np.clip(start, *np.array(copula.bounds).T)
    found = minimize(loss, start, bounds=copula.bounds, method="L-BFGS-B").x
    total = -len(u) * loss(found)
    lower, upper = copula.tails(found)
    return CopulaFit(
        name=copula.name,
        parameters=dict(zip(copula.names, found.tolist(), strict=True)),
        log_likelihood=total,
        aic=2.0 * len(found) - 2.0 * total,
        lower=lower,
        upper=upper,
        error=_tail_error(copula, u, v, found),
    )


def _tail_error(copula: _Copula, u: Vector, v: Vector, point: Vector) -> float:
    """Standard error of the tail coefficient; NaN when the fit ends at a bound."""
    k = len(point)
    low, high = np.array(copula.bounds).T
    # Steps that stay inside, large enough that second differences are not rounding.
    steps = np.minimum(1e-3 * np.maximum(np.abs(point), 0.1), 0.49 * (high - low))
    if (point - steps < low).any() or (point + steps > high).any():
        return float("nan")
    shifts = np.diag(steps)
    middle = copula.log_density(u, v, point)
    above = np.stack([copula.log_density(u, v, point + shifts[i]) for i in range(k)])
    below = np.stack([copula.log_density(u, v, point - shifts[i]) for i in range(k)])
    scores = ((above - below) / (2.0 * steps[:, None])).T
    hessian = np.empty((k, k))
    for i in range(k):
        hessian[i, i] = (above[i] - 2.0 * middle + below[i]).mean() / steps[i] ** 2
        for j in range(i):
            corners = (
                copula.log_density(u, v, point + shifts[i] + shifts[j])
                - copula.log_density(u, v, point + shifts[i] - shifts[j])
                - copula.log_density(u, v, point - shifts[i] + shifts[j])
                + copula.log_density(u, v, point - shifts[i] - shifts[j])
            )
            hessian[i, j] = hessian[j, i] = corners.mean() / (4.0 * steps[i] * steps[j])
    meat = long_run_variance(scores - scores.mean(axis=0)).matrix
    bread = np.linalg.pinv(hessian)
    covariance = bread @ meat @ bread / len(u)
    gradient = np.array([
        (max(copula.tails(point + shifts[i])) - max(copula.tails(point - shifts[i])))
        / (2.0 * steps[i])
        for i in range(k)
    ])
    return float(np.sqrt(max(gradient @ covariance @ gradient, 0.0)))


def _student(u: Vector, v: Vector, point: Vector) -> Vector:
    """Parameters ρ and 1/ν."""
    from scipy.special import gammaln, stdtrit

    rho, nu = point[0], 1.0 / point[1]
    distinct, where = np.unique(np.concatenate([u, v]), return_inverse=True)
    quantiles = stdtrit(nu, distinct)[where]
    x, y = quantiles[: len(u)], quantiles[len(u) :]
    left = 1.0 - rho**2
    form = (x**2 - 2.0 * rho * x * y + y**2) / left
    constant = (
        gammaln((nu + 2.0) / 2.0) + gammaln(nu / 2.0) - 2.0 * gammaln((nu + 1.0) / 2.0)
        - 0.5 * np.log(left)
    )
    return (
        constant
        - (nu + 2.0) / 2.0 * np.log1p(form / nu)
        + (nu + 1.0) / 2.0 * (np.log1p(x**2 / nu) + np.log1p(y**2 / nu))
    )


def _clayton(u: Vector, v: Vector, point: Vector) -> Vector:
    theta = point[0]
    a, b = np.log(u), np.log(v)
    # ln(u^{−θ} + v^{−θ} − 1), without overflow for small ranks.
    largest = -theta * np.minimum(a, b)
    inside = largest + np.log(
        np.exp(-theta * a - largest) + np.exp(-theta * b - largest) - np.exp(-largest)
    )
    return np.log1p(theta) - (theta + 1.0) * (a + b) - (2.0 + 1.0 / theta) * inside


def _gumbel(u: Vector, v: Vector, point: Vector) -> Vector:
    theta = point[0]
    a, b = -np.log(u), -np.log(v)
    total = a**theta + b**theta
    root = total ** (1.0 / theta)
    return (
        -root + a + b + (theta - 1.0) * (np.log(a) + np.log(b))
        + (1.0 / theta - 2.0) * np.log(total) + np.log(root + theta - 1.0)
    )


_COPULAS = (
    # Above 60 degrees of freedom the t copula is the Gaussian one.
    _Copula("student", ("rho", "inverse_degrees"), _student, (0.0, 0.1),
            ((-0.995, 0.995), (1.0 / 60.0, 1.0 / 2.1)),
            lambda p: (student_tail(p[0], 1.0 / p[1]),) * 2),
    _Copula("clayton", ("theta",), _clayton, (0.5,), ((1e-3, 30.0),),
            lambda p: (clayton_tail(p[0]), 0.0)),
    _Copula("gumbel", ("theta",), _gumbel, (1.3,), ((1.0001, 30.0),),
            lambda p: (0.0, gumbel_tail(p[0]))),
)
