"""What the study of correlation matrices contributes to the report and to Dagster."""

from __future__ import annotations

from imbalance.report import words
from imbalance.report.figures import Drawing, svg_text
from imbalance.report.queries import Choice, Source
from imbalance.report.regime_table import regime_tables
from imbalance.report.sections import Chart
from imbalance.report.studies.correlation_matrix_figures import (
    MOST_INSTRUMENTS,
    Entry,
    Matrix,
    matrix_figure,
)
from imbalance.report.study_section import Rows, Section
from imbalance.studies.correlation_matrix.study import STUDY

_HEADER = ("measure", "bars", "rows", "effective rows", "above noise", "edge of noise",
           "absorption ratio", "95 % interval", "Ledoit–Wolf intensity", "clusters")


def section(source: Source) -> Section:
    """The section of the report."""
    matrices = _matrices(source, source.choice("correlation_matrix"))
    if not matrices:
        return Section(STUDY.title, STUDY.question, ["No matrix could be estimated."])
    return Section(
        STUDY.title,
        STUDY.question,
        paragraphs=[_sentence(matrix) for matrix in matrices],
        charts=[_chart(matrix) for matrix in matrices],
        tables=[Rows("The matrices, with what noise alone would reach.", _HEADER,
                     [_cells(matrix) for matrix in matrices], frozenset(_HEADER[2:])),
                *regime_tables(source, "correlation_matrix")],
        warnings=[
            _thin(matrix) for matrix in matrices
            if matrix.value("effective_observations") < 10 * len(matrix.names)
        ],
    )


def picture(source: Source, window: Choice) -> Drawing | None:
    """The first matrix, for Dagster; None where none was estimated."""
    matrices = _matrices(source, window)
    return matrix_figure(matrices[0]) if matrices else None


def _matrices(source: Source, window: Choice | None) -> list[Matrix]:
    if window is None:
        return []
    entries = source.of_study("correlation_matrix", Entry, "correlation_matrix", window)
    families = dict.fromkeys(entry.family for entry in entries)
    return [Matrix([e for e in entries if e.family == family]) for family in families]


def _chart(matrix: Matrix) -> Chart:
    first = matrix.entries[0]
    return Chart(
        f"{words.measure(first.measure).capitalize()}, {first.bar_size} bars",
        svg_text(matrix_figure(matrix), f"matrix-{first.family.replace('_', '-')}"),
        "Correlations shrunk as Ledoit and Wolf advise, in the order of the clusters; `clipped` in "
        "studies.correlation_matrix has them without the eigenvalues below the edge of noise."
        + words.first_of(MOST_INSTRUMENTS, len(matrix.names), "instrument"),
    )


def _sentence(matrix: Matrix) -> str:
    first = matrix.entries[0]
    return (
        f"{words.measure(first.measure).capitalize()}, {first.bar_size} bars: "
        f"{words.plural(matrix.forces, 'eigenvalue')} of {words.small(len(matrix.names))} above "
        f"the edge of noise; the largest fifth holds "
        f"{words.percent(matrix.value('absorption_ratio'))} of the variance."
    )


def _thin(matrix: Matrix) -> str:
    first = matrix.entries[0]
    return (
        f"Correlation matrix of {words.measure(first.measure)}: "
        f"{words.number(matrix.value('effective_observations'))} effective rows for "
        f"{words.plural(len(matrix.names), 'instrument')}; use the shrunk matrix."
    )


def _cells(matrix: Matrix) -> list[str]:
    first, absorption = matrix.entries[0], matrix.of("absorption_ratio")[0]
    return [
        words.measure(first.measure), first.bar_size, words.count(first.n),
        words.number(matrix.value("effective_observations")),
        f"{matrix.forces} of {len(matrix.names)}", words.number(matrix.value("noise_edge")),
        words.number(absorption.estimate),
        words.interval(absorption.interval_low, absorption.interval_high),
        words.number(matrix.value("intensity_ledoit_wolf")),
        str(len({entry.estimate for entry in matrix.of("cluster")})),
    ]
