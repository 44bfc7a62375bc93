"""Mutual information and transfer entropy from nearest neighbours, and their Gaussian forms.

Estimates in nats with the local term of every observation; surrogates are in `surrogates.py`.

Sources: Kraskov, Stögbauer and Grassberger 2004 (both algorithms); Frenzel and Pompe 2007
(conditional); Gao, Kannan, Oh and Viswanath 2017 and Mesner and Shalizi 2021 (ties); Schreiber
2000 (transfer entropy); Barnett, Barrett and Seth 2009 (its Gaussian form).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.dependence.nearest_neighbours import Cloud, counts

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

NEIGHBOURS = 4
"""k of the literature."""


@dataclass(frozen=True)
class Information:
    """An amount of information and what every observation adds to it."""

    value: float
    """Nats; estimates of nothing scatter around 0 and may be negative."""
    local: Vector
    """Terms whose mean is `value`."""


@dataclass(frozen=True)
class Embedding:
    """Rows (y_t, past of y, past of x) of a transfer entropy."""

    now: Matrix
    """n × 1."""
    own_past: Matrix
    """n × k: y_{t−1} … y_{t−k}."""
    other_past: Matrix
    """n × l: x_{t−1} … x_{t−l}."""


def mutual_information(
    x: Matrix, y: Matrix, k: int = NEIGHBOURS, algorithm: Literal[1, 2] = 1
) -> Information:
    """Mutual information of x and y by Kraskov, Stögbauer and Grassberger.

    Parameters
    ----------
    x, y : n × dx and n × dy, on scales that can be compared (standardised or ranked); n > k.
    k : neighbours.
    algorithm : 1 (one radius for both) or 2 (a radius for each; for data without ties).

    Notes
    -----
    1: ψ(k) + ψ(n) − ⟨ψ(n_x + 1) + ψ(n_y + 1)⟩ with n_x, n_y the others strictly within the
    distance to the k-th neighbour in the maximum norm. Where k or more others are the same point
    that distance is 0: k is then the number of equal points, and those with the same x (y) are
    counted, as Gao et al. do, so that ties need neither jitter nor another estimator.
    2: ψ(k) − 1/k + ψ(n) − ⟨ψ(n_x) + ψ(n_y)⟩, within and at the largest distances in x and in y of
    the k neighbours.
    """
    n = len(x)
    psi = _digamma(n)
    cloud = Cloud.of(np.hstack([x, y]))
    distance, neighbour = cloud.nearest(k)
    if algorithm == 1:
        radius = distance[cloud.which]
        terms = psi[_reached(cloud, distance, k)] + psi[n]
        terms = terms - psi[counts(x, radius)] - psi[counts(y, radius)]
    else:
        terms = np.full(n, psi[k] - 1.0 / k + psi[n])
        for block, columns in ((x, slice(0, x.shape[1])), (y, slice(x.shape[1], None))):
            points = cloud.points[:, columns]
            away = np.abs(points[neighbour] - points[:, None]).max(axis=(1, 2))
            terms = terms - psi[counts(block, away[cloud.which], closed=True) - 1]
    return Information(float(terms.mean()), terms)


def gaussian_mutual_information(rho: float) -> float:
    """−½ ln(1 − ρ²): what two Gaussian variables of that correlation share."""
    return float(-0.5 * np.log1p(-(rho**2)))


def embed(x: Vector, y: Vector, own: int = 1, other: int = 1) -> Embedding:
    """Rows in which y_t, its `own` past values and the `other` past values of x are all there.

    NaN is missing: no row reaches over a gap.
    """
    reach = max(own, other)
    length = len(y) - reach
    now = y[reach:, None]
    own_past = np.column_stack([y[reach - i : reach - i + length] for i in range(1, own + 1)])
    other_past = np.column_stack([x[reach - i : reach - i + length] for i in range(1, other + 1)])
    there = np.isfinite(np.hstack([now, own_past, other_past])).all(axis=1)
    return Embedding(now[there], own_past[there], other_past[there])


def transfer_entropy(embedding: Embedding, k: int = NEIGHBOURS) -> Information:
    """Transfer entropy x → y, I(y_t; past of x | past of y), by nearest neighbours.

    Notes
    -----
    ⟨ψ(k) − ψ(n_yz + 1) − ψ(n_xz + 1) + ψ(n_z + 1)⟩ (Frenzel and Pompe) with z the past of y, and
    counts strictly within the distance to the k-th neighbour in the space of all; ties as in
    `mutual_information` (Mesner and Shalizi). Standardise the whole series before embedding.
    """
    now, z, past = embedding.now, embedding.own_past, embedding.other_past
    cloud = Cloud.of(np.hstack([now, past, z]))
    distance, _ = cloud.nearest(k)
    radius, psi = distance[cloud.which], _digamma(len(now))
    terms = (
        psi[_reached(cloud, distance, k)]
        - psi[counts(np.hstack([now, z]), radius)]
        - psi[counts(np.hstack([past, z]), radius)]
        + psi[counts(z, radius)]
    )
    return Information(float(terms.mean()), terms)


def gaussian_transfer_entropy(embedding: Embedding) -> Information:
    """Transfer entropy x → y of Gaussian variables: half of Granger's log ratio.

    Notes
    -----
    ½ ln(σ²_restricted/σ²_full), residual variances of least squares of y_t on the past of y, and
    on that of x too. Local terms are the log ratios of the two fitted densities.
    """
    now = embedding.now[:, 0]
    restricted = _residual(now, embedding.own_past)
    full = _residual(now, np.hstack([embedding.own_past, embedding.other_past]))
    a, b = float(np.mean(restricted**2)), float(np.mean(full**2))
    local = 0.5 * (np.log(a / b) + restricted**2 / a - full**2 / b)
    return Information(float(0.5 * np.log(a / b)), local)


def _residual(now: Vector, past: Matrix) -> Vector:
    design = np.column_stack([np.ones(len(now)), past])
    return now - design @ np.linalg.lstsq(design, now, rcond=None)[0]


def _digamma(largest: int) -> Vector:
    """ψ of 0 … largest; of 0 it is not asked."""
    from scipy.special import digamma

    return digamma(np.arange(largest + 1, dtype=np.float64))


def _reached(cloud: Cloud, distance: Vector, k: int) -> NDArray[np.int64]:
    """k, or the number of equal points where the k-th neighbour is one of them."""
    return np.where(distance > 0.0, k, cloud.weight)[cloud.which]
