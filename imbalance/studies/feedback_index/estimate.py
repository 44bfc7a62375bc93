"""Estimating a loop on part of the bars: fit, test of "no loop", replications, influence of bars.

What a loop's figures are is in `loop.py`; which bars are looked at is the caller's choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.bootstrap import check_regular
from imbalance.studies.covariance import long_run_variance
from imbalance.studies.feedback_index.loop import FLOW, RETURN, Loop, arms, measure_loop
from imbalance.studies.granger_causality import wald
from imbalance.studies.score_bootstrap import BlockSums, block_slots, block_sums, resample
from imbalance.studies.vector_autoregression import (
    CollinearError,
    TooFewBarsError,
    VectorAutoregression,
    companion,
    target_rows,
)

Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]

_WORST_CONDITION = 1e12


@dataclass(frozen=True)
class LoopEstimate:
    """A loop with what says how sure it is."""

    model: VectorAutoregression
    horizon: int

    @cached_property
    def loop(self) -> Loop:
        """The figures, in deviations of the series and in bars."""
        return measure_loop(self.model.lagged, self.model.standardised_sigma, self.horizon)

    @cached_property
    def stable(self) -> bool:
        """Whether all roots are inside the unit circle."""
        return bool(np.abs(np.linalg.eigvals(companion(self.model.lagged))).max() < 1.0)

    @cached_property
    def sums(self) -> BlockSums:
        """Scores by blocks of time."""
        model = self.model
        return block_sums(model.design, model.residuals, model.targets, block_slots(model.n))

    def replicate(self, replications: int, seed: int) -> Loop:
        """The figures of replications.

        Raises
        ------
        CollinearError : if shocks cannot be told apart in one of them.
        """
        drawn = resample(self.sums, self.model.beta, self.model.gram_inverse, replications, seed)
        check_regular(drawn.sigma)
        lagged = drawn.beta[:, 1:].reshape(replications, self.model.lag, 2, 2)
        return measure_loop(lagged.transpose(0, 1, 3, 2), drawn.sigma, self.horizon)

    def flow_to_return_test(self) -> float:
        """HAC Wald p-value of all b_i, i ≥ 0, being 0: flow does not move the return."""
        model = self.model
        design = np.column_stack([model.design, model.standardised[model.targets, FLOW]])
        columns = [*range(1 + FLOW, design.shape[1] - 1, 2), design.shape[1] - 1]
        return _wald(design, model.standardised[model.targets, RETURN], columns, model.targets)

    def return_to_flow_test(self) -> float:
        """HAC Wald p-value of all c_i being 0: the return calls forth no flow."""
        model = self.model
        columns = list(range(1 + RETURN, model.design.shape[1], 2))
        flow = model.standardised[model.targets, FLOW]
        return _wald(model.design, flow, columns, model.targets)

    def influence(self) -> Matrix:
        """What each bar used adds to the gain: the gain's derivative times the bar's score.

        The values sum to 0; their long-run variance over n is that of the gain.
        """
        model, n = self.model, self.model.n
        projected = model.design @ model.gram_inverse * n
        scores = (projected[:, :, None] * model.residuals[:, None, :]).reshape(n, -1)
        products = model.residuals * model.residuals[:, FLOW : FLOW + 1]
        products -= products.mean(axis=0)
        return np.column_stack([scores, products]) @ self._slope()

    def _slope(self) -> Matrix:
        """Derivative of the gain by the coefficients and by (σ_xx, σ_rx), by differences."""
        model, step = self.model, 1e-6
        point = np.concatenate([model.beta.ravel(), model.standardised_sigma[:, FLOW]])
        moved = point + step * np.concatenate([np.eye(len(point)), -np.eye(len(point))])
        beta, sigma = moved[:, :-2], np.zeros((len(moved), 2, 2))
        sigma[:, :, FLOW] = moved[:, -2:]
        lagged = beta.reshape(len(moved), -1, 2)[:, 1:].reshape(len(moved), -1, 2, 2)
        out, back = arms(lagged.transpose(0, 1, 3, 2), sigma)
        above, below = np.split(out * back, 2)
        return (above - below) / (2.0 * step)


def estimate_loop(
    data: Matrix, lag: int, horizon: int, where: Mask | None = None
) -> LoopEstimate:
    """Fit the loop on some of the bars.

    Parameters
    ----------
    data : T × 2, flow and return, NaN where missing; no lag reaches over a gap.
    lag : order.
    horizon : bars over which speed is measured.
    where : bars that are explained; those before them serve as lags whether they are in it or not.

    Raises
    ------
    TooFewBarsError : if there are not three rows per coefficient and variable.
    CollinearError : if the regressors are linearly dependent or a series does not vary.
    """
    targets = target_rows(data, lag)
    if where is not None:
        targets = targets[where[targets]]
    coefficients = 2 * lag + 1
    if len(targets) < 3 * (coefficients + 2):
        raise TooFewBarsError(f"{len(targets)} rows for {coefficients} coefficients")
    used = data[targets]
    mean, scale = used.mean(axis=0), used.std(axis=0)
    if not (scale > 1e-12 * np.abs(used).max(axis=0)).all():
        raise CollinearError("a variable does not vary")
    standardised = (data - mean) / scale
    design = np.column_stack(
        [np.ones(len(targets)), *(standardised[targets - i] for i in range(1, lag + 1))])
    gram = design.T @ design
    if np.linalg.cond(gram) > _WORST_CONDITION:
        raise CollinearError("the regressors are linearly dependent")
    beta = np.asarray(np.linalg.solve(gram, design.T @ standardised[targets]), dtype=np.float64)
    model = VectorAutoregression(lag, mean, scale, standardised, targets, beta,
                                 np.asarray(np.linalg.inv(gram)))
    return LoopEstimate(model, horizon)


def _wald(
    design: Matrix, explained: Matrix, columns: list[int], targets: NDArray[np.intp]
) -> float:
    """p-value of the coefficients in `columns` being 0, F(df, n − m) with HAC covariance.

    Raises
    ------
    CollinearError : as `granger_causality.wald`.
    """
    from scipy.special import fdtrc

    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ (design.T @ explained)
    residual = explained - design @ beta
    scores = design @ inverse[:, columns] * residual[:, None]
    first = int(targets[0])
    on_grid = np.full((int(targets[-1]) - first + 1, len(columns)), np.nan)
    on_grid[targets - first] = scores
    found = long_run_variance(on_grid)
    n, m = design.shape
    spread = found.matrix * found.n * (n / (n - m))
    statistic = wald(spread, beta[columns]) / len(columns)
    return float(fdtrc(len(columns), n - m, statistic))
