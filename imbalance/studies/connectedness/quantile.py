"""Connectedness in the tails: vector autoregressions of a quantile, with bootstrap replications.

Sources: White, Kim and Manganelli 2015; Chatziantoniou, Gabauer and Stenfors 2021; Powell 1991 and
Hall and Sheather 1988 (the density at the quantile); Parzen, Wei and Ying 1994 (resampled scores).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.bootstrap import Replications, block_length, singular
from imbalance.studies.quantile_regression import quantile_regression
from imbalance.studies.vector_autoregression import (
    TooFewBarsError,
    VectorAutoregression,
    lag_coefficients,
)

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class QuantileSystem:
    """y_t = ν + A_1 y_{t−1} + … + u_t with the τ-quantile of each u given the past at zero."""

    quantile: float
    model: VectorAutoregression
    """The system of the means, whose design, order and units are used."""
    beta: Matrix
    """(Kp+1+q) × K, standardised."""

    @property
    def lagged(self) -> Matrix:
        """Coefficients, p × K × K, standardised."""
        return lag_coefficients(self.beta.T, self.model.lag)

    @property
    def residuals(self) -> Matrix:
        """Residuals, n × K, standardised; their τ-quantile is zero, their mean is not."""
        return self.model.standardised[self.model.targets] - self.model.design @ self.beta

    @property
    def sigma(self) -> Matrix:
        """Covariance of the residuals about their mean.

        Products that are not taken about the mean, as some software has them, make tails look
        connected: far from the median all residuals have means of one sign.
        """
        centred = self.residuals - self.residuals.mean(axis=0)
        return centred.T @ centred / self.model.degrees


def fit_quantile(model: VectorAutoregression, quantile: float) -> QuantileSystem:
    """Fit a system of the same order, bars and variables at a quantile, equation by equation.

    Raises
    ------
    TooFewBarsError
        If several fits are equally good: most bars are the same, and lie at the quantile.
    """
    targets = model.standardised[model.targets]
    try:
        beta = [quantile_regression(model.design, column, quantile) for column in targets.T]
    except np.linalg.LinAlgError:
        raise TooFewBarsError("bars at the quantile do not tell coefficients apart") from None
    return QuantileSystem(quantile, model, np.column_stack(beta))


def replicate_quantile(system: QuantileSystem, replications: int, seed: int) -> Replications:
    """Moving-block bootstrap of the scores and of the products of residuals.

    Raises
    ------
    TooFewBarsError
        If the bars near the quantile do not tell all coefficients apart.

    Notes
    -----
    A replication of equation i is β̂ + D⁻¹ Σ_t x_t(τ − 1{u_t < 0}) over resampled blocks, D = Σ_t
    f_t x_t x_t' with f_t = 1{|u_t| < h}/2h the density at the quantile: what refitting would give,
    to first order. Σ* is the covariance of the same blocks' residuals after that change of
    coefficients. Blocks wrap around the end.
    """
    model, x, u = system.model, system.model.design, system.residuals
    n, m = x.shape
    k, length = model.variables, block_length(n)
    blocks = -(-n // length)
    starts = np.random.default_rng(seed).integers(0, n, (replications, blocks))
    weight = n / (blocks * length)
    change = np.empty((replications, k, m))
    for i in range(k):
        score = x * (system.quantile - (u[:, i] < 0.0))[:, None]
        near = np.abs(u[:, i]) < _bandwidth(u[:, i], system.quantile)
        width = 2.0 * _bandwidth(u[:, i], system.quantile)
        bread = np.linalg.inv(_spanning(x[near]) / width)
        change[:, i] = weight * _sums(score - score.mean(axis=0), length, starts) @ bread
    centred = u - u.mean(axis=0)
    first, second = np.tril_indices(k)
    products = _sums(centred[:, first] * centred[:, second], length, starts) * weight / n
    means = _sums(centred, length, starts) * weight / n
    sigma = np.empty((replications, k, k))
    sigma[:, first, second] = sigma[:, second, first] = products
    sigma -= means[:, :, None] * means[:, None, :]
    cross = change @ (x.T @ centred / n)
    moved = change @ (x.T @ x / n) @ change.transpose(0, 2, 1)
    moved += sigma - cross - cross.transpose(0, 2, 1)
    sound = np.linalg.eigvalsh(moved)[:, 0] > 0.0
    sigma[sound] = moved[sound]
    lagged = lag_coefficients(system.beta.T + change, model.lag)
    return Replications(lagged, sigma * n / model.degrees, length)


def _spanning(rows: Matrix) -> Matrix:
    """Σ xx' of rows that span all columns."""
    gram = rows.T @ rows
    if singular(gram):
        raise TooFewBarsError(f"{len(rows)} bars near the quantile for {len(gram)} coefficients")
    return gram


def _sums(values: Matrix, length: int, starts: NDArray[np.int64]) -> Matrix:
    """Sum of the rows of each replication's blocks: replications × columns."""
    wrapped = np.concatenate([values, values[: length - 1]])
    running = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(wrapped, axis=0)])
    block = running[length:] - running[:-length]
    return np.stack([block[chosen].sum(axis=0) for chosen in starts])


def _bandwidth(residuals: Matrix, quantile: float) -> float:
    """Half-width of the window around zero in which the density is taken (Hall, Sheather 1988)."""
    from scipy.special import ndtri

    n = len(residuals)
    point = ndtri(quantile)
    density = np.exp(-0.5 * point**2) / np.sqrt(2.0 * np.pi)
    width = n ** (-1.0 / 3.0) * 1.959964 ** (2.0 / 3.0)
    width *= (1.5 * density**2 / (2.0 * point**2 + 1.0)) ** (1.0 / 3.0)
    width = min(width, 0.9 * quantile, 0.9 * (1.0 - quantile))
    low, high = np.quantile(residuals, [0.25, 0.75])
    spread = min(residuals.std(), (high - low) / 1.34) or residuals.std()
    return float(spread * (ndtri(quantile + width) - ndtri(quantile - width)))
