"""Rows of the Hawkes study for one system: the fits that the family declares, and what they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.hawkes.book_events import BookEvents
from imbalance.studies.hawkes.estimate import (
    HawkesFit,
    NotConvergedError,
    expect_and_maximise,
    maximise,
)
from imbalance.studies.hawkes.process import Events, Hawkes, knots_over
from imbalance.studies.hawkes.reading import as_process, thinned, within
from imbalance.studies.hawkes.residuals import goodness_of_fit, residuals
from imbalance.studies.hawkes.study import Baseline, HawkesFamily, Kernel
from imbalance.studies.rows import Row, Window, blank, share

Integers = NDArray[np.int64]
Vector = NDArray[np.float64]

MOST_STEPS = 500
"""Steps of expectation and maximisation, where the quicker search has given up."""

DIAGNOSTICS = frozenset({"residual_distance", "residual_dependence"})
"""Tests of the fit, which are not tests of the family's question."""


@dataclass(frozen=True)
class Kind:
    """A kind of event of an instrument."""

    instrument: str
    name: str


@dataclass(frozen=True)
class System:
    """Events that may call forth each other."""

    model: str
    kinds: tuple[Kind, ...]
    events: BookEvents
    stretches: Integers

    @classmethod
    def empty(cls, model: str, kinds: tuple[Kind, ...]) -> System:
        """A system without events."""
        none = np.empty(0, dtype=np.int64)
        return cls(model, kinds, BookEvents(none, none, none, none), none.reshape(0, 2))


class SystemRows:
    """All rows of a system.

    Parameters
    ----------
    system, family, window : what is looked at, and how rows name it.
    """

    def __init__(self, system: System, family: HawkesFamily, window: Window) -> None:
        self._system, self._family, self._window = system, family, window
        self._stretches = thinned(system.stretches, system.events.stamps, family.most_events)
        inside = within(system.events.stamps, self._stretches)
        self._n, self._there = int(inside.sum()), len(system.events.stamps)

    def rows(self) -> Iterator[Row]:
        """Every baseline with every kernel; and what the time stamps have to do with it."""
        if self._n < self._family.minimum_events:
            yield self._refused("no_events" if self._n == 0 else "too_few_events")
            return
        events = self._events(self._family.seed)
        fits: dict[tuple[Baseline, Kernel], HawkesFit] = {}
        for kernel in self._family.kernels:
            for baseline in self._family.baselines:
                try:
                    fit = self._fit(events, baseline, kernel, fits.get(("constant", kernel)))
                except NotConvergedError:
                    yield self._refused("not_converged", baseline=baseline, kernel=kernel,
                                        stamps="randomised")
                    continue
                fits[baseline, kernel] = fit
                yield from self._fit_rows(fit, baseline, kernel)
        if fits:
            (baseline, kernel), best = min(fits.items(), key=lambda one: one[1].bic)
            yield from self._stamp_rows(best, baseline, kernel)

    def _events(self, seed: int | None) -> Events:
        return as_process(self._system.events, self._system.events.kinds,
                          len(self._system.kinds), self._stretches, seed,
                          round(60e9 * self._family.knot_minutes))

    def _fit(
        self, events: Events, baseline: Baseline, kernel: Kernel, near: HawkesFit | None
    ) -> HawkesFit:
        """Fit, beginning where a fit of the same kernel on about the same events has ended; the
        slower way where the quicker one gives up.
        """
        family = self._family
        spacing = None if baseline == "constant" else 60.0 * family.knot_minutes
        knots = knots_over(float(events.begins[0]), float(events.ends[-1]), spacing)
        middle = float(np.exp(np.mean(np.log(family.decays))))
        decays = np.array(family.decays if kernel == "sum_of_exponentials" else [middle])
        begin = None
        if near is not None:
            known = near.process
            level = known.baseline
            if level.shape[1] != len(knots):
                level = np.repeat(level.mean(axis=1, keepdims=True), len(knots), axis=1)
            begin = Hawkes(known.decays, knots, level, known.norms)
        try:
            return maximise(events, decays, knots, begin=begin)
        except NotConvergedError:
            found = expect_and_maximise(events, decays, knots, steps=MOST_STEPS)
            if found.steps == MOST_STEPS:
                raise
            return found

    def _fit_rows(self, fit: HawkesFit, baseline: Baseline, kernel: Kernel) -> Iterator[Row]:
        process, kinds = fit.process, self._system.kinds
        template = self._template(
            decays_per_second=[float(decay) for decay in process.decays],
            knots=len(process.knots), parameters=fit.parameters, steps=fit.steps,
            log_likelihood=fit.log_likelihood, method=fit.method,
        ) | {"baseline": baseline, "kernel": kernel, "stamps": "randomised"}
        yield template | {"estimator": "spectral_radius"} | self._normal(
            process.spectral_radius, fit.radius_error)
        yield template | {"estimator": "bic", "estimate": float(fit.bic)}
        branching, errors = process.branching, fit.branching_error
        exogenous, uncertain = process.exogenous_share(fit.events), fit.exogenous_error
        values = residuals(fit.events, process)
        for effect, kind in enumerate(kinds):
            if not fit.events.counts[effect]:
                continue
            to = {"instrument_y": kind.instrument, "measure_y": kind.name}
            for cause, other in enumerate(kinds):
                if fit.events.counts[cause]:
                    yield template | to | {
                        "estimator": "branching", "instrument_x": other.instrument,
                        "measure_x": other.name,
                        "hypothesis": "own_past" if cause == effect else "ahead",
                    } | self._normal(branching[effect, cause], errors[effect, cause], test=True)
            yield template | to | {"estimator": "exogenous_share"} | self._normal(
                exogenous[effect], uncertain[effect])
            tested = goodness_of_fit(values[fit.events.kinds == effect])
            if tested is not None:
                yield template | to | {
                    "estimator": "residual_distance", "estimate": tested.distance,
                    "p_value": tested.distance_p_value, "n": tested.n}
                yield template | to | {
                    "estimator": "residual_dependence", "estimate": tested.dependence,
                    "p_value": tested.dependence_p_value, "n": tested.n}

    def _stamp_rows(self, best: HawkesFit, baseline: Baseline, kernel: Kernel) -> Iterator[Row]:
        """Of the best fit by BIC: the radius by stamps as recorded, its spread over random ones."""
        place = {"baseline": baseline, "kernel": kernel}
        others = range(1, self._family.randomisations)
        try:
            recorded = self._fit(self._events(None), baseline, kernel, best)
            radii = [best.process.spectral_radius] + [
                self._fit(self._events(self._family.seed + number), baseline, kernel, best)
                .process.spectral_radius for number in others]
        except NotConvergedError:
            yield self._refused("not_converged", **place, stamps="as_recorded")
            return
        yield self._template() | place | {
            "estimator": "spectral_radius", "stamps": "as_recorded", "seed": None,
        } | self._normal(recorded.process.spectral_radius, recorded.radius_error)
        if len(radii) > 1:
            yield self._template(randomisations=len(radii)) | place | {
                "estimator": "stamp_spread", "stamps": "randomised",
                "estimate": float(np.std(radii, ddof=1)),
                "interval_low": min(radii), "interval_high": max(radii)}

    def _normal(self, estimate: Any, error: Any, *, test: bool = False) -> Row:
        from scipy.special import ndtr, ndtri

        row: Row = {"estimate": float(estimate)}
        if error > 0.0:
            reach = float(ndtri(1.0 - self._family.significance / 2.0)) * float(error)
            row |= {"standard_error": float(error), "interval_low": float(estimate) - reach,
                    "interval_high": float(estimate) + reach}
        if test:
            # At its bound of 0 the estimate speaks for the absence of the effect.
            row["p_value"] = 2.0 * float(ndtr(-abs(estimate) / error)) if error > 0.0 else 1.0
        return row

    def _template(self, **settings: Any) -> Row:
        left_out = self._there - self._n
        return blank("hawkes", self._family.name, self._window, settings | {
            "feed_milliseconds": self._family.feed_milliseconds,
            "level": 1.0 - self._family.significance,
        }) | {"model": self._system.model, "seed": self._family.seed, "n": self._n,
              "n_left_out": left_out, "coverage": share(self._n, left_out)}

    def _refused(self, reason: str, **place: str) -> Row:
        nowhere = {"baseline": "*", "kernel": "*", "stamps": "*"}
        return self._template() | nowhere | place | {
            "estimator": "spectral_radius", "reason": reason, "seed": None}
