"""Rows of `studies.cross_impact`: the four models of Cont, Cucuringu and Zhang 2023.

Own flow or the flows of all instruments, at the best level or integrated over levels; of the bar
itself, and of bars before it. All by LASSO, so that one model is nested in the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.alignment import Panel
from imbalance.studies.columns import ANY
from imbalance.studies.hypotheses import Hypothesis
from imbalance.studies.inference.forecasts import Accuracy, accuracy, clark_west, loss_blocks
from imbalance.studies.inference.model_race import race
from imbalance.studies.inference.resampling import percentile_interval
from imbalance.studies.pairs import richest, uncrossed
from imbalance.studies.price_impact.flows import Flows, level_weights
from imbalance.studies.price_impact.forecast import Design, Model, Trial, run
from imbalance.studies.price_impact.penalised import lasso
from imbalance.studies.price_impact.single import RETURN, alarm
from imbalance.studies.price_impact.study import PriceImpactFamily
from imbalance.studies.rows import Row, Window, blank, share
from imbalance.studies.walk_forward import Step, walk_forward

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

MEASURES = {"best": "order_flow_imbalance_depth_scaled",
            "integrated": "order_flow_imbalance_integrated"}
COMMON_SHARE = 0.8
"""Share of the bars of y in which another instrument must have a flow to be in its models."""


def cross_rows(
    panel: Panel, flows: Mapping[str, Flows], family: PriceImpactFamily, window: Window, y: str
) -> Iterator[Row]:
    """All rows of an instrument's return on one bar size, by the flows on its panel."""
    for horizon, lags in ((0, (0,)), (1, family.lags)):
        yield from _Writer(panel, family, window, flows, y, horizon, lags).rows()


def left_out_rows(
    panel: Panel, family: PriceImpactFamily, window: Window, crossed: Sequence[str]
) -> Iterator[Row]:
    """Refusals of the models of all, of the instruments that are not crossed."""
    for row in uncrossed(("cross",), panel.bars, crossed):
        yield blank("cross_impact", family.name, window, {}) | {
            "measure_y": RETURN, "kind": "contemporaneous", "n_windows": 0,
            "estimator": "r_squared_out", "model": "cross_best"} | row


@dataclass(frozen=True)
class _Data:
    """Complete rows of y and of its own flows and those of its peers, y first."""

    names: tuple[str, ...]
    deep: tuple[str, ...]
    """Those with flows by level, y first; none where y has none."""
    y: Vector
    starts: NDArray[np.int64]
    lags: tuple[int, ...]
    rows: NDArray[np.intp]
    """Slots of the rows: flows are looked up when a step asks for them, lag by lag."""
    flows: Mapping[str, Flows]

    def members(self, kind: str) -> tuple[str, ...]:
        """Whose flows are in the models of all."""
        return self.names if kind == "best" else self.deep

    def design(self, kind: str, members: int) -> Design:
        """Regressors of the first `members` names, their lags together."""
        def best(step: Step) -> Matrix:
            rows = self.rows[step.both]
            return np.column_stack([self.flows[name].best[rows - lag, 0]
                                    for name in self.names[:members] for lag in self.lags])

        def integrated(step: Step) -> Matrix | None:
            columns = []
            train, rows = self.rows[step.train], self.rows[step.both]
            for name in self.deep[:members]:
                levels = self.flows[name].levels
                # The nearest lag stands for all: the weights are of the flows, not of their place.
                weights = level_weights(levels[train - self.lags[0]])
                if weights is None:
                    return None
                columns += [levels[rows - lag] @ weights for lag in self.lags]
            return np.column_stack(columns)

        return best if kind == "best" else integrated


class _Writer:
    """Rows of one instrument's return at one horizon."""

    def __init__(self, panel: Panel, family: PriceImpactFamily, window: Window,
                 flows: Mapping[str, Flows], y: str, horizon: int, lags: tuple[int, ...]) -> None:
        self._panel, self._family, self._window = panel, family, window
        self._flows, self._y, self._horizon = flows, y, horizon
        self._lags = tuple(lag for lag in lags if lag < panel.slots)
        self._there = panel.bars[y]

    def rows(self) -> Iterator[Row]:
        change = self._panel.series(self._y, RETURN)
        if change is None or self._y not in self._flows or not self._lags:
            reason = "no_such_measure" if change is None else "all_null"
            yield self._refused(reason)
            return
        data = self._data(change)
        if len(data.y) < self._family.minimum_bars:
            yield self._refused("too_few_bars")
            return
        if not np.ptp(data.y) > 0.0:
            yield self._refused("constant_series")
            return
        trial = run(data.y, walk_forward(data.starts, self._family.minimum_bars),
                    self._models(data))
        if trial is None or len(trial.actual) < self._family.minimum_bars:
            yield self._refused("nothing_to_forecast")
            return
        yield from self._judged(data, trial)

    @property
    def _with_own_flow(self) -> Hypothesis:
        """What a model tests that has the instrument's own flow in it, whoever else's beside."""
        return "ahead" if self._horizon else "same_book"

    def _refused(self, reason: str) -> Row:
        return self._blank(0) | {"estimator": "r_squared_out", "model": "own_best",
                                 "reason": reason}

    def _blank(self, n: int, **parameters: object) -> Row:
        left_out = max(self._there - n, 0)
        return blank("cross_impact", self._family.name, self._window, parameters) | {
            "instrument_y": self._y, "measure_y": RETURN, "horizon": self._horizon,
            "kind": "predictive" if self._horizon else "contemporaneous", "n": n,
            "n_left_out": left_out, "coverage": share(n, left_out), "n_windows": 0,
        }  # fmt: skip

    def _peers(self, usable: NDArray[np.bool_]) -> list[str]:
        """Other instruments with a flow in most bars of y, those with the most first."""
        there = {name: int((np.isfinite(flow.best[:, 0]) & usable).sum())
                 for name, flow in self._flows.items() if name != self._y}
        least = COMMON_SHARE * usable.sum()
        close = {name: n for name, n in there.items() if n >= max(least, 1)}
        return list(richest(close, self._family.maximum_peers))

    def _data(self, change: Vector) -> _Data:
        own = self._flows[self._y]
        peers = self._peers(np.isfinite(change) & np.isfinite(own.best[:, 0]))
        names = (self._y, *peers)
        deep = tuple(name for name in names if own.levels.shape[1]
                     and self._flows[name].levels.shape[1])
        there = np.ones(len(change), dtype=np.bool_)
        for name in names:
            there &= np.isfinite(self._flows[name].best[:, 0])
        for name in deep:
            there &= np.isfinite(self._flows[name].levels).all(axis=1)
        complete = np.isfinite(change)
        for lag in self._lags:
            complete[:lag] = False
            complete[lag:] &= there[: len(there) - lag]
        rows = np.flatnonzero(complete)
        return _Data(names, deep, change[rows], self._panel.starts[rows], self._lags, rows,
                     self._flows)

    def _models(self, data: _Data) -> dict[str, Model]:
        fit = partial(lasso, folds=self._family.folds)
        models = {}
        for kind in MEASURES:
            everyone = len(data.members(kind))
            if everyone:
                models[f"own_{kind}"] = Model(data.design(kind, 1), fit)
            if everyone > 1:
                models[f"cross_{kind}"] = Model(data.design(kind, everyone), fit)
        return models

    def _judged(self, data: _Data, trial: Trial) -> Iterator[Row]:
        family = self._family
        errors = trial.errors()
        benchmark = trial.actual - trial.mean
        blocks = loss_blocks(errors**2, family.replications, family.seed)
        found = accuracy(errors**2, benchmark**2, blocks)
        low, high = percentile_interval(found.draws, family.significance)
        templates = {name: self._blank(
            len(trial.actual), instruments=list(data.members(name.split("_")[1])),
            lags=list(self._lags)) | {"n_windows": len(trial.weights)} | self._of(name)
            for name in trial.names}
        yield from self._without_levels(data)
        for place, name in enumerate(trial.names):
            row = templates[name]
            yield row | {"estimator": "r_squared_in", "estimate": trial.in_sample(name)}
            test = clark_west(benchmark, errors[:, place], trial.forecast(name) - trial.mean)
            yield row | {
                "estimator": "r_squared_out", "estimate": found.r_squared[place],
                "interval_low": low[place], "interval_high": high[place],
                "p_value": test.p_value, "seed": family.seed,
                "hypothesis": self._with_own_flow,
                "alarm": alarm(low[place], family) if self._horizon else None}
            if name.startswith("cross"):
                yield from self._coefficients(data, trial, name, row)
        yield from self._gains(trial, errors, found, templates)
        if len(trial.names) > 1:
            outcome = race(errors[:, :1] ** 2 - errors[:, 1:] ** 2, blocks,
                           significance=family.significance)
            first = 1 + int(np.argmax(found.r_squared[1:]))
            yield templates[trial.names[first]] | self._difference(found, first, 0) | {
                "estimator": "model_race", "p_value": outcome.consistent, "instrument_x": ANY,
                "measure_x": ANY, "hypothesis": self._with_own_flow}

    def _without_levels(self, data: _Data) -> Iterator[Row]:
        """Refusals of the integrated models that an instrument's feed does not allow."""
        missing = [] if data.deep else ["own_integrated"]
        if len(data.names) > 1 and len(data.deep) < 2:
            missing.append("cross_integrated")
        for name in missing:
            yield self._blank(0) | self._of(name) | {
                "estimator": "r_squared_out", "reason": "no_levels"}

    def _of(self, model: str) -> Row:
        whose, kind = model.split("_")
        return {"model": model, "measure_x": MEASURES[kind],
                "instrument_x": self._y if whose == "own" else ANY}

    def _difference(self, found: Accuracy, first: int, second: int) -> Row:
        ends = percentile_interval(found.draws[:, first] - found.draws[:, second],
                                   self._family.significance)
        return {"estimate": found.r_squared[first] - found.r_squared[second],
                "interval_low": float(ends[0]), "interval_high": float(ends[1]),
                "seed": self._family.seed}

    def _gains(
        self, trial: Trial, errors: Matrix, found: Accuracy, templates: dict[str, Row]
    ) -> Iterator[Row]:
        """What the flows of others add, by the test for nested models."""
        names = trial.names
        for kind in MEASURES:
            own, cross = f"own_{kind}", f"cross_{kind}"
            if cross not in names:
                continue
            a, b = names.index(own), names.index(cross)
            test = clark_west(errors[:, a], errors[:, b],
                              trial.forecast(own) - trial.forecast(cross))
            yield templates[cross] | self._difference(found, b, a) | {
                "estimator": "cross_gain", "p_value": test.p_value}

    def _coefficients(
        self, data: _Data, trial: Trial, name: str, template: Row
    ) -> Iterator[Row]:
        fits = np.array(trial.records[name].coefficients)
        members = data.members(name.split("_")[1])
        by_name = fits.reshape(len(fits), len(members), len(data.lags))
        for place, instrument in enumerate(members):
            of = by_name[:, place]
            yield template | {
                "instrument_x": instrument, "estimator": "coefficient",
                "estimate": float(np.average(of.sum(axis=1), weights=trial.weights)),
                "selected_share": float(np.any(of != 0.0, axis=1).mean())}
