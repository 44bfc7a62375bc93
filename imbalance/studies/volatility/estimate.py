"""From a panel to rows: every pair by local projection and by forecasts, in both directions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.columns import ANY
from imbalance.studies.inference.forecasts import accuracy, clark_west, loss_blocks
from imbalance.studies.inference.model_race import race
from imbalance.studies.inference.resampling import percentile_interval
from imbalance.studies.local_projections.project import Projection, project, standard_errors
from imbalance.studies.measures import FLOW
from imbalance.studies.pairs import instrument_pairs
from imbalance.studies.price_impact.flows import flow_at_best
from imbalance.studies.rows import Row, Window, blank, share
from imbalance.studies.vector_autoregression import TooFewBarsError, UnfitError
from imbalance.studies.volatility.heterogeneous import (
    BARS_PER_COEFFICIENT,
    TEST_BARS_PER_COEFFICIENT,
    OutOfSample,
    ahead,
    in_sample,
    out_of_sample,
    stands_still,
    terms,
)
from imbalance.studies.volatility.study import VolatilityFamily
from imbalance.studies.walk_forward import walk_forward

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

VOLATILITY = "realised_volatility"
COMMON_SHARE = 0.8
"""Share of the bars of the fullest candidate that another must have to be in the race."""


def rows_of(panel: Panel, family: VolatilityFamily, window: Window) -> Iterator[Row]:
    """All rows of a family on one bar size."""
    pairs = _pairs(panel, family)
    if not pairs:
        yield _blank(family, window, ANY, ANY) | {
            "estimator": "local_projection", "kind": "predictive", "reason": "no_pair"}
    raced: dict[tuple[str, int], list[tuple[str, OutOfSample]]] = {}
    for x, y in pairs:
        writer = _Writer(panel, family, window, x, y)
        yield from writer.rows()
        for horizon, forecasts in writer.forecasts.items():
            raced.setdefault((y, horizon), []).append((x, forecasts))
    for (y, horizon), candidates in raced.items():
        yield from _race(panel, family, window, y, horizon, candidates)


def _pairs(panel: Panel, family: VolatilityFamily) -> list[tuple[str, str]]:
    found = instrument_pairs(family.relations, panel.instruments, ())
    if "spot_to_perpetual" in family.relations:
        between = instrument_pairs(("perpetual_to_spot",), panel.instruments, ())
        found = [*found, *((spot, perpetual) for perpetual, spot in between)]
    return sorted(set(found))


def _blank(family: VolatilityFamily, window: Window, x: str, y: str) -> Row:
    return blank("volatility", family.name, window, {"components": list(family.components),
                                                     "lags": family.lags}) | {
        "instrument_x": x, "instrument_y": y, "kind": "predictive", "n_windows": 0}


class _Writer:
    """Rows of one pair: imbalance of x, volatility of y."""

    def __init__(self, panel: Panel, family: VolatilityFamily, window: Window, x: str,
                 y: str) -> None:
        from scipy.special import ndtri

        panel = panel.of((x, y))
        self._panel, self._family, self._window, self._x, self._y = panel, family, window, x, y
        self._there = int((panel.exists[x] & panel.exists[y]).sum())
        self._quantile = float(ndtri(1.0 - family.significance / 2.0))
        self._measure = FLOW
        self.forecasts: dict[int, OutOfSample] = {}
        """By horizon, for the race; their rows are starts of bars, by which pairs are matched."""

    def rows(self) -> Iterator[Row]:
        flow, volatility, reason = self._series()
        if reason is not None:
            yield self._row("local_projection", 0, 1) | {"reason": reason}
            return
        yield from self._unknown_regimes()
        yield from self._responses(np.column_stack([flow, volatility]))
        for horizon in self._family.horizons:
            yield from self._forecast(flow, volatility, horizon)

    def _series(self) -> tuple[Vector, Vector, str | None]:
        """Size of the imbalance of x and volatility of y, or why there is none."""
        nothing = np.full(self._panel.slots, np.nan)
        variance = self._panel.series(self._y, "realised_variance")
        found = flow_at_best(self._panel, self._x)
        if variance is None:
            return nothing, nothing, "no_such_measure"
        if found is None or not np.isfinite(variance).any():
            return nothing, nothing, "all_null"
        self._measure, flow = found[0], np.abs(found[1])
        volatility = np.sqrt(variance)
        both = np.isfinite(flow) & np.isfinite(volatility)
        if both.sum() < self._family.minimum_bars:
            return nothing, nothing, "no_common_bars"
        if not (np.ptp(flow[both]) > 0.0 and np.ptp(volatility[both]) > 0.0):
            return nothing, nothing, "constant_series"
        return flow, volatility, None

    def _row(self, estimator: str, n: int, horizon: int, *, back: bool = False) -> Row:
        """A row of this pair; `back` for what volatility of y says of the imbalance of x."""
        row = _blank(self._family, self._window, self._x, self._y)
        sides = {"measure_x": f"absolute({self._measure})", "measure_y": VOLATILITY}
        if back:
            sides = {"instrument_x": self._y, "measure_x": VOLATILITY, "instrument_y": self._x,
                     "measure_y": f"absolute({self._measure})"}
        left_out = max(self._there - n, 0)
        return row | sides | {"estimator": estimator, "horizon": horizon, "n": n,
                              "n_left_out": left_out, "coverage": share(n, left_out)}

    def _normal(self, row: Row, value: float, error: float) -> Row:
        from scipy.special import ndtr

        return row | {
            "estimate": value, "standard_error": error,
            "interval_low": value - self._quantile * error,
            "interval_high": value + self._quantile * error,
            "p_value": 2.0 * ndtr(-abs(value) / error) if error > 0.0 else None,
        }

    def _regimes(self) -> Iterator[tuple[str, Mask | None]]:
        yield "all", None
        for name in self._family.regimes:
            for level in self._panel.levels(name):
                mask = self._panel.regime(self._x, level)
                if mask is not None:
                    yield level, mask

    def _unknown_regimes(self) -> Iterator[Row]:
        for name in self._family.regimes:
            for level in self._panel.levels(name):
                if self._panel.regime(self._x, level) is None:
                    yield self._row("local_projection", 0, 1) | {
                        "regime": level, "reason": "no_such_measure"}

    def _responses(self, data: Vector) -> Iterator[Row]:
        """Both directions at every horizon, over all bars and by the regime of x's book."""
        scale = np.nanstd(data, axis=0)
        for horizon in self._family.response_horizons:
            by_regime: dict[tuple[str, bool], tuple[float, float, int]] = {}
            shock: Vector | None = None
            for regime, where in self._regimes():
                try:
                    found = _projected(data / scale, self._family.lags, horizon, where)
                except UnfitError as error:
                    yield self._row("local_projection", 0, horizon) | {
                        "regime": regime, "reason": error.reason}
                    continue
                # One size of shock for all regimes, so that they can be compared.
                shock = found.shock.std(axis=0) if shock is None else shock
                for cause, effect in ((0, 1), (1, 0)):
                    impulse = np.zeros(2)
                    impulse[cause] = shock[cause]
                    value = float((found.coefficients @ impulse)[effect] * scale[effect])
                    spread = float(standard_errors(found, impulse, "hac")[effect] * scale[effect])
                    row = self._row("local_projection", len(found.rows), horizon, back=cause == 1)
                    by_regime[regime, cause == 1] = (value, spread, len(found.rows))
                    yield self._normal(row, value, spread) | {"regime": regime}
            yield from self._differences(by_regime, horizon)

    def _differences(
        self, found: dict[tuple[str, bool], tuple[float, float, int]], horizon: int
    ) -> Iterator[Row]:
        """High less low: of different bars, so that the variances add."""
        for (regime, back), (high, error, n) in found.items():
            low = found.get((f"{regime.removesuffix('_high')}_low", back))
            if not regime.endswith("_high") or low is None:
                continue
            row = self._row("regime_difference", n + low[2], horizon, back=back)
            yield self._normal(row, high - low[0], float(np.hypot(error, low[1]))) | {
                "regime": regime}

    def _forecast(self, flow: Vector, volatility: Vector, horizon: int) -> Iterator[Row]:
        family = self._family
        past, extra = (terms(one, family.components) for one in (volatility, flow))
        target = ahead(volatility, horizon)
        complete = np.isfinite(np.column_stack([past, extra, target])).all(axis=1)
        for regime, where in self._regimes():
            rows = np.flatnonzero(complete if where is None else complete & where)
            row = self._row("partial_r_squared", len(rows), horizon) | {"regime": regime}
            if len(rows) < max(family.minimum_bars, TEST_BARS_PER_COEFFICIENT * horizon * (
                    1 + 2 * len(family.components))):
                yield row | {"n": 0, "reason": "too_few_bars"}
                continue
            if stands_still(past[rows], extra[rows], target[rows]):
                yield row | {"n": 0, "reason": "constant_series"}
                continue
            found = in_sample(past[rows], extra[rows], target[rows], horizon)
            if found is None:
                yield row | {"n": 0, "reason": "collinear"}
                continue
            yield row | {"estimate": found.partial, "p_value": found.p_value}
            yield row | {"estimator": "r_squared_in", "estimate": found.large}
        rows = np.flatnonzero(complete)
        ends = self._panel.starts[np.minimum(rows + horizon, self._panel.slots - 1)]
        trial = out_of_sample(past[rows], extra[rows], target[rows],
                              walk_forward(ends, family.minimum_bars), horizon)
        if trial is None or len(trial.actual) < family.minimum_bars:
            yield self._row("r_squared_out", 0, horizon) | {"reason": "nothing_to_forecast"}
            return
        if not np.ptp(trial.actual - trial.mean) > 0.0:
            yield self._row("r_squared_out", 0, horizon) | {"reason": "constant_series"}
            return
        self.forecasts[horizon] = replace(trial, rows=self._panel.starts[rows[trial.rows]])
        yield from self._judged(trial, horizon)

    def _judged(self, trial: OutOfSample, horizon: int) -> Iterator[Row]:
        family = self._family
        small, large = trial.actual - trial.small, trial.actual - trial.large
        losses = np.column_stack([small, large]) ** 2
        blocks = loss_blocks(losses, family.replications, family.seed, "moving")
        found = accuracy(losses, (trial.actual - trial.mean) ** 2, blocks)
        test = clark_west(small, large, trial.small - trial.large, overlap=horizon)
        template = {"n_windows": trial.steps, "seed": family.seed}
        for estimator, value, draws in (
            ("r_squared_out", found.r_squared[1], found.draws[:, 1]),
            ("gain", found.r_squared[1] - found.r_squared[0],
             found.draws[:, 1] - found.draws[:, 0]),
        ):
            low, high = percentile_interval(draws, family.significance)
            yield self._row(estimator, len(trial.actual), horizon) | template | {
                "estimate": value, "interval_low": float(low), "interval_high": float(high),
                "p_value": test.p_value if estimator == "gain" else None}


def _projected(data: Vector, lags: int, horizon: int, where: Mask | None) -> Projection:
    found = project(data, lags, horizon, where)
    if len(found.rows) < BARS_PER_COEFFICIENT * (1 + data.shape[1] * (lags + 1)):
        raise TooFewBarsError(f"{len(found.rows)} bars")
    return found


def _race(
    panel: Panel, family: VolatilityFamily, window: Window, y: str, horizon: int,
    candidates: list[tuple[str, OutOfSample]],
) -> Iterator[Row]:
    """Whether the best of all imbalances beats past volatility, after looking at all of them."""
    if len(candidates) < 2:
        return
    there = panel.bars[y]
    row = _blank(family, window, ANY, y) | {
        "measure_x": ANY, "measure_y": VOLATILITY, "estimator": "model_race", "horizon": horizon}
    names, rows = _in_common(candidates)
    if len(names) < 2 or len(rows) < family.minimum_bars:
        yield row | {"n_left_out": there, "coverage": share(0, there), "reason": "no_common_bars"}
        return
    found = [_judged_on(one, rows) for x, one in candidates if x in names]
    small = np.column_stack([np.square(one.actual - one.small) for one in found])
    losses = np.column_stack([np.square(one.actual - one.large) for one in found])
    blocks = loss_blocks(losses, family.replications, family.seed)
    outcome = race(small - losses, blocks, significance=family.significance)
    best = int(np.argmax((small - losses).mean(axis=0)))
    benchmark = float(np.square(found[best].actual - found[best].mean).mean())
    left_out = max(there - len(rows), 0)
    yield row | {
        "instrument_x": names[best],
        "estimate": float((small - losses)[:, best].mean() / benchmark),
        "p_value": outcome.consistent, "n": len(rows), "n_left_out": left_out,
        "coverage": share(len(rows), left_out), "seed": family.seed,
        "n_windows": found[best].steps,
    }


def _in_common(candidates: list[tuple[str, OutOfSample]]) -> tuple[list[str], NDArray[np.int64]]:
    """Candidates that share most bars of the one with the most, and the bars that all have."""
    fullest = max((one.rows for _, one in candidates), key=len)
    names, rows = [], fullest
    for x, one in candidates:
        if len(np.intersect1d(fullest, one.rows)) >= COMMON_SHARE * len(fullest):
            names.append(x)
            rows = np.intersect1d(rows, one.rows)
    return names, rows


def _judged_on(one: OutOfSample, rows: NDArray[np.int64]) -> OutOfSample:
    at = np.searchsorted(one.rows, rows)
    return OutOfSample(rows, one.actual[at], one.mean[at], one.small[at], one.large[at], one.steps)
