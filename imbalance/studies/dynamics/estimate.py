"""Rows of the dynamics study: paths, breaks and regimes of every declared pair, or why not.

From a panel of aligned bars to rows of `studies.dynamics` without q-values. The estimators are in
their own modules.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.progress import SILENT, Progress
from imbalance.studies.alignment import Panel
from imbalance.studies.dynamics.change_points import change_points, constancy
from imbalance.studies.dynamics.garch import ConditionalCorrelation, Garch, fit_dcc, fit_garch
from imbalance.studies.dynamics.hidden_markov import Regimes, fit_regimes
from imbalance.studies.dynamics.moving import (
    Counts,
    fewest_pairs,
    fisher_band,
    rolling_correlation,
    weighted_correlation,
)
from imbalance.studies.dynamics.regimes import regime_rows
from imbalance.studies.dynamics.study import DynamicsFamily
from imbalance.studies.measures import BAR_NANOSECONDS
from imbalance.studies.pairs import Series, series_pairs, uncrossed
from imbalance.studies.persistence import memory, variance_inflation
from imbalance.studies.prepared_series import PreparedPair, SeriesPool, prepared_pairs
from imbalance.studies.rows import Row, RowTable, Window, blank, share
from imbalance.studies.stretches import counts_in

Vector = NDArray[np.float64]
Index = NDArray[np.intp]


def move(
    panel: Panel, family: DynamicsFamily, window: Window, rows: RowTable,
    differences: RowTable, progress: Progress = SILENT,
) -> None:
    """Put all rows of a family on one bar size, and how its regimes differ, where they belong.

    A pair that is refused is one row.
    """
    pool = SeriesPool(panel, family.minimum_bars, ranked=False)
    crossed = panel.crossed(family.most_instruments)
    pairs = panel.known_pairs(series_pairs(
        family.pairs, family.x_measures, family.y_measures, panel.instruments, crossed))
    if not pairs:
        rows.extend([_blank(family, window) | {"estimator": "rolling", "reason": "no_pair"}])
        return
    rows.extend(_blank(family, window) | {"estimator": "rolling", "kind": "contemporaneous"} | row
                for row in uncrossed(family.pairs, panel.bars, crossed))
    progress.advance(note=f"dynamics {family.name} {window.bar_size}")
    margins: dict[Series, Garch | None] = {}

    def rows_of(given: tuple[Series, Series, PreparedPair]) -> list[Row]:
        x, y, pair = given
        return list(_PairRows(panel, family, window, x, y, pair).rows(
            margins.get(x), margins.get(y)))

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for some in prepared_pairs(pool, pairs):
            new = dict.fromkeys(one for x, y, pair in some if pair.reason is None
                                for one in (x, y) if one not in margins)
            values = [pool.get(one).values for one in new]
            margins.update(zip(new, threads.map(fit_garch, values), strict=True))
            for found in threads.map(rows_of, some):
                rows.extend(found)
            for x, y, pair in some:
                if pair.reason is None:
                    by_level, between = regime_rows(panel, family, window, x, y, pair)
                    rows.extend(by_level)
                    differences.extend(between)


def _blank(family: DynamicsFamily, window: Window, **parameters: Any) -> Row:
    return blank("dynamics", family.name, window, parameters) | {
        "span": 0, "state": 0, "moment": window.window_to}


class _PairRows:
    """All rows of one pair of series."""

    def __init__(self, panel: Panel, family: DynamicsFamily, window: Window, x: Series, y: Series,
                 pair: PreparedPair) -> None:
        self._panel = panel.of((x[0], y[0]))
        self._family, self._window = family, window
        self._x, self._y, self._pair = x, y, pair

    def rows(self, margin_x: Garch | None, margin_y: Garch | None) -> Iterator[Row]:
        pair = self._pair
        if pair.reason is not None:
            yield self._row("rolling") | {"reason": pair.reason}
            return
        for bars in self._family.windows:
            path, count = rolling_correlation(pair.x, pair.y, bars, fewest_pairs(bars))
            yield from self._moving_rows("rolling", bars, path, count)
        bars = self._family.half_life
        path, worth = weighted_correlation(pair.x, pair.y, float(bars))
        yield from self._moving_rows("exponentially_weighted", bars, path, worth)
        yield from self._conditional_rows(margin_x, margin_y)
        yield from self._break_rows()
        yield from self._regime_rows()

    def _row(self, estimator: str, **parameters: Any) -> Row:
        return _blank(self._family, self._window, **parameters) | {
            "instrument_x": self._x[0], "measure_x": self._x[1],
            "instrument_y": self._y[0], "measure_y": self._y[1], "estimator": estimator,
        } | _counted(self._pair.n, self._pair.there)

    def _at(self, slot: int) -> Row:
        """Moment and availability of what is known at the end of the bar at a slot."""
        width = BAR_NANOSECONDS[self._window.bar_size]
        return {"moment": int(self._panel.slot_start[slot]) + width,
                "available_at": int(self._panel.slot_available[slot])}

    def _points(self, usable: NDArray[np.bool_]) -> Index:
        """At most `points` slots, evenly among the usable ones, the last of them included."""
        slots = np.flatnonzero(usable)
        points = self._family.points
        if len(slots) <= points or points == 1:
            return slots[-points:]
        return slots[np.linspace(0, len(slots) - 1, points).round().astype(np.intp)]

    def _inflation(self, slot: int) -> float:
        """How much memory inflates the variance, from the bars up to a slot: its band says nothing
        that is not known with it.
        """
        x, y = self._pair.x[: slot + 1], self._pair.y[: slot + 1]
        return max(variance_inflation(memory(x), memory(y), int(np.isfinite(x).sum())), 1.0)

    def _half(self, error: float) -> float:
        from scipy.special import ndtri

        return float(ndtri(1.0 - self._family.significance / 2.0)) * error

    def _moving_rows(self, estimator: str, span: int, path: Vector, count: Vector | Counts
                     ) -> Iterator[Row]:
        pair = self._pair
        template = self._row(
            estimator, minimum="half of the window" if estimator == "rolling" else "20 pairs",
            band="Fisher z, variance inflated by what both series remember up to the moment")
        template |= {"span": span, "kind": "contemporaneous"}
        usable = np.isfinite(path) & np.isfinite(pair.x) & np.isfinite(pair.y)
        if not usable.any():
            yield template | {"reason": "too_few_bars"}
            return
        slots = self._points(usable)
        inflation = np.array([self._inflation(slot) for slot in slots.tolist()])
        error, low, high = fisher_band(
            path[slots], count[slots], inflation, self._family.significance)
        first = np.maximum(slots + 1 - span, 0) if estimator == "rolling" else 0 * slots
        exists = self._panel.exists[self._x[0]] & self._panel.exists[self._y[0]]
        used, there = (counts_in(bars, first, slots + 1 - first)
                       for bars in (np.isfinite(pair.x), exists))
        for i, slot in enumerate(slots.tolist()):
            yield template | self._at(slot) | _counted(int(used[i]), int(there[i])) | {
                "estimate": path[slot], "standard_error": error[i],
                "interval_low": low[i], "interval_high": high[i],
                "n_effective": count[slot] / inflation[i],
            }

    def _conditional_rows(self, margin_x: Garch | None, margin_y: Garch | None) -> Iterator[Row]:
        if margin_x is None or margin_y is None:
            yield self._row("dcc_a") | {"reason": "no_optimum"}
            return
        both = np.column_stack([
            self._panel.placed(series[0], margin.standardised)
            for series, margin in ((self._x, margin_x), (self._y, margin_y))])
        both[~np.isfinite(both).all(axis=1)] = np.nan
        found = fit_dcc(both)
        if found is None:
            yield self._row("dcc_a") | {"reason": "no_optimum"}
            return
        parameters = {
            "first_stage": "GARCH(1,1), Gaussian quasi-likelihood",
            "garch": [_told(margin_x), _told(margin_y)],
            "parameters": "of the whole window: the path is not known while it runs",
            "standard_error": "sandwich of the second stage, the first taken as given; none where "
            "the fit ends at a bound",
        }
        for i, (name, value) in enumerate((("dcc_a", found.a), ("dcc_b", found.b))):
            error = float(np.sqrt(max(found.covariance[i, i], 0.0)))
            yield self._row(name, **parameters) | {
                "estimate": value, "standard_error": error,
                "interval_low": value - self._half(error),
                "interval_high": value + self._half(error)}
        yield from self._conditional_path(found, parameters)

    def _conditional_path(self, found: ConditionalCorrelation, parameters: dict[str, Any]
                          ) -> Iterator[Row]:
        template = self._row("conditional", **parameters) | {"kind": "predictive"}
        path, error = found.path[:, 0, 1], found.path_error[:, 0, 1]
        there = np.isfinite(self._pair.x) & np.isfinite(self._pair.y)
        # R of the next bar, which is known with this one.
        for slot in self._points(there[:-1]).tolist():
            r, e = float(path[slot + 1]), float(error[slot + 1])
            half = self._half(e) / (1.0 - r**2)
            yield template | {
                "moment": self._at(slot)["moment"], "horizon": 1,
                "estimate": r, "standard_error": e,
                "interval_low": np.tanh(np.arctanh(r) - half),
                "interval_high": np.tanh(np.arctanh(r) + half)}

    def _break_rows(self) -> Iterator[Row]:
        pair, family = self._pair, self._family
        test = constancy(pair.x, pair.y)
        settings = {"test": "cumulated influence against the supremum of the Brownian bridge",
                    "level": family.significance, "shortest_regime": family.shortest_regime}
        if np.isnan(test.statistic):
            yield self._row("constancy", **settings) | {"reason": "no_long_run_variance"}
            return
        yield self._row("constancy", **settings) | {
            "estimate": test.statistic, "p_value": test.p_value}
        for one in change_points(pair.x, pair.y, family.significance, family.shortest_regime):
            difference = one.after - one.before
            half = self._half(one.standard_error)
            yield self._row(
                "change_point", **settings, before=round(one.before, 10),
                after=round(one.after, 10), statistic=round(one.statistic, 10),
            ) | {
                "moment": int(self._panel.slot_start[one.at]), "estimate": difference,
                "standard_error": one.standard_error, "interval_low": difference - half,
                "interval_high": difference + half, "p_value": one.p_value}

    def _regime_rows(self) -> Iterator[Row]:
        family, pair = self._family, self._pair
        first = max(0, len(pair.x) - family.longest_series)
        values = np.column_stack([pair.x, pair.y])[first:]
        if int(np.isfinite(values).all(axis=1).sum()) < family.minimum_bars:
            yield self._row("regime_count") | {"reason": "too_few_bars"}
            return
        fits = [fit_regimes(values, k, family.seed) for k in range(1, family.states + 1)]
        best = min(fits, key=lambda fit: fit.bic)
        states = len(best.weight)
        parameters = {
            "model": "Gaussian hidden Markov model, EM from 4 starts, states by BIC",
            "bic": [round(fit.bic, 4) for fit in fits], "converged": best.converged,
            "decoded": "filtered: from bars up to the moment, with parameters of the whole window",
        }
        n = _counted(best.n, pair.there) | {"seed": family.seed}
        yield self._row("regime_count", **parameters) | n | {"estimate": float(states)}
        if states > 1:
            yield from self._state_rows(best, parameters, n)
            template = self._row("regime_probability", **parameters) | n | {
                "state": states, "kind": "contemporaneous"}
            there = np.isfinite(values[:, 0]) & np.isfinite(values[:, 1])
            for slot in self._points(there).tolist():
                yield template | {"moment": self._at(first + slot)["moment"],
                                  "estimate": best.filtered[slot, -1]}

    def _state_rows(self, best: Regimes, parameters: dict[str, Any], n: Row) -> Iterator[Row]:
        inflation = self._pair.n / self._pair.independent
        for state, weight in enumerate(best.weight):
            r = np.array([best.correlation(state)])
            error, low, high = fisher_band(
                r, np.array([weight]), inflation, self._family.significance)
            stay = float(best.transition[state, state])
            yield self._row("regime_correlation", **parameters) | n | {
                "state": state + 1, "estimate": r[0], "standard_error": error[0],
                "interval_low": low[0], "interval_high": high[0],
                "n_effective": weight / inflation, "share": weight / best.n,
                "duration": 1.0 / (1.0 - stay) if stay < 1.0 else None}


def _counted(n: int, there: int) -> Row:
    """Pairs used, of the bars that are there."""
    left_out = max(there - n, 0)
    return {"n": n, "n_left_out": left_out, "coverage": share(n, left_out)}


def _told(margin: Garch) -> dict[str, float]:
    return {"omega": round(margin.omega, 10), "alpha": round(margin.alpha, 10),
            "beta": round(margin.beta, 10)}
