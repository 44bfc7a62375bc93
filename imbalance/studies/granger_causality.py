"""Tests of causality in Granger's sense, and of correlation between shocks, within a fitted VAR.

Sources: Lütkepohl 2005, sections 3.6 and 4.6. Checked against the R packages vars and lmtest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.bootstrap import singular
from imbalance.studies.covariance import free_share, long_run_variance
from imbalance.studies.rows import Row
from imbalance.studies.vector_autoregression import (
    CollinearError,
    UnfitError,
    VectorAutoregression,
)

Matrix = NDArray[np.float64]
Covariance = Literal["classical", "hc0", "hc3", "hac"]


@dataclass(frozen=True)
class CausalityTest:
    """A statistic with its reference distribution: F(df1, df2), or χ²(df1) when df2 is None."""

    statistic: float
    df1: int
    df2: int | None
    p_value: float


def tested(test: Callable[[], CausalityTest]) -> Row:
    """Statistic and p-value of a test for a row, or the reason why there are none."""
    try:
        found = test()
    except UnfitError as error:
        return {"reason": error.reason}
    return {"estimate": found.statistic, "p_value": found.p_value}


def granger(
    model: VectorAutoregression,
    causes: Sequence[int],
    effects: Sequence[int],
    covariance: Covariance = "classical",
    *,
    system_degrees: bool | None = None,
) -> CausalityTest:
    """Test that no lag of the causes enters the equations of the effects.

    Parameters
    ----------
    model : the fitted system.
    causes, effects : numbers of variables.
    covariance : of the coefficients: `classical` (with it and one effect this is the F test of the
        restricted against the unrestricted regression), `hc0`, `hc3`, or `hac` (Bartlett,
        bandwidth of Newey and West 1994, of residuals over 1 − leverage as in `hc3`: without that
        it rejects too often in short windows; scores across a gap are never multiplied).
    system_degrees : take df2 from the system rather than from one equation; by default when there
        is more than one effect.

    Returns
    -------
    CausalityTest : Wald statistic over df1 against F(df1, df2); df1 = p · causes · effects,
    df2 = n − Kp − 1 of an equation or K (n − Kp − 1) of the system.

    Raises
    ------
    CollinearError : if the coefficients' covariance is singular: a robust one is where regressors
        hardly ever move, since the few rows in which they do are fitted exactly.
    """
    from scipy.special import fdtrc

    k, p = model.variables, model.lag
    columns = np.array([1 + lag * k + cause for lag in range(p) for cause in causes])
    rows = np.array(effects)
    picked = model.beta[np.ix_(columns, rows)].T.ravel()
    if covariance == "classical":
        block = model.gram_inverse[np.ix_(columns, columns)]
        spread = np.kron(model.standardised_sigma[np.ix_(rows, rows)], block)
    else:
        spread = _robust(model, columns, effects, covariance)
    df1 = len(picked)
    statistic = wald(spread, picked) / df1
    of_system = len(effects) > 1 if system_degrees is None else system_degrees
    df2 = model.degrees * (k if of_system else 1)
    return CausalityTest(statistic, df1, df2, float(fdtrc(df1, df2, statistic)))


def wald(spread: Matrix, values: Matrix) -> float:
    """v'S⁻¹v.

    Raises
    ------
    CollinearError : if S is singular, or not known.
    """
    scale = np.sqrt(np.diagonal(spread))
    if not (scale > 0.0).all() or singular(spread / np.outer(scale, scale)):
        raise CollinearError("the covariance of the coefficients is singular")
    return float(values @ np.linalg.solve(spread, values))


def _robust(
    model: VectorAutoregression,
    columns: NDArray[np.intp],
    effects: Sequence[int],
    covariance: Covariance,
) -> Matrix:
    """Sandwich covariance of the coefficients in `columns` of the equations in `effects`."""
    projected = model.design @ model.gram_inverse[:, columns]
    residuals = model.residuals[:, list(effects)]
    if covariance in ("hc3", "hac"):
        free = free_share(model.design, model.gram_inverse)
        if np.isnan(free).any():
            raise CollinearError("a row is fitted exactly")
        residuals = residuals / free[:, None]
    scores = (residuals[:, :, None] * projected[:, None, :]).reshape(model.n, -1)
    if covariance != "hac":
        return scores.T @ scores
    first = int(model.targets[0])
    on_grid = np.full((int(model.targets[-1]) - first + 1, scores.shape[1]), np.nan)
    on_grid[model.targets - first] = scores
    found = long_run_variance(on_grid)
    return found.matrix * found.n


def instantaneous(
    model: VectorAutoregression, left: Sequence[int], right: Sequence[int], *, robust: bool = False
) -> CausalityTest:
    """Test that the shocks of two groups of variables are uncorrelated.

    Notes
    -----
    Wald: n s'V⁻¹s, s the covariances σ_ab. Classical V_(ab)(cd) = σ_ac σ_bd + σ_ad σ_bc, which
    holds for Gaussian shocks; `robust` takes the sample covariance of u_a u_b instead, which allows
    for heteroskedasticity. χ² with as many degrees of freedom as there are pairs.

    Raises
    ------
    CollinearError : if the covariance of the σ_ab is singular.
    """
    from scipy.special import chdtrc

    pairs = [(a, b) for a in left for b in right]
    sigma = model.standardised_sigma
    s = np.array([sigma[a, b] for a, b in pairs])
    if robust:
        products = np.column_stack([model.residuals[:, a] * model.residuals[:, b]
                                    for a, b in pairs])
        spread = np.atleast_2d(np.cov(products.T, bias=True))
    else:
        spread = np.array([[sigma[a, c] * sigma[b, d] + sigma[a, d] * sigma[b, c]
                            for c, d in pairs] for a, b in pairs])
    statistic = model.n * wald(spread, s)
    return CausalityTest(statistic, len(pairs), None, float(chdtrc(len(pairs), statistic)))
