"""What the residuals of a vector autoregression say about the fit.

Sources: Lütkepohl 2005, sections 4.4, 4.5 and 16.5. Checked against the R package vars.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.bootstrap import singular
from imbalance.studies.granger_causality import CausalityTest
from imbalance.studies.vector_autoregression import (
    CollinearError,
    TooFewBarsError,
    VectorAutoregression,
)

Matrix = NDArray[np.float64]


def _chi_squared(statistic: float, degrees: int) -> CausalityTest:
    from scipy.special import chdtrc

    return CausalityTest(statistic, degrees, None, float(chdtrc(degrees, statistic)))


def portmanteau(model: VectorAutoregression, lags: int) -> CausalityTest:
    """Test that the residuals are not autocorrelated up to `lags`, which must exceed the order.

    Notes
    -----
    Q = n Σ_j tr(C_j' C_0⁻¹ C_j C_0⁻¹), C_j over residuals that are j bars apart; χ² with
    K² (lags − p) degrees of freedom.
    """
    residuals = _on_grid(model)
    inverse = np.linalg.inv(residuals.T @ residuals / model.n)
    total = 0.0
    for j in range(1, lags + 1):
        c = residuals[j:].T @ residuals[:-j] / model.n
        total += float(np.trace(c.T @ inverse @ c @ inverse))
    return _chi_squared(model.n * total, model.variables**2 * (lags - model.lag))


def normality(model: VectorAutoregression) -> CausalityTest:
    """Jarque–Bera test of the residuals, orthogonalised by Cholesky: skewness and kurtosis."""
    n, k = model.n, model.variables
    centred = model.residuals - model.residuals.mean(axis=0)
    factor = np.linalg.cholesky(centred.T @ centred / n)
    w = np.linalg.solve(factor, centred.T)
    skewness, kurtosis = (w**3).mean(axis=1), (w**4).mean(axis=1)
    statistic = n * (skewness @ skewness / 6.0 + (kurtosis - 3.0) @ (kurtosis - 3.0) / 24.0)
    return _chi_squared(float(statistic), 2 * k)


def arch(model: VectorAutoregression, lags: int) -> CausalityTest:
    """Multivariate Lagrange-multiplier test of conditional heteroskedasticity (Doornik, Hendry).

    Notes
    -----
    vech(u_t u_t') on a constant and its `lags` predecessors, over bars whose predecessors are all
    there: n K(K+1)/2 · R²_m, R²_m = 1 − 2/(K(K+1)) tr(Ω Ω_0⁻¹).

    Raises
    ------
    TooFewBarsError : if there are not more such bars than coefficients in an equation.
    CollinearError : if the products of residuals are linearly dependent, as those of series that
        hardly ever move.
    """
    k = model.variables
    residuals = _on_grid(model, missing=np.nan)
    lower = np.tril_indices(k)
    vech = residuals[:, lower[0]] * residuals[:, lower[1]]
    size = vech.shape[1]
    columns = [vech[lags - i : len(vech) - i] for i in range(lags + 1)]
    stacked = np.column_stack(columns)
    stacked = stacked[np.isfinite(stacked).all(axis=1)]
    now, past = stacked[:, :size], np.column_stack([np.ones(len(stacked)), stacked[:, size:]])
    if len(now) <= past.shape[1]:
        raise TooFewBarsError(f"{len(now)} rows for {past.shape[1]} coefficients")
    error = now - past @ np.linalg.lstsq(past, now, rcond=None)[0]
    centred = now - now.mean(axis=0)
    spread = centred.std(axis=0)
    if not spread.all() or singular(centred.T @ centred / np.outer(spread, spread)):
        raise CollinearError("the products of the residuals are linearly dependent")
    ratio = np.linalg.solve(centred.T @ centred, error.T @ error)
    fitted = 1.0 - np.trace(ratio) / size
    return _chi_squared(float(len(stacked) * size * fitted), lags * size**2)


def _on_grid(model: VectorAutoregression, missing: float = 0.0) -> Matrix:
    first = int(model.targets[0])
    grid = np.full((int(model.targets[-1]) - first + 1, model.variables), missing)
    grid[model.targets - first] = model.residuals
    return grid
