"""Connectedness of a system: how much of each variable's forecast error others account for.

Takes tables of variance shares to the measures of Diebold and Yilmaz. Where the shares come from is
elsewhere: frequency bands in `frequency.py`, all others taken jointly in `joint.py`, time-varying
coefficients in `time_varying.py`, quantiles in `quantile.py`.

Sources: Diebold and Yilmaz 2012, 2014; Chatziantoniou and Gabauer 2021 (corrected total); Gabauer
2021 (pairwise index). Checked against the R packages ConnectednessApproach and
frequencyConnectedness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.impulse_response import (
    generalised_variance_shares,
    moving_average,
    orthogonal,
    variance_shares,
)

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Connectedness:
    """What a table of shares says. Everything is a share, 0 to 1, and may be a stack of tables."""

    table: Matrix
    """… × K × K: share of variable j (column) in the forecast error of variable i (row)."""

    @property
    def received(self) -> Matrix:
        """FROM: Σ_{j≠i} θ_ij, what variable i has from the others."""
        return self.table.sum(axis=-1) - self.own

    @property
    def transmitted(self) -> Matrix:
        """TO: Σ_{i≠j} θ_ij, what variable j gives to the others; may exceed 1."""
        return self.table.sum(axis=-2) - self.own

    @property
    def own(self) -> Matrix:
        """θ_ii."""
        return np.diagonal(self.table, axis1=-2, axis2=-1)

    @property
    def net(self) -> Matrix:
        """TO − FROM: above 0 for variables that move the others more than they are moved."""
        return self.transmitted - self.received

    @property
    def total(self) -> Matrix:
        """Mean of FROM over the variables."""
        return self.received.mean(axis=-1)

    @property
    def corrected_total(self) -> Matrix:
        """Total · K/(K − 1): reaches 1 when nothing is a variable's own; the other cannot."""
        k = self.table.shape[-1]
        return self.total * k / (k - 1)

    @property
    def net_pairwise(self) -> Matrix:
        """θ_ji − θ_ij at [i, j]: above 0 when i moves j more than j moves i."""
        return self.table.swapaxes(-1, -2) - self.table

    @property
    def pairwise_index(self) -> Matrix:
        """2(θ_ij + θ_ji)/(θ_ii + θ_ij + θ_ji + θ_jj), the connectedness of two among themselves."""
        own = self.own
        between = self.table + self.table.swapaxes(-1, -2)
        return 2.0 * between / (own[..., :, None] + own[..., None, :] + between)


def normalised(shares: Matrix) -> Matrix:
    """Rows made to sum to 1, as those of a generalised decomposition do not."""
    return shares / shares.sum(axis=-1, keepdims=True)


def generalised_table(lagged: Matrix, sigma: Matrix, n_terms: int) -> Matrix:
    """Generalised decomposition of Pesaran and Shin 1998, rows made to sum to 1.

    Parameters
    ----------
    lagged : … × p × K × K coefficients.
    sigma : … × K × K covariance of the shocks.
    n_terms : H, the number of terms Φ_0 … Φ_{H−1}; software that counts steps ahead sums H + 1.
    """
    phi = moving_average(lagged, n_terms - 1)
    return normalised(generalised_variance_shares(phi, sigma)[..., -1, :, :])


def orthogonal_table(lagged: Matrix, sigma: Matrix, n_terms: int) -> Matrix:
    """Decomposition by Cholesky factor, in the order of the variables; parameters as above."""
    phi = moving_average(lagged, n_terms - 1)
    return variance_shares(orthogonal(phi, sigma))[..., -1, :, :]
