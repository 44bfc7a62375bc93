"""What each section of the report shows: rows for its tables, drawings for its charts, words.

Belongs here: how much is shown and in which order. Queries are in `queries`, drawings in `charts`
and `studies_charts`, the page in `templates/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imbalance.report import words
from imbalance.report.charts import coverage_ribbon, price_and_flow
from imbalance.report.figures import svg_text
from imbalance.report.queries import FEWEST_INDEPENDENT, SIGNIFICANCE, Choice, Source
from imbalance.report.records import Capture, Cell, Coverage, Measures, Response, Stretch
from imbalance.report.strip import Span, coverage_strip
from imbalance.report.studies_charts import correlation_heatmap, impulse_responses, panels_of
from imbalance.studies.registry import reasons

POINTS = 480
"""Points of a line, bars of a chart: more are finer than the pixels."""

MOST_INSTRUMENTS = 40
MOST_PAIRS = 36
MOST_HEATMAPS = 14
MOST_ACROSS = 8


@dataclass(frozen=True)
class Chart:
    """A chart of the page: its heading, the drawing as SVG, what is to be seen in it.

    Without `svg`, `caption` says why there is no drawing.
    """

    heading: str
    svg: str | None
    caption: str


@dataclass(frozen=True)
class Recorded:
    """Charts of what was recorded; `bucket` is the time that one of their bars sums up."""

    ribbon: str | None = None
    strip: Sequence[Span] = ()
    charts: Sequence[Chart] = ()
    bucket: str = ""
    left_out: int = 0


def ingested(captures: Sequence[Capture], coverage: Sequence[Coverage]) -> str:
    """The first sentence of the overview: what was read, of which instruments, over which time."""
    parts = []
    if captures:
        venues = len({c.venue for c in captures})
        read = sum(c.lines_read for c in captures)
        parts.append(
            f"{_capital(words.plural(len(captures), 'capture'))} of "
            f"{words.plural(venues, 'venue')} ({words.size(sum(c.size_bytes for c in captures))}, "
            f"{words.size(sum(c.text_bytes for c in captures))} of text) "
            f"{'holds' if len(captures) == 1 else 'hold'} {words.count(read)} lines: "
            f"{_fates(captures)}."
        )
    if coverage:
        between = words.span(min(c.first_ns for c in coverage), max(c.last_ns for c in coverage))
        parts.append(
            f"They became bars of {words.plural(len(coverage), 'instrument')}, {between}."
            if captures else
            f"Bars of {words.plural(len(coverage), 'instrument')}, {between}."
        )
    return " ".join(parts) or "Nothing has been ingested."


def _fates(captures: Sequence[Capture]) -> str:
    ignored = sum(c.lines_ignored for c in captures)
    quarantined = sum(c.lines_quarantined for c in captures)
    if not ignored and not quarantined:
        return "all decoded"
    decoded = sum(c.lines_decoded for c in captures)
    return (
        f"{words.count(decoded)} decoded, {words.count(ignored)} left out by a named rule, "
        f"{words.count(quarantined)} in quarantine"
    )


def validity(coverage: Sequence[Coverage]) -> str:
    """How much of the bars can be used."""
    bars, valid = sum(c.bars for c in coverage), sum(c.valid_bars for c in coverage)
    if not bars:
        return "There are no bars."
    if valid == bars:
        return f"All {words.count(bars)} one-second bars are valid."
    return (
        f"Of {words.count(bars)} one-second bars {words.count(valid)} "
        f"({words.percent(valid / bars)}) are valid; the others touch a gap, an edge of the "
        "captures or a silence, and no study uses them."
    )


def recorded_charts(source: Source, stretches: list[Stretch]) -> Recorded:
    """The coverage ribbon, and price with flow per instrument."""
    series = source.series(stretches, POINTS)
    if not series:
        return Recorded()
    ribbon = svg_text(coverage_ribbon(series, stretches), "ribbon")
    charts = []
    for number, one in enumerate(series[:MOST_INSTRUMENTS]):
        if np.isnan(one.price).all() and np.isnan(one.flow).all():
            charts.append(Chart(one.instrument, None, "Its bars have neither price nor flow."))
            continue
        drawing = price_and_flow(one, stretches)
        charts.append(Chart(one.instrument, svg_text(drawing, f"price-{number}"), ""))
    return Recorded(
        ribbon=ribbon,
        strip=coverage_strip(series, stretches),
        charts=charts,
        bucket=words.duration(series[0].bucket_ns / 1e9),
        left_out=max(len(series) - MOST_INSTRUMENTS, 0),
    )


def heatmaps(source: Source, window: Choice) -> Iterator[Chart]:
    """A heatmap per pair of measures; in words where nothing is significant or all refused."""
    measures = source.correlation_measures(window)
    for number, pair in enumerate(measures[:MOST_HEATMAPS]):
        heading = _heading(pair)
        cells = source.correlation_cells(window, pair, MOST_PAIRS)
        if not pair.estimates:
            yield Chart(heading, None, f"Refused: {_reasons(pair.reasons)}.")
        elif not pair.significant:
            refused = f" Refused: {_reasons(pair.reasons)}." if pair.refused else ""
            yield Chart(heading, None, f"None of {words.count(pair.estimates)} correlations is "
                        f"significant (q > {SIGNIFICANCE:g}).{refused}")
        else:
            drawing = correlation_heatmap(
                cells, label=f"Correlation of {heading}", significance=SIGNIFICANCE
            )
            yield Chart(heading, svg_text(drawing, f"heat-{number}"), _heatmap_caption(pair, cells))
    if len(measures) > MOST_HEATMAPS:
        left = len(measures) - MOST_HEATMAPS
        yield Chart("More pairs of measures", None, f"{_capital(words.plural(left, 'pair'))} of "
                    f"measures {'is' if left == 1 else 'are'} not drawn; the correlations stand in "
                    "studies.correlation.")


def response_charts(responses: Sequence[Response]) -> Iterator[Chart]:
    """A chart per instrument, and one for the chosen pairs of each system across instruments."""
    models = list(dict.fromkeys(
        (r.across, r.model, r.bar_size if r.across else "") for r in responses))
    own = [one for one in models if not one[0]]
    shown = own[:MOST_INSTRUMENTS] + [one for one in models if one[0]]
    for number, (across, model, size) in enumerate(shown):
        inside = [r for r in responses if r.model == model and size in {"", r.bar_size}]
        drawing = impulse_responses(inside)
        heading = f"Across instruments, {size} bars" if across else model
        caption = (
            "Return (bps) of the second after a shock to the order flow of the first: the pairs in "
            "which the response stands out most from its band."
            if across else ""
        )
        yield Chart(heading, svg_text(drawing, f"response-{number}"), caption)
    if len(own) > MOST_INSTRUMENTS:
        left = len(own) - MOST_INSTRUMENTS
        yield Chart("More instruments", None, f"{_capital(words.plural(left, 'instrument'))} "
                    f"{'is' if left == 1 else 'are'} not drawn; the responses stand in "
                    "studies.impulse_response.")


def _heading(pair: Measures) -> str:
    first, second = words.measure(pair.measure_x), words.measure(pair.measure_y)
    return f"{_capital(first)}, own and shared" if first == second else (
        f"{_capital(first)} and {second}"
    )


def _heatmap_caption(pair: Measures, cells: Sequence[Cell]) -> str:
    shown = len({(c.instrument_x, c.instrument_y) for c in cells})
    caption = (
        f"{words.count(pair.significant)} of {words.count(pair.estimates)} correlations are "
        f"significant (family: {words.family(pair.family)})."
    )
    if shown < pair.pairs:
        caption += (
            f" Of {words.count(pair.pairs)} pairs of instruments {shown} are shown, an instrument "
            "with itself and others apart: those with the strongest findings."
        )
    if pair.thin:
        caption += (
            f" {words.plural(pair.thin, 'significant one').capitalize()} "
            f"{'rests' if pair.thin == 1 else 'rest'} on fewer than {FEWEST_INDEPENDENT} "
            "independent pairs of bars."
        )
    if pair.refused:
        caption += f" Refused: {_reasons(pair.reasons)}."
    if len(panels_of(cells)) < len({(c.bar_size, c.horizon) for c in cells}):
        caption += " Panels in which everything was refused are left out."
    return caption


def _reasons(counted: Mapping[str, int] | None) -> str:
    """`12 rows, too few bars: fewer valid bars than the family demands`."""
    return "; ".join(
        f"{words.plural(count, 'row')}, {words.family(reason)}: "
        f"{reasons().get(reason, 'nothing more is known')}"
        for reason, count in sorted((counted or {}).items())
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
