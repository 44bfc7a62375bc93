"""What the study of the Epps effect contributes to the report and to Dagster."""

from __future__ import annotations

from statistics import median

from imbalance.report import words
from imbalance.report.figures import Drawing, svg_text
from imbalance.report.queries import Choice, Source
from imbalance.report.sections import Chart
from imbalance.report.studies.epps_figures import Point, curves
from imbalance.report.study_section import Rows, Section
from imbalance.studies.epps.study import ROBUST, STUDY

MOST_PANELS = 6
MOST_PAIRS = 40
SHORT_MS = 1_000
"""Bars that the table compares with what needs none."""

_NAMES = {
    "hayashi_yoshida": "Hayashi–Yoshida", "pre_averaged": "pre-averaged",
    "pre_averaged_all": "pre-averaged, all",
}

_HEADER = ("pair", "price", "1 s bars", "Poisson arrivals at 1 s",
           *(_NAMES.get(name, words.family(name)) for name in ROBUST))


def section(source: Source) -> Section:
    """The section of the report."""
    window = source.choice("epps")
    points = _points(source, window, None)
    if not points:
        return Section(STUDY.title, STUDY.question, ["No pair of instruments could be estimated."])
    pairs = list(dict.fromkeys(point.pair for point in points))
    drawn = [point for point in points if point.pair in pairs[:MOST_PANELS]]
    shown = [share for pair in pairs if (share := _shown(points, pair)) is not None]
    return Section(
        STUDY.title,
        STUDY.question,
        paragraphs=[_paragraph(shown)],
        charts=[Chart(
            "Correlation against the length of bars", svg_text(curves(drawn), "epps"),
            "Bars of previous-tick prices with their band; dashed what prices that tick at "
            "Poisson times would show of the pre-averaged value; right of the longest bars the "
            "estimates that need none." + words.first_of(MOST_PANELS, len(pairs), "pair"),
        )],
        tables=[Rows(
            "Correlations of 1 s bars beside estimates that asynchrony and noise do not spoil.",
            _HEADER, [_cells(points, pair) for pair in pairs], frozenset(_HEADER[2:]), MOST_PAIRS,
        )],
        warnings=[_EITHER],
    )


_EITHER = (
    "Epps effect: Hayashi–Yoshida heals asynchrony, not noise nor leads; pre-averaging and kernels "
    "heal noise. Where they differ, prices lead each other or bounce: see lead-lag."
)


def picture(source: Source, window: Choice) -> Drawing | None:
    """The curves, for Dagster; None where no pair was estimated."""
    points = _points(source, window, MOST_PANELS)
    return curves(points) if points else None


def _points(source: Source, window: Choice | None, most: int | None) -> list[Point]:
    return [] if window is None else source.of_study(
        "epps_curves", Point, "epps", window, most=most)


def _value(
    points: list[Point], pair: tuple[str, str, str], name: str, step: int = 0
) -> float | None:
    found = (p.estimate for p in points
             if p.pair == pair and p.estimator == name and p.step_ms == step)
    return next(found, None)


def _shown(points: list[Point], pair: tuple[str, str, str]) -> float | None:
    """Share of the pre-averaged correlation that 1 s bars show."""
    short, whole = (_value(points, pair, "previous_tick", SHORT_MS),
                    _value(points, pair, "pre_averaged"))
    return None if short is None or not whole else short / whole


def _paragraph(shown: list[float]) -> str:
    if not shown:
        return "No pair has bars of one second to compare with."
    return (
        f"Bars of one second show {words.number(100.0 * median(shown), 2)} % of the pre-averaged "
        f"correlation in the median of {words.plural(len(shown), 'pair')} (each price apart)."
    )


def _cells(points: list[Point], pair: tuple[str, str, str]) -> list[str]:
    figures = (
        _value(points, pair, "previous_tick", SHORT_MS),
        _value(points, pair, "poisson_arrivals", SHORT_MS),
        *(_value(points, pair, name) for name in ROBUST),
    )
    return [
        f"{pair[0]} and {pair[1]}", words.measure(pair[2]),
        *(words.correlation(value) for value in figures),
    ]
