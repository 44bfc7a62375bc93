"""Joint connectedness: what all other variables together explain of a variable's forecast error.

The generalised decomposition adds up what each other variable explains alone, and so counts twice
what two of them share. Here the forecast error is conditioned on the shocks of all others at once.

Sources: Lastrapes and Wiesen 2021; Balcilar, Gabauer and Umar 2021 (the table of pairs).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.impulse_response import generalised_variance_shares, moving_average

Matrix = NDArray[np.float64]


def joint_received(lagged: Matrix, sigma: Matrix, n_terms: int) -> Matrix:
    """Share of each variable's forecast error that the shocks of all others explain together.

    Parameters
    ----------
    lagged : … × p × K × K coefficients.
    sigma : … × K × K covariance of the shocks.
    n_terms : number of terms Φ_0 … Φ_{H−1}.

    Returns
    -------
    … × K, each 0 to 1.

    Notes
    -----
    Σ_h e_i'Φ_hΣM_i(M_i'ΣM_i)⁻¹M_i'ΣΦ_h'e_i / Σ_h e_i'Φ_hΣΦ_h'e_i, M_i the identity without
    column i. Given all others only shock i is left, with variance 1/(Σ⁻¹)_ii, so that what they do
    not explain is Σ_h (e_i'Φ_he_i)²/(Σ⁻¹)_ii: no elimination matrix is needed.
    """
    phi = moving_average(lagged, n_terms - 1)
    alone = 1.0 / np.diagonal(np.linalg.inv(sigma), axis1=-2, axis2=-1)
    own = np.diagonal(phi, axis1=-2, axis2=-1)
    left = (own**2).sum(axis=-2) * alone
    variance = np.sum((phi @ np.linalg.cholesky(sigma)[..., None, :, :]) ** 2, axis=(-3, -1))
    return 1.0 - left / variance


def joint_table(lagged: Matrix, sigma: Matrix, n_terms: int) -> Matrix:
    """Shares whose rows sum to 1 and whose sums over the others are the joint ones.

    Row i of the generalised decomposition, off the diagonal, is scaled to `joint_received`; the
    diagonal is what is left. Parameters as there.
    """
    phi = moving_average(lagged, n_terms - 1)
    shares = generalised_variance_shares(phi, sigma)[..., -1, :, :]
    k = shares.shape[-1]
    others = shares * (1.0 - np.eye(k))
    received = joint_received(lagged, sigma, n_terms)[..., None]
    total = others.sum(axis=-1, keepdims=True)
    scale = np.divide(received, total, out=np.zeros_like(total), where=total > 0.0)
    return others * scale + np.eye(k) * (1.0 - received)
