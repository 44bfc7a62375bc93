"""Linear quantile regression by an interior-point method. Point estimates only.

Source: Koenker and Bassett 1978; Portnoy and Koenker 1997 (the linear program's dual with bounded
variables, predictor and corrector steps of Mehrotra 1992).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

_BACK_OFF = 0.9995
"""Of the step to the boundary, how much is taken."""

_MOST_STEPS = 60


def quantile_regression(design: Matrix, target: Vector, quantile: float) -> Vector:
    """Coefficients that minimise Σ ρ_τ(y − Xb), ρ_τ(u) = u(τ − 1{u < 0}).

    Parameters
    ----------
    design : n × m, of full column rank; a constant is one of the columns.
    target : n.
    quantile : τ, strictly between 0 and 1.

    Notes
    -----
    The dual is max y'a subject to X'a = (1 − τ)X'1, 0 ≤ a ≤ 1, with s = 1 − a; z and w are the
    multipliers of the bounds, y − Xb = w − z. It ends when the duality gap is a 1e-10th of the
    objective; some 15 to 30 steps, each a weighted least-squares fit.
    """
    n = len(target)
    scale = np.sqrt(np.square(design).mean(axis=0))
    x = design / scale
    spread = float(np.abs(target - np.median(target)).mean()) or 1.0
    y = target / spread
    a = np.full(n, 1.0 - quantile)
    s = np.full(n, quantile)
    b = np.linalg.lstsq(x, y, rcond=None)[0]
    residual = y - x @ b
    w = np.maximum(residual, 0.0) + 1e-3
    z = w - residual
    for _ in range(_MOST_STEPS):
        residual = w - z
        gap = float(z @ a + w @ s)
        loss = float(residual @ (quantile - (residual < 0.0)))
        if gap <= 1e-10 * max(loss, 1e-300):
            break
        weight = 1.0 / (z / a + w / s)
        weighted = x * weight[:, None]
        gram = weighted.T @ x
        # Predictor: straight at the solution.
        db = np.linalg.solve(gram, weighted.T @ residual)
        da = weight * (residual - x @ db)
        dz, dw = -z * (1.0 + da / a), -w * (1.0 - da / s)
        primal, dual = _steps(a, s, z, w, da, dz, dw)
        left = (z + dual * dz) @ (a + primal * da) + (w + dual * dw) @ (s - primal * da)
        centre = gap * (left / gap) ** 3 / (2 * n)
        # Corrector: towards the centre, and for what the predictor's product leaves out.
        bend = centre * (1.0 / a - 1.0 / s) - da * dz / a - da * dw / s
        db = np.linalg.solve(gram, weighted.T @ (residual + bend))
        step = weight * (residual + bend - x @ db)
        dz = (centre - da * dz) / a - z - z * step / a
        dw = (centre + da * dw) / s - w + w * step / s
        primal, dual = _steps(a, s, z, w, step, dz, dw)
        a, s = a + primal * step, s - primal * step
        z, w, b = z + dual * dz, w + dual * dw, b + dual * db
    return b * spread / scale


def _steps(
    a: Vector, s: Vector, z: Vector, w: Vector, da: Vector, dz: Vector, dw: Vector
) -> tuple[float, float]:
    """Lengths, at most 1, that keep the variables and their multipliers above zero."""
    primal = min(_bound(a, da), _bound(s, -da))
    dual = min(_bound(z, dz), _bound(w, dw))
    return min(1.0, _BACK_OFF * primal), min(1.0, _BACK_OFF * dual)


def _bound(value: Vector, step: Vector) -> float:
    falling = step < 0.0
    return float((-value[falling] / step[falling]).min()) if falling.any() else np.inf
