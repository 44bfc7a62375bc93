"""Connectedness by frequency: which part of it is over within a few bars, which lasts.

Source: Baruník and Křehlík 2018. Checked against the R package frequencyConnectedness.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.impulse_response import moving_average

Matrix = NDArray[np.float64]


def band_tables(
    lagged: Matrix, sigma: Matrix, n_terms: int, periods: Sequence[float]
) -> Matrix:
    """Generalised decomposition split into bands of the spectrum.

    Parameters
    ----------
    lagged : … × p × K × K coefficients.
    sigma : … × K × K covariance of the shocks; a diagonal one leaves out what is contemporaneous.
    n_terms : number of terms Ψ_0 … Ψ_{H−1} that are transformed; 100 and more.
    periods : edges of the bands in bars per cycle, rising, such as 2, 8, 40, ∞. A band holds cycles
        from its lower edge, itself excluded, to its upper, itself included; the first holds the
        shortest cycles, of 2 bars, as well.

    Returns
    -------
    bands × … × K × K. Their sum is the decomposition over all frequencies, rows summing to 1.

    Notes
    -----
    With Ψ(ω) = Σ_h Ψ_h e^{−iωh}: θ_ij(band) = Σ_{ω ∈ band} σ_jj⁻¹ |(Ψ(ω)Σ)_ij|² / Σ_ω
    (Ψ(ω)ΣΨ*(ω))_ii, divided by the row's sum over all ω.
    """
    psi = np.fft.rfft(moving_average(lagged, n_terms - 1), axis=-3)
    response = psi @ sigma[..., None, :, :]
    deviation = np.diagonal(sigma, axis1=-2, axis2=-1)
    power = (response.real**2 + response.imag**2) / deviation[..., None, None, :]
    # The transform of real terms is symmetric: all but ω = 0 (and π) stand for two frequencies.
    # Counted in cycles of all terms: multiples of π are rounded off the edges that they are.
    cycles = np.arange(psi.shape[-3])
    power *= np.where((cycles == 0) | (2 * cycles == n_terms), 1.0, 2.0)[:, None, None]
    whole = power.sum(axis=-3).sum(axis=-1)[..., None]
    edges = [n_terms / period for period in periods]
    found = []
    for number, (high, low) in enumerate(pairwise(edges)):
        inside = (cycles >= low) & ((cycles < high) | (number == 0))
        found.append(power[..., inside, :, :].sum(axis=-3) / whole)
    return np.stack(found)
