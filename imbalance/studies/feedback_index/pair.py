"""Rows of the feedback index for one pair: the window, its regimes, half-hours, break and stress.

What is estimated is in `estimate.py`, `loop.py` and `stability.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.feedback_index.estimate import LoopEstimate, estimate_loop
from imbalance.studies.feedback_index.loop import FLOW, RETURN, Loop
from imbalance.studies.feedback_index.parts import calm_and_stressed, half_hours
from imbalance.studies.feedback_index.stability import difference, find_break
from imbalance.studies.feedback_index.study import FeedbackIndexFamily
from imbalance.studies.measures import BAR_NANOSECONDS
from imbalance.studies.prepared_series import SeriesPool
from imbalance.studies.rows import Row, Window, blank, share
from imbalance.studies.vector_autoregression import (
    CollinearError,
    TooFewBarsError,
    UnfitError,
    select_lag,
    target_rows,
)

Mask = NDArray[np.bool_]
Vector = NDArray[np.float64]


class PairStudy:
    """The loop between the flow of x and the return of y in one window.

    Parameters
    ----------
    panel, family, window : what is looked at, and how rows name it.
    pool : tells which series cannot be used.
    x, y : instruments.
    """

    def __init__(self, panel: Panel, family: FeedbackIndexFamily, window: Window,
                 pool: SeriesPool, x: str, y: str) -> None:
        panel = panel.of((x, y))
        self._panel, self._family, self._window, self._pool = panel, family, window, pool
        self._series = (panel.known_as((x, family.flow)), (y, family.returns))
        self._seconds = BAR_NANOSECONDS[window.bar_size] / 1e9
        self._there = panel.exists[x] | panel.exists[y]
        self._own = x == y
        self._lag = 0
        self._data: Vector = np.empty((0, 2))
        self._significance = family.significance

    def rows(self) -> Iterator[Row]:
        """All rows of the pair."""
        for series in self._series:
            reason = self._pool.get(series).reason
            if reason is not None:
                yield self._refused("loop_gain", reason)
                return
        self._data = np.column_stack([self._panel.columns[one] for one in self._series])
        try:
            self._lag = self._choose_lag()
            whole = self._fit(None)
            of_all = self._loop_row("loop_gain", whole)
        except UnfitError as error:
            yield self._refused("loop_gain", error.reason)
            return
        yield of_all
        if not self._own:
            yield from self._regime_rows(self._family.cross_regimes)
            return
        yield from self._regime_rows(self._family.regimes)
        yield from self._rolling_rows()
        yield self._break_row(whole)
        yield from self._stress_rows()

    def _choose_lag(self) -> int:
        """Order by BIC, up to the largest that leaves three rows per coefficient and variable."""
        enough = np.isfinite(self._data).all(axis=1).sum() >= self._family.minimum_bars
        for lag in range(self._family.maximum_lag, 0, -1):
            if enough and len(target_rows(self._data, lag)) >= 3 * (2 * lag + 3):
                return select_lag(self._data, lag).chosen("bic")
        raise TooFewBarsError("too few bars in common")

    def _fit(self, where: Mask | None) -> LoopEstimate:
        found = estimate_loop(self._data, self._lag, self._family.horizon, where)
        if where is not None and found.model.n < self._family.minimum_bars:
            raise TooFewBarsError(f"{found.model.n} bars")
        return found

    def _regime_rows(self, kinds: tuple[str, ...]) -> Iterator[Row]:
        for kind in kinds:
            for regime in self._panel.levels(kind):
                where = self._panel.regime(self._series[FLOW][0], regime)
                if where is None:
                    yield self._refused("loop_gain", "no_such_measure", regime=regime)
                else:
                    yield self._on("loop_gain", where, regime=regime)

    def _rolling_rows(self) -> Iterator[Row]:
        for part in half_hours(self._panel):
            if (self._there & part.where).any():
                yield self._on("rolling_loop_gain", part.where, part_from=part.begin,
                               part_to=part.end)

    def _break_row(self, whole: LoopEstimate) -> Row:
        found = find_break(whole.influence(), whole.model.targets) if whole.stable else None
        if found is None:
            return self._refused("break", "explosive" if not whole.stable else "constant_series")
        after = int(self._panel.starts[whole.model.targets[found.row]])
        return self._template("break", whole) | {
            "estimate": found.statistic, "p_value": found.p_value, "part_from": after}

    def _stress_rows(self) -> Iterator[Row]:
        y = self._series[RETURN][0]
        stress = self._panel.columns.get((y, self._family.stress_measure))
        if stress is None:
            yield self._refused("stress_difference", "no_such_measure")
            return
        masks = calm_and_stressed(half_hours(self._panel), stress, self._family.minimum_bars)
        if masks is None:
            yield self._refused("stress_difference", "too_few_parts")
            return
        found = []
        for regime, where in zip(("calm", "stressed"), masks, strict=True):
            row = self._on("loop_gain", where, regime=regime)
            yield row
            if row["reason"] is not None:
                yield self._refused("stress_difference", row["reason"])
                return
            found.append(self._fit(where))
        calm, stressed = found
        try:
            drawn = [one.replicate(self._family.replications, self._family.seed + number).gain
                     for number, one in enumerate(found)]
        except CollinearError as error:
            yield self._refused("stress_difference", error.reason)
            return
        told = difference(float(stressed.loop.gain), float(calm.loop.gain), drawn[1], drawn[0],
                          self._significance)
        row = self._template("stress_difference", stressed)
        row["n"] += calm.model.n
        yield row | {
            "estimate": told.estimate, "standard_error": told.standard_error,
            "interval_low": told.low, "interval_high": told.high, "p_value": told.p_value}

    def _on(self, estimator: str, where: Mask, **place: Any) -> Row:
        """The loop on some of the bars."""
        try:
            return self._loop_row(estimator, self._fit(where), where, **place)
        except UnfitError as error:
            return self._refused(estimator, error.reason, where, **place)

    def _loop_row(
        self, estimator: str, found: LoopEstimate, where: Mask | None = None, **place: Any
    ) -> Row:
        if not found.stable:
            return self._refused(estimator, "explosive", where, **place)
        drawn = found.replicate(self._family.replications, self._family.seed)
        out, back = found.flow_to_return_test(), found.return_to_flow_test()
        row = self._template(estimator, found, where) | place | {
            "estimate": float(found.loop.gain), "standard_error": float(drawn.gain.std(ddof=1)),
            "p_value": max(out, back), "flow_to_return_p_value": out,
            "return_to_flow_p_value": back,
        }
        row["interval_low"], row["interval_high"] = self._ends(drawn.gain)
        return row | self._beside(found, drawn, no_loop=row["p_value"] > self._significance)

    def _beside(self, found: LoopEstimate, drawn: Loop, *, no_loop: bool) -> Row:
        """The other figures of the loop, in the units of the series."""
        flow, returns = found.model.scale
        factors = {
            "flow_to_return": ("flow_to_return", returns / flow),
            "return_to_flow": ("return_to_flow", flow / returns),
            "half_life_seconds": ("half_life", np.nan if no_loop else self._seconds),
            "impact_bps": ("impact", returns),
            "flow_explained": ("flow_explained", 1.0),
            "return_explained": ("return_explained", 1.0),
        }
        row: Row = {
            "impact_seconds": float(found.loop.impact_time) * self._seconds,
            "flow_deviation": float(np.sqrt(found.model.sigma[FLOW, FLOW])),
        }
        for column, (name, factor) in factors.items():
            row[column] = float(getattr(found.loop, name)) * factor
            row[f"{column}_low"], row[f"{column}_high"] = self._ends(getattr(drawn, name) * factor)
        return row

    def _ends(self, draws: Vector) -> tuple[float, float]:
        """Percentiles; a replication beyond the horizon counts as longer than all others."""
        later = np.where(np.isnan(draws), np.inf, draws)
        half = self._significance / 2.0
        low = np.quantile(later, half, method="lower")
        return float(low), float(np.quantile(later, 1.0 - half, method="higher"))

    def _template(
        self, estimator: str, found: LoopEstimate | None, where: Mask | None = None
    ) -> Row:
        family = self._family
        there = int((self._there if where is None else self._there & where).sum())
        n = 0 if found is None else found.model.n
        settings: dict[str, Any] = {} if found is None else {
            "order": found.model.lag, "criterion": "bic", "maximum_lag": family.maximum_lag,
            "replications": family.replications, "block_length": found.sums.length,
            "hac": "Bartlett, bandwidth of Newey-West 1994", "level": 1.0 - family.significance,
        }
        (x, flow), (y, returns) = self._series
        return blank("feedback_index", family.name, self._window, settings) | {
            "estimator": estimator, "kind": "predictive", "horizon": family.horizon,
            "instrument_x": x, "measure_x": flow, "instrument_y": y, "measure_y": returns,
            "part_from": self._window.window_from, "part_to": self._window.window_to,
            "n": n, "n_left_out": max(there - n, 0), "coverage": share(n, max(there - n, 0)),
            "seed": None if found is None else family.seed,
        }

    def _refused(
        self, estimator: str, reason: str, where: Mask | None = None, **place: Any
    ) -> Row:
        return self._template(estimator, None, where) | place | {"reason": reason}
