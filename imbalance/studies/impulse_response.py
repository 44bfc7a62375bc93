"""Impulse responses and variance decompositions of a fitted vector autoregression.

Point estimates only; bands are made in `bootstrap.py` from the same functions, which take stacks of
coefficient matrices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def moving_average(lagged: Matrix, horizon: int) -> Matrix:
    """Φ_0 = I, Φ_h = Σ_i Φ_{h−i} A_i.

    Parameters
    ----------
    lagged : … × p × K × K coefficient matrices.
    horizon : largest h.

    Returns
    -------
    … × (horizon + 1) × K × K.
    """
    *stack, p, k, _ = lagged.shape
    phi = np.zeros((*stack, horizon + 1, k, k))
    phi[..., 0, :, :] = np.eye(k)
    for h in range(1, horizon + 1):
        for i in range(1, min(p, h) + 1):
            phi[..., h, :, :] += phi[..., h - i, :, :] @ lagged[..., i - 1, :, :]
    return phi


def orthogonal(phi: Matrix, sigma: Matrix) -> Matrix:
    """Responses to orthogonalised shocks of one standard deviation: Φ_h P, P = chol(Σ).

    Returns
    -------
    … × horizons × response × impulse. A variable may move those after it within the bar.
    """
    return phi @ np.linalg.cholesky(sigma)[..., None, :, :]


def generalised(phi: Matrix, sigma: Matrix) -> Matrix:
    """Responses of Pesaran and Shin 1998: Φ_h Σ e_j / √σ_jj; the order of variables is immaterial.

    Returns
    -------
    … × horizons × response × impulse.
    """
    deviation = np.sqrt(np.diagonal(sigma, axis1=-2, axis2=-1))
    return phi @ (sigma / deviation[..., None, :])[..., None, :, :]


def permanent(lagged: Matrix, impulses: Matrix) -> Matrix:
    """What responses add up to in the end: (I − ΣA_i)⁻¹ d.

    Parameters
    ----------
    lagged : … × p × K × K coefficients of a stable system.
    impulses : … × K × J, one shock a column, such as the Cholesky factor.

    Returns
    -------
    … × K × J. For returns, where the price comes to rest (Hasbrouck 1991).
    """
    identity = np.eye(lagged.shape[-1])
    return np.linalg.solve(identity - lagged.sum(axis=-3), impulses)


def variance_shares(responses: Matrix) -> Matrix:
    """Share of each impulse in the forecast-error variance of each response.

    Parameters
    ----------
    responses : … × H × response × impulse to orthogonal shocks.

    Returns
    -------
    Same shape; entry h − 1 is the decomposition of the h-step forecast (h terms); rows sum to 1.
    """
    contributions = np.cumsum(responses**2, axis=-3)
    return contributions / contributions.sum(axis=-1, keepdims=True)


def generalised_variance_shares(phi: Matrix, sigma: Matrix) -> Matrix:
    """Generalised decomposition: σ_jj⁻¹ Σ_h (e_i'Φ_hΣe_j)² / Σ_h (e_i'Φ_hΣΦ_h'e_i).

    Rows need not sum to 1. Entry h − 1 has h terms (Pesaran and Shin 1998; Diebold and Yilmaz
    2012).
    """
    top = np.cumsum(generalised(phi, sigma) ** 2, axis=-3)
    bottom = np.cumsum(np.sum(orthogonal(phi, sigma) ** 2, axis=-1), axis=-2)
    return top / bottom[..., None]
