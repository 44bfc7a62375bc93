"""The price discovery study as a function from bars to its table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np

from imbalance.studies.alignment import Panel
from imbalance.studies.bootstrap import check_regular
from imbalance.studies.price_discovery.error_correction import (
    ErrorCorrection,
    correct,
    johansen,
    select_lag,
)
from imbalance.studies.price_discovery.information_shares import (
    InformationShares,
    information_shares,
    orderings,
)
from imbalance.studies.price_discovery.markets import Markets, systems
from imbalance.studies.price_discovery.rank_test import trace_p_value
from imbalance.studies.price_discovery.study import PRICE_DISCOVERY, PriceDiscoveryFamily
from imbalance.studies.rows import Row, RowTable, Window, blank, share
from imbalance.studies.study_input import StudyInput
from imbalance.studies.vector_autoregression import (
    CollinearError,
    TooFewBarsError,
    UnfitError,
    target_rows,
)

DIAGNOSTICS = frozenset({"trace"})
"""Tests of what the shares rest on, which are not tests of the family's question."""


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.price_discovery` of one window; a system that is refused is one row with why."""
    rows = RowTable(PRICE_DISCOVERY, DIAGNOSTICS)
    for family in given.families:
        for size in family.bar_sizes:
            panel, window = given.panel(size, family.measures, family.maximum_lag + 2)
            rows.extend(list(_rows(panel, family, window, given)) or [
                blank("price_discovery", family.name, window, {})
                | {"model": "*", "estimator": "hasbrouck_mid", "reason": "no_pair"}])
    return {PRICE_DISCOVERY.name: rows.finish()}


def _rows(
    panel: Panel | None, family: PriceDiscoveryFamily, window: Window, given: StudyInput
) -> Iterator[Row]:
    if panel is None:
        yield blank("price_discovery", family.name, window, {}) | {
            "model": "*", "estimator": "hasbrouck_mid", "reason": "no_bars"}
        return
    for markets in systems(panel, family):
        given.progress.advance(note=f"price discovery {window.bar_size} {markets.model}")
        yield from _of_system(markets, family, window)


def _of_system(
    markets: Markets, family: PriceDiscoveryFamily, window: Window
) -> Iterator[Row]:
    if markets.reason is not None:
        yield _refused(markets, family, window, markets.reason)
        return
    try:
        lag = select_lag(markets.prices, _largest_lag(markets, family))
        fitted = correct(markets.prices, lag)
        rank = johansen(markets.prices, lag)
    except UnfitError as error:
        yield _refused(markets, family, window, error.reason)
        return
    left_out = max(markets.there - fitted.n, 0)
    template = blank("price_discovery", family.name, window, {
        "lag": lag, "maximum_lag": family.maximum_lag, "criterion": "bic",
        "relations": "differences of log prices from the first", "block_length": fitted.sums.length,
        "replications": family.replications, "orderings": len(orderings(len(markets.instruments))),
        "level": 1.0 - family.significance,
    }) | {"model": markets.model, "n": fitted.n, "n_left_out": left_out,
          "coverage": share(fitted.n, left_out)}
    # One trend that all share is rank n − 1: rank n − 2, with two trends, must be rejected.
    statistic = float(rank.trace[len(markets.instruments) - 2])
    p_value = trace_p_value(statistic, trends=2)
    yield template | {"estimator": "trace", "estimate": statistic, "p_value": p_value}
    if p_value > family.significance:
        yield _refused(markets, family, window, "not_cointegrated")
        return
    try:
        rows = list(_share_rows(markets, family, fitted, template | {"seed": family.seed}))
    except CollinearError:
        yield _refused(markets, family, window, "collinear")
        return
    yield from rows


def _largest_lag(markets: Markets, family: PriceDiscoveryFamily) -> int:
    """Largest order that leaves three rows per coefficient and market."""
    n = len(markets.instruments)
    for lag in range(family.maximum_lag, 0, -1):
        if len(target_rows(markets.prices, lag + 1)) >= 3 * (n * (lag + 1) + n):
            return lag
    raise TooFewBarsError("not three rows per coefficient even with one lagged change")


def _share_rows(
    markets: Markets, family: PriceDiscoveryFamily, fitted: ErrorCorrection, template: Row
) -> Iterator[Row]:
    two = len(markets.instruments) == 2
    found = information_shares(fitted.alpha, fitted.omega)
    alpha, omega = fitted.replicate(family.replications, family.seed)
    check_regular(omega)
    drawn = information_shares(alpha, omega)
    for number, instrument in enumerate(markets.instruments):
        row = template | {"instrument_x": instrument, "measure_x": family.price}
        if two:
            row |= {"instrument_y": markets.instruments[1 - number], "measure_y": family.price}
        for one in fields(InformationShares):
            if one.name != "leadership" or two:
                yield row | {"estimator": one.name} | _figures(
                    getattr(found, one.name)[number], getattr(drawn, one.name)[:, number], family)
        for relation in range(len(markets.instruments) - 1):
            to = {"instrument_y": markets.instruments[relation + 1], "measure_y": family.price}
            yield row | to | {"estimator": "adjustment"} | _figures(
                fitted.alpha[number, relation], alpha[:, number, relation], family, test=True)


def _figures(
    estimate: Any, draws: Any, family: PriceDiscoveryFamily, *, test: bool = False
) -> Row:
    from scipy.special import ndtr

    error = float(draws.std(ddof=1))
    low, high = np.quantile(draws, [family.significance / 2.0, 1.0 - family.significance / 2.0])
    found: Row = {"estimate": float(estimate), "standard_error": error,
                  "interval_low": float(low), "interval_high": float(high)}
    if test and error > 0.0:
        found |= {"p_value": 2.0 * float(ndtr(-abs(float(estimate)) / error)),
                  "hypothesis": "ahead"}
    return found


def _refused(
    markets: Markets, family: PriceDiscoveryFamily, window: Window, reason: str
) -> Row:
    return blank("price_discovery", family.name, window, {}) | {
        "model": markets.model, "estimator": "hasbrouck_mid", "reason": reason,
        "n_left_out": markets.there, "coverage": share(0, markets.there),
    }
