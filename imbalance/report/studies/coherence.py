"""The report's section on coherence by frequency, and the picture that Dagster shows of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from imbalance.report import words
from imbalance.report.figures import WIDTH, Drawing, blank_figure, house_style, svg_text
from imbalance.report.palette import colour
from imbalance.report.queries import SIGNIFICANCE, Choice, Source
from imbalance.report.regime_table import regime_tables
from imbalance.report.sections import Chart
from imbalance.report.study_section import Rows, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PAIRS = 20
MOST_PANELS = 6

_TITLE = "Coherence by frequency"
_QUESTION = "Which rhythms do two series share, over the window and at times, and which is ahead?"


@dataclass(frozen=True)
class Estimate:
    """A row of `coherence_spectra.sql`."""

    family: str
    bar_size: str
    instrument_x: str
    measure_x: str
    instrument_y: str
    measure_y: str
    estimator: str
    period: float
    estimate: float
    interval_low: float | None
    interval_high: float | None
    surrogate_limit: float | None
    delay: float | None
    phase_error: float | None
    n: int
    q_value: float | None
    strongest: float | None

    @property
    def called(self) -> bool:
        """Whether it is a finding."""
        return self.q_value is not None and self.q_value <= SIGNIFICANCE

    @property
    def delay_error(self) -> float | None:
        """Standard error of the delay, bars."""
        return None if self.phase_error is None else self.phase_error * self.period / math.tau


def section(source: Source) -> Section:
    """Coherence by period of the pairs that share most."""
    window = source.choice("coherence")
    found = [] if window is None else _estimates(source, window)
    if not found:
        return Section(_TITLE, _QUESTION, ["Nothing was estimated: see the refusals."])
    pairs = _by_pair(found)
    return Section(
        _TITLE,
        _QUESTION,
        paragraphs=[(
            "Squared coherence is the share of one series' variance around a period that goes with "
            "the other's, whatever the delay. Multitaper estimates are over the whole window; "
            "those of wavelets are means over time, and stand against independent series with the "
            "same memory."
        )],
        charts=[Chart(
            "Coherence by period", svg_text(_chart(pairs), "coherence"),
            "Line with band: multitaper with its 95 % interval. Dots: wavelets; dashed: what one "
            "in twenty independent pairs exceeds.")],
        tables=[_table(found), *regime_tables(source, "coherence")],
        findings=_findings(found),
        warnings=[(
            "A delay is known only up to whole periods, and clocks that differ by it look the same."
        )],
    )


def picture(source: Source, window: Choice) -> Drawing | None:
    """Coherence by period of the pairs that share most."""
    found = _estimates(source, window)
    return _chart(_by_pair(found)) if found else None


def _estimates(source: Source, window: Choice) -> list[Estimate]:
    return source.of_study("coherence_spectra", Estimate, "coherence", window,
                           significance=SIGNIFICANCE, most=MOST_PAIRS)


def _by_pair(found: Sequence[Estimate]) -> dict[str, list[Estimate]]:
    pairs: dict[str, list[Estimate]] = {}
    for one in found:
        pairs.setdefault(f"{_name(one)}, {one.bar_size}", []).append(one)
    return pairs


def _name(one: Estimate) -> str:
    x, y = words.measure(one.measure_x), words.measure(one.measure_y)
    if one.instrument_x == one.instrument_y:
        return f"{one.instrument_x}: {x} and {y}"
    if one.measure_x == one.measure_y:
        return f"{one.instrument_x} and {one.instrument_y}: {x}"
    return f"{one.instrument_x} {x} and {one.instrument_y} {y}"


def _chart(pairs: Mapping[str, Sequence[Estimate]]) -> Drawing:
    shown = list(pairs.items())[:MOST_PANELS]
    rows = -(-len(shown) // 2)
    with house_style():
        figure = blank_figure(1.75 * rows + 0.35)
        height = figure.get_figheight()
        grid = figure.add_gridspec(
            rows, 2, left=0.5 / WIDTH, right=1 - 0.1 / WIDTH, bottom=0.4 / height,
            top=1 - 0.3 / height, wspace=0.14, hspace=0.62)
        for number, (title, estimates) in enumerate(shown):
            axes = figure.add_subplot(grid[number // 2, number % 2])
            _spectrum(axes, estimates)
            axes.set_title(words.shortened(title, 66), fontsize=7.6)
    return Drawing(figure, "Coherence of pairs by period")


def _spectrum(axes: Axes, estimates: Sequence[Estimate]) -> None:
    tapered = sorted((e for e in estimates if e.estimator == "multitaper"), key=lambda e: e.period)
    waves = sorted((e for e in estimates if e.estimator == "wavelet"), key=lambda e: e.period)
    if tapered:
        periods = [e.period for e in tapered]
        low = [e.estimate if e.interval_low is None else e.interval_low for e in tapered]
        high = [e.estimate if e.interval_high is None else e.interval_high for e in tapered]
        axes.fill_between(periods, low, high, color=colour("orthogonal"), alpha=0.2, linewidth=0)
        axes.plot(periods, [e.estimate for e in tapered], color=colour("orthogonal"),
                  linewidth=1.2)
    if waves:
        axes.plot([e.period for e in waves], [e.estimate for e in waves], "o", markersize=4,
                  color=colour("generalised"))
        limits = [(e.period, e.surrogate_limit) for e in waves if e.surrogate_limit is not None]
        if limits:
            axes.plot(*zip(*limits, strict=True), "--", color=colour("muted"), linewidth=0.9)
    periods = sorted({e.period for e in estimates})
    axes.set_xscale("log", base=2)
    axes.set_xticks(periods, [f"{period:.3g}" for period in periods])
    axes.minorticks_off()
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("period in bars", labelpad=1)


def _table(found: Sequence[Estimate]) -> Rows:
    header = ["x and y", "bars", "period", "coherence", "interval", "q", "x ahead by",
              "wavelets", "n"]
    waves = {(_name(e), e.bar_size, e.family, round(e.period)): e for e in found
             if e.estimator == "wavelet"}
    rows = []
    for one in found:
        if one.estimator != "multitaper":
            continue
        wave = waves.get((_name(one), one.bar_size, one.family, round(one.period)))
        error = one.delay_error
        delay = words.number(one.delay, 2) + (
            "" if error is None else f" ± {words.number(error, 2)}")
        rows.append([
            _name(one), one.bar_size, words.number(one.period), words.correlation(one.estimate),
            words.interval(one.interval_low, one.interval_high), words.q(one.q_value),
            delay if one.called else "–",
            "–" if wave is None else words.correlation(wave.estimate)
            + ("*" if wave.called else ""),
            words.count(one.n),
        ])
    return Rows(
        "Multitaper coherence; the delay in bars with its standard error, where the coherence is "
        f"significant; the mean wavelet coherence at the same period (*: q ≤ {SIGNIFICANCE:g}).",
        header, rows, numeric=frozenset({"period", "coherence", "q", "wavelets", "n"}),
    )


def _findings(found: Sequence[Estimate]) -> list[str]:
    called = [e for e in found if e.estimator == "multitaper" and e.called]
    if not called:
        return ["No rhythm is shared by two series beyond chance."]
    # Bonferroni: the largest of many delays is looked at.
    bound = NormalDist().inv_cdf(1.0 - SIGNIFICANCE / (2.0 * len(called)))
    ahead = [
        e for e in called
        if e.delay is not None and e.delay_error is not None
        and abs(e.delay) > bound * e.delay_error
    ]
    if not ahead:
        return [("Of the pairs that share most, none shows a delay that can be told from none.")]
    one = max(ahead, key=lambda e: e.estimate)
    delay, error = one.delay or 0.0, one.delay_error or 0.0
    first, second = (f"{one.instrument_x} {words.measure(one.measure_x)}",
                     f"{one.instrument_y} {words.measure(one.measure_y)}")
    if delay < 0.0:
        first, second = second, first
    return [(
        f"Around a period of {words.number(one.period)} bars ({one.bar_size}) {first} is ahead of "
        f"{second} by {words.number(abs(delay), 2)} ± {words.number(error, 2)} bars."
    )]
