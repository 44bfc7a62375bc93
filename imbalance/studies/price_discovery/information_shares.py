"""Shares of several markets in the discovery of one common price.

From the speeds of adjustment α and the shocks' covariance Ω of a vector error correction of n
prices that share one trend; all functions take stacks, so that replications cost one call. The
error correction itself is fitted in `error_correction.py`.

Sources: Hasbrouck 1995; Gonzalo and Granger 1995; Baillie, Booth, Tse and Zabotina 2002; Lien and
Shrestha 2009; Yan and Zivot 2010; Putniņš 2013.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

LARGEST_ORDERED = 4
"""Up to so many markets all orderings are taken (24); beyond, each market first and last."""


@dataclass(frozen=True)
class InformationShares:
    """Shares of the markets, … × n each; the leadership shares are NaN but for two markets."""

    hasbrouck_low: Matrix
    hasbrouck_high: Matrix
    hasbrouck_mid: Matrix
    modified: Matrix
    """Lien–Shrestha: the factor is the symmetric root of the correlations, no order needed."""
    gonzalo_granger: Matrix
    """Weights of the permanent component; they sum to 1 and may leave [0, 1]."""
    leadership: Matrix
    """Information leadership share: Hasbrouck's mid, cleaned of noise by the component share."""


def common_trend_weights(alpha: Matrix) -> Matrix:
    """α⊥, … × n: the direction that the error correction leaves alone, scaled to sum to 1.

    Parameters
    ----------
    alpha : … × n × (n − 1).

    Notes
    -----
    With prices that differ by stationary amounts β⊥ is a vector of ones, and every row of the
    long-run matrix β⊥(α⊥'(I − ΣΓ)β⊥)⁻¹α⊥' is proportional to α⊥'.
    """
    left, _, _ = np.linalg.svd(alpha)
    weights = left[..., :, -1]
    return weights / weights.sum(axis=-1, keepdims=True)


def information_shares(alpha: Matrix, omega: Matrix) -> InformationShares:
    """All shares of n markets.

    Parameters
    ----------
    alpha : … × n × (n − 1) speeds of adjustment to n − 1 differences of the prices.
    omega : … × n × n covariance of the shocks.

    Notes
    -----
    Hasbrouck: ([ψF]_j)²/(ψΩψ'), F the Cholesky factor of Ω in some ordering, ψ ∝ α⊥'; lowest,
    highest and their middle over the orderings. Modified: F = V G Λ^{1/2} G', with V the standard
    deviations and GΛG' the correlations. Leadership of 1 of 2: IL₁/(IL₁ + 1/IL₁) with
    IL₁ = |IS₁GG₂/(IS₂GG₁)|.
    """
    psi = common_trend_weights(alpha)
    n = psi.shape[-1]
    total = np.einsum("...i,...ij,...j->...", psi, omega, psi)[..., None]
    by_order = np.stack([_ordered(psi, omega, order) for order in orderings(n)]) / total
    low, high = by_order.min(axis=0), by_order.max(axis=0)
    mid = (low + high) / 2.0
    return InformationShares(
        low, high, mid,
        modified=np.square(np.einsum("...i,...ij->...j", psi, spectral_factor(omega))) / total,
        gonzalo_granger=psi,
        leadership=_leadership(mid, psi),
    )


def orderings(n: int) -> list[tuple[int, ...]]:
    """All orderings of up to four markets; beyond, the rotations that put each first and last."""
    if n <= LARGEST_ORDERED:
        return list(itertools.permutations(range(n)))
    others = [tuple(j for j in range(n) if j != i) for i in range(n)]
    return [(i, *others[i]) for i in range(n)] + [(*others[i], i) for i in range(n)]


def spectral_factor(omega: Matrix) -> Matrix:
    """F with FF' = Ω that treats all markets alike: V G Λ^{1/2} G'."""
    deviation = np.sqrt(np.diagonal(omega, axis1=-2, axis2=-1))
    correlation = omega / deviation[..., :, None] / deviation[..., None, :]
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]
    return deviation[..., :, None] * (root @ np.swapaxes(vectors, -1, -2))


def _ordered(psi: Matrix, omega: Matrix, order: tuple[int, ...]) -> Matrix:
    index = np.array(order)
    factor = np.linalg.cholesky(omega[..., index[:, None], index])
    share = np.empty_like(psi)
    share[..., index] = np.square(np.einsum("...i,...ij->...j", psi[..., index], factor))
    return share


def _leadership(mid: Matrix, weights: Matrix) -> Matrix:
    if mid.shape[-1] != 2:
        return np.full_like(mid, np.nan)
    top = np.square(mid * weights[..., ::-1])
    return top / top.sum(axis=-1, keepdims=True)
