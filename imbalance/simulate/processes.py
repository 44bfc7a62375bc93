"""Random processes with known parameters: the plain generators behind the planted truth.

Belongs here: generators which return arrays, and the moments that theory gives for them.
Not here: order books, instruments, files.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BURN_IN = 400
"""Fewest steps before the first: a root of 0.95 is down to `FORGOTTEN` by then."""
FORGOTTEN = 1e-9
LARGEST_ROOT = 0.9999
"""A VAR with a larger one is as good as unstable: its start is not forgotten in 200,000 steps."""


def companion(coefficients: Array) -> Array:
    """Companion matrix of a VAR(p), shape (k p, k p).

    Parameters
    ----------
    coefficients : A_1 .. A_p, shape (p, k, k); row = equation, column = lagged variable.
    """
    order, width, _ = coefficients.shape
    matrix = np.zeros((order * width, order * width))
    matrix[:width] = np.concatenate(list(coefficients), axis=1)
    matrix[width:, :-width] = np.eye((order - 1) * width)
    return matrix


def spectral_radius(coefficients: Array) -> float:
    """Largest modulus of the companion matrix' eigenvalues: below 1 the VAR is stable."""
    return float(np.abs(np.linalg.eigvals(companion(coefficients))).max())


def simulate_var(
    coefficients: Array,
    sigma: Array,
    n: int,
    rng: np.random.Generator,
    *,
    replications: int | None = None,
) -> Array:
    """Draw from a stable Gaussian VAR(p) without intercept, started in its stationary law.

    Parameters
    ----------
    coefficients : A_1 .. A_p, shape (p, k, k).
    sigma : covariance of the innovations, shape (k, k).
    n : number of observations.
    rng : source of randomness.
    replications : how many independent draws; they are advanced together, which is what makes a
        Monte Carlo study affordable.

    Returns
    -------
    Shape (n, k), or (replications, n, k).

    Raises
    ------
    ValueError
        When the VAR is not stable, or next to it.

    Notes
    -----
    z_t = Σ_l A_l z_{t−l} + η_t with η_t ~ N(0, Σ) (Lütkepohl 2005, eq. 2.1.1).
    """
    coefficients = np.asarray(coefficients, dtype=np.float64)
    radius = spectral_radius(coefficients)
    if radius > LARGEST_ROOT:
        raise ValueError(
            f"the VAR is not stable: an eigenvalue of its companion is above {LARGEST_ROOT}")
    order, width, _ = coefficients.shape
    draws = 1 if replications is None else replications
    burn_in = BURN_IN if radius <= 0.0 else max(
        BURN_IN, math.ceil(math.log(FORGOTTEN) / math.log(radius)))
    path = rng.standard_normal((n + burn_in, draws, width)) @ np.linalg.cholesky(sigma).T
    transposed = [matrix.T for matrix in coefficients]
    for t in range(n + burn_in):
        for lag in range(1, min(order, t) + 1):
            path[t] += path[t - lag] @ transposed[lag - 1]
    kept = np.ascontiguousarray(path[burn_in:].transpose(1, 0, 2))
    return kept[0] if replications is None else kept


def autocovariances(coefficients: Array, sigma: Array, lags: int) -> Array:
    """Γ(h) = E[z_t z_{t−h}'] of a stable VAR for h = 0 .. lags, shape (lags + 1, k, k).

    Notes
    -----
    vec Γ_Y(0) = (I − F⊗F)^{-1} vec Σ_U for the companion form (Lütkepohl 2005, eq. 2.1.39), then
    Γ(h) = Σ_l A_l Γ(h − l).
    """
    order, width, _ = coefficients.shape
    transition = companion(coefficients)
    size = order * width
    noise = np.zeros((size, size))
    noise[:width, :width] = sigma
    stacked = np.linalg.solve(np.eye(size**2) - np.kron(transition, transition), noise.ravel())
    state = stacked.reshape(size, size)
    result = []
    for _ in range(lags + 1):
        result.append(state[:width, :width].copy())
        state = transition @ state
    return np.array(result)


def linear_impact(
    n: int,
    beta: float,
    r_squared: float,
    rng: np.random.Generator,
    *,
    flow_deviation: float = 1.0,
) -> tuple[Array, Array]:
    """Flow per bar and the mid change it causes: Sim1.

    Parameters
    ----------
    n : number of bars.
    beta : ticks of mid change per unit of flow; not 0.
    r_squared : share of the variance of the mid change that flow explains, in (0, 1].
    flow_deviation : standard deviation of the flow.

    Returns
    -------
    (flow, mid change in ticks), each of shape (n,).

    Notes
    -----
    ΔP = β OFI + ε with var ε = β² var(OFI) (1 − R²)/R² (Cont, Kukanov, Stoikov 2014, eq. 2).
    """
    flow = flow_deviation * rng.standard_normal(n)
    noise_deviation = abs(beta) * flow_deviation * np.sqrt((1 - r_squared) / r_squared)
    return flow, beta * flow + noise_deviation * rng.standard_normal(n)


def lead_lag_prices(
    duration: float,
    lag: float,
    correlation: float,
    rng: np.random.Generator,
    *,
    rates: tuple[float, float] = (2.0, 0.3),
    volatilities: tuple[float, float] = (1.0, 1.0),
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Two Bachelier prices, the first leading the second by `lag`, seen at Poisson times: Sim3.

    Parameters
    ----------
    duration : length of the sample, seconds.
    lag : seconds by which the first leads (negative: the second leads).
    correlation : of the first's increments with the second's `lag` later.
    rates : observations per second of each.
    volatilities : per square root of a second, of each.

    Returns
    -------
    ((times, prices) of the first, the same of the second); times in seconds, increasing.

    Notes
    -----
    X_t = σ₁ B_t and Y_t = σ₂ (ρ B_{t−lag} + √(1−ρ²) W_t), B and W independent Brownian motions
    (Hoffmann, Rosenbaum, Yoshida 2013, §2.2). B is drawn exactly, at the union of the times at
    which either price is seen.
    """
    first = np.sort(rng.uniform(0, duration, rng.poisson(rates[0] * duration)))
    second = np.sort(rng.uniform(0, duration, rng.poisson(rates[1] * duration)))
    times = np.concatenate([first, second - lag])
    order = np.argsort(times, kind="stable")
    steps = np.diff(times[order], prepend=times[order][:1])
    common = np.empty(times.size)
    common[order] = np.cumsum(np.sqrt(steps) * rng.standard_normal(times.size))
    own = np.cumsum(np.sqrt(np.diff(second, prepend=0.0)) * rng.standard_normal(second.size))
    leading = volatilities[0] * common[: first.size]
    following = volatilities[1] * (
        correlation * common[first.size :] + np.sqrt(1 - correlation**2) * own
    )
    return (first, leading), (second, following)
