"""Regimes by a Gaussian hidden Markov model: fitted by EM, decoded from the past only.

Sources: Hamilton 1989 and 1990 (regimes, EM); Rabiner 1989 (scaled recursions); Baum, Petrie,
Soules and Weiss 1970.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.kernels import jit

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

_FLOOR = 1e-4
"""Least variance of a state, on standardised values: no state may shrink onto a tie."""


@dataclass(frozen=True)
class Regimes:
    """A fitted hidden Markov model; states in order of their total variance, calm first."""

    transition: Matrix
    """P(state j at t + 1 | state i at t)."""
    mean: Matrix
    covariance: Matrix
    filtered: Matrix
    """T × K: P(state | values up to and with bar t)."""
    weight: Vector
    """Expected bars in each state, Σ_t P(state | all values), over bars that are there."""
    log_likelihood: float
    parameters: int
    n: int
    converged: bool

    @property
    def bic(self) -> float:
        """−2 ln L + p ln n."""
        return -2.0 * self.log_likelihood + self.parameters * math.log(self.n)

    def correlation(self, state: int) -> float:
        """Correlation of the first two variables within a state."""
        c = self.covariance[state]
        return float(c[0, 1] / math.sqrt(c[0, 0] * c[1, 1]))


def fit_regimes(
    values: Matrix, states: int, seed: int, starts: int = 4, steps: int = 300
) -> Regimes:
    """Gaussian hidden Markov model by EM from several starts; the best likelihood is kept.

    Parameters
    ----------
    values : T × d, standardised, NaN where missing (a row with any NaN says nothing).
    states : K.
    seed : of the starts.
    starts : the first cuts the bars by the size of their values, the others are drawn.
    steps : most EM steps; it ends when a step gains less than 1e-6 per bar.

    Notes
    -----
    α_t(j) ∝ f_j(x_t) Σ_i α_{t−1}(i) a_ij gives the filtered probabilities and, by its scale, the
    likelihood. Parameters are those of the whole window; `filtered` uses nothing after t beside
    them.
    """
    there = np.asarray(np.isfinite(values).all(axis=1))
    filled = np.ascontiguousarray(np.where(there[:, None], values, 0.0))
    generator = np.random.default_rng(seed)
    best: Regimes | None = None
    for start in range(starts if states > 1 else 1):
        found = _expectation_maximisation(
            filled, there, _first_guess(filled, there, states, generator, drawn=start > 0), steps)
        if best is None or found.log_likelihood > best.log_likelihood:
            best = found
    assert best is not None  # noqa: S101
    return best


def _first_guess(filled: Matrix, there: NDArray[np.bool_], states: int,
                 generator: np.random.Generator, *, drawn: bool) -> Matrix:
    """Probabilities of the states, T × K."""
    size = np.log1p((filled**2).sum(axis=1))
    if drawn:
        width = 2 ** generator.integers(3, 7)
        noise = generator.standard_normal(len(size))
        size = np.convolve(size + noise, np.ones(width) / width, mode="same")
    limits = np.quantile(size[there], np.arange(1, states) / states)
    state = np.searchsorted(limits, size)
    return np.where(np.arange(states) == state[:, None], 0.9, 0.1 / max(states - 1, 1))


def _expectation_maximisation(filled: Matrix, there: NDArray[np.bool_], posterior: Matrix,
                              steps: int) -> Regimes:
    length, d = filled.shape
    states, n = posterior.shape[1], int(there.sum())
    transition = np.full((states, states), 0.05 / max(states - 1, 1))
    np.fill_diagonal(transition, 0.95 if states > 1 else 1.0)
    initial = np.full(states, 1.0 / states)
    filtered, smoothed = np.empty((length, states)), posterior
    before, likelihood, converged = -np.inf, -np.inf, False
    for _ in range(steps):
        weight = smoothed[there].sum(axis=0)
        mean = smoothed[there].T @ filled[there] / weight[:, None]
        covariance = np.empty((states, d, d))
        for j in range(states):
            away = filled[there] - mean[j]
            covariance[j] = (smoothed[there, j][:, None] * away).T @ away / weight[j]
            covariance[j] += _FLOOR * np.eye(d)
        density = _log_density(filled, there, mean, covariance)
        smoothed, pairs = np.empty((length, states)), np.empty((states, states))
        likelihood = _forward_backward(density, initial, transition, filtered, smoothed, pairs)
        converged = likelihood - before < 1e-6 * n
        if converged:
            break
        before = likelihood
        transition = pairs / pairs.sum(axis=1, keepdims=True)
        initial = smoothed[0].copy()
    order = np.argsort(np.trace(covariance, axis1=1, axis2=2))
    parameters = states * (states - 1) + states - 1 + states * (d + d * (d + 1) // 2)
    return Regimes(
        transition[np.ix_(order, order)], mean[order], covariance[order], filtered[:, order],
        smoothed[there].sum(axis=0)[order], float(likelihood), parameters, n, bool(converged),
    )


def _log_density(filled: Matrix, there: NDArray[np.bool_], mean: Matrix,
                 covariance: Matrix) -> Matrix:
    found = np.zeros((len(filled), len(mean)))
    for j, (centre, spread) in enumerate(zip(mean, covariance, strict=True)):
        factor = np.linalg.cholesky(spread)
        scaled = np.linalg.solve(factor, (filled - centre).T)
        logs = 2.0 * np.log(np.diag(factor)).sum() + len(centre) * math.log(2.0 * math.pi)
        found[:, j] = np.where(there, -0.5 * (logs + (scaled**2).sum(axis=0)), 0.0)
    return found


@jit
def _forward_backward(density: Matrix, initial: Vector, transition: Matrix, filtered: Matrix,
                      smoothed: Matrix, pairs: Matrix) -> float:
    """Filtered and smoothed probabilities and expected transitions; returns the likelihood."""
    length, states = density.shape
    likelihood = 0.0
    scale = np.empty(length)
    emission = np.empty((length, states))
    for t in range(length):
        highest = density[t].max()
        total = 0.0
        for j in range(states):
            emission[t, j] = math.exp(density[t, j] - highest)
            arrives = initial[j]
            if t > 0:
                arrives = 0.0
                for i in range(states):
                    arrives += filtered[t - 1, i] * transition[i, j]
            filtered[t, j] = arrives * emission[t, j]
            total += filtered[t, j]
        for j in range(states):
            filtered[t, j] /= total
        scale[t] = total
        likelihood += math.log(total) + highest
    later = np.ones(states)
    earlier = np.empty(states)
    pairs[:] = 0.0
    for j in range(states):
        smoothed[length - 1, j] = filtered[length - 1, j]
    for t in range(length - 2, -1, -1):
        for i in range(states):
            earlier[i] = 0.0
            for j in range(states):
                step = transition[i, j] * emission[t + 1, j] * later[j] / scale[t + 1]
                earlier[i] += step
                pairs[i, j] += filtered[t, i] * step
        for i in range(states):
            later[i] = earlier[i]
            smoothed[t, i] = filtered[t, i] * later[i]
    return likelihood
