"""The feedback study: from a panel to rows of the VAR, response and causality tables.

What is estimated is in the estimators' modules; here a system is taken through them, and what
comes out is written down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from imbalance.progress import SILENT, Progress
from imbalance.studies.alignment import Panel
from imbalance.studies.bootstrap import Band, Replications, replicate, response_bands
from imbalance.studies.covariance import free_share
from imbalance.studies.feedback.blocks import block_tests
from imbalance.studies.feedback.exogenous import with_exogenous
from imbalance.studies.feedback.study import FeedbackFamily
from imbalance.studies.feedback.systems import Refusal, System, fitted, systems
from imbalance.studies.granger_causality import Covariance, granger, instantaneous, tested
from imbalance.studies.prepared_series import SeriesPool
from imbalance.studies.residual_diagnostics import arch, normality, portmanteau
from imbalance.studies.rows import Row, Window, blank, share
from imbalance.studies.vector_autoregression import (
    CollinearError,
    UnfitError,
    VectorAutoregression,
)

DIAGNOSTICS = frozenset({"portmanteau", "normality", "arch", "exogenous"})
"""Tests of the fit and of what is taken out, not of the family's question: they get no q-value."""

_WALD: dict[str, Covariance] = {"f": "classical", "wald_hc": "hc3", "wald_hac": "hac"}
_ARCH_LARGEST = 4
"""The ARCH test of K variables has (K(K+1)/2)² coefficients a lag: left out for larger systems."""


@dataclass
class FeedbackRows:
    """Rows of the three tables, of one system."""

    vector_autoregression: list[Row] = field(default_factory=list)
    impulse_response: list[Row] = field(default_factory=list)
    granger_causality: list[Row] = field(default_factory=list)

    @classmethod
    def refused(cls, family: FeedbackFamily, window: Window, refusal: Refusal) -> FeedbackRows:
        """One row in each table."""
        return cls(*(
            [blank(study, family.name, window, {}) | _refused(refusal, estimator)]
            for study, estimator in (("vector_autoregression", "coefficient"),
                                     ("impulse_response", "orthogonal"),
                                     ("granger_causality", "f"))
        ))


def feed_back(
    panel: Panel, family: FeedbackFamily, window: Window, progress: Progress = SILENT
) -> Iterator[FeedbackRows]:
    """All rows of a family on one bar size, system by system.

    A system that cannot be studied is one row in each table with its reason. An unstable system
    keeps its coefficients and roots, and is refused in the other two tables.
    """
    pool = SeriesPool(panel, family.minimum_bars, ranked=False)
    for system in systems(panel, family, pool):
        if isinstance(system, Refusal):
            yield FeedbackRows.refused(family, window, system)
            continue
        system = with_exogenous(panel.of(system.instruments), system, family)
        progress.advance(note=f"feedback {window.bar_size} {system.model}")
        try:
            model, criteria = fitted(system, family)
        except UnfitError as error:
            yield FeedbackRows.refused(
                family, window, Refusal(system.model, "*", "*", error.reason, system.there))
            continue
        yield _Writer(family, window, system, model, criteria).rows()


def _refused(refusal: Refusal, estimator: str) -> Row:
    return {
        "model": refusal.model, "instrument_y": refusal.instrument, "measure_y": refusal.measure,
        "estimator": estimator, "reason": refusal.reason, "n_left_out": refusal.there,
        "coverage": share(0, refusal.there),
    }


class _Writer:
    """Rows of one fitted system."""

    def __init__(self, family: FeedbackFamily, window: Window, system: System,
                 model: VectorAutoregression, criteria: dict[str, Any]) -> None:
        self._family, self._window, self._system, self._model = family, window, system, model
        self._parameters = criteria | {"lag": model.lag, "order": [":".join(s) for s
                                                                    in system.series],
            "exogenous": [":".join(s) for s in system.exogenous_names],
            "exogenous_left_out": dict(system.exogenous_left_out)}
        left_out = max(system.there - model.n, 0)
        self._common: Row = {
            "model": system.model, "n": model.n, "n_left_out": left_out,
            "coverage": share(model.n, left_out),
        }

    def rows(self) -> FeedbackRows:
        """The fit; and, if it is stable, responses and tests."""
        found = FeedbackRows(vector_autoregression=list(self._fit_rows()))
        if self._model.root_moduli[0] >= 1.0:
            refused = self._refused("explosive")
            found.impulse_response += refused.impulse_response
            found.granger_causality += refused.granger_causality
            return found
        try:
            found.impulse_response += list(self._response_rows())
        except CollinearError:
            found.impulse_response += self._refused("collinear").impulse_response
        found.granger_causality += self._causality_rows()
        return found

    def _refused(self, reason: str) -> FeedbackRows:
        refusal = Refusal(self._system.model, "*", "*", reason, self._system.there)
        return FeedbackRows.refused(self._family, self._window, refusal)

    def _blank(self, study: str, **parameters: Any) -> Row:
        return blank(study, self._family.name, self._window,
                     self._parameters | parameters) | self._common

    def _pair(self, x: int | None, y: int | None) -> Row:
        row: Row = {}
        for side, number in (("x", x), ("y", y)):
            if number is not None:
                instrument, measure = self._system.series[number]
                row |= {f"instrument_{side}": instrument, f"measure_{side}": measure}
        return row

    def _fit_rows(self) -> Iterator[Row]:
        from scipy.special import ndtri

        model, k = self._model, self._model.variables
        template = self._blank("vector_autoregression", standard_error="HC3")
        errors = _robust_errors(model)
        quantile = ndtri(1.0 - self._family.significance / 2.0)
        for lag in range(1, model.lag + 1):
            for y in range(k):
                for x in range(k):
                    estimate = model.coefficients[lag - 1, y, x]
                    error = errors[1 + (lag - 1) * k + x, y] * model.scale[y] / model.scale[x]
                    yield template | self._pair(x, y) | {
                        "estimator": "coefficient", "lag": lag, "kind": "predictive",
                        "estimate": estimate, "standard_error": error,
                        "interval_low": estimate - quantile * error,
                        "interval_high": estimate + quantile * error,
                        "p_value": _p_value(estimate, error),
                    }
        yield from self._exogenous_rows(template, errors, quantile)
        for y in range(k):
            yield template | self._pair(None, y) | {
                "estimator": "intercept", "estimate": model.intercept[y]}
            yield template | self._pair(None, y) | {
                "estimator": "r_squared", "estimate": model.r_squared[y]}
            for x in range(y + 1):
                yield template | self._pair(x, y) | {
                    "estimator": "residual_covariance", "kind": "contemporaneous",
                    "estimate": model.sigma[y, x]}
        for number, root in enumerate(model.root_moduli, start=1):
            yield template | {"estimator": "root_modulus", "lag": number, "estimate": root}
        yield template | {"estimator": "lag_order", "estimate": float(model.lag)}
        yield template | {"estimator": "log_likelihood", "estimate": model.log_likelihood}
        yield from self._diagnostic_rows(template)

    def _exogenous_rows(self, template: Row, errors: Any, quantile: float) -> Iterator[Row]:
        """Change of y with one standard deviation of what is exogenous."""
        model, names = self._model, self._system.exogenous_names
        first = len(model.beta) - len(names)
        for number, (instrument, measure) in enumerate(names, start=first):
            for y in range(model.variables):
                estimate = model.beta[number, y] * model.scale[y]
                error = errors[number, y] * model.scale[y]
                yield template | self._pair(None, y) | {
                    "instrument_x": instrument, "measure_x": measure, "estimator": "exogenous",
                    "estimate": estimate, "standard_error": error,
                    "interval_low": estimate - quantile * error,
                    "interval_high": estimate + quantile * error,
                    "p_value": _p_value(estimate, error)}

    def _diagnostic_rows(self, template: Row) -> Iterator[Row]:
        lags = max(16, 2 * self._model.lag)
        tests = {"portmanteau": partial(portmanteau, self._model, lags),
                 "normality": partial(normality, self._model)}
        if self._model.variables <= _ARCH_LARGEST:
            tests["arch"] = partial(arch, self._model, 5)
        for name, test in tests.items():
            yield template | {"estimator": name} | tested(test)

    def _response_rows(self) -> Iterator[Row]:
        family, model = self._family, self._model
        drawn = replicate(model, family.replications, family.seed)
        bands = response_bands(model, drawn, family.horizon, family.significance)
        template = self._blank("impulse_response", **_bootstrap_settings(family, drawn))
        template["seed"] = family.seed
        for name, band in bands.items():
            # Shares are of forecasts 1, 2, … bars ahead; responses start in the bar itself.
            offset = 1 if name.endswith("variance_share") else 0
            yield from self._band_rows(template | {"estimator": name}, band, offset)

    def _band_rows(self, template: Row, band: Band, offset: int) -> Iterator[Row]:
        columns = {
            "estimate": band.estimate, "standard_error": band.standard_error,
            "interval_low": band.low, "interval_high": band.high,
            "joint_low": band.joint_low, "joint_high": band.joint_high,
        }
        for y in range(self._model.variables):
            for x in range(self._model.variables):
                pair = template | self._pair(x, y)
                for step in range(len(band.estimate)):
                    kind = "contemporaneous" if step + offset == 0 else "predictive"
                    yield pair | {"horizon": step + offset, "kind": kind} | {
                        name: values[step, y, x] for name, values in columns.items()}

    def _causality_rows(self) -> Iterator[Row]:
        model = self._model
        template = self._blank("granger_causality", hac="Bartlett, bandwidth of Newey-West 1994",
                               hc="HC3")
        for y in range(model.variables):
            for x in range(model.variables):
                if x == y:
                    continue
                pair = template | self._pair(x, y)
                for name, covariance in _WALD.items():
                    test = partial(granger, model, [x], [y], covariance)
                    yield pair | {"estimator": name, "kind": "predictive", "lag": model.lag} | (
                        tested(test))
                if x < y:
                    for name, robust in (("instantaneous", False), ("instantaneous_hc", True)):
                        test = partial(instantaneous, model, [x], [y], robust=robust)
                        yield pair | {"estimator": name, "kind": "contemporaneous"} | tested(test)
        for block in block_tests(self._system.series, model):
            kind = "contemporaneous" if block.contemporaneous else "predictive"
            yield template | {
                "instrument_x": block.cause.instrument, "measure_x": block.cause.measure,
                "instrument_y": block.effect.instrument, "measure_y": block.effect.measure,
                "estimator": block.estimator, "kind": kind,
                "lag": 0 if block.contemporaneous else model.lag,
            } | tested(block.test)


def _p_value(estimate: float, error: float) -> float:
    """Two-sided, by the normal distribution; nan where nothing is known of the error."""
    from scipy.special import ndtr

    return float(2.0 * ndtr(-abs(estimate) / error)) if error > 0.0 else float("nan")


def _robust_errors(model: VectorAutoregression) -> Any:
    """HC3 standard errors of all coefficients, (Kp+1) × K, standardised."""
    projected = model.design @ model.gram_inverse
    scaled = model.residuals / free_share(model.design, model.gram_inverse)[:, None]
    return np.sqrt((projected**2).T @ scaled**2)


def _bootstrap_settings(family: FeedbackFamily, drawn: Replications) -> dict[str, Any]:
    return {
        "bands": "moving-block bootstrap of residuals, fixed design, wrapped; Pope bias correction",
        "block_length": drawn.block_length,
        "replications": family.replications,
        "level": 1.0 - family.significance,
    }

