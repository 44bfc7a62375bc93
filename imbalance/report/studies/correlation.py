"""What the correlation study says of regimes: own order flow and return, in calm and in stress.

The other parts of that study have a section of the page to themselves (`report.html.j2`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from imbalance.report import words
from imbalance.report.queries import SIGNIFICANCE, Source
from imbalance.report.study_section import Rows, Section
from imbalance.studies.measures import HOURS, LEVELS, TIME

TITLE = "Correlation by regime"
QUESTION = (
    "Does order flow move the return of its own instrument as strongly in thin books, wide "
    "spreads, volatile or busy markets as it does elsewhere?"
)
MOST_FINDINGS = 3

_PLACE = ("instrument", "bars", "regime")
_TEST = ("high less low", "95 % interval", "q", "q, all equal")
_HOURS = tuple(f"{hour}:00" for hour in HOURS)


@dataclass(frozen=True)
class Regime:
    """`report/correlation_regimes.sql`: a correlation at one level of a regime."""

    family: str
    instrument: str
    bar_size: str
    regime: str
    estimate: float | None
    reason: str | None


@dataclass(frozen=True)
class Difference:
    """`report/correlation_differences.sql`: a comparison of levels."""

    family: str
    instrument: str
    bar_size: str
    regime: str
    difference: float | None
    interval_low: float | None
    interval_high: float | None
    q_value: float | None
    equality_q_value: float | None

    @property
    def found(self) -> bool:
        """Whether the highest and the lowest level differ after correction."""
        return self.q_value is not None and self.q_value <= SIGNIFICANCE


Levels = Mapping[tuple[str, str, str, str], Regime]


def section(source: Source) -> Section | None:
    """The section of the report; None where no family was estimated by regime."""
    window, compared = source.choice("correlation"), source.choice("correlation_difference")
    if window is None or compared is None:
        return None
    estimates = source.of_study("correlation_regimes", Regime, "correlation", window)
    levels = {(row.family, row.instrument, row.bar_size, row.regime): row for row in estimates}
    found = source.of_study(
        "correlation_differences", Difference, "correlation_difference", compared)
    terciles = sorted((row for row in found if row.regime != TIME), key=_q)
    hours = [row for row in found if row.regime == TIME and row.equality_q_value is not None]
    if not found:
        return None
    return Section(
        TITLE,
        QUESTION,
        paragraphs=list(_paragraphs(terciles)),
        tables=_tables(terciles, hours, levels),
        findings=[_sentence(row, levels) for row in terciles if row.found][:MOST_FINDINGS],
    )


def _q(row: Difference) -> float:
    return 1.0 if row.q_value is None else row.q_value


def _paragraphs(terciles: list[Difference]) -> Iterator[str]:
    tested = [row for row in terciles if row.q_value is not None]
    differing = sum(row.found for row in tested)
    yield (
        "Pearson correlation of order flow imbalance and return in the same bar, over the bars "
        "that follow one in the lower, middle and upper third of a measure. The comparison takes "
        "all levels together, since they share the window; its q-values hold under any dependence."
    )
    yield (
        f"Of {words.plural(len(tested), 'comparison')} of high with low, "
        f"{words.small(differing) if differing else 'none'} "
        f"{'is' if differing == 1 else 'are'} significant (q ≤ {SIGNIFICANCE:g})."
    )
    if any(row.regime == "volatility" and row.found for row in tested):
        yield (
            "A correlation grows with the variance of what drives it, though the dependence may be "
            "the same: a difference by volatility is no proof that the market works otherwise."
        )


def _tables(terciles: list[Difference], hours: list[Difference], levels: Levels) -> list[Rows]:
    by_tercile, by_hour = (*_PLACE, *LEVELS, *_TEST), (*_PLACE[:2], *_HOURS, _TEST[-1])
    tables = [
        Rows(
            "Own order flow and return, same bar, by regime; the surest differences first.",
            by_tercile,
            [
                (*_place(row), *_cells(row, LEVELS, levels), words.correlation(row.difference),
                 words.interval(row.interval_low, row.interval_high), words.q(row.q_value),
                 words.q(row.equality_q_value))
                for row in terciles
            ],
            frozenset(by_tercile[3:]),
        ),
        Rows(
            "The same by quarters of the UTC day.", by_hour,
            [
                (*_place(row)[:2], *_cells(row, HOURS, levels), words.q(row.equality_q_value))
                for row in hours
            ],
            frozenset(by_hour[2:]),
        ),
    ]
    return [table for table in tables if table.rows]


def _place(row: Difference) -> tuple[str, str, str]:
    return row.instrument, row.bar_size, words.family(row.regime)


def _cells(row: Difference, names: tuple[str, ...], levels: Levels) -> list[str]:
    found = (_level(row, name, levels) for name in names)
    return [words.correlation(None if one is None else one.estimate) for one in found]


def _level(row: Difference, name: str, levels: Levels) -> Regime | None:
    return levels.get((row.family, row.instrument, row.bar_size, f"{row.regime}_{name}"))


def _sentence(row: Difference, levels: Levels) -> str:
    high, low = (_level(row, name, levels) for name in ("high", "low"))
    values = tuple("–" if one is None else words.correlation(one.estimate) for one in (high, low))
    return (
        f"Order flow and return of {row.instrument} at {row.bar_size} go together at {values[0]} "
        f"after bars in the upper third by {words.family(row.regime)}, at {values[1]} after those "
        f"in the lower ({words.q_clause(row.q_value)})."
    )
