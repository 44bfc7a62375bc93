"""The study of impact in event time as a function from events to its table."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from imbalance.studies.asynchrony.reading import TRADES
from imbalance.studies.bootstrap import Band, replicate
from imbalance.studies.columns import EVENTS
from imbalance.studies.event_time.impact import FLOW, RETURN, impact
from imbalance.studies.event_time.series import in_event_time, read_mids, read_trades
from imbalance.studies.event_time.study import EVENT_TIME, EventTimeFamily
from imbalance.studies.events import Events
from imbalance.studies.feedback.systems import System, fitted
from imbalance.studies.granger_causality import granger, tested
from imbalance.studies.residual_diagnostics import arch, normality, portmanteau
from imbalance.studies.rows import Row, RowTable, Window, blank, share
from imbalance.studies.study_input import StudyInput
from imbalance.studies.vector_autoregression import (
    UnfitError,
    VectorAutoregression,
)

DIAGNOSTICS = frozenset({"portmanteau", "arch", "normality"})
"""Tests of the fit, which are not tests of the family's question and get no q-value."""


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.event_time` of one day; an instrument that cannot be studied says why."""
    rows = RowTable(EVENT_TIME, DIAGNOSTICS)
    nowhere = given.nowhere(EVENTS)
    names = () if given.events is None else given.events.instruments(TRADES)
    if not names:
        rows.extend(_refused(family, nowhere, "*", "no_events", 0) for family in given.families)
    if given.events is not None:
        for instrument in names:
            given.progress.advance(note=f"event time {instrument}")
            rows.extend(_instrument_rows(given, given.events, instrument, nowhere))
    return {EVENT_TIME.name: rows.finish()}


def _instrument_rows(
    given: StudyInput, events: Events, instrument: str, nowhere: Window
) -> Iterator[Row]:
    trades, mids = read_trades(events, instrument), read_mids(events, instrument)
    for family in given.families:
        if not len(trades.times) or not len(mids.times):
            mute = trades.unsigned and not len(trades.times)
            reason = "no_aggressor" if mute else "no_events"
            yield _refused(family, nowhere, instrument, reason, trades.unsigned)
            continue
        series = in_event_time(trades, mids, events.stretches(instrument), family.flow,
                               family.most_trades)
        window = Window(given.scope, EVENTS, series.window_from, series.window_to,
                        max(trades.available_at, mids.available_at))
        flow = "trade_sign" if family.flow == "sign" else family.flow
        variables = ((instrument, flow), (instrument, "return_bps"))
        system = System(instrument, variables, series.data, series.events + trades.unsigned)
        yield from _rows(family, window, system, mids.source)


def _refused(
    family: EventTimeFamily, window: Window, instrument: str, reason: str, there: int
) -> Row:
    return blank("event_time", family.name, window, {}) | {
        "instrument_y": instrument, "estimator": "permanent_impact", "reason": reason,
        "n_left_out": there, "coverage": share(0, there),
    }


def _rows(
    family: EventTimeFamily, window: Window, system: System, source: str
) -> Iterator[Row]:
    try:
        model, criteria = fitted(system, family)
    except UnfitError as error:
        yield _refused(family, window, system.model, error.reason, system.there)
        return
    if model.root_moduli[0] >= 1.0:
        yield _refused(family, window, system.model, "explosive", system.there)
        return
    yield from _Writer(family, window, system, model, criteria | {"mid": source}).rows()


class _Writer:
    """Rows of one fitted instrument."""

    def __init__(self, family: EventTimeFamily, window: Window, system: System,
                 model: VectorAutoregression, parameters: dict[str, Any]) -> None:
        self._family, self._system, self._model = family, system, model
        self._chosen = parameters["chosen"]
        left_out = max(system.there - model.n, 0)
        self._blank = blank("event_time", family.name, window, parameters) | {
            "n": model.n, "n_left_out": left_out, "coverage": share(model.n, left_out),
            "lag": model.lag,
        }

    def rows(self) -> Iterator[Row]:
        family, model = self._family, self._model
        drawn = replicate(model, family.replications, family.seed)
        found = impact(model, drawn, family.horizon, family.significance)
        yield from self._path("price_impact", FLOW, RETURN, found.price)
        yield from self._path("flow_after_return", RETURN, FLOW, found.flow)
        yield from self._end("permanent_impact", found.permanent, tested=True)
        yield from self._end("share_of_trades", found.share, tested=False)
        yield from self._tests()
        yield from self._fit()

    def _pair(self, x: int, y: int) -> Row:
        (instrument, measure_x), (_, measure_y) = self._system.series[x], self._system.series[y]
        return self._blank | {"instrument_x": instrument, "measure_x": measure_x,
                              "instrument_y": instrument, "measure_y": measure_y}

    def _path(self, estimator: str, x: int, y: int, band: Band) -> Iterator[Row]:
        template = self._pair(x, y) | {"estimator": estimator, "seed": self._family.seed}
        for h in range(len(band.estimate)):
            yield template | {
                "horizon": h, "kind": "predictive" if h else "contemporaneous",
                "estimate": band.estimate[h], "standard_error": band.standard_error[h],
                "interval_low": band.low[h], "interval_high": band.high[h],
                "joint_low": band.joint_low[h], "joint_high": band.joint_high[h],
            }

    def _end(self, estimator: str, band: Band, *, tested: bool) -> Iterator[Row]:
        from scipy.special import ndtr

        estimate, error = band.estimate[0], band.standard_error[0]
        yield self._pair(FLOW, RETURN) | {
            "estimator": estimator, "kind": "contemporaneous", "horizon": self._family.horizon,
            "seed": self._family.seed, "estimate": estimate, "standard_error": error,
            "interval_low": band.low[0], "interval_high": band.high[0],
            "p_value": 2.0 * ndtr(-abs(estimate) / error) if tested else None,
        }

    def _tests(self) -> Iterator[Row]:
        for x, y in ((FLOW, RETURN), (RETURN, FLOW)):
            test = partial(granger, self._model, [x], [y], "hac")
            yield self._pair(x, y) | {"estimator": "wald_hac", "kind": "predictive"} | tested(test)

    def _fit(self) -> Iterator[Row]:
        """What says whether the fit can be trusted."""
        model = self._model
        about = self._blank | {"instrument_y": self._system.model}
        lags = max(16, 2 * model.lag)
        for name, test in (("portmanteau", partial(portmanteau, model, lags)),
                           ("arch", partial(arch, model, 5)),
                           ("normality", partial(normality, model))):
            yield about | {"estimator": name} | tested(test)
        yield about | {"estimator": "root_modulus", "estimate": model.root_moduli[0]}
        for name, order in self._chosen.items():
            yield about | {"estimator": f"lag_order_{name}", "estimate": float(order)}
        for variable in (FLOW, RETURN):
            instrument, measure = self._system.series[variable]
            yield self._blank | {
                "instrument_y": instrument, "measure_y": measure, "estimator": "r_squared",
                "estimate": model.r_squared[variable]}
