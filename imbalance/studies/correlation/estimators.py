"""Estimates and variances of many correlations at once: the compiled kernels, spread over cores.

A job is (row of x, row of y, lag). What is declared, tested and written is in `estimate.py`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.lag_sums import LagSums

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Jobs = NDArray[np.int64]
Estimator = Literal["pearson", "spearman", "kendall"]

_JOBS_AT_ONCE = 64

@dataclass(frozen=True)
class Estimates:
    """Per job: the estimate, its variance, and the variance which the test of 0 takes."""

    value: Vector
    variance: Vector
    test_variance: Vector
    null_variance: Vector
    """n times the variance of an estimate of independent pairs; of Kendall's it grows with ties."""


def estimate_all(
    estimator: Estimator, x: Matrix, y: Matrix, sums: LagSums, jobs: Jobs
) -> Estimates:
    """Correlations of all jobs by one estimator.

    Parameters
    ----------
    x, y : nx × T and ny × T, NaN where missing.
    sums : their lag sums.
    jobs : jobs × 3: row of x, row of y, lag.
    """
    n = sums.n[jobs[:, 0], jobs[:, 1], jobs[:, 2] + sums.max_lag]
    if estimator == "pearson":
        return _pearson(x, y, sums, jobs)
    from imbalance.studies.correlation.kendall import kendall_jobs
    from imbalance.studies.correlation.kernels import spearman_jobs

    kernel = spearman_jobs if estimator == "spearman" else kendall_jobs
    x_orders, y_orders = np.argsort(x, axis=1), np.argsort(y, axis=1)
    out = np.full((len(jobs), 3), np.nan)

    def work(part: NDArray[np.intp]) -> None:
        result = np.empty((len(part), 3))
        kernel(x, y, x_orders, y_orders, jobs[part], result)
        out[part] = result

    in_threads(work, np.flatnonzero(n >= 2))
    return Estimates(np.clip(out[:, 0], -1.0, 1.0), out[:, 1], out[:, 1], out[:, 2])


def _pearson(x: Matrix, y: Matrix, sums: LagSums, jobs: Jobs) -> Estimates:
    from imbalance.studies.correlation.kernels import pearson_jobs

    at = (jobs[:, 0], jobs[:, 1], jobs[:, 2] + sums.max_lag)
    estimate = sums.correlation()[at]
    n = sums.n[at]
    with np.errstate(divide="ignore", invalid="ignore"):
        mx, my = sums.x[at] / n, sums.y[at] / n
        sx, sy = np.sqrt(sums.xx[at] / n - mx**2), np.sqrt(sums.yy[at] / n - my**2)
    moments = np.column_stack([mx, my, sx, sy, estimate])
    out = np.full((len(jobs), 2), np.nan)

    def work(part: NDArray[np.intp]) -> None:
        result = np.empty((len(part), 2))
        pearson_jobs(x, y, jobs[part], moments[part], result)
        out[part] = result

    in_threads(work, np.flatnonzero(np.isfinite(moments).all(axis=1) & (n >= 2)))
    known = np.where(np.isnan(out[:, 0]), np.nan, estimate)
    return Estimates(known, out[:, 0], out[:, 1], np.ones(len(jobs)))


def pearson_influence(x: Vector, y: Vector) -> tuple[float, Vector]:
    """Pearson's correlation of two series, and the influence ψ_t of each pair; NaN where missing.

    NaN as the estimate where one side does not vary.
    """
    both = np.isfinite(x) & np.isfinite(y)
    psi = np.full(len(x), np.nan)
    u, v = x[both], y[both]
    if len(u) < 2:
        return np.nan, psi
    u, v = u - u.mean(), v - v.mean()
    # Means, not products of vectors: those give other last bits on other numbers of cores.
    u_spread, v_spread = math.sqrt(np.mean(u * u)), math.sqrt(np.mean(v * v))
    if not (u_spread > 1e-12 and v_spread > 1e-12):
        return np.nan, psi
    u, v = u / u_spread, v / v_spread
    r = float(np.mean(u * v))
    psi[both] = u * v - 0.5 * r * (u * u + v * v)
    return r, psi


def rank_influence(estimator: Estimator, x: Vector, y: Vector) -> tuple[float, Vector]:
    """Spearman's or Kendall's correlation of two series, and ψ_t as in `pearson_influence`."""
    from imbalance.studies.correlation.kendall import kendall_influence
    from imbalance.studies.correlation.kernels import spearman_influence

    present, psi = np.empty(len(x)), np.empty(len(x))
    given = (x, y, np.argsort(x), np.argsort(y), 0, present, psi)
    r = spearman_influence(*given) if estimator == "spearman" else kendall_influence(*given)[0]
    return float(r), np.where(present == 1.0, psi, np.nan)


def in_threads(work: Callable[[NDArray[np.intp]], None], jobs: NDArray[np.intp]) -> None:
    """Run the jobs in chunks over the cores; the kernels release the GIL."""
    chunks = [jobs[start : start + _JOBS_AT_ONCE] for start in range(0, len(jobs), _JOBS_AT_ONCE)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in pool.map(work, chunks):
            assert done is None  # noqa: S101  (draws exceptions out of the threads)
