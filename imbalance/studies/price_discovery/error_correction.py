"""Vector error correction of prices that share one trend, on data with gaps, and Johansen's test.

The differences of the prices from the first are taken as the cointegrating relations (the prices
are of one thing, in logarithms); Johansen's test says whether the data agree. What the markets'
shares are made of is returned, with replications; the shares are in `information_shares.py`.

Sources: Johansen 1995, chapter 6; Hasbrouck 1995; Lütkepohl 2005, chapter 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.score_bootstrap import (
    BlockSums,
    Draws,
    block_slots,
    block_sums,
    blocks,
    resample,
)
from imbalance.studies.vector_autoregression import (
    CollinearError,
    TooFewBarsError,
    target_rows,
)

Matrix = NDArray[np.float64]

_WORST_CONDITION = 1e12
_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Johansen:
    """Eigenvalues, largest first, and statistics for the rank being at most 0, 1, …, n − 1."""

    eigenvalues: Matrix
    trace: Matrix
    largest_root: Matrix
    vectors: Matrix
    """Cointegrating vectors in columns, scaled so that v'S₁₁v = 1."""
    n: int


@dataclass(frozen=True)
class ErrorCorrection:
    """Δp_t = ν + α(β'p_{t−1}) + Σ_i Γ_i Δp_{t−i} + e_t, β' the differences from the first price."""

    lag: int
    beta: Matrix
    """m × n coefficients: constant, n − 1 differences, then lags of Δp."""
    gram_inverse: Matrix
    sums: BlockSums
    n: int

    @property
    def alpha(self) -> Matrix:
        """Speeds of adjustment, n × (n − 1)."""
        return self.beta[1 : self.beta.shape[1]].T

    @property
    def omega(self) -> Matrix:
        """Covariance of the shocks with divisor n − m."""
        return self.sums.squares.sum(axis=0) / (self.n - len(self.beta))

    def replicate(self, replications: int, seed: int) -> tuple[Matrix, Matrix]:
        """Replications of α, R × n × (n − 1), and of Ω, R × n × n."""
        drawn: Draws = resample(self.sums, self.beta, self.gram_inverse, replications, seed)
        markets = self.beta.shape[1]
        return drawn.beta[:, 1:markets].transpose(0, 2, 1), drawn.sigma


def johansen(prices: Matrix, lag: int) -> Johansen:
    """Johansen's test with an unrestricted constant.

    Parameters
    ----------
    prices : T × n, NaN where missing; no difference and no lag reaches over a gap.
    lag : lagged differences.

    Notes
    -----
    Δp_t and p_{t−1} are cleaned of a constant and `lag` lagged differences; λ are the eigenvalues
    of S₁₁⁻¹S₁₀S₀₀⁻¹S₀₁. Trace for rank ≤ r: −n Σ_{i>r} ln(1 − λ_i).

    Raises
    ------
    TooFewBarsError, CollinearError : as `correct`.
    """
    n_prices = prices.shape[1]
    targets = target_rows(prices, lag + 1)
    gram = _gram(prices, targets, lag, levels=True)
    short = np.arange(1 + n_prices * (lag + 1))
    keep = np.concatenate([[0], short[1 + n_prices :]])
    first, then = short[1 : 1 + n_prices], np.arange(len(short), len(short) + n_prices)
    _determined(gram[np.ix_(short, short)], len(targets))
    pick = np.concatenate([then, first])
    cross = gram[np.ix_(keep, pick)]
    rest = gram[np.ix_(pick, pick)] - cross.T @ np.linalg.solve(gram[np.ix_(keep, keep)], cross)
    rest /= len(targets)
    s00, s01, s11 = (rest[:n_prices, :n_prices], rest[:n_prices, n_prices:],
                     rest[n_prices:, n_prices:])
    root = np.linalg.inv(np.linalg.cholesky(s11))
    symmetric = root @ s01.T @ np.linalg.solve(s00, s01) @ root.T
    values, vectors = np.linalg.eigh((symmetric + symmetric.T) / 2.0)
    values, vectors = np.clip(values[::-1], 0.0, 1.0), root.T @ vectors[:, ::-1]
    terms = -len(targets) * np.log1p(-values)
    return Johansen(values, np.cumsum(terms[::-1])[::-1], terms, vectors, len(targets))


def select_lag(prices: Matrix, maximum: int) -> int:
    """Lagged differences, 1 … maximum, with the least BIC on the sample that `maximum` leaves."""
    n_prices = prices.shape[1]
    targets = target_rows(prices, maximum + 1)
    gram = _gram(prices, targets, maximum)
    size, n = len(gram) - n_prices, len(targets)
    _determined(gram[:size, :size], n)
    criteria = []
    for lag in range(1, maximum + 1):
        m = n_prices * (lag + 1)
        cross = gram[:m, size:]
        left = gram[size:, size:] - cross.T @ np.linalg.solve(gram[:m, :m], cross)
        criteria.append(np.linalg.slogdet(left / n)[1] + np.log(n) * n_prices * m / n)
    return int(np.argmin(criteria)) + 1


def correct(prices: Matrix, lag: int) -> ErrorCorrection:
    """Fit the error correction by least squares.

    Parameters
    ----------
    prices : T × n in logarithms (or logarithms in bps), NaN where missing.
    lag : lagged differences.

    Raises
    ------
    TooFewBarsError : if rows are no more than coefficients.
    CollinearError : if the regressors are linearly dependent, as when one price is a copy.
    """
    n_prices = prices.shape[1]
    targets = target_rows(prices, lag + 1)
    gram = _gram(prices, targets, lag)
    m = len(gram) - n_prices
    _determined(gram[:m, :m], len(targets))
    beta = np.asarray(np.linalg.solve(gram[:m, :m], gram[:m, m:]), dtype=np.float64)
    length = block_slots(len(targets))
    parts = []
    for chunk in _chunks(targets, length):
        rows = _rows(prices, chunk, lag)
        parts.append(block_sums(rows[:, :m], rows[:, m:] - rows[:, :m] @ beta, chunk, length))
    sums = BlockSums(np.concatenate([p.scores for p in parts]),
                     np.concatenate([p.squares for p in parts]),
                     np.concatenate([p.rows for p in parts]), length)
    return ErrorCorrection(lag, beta, np.asarray(np.linalg.inv(gram[:m, :m])), sums, len(targets))


def _determined(gram: Matrix, n: int) -> None:
    if n <= len(gram):
        raise TooFewBarsError(f"{n} rows for {len(gram)} coefficients")
    scale = np.sqrt(np.maximum(np.diag(gram), 0.0))
    if not (scale > 0.0).all() or np.linalg.cond(gram / np.outer(scale, scale)) > _WORST_CONDITION:
        raise CollinearError("the regressors are linearly dependent")


def _gram(
    prices: Matrix, targets: NDArray[np.intp], lag: int, *, levels: bool = False
) -> Matrix:
    """W'W of all rows, W as in `_rows`, a chunk at a time: memory does not grow with the window."""
    total: Matrix = np.zeros((0, 0))
    for start in range(0, len(targets), _ROWS_AT_ONCE):
        rows = _rows(prices, targets[start : start + _ROWS_AT_ONCE], lag, levels=levels)
        total = rows.T @ rows if not total.size else total + rows.T @ rows
    if not total.size:
        raise TooFewBarsError("no complete rows")
    return total


def _chunks(targets: NDArray[np.intp], length: int) -> Iterator[NDArray[np.intp]]:
    """Stretches of targets that end where a block ends."""
    ranges = blocks(targets, length * max(1, _ROWS_AT_ONCE // length))
    for part in ranges:
        yield targets[part]


def _rows(
    prices: Matrix, targets: NDArray[np.intp], lag: int, *, levels: bool = False
) -> Matrix:
    """(1, differences of the prices or their levels, lagged changes, change), a row per target."""
    shifted = prices - prices[np.isfinite(prices).all(axis=1)][0]
    before = shifted[targets - 1]
    relation = before if levels else before[:, 1:] - before[:, :1]
    changes = [shifted[targets - i] - shifted[targets - i - 1] for i in range(lag + 1)]
    return np.column_stack([np.ones(len(targets)), relation, *changes[1:], changes[0]])
