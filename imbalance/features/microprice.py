"""Stoikov's microprice: a Markov chain of imbalance and spread, and its expected price to come.

Belongs here: counting the chain from successive states of a book, solving it, applying it. Not
here: which stretch of the past it is trained on (`chains`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.kernels import jit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BUCKETS = 10
"""Buckets of the imbalance I = q^b/(q^b + q^a), of equal counts over the mirrored sample."""

SPREADS = 4
"""Spreads from 1 tick to this many; wider ones are left out."""

MOVES_TICKS = np.array([-1.0, -0.5, 0.5, 1.0])
"""K: the changes of the mid that a step may make; larger ones are left out."""

_STATES = BUCKETS * SPREADS
_DOUBLINGS = 60
_CONVERGED = 1e-14


@dataclass(frozen=True)
class Adjustment:
    """Solution of a chain with S states: expected changes of the mid, in the unit of K.

    `first` = G¹, shape (S,); `transition` = B, shape (S, S); `limit` = G* = Σ_n Bⁿ G¹, or None
    when the sum does not converge.
    """

    first: Floats
    transition: Floats
    limit: Floats | None

    def terms(self, n: int) -> Floats:
        """Partial sums Σ_{i<m} Bⁱ G¹ for m = 1..n, shape (n, S)."""
        total, term = np.zeros_like(self.first), self.first
        rows = []
        for _ in range(n):
            total = total + term
            rows.append(total)
            term = self.transition @ term
        return np.array(rows)


def solve_chain(Q: Floats, R1: Floats, R2: Floats, K: Floats = MOVES_TICKS) -> Adjustment:
    """Solve the chain of the microprice.

    Parameters
    ----------
    Q : array, shape (S, S)
        Q_ij = P(ΔM = 0, X' = j | X = i).
    R1 : array, shape (S, moves)
        R¹_ik = P(ΔM = K_k | X = i).
    R2 : array, shape (S, S)
        R²_ij = P(ΔM ≠ 0, X' = j | X = i).
    K : array, shape (moves,)

    Notes
    -----
    G¹ = (I − Q)⁻¹ R¹ K, B = (I − Q)⁻¹ R², G* = Σ_{n≥0} Bⁿ G¹. States from which the mid can never
    change (among them states never left) have G¹ = 0 and a row of B that is 0. The sum is doubled
    until its last terms vanish, since I − B is singular: the rows of B sum to 1 and only the
    mirrored symmetry of G¹ makes the sum finite. Source: Stoikov 2018.
    """
    S = len(Q)
    moving = R1.sum(axis=1) > 0.0
    while True:
        grown = moving | (Q[:, moving].sum(axis=1) > 0.0)
        if (grown == moving).all():
            break
        moving = grown
    inverse = np.linalg.inv(np.eye(int(moving.sum())) - Q[np.ix_(moving, moving)])
    first = np.zeros(S)
    first[moving] = inverse @ (R1[moving] @ K)
    B = np.zeros((S, S))
    B[moving] = inverse @ R2[moving]
    total, power = first, B
    for _ in range(_DOUBLINGS):
        rest = power @ total
        if np.abs(rest).max(initial=0.0) < _CONVERGED:
            return Adjustment(first, B, total)
        total, power = total + rest, power @ power
    return Adjustment(first, B, None)


def symmetrise(
    Q: NDArray, R1: NDArray, R2: NDArray, buckets: int = BUCKETS
) -> tuple[NDArray, NDArray, NDArray]:
    """Add to counts over states (spread, bucket) the mirrored counts: I → 1 − I, ΔM → −ΔM.

    State number = spread·buckets + bucket; moves ascend, so that their mirror is their reverse.
    """
    mirror = np.arange(len(Q)).reshape(-1, buckets)[:, ::-1].ravel()
    return (
        Q + Q[np.ix_(mirror, mirror)],
        R1 + R1[mirror][:, ::-1],
        R2 + R2[np.ix_(mirror, mirror)],
    )


def count_chain(
    imbalance: Floats, spread: Floats, mid: Floats, follows: NDArray[np.bool_],
    edges: Floats, tick: float,
) -> tuple[Integers, Integers, Integers]:
    """Count the transitions between successive states.

    Parameters
    ----------
    imbalance, spread, mid : array, shape (n,)
        States of the book on an even grid of time; NaN where there is none.
    follows : array of bool, shape (n,)
        Whether a state follows the one before it without a gap.
    edges : array, shape (BUCKETS − 1,)
        Inner edges of the imbalance buckets.
    tick : float
        Unit of `spread` and `mid` in which the chain counts.

    Returns
    -------
    Q, R1, R2 : arrays of counts, shapes (S, S), (S, 4), (S, S)
    """
    return _count(imbalance, spread, mid, follows, edges, tick, SPREADS)


@jit
def _state(imbalance: float, ticks: float, edges: Floats, spreads: int) -> int:
    if not 1.0 <= ticks <= spreads or np.isnan(imbalance):
        return -1
    bucket = 0
    for edge in edges:
        bucket += imbalance >= edge
    return (int(ticks) - 1) * (len(edges) + 1) + bucket


@jit
def _count(
    imbalance: Floats, spread: Floats, mid: Floats, follows: NDArray[np.bool_],
    edges: Floats, tick: float, spreads: int,
) -> tuple[Integers, Integers, Integers]:
    S = spreads * (len(edges) + 1)
    Q = np.zeros((S, S), dtype=np.int64)
    R1 = np.zeros((S, 4), dtype=np.int64)
    R2 = np.zeros((S, S), dtype=np.int64)
    before = -1
    for i in range(len(mid)):
        after = _state(imbalance[i], np.rint(spread[i] / tick), edges, spreads)
        if before >= 0 and after >= 0 and follows[i]:
            halves = np.rint(2.0 * (mid[i] - mid[i - 1]) / tick)
            if halves == 0.0:
                Q[before, after] += 1
            elif -2.0 <= halves <= 2.0:
                R1[before, int(halves) + (2 if halves < 0.0 else 1)] += 1
                R2[before, after] += 1
        before = after
    return Q, R1, R2


@jit
def apply_chain(
    imbalance: Floats, spread: Floats, mid: Floats, edges: Floats, tick: float, ticks: Floats
) -> Floats:
    """Microprice of each state: mid + tick · adjustment; NaN where the chain has none.

    `ticks` is the adjustment per state in ticks, shape (S,), NaN for a state not seen.
    """
    out = np.full(len(mid), np.nan)
    spreads = len(ticks) // (len(edges) + 1)
    for i in range(len(mid)):
        state = _state(imbalance[i], np.rint(spread[i] / tick), edges, spreads)
        if state >= 0:
            out[i] = mid[i] + tick * ticks[state]
    return out
