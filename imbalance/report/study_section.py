"""What a study contributes to the report: one section, in the form that the page has for all.

A study's own module (`imbalance/report/studies/<name>.py`) fills it in; how it looks is in
`templates/`. No query here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from imbalance.report import words
from imbalance.report.queries import Source
from imbalance.report.sections import Chart
from imbalance.studies.registry import studies
from imbalance.studies.study import load


@dataclass(frozen=True)
class Rows:
    """A table of the page: cells are text, ready to be read (see `words`).

    `numeric` names the headings whose columns are set to the right. Only the first `most` rows are
    shown, and the caption says so.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[str] = frozenset()
    most: int = 60

    @property
    def told(self) -> str:
        """The caption, with what it leaves out."""
        return self.caption + words.first_of(self.most, len(self.rows), "row")

    @property
    def shown(self) -> Sequence[Sequence[str]]:
        """The rows of the page."""
        return self.rows[: self.most]


@dataclass(frozen=True)
class Section:
    """A section of the report.

    Parameters
    ----------
    title, question : heading, and what was asked.
    paragraphs : what was done and what came out, in order.
    charts, tables : in order; charts come first.
    findings : sentences for the overview at the head of the page.
    warnings : what could make it false; they also go into the list of warnings.
    """

    title: str
    question: str
    paragraphs: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[Rows] = ()
    findings: Sequence[str] = field(default=())
    warnings: Sequence[str] = field(default=())


def study_sections(source: Source) -> dict[str, Section]:
    """Anchor to section, of every study that has one and whose tables the session knows."""
    found = {}
    for study in studies():
        if study.section is not None and source.has(*study.table_names):
            section = load(study.section)(source)
            if section is not None:
                found[f"study-{study.name}"] = section
    return found
