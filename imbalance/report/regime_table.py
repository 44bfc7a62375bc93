"""The table of what differs between regimes, in the form that all studies share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.report import words
from imbalance.report.queries import SIGNIFICANCE, Source
from imbalance.report.study_section import Rows

MOST = 12
_HEADER = ("x and y", "bars", "of", "regime", "high less low", "95 % interval", "q",
           "q, all equal")
_WHOLE = "*"


@dataclass(frozen=True)
class Compared:
    """`report/regime_differences.sql`: one estimate between the levels of one regime."""

    family: str
    instrument_x: str
    measure_x: str
    instrument_y: str
    measure_y: str
    bar_size: str
    of: str
    regime: str
    difference: float | None
    interval_low: float | None
    interval_high: float | None
    q_value: float | None
    equality_q_value: float | None
    compared: int
    tests: int
    significant: int


def regime_tables(source: Source, study: str) -> list[Rows]:
    """The surest differences of a study; none where nothing was compared."""
    table = f"{study}_difference"
    window = source.choice(table)
    if window is None:
        return []
    found = source.of_study("regime_differences", Compared, table, window, most=MOST,
                            difference=f"studies.{table}", significance=SIGNIFICANCE)
    return [Rows(_caption(found), _HEADER, [_cells(one) for one in found],
                 frozenset(_HEADER[4:]))] if found else []


def _caption(found: Sequence[Compared]) -> str:
    first = found[0]
    return (
        "By regime: upper third less lower third of a measure in the bars before, and whether all "
        "levels are equal; of each the surest of its periods, spans and lags, the surest first. "
        f"Of {words.plural(first.tests, 'test')}, "
        f"{words.small(first.significant) if first.significant else 'none'} "
        f"{'is' if first.significant == 1 else 'are'} significant (q ≤ {SIGNIFICANCE:g} under any "
        "dependence). The thirds are of the window: they describe."
        f"{words.first_of(MOST, first.compared, 'row')}"
    )


def _cells(one: Compared) -> list[str]:
    return [
        _name(one), one.bar_size, one.of.replace("_", " "), words.family(one.regime),
        words.number(one.difference),
        words.interval(one.interval_low, one.interval_high, figures=True),
        words.q(one.q_value), words.q(one.equality_q_value),
    ]


def _name(one: Compared) -> str:
    if one.instrument_x == _WHOLE:
        return f"all instruments: {words.measure(one.measure_x)}"
    x, y = words.measure(one.measure_x), words.measure(one.measure_y)
    if one.instrument_x == one.instrument_y:
        return f"{one.instrument_x}: {x} and {y}"
    return f"{one.instrument_x} {x} and {one.instrument_y} {y}"
