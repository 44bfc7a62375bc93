"""Lagged correlations of a declared family, with uncertainty that allows for dependence.

From a panel of aligned bars to rows of `studies.correlation` (without q-values, which need the
whole family). The loops over bars are in `lag_sums.py` and `kernels.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.progress import SILENT, Progress
from imbalance.studies.alignment import Panel
from imbalance.studies.correlation.differences import compare
from imbalance.studies.correlation.estimators import (
    Estimates,
    Estimator,
    Jobs,
    estimate_all,
    in_threads,
)
from imbalance.studies.correlation.intervals import BootstrapInterval, bootstrap_interval
from imbalance.studies.correlation.series_pairs import apart, blocks, series_pairs
from imbalance.studies.correlation.study import CorrelationFamily
from imbalance.studies.lag_sums import LagSums, lag_sums
from imbalance.studies.pairs import Series, uncrossed
from imbalance.studies.panel_columns import Mask
from imbalance.studies.persistence import variance_inflation
from imbalance.studies.prepared_series import (
    COLLINEAR,
    FEWEST_INDEPENDENT_PAIRS,
    SeriesPool,
    forward_sum,
)
from imbalance.studies.rows import Row, RowTable, Window, blank, share

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


def correlate(
    panel: Panel, family: CorrelationFamily, window: Window, rows: RowTable,
    differences: RowTable, progress: Progress = SILENT,
) -> None:
    """All rows of a family on one bar size: correlations, and their differences between regimes.

    Parameters
    ----------
    panel : aligned bars; see `alignment.align`.
    family : what to estimate.
    window : how the rows name the window.
    rows : gets the rows of `studies.correlation`; a pair that cannot be estimated is one of them
        with its reason, a lag or regime that cannot be likewise.
    differences : gets those of `studies.correlation_difference`.
    progress : told which regime is being worked on.

    Notes
    -----
    Pearson: r over the common valid pairs (x_t, y_{t+lag}); Spearman: the same of ranks taken anew
    over those pairs; Kendall: τ_b of them. Standard error: HAC long-run variance of the influence
    values (see `kernels`, `kendall`). The p-value is of r √((ν)/(1−r²)), for Kendall of τ √(ν/v),
    against Student's t with ν = n_effective − 2. v/n is the variance of τ of n independent pairs,
    4/9 over n where none are tied. 1/n_effective is the larger of a HAC variance under r = 0 (over
    v for Kendall) and Bartlett's variance under independence, Σ_k ρ_x(k) ρ_y(k) / n: the first
    allows for shared volatility, the second is the more precise one for persistent series and keeps
    the far tail honest.
    The interval is tanh(atanh r ± t_ν · se/(1−r²)), and the p-value at least that at which it
    would end at 0.
    """
    ranked = bool({"spearman", "kendall"} & set(family.estimators))
    pool = SeriesPool(panel, family.minimum_bars, ranked)
    template = blank("correlation", family.name, window, _parameters(family))
    crossed = panel.crossed(family.most_instruments)
    pairs = panel.known_pairs(series_pairs(family, panel.instruments, crossed))
    if not pairs:
        rows.extend([template | _named(None, None) | {"reason": "no_pair"}])
        return
    rows.extend(
        template | _named(None, None) | row
        for row in uncrossed(family.pairs, panel.bars, crossed))
    usable: list[tuple[Series, Series]] = []
    for x, y in pairs:
        reason = pool.get(x).reason or pool.get(y).reason
        if reason is None and apart(pool, family, x, y):
            reason = "no_common_bars"
        if reason is None:
            usable.append((x, y))
        else:
            rows.extend([template | _named(x, y) | _refusal(panel, x, y, reason, family)])
    # regimes within blocks: where not all series have room, those of a block are made ready once
    for block in blocks(panel, usable, crossed):
        own = panel.of(instrument for pair in block for instrument, _ in pair)
        for regime, lags in _regimes(panel, family):
            progress.advance(note=f"correlation {family.name} {window.bar_size} {regime}")
            run = _RegimeRun(own, family, pool, template, regime, lags)
            rows.extend(run.rows(block))
    progress.advance(note=f"correlation {family.name} {window.bar_size} between regimes")
    differences.extend(compare(panel, family, window, pool, usable))


def _parameters(family: CorrelationFamily) -> dict[str, Any]:
    return {
        "covariance": "Bartlett HAC of influence values, prewhitened, bandwidth of Newey-West 1994",
        "p_value": "Student t; the larger of the HAC variance and Bartlett's under independence",
        "interval": f"Fisher z, level {1.0 - family.significance:g}",
        "regimes": "terciles of the window; regime of instrument_x in the bar before; or hours UTC",
        "bootstrap": f"{family.replications} replications in moving blocks, percentiles; ranks to "
        "first order",
        "minimum_bars": family.minimum_bars,
    }


def _named(x: Series | None, y: Series | None) -> Row:
    named: Row = {"estimator": "pearson", "kind": "contemporaneous", "horizon": 1}
    if x is not None and y is not None:
        named |= {
            "instrument_x": x[0], "measure_x": x[1], "instrument_y": y[0], "measure_y": y[1],
        }
    return named


def _refusal(panel: Panel, x: Series, y: Series, reason: str, family: CorrelationFamily) -> Row:
    panel = panel.of((x[0], y[0]))
    there = int((panel.exists[x[0]] & panel.exists[y[0]]).sum())
    first, second = panel.series(*x), panel.series(*y)
    n = 0
    if first is not None and second is not None:
        n = int((np.isfinite(first) & np.isfinite(second)).sum())
    return {
        "reason": reason, "n": n, "n_left_out": there - n, "coverage": share(n, there - n),
        "estimator": family.estimators[0],
    }


def _regimes(panel: Panel, family: CorrelationFamily) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "all", family.lags
    for name in family.regimes:
        for level in panel.levels(name):
            yield level, family.regime_lags


class _RegimeRun:
    """All estimates of one family in one regime."""

    def __init__(self, panel: Panel, family: CorrelationFamily, pool: SeriesPool, template: Row,
                 regime: str, lags: tuple[int, ...]) -> None:
        self._panel, self._family, self._pool = panel, family, pool
        self._template = template | {"regime": regime}
        self._regime, self._lags = regime, lags

    def rows(self, pairs: list[tuple[Series, Series]]) -> Iterator[Row]:
        family = self._family
        x_names = list(dict.fromkeys(x for x, _ in pairs))
        y_names = [(y, h) for h in family.horizons for y in dict.fromkeys(y for _, y in pairs)]
        x_masks = {}
        for instrument in dict.fromkeys(name[0] for name in x_names):
            mask = self._mask(instrument)
            if mask is not None:
                x_masks[instrument] = mask
        for x, y in pairs:
            if x[0] not in x_masks:
                refusal = _refusal(self._panel, x, y, "no_such_measure", family)
                yield self._template | _named(x, y) | refusal
        kept = [(x, y) for x, y in pairs if x[0] in x_masks]
        if not kept:
            return
        x_names = [name for name in x_names if name[0] in x_masks]
        left = np.stack([
            np.where(x_masks[name[0]], self._pool.on(self._panel, name), np.nan)
            for name in x_names])
        right = np.stack([self._pool.on(self._panel, name, h) for name, h in y_names])
        max_lag = max(1, *(abs(lag) for lag in self._lags))
        sums = lag_sums(left, right, max_lag)
        there = self._there(x_names, x_masks, y_names, max_lag)
        jobs = self._jobs(kept, x_names, y_names)
        for name in family.estimators:
            mine = jobs if name != "kendall" else jobs[self._costly(jobs)]
            if len(mine):
                found = estimate_all(name, left, right, sums, mine)
                intervals = self._bootstrap(name, left, right, mine)
                yield from self._finish(name, mine, x_names, y_names, sums, there, found,
                                        intervals)

    def _costly(self, jobs: Jobs) -> Mask:
        """Jobs that also have the costly estimates: Kendall's, and bootstrap intervals."""
        return np.isin(jobs[:, 2], self._family.costly_lags) & (self._regime == "all")

    def _bootstrap(
        self, estimator: Estimator, x: Matrix, y: Matrix, jobs: Jobs
    ) -> dict[int, BootstrapInterval]:
        family, length = self._family, x.shape[1]
        found: dict[int, BootstrapInterval] = {}

        def work(part: NDArray[np.intp]) -> None:
            for job in part.tolist():
                i, j, lag = jobs[job].tolist()
                first, n = max(0, -lag), max(length - abs(lag), 0)
                x_part, y_part = x[i, first : first + n], y[j, first + lag : first + lag + n]
                if np.count_nonzero(np.isfinite(x_part) & np.isfinite(y_part)) < (
                    family.minimum_bars
                ):
                    continue
                interval = bootstrap_interval(
                    estimator, x_part, y_part, replications=family.replications,
                    seed=family.seed, significance=family.significance,
                )
                if interval is not None:
                    found[job] = interval

        in_threads(work, np.flatnonzero(self._costly(jobs)))
        return found

    def _mask(self, instrument: str) -> Mask | None:
        if self._regime == "all":
            return np.ones(self._panel.slots, dtype=np.bool_)
        return self._panel.regime(instrument, self._regime)

    def _there(self, x_names: list[Series], x_masks: dict[str, Mask],
               y_names: list[tuple[Series, int]], max_lag: int) -> NDArray[np.int64]:
        """Pairs of bars that exist, used or not: by x and y series and lag."""
        x_kinds = list(dict.fromkeys(name[0] for name in x_names))
        y_kinds = list(dict.fromkeys((name[0], h) for name, h in y_names))
        x = np.stack([np.where(self._panel.exists[i] & x_masks[i], 1.0, np.nan) for i in x_kinds])
        y = np.stack([forward_sum(np.where(self._panel.exists[i], 1.0, np.nan), h)
                      for i, h in y_kinds])
        counts = lag_sums(x, y, max_lag).n
        return counts[np.ix_([x_kinds.index(name[0]) for name in x_names],
                             [y_kinds.index((name[0], h)) for name, h in y_names])]

    def _jobs(self, pairs: list[tuple[Series, Series]], x_names: list[Series],
              y_names: list[tuple[Series, int]]) -> NDArray[np.int64]:
        """(x row, y row, lag) of everything that is declared for this regime."""
        x_row = {name: number for number, name in enumerate(x_names)}
        y_row = {name: number for number, name in enumerate(y_names)}
        jobs = []
        for x, y in pairs:
            for horizon in self._family.horizons:
                for lag in self._lags:
                    # Summed y must start after x; a series against itself mirrors its lags.
                    if lag <= 0 and (horizon > 1 or x == y):
                        continue
                    jobs.append((x_row[x], y_row[y, horizon], lag))
        return np.array(jobs, dtype=np.int64).reshape(-1, 3)

    def _finish(self, estimator: Estimator, jobs: Jobs, x_names: list[Series],
                y_names: list[tuple[Series, int]], sums: LagSums, there: NDArray[np.int64],
                found: Estimates, intervals: dict[int, BootstrapInterval]) -> Iterator[Row]:
        from scipy.special import stdtr, stdtrit

        family = self._family
        estimate, variance = found.value, found.variance
        unit = found.null_variance
        at = (jobs[:, 0], jobs[:, 1], jobs[:, 2] + sums.max_lag)
        n, existing = sums.n[at], there[at]
        inflation = self._inflation(estimator, jobs, x_names, y_names, n)
        with np.errstate(divide="ignore", invalid="ignore"):
            effective = np.minimum(n, 1.0 / np.maximum(found.test_variance / unit, inflation / n))
            degrees = np.maximum(effective - 2.0, 1.0)
            scale = unit if estimator == "kendall" else 1.0 - estimate**2
            statistic = estimate * np.sqrt(degrees / scale)
            error = np.sqrt(variance)
            z, z_error = np.arctanh(estimate), error / (1.0 - estimate**2)
            # The smaller statistic: a row whose interval holds 0 is never called significant.
            p_value = 2.0 * stdtr(degrees, -np.minimum(np.abs(statistic), np.abs(z) / z_error))
            half = stdtrit(degrees, 1.0 - family.significance / 2.0) * z_error
            low, high = np.tanh(z - half), np.tanh(z + half)
        for job, (x_row, y_row, lag) in enumerate(jobs.tolist()):
            (y, horizon), left_out = y_names[y_row], int(existing[job] - n[job])
            row = self._template | _named(x_names[x_row], y) | {
                "estimator": estimator, "lag": lag, "horizon": horizon,
                "kind": "contemporaneous" if lag == 0 else "predictive",
                "n": int(n[job]), "n_left_out": left_out, "coverage": share(int(n[job]), left_out),
            }
            reason = self._pool.get(y, horizon).reason or self._reason(
                int(n[job]), estimate[job], inflation[job])
            if reason is not None:
                row["reason"] = reason
            else:
                row |= {
                    "estimate": estimate[job], "standard_error": error[job],
                    "interval_low": low[job], "interval_high": high[job],
                    "p_value": p_value[job], "n_effective": effective[job],
                }
                if job in intervals:
                    row |= {
                        "bootstrap_low": intervals[job].low, "bootstrap_high": intervals[job].high,
                        "block_length": intervals[job].block_length, "seed": family.seed,
                    }
            yield row

    def _inflation(self, estimator: Estimator, jobs: Jobs, x_names: list[Series],
                   y_names: list[tuple[Series, int]], n: NDArray[np.int64]) -> Vector:
        known: dict[tuple[int, int], float] = {}
        values = np.ones(len(jobs))
        for job, (x_row, y_row, _) in enumerate(jobs.tolist()):
            key = (x_row, y_row)
            if key not in known:
                pair = self._pool.get(x_names[x_row]), self._pool.get(*y_names[y_row])
                x, y = ((one.memory if estimator == "pearson" else one.rank_memory)
                        for one in pair)
                if x is None or y is None:
                    known[key] = np.nan
                else:
                    known[key] = variance_inflation(x, y, max(int(n[job]), 2))
            values[job] = known[key]
        return values

    def _reason(self, n: int, estimate: float, inflation: float) -> str | None:
        if n < self._family.minimum_bars:
            return "too_few_bars"
        if not np.isfinite(estimate):
            return "constant_series"
        if abs(estimate) > COLLINEAR:
            return "collinear"
        if not n / inflation >= FEWEST_INDEPENDENT_PAIRS:
            return "too_persistent"
        return None
