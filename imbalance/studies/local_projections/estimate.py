"""From a panel to rows: each system by vector autoregression and by projections, side by side.

Estimators are in `project.py` and in the modules of the vector autoregression.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.progress import SILENT, Progress
from imbalance.studies.alignment import Panel
from imbalance.studies.bootstrap import (
    Band,
    bias_corrected,
    reduced_form_bands,
    replicate,
    replicate_wild,
    response_bands,
)
from imbalance.studies.feedback.systems import Refusal, System, fitted, systems
from imbalance.studies.impulse_response import moving_average, permanent
from imbalance.studies.local_projections.project import (
    Errors,
    Projection,
    cumulative_errors,
    disagreement,
    project,
    standard_errors,
)
from imbalance.studies.local_projections.study import LocalProjectionFamily
from imbalance.studies.measures import LEVELS
from imbalance.studies.orderings import LARGEST, response_range
from imbalance.studies.prepared_series import SeriesPool
from imbalance.studies.rows import Row, Window, blank, share
from imbalance.studies.vector_autoregression import (
    TooFewBarsError,
    UnfitError,
    VectorAutoregression,
)

Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ERRORS = {
    "hac": "Bartlett, bandwidth of Newey-West 1994, at least the horizon",
    "lag_augmented": "HC3, one lag more",
}


def project_all(
    panel: Panel, family: LocalProjectionFamily, window: Window, progress: Progress = SILENT
) -> Iterator[Row]:
    """All rows of a family on one bar size."""
    pool = SeriesPool(panel, family.minimum_bars, ranked=False)
    for system in systems(panel, family, pool):
        if isinstance(system, Refusal):
            yield refused(family, window, system)
            continue
        progress.advance(note=f"local projections {window.bar_size} {system.model}")
        try:
            model, criteria = fitted(system, family)
            if model.root_moduli[0] >= 1.0:
                yield refused(family, window, _of_system(system, "explosive"))
                continue
            writer = _Writer(panel.of(system.instruments), family, window, system, model, criteria)
            rows = list(writer.rows())
        except UnfitError as error:
            yield refused(family, window, _of_system(system, error.reason))
            continue
        yield from rows


def refused(family: LocalProjectionFamily, window: Window, refusal: Refusal) -> Row:
    """A row that says why there is no estimate."""
    return blank("local_projection", family.name, window, {}) | {
        "model": refusal.model, "instrument_y": refusal.instrument, "measure_y": refusal.measure,
        "estimator": "lag_augmented", "reason": refusal.reason, "n_left_out": refusal.there,
        "coverage": share(0, refusal.there),
    }


def _of_system(system: System, reason: str) -> Refusal:
    return Refusal(system.model, "*", "*", reason, system.there)


class _Writer:
    """Rows of one fitted system."""

    def __init__(self, panel: Panel, family: LocalProjectionFamily, window: Window, system: System,
                 model: VectorAutoregression, criteria: dict[str, Any]) -> None:
        from scipy.special import ndtri

        self._panel, self._family, self._window = panel, family, window
        self._system, self._model = system, model
        self._parameters = criteria | {
            "order": [":".join(one) for one in system.series], "level": 1.0 - family.significance}
        self._quantile = float(ndtri(1.0 - family.significance / 2.0))
        self._impulses: Matrix = _factor(model.sigma)
        """K × K: a column is a shock of one standard deviation, held for all estimators."""

    def rows(self) -> Iterator[Row]:
        yield from self._system_rows()
        plain = self._projections(self._model.lag - 1)
        augmented = self._projections(self._model.lag)
        yield from self._projection_rows("local_projection", plain)
        yield from self._projection_rows("lag_augmented", augmented)
        yield from self._cumulative_rows(plain)
        yield from self._disagreement_rows(augmented)
        for regime in self._family.regimes:
            yield from self._regime_rows(regime)

    def _projections(self, lag: int, where: Mask | None = None) -> list[Projection]:
        """Horizons 1 … H; every one must leave twice as many bars as coefficients."""
        data, horizon = self._system.data, self._family.horizon
        found = [project(data, lag, h, where) for h in range(1, horizon + 1)]
        least = max(self._family.minimum_bars, 2 * (1 + data.shape[1] * (lag + 1)))
        if len(found[-1].rows) < least:
            raise TooFewBarsError(f"{len(found[-1].rows)} bars, {least} wanted")
        return found

    def _blank(self, n: int, **parameters: Any) -> Row:
        return blank("local_projection", self._family.name, self._window,
                     self._parameters | parameters) | {
            "model": self._system.model, "lag": self._model.lag} | self._counts(n)

    def _counts(self, n: int) -> Row:
        left_out = max(self._system.there - n, 0)
        return {"n": n, "n_left_out": left_out, "coverage": share(n, left_out)}

    def _pair(self, x: int, y: int, horizon: int) -> Row:
        (instrument_x, measure_x), (instrument_y, measure_y) = (
            self._system.series[x], self._system.series[y])
        return {
            "instrument_x": instrument_x, "measure_x": measure_x, "instrument_y": instrument_y,
            "measure_y": measure_y, "horizon": horizon,
            "kind": "contemporaneous" if horizon == 0 else "predictive",
        }

    def _pairs(self) -> Iterator[tuple[int, int]]:
        k = self._model.variables
        return ((x, y) for x in range(k) for y in range(k))

    def _normal(self, estimate: float, error: float) -> Row:
        from scipy.special import ndtr

        return {
            "estimate": estimate, "standard_error": error,
            "interval_low": estimate - self._quantile * error,
            "interval_high": estimate + self._quantile * error,
            "p_value": 2.0 * ndtr(-abs(estimate) / error),
        }

    def _system_rows(self) -> Iterator[Row]:
        """What the vector autoregression says: orthogonal, reduced-form, permanent."""
        family, model = self._family, self._model
        span = None
        if model.variables <= LARGEST:
            span = response_range(moving_average(model.coefficients, family.horizon), model.sigma)
        drawn = replicate(model, family.replications, family.seed)
        for estimator, draws in (
            ("vector_autoregression", drawn),
            ("vector_autoregression_iid",
             replicate(model, family.replications, family.seed, "iid")),
        ):
            found = response_bands(model, draws, family.horizon, family.significance)
            template = self._blank(model.n, bands="residual bootstrap", replications=family.
                                   replications, block_length=draws.block_length)
            template |= {"estimator": estimator, "seed": family.seed}
            yield from self._band_rows(template, found["orthogonal"], span)
        wild = reduced_form_bands(
            model, replicate_wild(model, family.replications, family.seed), family.horizon,
            family.significance)
        template = self._blank(model.n, bands="block-wild bootstrap", replications=family.
                               replications, shock="one unit")
        template["seed"] = family.seed
        yield from self._band_rows(template | {"estimator": "reduced_form"}, wild, None)
        yield from self._permanent_rows(bias_corrected(model, drawn), drawn.sigma)

    def _band_rows(
        self, template: Row, band: Band, span: tuple[Matrix, Matrix] | None
    ) -> Iterator[Row]:
        columns = {
            "estimate": band.estimate, "standard_error": band.standard_error,
            "interval_low": band.low, "interval_high": band.high,
            "joint_low": band.joint_low, "joint_high": band.joint_high,
        }
        if span is not None:
            columns |= {"lowest_order": span[0], "highest_order": span[1]}
        for x, y in self._pairs():
            for h in range(len(band.estimate)):
                yield template | self._pair(x, y, h) | {
                    name: values[h, y, x] for name, values in columns.items()}

    def _permanent_rows(self, lagged: Matrix, sigma: Matrix) -> Iterator[Row]:
        family, model = self._family, self._model
        scale = model.scale[:, None]
        point = permanent(model.lagged, _factor(model.standardised_sigma)) * scale
        draws = permanent(lagged, _factor(sigma)) * scale
        tail = family.significance / 2.0
        low, high = np.quantile(draws, [tail, 1.0 - tail], axis=0)
        error = draws.std(axis=0, ddof=1)
        template = self._blank(model.n, bands="moving-block bootstrap",
                               replications=family.replications)
        template |= {"estimator": "permanent", "seed": family.seed}
        for x, y in self._pairs():
            yield template | self._pair(x, y, family.horizon) | {
                "estimate": point[y, x], "standard_error": error[y, x],
                "interval_low": low[y, x], "interval_high": high[y, x]}

    def _projection_rows(
        self, estimator: str, projections: list[Projection], regime: str = "all"
    ) -> Iterator[Row]:
        kind: Errors = "hac" if estimator == "local_projection" else "lag_augmented"
        template = self._blank(len(projections[-1].rows), errors=_ERRORS[kind])
        template |= {"estimator": estimator, "regime": regime}
        for projection in projections:
            for x in range(self._model.variables):
                impulse = self._impulses[:, x]
                found = projection.coefficients @ impulse
                errors = standard_errors(projection, impulse, kind)
                for y in range(self._model.variables):
                    yield template | self._pair(x, y, projection.horizon) | self._normal(
                        found[y], errors[y]) | self._counts(len(projection.rows))

    def _cumulative_rows(self, projections: list[Projection]) -> Iterator[Row]:
        """Running sums from the bar of the shock on: for returns, how far the price has moved."""
        template = self._blank(len(projections[-1].rows), errors=_ERRORS["hac"])
        template["estimator"] = "cumulative"
        for x in range(self._model.variables):
            impulse = self._impulses[:, x]
            total = impulse + np.cumsum([one.coefficients @ impulse for one in projections], axis=0)
            errors = cumulative_errors(projections, impulse)
            for h in range(len(projections)):
                for y in range(self._model.variables):
                    yield template | self._pair(x, y, h + 1) | self._normal(
                        total[h, y], errors[h, y])

    def _disagreement_rows(self, projections: list[Projection]) -> Iterator[Row]:
        template = self._blank(len(projections[-1].rows), of="vector autoregression less "
                               "lag-augmented projection")
        for x, y in self._pairs():
            found = disagreement(self._model, projections, self._impulses[:, x], y,
                                 self._family.seed)
            for h in range(len(projections)):
                yield template | self._pair(x, y, h + 1) | self._normal(
                    found.difference[h], found.standard_error[h]) | {"estimator": "difference"}
            yield template | self._pair(x, y, len(projections)) | {
                "estimator": "disagreement", "estimate": found.statistic,
                "p_value": found.p_value, "seed": self._family.seed}

    def _regime_rows(self, kind: str) -> Iterator[Row]:
        """Lag-augmented projections from bars of a regime, and high less low."""
        instrument = self._system.series[0][0]
        found: dict[str, list[Projection]] = {}
        for level in LEVELS:
            name = f"{kind}_{level}"
            where = self._panel.regime(instrument, name)
            reason = "no_such_measure" if where is None else None
            try:
                if where is not None:
                    found[level] = self._projections(self._model.lag, where)
            except UnfitError as error:
                reason = error.reason
            if reason is not None:
                refusal = _of_system(self._system, reason)
                yield refused(self._family, self._window, refusal) | {"regime": name}
                continue
            yield from self._projection_rows("lag_augmented", found[level], name)
        if {"low", "high"} <= found.keys():
            yield from self._difference_rows(kind, found["low"], found["high"])

    def _difference_rows(
        self, kind: str, low: list[Projection], high: list[Projection]
    ) -> Iterator[Row]:
        template = self._blank(min(len(low[-1].rows), len(high[-1].rows)), of="high less low")
        template |= {"estimator": "regime_difference", "regime": f"{kind}_high"}
        for thin, deep in zip(low, high, strict=True):
            for x in range(self._model.variables):
                impulse = self._impulses[:, x]
                change = (deep.coefficients - thin.coefficients) @ impulse
                error = np.hypot(standard_errors(thin, impulse, "lag_augmented"),
                                 standard_errors(deep, impulse, "lag_augmented"))
                for y in range(self._model.variables):
                    yield template | self._pair(x, y, deep.horizon) | self._normal(
                        change[y], error[y])


def _factor(sigma: Matrix) -> Matrix:
    """Cholesky factors: a column is an orthogonal shock of one standard deviation."""
    return np.asarray(np.linalg.cholesky(sigma), dtype=np.float64)
