"""Vector autoregressions by OLS, on data with gaps: fit, order, stability.

Responses are in `impulse_response.py`, tests of causality in `granger_causality.py`, tests of the
residuals in `residual_diagnostics.py`.

Sources: Lütkepohl 2005, chapters 3 and 4. Checked against the R package vars.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

_WORST_CONDITION = 1e12
_ROUNDING = 1e-12
"""Share of a deviation or a variance up to which it counts as none."""


class UnfitError(ValueError):
    """A model cannot be fitted; `reason` is that of rows without an estimate."""

    reason: ClassVar[str]


class CollinearError(UnfitError):
    """One regressor is a linear combination of the others."""

    reason = "collinear"


class TooFewBarsError(UnfitError):
    """Not more observations than coefficients."""

    reason = "too_few_bars"


@dataclass(frozen=True)
class VectorAutoregression:
    """y_t = ν + A_1 y_{t−1} + … + A_p y_{t−p} + u_t, fitted equation by equation.

    Everything is held in standardised units (mean 0, standard deviation 1 of each variable), in
    which the numbers are well behaved; the properties give original units.
    """

    lag: int
    mean: Vector
    scale: Vector
    standardised: Matrix
    """T × K data in standardised units, NaN where missing."""
    targets: NDArray[np.intp]
    """Rows that are explained: those whose p predecessors are all there."""
    beta: Matrix
    """(Kp+1+q) × K: constant, lag 1 of all variables, lag 2, …, what is exogenous."""
    gram_inverse: Matrix
    """(X'X)⁻¹ in the order of `beta`."""
    exogenous: Matrix | None = None
    """T × q, standardised: explains, is not explained, and has the last rows of `beta`."""

    @property
    def variables(self) -> int:
        """K."""
        return len(self.mean)

    @property
    def n(self) -> int:
        """Observations explained."""
        return len(self.targets)

    @property
    def degrees(self) -> int:
        """Degrees of freedom of an equation, n − Kp − 1 − q."""
        return self.n - len(self.beta)

    @cached_property
    def lagged(self) -> Matrix:
        """K-vectors of `beta` as p × K × K standardised coefficient matrices [lag, row, column]."""
        return lag_coefficients(self.beta.T, self.lag)

    @cached_property
    def coefficients(self) -> Matrix:
        """A_1 … A_p in original units, p × K × K: [lag, equation, regressor]."""
        return self.lagged * self.scale[:, None] / self.scale[None, :]

    @cached_property
    def intercept(self) -> Vector:
        """ν in original units, at the mean of what is exogenous."""
        shift = self.coefficients.sum(axis=0) @ self.mean
        return self.mean + self.scale * self.beta[0] - shift

    @cached_property
    def design(self) -> Matrix:
        """X, n × (Kp+1+q), standardised: constant, lags, what is exogenous."""
        blocks = [self.standardised[self.targets - i] for i in range(1, self.lag + 1)]
        extra = () if self.exogenous is None else (self.exogenous[self.targets],)
        return np.column_stack([np.ones(self.n), *blocks, *extra])

    @cached_property
    def residuals(self) -> Matrix:
        """Residuals u, n × K, standardised."""
        return self.standardised[self.targets] - self.design @ self.beta

    @cached_property
    def standardised_sigma(self) -> Matrix:
        """Covariance of the residuals with divisor n − Kp − 1, standardised."""
        return self.residuals.T @ self.residuals / self.degrees

    @cached_property
    def sigma(self) -> Matrix:
        """Covariance of the residuals with divisor n − Kp − 1, in original units."""
        return self.standardised_sigma * np.outer(self.scale, self.scale)

    @cached_property
    def log_likelihood(self) -> float:
        """Gaussian log-likelihood at the estimates, covariance with divisor n."""
        _, log_determinant = np.linalg.slogdet(self.sigma * (self.degrees / self.n))
        k = self.variables
        return float(-0.5 * self.n * (k * np.log(2.0 * np.pi) + log_determinant + k))

    @cached_property
    def root_moduli(self) -> Vector:
        """Moduli of the companion matrix' eigenvalues, largest first: stable when below 1."""
        return np.sort(np.abs(np.linalg.eigvals(companion(self.lagged))))[::-1]

    @cached_property
    def r_squared(self) -> Vector:
        """Share of each variable's variance that its equation explains, in sample."""
        observed = self.standardised[self.targets]
        total = np.square(observed - observed.mean(axis=0)).sum(axis=0)
        return 1.0 - np.square(self.residuals).sum(axis=0) / total


def lag_coefficients(beta: Matrix, lag: int) -> Matrix:
    """… × p × K × K coefficients [lag, row, column] out of … × K × (Kp+1+q) equations."""
    *stack, k, _ = beta.shape
    lags = beta[..., 1 : 1 + k * lag].reshape(*stack, k, lag, k)
    return np.moveaxis(lags, -2, -3)


def companion(lagged: Matrix) -> Matrix:
    """… × Kp × Kp companion matrices of … × p × K × K coefficients."""
    *stack, p, k, _ = lagged.shape
    matrix = np.zeros((*stack, k * p, k * p))
    matrix[..., :k, :] = np.moveaxis(lagged, -3, -2).reshape(*stack, k, k * p)
    matrix[..., k:, :-k] += np.eye(k * (p - 1))
    return matrix


def fit(data: Matrix, lag: int, exogenous: Matrix | None = None) -> VectorAutoregression:
    """Fit a vector autoregression of a given order.

    Parameters
    ----------
    data : T × K on a regular grid; a row with NaN is a gap: no regressor reaches over it.
    lag : p, at least 1.
    exogenous : T × q regressors that are not explained, at the bar they help to explain.

    Raises
    ------
    TooFewBarsError : if there are not more usable rows than coefficients in an equation.
    CollinearError : if the regressors are linearly dependent, a variable is the same in all rows
        that are explained (gaps may leave out those in which it is not), or what is not explained
        of the variables, or of a combination of them, is rounding.
    """
    mean, scale, standardised, extra = _standardise(data, exogenous)
    targets = target_rows(standardised, lag)
    gram, cross, square = _normal_equations(standardised, extra, targets, lag)
    if not (standardised[targets].std(axis=0) > _ROUNDING).all():
        raise CollinearError("a variable does not vary over the rows that are explained")
    if np.linalg.cond(gram) > _WORST_CONDITION:
        raise CollinearError("the regressors are linearly dependent")
    gram_inverse = np.asarray(np.linalg.inv(gram))
    beta: Matrix = np.asarray(np.linalg.solve(gram, cross), dtype=np.float64)
    left = (square - cross.T @ beta) / len(targets)
    if not np.linalg.eigvalsh(left)[0] > _ROUNDING:
        raise CollinearError("nothing is left of a variable that is not explained")
    return VectorAutoregression(
        lag, mean, scale, standardised, targets, beta, gram_inverse, extra
    )


@dataclass(frozen=True)
class LagSelection:
    """Criteria for orders 1 … max, all on the sample that the largest order leaves."""

    aic: Vector
    hq: Vector
    bic: Vector
    fpe: Vector

    def chosen(self, criterion: Literal["bic", "aic", "hq", "fpe"]) -> int:
        """Order with the least value of the criterion."""
        return int(np.argmin(getattr(self, criterion))) + 1


def select_lag(data: Matrix, maximum: int, exogenous: Matrix | None = None) -> LagSelection:
    """Information criteria of the orders up to `maximum`.

    Notes
    -----
    ln|Σ̃_p| + c_T mK/T with Σ̃ of divisor T and m = Kp + 1 + q coefficients in an equation; c_T = 2,
    2 ln ln T, ln T for AIC, HQ, BIC; FPE = |Σ̃_p| ((T + m)/(T − m))^K. One set of moments serves
    all orders.

    Raises
    ------
    TooFewBarsError, CollinearError : as `fit`, for the largest order.
    """
    _, scale, standardised, extra = _standardise(data, exogenous)
    targets = target_rows(standardised, maximum)
    n, k = len(targets), data.shape[1]
    gram, cross, square = _normal_equations(standardised, extra, targets, maximum)
    values = np.empty((4, maximum))
    for p in range(1, maximum + 1):
        x = np.concatenate([np.arange(k * p + 1), np.arange(k * maximum + 1, len(gram))])
        inside = gram[np.ix_(x, x)]
        if np.linalg.cond(inside) > _WORST_CONDITION:
            raise CollinearError("the regressors are linearly dependent")
        scatter = square - cross[x].T @ np.linalg.solve(inside, cross[x])
        _, log_determinant = np.linalg.slogdet(scatter / n)
        log_determinant += 2.0 * np.log(scale).sum()
        regressors = len(x)
        count = regressors * k / n
        values[:, p - 1] = (
            log_determinant + 2.0 * count,
            log_determinant + 2.0 * np.log(np.log(n)) * count,
            log_determinant + np.log(n) * count,
            np.exp(log_determinant) * ((n + regressors) / (n - regressors)) ** k,
        )
    return LagSelection(*values)


def target_rows(data: Matrix, lag: int) -> NDArray[np.intp]:
    """Rows t for which t, t−1, …, t−lag are all complete."""
    complete = np.isfinite(data).all(axis=1)
    running = np.concatenate([[0], np.cumsum(complete)])
    full = running[lag + 1 :] - running[: -lag - 1] == lag + 1
    return np.flatnonzero(full) + lag


def lag_moments(data: Matrix, targets: NDArray[np.intp], lag: int) -> Matrix:
    """Σ_t w_t w_t' over the targets, w_t = (1, y_t, y_{t−1}, …, y_{t−p}).

    Only Σ_t y_t y_{t−h}' needs a pass over the data; the product at lags i, i+h follows from it by
    Σ_t y_{t−i} y_{t−i−h}' = Σ_t y_t y_{t−h}' + (what a segment gains at its start) − (what it loses
    at its end). That is exact, and an order of magnitude faster than X'X.
    """
    k = data.shape[1]
    extended = np.column_stack([data, np.ones(len(data))])
    breaks = np.flatnonzero(np.diff(targets) > 1)
    starts = targets[np.concatenate([[0], breaks + 1])]
    ends = targets[np.concatenate([breaks, [len(targets) - 1]])]
    blocks = np.empty((lag + 1, lag + 1, k + 1, k + 1))
    for h in range(lag + 1):
        total = np.zeros((k + 1, k + 1))
        for start, end in zip(starts, ends, strict=True):
            total += extended[start : end + 1].T @ extended[start - h : end + 1 - h]
        for i in range(lag + 1 - h):
            blocks[i, i + h] = total
            blocks[i + h, i] = total.T
            gained, lost = starts - 1 - i, ends - i
            if i + h < lag:
                total = (
                    total
                    + extended[gained].T @ extended[gained - h]
                    - extended[lost].T @ extended[lost - h]
                )
    moments = np.empty(((lag + 1) * k + 1, (lag + 1) * k + 1))
    moments[0, 0] = len(targets)
    moments[0, 1:] = moments[1:, 0] = np.concatenate([blocks[i, i, :k, k] for i in range(lag + 1)])
    moments[1:, 1:] = blocks[:, :, :k, :k].transpose(0, 2, 1, 3).reshape((lag + 1) * k, -1)
    return moments


def _normal_equations(
    data: Matrix, extra: Matrix | None, targets: NDArray[np.intp], lag: int
) -> tuple[Matrix, Matrix, Matrix]:
    """X'X, X'Y and Y'Y of the regression: X the constant, the lags, what is exogenous."""
    k = data.shape[1]
    regressors = k * lag + 1 + (0 if extra is None else extra.shape[1])
    if len(targets) <= regressors:
        raise TooFewBarsError(f"{len(targets)} rows for {regressors} coefficients")
    moments = lag_moments(data, targets, lag)
    x = np.concatenate([[0], np.arange(k + 1, k * (lag + 1) + 1)])
    y = np.arange(1, k + 1)
    gram, cross = moments[np.ix_(x, x)], moments[np.ix_(x, y)]
    if extra is not None:
        own = extra[targets]
        with_lags = np.vstack(
            [own.sum(axis=0), *(data[targets - i].T @ own for i in range(1, lag + 1))]
        )
        gram = np.block([[gram, with_lags], [with_lags.T, own.T @ own]])
        cross = np.vstack([cross, own.T @ data[targets]])
    return gram, cross, moments[np.ix_(y, y)]


def _standardise(
    data: Matrix, exogenous: Matrix | None
) -> tuple[Vector, Vector, Matrix, Matrix | None]:
    """Mean, scale and standard form of the data, and the latter of what is exogenous."""
    k = data.shape[1]
    together = data if exogenous is None else np.column_stack([data, exogenous])
    complete = np.asarray(np.isfinite(together).all(axis=1))
    used = together[complete]
    if len(used) < 2:
        raise TooFewBarsError(f"{len(used)} complete rows")
    mean, scale = used.mean(axis=0), used.std(axis=0)
    if not (scale > _ROUNDING * np.abs(used).max(axis=0)).all():
        raise CollinearError("a variable does not vary")
    standardised = np.where(complete[:, None], (together - mean) / scale, np.nan)
    extra = None if exogenous is None else standardised[:, k:]
    return mean[:k], scale[:k], standardised[:, :k], extra
