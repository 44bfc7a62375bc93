"""The loop between the flow of one instrument and the return of another: its gain, its speed.

From a vector autoregression of (flow, return), in that order: flow may move the return within the
bar, not the other way round (Hasbrouck 1991). All figures are functions of the coefficients and the
residual covariance and take stacks of them, so that replications cost one call.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.impulse_response import moving_average, orthogonal, variance_shares

Matrix = NDArray[np.float64]

FLOW, RETURN = 0, 1
"""Order of the variables in the autoregression."""

ARRIVED = 0.9
"""Share of the permanent impact after which it counts as made."""


@dataclass(frozen=True)
class Loop:
    """Figures of a loop, or stacks of them.

    Notes
    -----
    In the letters of Hasbrouck, r_t = Σa_i r_{t−i} + Σ_{i≥0} b_i x_{t−i} + v₁ and
    x_t = Σc_i r_{t−i} + Σd_i x_{t−i} + v₂. Times are in bars.
    """

    flow_to_return: Matrix
    """Σb/(1 − Σa): return of a lasting unit of flow. In deviations of the two series."""
    return_to_flow: Matrix
    """Σc/(1 − Σd): flow of a lasting unit of return. In deviations of the two series."""
    gain: Matrix
    """Their product, which has no unit: 1 would be self-sustaining."""
    half_life: Matrix
    """Bars until half the flow that the loop returns has come; NaN beyond the horizon."""
    impact: Matrix
    """Return that a shock of one standard deviation to flow leaves, in deviations of the return."""
    impact_time: Matrix
    """Bars until nine tenths of the impact are there; NaN beyond the horizon."""
    flow_explained: Matrix
    """Share of the variance of flow's forecast error that shocks to the return account for."""
    return_explained: Matrix
    """Share of the variance of the return's forecast error that shocks to flow account for."""


def measure_loop(lagged: Matrix, sigma: Matrix, horizon: int) -> Loop:
    """The figures of a loop.

    Parameters
    ----------
    lagged : … × p × 2 × 2 coefficients, [lag, equation, regressor], flow first.
    sigma : … × 2 × 2 covariance of the residuals.
    horizon : bars over which speed is measured and forecast errors decomposed.

    Notes
    -----
    What the loop returns by bar h is Σ_{s≤h} (f_s − f°_s), f the response of flow to its own shock
    and f° the same with c = 0; in all it is gain/((1 − Σd)(1 − gain)).
    """
    out, back = arms(lagged, sigma)
    d = lagged[..., FLOW, FLOW].sum(axis=-1)
    gain = out * back
    phi = moving_average(lagged, horizon)
    responses = orthogonal(phi, sigma)
    deviation = np.sqrt(sigma[..., FLOW, FLOW])
    own = moving_average(lagged[..., FLOW : FLOW + 1, FLOW : FLOW + 1], horizon)[..., 0, 0]
    returned = np.cumsum(responses[..., FLOW, FLOW] / deviation[..., None] - own, axis=-1)
    moved = np.cumsum(responses[..., RETURN, FLOW], axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        in_all = gain / ((1.0 - d) * (1.0 - gain))
        impact = out * deviation / ((1.0 - d) * (1.0 - gain))
    shares = variance_shares(responses)[..., -1, :, :]
    return Loop(
        flow_to_return=out,
        return_to_flow=back,
        gain=gain,
        half_life=_first_reach(returned, in_all / 2.0),
        impact=impact,
        impact_time=_first_reach(moved, ARRIVED * impact),
        flow_explained=shares[..., FLOW, RETURN],
        return_explained=shares[..., RETURN, FLOW],
    )


def arms(lagged: Matrix, sigma: Matrix) -> tuple[Matrix, Matrix]:
    """Σb/(1 − Σa), flow to return, and Σc/(1 − Σd), return to flow; arguments as `measure_loop`.

    Notes
    -----
    b₀ = σ_rx/σ_xx; the rows of a and b are the row of the return less b₀ times that of flow.
    """
    now = sigma[..., RETURN, FLOW] / sigma[..., FLOW, FLOW]
    total = lagged.sum(axis=-3)
    c, d = total[..., FLOW, RETURN], total[..., FLOW, FLOW]
    a = total[..., RETURN, RETURN] - now * c
    b = now + total[..., RETURN, FLOW] - now * d
    with np.errstate(divide="ignore", invalid="ignore"):
        return b / (1.0 - a), c / (1.0 - d)


def _first_reach(path: Matrix, level: Matrix) -> Matrix:
    """First time, between bars by straight line, at which a path from 0 reaches a level."""
    ratio = path * np.sign(level)[..., None]
    wanted = np.abs(level)[..., None]
    with np.errstate(invalid="ignore"):
        reached = (ratio >= wanted) & (wanted > 0.0)
    first = np.argmax(reached, axis=-1)[..., None]
    at = np.take_along_axis(ratio, first, axis=-1)
    before = np.where(first > 0, np.take_along_axis(ratio, np.maximum(first - 1, 0), axis=-1), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Within the bar of the shock nothing is known of the path: time 0.
        within = np.where(first > 0, (wanted - before) / (at - before), 1.0)
    time = (first - 1 + within)[..., 0]
    return np.where(reached.any(axis=-1), time, np.nan)
