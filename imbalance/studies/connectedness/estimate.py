"""From a panel to rows: systems are fitted, replicated and decomposed in every declared way.

Estimators are in their own modules; here their results are written down with their bands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.progress import SILENT, Progress
from imbalance.studies.alignment import Panel
from imbalance.studies.bootstrap import bias_corrected, check_regular, replicate
from imbalance.studies.connectedness.frequency import band_tables
from imbalance.studies.connectedness.joint import joint_table
from imbalance.studies.connectedness.measures import (
    Connectedness,
    generalised_table,
    orthogonal_table,
)
from imbalance.studies.connectedness.quantile import fit_quantile, replicate_quantile
from imbalance.studies.connectedness.study import WHOLE, ConnectednessFamily
from imbalance.studies.connectedness.time_varying import (
    filter_path,
    least_squares_prior,
    replicate_path,
    without_stillness,
)
from imbalance.studies.feedback.systems import Refusal, System, fitted, systems
from imbalance.studies.impulse_response import moving_average
from imbalance.studies.measures import BAR_NANOSECONDS
from imbalance.studies.orderings import LARGEST, total_range
from imbalance.studies.prepared_series import SeriesPool
from imbalance.studies.rows import Row, Window, blank, share
from imbalance.studies.vector_autoregression import (
    CollinearError,
    UnfitError,
    VectorAutoregression,
    target_rows,
)

Matrix = NDArray[np.float64]

_EVERYTHING = ("total", "corrected_total", "received", "transmitted", "net", "share",
               "net_pairwise", "pairwise_index")
_OF_VARIABLES = ("total", "received", "transmitted", "net")
_SIGNED = frozenset({"net", "net_pairwise"})
"""Estimators whose absence of effect is 0, so that they are tested."""

_CHUNK = 64
"""Replications whose spectra are held at a time."""


@dataclass(frozen=True)
class _Place:
    """Where a number of a measure stands, and the variables it is about."""

    at: tuple[int, ...]
    x: int | None
    y: int | None


def connect(
    panel: Panel, family: ConnectednessFamily, window: Window, progress: Progress = SILENT
) -> Iterator[Row]:
    """All rows of a family on one bar size."""
    pool = SeriesPool(panel, family.minimum_bars, ranked=False)
    for system in systems(panel, family, pool):
        if isinstance(system, Refusal):
            yield refused(family, window, system)
            continue
        progress.advance(note=f"connectedness {family.name} {window.bar_size} {system.model}")
        try:
            model, criteria = fitted(system, family)
        except UnfitError as error:
            yield refused(family, window, _of_system(system, error))
            continue
        if model.root_moduli[0] >= 1.0:
            yield refused(family, window, _of_system(system, "explosive"))
            continue
        try:
            own = panel.of(system.instruments)
            rows = list(_Writer(own, family, window, system, model, criteria).rows())
        except CollinearError as error:
            yield refused(family, window, _of_system(system, error))
            continue
        yield from rows


def refused(
    family: ConnectednessFamily, window: Window, refusal: Refusal, approach: str = "generalised"
) -> Row:
    """A row that says why there is no estimate."""
    return blank("connectedness", family.name, window, {}) | {
        "model": refusal.model, "approach": approach, "part": WHOLE, "state_at": window.window_to,
        "estimator": "total", "instrument_y": refusal.instrument, "measure_y": refusal.measure,
        "horizon": family.n_terms, "reason": refusal.reason, "n_left_out": refusal.there,
        "coverage": share(0, refusal.there),
    }


def _of_system(system: System, why: UnfitError | str) -> Refusal:
    reason = why if isinstance(why, str) else why.reason
    return Refusal(system.model, "*", "*", reason, system.there)


class _Writer:
    """Rows of one fitted system."""

    def __init__(self, panel: Panel, family: ConnectednessFamily, window: Window, system: System,
                 model: VectorAutoregression, criteria: dict[str, Any]) -> None:
        self._panel, self._family, self._window = panel, family, window
        self._system, self._model = system, model
        self._parameters = criteria | {
            "lag": model.lag, "order": [":".join(one) for one in system.series],
            "level": 1.0 - family.significance}  # fmt: skip
        k = model.variables
        pairs = [(j, i) for i in range(k) for j in range(k)]
        self._places = {
            "total": [_Place((), None, None)], "corrected_total": [_Place((), None, None)],
            "received": [_Place((i,), None, i) for i in range(k)],
            "transmitted": [_Place((j,), j, None) for j in range(k)],
            "net": [_Place((j,), j, None) for j in range(k)],
            "share": [_Place((i, j), j, i) for j, i in pairs],
            "net_pairwise": [_Place((j, i), j, i) for j, i in pairs if j < i],
            "pairwise_index": [_Place((j, i), j, i) for j, i in pairs if j < i],
        }

    def rows(self) -> Iterator[Row]:
        family, model = self._family, self._model
        drawn = replicate(model, family.replications, family.seed)
        check_regular(drawn.sigma)
        lagged, sigma = bias_corrected(model, drawn), drawn.sigma
        point = model.lagged, model.standardised_sigma
        template = self._blank(
            bands="moving-block bootstrap of residuals, fixed design, wrapped; Pope bias "
            "correction", block_length=drawn.block_length, replications=family.replications)
        for approach, make, names in (("generalised", generalised_table, _EVERYTHING),
                                      ("joint", joint_table, (*_OF_VARIABLES, "share"))):
            yield from self._measures(
                template | {"approach": approach}, make(*point, family.n_terms),
                make(lagged, sigma, family.n_terms), names)
        yield from self._orthogonal(template, lagged, sigma)
        yield from self._bands(template, lagged, sigma)
        yield from self._quantiles()
        yield from self._path()

    def _blank(self, **parameters: Any) -> Row:
        model, system = self._model, self._system
        left_out = max(system.there - model.n, 0)
        return blank("connectedness", self._family.name, self._window,
                     self._parameters | parameters) | {
            "model": system.model, "part": WHOLE, "state_at": self._window.window_to,
            "lag": model.lag, "horizon": self._family.n_terms, "n": model.n, "n_left_out": left_out,
            "coverage": share(model.n, left_out), "seed": self._family.seed,
        }  # fmt: skip

    def _measures(
        self, template: Row, table: Matrix, draws: Matrix, names: tuple[str, ...]
    ) -> Iterator[Row]:
        """Rows of the measures of one table, with the errors that its replications give them.

        Intervals are normal: percentiles of shares lean to the side to which noise has already
        taken the estimate, and cover less.
        """
        from scipy.special import ndtr, ndtri

        found, stack = Connectedness(table), Connectedness(draws)
        quantile = float(ndtri(1.0 - self._family.significance / 2.0))
        for name in names:
            attribute = "table" if name == "share" else name
            values, drawn = getattr(found, attribute), getattr(stack, attribute)
            error = drawn.std(axis=0, ddof=1)
            for place in self._places[name]:
                value, deviation = values[place.at], error[place.at]
                tested = name in _SIGNED and template["approach"] != "time_varying"
                yield template | self._pair(place) | {
                    "estimator": name, "estimate": value, "standard_error": deviation,
                    "interval_low": value - quantile * deviation,
                    "interval_high": value + quantile * deviation,
                    "p_value": 2.0 * ndtr(-abs(value) / deviation) if tested else None,
                }

    def _pair(self, place: _Place) -> Row:
        row: Row = {}
        for side, number in (("x", place.x), ("y", place.y)):
            if number is not None:
                instrument, measure = self._system.series[number]
                row |= {f"instrument_{side}": instrument, f"measure_{side}": measure}
        return row

    def _orthogonal(self, template: Row, lagged: Matrix, sigma: Matrix) -> Iterator[Row]:
        """Total in the declared order, and how far other orders would take it."""
        model, terms = self._model, self._family.n_terms
        span: Row = {}
        if model.variables <= LARGEST:
            phi = moving_average(model.lagged, terms - 1)
            low, high = total_range(phi, model.standardised_sigma)
            span = {"lowest_order": low, "highest_order": high}
        table = orthogonal_table(model.lagged, model.standardised_sigma, terms)
        for row in self._measures(template | {"approach": "orthogonal"}, table,
                                  orthogonal_table(lagged, sigma, terms), ("total", "share")):
            yield row | (span if row["estimator"] == "total" else {})

    def _bands(self, template: Row, lagged: Matrix, sigma: Matrix) -> Iterator[Row]:
        family, model = self._family, self._model
        edges, terms = (*family.periods, np.inf), family.frequency_terms
        tables = band_tables(model.lagged, model.standardised_sigma, terms, edges)
        draws = np.concatenate([
            band_tables(lagged[i : i + _CHUNK], sigma[i : i + _CHUNK], terms, edges)
            for i in range(0, len(lagged), _CHUNK)], axis=1)  # fmt: skip
        for number, (low, high) in enumerate(pairwise(edges)):
            part = f"{low:g} to {high:g} bars" if np.isfinite(high) else f"over {low:g} bars"
            yield from self._measures(
                template | {"approach": "frequency", "part": part, "horizon": terms},
                tables[number], draws[number], (*_OF_VARIABLES, "share"))

    def _quantiles(self) -> Iterator[Row]:
        family = self._family
        for quantile in family.quantiles:
            part = {"part": f"quantile {quantile:g}"}
            try:
                system = fit_quantile(self._model, quantile)
                drawn = replicate_quantile(system, family.replications, family.seed)
                check_regular(drawn.sigma)
            except UnfitError as error:
                refusal = _of_system(self._system, error)
                yield refused(family, self._window, refusal, "quantile") | part
                continue
            template = self._blank(
                bands="moving-block bootstrap of scores and residuals",
                block_length=drawn.block_length, replications=family.replications)
            template |= {"approach": "quantile"} | part
            yield from self._measures(
                template, generalised_table(system.lagged, system.sigma, family.n_terms),
                generalised_table(drawn.lagged, drawn.sigma, family.n_terms),
                (*_OF_VARIABLES, "share"))

    def _path(self) -> Iterator[Row]:
        """The system with coefficients that drift, of order 1 as in its source."""
        family, k = self._family, self._model.variables
        still = round(1.0 / (1.0 - min(family.forgetting, family.decay)))
        data = without_stillness(self._model.standardised, still)
        rows = target_rows(data, 1)
        prior_bars = min(family.prior_bars, len(rows) // 2)
        reason = None
        if k > family.largest_path:
            reason = "too_many_variables"
        elif prior_bars < max(family.minimum_bars, 3 * (2 * k + 1)):
            reason = "too_few_bars"
        if reason is not None:
            yield refused(family, self._window, _of_system(self._system, reason), "time_varying")
            return
        first = int(rows[prior_bars - 1]) + 1
        try:
            prior = least_squares_prior(data, 1, first)
        except CollinearError as error:
            yield refused(family, self._window, _of_system(self._system, error), "time_varying")
            return
        later = rows[rows >= first]
        keep = later[np.unique(np.linspace(0, len(later) - 1, family.path_points).astype(int))]
        path = filter_path(data, prior, keep, forgetting=family.forgetting, decay=family.decay)
        lagged, sigma = replicate_path(
            data, prior, keep, family.path_replications, family.seed,
            forgetting=family.forgetting, decay=family.decay)
        template = self._blank(
            bands="moving-block bootstrap of whitened errors, fixed design",
            replications=family.path_replications, prior_bars=prior_bars,
            forgetting=family.forgetting, decay=family.decay, longest_stillness=still)
        width = BAR_NANOSECONDS[self._window.bar_size]
        for number, row in enumerate(keep):
            at = int(self._panel.starts[row]) + width
            yield from self._measures(
                template | {"approach": "time_varying", "lag": 1, "state_at": at},
                generalised_table(path.lagged[number], path.sigma[number], family.n_terms),
                generalised_table(lagged[:, number], sigma[:, number], family.n_terms),
                _OF_VARIABLES)
