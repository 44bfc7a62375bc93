"""What the connectedness study contributes to the report and to Dagster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.report import words
from imbalance.report.figures import Drawing, svg_text
from imbalance.report.queries import Choice, Source
from imbalance.report.sections import Chart
from imbalance.report.studies.connectedness_figures import Link, State, network, path
from imbalance.report.study_section import Rows, Section
from imbalance.studies.connectedness.study import STUDY

MOST_SYSTEMS = 6
MOST_ROWS = 60

_HEADER = ("family", "bars", "system", "decomposition", "of", "total", "95 % band",
           "over all orders", "n")


@dataclass(frozen=True)
class Total:
    """A row of `connectedness_totals.sql`."""

    family: str
    bar_size: str
    model: str
    approach: str
    part: str
    estimate: float
    interval_low: float | None
    interval_high: float | None
    lowest_order: float | None
    highest_order: float | None
    n: int

    @property
    def system(self) -> tuple[str, str, str]:
        return self.family, self.bar_size, self.model


def section(source: Source) -> Section:
    """The section of the report."""
    window = source.choice("connectedness")
    totals = [] if window is None else source.of_study(
        "connectedness_totals", Total, "connectedness", window)
    if window is None or not totals:
        return Section(STUDY.title, STUDY.question, ["No system of series could be decomposed."])
    links = _links(source, window)
    plain = [t for t in totals if t.approach == "generalised"]
    across = [t for t in plain if t.model.startswith("across:")]
    return Section(
        STUDY.title,
        STUDY.question,
        paragraphs=[_overview(len({total.system for total in totals}))],
        charts=_charts(source, window, links),
        tables=[Rows(
            "Total connectedness; a share above 0 is no proof of a link when the shocks of the "
            "series fall into one bar.", _HEADER,
            [_cells(total) for total in totals], frozenset(_HEADER[5:]), MOST_ROWS,
        )],
        findings=[*(_sentence(total) for total in across[:2]), *_givers(links)[:1]],
        warnings=_warnings(totals),
    )


def picture(source: Source, window: Choice) -> Drawing | None:
    """The networks, for Dagster; None where no system across instruments was decomposed."""
    links = _drawn(_links(source, window))
    return network(links) if links else None


def _overview(systems: int) -> str:
    return (
        "A system of series is fitted as a vector autoregression; connectedness is the share of "
        "each one's forecast error that shocks of the others account for, on average over its "
        f"series. {words.plural(systems, 'system')} could be decomposed: in all, by frequency, "
        "jointly, in the tails and, where there are bars enough, through time."
    )


def _links(source: Source, window: Choice) -> list[Link]:
    return source.of_study("connectedness_network", Link, "connectedness", window)


def _drawn(links: list[Link]) -> list[Link]:
    systems = list(dict.fromkeys(link.system for link in links))[:MOST_SYSTEMS]
    return [link for link in links if link.system in systems]


def _charts(source: Source, window: Choice, links: list[Link]) -> list[Chart]:
    charts = []
    systems = len({link.system for link in links})
    if links:
        charts.append(Chart(
            "Who gives and who receives",
            svg_text(network(_drawn(links)), "connectedness-network"),
            "Circles are the larger, the more a series gives to the others; blue ones give more "
            "than they receive, orange ones less. Arrows: of two series, which moves the other "
            "more, where that is sure after correction for all pairs."
            + words.first_of(MOST_SYSTEMS, systems, "system"),
        ))
    states = source.of_study("connectedness_path", State, "connectedness", window)
    shown = list(dict.fromkeys(state.system for state in states))[:MOST_SYSTEMS]
    if shown:
        drawing = path([state for state in states if state.system in shown])
        charts.append(Chart(
            "Total connectedness through time", svg_text(drawing, "connectedness-path"),
            "A filter that forgets: each state is of about the last hundred bars.",
        ))
    return charts


def _cells(total: Total) -> list[str]:
    span = "–" if total.lowest_order is None or total.highest_order is None else (
        f"{words.percent(total.lowest_order)} to {words.percent(total.highest_order)}"
    )
    return [
        words.family(total.family), total.bar_size, _system(total.model),
        total.approach.replace("_", " "), total.part, words.percent(total.estimate),
        _band(total), span,
        words.count(total.n),
    ]


def _band(total: Total) -> str:
    if total.interval_low is None or total.interval_high is None:
        return "–"
    return f"{words.percent(total.interval_low)} to {words.percent(total.interval_high)}"


def _system(model: str) -> str:
    """The instrument, or how many there are in a system across."""
    if not model.startswith("across:"):
        return model
    return words.plural(model.count(",") + 1, "instrument")


def _sentence(total: Total) -> str:
    return (
        f"Connectedness ({words.family(total.family)}, {total.bar_size} bars): across "
        f"{_system(total.model)}, {words.percent(total.estimate)} of the forecast "
        f"error comes from shocks of other series ({_band(total)})."
    )


def _givers(links: Sequence[Link]) -> list[str]:
    """Who gives most, net, where that is sure."""
    net = [link for link in links if link.estimator == "net" and link.sure and link.estimate > 0]
    return [
        f"{link.instrument_x} gives the others more than it receives: its "
        f"{words.measure(link.measure_x)} by {words.percent(link.estimate)} of a forecast error, "
        f"net ({link.bar_size} bars, {words.q_clause(link.q_value)})."
        for link in sorted(net, key=lambda link: -link.estimate)
    ]


def _warnings(totals: Sequence[Total]) -> list[str]:
    """Where most of it happens within the bar, direction is not in the data."""
    wide = [t for t in totals if t.lowest_order is not None and t.highest_order is not None
            and t.highest_order - t.lowest_order > 0.5 * t.highest_order]
    if not wide:
        return []
    text = (
        f"Connectedness: in {words.plural(len(wide), 'system')} the order of the variables decides "
        "over half of the total; shocks of one bar are shared, and who gives them cannot be told."
    )
    return [text]
