"""The lead-lag study as a function from events to its tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from imbalance.studies.alignment import Panel
from imbalance.studies.asynchrony.reading import AllPrices, measured_skew, read_all
from imbalance.studies.asynchrony.sampling import observation_rate
from imbalance.studies.asynchrony.ticks import Ticks, common
from imbalance.studies.lead_lag.estimate import (
    FEWEST_BLOCKS,
    Blocks,
    LeadLag,
    blocks_of,
    lag_grid,
    split,
)
from imbalance.studies.lead_lag.regimes import counts_of, regime_rows
from imbalance.studies.lead_lag.study import (
    HOUR,
    HOUR_NANOSECONDS,
    LEAD_LAG,
    LEAD_LAG_DIFFERENCE,
    MILLISECOND,
    LeadLagFamily,
)
from imbalance.studies.lead_lag.summary import summary
from imbalance.studies.pairs import richest, uncrossed
from imbalance.studies.rows import Row, RowTable, Window, blank, share
from imbalance.studies.study_input import StudyInput


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.lead_lag` and `studies.lead_lag_difference` of one window.

    A pair that cannot be estimated, in the window or in an hour, is a row with its reason.
    """
    rows, differences = RowTable(LEAD_LAG), RowTable(LEAD_LAG_DIFFERENCE)
    for family in given.families:
        (size,) = family.bar_sizes
        panel, _ = given.panel(size, family.measures, reach=1) if family.regimes else (None, None)
        for measure in family.prices:
            rows.extend(_measure_rows(given, family, measure, panel, differences))
    return {LEAD_LAG.name: rows.finish(), LEAD_LAG_DIFFERENCE.name: differences.finish()}


def _measure_rows(
    given: StudyInput, family: LeadLagFamily, measure: str, panel: Panel | None,
    differences: RowTable,
) -> Iterator[Row]:
    events = given.events
    prices = read_all(given, measure)
    skews = {name: measured_skew(events, name) for name in prices.of} if events else {}
    run = _Run(family, measure, prices, skews, panel, differences)
    if len(prices.of) < 2:
        yield run.blank | {"estimator": "lead", "reason": "no_pair"}
    crossed = richest(prices.ticks, family.most_instruments)
    for row in uncrossed(("cross",), prices.ticks, crossed):
        yield run.blank | {"estimator": "lead", "seed": None} | row
    for x, y in combinations(crossed, 2):
        given.progress.advance(note=f"lead-lag {measure} {x} {y}")
        yield from run.pair(x, y)


@dataclass(frozen=True)
class _Run:
    """All pairs of one price in one window."""

    family: LeadLagFamily
    measure: str
    prices: AllPrices
    skews: Mapping[str, int | None]
    panel: Panel | None
    """Bars whose measures make the regimes."""
    differences: RowTable
    """Where comparisons of levels are put."""

    @property
    def blank(self) -> Row:
        family = self.family
        parameters = {
            "contrast": "Hayashi-Yoshida over the root of both realised variances",
            "reach_ms": family.reach_ms, "step_ms": family.step_ms,
            "fine_reach_ms": family.fine_reach_ms,
            "interval": f"block bootstrap, level {1.0 - family.significance:g}, "
            f"{family.replications} replications",
            "minimum_ticks": family.minimum_ticks,
        }
        template = blank("lead_lag", family.name, self.prices.window, parameters)
        return template | {
            "measure_x": self.measure, "measure_y": self.measure, "lag_ms": 0.0,
            "clock_error_ms": 0.0, "seed": family.seed,
        }

    def pair(self, x: str, y: str) -> Iterator[Row]:
        """Rows of a pair over the window, and over every hour in which one of them ticks."""
        named = self.blank | {"instrument_x": x, "instrument_y": y}
        first, second = self.prices.of[x].ticks, self.prices.of[y].ticks
        if not len(first) or not len(second):
            yield named | {"estimator": "lead", "seed": None, "reason": "no_events"}
            return
        hours = _hours(self.prices.window, first, second)
        first, second = common(first, second)
        yield from self._whole(named, first, second)
        for hour in hours:
            inside = [ticks.between(hour.window_from, hour.window_to) for ticks in (first, second)]
            place = {
                "regime": f"{HOUR}_{hour.window_from // HOUR_NANOSECONDS % 24:02d}",
                "window_from": hour.window_from, "window_to": hour.window_to,
            }
            counted = named | place | _counts(*inside)
            found = self._split(*inside)
            if isinstance(found, str):
                yield counted | {"estimator": "lead", "seed": None, "reason": found}
            else:
                yield from self._summary(counted, self._estimate(found))

    def _whole(self, named: Row, x: Ticks, y: Ticks) -> Iterator[Row]:
        """Rows of a pair over the window, and by regime."""
        counted = named | _counts(x, y)
        blocks = self._split(x, y)
        if isinstance(blocks, str):
            yield counted | {"estimator": "lead", "seed": None, "reason": blocks}
            return
        found = self._estimate(blocks)
        yield from self._summary(counted, found)
        yield from self._contrasts(counted, found)
        yield from self._signs(counted, found)
        known = max(self.prices.window.available_at, self.panel.available_at if self.panel else 0)
        by_level, between = regime_rows(
            self.panel, self.family, counted | {"available_at": known}, blocks,
            counts_of(x, blocks), found)
        self.differences.extend(between)
        yield from by_level

    def _split(self, x: Ticks, y: Ticks) -> Blocks | str:
        """Blocks of a pair, or why there is no estimate from them."""
        family = self.family
        reach, step = family.reach_ms * MILLISECOND, family.step_ms * MILLISECOND
        reason = self._refusal(x, y)
        if reason is not None:
            return reason
        lags = lag_grid(reach, step, family.fine_reach_ms * MILLISECOND, MILLISECOND)
        return split(x, y, lags, step)

    def _estimate(self, blocks: Blocks) -> LeadLag:
        return blocks.estimate(self.family.replications, self.family.seed)

    def _refusal(self, x: Ticks, y: Ticks) -> str | None:
        # Changes that share time with a gap of the other price count as none.
        few = min(len(x), len(y)) < self.family.minimum_ticks
        if few or not min(x.variance, y.variance) > 0.0:
            return "too_few_ticks"
        blocks = blocks_of(x, y, self.family.reach_ms * MILLISECOND)
        return "too_short" if len(blocks) < FEWEST_BLOCKS else None

    def _summary(self, row: Row, found: LeadLag) -> Iterator[Row]:
        for told in summary(found, self.family.significance):
            yield row | told

    def _contrasts(self, row: Row, found: LeadLag) -> Iterator[Row]:
        level = self.family.significance
        low, high = np.quantile(found.drawn, [level / 2.0, 1.0 - level / 2.0], axis=0)
        error = found.drawn.std(axis=0, ddof=1)
        for at, lag in enumerate(found.lags.tolist()):
            yield row | {
                "estimator": "contrast", "lag_ms": lag / MILLISECOND,
                "estimate": float(found.correlation[at]), "standard_error": float(error[at]),
                "interval_low": float(low[at]), "interval_high": float(high[at]),
            }

    def _signs(self, row: Row, found: LeadLag) -> Iterator[Row]:
        for error in self.family.clock_errors_ms:
            yield row | {"estimator": "sign_kept"} | _kept(found, float(error))
        skews = self.skews[row["instrument_x"]], self.skews[row["instrument_y"]]
        measured = row | {"estimator": "sign_kept_at_measured_skew"}
        if skews[0] is None or skews[1] is None:
            yield measured | {"seed": None, "reason": "no_receive_time"}
        else:
            yield measured | _kept(found, abs(skews[0] - skews[1]) / MILLISECOND)


def _hours(window: Window, x: Ticks, y: Ticks) -> Iterator[Window]:
    """The window cut at full hours; those in which one of two prices changes."""
    seen = np.union1d(*(np.unique(ticks.times // HOUR_NANOSECONDS) for ticks in (x, y)))
    for start in (seen * HOUR_NANOSECONDS).tolist():
        yield replace(window, window_from=max(start, window.window_from),
                      window_to=min(start + HOUR_NANOSECONDS, window.window_to))


def _counts(x: Ticks, y: Ticks) -> Row:
    left_out = x.left_out
    n = max(len(x) - 1, 0) - left_out
    return {"n": n, "n_left_out": left_out, "coverage": share(n, left_out),
            "rate_x": observation_rate(x), "rate_y": observation_rate(y)}


def _kept(found: LeadLag, error_ms: float) -> Row:
    """Share of replications with the leader's sign, and its binomial standard error."""
    kept = found.sign_kept(round(error_ms * MILLISECOND))
    error = math.sqrt(kept * (1.0 - kept) / len(found.drawn_best))
    return {"clock_error_ms": error_ms, "estimate": kept, "standard_error": error}
