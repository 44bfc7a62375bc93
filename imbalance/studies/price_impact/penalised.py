"""Regressions with a penalty, from moments: LASSO by coordinate descent, ridge by eigenvalues.

The penalty is chosen on folds in the order of time. Sources: Tibshirani 1996; Friedman, Hastie and
Tibshirani 2010 (coordinate descent, the grid of penalties); Hoerl and Kennard 1970. The LASSO is
checked against scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.kernels import jit
from imbalance.studies.walk_forward import ordered_folds

Matrix = NDArray[np.float64]
Path = Callable[[Matrix, Matrix, Matrix], Matrix]
"""From X'X/n (k × k), X'y/n (k) and penalties (m) to coefficients (m × k)."""

PENALTIES = 40
SMALLEST = 1e-3
"""Smallest penalty of the LASSO's grid, as a share of the one that leaves no coefficient."""

_TOLERANCE = 1e-6
_SWEEPS = 1_000


@dataclass(frozen=True)
class Linear:
    """A fitted line: forecasts are `intercept + X coefficients`."""

    intercept: float
    coefficients: Matrix
    standardised: Matrix
    """The coefficients in standard deviations of what was fitted on: of y per x."""
    penalty: float
    """For both sides standardised."""

    def forecast(self, x: Matrix) -> Matrix:
        """Forecasts for rows of x."""
        return self.intercept + x @ self.coefficients


def least_squares(x: Matrix, y: Matrix) -> Linear:
    """Without a penalty."""
    return _fitted(x, y, _solve, lambda _: np.zeros(1), 0)


def lasso(x: Matrix, y: Matrix, folds: int) -> Linear:
    """Minimise ‖y − Xb‖²/2n + α ‖b‖₁, both standardised by what is fitted on, α by folds."""
    return _fitted(x, y, lasso_path, _lasso_penalties, folds)


def ridge(x: Matrix, y: Matrix, folds: int) -> Linear:
    """Minimise ‖y − Xb‖²/2n + α ‖b‖²/2, both standardised by what is fitted on, α by folds."""
    return _fitted(x, y, ridge_path, _ridge_penalties, folds)


def lasso_path(gram: Matrix, moment: Matrix, penalties: Matrix) -> Matrix:
    """Coefficients of the LASSO at penalties in falling order."""
    out = np.zeros((len(penalties), len(moment)))
    _descend(np.ascontiguousarray(gram), np.ascontiguousarray(moment), penalties, out)
    return out


def ridge_path(gram: Matrix, moment: Matrix, penalties: Matrix) -> Matrix:
    """Coefficients of the ridge regression at penalties: V (Λ + α)⁻¹ V' X'y/n."""
    values, vectors = np.linalg.eigh(gram)
    turned = vectors.T @ moment
    return np.asarray((turned / (np.maximum(values, 0.0) + penalties[:, None])) @ vectors.T)


def _solve(gram: Matrix, moment: Matrix, _: Matrix) -> Matrix:
    return np.asarray(np.linalg.lstsq(gram, moment, rcond=None)[0][None], dtype=np.float64)


def _ridge_penalties(_: Matrix) -> Matrix:
    return np.asarray(np.geomspace(1e2, 1e-6, PENALTIES), dtype=np.float64)


def _lasso_penalties(moment: Matrix) -> Matrix:
    largest = max(float(np.abs(moment).max()), 1e-12)
    return np.asarray(np.geomspace(largest, largest * SMALLEST, PENALTIES), dtype=np.float64)


def _fitted(
    x: Matrix, y: Matrix, path: Path, penalties_of: Callable[[Matrix], Matrix], folds: int
) -> Linear:
    """Both sides standardised by what is fitted on; y must vary."""
    centre, level = x.mean(axis=0), float(y.mean())
    scale = x.std(axis=0)
    # A measure that stands still in what is fitted on has nothing to say of what follows.
    scale = np.where(scale > 1e-12 * np.abs(centre), scale, np.inf)
    deviation = float(y.std())
    z, w = (x - centre) / scale, (y - level) / deviation
    gram, moment = z.T @ z / len(z), z.T @ w / len(z)
    penalties = penalties_of(moment)
    chosen = 0 if folds == 0 else _choose(z, w, path, penalties, folds)
    standardised = path(gram, moment, penalties[: chosen + 1])[chosen]
    coefficients = standardised / scale * deviation
    return Linear(level - float(centre @ coefficients), coefficients, standardised,
                  float(penalties[chosen]))


def _choose(z: Matrix, w: Matrix, path: Path, penalties: Matrix, folds: int) -> int:
    """The penalty with the least mean squared error over folds in the order of time."""
    errors = np.zeros(len(penalties))
    for step in ordered_folds(len(z), folds):
        past, target = z[step.train], w[step.train]
        centre, level = past.mean(axis=0), target.mean()
        past, target = past - centre, target - level
        found = path(past.T @ past / len(past), past.T @ target / len(past), penalties)
        ahead, actual = z[step.test] - centre, w[step.test] - level
        # Σ (w − z'b)² from moments: rows × penalties would be larger than all else.
        errors += (actual @ actual - 2.0 * found @ (ahead.T @ actual) + np.einsum(
            "mi,mi->m", found @ (ahead.T @ ahead), found)) / len(actual)
    return int(np.argmin(errors))


@jit
def _descend(gram: Matrix, moment: Matrix, penalties: Matrix, out: Matrix) -> None:
    """Cyclic coordinate descent from each penalty to the next; `left` is X'(y − Xb)/n."""
    k = len(moment)
    b = np.zeros(k)
    left = moment.copy()
    for m in range(len(penalties)):
        alpha = penalties[m]
        for _ in range(_SWEEPS):
            largest = 0.0
            for j in range(k):
                own = gram[j, j]
                if own <= 0.0:
                    continue
                pull = left[j] + own * b[j]
                new = 0.0
                if pull > alpha:
                    new = (pull - alpha) / own
                elif pull < -alpha:
                    new = (pull + alpha) / own
                change = new - b[j]
                if change != 0.0:
                    for i in range(k):
                        left[i] -= gram[j, i] * change
                    b[j] = new
                    largest = max(largest, abs(change))
            if largest < _TOLERANCE:
                break
        out[m] = b
