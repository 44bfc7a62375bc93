"""The report's section on correlation over time, and the picture that Dagster shows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

MOST_PAIRS = 40
MOST_PATHS = 6

_TITLE = "Correlation over time"
_QUESTION = "How do correlations move: gradually, with volatility, in breaks, between regimes?"


@dataclass(frozen=True)
class Pair:
    """A row of `dynamics_pairs.sql`."""

    family: str
    bar_size: str
    instrument_x: str
    measure_x: str
    instrument_y: str
    measure_y: str
    n: int
    lowest: float | None
    highest: float | None
    constancy_p: float | None
    constancy_q: float | None
    breaks: int
    persistence: float | None
    calm: float | None
    wild: float | None
    wild_share: float | None


@dataclass(frozen=True)
class Point:
    """A row of `dynamics_paths.sql`."""

    estimator: str
    moment_ns: int
    estimate: float
    interval_low: float | None
    interval_high: float | None


def section(source: Source) -> Section:
    """What moved, with paths of the pairs that moved most and the table of all."""
    window = source.choice("dynamics")
    pairs = [] if window is None else _pairs(source, window)
    if window is None or not pairs:
        return Section(_TITLE, _QUESTION, ["Nothing was estimated: see the refusals."])
    charts = []
    drawing = _chart(source, window, pairs)
    if drawing is not None:
        charts.append(Chart(
            "Paths of correlation", svg_text(drawing, "dynamics"),
            "Exponentially weighted correlation with its band, and that conditional on the past "
            "(DCC–GARCH, dashed), of the pairs that are least constant. Upright lines: change "
            "points." + words.first_of(MOST_PATHS, len(pairs), "pair")))
    tested = [pair for pair in pairs if pair.constancy_q is not None]
    moving = [pair for pair in pairs if _called(pair.constancy_q)]
    return Section(
        _TITLE,
        _QUESTION,
        paragraphs=[(
            f"{words.how_many(len(moving)).capitalize()} of "
            f"{words.plural(len(tested), 'correlation')} cannot be held for constant "
            f"(q ≤ {SIGNIFICANCE:g}). Bands are for each moment by itself: a path that wanders "
            "within its band has not moved."
        )],
        charts=charts,
        tables=[_table(pairs), *regime_tables(source, "dynamics")],
        findings=_findings(moving) if tested else [],
        warnings=[(
            "Conditional correlations and the probabilities of regimes use parameters of the whole "
            "window: they describe it and were not known while it ran."
        )],
    )


def picture(source: Source, window: Choice) -> Drawing | None:
    """Paths of the pairs that moved most."""
    return _chart(source, window, _pairs(source, window))


def _pairs(source: Source, window: Choice) -> list[Pair]:
    return source.of_study("dynamics_pairs", Pair, "dynamics", window)


def _called(q_value: float | None) -> bool:
    return q_value is not None and q_value <= SIGNIFICANCE


def _name(pair: Pair) -> str:
    x, y = words.measure(pair.measure_x), words.measure(pair.measure_y)
    if pair.instrument_x == pair.instrument_y:
        return f"{pair.instrument_x}: {x} and {y}"
    if pair.measure_x == pair.measure_y:
        return f"{pair.instrument_x} and {pair.instrument_y}: {x}"
    return f"{pair.instrument_x} {x} and {pair.instrument_y} {y}"


def _chart(source: Source, window: Choice, pairs: Sequence[Pair]) -> Drawing | None:
    paths = []
    for pair in pairs[:MOST_PATHS]:
        points = source.of_study(
            "dynamics_paths", Point, "dynamics", window, family=pair.family,
            bar_size=pair.bar_size, instrument_x=pair.instrument_x, measure_x=pair.measure_x,
            instrument_y=pair.instrument_y, measure_y=pair.measure_y)
        if points:
            paths.append((pair, points))
    if not paths:
        return None
    rows = -(-len(paths) // 2)
    with house_style():
        figure = blank_figure(1.75 * rows + 0.35)
        height = figure.get_figheight()
        grid = figure.add_gridspec(
            rows, 2, left=0.5 / WIDTH, right=1 - 0.1 / WIDTH, bottom=0.4 / height,
            top=1 - 0.3 / height, wspace=0.14, hspace=0.62)
        for number, (pair, points) in enumerate(paths):
            axes = figure.add_subplot(grid[number // 2, number % 2])
            _path(axes, points)
            axes.set_title(words.shortened(f"{_name(pair)}, {pair.bar_size}", 66), fontsize=7.6)
    return Drawing(figure, "Correlation of pairs over time")


def _path(axes: Axes, points: Sequence[Point]) -> None:
    first = min(point.moment_ns for point in points)
    for estimator, name, style in (("exponentially_weighted", "orthogonal", "-"),
                                   ("conditional", "generalised", "--")):
        path = [p for p in points if p.estimator == estimator]
        minutes = [(p.moment_ns - first) / 60e9 for p in path]
        if estimator == "exponentially_weighted" and path:
            low = [p.estimate if p.interval_low is None else p.interval_low for p in path]
            high = [p.estimate if p.interval_high is None else p.interval_high for p in path]
            axes.fill_between(minutes, low, high, color=colour(name), alpha=0.2, linewidth=0)
        axes.plot(minutes, [p.estimate for p in path], style, color=colour(name), linewidth=1.2)
    for point in points:
        if point.estimator == "change_point":
            axes.axvline((point.moment_ns - first) / 60e9, color=colour("selling"), linewidth=0.9)
    axes.axhline(0, color=colour("muted"), linewidth=0.6)
    axes.locator_params(axis="y", nbins=4)
    axes.set_xlabel("minutes from the first", labelpad=1)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))


def _table(pairs: Sequence[Pair]) -> Rows:
    header = ["x and y", "bars", "n", "path from", "to", "constancy q", "breaks", "DCC a + b",
              "calm", "wild", "time in wild"]
    rows = [
        [
            _name(pair), pair.bar_size, words.count(pair.n), words.correlation(pair.lowest),
            words.correlation(pair.highest), words.q(pair.constancy_q), words.count(pair.breaks),
            words.number(pair.persistence, 2), words.correlation(pair.calm),
            words.correlation(pair.wild), words.percent(pair.wild_share),
        ]
        for pair in pairs
    ]
    return Rows(
        "Range of the exponentially weighted correlation, the test that one correlation holds, and "
        "correlations in the calmest and the wildest regime of a hidden Markov model.",
        header, rows, numeric=frozenset(header[2:]), most=MOST_PAIRS,
    )


def _findings(moving: Sequence[Pair]) -> list[str]:
    if not moving:
        return ["No correlation changes over the window as far as the test of constancy can tell."]
    pair = moving[0]
    return [(
        f"The correlation of {_name(pair)} does not stay the same over the window "
        f"({pair.bar_size} bars, {words.q_clause(pair.constancy_q)}, "
        f"{words.plural(pair.breaks, 'break')})."
    )]
