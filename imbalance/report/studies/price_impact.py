"""What the study of price impact contributes to the report and to Dagster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from imbalance.report import words
from imbalance.report.figures import Drawing, svg_text
from imbalance.report.queries import SIGNIFICANCE, Choice, Source
from imbalance.report.sections import Chart
from imbalance.report.studies.price_impact_figures import Point, paths
from imbalance.report.study_section import Rows, Section
from imbalance.studies.price_impact.study import STUDY

MOST_PANELS = 8
MOST_ROWS = 40
_COMPARED = "10s"
"""Bars of the published regressions of one instrument."""

_OWN = ("instrument", "bars", "bps per unit of flow", "95 % interval", "R² of flow",
        "95 % interval of it", "without price changes", "of trades", "of both", "of the next bar",
        "depth exponent", "95 % interval of the exponent", "half-hours", "n")  # fmt: skip
_CROSS = ("instrument", "bars", "return of", "own, best level", "all, best level",
          "own, integrated", "all, integrated", "others add (best level)", "95 % interval", "q",
          "strongest other", "n")  # fmt: skip
_BY_REGIME = ("instrument", "bars", "regime", "low", "high", "high less low", "95 % interval", "q",
              "n")  # fmt: skip
_BESIDE = ("source", "R² of flow", "without price changes", "of trades", "of both",
           "of the next bar")  # fmt: skip

PUBLISHED = (
    ("Cont, Kukanov, Stoikov 2014: 50 shares, April 2010", "0.65", "0.35 to 0.60", "0.32", "0.67",
     "–"),
    ("Binance COIN-M perpetuals, 2024: BTC, ETH, SOL", "0.697, 0.707, 0.543", "–", "–", "–",
     "at most 0.026"),
    ("LOBSTER, AMZN on 2012-06-21", "0.575", "0.293", "0.352", "–", "–"),
)
"""Mean R² of 10 s bars in half-hours, as published."""


@dataclass(frozen=True)
class Own:
    """A row of `price_impact.sql`."""

    family: str
    bar_size: str
    instrument: str
    slope: float | None
    slope_low: float | None
    slope_high: float | None
    r_squared: float
    low: float | None
    high: float | None
    control: float | None
    trades: float | None
    together: float | None
    next_bar: float | None
    exponent: float | None
    exponent_low: float | None
    exponent_high: float | None
    rmse_reduction: float | None
    n: int
    half_hours: int


@dataclass(frozen=True)
class ByRegime:
    """A row of `price_impact_regimes.sql`."""

    family: str
    bar_size: str
    instrument: str
    regime: str
    low: float
    high: float
    difference: float
    difference_low: float | None
    difference_high: float | None
    q_value: float | None
    n: int


@dataclass(frozen=True)
class Cross:
    """A row of `cross_impact.sql`."""

    family: str
    bar_size: str
    instrument: str
    horizon: int
    in_own_best: float | None
    in_cross_best: float | None
    in_own_integrated: float | None
    in_cross_integrated: float | None
    out_own_best: float
    out_cross_best: float | None
    out_own_integrated: float | None
    out_cross_integrated: float | None
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    gain_q: float | None
    strongest: str | None
    alarm: str | None
    alarm_low: float | None
    n: int


def section(source: Source) -> Section:
    """The section of the report."""
    window = source.choice("price_impact")
    own = [] if window is None else source.of_study("price_impact", Own, "price_impact", window)
    if window is None or not own:
        return Section(STUDY.title, STUDY.question, ["No instrument had a flow to study."])
    cross = source.of_study("cross_impact", Cross, "cross_impact", window)
    by_regime = source.of_study("price_impact_regimes", ByRegime, "price_impact", window)
    points = _points(source, window)
    return Section(
        STUDY.title,
        STUDY.question,
        paragraphs=[_overview(own), *_deeper(own), *_others(cross)],
        charts=[Chart(
            "What deeper levels add, and how the price moves on",
            svg_text(paths(points), "price-impact"),
            f"{points[0].bar_size} bars. Above: R² of the return of the same bar by the flows of "
            "so many levels. Below: mean move of the mid in the direction of a bar's flow, in that "
            "bar (0) and from its end on."
            + words.first_of(MOST_PANELS, len({one.instrument for one in own}), "instrument"),
        )] if points else [],
        tables=[
            Rows("Own flow: mean over half-hours of the regression of the return on the order flow "
                 "imbalance of the same bar. «Without price changes» leaves out the events which "
                 "move a best price, whose effect is an identity.",
                 _OWN, [_own_cells(one) for one in own], frozenset(_OWN[2:]), MOST_ROWS),
            *_regime_tables(by_regime),
            *_beside(own),
            *_cross_tables(cross),
        ],
        findings=_findings(own, cross),
        warnings=_warnings(cross),
    )


def picture(source: Source, window: Choice) -> Drawing | None:
    """The curves, for Dagster; None where nothing was estimated."""
    points = _points(source, window)
    return paths(points) if points else None


def _points(source: Source, window: Choice) -> list[Point]:
    """Of the bar size with most of them, the longest in a tie."""
    points = source.of_study("price_impact_paths", Point, "price_impact", window)
    sizes = list(dict.fromkeys(point.bar_size for point in points))
    if not sizes:
        return []
    chosen = max(sizes, key=lambda size: (
        sum(point.bar_size == size for point in points), sizes.index(size)))
    kept = [point for point in points if point.bar_size == chosen]
    names = list(dict.fromkeys(point.instrument for point in kept))[:MOST_PANELS]
    return [point for point in kept if point.instrument in names]


def _overview(own: Sequence[Own]) -> str:
    sizes = list(dict.fromkeys(one.bar_size for one in own))
    parts = [f"{words.percent(mean(one.r_squared for one in own if one.bar_size == size))} of the "
             f"variance of {size} returns" for size in sizes]
    count = len({one.instrument for one in own})
    return (
        f"Order flow of the same bar explains, in the mean of {words.plural(count, 'instrument')}, "
        f"{' and '.join(parts)} (Cont, Kukanov and Stoikov 2014). This is no forecast: flow and "
        "move share the bar, and a part of it is one by definition."
    )


def _deeper(own: Sequence[Own]) -> list[str]:
    found = [one.rmse_reduction for one in own if one.rmse_reduction is not None]
    if not found:
        return []
    less = mean(found)
    text = (
        "Out of sample, a ridge regression on the flows of all levels misses by "
        f"{words.percent(abs(less))} {'less' if less >= 0 else 'more'} than the best level alone, "
        "in the mean (Xu, Gould and Howison 2019 found 15 to 74 % less)."
    )
    return [text]


def _others(cross: Sequence[Cross]) -> list[str]:
    told = []
    for horizon, what in ((0, "explain the return of the same bar"), (1, "forecast the next one")):
        tested = [one for one in cross if one.horizon == horizon and one.gain_q is not None]
        if tested:
            called = sum(1 for one in tested if _adds(one))
            told.append(f"in {words.how_many(called)} of {words.small(len(tested))} cases they "
                        f"help to {what}")
    text = (
        f"Flows of other instruments beside the own one: {'; '.join(told)} (out of sample, "
        f"q ≤ {SIGNIFICANCE:g}; Cont, Cucuringu and Zhang 2023)."
    )
    return [text] if told else []


def _adds(one: Cross) -> bool:
    """Whether the flows of others surely help, and the model that has them is of use at all."""
    return (one.gain_q is not None and one.gain_q <= SIGNIFICANCE and one.gain_low is not None
            and one.gain_low > 0.0 and (one.out_cross_best or 0.0) > 0.0)


def _beside(own: Sequence[Own]) -> list[Rows]:
    mine = [one for one in own if one.bar_size == _COMPARED]
    if not mine:
        return []
    rows = [[f"here: {one.instrument}", *(words.correlation(value) for value in (
        one.r_squared, one.control, one.trades, one.together, one.next_bar))]
        for one in mine[:MOST_ROWS]]
    return [Rows("Beside the literature: mean R² of 10 s bars in half-hours."
                 + words.first_of(MOST_ROWS, len(mine), "instrument"), _BESIDE,
                 [*rows, *map(list, PUBLISHED)], frozenset(_BESIDE[1:]))]


def _regime_tables(found: Sequence[ByRegime]) -> list[Rows]:
    if not found:
        return []
    rows = [[one.instrument, one.bar_size, one.regime.replace("_", " "),
             *(words.number(value) for value in (one.low, one.high, one.difference)),
             words.interval(one.difference_low, one.difference_high, figures=True),
             words.q(one.q_value), words.count(one.n)] for one in found]
    return [Rows("Slope (bps per unit of flow) after bars in the low and in the high tercile of a "
                 "regime, the surest differences first. The terciles are of the window: they "
                 "describe.", _BY_REGIME, rows, frozenset(_BY_REGIME[3:]), MOST_ROWS)]


def _cross_tables(cross: Sequence[Cross]) -> list[Rows]:
    if not cross:
        return []
    return [Rows(
        "Flows of all instruments: R² out of sample, about the mean of what was fitted on (in "
        "brackets the adjusted R² in sample). A forecast below 0 is worse than that mean. "
        "Published, 1 min bars: 0.65, 0.66, 0.84, 0.84; one minute ahead −0.37 with own and −0.10 "
        "with all flows.",
        _CROSS, [_cross_cells(one) for one in cross], frozenset(_CROSS[3:10]), MOST_ROWS,
    )]


def _findings(own: Sequence[Own], cross: Sequence[Cross]) -> list[str]:
    surest = max(own, key=lambda one: one.low or 0.0)
    first = (
        f"Order flow of {surest.instrument} explains {words.percent(surest.r_squared)} of the "
        f"variance of its {surest.bar_size} returns "
        f"({words.interval(surest.low, surest.high)} as R²"
        + (f"; {words.percent(surest.control)} without the events that move the price)."
           if surest.control is not None else ").")
    )
    helped = sorted((one for one in cross if one.horizon and _adds(one) and one.alarm is None),
                    key=lambda one: -(one.gain or 0.0))
    return [first] + [
        f"Flows of others, {one.strongest} before all, raise the R² of the forecast of the next "
        f"{one.bar_size} return of {one.instrument} by {words.correlation(one.gain)} to "
        f"{words.correlation(one.out_cross_best)} out of sample ({words.q_clause(one.gain_q)})."
        for one in helped[:1]
    ]


def _warnings(cross: Sequence[Cross]) -> list[str]:
    return [
        f"Price impact: the next {one.bar_size} return of {one.instrument} is forecast with an R² "
        f"above {words.correlation(one.alarm_low)}, which is too good to be true: look for a clock "
        "that is behind, a stale book or prices that follow another market (study of lead-lag)."
        for one in cross if one.alarm is not None
    ][:6]


def _own_cells(one: Own) -> list[str]:
    return [
        one.instrument, one.bar_size, words.number(one.slope),
        words.interval(one.slope_low, one.slope_high, figures=True),
        words.correlation(one.r_squared), words.interval(one.low, one.high),
        *(words.correlation(value) for value in (
            one.control, one.trades, one.together, one.next_bar)),
        words.number(one.exponent),
        words.interval(one.exponent_low, one.exponent_high, figures=True),
        words.count(one.half_hours), words.count(one.n),
    ]


def _cross_cells(one: Cross) -> list[str]:
    def both(out: float | None, within: float | None) -> str:
        return "–" if out is None else f"{words.correlation(out)} ({words.correlation(within)})"

    return [
        one.instrument, one.bar_size, "the next bar" if one.horizon else "the bar",
        both(one.out_own_best, one.in_own_best), both(one.out_cross_best, one.in_cross_best),
        both(one.out_own_integrated, one.in_own_integrated),
        both(one.out_cross_integrated, one.in_cross_integrated),
        words.number(one.gain), words.interval(one.gain_low, one.gain_high), words.q(one.gain_q),
        one.strongest or "–", words.count(one.n),
    ]
