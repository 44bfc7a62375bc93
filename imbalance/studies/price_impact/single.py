"""Rows of `studies.price_impact`: an instrument's return on its own flow.

Estimators are in `regression` and `forecast`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from imbalance.features.price_impact import PriceImpact
from imbalance.studies.alignment import Panel
from imbalance.studies.inference.forecasts import accuracy, loss_blocks
from imbalance.studies.inference.resampling import percentile_interval
from imbalance.studies.levels import at_levels, level_rows, regime_masks, student_figures
from imbalance.studies.price_impact.flows import Flows
from imbalance.studies.price_impact.forecast import Design, Model, Trial, run
from imbalance.studies.price_impact.penalised import least_squares, ridge
from imbalance.studies.price_impact.regimes import slope_at
from imbalance.studies.price_impact.regression import (
    Estimate,
    depth_exponent,
    mean_r_squared,
    mean_slope,
    response,
    slopes,
)
from imbalance.studies.price_impact.study import PriceImpactFamily
from imbalance.studies.rows import Row, Window, blank, share
from imbalance.studies.walk_forward import HALF_HOUR, Step, walk_forward

Vector = NDArray[np.float64]

RETURN = "return_bps"
CONTROL = "order_flow_imbalance_no_price_change"
TRADES = "trade_imbalance"


def single_rows(
    panel: Panel, family: PriceImpactFamily, window: Window, instrument: str, flows: Flows | None
) -> Iterator[Row]:
    """All rows of an instrument on one bar size, by its flows."""
    yield from _Writer(panel, family, window, instrument).rows(flows)


def lagged(series: Vector, lag: int) -> Vector:
    """The value `lag` bars before, missing for the first ones."""
    if lag == 0:
        return series
    out = np.full(series.shape, np.nan)
    out[lag:] = series[:-lag]
    return out


def alarm(low: float | None, family: PriceImpactFamily) -> str | None:
    """Whether the R² of a forecast is surely above what a forecast can have."""
    return "look_ahead" if low is not None and low > family.alarm_r_squared else None


class _Writer:
    """Rows of one instrument."""

    def __init__(self, panel: Panel, family: PriceImpactFamily, window: Window,
                 instrument: str) -> None:
        from scipy.special import ndtri

        self._panel, self._family, self._window = panel, family, window
        self._instrument = instrument
        self._there = panel.bars[instrument]
        self._half_hours = panel.starts // HALF_HOUR
        self._quantile = float(ndtri(1.0 - family.significance / 2.0))

    def rows(self, flows: Flows | None) -> Iterator[Row]:
        change = self._panel.series(self._instrument, RETURN)
        reason = self._why_not(change, flows)
        if reason is not None or change is None or flows is None:
            yield self._blank("order_flow_imbalance", 0) | {
                "estimator": "slope", "levels": 1, "reason": reason}
            return
        yield from self._by_half_hour(flows, change)
        yield from self._by_regime(flows, change)
        yield from self._decay(flows, change)
        yield from self._by_level(flows, change)

    def _why_not(self, change: Vector | None, flows: Flows | None) -> str | None:
        if change is None:
            return "no_such_measure"
        if flows is None:
            return "all_null"
        both = np.isfinite(change) & np.isfinite(flows.raw)
        if both.sum() < self._family.minimum_bars:
            return "too_few_bars"
        if not (np.ptp(change[both]) > 0.0 and np.ptp(flows.raw[both]) > 0.0):
            return "constant_series"
        return None

    def _blank(self, measure: str, n: int) -> Row:
        left_out = max(self._there - n, 0)
        return blank("price_impact", self._family.name, self._window,
                     {"half_hour_seconds": HALF_HOUR // 10**9}) | {
            "instrument_x": self._instrument, "instrument_y": self._instrument,
            "measure_x": measure, "measure_y": RETURN, "kind": "contemporaneous", "levels": 1,
            "n": n, "n_left_out": left_out, "coverage": share(n, left_out), "n_windows": 0,
        }  # fmt: skip

    def _row(self, measure: str, estimator: str, found: Estimate | None, **more: object) -> Row:
        """A row of an estimate, or of too few half-hours for one."""
        if found is None:
            return self._blank(measure, 0) | {
                "estimator": estimator, "reason": "too_few_windows", **more}
        row = self._blank(measure, found.n) | {
            "estimator": estimator, "estimate": found.value, "n_windows": found.windows,
            "interval_low": found.low, "interval_high": found.high, **more}
        if found.error is not None:
            row |= {"standard_error": found.error,
                    "interval_low": found.value - self._quantile * found.error,
                    "interval_high": found.value + self._quantile * found.error}
        return row

    def _tested(self, row: Row) -> Row:
        from scipy.special import ndtr

        error = row.get("standard_error")
        return row | {"p_value": 2.0 * ndtr(-abs(row["estimate"]) / error)} if error else row

    def _r_squared(self, columns: list[Vector], change: Vector) -> Estimate | None:
        family = self._family
        return mean_r_squared(columns, change, self._half_hours, family.minimum_bars,
                              family.replications, family.seed, family.significance)

    def _by_half_hour(self, flows: Flows, change: Vector) -> Iterator[Row]:
        family = self._family
        regressors = {flows.measure: [flows.raw]}
        for measure in (CONTROL, TRADES):
            found = self._panel.series(self._instrument, measure)
            if found is not None and np.isfinite(found).any():
                regressors[measure] = [found]
        if TRADES in regressors:
            regressors[f"{flows.measure},{TRADES}"] = [flows.raw, *regressors[TRADES]]
        fitted: dict[str, PriceImpact] = {}
        for measure, columns in regressors.items():
            yield self._row(measure, "r_squared", self._r_squared(columns, change),
                            seed=family.seed)
            if len(columns) > 1:
                continue
            fits = slopes(columns[0], change, self._half_hours, family.minimum_bars)
            fitted[measure] = fits
            if not len(fits.slope):
                yield self._row(measure, "slope", None)
                continue
            yield self._tested(self._row(measure, "slope", mean_slope(fits))) | {
                "significant_share": float(np.mean(fits.t_value > 1.96))}
        yield self._exponent(fitted[flows.measure])

    def _by_regime(self, flows: Flows, change: Vector) -> Iterator[Row]:
        """Slopes by level, and high less low."""
        family, name = self._family, self._instrument
        estimator = slope_at(flows.raw, change, family.minimum_bars)
        for regime in family.regimes:
            found = at_levels(regime, regime_masks(self._panel, name, regime),
                              self._panel.exists[name], estimator)
            blank = self._blank(flows.measure, 0) | {"estimator": "regime_slope"}
            for row in level_rows(found, family.significance, tested=True):
                yield blank | row
            ends = found.high_less_low()
            if ends is not None:
                yield self._blank(flows.measure, ends.bars) | student_figures(
                    ends.value, ends.error, ends.degrees, family.significance) | {
                    "estimator": "regime_difference", "regime": f"{regime}_high"}

    def _exponent(self, fits: PriceImpact) -> Row:
        depth = self._panel.series(self._instrument, "depth_touch_mean")
        found = None
        if depth is not None and len(fits.slope) >= self._family.minimum_windows:
            found = depth_exponent(fits, depth, self._half_hours)
        if found is not None and found.windows < self._family.minimum_windows:
            found = None
        return self._row("depth_touch_mean", "depth_exponent", found, measure_y="slope", kind=None,
                         levels=0)

    def _decay(self, flows: Flows, change: Vector) -> Iterator[Row]:
        """R² by lag, with the slope's test; and the response of the price, bar after bar."""
        family = self._family
        for lag in family.lags:
            if lag >= self._panel.slots:
                continue
            flow = lagged(flows.raw, lag)
            found = self._r_squared([flow], change)
            place = {"lag": lag, "horizon": 1, "kind": "predictive"}
            row = self._row(flows.measure, "r_squared", found, seed=family.seed, **place)
            if found is not None:
                fits = slopes(flow, change, self._half_hours, family.minimum_bars)
                tested = self._tested(self._row(flows.measure, "slope", mean_slope(fits), **place))
                row |= {"p_value": tested.get("p_value"), "alarm": alarm(found.low, family)}
            yield row
        for horizon in (0, *family.lags):
            found = response(flows.raw, change, horizon) if horizon < self._panel.slots else None
            if found is not None:
                kind = "predictive" if horizon else "contemporaneous"
                yield self._tested(self._row(flows.measure, "response", found, horizon=horizon,
                                             kind=kind))

    def _by_level(self, flows: Flows, change: Vector) -> Iterator[Row]:
        """What the flows of 1, 2, … levels explain out of sample, and all of them by ridge."""
        depth = flows.levels.shape[1]
        measure = "order_flow_imbalance_levels"
        if depth < 2:
            yield self._blank(measure, 0) | {"estimator": "r_squared_out", "levels": 0,
                                             "reason": "no_levels"}
            return
        rows = np.flatnonzero(np.isfinite(change) & np.isfinite(flows.levels).all(axis=1))
        x, y = flows.levels[rows], change[rows]
        steps = walk_forward(self._panel.starts[rows], self._family.minimum_bars)
        models = {str(m): Model(_first(x, m), least_squares, 2) for m in range(1, depth + 1)}
        models["ridge"] = Model(_first(x, depth), partial(ridge, folds=self._family.folds))
        trial = run(y, steps, models)
        if trial is None or len(trial.actual) < self._family.minimum_bars:
            yield self._blank(measure, 0) | {"estimator": "r_squared_out", "levels": depth,
                                             "reason": "nothing_to_forecast"}
            return
        yield from self._judged(trial, measure, depth)

    def _judged(self, trial: Trial, measure: str, depth: int) -> Iterator[Row]:
        family = self._family
        losses = trial.errors() ** 2
        blocks = loss_blocks(losses, family.replications, family.seed, "moving")
        found = accuracy(losses, (trial.actual - trial.mean) ** 2, blocks)
        low, high = percentile_interval(found.draws, family.significance)
        template = self._blank(measure, len(trial.actual)) | {
            "n_windows": len(trial.weights), "seed": family.seed}
        for place, name in enumerate(trial.names):
            penalised = "ridge_" if name == "ridge" else ""
            levels = depth if penalised else int(name)
            yield template | {
                "estimator": f"{penalised}r_squared_out", "levels": levels,
                "estimate": found.r_squared[place], "interval_low": low[place],
                "interval_high": high[place]}
            yield template | {"estimator": f"{penalised}r_squared_in", "levels": levels,
                              "estimate": trial.in_sample(name), "seed": None}
        reduction = template | {"estimator": "rmse_reduction", "levels": depth}
        if not found.r_squared[0] < 1.0:
            yield reduction | {"reason": "exact_forecast", "seed": None}
            return
        # 1 − RMSE of the ridge / RMSE of the best level alone, from the R² of both.
        def fall(r_squared: Vector) -> Vector:
            return np.asarray(1.0 - np.sqrt((1.0 - r_squared[..., -1]) / (1.0 - r_squared[..., 0])))

        ends = percentile_interval(fall(found.draws), family.significance)
        yield reduction | {
            "estimate": float(fall(found.r_squared)), "interval_low": float(ends[0]),
            "interval_high": float(ends[1])}


def _first(x: Vector, levels: int) -> Design:
    def design(step: Step) -> Vector:
        return x[step.both, :levels]

    return design
