"""GARCH(1,1) with a constant mean, and the dynamic conditional correlations built on it.

Sources: Bollerslev 1986; Fiorentini, Calzolari and Panattoni 1996 (the benchmark); Engle 2002
(dynamic conditional correlation, DCC), with the target matrix of the standardised residuals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.kernels import jit

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

_STARTS = ((0.02, 0.95), (0.05, 0.9), (0.05, 0.8), (0.15, 0.7), (0.3, 0.3))
"""Where searches begin: at that of these pairs which fits best."""


@dataclass(frozen=True)
class Garch:
    """A fitted GARCH(1,1)."""

    mean: float
    omega: float
    alpha: float
    beta: float
    log_likelihood: float
    standardised: Vector
    """(r_t − μ)/√h_t, NaN where missing."""


@dataclass(frozen=True)
class ConditionalCorrelation:
    """A fitted DCC(1,1)."""

    a: float
    b: float
    covariance: Matrix
    """Sandwich covariance of a and b, the first stage taken as given; NaN at a bound."""
    log_likelihood: float
    """Of the correlation stage: Σ −½ (ln|R_t| + z'R_t⁻¹z − z'z)."""
    path: Matrix
    """T × N × N: R_t, known at the end of bar t − 1 once the parameters are."""
    path_error: Matrix
    """Standard error of R_t that comes from a and b."""


def fit_garch(returns: Vector) -> Garch | None:
    """GARCH(1,1) by Gaussian quasi-maximum likelihood; None when the search finds no optimum.

    Parameters
    ----------
    returns : T values, NaN where missing: the variance then goes on as forecast.

    Notes
    -----
    h_t = ω + α e²_{t−1} + β h_{t−1}, e_t = r_t − μ; e²_0 and h_0 are the mean of e².
    """
    from scipy.optimize import minimize

    present = np.isfinite(returns)
    centre, scale = float(returns[present].mean()), float(returns[present].std())
    values = (returns - centre) / scale
    variance = np.empty(len(values))

    def loss(point: Vector) -> float:
        return -_garch(values, point[0], point[1], point[2], point[3], variance) / present.sum()

    starts = [np.array([0.0, 1.0 - alpha - beta, alpha, beta]) for alpha, beta in _STARTS]
    found = minimize(
        loss, min(starts, key=loss), method="SLSQP",
        bounds=((-2.0, 2.0), (1e-8, 10.0), (0.0, 1.0), (0.0, 1.0)),
        constraints={"type": "ineq", "fun": lambda p: 0.99999 - p[2] - p[3]},
        options={"ftol": 1e-13, "maxiter": 500},
    )
    if not np.isfinite(found.fun):
        return None
    mean, omega, alpha, beta = found.x
    total = _garch(values, mean, omega, alpha, beta, variance)
    return Garch(
        mean=float(centre + scale * mean),
        omega=float(scale**2 * omega),
        alpha=float(alpha),
        beta=float(beta),
        log_likelihood=float(total - present.sum() * math.log(scale)),
        standardised=(values - mean) / np.sqrt(variance),
    )


def fit_dcc(standardised: Matrix) -> ConditionalCorrelation | None:
    """DCC(1,1) by maximum likelihood of the second stage.

    Parameters
    ----------
    standardised : T × N residuals of the first stage, NaN where missing.

    Notes
    -----
    Q_t = (1 − a − b) Q̄ + a z_{t−1}z'_{t−1} + b Q_{t−1}, R_t = Q_t scaled to a unit diagonal, Q̄ the
    covariance of z and Q_1 = Q̄. After a missing bar a z z' is replaced by a Q_{t−1}.
    """
    from scipy.optimize import minimize

    z = np.ascontiguousarray(standardised)
    complete = z[np.isfinite(z).all(axis=1)]
    target = np.cov(complete.T)
    if np.linalg.eigvalsh(target)[0] <= 1e-8 * np.trace(target):
        return None
    path, terms = np.empty((len(z), z.shape[1], z.shape[1])), np.empty(len(z))

    def loss(point: Vector) -> float:
        _dcc(z, target, point[0], point[1], path, terms)
        return -float(terms.sum()) / len(complete)

    found = minimize(
        loss, min((np.array(start) for start in _STARTS), key=loss), method="SLSQP",
        bounds=((0.0, 1.0), (0.0, 1.0)),
        constraints={"type": "ineq", "fun": lambda p: 0.99999 - p[0] - p[1]},
        options={"ftol": 1e-13, "maxiter": 300},
    )
    if not np.isfinite(found.fun):
        return None
    total = -loss(found.x) * len(complete)
    if not np.isfinite(path).all():
        return None
    covariance = _sandwich(z, target, found.x)
    error = _path_error(z, target, found.x, covariance)
    return ConditionalCorrelation(
        float(found.x[0]), float(found.x[1]), covariance, total, path, error)


def _steps(point: Vector) -> Vector | None:
    """Steps for differences at a and b, or None when they would leave the region."""
    steps = np.minimum(1e-3, 0.2 * np.array([point[0], point[1]]))
    inside = (point - steps > 1e-6).all() and point.sum() + steps.sum() < 0.99999
    return steps if inside and (steps > 0.0).all() else None


def _sandwich(z: Matrix, target: Matrix, point: Vector) -> Matrix:
    steps = _steps(point)
    if steps is None:
        return np.full((2, 2), np.nan)

    def at(da: float, db: float) -> Vector:
        terms = np.empty(len(z))
        path = np.empty((len(z), z.shape[1], z.shape[1]))
        _dcc(z, target, point[0] + da * steps[0], point[1] + db * steps[1], path, terms)
        return terms

    middle = at(0, 0)
    sides = [(at(1, 0), at(-1, 0)), (at(0, 1), at(0, -1))]
    scores = np.stack([(up - down) / (2.0 * h) for (up, down), h in
                       zip(sides, steps, strict=True)])
    hessian = np.diag([float((up - 2.0 * middle + down).sum()) / h**2 for (up, down), h in
                       zip(sides, steps, strict=True)])
    cross = float((at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)).sum()) / (
        4.0 * steps[0] * steps[1])
    hessian[0, 1] = hessian[1, 0] = cross
    bread = np.linalg.pinv(hessian)
    return bread @ (scores @ scores.T) @ bread


def _path_error(z: Matrix, target: Matrix, point: Vector, covariance: Matrix) -> Matrix:
    """√(g'Vg) of every element of R_t, with g its slope in a and b."""
    steps = _steps(point)
    shape = (len(z), z.shape[1], z.shape[1])
    if steps is None:
        return np.full(shape, np.nan)
    slopes = []
    for i in range(2):
        ends = []
        for sign in (1.0, -1.0):
            moved = point.copy()
            moved[i] += sign * steps[i]
            path = np.empty(shape)
            _dcc(z, target, moved[0], moved[1], path, np.empty(len(z)))
            ends.append(path)
        slopes.append((ends[0] - ends[1]) / (2.0 * steps[i]))
    g = np.stack(slopes)
    return np.sqrt(np.maximum(np.einsum("i...,ij,j...->...", g, covariance, g), 0.0))


@jit
def _garch(values: Vector, mean: float, omega: float, alpha: float, beta: float,
           variance: Vector) -> float:
    """Gaussian log likelihood; fills in h_t."""
    total = 0.0
    count = 0.0
    first = 0.0
    for t in range(len(values)):
        if not math.isnan(values[t]):
            first += (values[t] - mean) ** 2
            count += 1.0
    h = first / count
    square = h
    for t in range(len(values)):
        h = omega + alpha * square + beta * h
        variance[t] = h
        if math.isnan(values[t]):
            square = h
        else:
            e = values[t] - mean
            square = e * e
            total -= 0.5 * (math.log(2.0 * math.pi) + math.log(h) + square / h)
    return total


@jit
def _dcc(z: Matrix, target: Matrix, a: float, b: float, path: Matrix, terms: Vector) -> None:
    """R_t and the likelihood's terms; ln|R| and z'R⁻¹z by Cholesky's factor."""
    length, k = z.shape
    q = target.copy()
    factor = np.zeros((k, k))
    solved = np.empty(k)
    for t in range(length):
        if t > 0:
            there = True
            for i in range(k):
                there = there and not math.isnan(z[t - 1, i])
            for i in range(k):
                for j in range(k):
                    news = z[t - 1, i] * z[t - 1, j] if there else q[i, j]
                    q[i, j] = (1.0 - a - b) * target[i, j] + a * news + b * q[i, j]
        for i in range(k):
            for j in range(k):
                path[t, i, j] = q[i, j] / math.sqrt(q[i, i] * q[j, j])
        determinant = 0.0
        form = 0.0
        plain = 0.0
        for i in range(k):
            for j in range(i + 1):
                total = path[t, i, j]
                for m in range(j):
                    total -= factor[i, m] * factor[j, m]
                if i == j:
                    factor[i, i] = math.sqrt(max(total, 1e-12))
                else:
                    factor[i, j] = total / factor[j, j]
            determinant += 2.0 * math.log(factor[i, i])
            rest = z[t, i]
            for m in range(i):
                rest -= factor[i, m] * solved[m]
            solved[i] = rest / factor[i, i]
            form += solved[i] * solved[i]
            plain += z[t, i] * z[t, i]
        terms[t] = 0.0 if math.isnan(form) else -0.5 * (determinant + form - plain)
