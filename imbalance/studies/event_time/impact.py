"""Impact of a trade on the price in a vector autoregression of flow and return in event time.

Flow may move the price within the event, not the other way round. Point estimates and bootstrap
bands; no rows of tables.

Source: Hasbrouck 1991a, 1991b.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.bootstrap import Band, Replications, band, bias_corrected
from imbalance.studies.impulse_response import moving_average, permanent
from imbalance.studies.vector_autoregression import VectorAutoregression

Matrix = NDArray[np.float64]

FLOW, RETURN = 0, 1
"""Places of the two variables."""


@dataclass(frozen=True)
class Impact:
    """What an unexpected trade of one unit does."""

    price: Band
    """Running sum of the return, events 0 … H."""
    flow: Band
    """Running sum of flow that a return of one unit calls forth, events 0 … H."""
    permanent: Band
    """Where the price comes to rest: one entry."""
    share: Band
    """Share of the variance of the random walk in the price that trades explain: one entry."""


def impact(
    model: VectorAutoregression, drawn: Replications, horizon: int, significance: float = 0.05
) -> Impact:
    """Impact with percentile and joint bands.

    Parameters
    ----------
    model : fitted to flow and return, in this order; stable.
    drawn : its replications.
    horizon : last event.

    Notes
    -----
    With r_t = Σ a_i r_{t−i} + Σ_{i≥0} b_i x_{t−i} + v_1 and x_t = Σ c_i r_{t−i} + Σ d_i x_{t−i} +
    v_2, the response to v_2 = 1 is Φ_h P e_x/P_xx with P the Cholesky factor of Σ: that is b_0 at
    once. The permanent impact is the sum over all h. With ψ the return's row of (I − ΣA)⁻¹, trades
    explain (ψP)_x²/ψΣψ' of the variance of the efficient price's steps.
    """
    unit = model.scale
    price, flow, rest, share = [], [], [], []
    cases = ((model.lagged[None], model.standardised_sigma[None]),
             (bias_corrected(model, drawn), drawn.sigma))
    for lagged, sigma in cases:
        factor: Matrix = np.asarray(np.linalg.cholesky(sigma), dtype=np.float64)
        responses = np.cumsum(moving_average(lagged, horizon) @ factor[:, None], axis=1)
        size = factor[:, FLOW, FLOW] * unit[FLOW], factor[:, RETURN, RETURN] * unit[RETURN]
        price.append(responses[:, :, RETURN, FLOW] * unit[RETURN] / size[0][:, None])
        flow.append(responses[:, :, FLOW, RETURN] * unit[FLOW] / size[1][:, None])
        settled = permanent(lagged, factor)[:, RETURN]
        rest.append((settled[:, FLOW] * unit[RETURN] / size[0])[:, None])
        share.append((settled[:, FLOW] ** 2 / np.square(settled).sum(axis=1))[:, None])
    bands = (band(point[0], draws, significance) for point, draws in (price, flow, rest, share))
    return Impact(*bands)
