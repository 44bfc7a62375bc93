"""The study of the Epps effect as a function from events to its tables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.asynchrony.blocks import seen_time
from imbalance.studies.asynchrony.reading import AllPrices, read_all
from imbalance.studies.asynchrony.sampling import (
    refresh_times,
    regular_grid,
    sampled_increments,
)
from imbalance.studies.asynchrony.ticks import Ticks, common
from imbalance.studies.covariance import long_run_variance
from imbalance.studies.epps.curve import bar_correlation, epps_factor
from imbalance.studies.epps.jackknife import Estimate, of_returns, of_ticks
from imbalance.studies.epps.robust import (
    CORRELATIONS,
    VARIANCES,
    correlation_of,
    hayashi_yoshida_estimate,
)
from imbalance.studies.epps.study import EPPS, LEVELS, REALISED_VARIANCE, EppsFamily
from imbalance.studies.pairs import richest, uncrossed
from imbalance.studies.rows import Row, RowTable, blank, share
from imbalance.studies.study_input import StudyInput

_MILLISECOND = 1_000_000
_HOUR = 3.6e12
_SQUARE_BPS = 1e8


def build(given: StudyInput) -> dict[str, Any]:
    """`studies.epps` and `studies.realised_variance` of one window."""
    correlations, variances = RowTable(EPPS), RowTable(REALISED_VARIANCE)
    for family in given.families:
        for measure in family.prices:
            run = _Run(family, measure, read_all(given, measure))
            correlations.extend(_correlations(run, given))
            variances.extend(_variances(run))
    return {EPPS.name: correlations.finish(), REALISED_VARIANCE.name: variances.finish()}


@dataclass(frozen=True)
class _Run:
    """One price of all instruments in one window."""

    family: EppsFamily
    measure: str
    prices: AllPrices

    def blank(self, study: str) -> Row:
        parameters = {
            "standard_error": "HAC of influence values by bar; else leaving out 20 blocks in turn",
            "pre_averaging": "theta 0.8, noise-corrected", "kernel": "Parzen",
            "two_scales": "K = n^(2/3)", "minimum_ticks": self.family.minimum_ticks,
        }
        template = blank(study, self.family.name, self.prices.window, parameters)
        return template | {
            "measure_x": self.measure, "measure_y": self.measure, "step_ms": 0,
            "hypothesis": "same_bar",
        }

    @cached_property
    def crossed(self) -> tuple[str, ...]:
        """The instruments that are paired with one another."""
        return richest(self.prices.ticks, self.family.most_instruments)

    @cached_property
    def usable(self) -> set[str]:
        """Instruments with enough ticks."""
        least = self.family.minimum_ticks
        return {name for name, ticks in self.prices.ticks.items() if ticks >= least}

    @cached_property
    def together(self) -> list[str]:
        """Those of them that are paired with one another."""
        return [name for name in self.crossed if name in self.usable]

    @cached_property
    def refreshed(self) -> NDArray[np.float64]:
        """Returns of all these on their common refresh times."""
        series = [self.prices.of[name].ticks for name in self.together]
        return sampled_increments(series, refresh_times(series))


def _correlations(run: _Run, given: StudyInput) -> Iterator[Row]:
    template = run.blank("epps")
    if len(run.prices.of) < 2:
        yield template | {"estimator": "hayashi_yoshida", "reason": "no_pair"}
    else:
        yield template | {
            "estimator": "pre_averaged", "regime": LEVELS, "reason": "not_by_regime"}
    for row in uncrossed(("cross",), run.prices.ticks, run.crossed):
        yield template | {"estimator": "hayashi_yoshida"} | row
    for x, y in combinations(run.crossed, 2):
        given.progress.advance(note=f"Epps effect {run.measure} {x} {y}")
        row = template | {"instrument_x": x, "instrument_y": y}
        prices = run.prices.of[x], run.prices.of[y]
        raw = prices[0].ticks, prices[1].ticks
        first, second = common(*raw)
        least = run.family.minimum_ticks
        if min(len(first), len(second)) < least or not first.variance * second.variance > 0.0:
            reason = "too_few_ticks" if min(len(ticks) for ticks in raw) else "no_events"
            yield row | {"estimator": "hayashi_yoshida", "reason": reason}
            continue
        left_out = first.left_out
        row |= {
            "n_left_out": left_out, "coverage": share(len(first) - 1 - left_out, left_out),
            "rate_x": prices[0].rate, "rate_y": prices[1].rate,
        }
        yield from _pair_rows(run, row, first, second)


def _pair_rows(run: _Run, row: Row, x: Ticks, y: Ticks) -> Iterator[Row]:
    level = run.family.significance
    yield row | {"estimator": "hayashi_yoshida"} | _figures(hayashi_yoshida_estimate(x, y), level)
    returns = sampled_increments((x, y), refresh_times((x, y)))
    found = {name: of_returns(correlation_of(of), returns) for name, of in CORRELATIONS.items()}
    places = [run.together.index(row[side]) for side in ("instrument_x", "instrument_y")]
    found["pre_averaged_all"] = of_returns(
        correlation_of(CORRELATIONS["pre_averaged"]), run.refreshed[:, places]
    )
    for name, estimate in found.items():
        yield row | {"estimator": name} | _figures(estimate, level)
    whole = found["pre_averaged"]
    for step in run.family.steps_ms:
        place = row | {"step_ms": step}
        bar = bar_correlation(x, y, step * _MILLISECOND)
        share_shown = epps_factor(row["rate_x"], row["rate_y"], step / 1e3)
        curve = Estimate(
            share_shown * whole.value, share_shown * whole.standard_error, whole.n
        )
        yield place | {"estimator": "poisson_arrivals"} | _figures(curve, level, tested=False)
        yield place | {"estimator": "previous_tick"} | (
            _figures(Estimate(bar.estimate, bar.standard_error, bar.n), level)
            if bar.n >= run.family.minimum_bars
            else {"reason": "too_few_bars", "n": bar.n}
        )


def _variances(run: _Run) -> Iterator[Row]:
    template = run.blank("realised_variance")
    if not run.prices.of:
        yield template | {"estimator": "realised", "reason": "no_events"}
    level = run.family.significance
    for name, prices in run.prices.of.items():
        row = template | {"instrument_x": name, "instrument_y": name}
        ticks = prices.ticks
        if name not in run.usable:
            reason = "too_few_ticks" if len(ticks) else "no_events"
            yield row | {"estimator": "realised", "reason": reason}
            continue
        left_out = ticks.left_out
        row |= {"n_left_out": left_out, "coverage": share(len(ticks) - 1 - left_out, left_out)}
        seen = seen_time(int(ticks.times[0]), int(ticks.times[-1]), ticks.gaps)
        scale = _SQUARE_BPS / (seen / _HOUR)
        for estimator, of in VARIANCES.items():
            found = of_ticks(of, ticks)
            yield row | {"estimator": estimator} | _figures(
                Estimate(found.value * scale, found.standard_error * scale, found.n), level,
                tested=False)
        for step in run.family.steps_ms:
            returns = sampled_increments(
                [ticks], regular_grid([ticks], step * _MILLISECOND))[:, 0]
            place = row | {"estimator": "previous_tick", "step_ms": step}
            if len(returns) < run.family.minimum_bars:
                yield place | {"reason": "too_few_bars", "n": len(returns)}
                continue
            # Per hour of the bars used: a bar is as long as it says.
            squares = np.square(returns) * _SQUARE_BPS / (step * _MILLISECOND / _HOUR)
            around = (squares - squares.mean())[:, None]
            variance = float(long_run_variance(around).matrix[0, 0])
            error = math.sqrt(max(variance, 0.0) / len(squares))
            yield place | _figures(
                Estimate(float(squares.mean()), error, len(squares)), level, tested=False)


def _figures(found: Estimate, level: float, *, tested: bool = True) -> Row:
    """Estimate with interval, and the p-value of its absence; or the reason there is none."""
    from scipy.special import ndtr, ndtri

    if not math.isfinite(found.value + found.standard_error):
        return {"reason": "no_variance", "n": found.n}
    half = float(ndtri(1.0 - level / 2.0)) * found.standard_error
    row: Row = {
        "estimate": found.value, "standard_error": found.standard_error, "n": found.n,
        "interval_low": found.value - half, "interval_high": found.value + half,
    }
    if tested and found.standard_error > 0.0:
        row["p_value"] = float(2.0 * ndtr(-abs(found.value) / found.standard_error))
    return row
