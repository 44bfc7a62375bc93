"""Writes the report: one HTML file that needs nothing but itself.

Belongs here: putting the sections together and writing the file whole or not at all. The page may
load nothing and run nothing (its content security policy says so), and text from the data is
escaped by the template engine, so that a hostile symbol stays text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from imbalance import catalog
from imbalance.progress import SILENT, Progress
from imbalance.report import cautions, findings, sections, words
from imbalance.report.palette import css_variables
from imbalance.report.queries import FEWEST_INDEPENDENT, SIGNIFICANCE, Source
from imbalance.report.records import Measures, Window
from imbalance.report.study_section import study_sections
from imbalance.studies.hypotheses import HYPOTHESES
from imbalance.studies.measures import base_measure
from imbalance.studies.registry import reasons
from imbalance.whole_file import whole_file

_DEFINED = ("mid_close", "return_bps", "order_flow_imbalance", "coverage", "poisoned", "valid")
_ESTIMATES = ("estimate", "standard_error", "interval_low", "q_value", "hypothesis", "n_effective",
              "n_left_out")
_DAY_NS = 86_400_000_000_000
_MOST_WINDOWS = 1_000
_LAST_DAYS = 7
_MOST_ROWS = 100
"""Rows of a table of what was recorded, or refused: all of them stand in the tables of the home."""


@dataclass(frozen=True)
class ReportSummary:
    """What a report says, for the command line: the file and the sentences of its overview."""

    path: Path
    size_bytes: int
    title: str
    instruments: tuple[str, ...]
    ingested: str
    validity: str
    findings: tuple[str, ...]
    warnings: tuple[str, ...]
    charts: int


def write_report(
    session: duckdb.DuckDBPyConnection,
    out: Path,
    *,
    title: str,
    generation: str | None = None,
    due: Mapping[str, int] | None = None,
    progress: Progress = SILENT,
) -> ReportSummary:
    """Write the report of what a session holds.

    Parameters
    ----------
    session : connection in which every layer is a schema: of a store, or of a published
        generation (which has no `raw` layer; those sections then say so).
    out : the HTML file; its directory must exist. Replaced in one step.
    title : heading of the page.
    generation : the generation that the page names: the one the session reads, or, with a
        session of a store, the one that was current.
    progress : told which section is being made.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    page = _page(Source(session), title, generation, due or {}, progress)
    progress.advance(note="report: writing")
    text = _template().render(page)
    with whole_file(out, "OUT.html") as file:
        file.write(text.encode())
    charts = (page["price"], page["heatmaps"], page["responses"],
              *(section.charts for section in page["of_studies"].values()))
    return ReportSummary(
        path=out,
        size_bytes=len(text.encode()),
        title=title,
        instruments=tuple(c.instrument for c in page["coverage"]),
        ingested=page["ingested"],
        validity=page["validity"],
        findings=tuple(sentence for one in page["findings"] for sentence in one.sentences),
        warnings=tuple(caution.text for caution in page["cautions"]),
        charts=sum(chart.svg is not None for group in charts for chart in group),
    )


def _page(
    source: Source, title: str, generation: str | None, due: Mapping[str, int],
    progress: Progress,
) -> dict[str, Any]:
    """Everything that the template names."""
    progress.advance(note="report: ingestion and coverage")
    captures, coverage = source.captures(), source.coverage()
    unhealthy, messages = source.book_health(), source.book_messages()
    agreements, trade_gaps = source.quote_agreement(), source.trade_gaps()
    recorded = sections.recorded_charts(source, source.stretches())

    progress.advance(note="report: studies")
    windows = source.windows()
    correlation, feedback = source.choice("correlation"), source.choice("granger_causality")
    fitted, answered = source.choice("vector_autoregression"), source.choice("impulse_response")
    of_studies = study_sections(source)
    refusals = source.refusals()
    systems = source.systems(fitted, 200) if fitted else []
    responses = (
        source.impulse_responses(answered, sections.MOST_ACROSS) if answered else []
    )
    return {
        "title": title,
        "generation": generation,
        "ledger_sequence": source.ledger_sequence(),
        "light": css_variables(0),
        "dark": css_variables(1),
        "significance": SIGNIFICANCE,
        "fewest": FEWEST_INDEPENDENT,
        "most": _MOST_ROWS,
        "has_raw": source.has("raw.captures"),
        "ingested": sections.ingested(captures, coverage),
        "validity": sections.validity(coverage),
        "agreement": _agreement(agreements),
        "findings": [
            *findings.told(source, correlation, feedback),
            *(findings.Found(anchor, section.title, section.findings)
              for anchor, section in of_studies.items() if section.findings),
        ],
        "cautions": [
            *cautions.of_plan(due),
            *cautions.of_captures(captures),
            *cautions.of_instruments(source.unknown_instruments()),
            *cautions.of_book(coverage, unhealthy, messages, agreements),
            *cautions.of_trades(coverage, trade_gaps),
            *cautions.of_studies(windows, refusals, systems),
            *(cautions.Caution(text, anchor)
              for anchor, section in of_studies.items() for text in section.warnings),
        ],
        "captures": captures,
        "clocks": source.clocks(),
        "quarantine": source.quarantine(),
        "coverage": coverage,
        "agreements": {row.instrument: row for row in agreements},
        "messages": {row.instrument: row for row in messages},
        "rebuilt": sorted({a.instrument for a in agreements} | {m.instrument for m in messages}),
        "unhealthy": unhealthy,
        "trade_gaps": trade_gaps,
        "ribbon": recorded.ribbon,
        "strip": recorded.strip,
        "bucket": recorded.bucket,
        "price": recorded.charts,
        "price_left": recorded.left_out,
        "correlation": correlation,
        "strongest": source.correlation_strongest(correlation, 12) if correlation else [],
        "question": (
            source.correlation_question(correlation, findings.QUESTION_FAMILY, 8)
            if correlation else []
        ),
        "heatmaps": list(sections.heatmaps(source, correlation)) if correlation else [],
        "answered": answered,
        "responses": list(sections.response_charts(responses)),
        "cumulative": source.cumulative_responses(answered) if answered else [],
        "systems": systems,
        "feedback": feedback,
        "granger": source.granger(feedback, 80) if feedback else [],
        "of_studies": of_studies,
        "windows": windows,
        "told_windows": _told(windows),
        "refusals": refusals,
        "refused_studies": {row.study for row in refusals},
        "reasons": reasons(),
        "families": source.families(),
        "hypotheses": HYPOTHESES,
        "definitions": _definitions(
            source.correlation_measures(correlation) if correlation else []
        ),
        "estimates": [catalog.table("studies.correlation").column(name) for name in _ESTIMATES],
        "versions": [
            (table.name, table.definition_hash()[:12])
            for table in catalog.tables().values() if source.has(table.name)
        ],
    }


def _told(windows: list[Window]) -> list[Window]:
    """Those of the page: all, or of many the whole span and those that end on the last days."""
    if len(windows) <= _MOST_WINDOWS:
        return windows
    last = sorted({_last_day(w) for w in windows if w.scope != "span"})[-_LAST_DAYS:]
    return [w for w in windows if w.scope == "span" or _last_day(w) in last]


def _last_day(window: Window) -> int:
    return (window.to_ns - 1) // _DAY_NS


def _agreement(agreements: list[Any]) -> str | None:
    compared = sum(row.compared for row in agreements)
    if not compared:
        return None
    wrong = sum(row.mismatched for row in agreements)
    return (
        f"At {words.count(compared)} book messages the venue also sent a quote of the same update "
        f"id: the rebuilt best prices and sizes differ in {words.count(wrong) if wrong else 'none'}"
        " of them."
    )


def _definitions(measures: list[Measures]) -> list[Any]:
    """Registry entries of all measures that the report speaks of."""
    table = catalog.table("features.bars_1s")
    studied = [name for m in measures for name in (m.measure_x, m.measure_y)]
    names = dict.fromkeys([*_DEFINED, *(base_measure(name) for name in studied)])
    return [table.column(name) for name in names if name in table.column_names]


def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("imbalance.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("number", "correlation", "q", "interval", "percent", "count", "size", "duration",
                 "moment", "measure", "family", "bars", "span"):
        environment.filters[name] = getattr(words, name)
    environment.filters["zip"] = zip
    return environment.get_template("report.html.j2")
