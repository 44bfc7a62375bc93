"""What the study of impact in event time contributes to the report and to Dagster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imbalance.report import words
from imbalance.report.figures import (
    WIDTH,
    Drawing,
    band,
    blank_figure,
    house_style,
    svg_text,
)
from imbalance.report.palette import colour
from imbalance.report.queries import SIGNIFICANCE, Choice, Source
from imbalance.report.sections import Chart
from imbalance.report.study_section import Rows, Section
from imbalance.studies.event_time.study import STUDY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PANELS = 12
MOST_ROWS = 60
_COLUMNS = 4
_DRAWN = "sign"
"""Family whose paths are drawn: one trade is one unit."""

_HEADER = ("instrument", "unit of flow", "bps at once", "bps for good", "95 % band",
           "share of trades", "95 % band of it", "flow moves price, q", "price moves flow, q", "n")


@dataclass(frozen=True)
class Impact:
    """A row of `event_time_impacts.sql`."""

    family: str
    instrument: str
    flow: str
    at_once: float | None
    permanent: float
    permanent_low: float | None
    permanent_high: float | None
    share: float | None
    share_low: float | None
    share_high: float | None
    q_price: float | None
    q_flow: float | None
    p_portmanteau: float | None
    n: int


@dataclass(frozen=True)
class Step:
    """A row of `event_time_paths.sql`."""

    family: str
    instrument: str
    horizon: int
    estimate: float
    interval_low: float | None
    interval_high: float | None


def section(source: Source) -> Section:
    """The section of the report."""
    window = source.choice("event_time")
    found = [] if window is None else source.of_study(
        "event_time_impacts", Impact, "event_time", window)
    if window is None or not found:
        return Section(STUDY.title, STUDY.question, ["No instrument could be studied by trades."])
    steps = _steps(source, window)
    signs = [one for one in found if one.family == _DRAWN]
    return Section(
        STUDY.title,
        STUDY.question,
        paragraphs=[_overview(len({one.instrument for one in found}))],
        charts=[Chart(
            "The price after an unexpected buy", svg_text(paths(steps), "event-time"),
            "Mid price in bps, by trades since; the band is the pointwise one of the bootstrap."
            + words.first_of(MOST_PANELS, len(signs), "instrument"),
        )] if steps else [],
        tables=[Rows(
            "Impact of one unexpected unit of flow, and the share of the price's own way (the "
            "random walk in it) that trades explain.",
            _HEADER, [_cells(one) for one in found], frozenset(_HEADER[2:]), MOST_ROWS,
        )],
        findings=[_sentence(one) for one in _surest(signs)[:2]],
        warnings=_warnings(signs),
    )


def picture(source: Source, window: Choice) -> Drawing | None:
    """The paths, for Dagster; None where no instrument was studied."""
    steps = _steps(source, window)
    return paths(steps) if steps else None


def paths(steps: Sequence[Step]) -> Drawing:
    """A panel per instrument: where the price stands, so many trades after an unexpected buy."""
    names = list(dict.fromkeys(step.instrument for step in steps))
    lines = -(-len(names) // _COLUMNS)
    with house_style():
        figure = blank_figure(1.75 * lines + 0.2)
        height = figure.get_figheight()
        grid = figure.add_gridspec(
            lines, _COLUMNS, left=0.5 / WIDTH, right=1 - 0.05 / WIDTH, bottom=0.42 / height,
            top=1 - 0.3 / height, wspace=0.26, hspace=0.75,
        )
        for number, name in enumerate(names):
            axes = figure.add_subplot(grid[divmod(number, _COLUMNS)])
            _panel(axes, [step for step in steps if step.instrument == name])
            axes.set_title(words.shortened(name, 30), fontsize=7.5)
            axes.set_xlabel("trades after it", labelpad=2, fontsize=7)
    return Drawing(figure, f"Impact of a trade on the price of {len(names)} instruments")


def _panel(axes: Axes, steps: Sequence[Step]) -> None:
    at = [step.horizon for step in steps]
    band(axes, at, steps)
    axes.plot(at, [step.estimate for step in steps], color=colour("price"), linewidth=1.2)
    axes.axhline(0, color=colour("muted"), linewidth=0.7)
    axes.margins(x=0.02)
    axes.locator_params(axis="y", nbins=4)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))


def _steps(source: Source, window: Choice) -> list[Step]:
    steps = source.of_study("event_time_paths", Step, "event_time", window, family=_DRAWN)
    shown = list(dict.fromkeys(step.instrument for step in steps))[:MOST_PANELS]
    return [step for step in steps if step.instrument in shown]


def _overview(instruments: int) -> str:
    return (
        f"Trade by trade, for {words.plural(instruments, 'instrument')}: a vector autoregression "
        "of signed flow and the return of the mid price until the next trade, in which flow may "
        "move the price within the event and not the other way round (Hasbrouck 1991)."
    )


def _surest(found: Sequence[Impact]) -> list[Impact]:
    sure = [one for one in found if one.permanent_low is not None
            and one.permanent_high is not None and one.permanent_low * one.permanent_high > 0.0]
    return sorted(sure, key=lambda one: -(one.share or 0.0))


def _sentence(one: Impact) -> str:
    return (
        f"An unexpected buy moves the mid price of {one.instrument} by "
        f"{words.number(one.at_once)} bps at once and {words.number(one.permanent)} bps for good "
        f"({words.interval(one.permanent_low, one.permanent_high, figures=True)}); trades explain "
        f"{words.percent(one.share)} of the price's own way."
    )


def _cells(one: Impact) -> list[str]:
    return [
        one.instrument, words.measure(one.flow), words.number(one.at_once),
        words.number(one.permanent),
        words.interval(one.permanent_low, one.permanent_high, figures=True),
        words.percent(one.share),
        f"{words.percent(one.share_low)} to {words.percent(one.share_high)}",
        words.q(one.q_price), words.q(one.q_flow), words.count(one.n),
    ]


def _warnings(found: Sequence[Impact]) -> list[str]:
    doubtful = [one for one in found
                if one.p_portmanteau is not None and one.p_portmanteau <= SIGNIFICANCE]
    if not doubtful:
        return []
    text = (
        f"Event time: for {words.plural(len(doubtful), 'instrument')} the residuals are still "
        "autocorrelated at the order chosen; trades come in runs longer than the lags."
    )
    return [text]
