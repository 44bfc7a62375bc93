"""The report's section on non-linear dependence, and the picture that Dagster shows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.report import words
from imbalance.report.figures import Drawing, svg_text
from imbalance.report.interval_chart import Line, interval_chart
from imbalance.report.queries import SIGNIFICANCE, Choice, Source
from imbalance.report.regime_table import regime_tables
from imbalance.report.sections import Chart
from imbalance.report.study_section import Rows, Section

MOST_PAIRS = 40
PICTURED = 14

_TITLE = "Non-linear dependence"
_QUESTION = (
    "Which dependence between flows and returns does correlation not see: of any form, of one's "
    "future on the other's past, of tails?"
)


@dataclass(frozen=True)
class Pair:
    """A row of `dependence_pairs.sql`."""

    family: str
    bar_size: str
    instrument_x: str
    measure_x: str
    instrument_y: str
    measure_y: str
    n: int
    distance: float | None
    distance_low: float | None
    distance_high: float | None
    distance_nothing: float | None
    distance_q: float | None
    information: float | None
    information_q: float | None
    lower: float | None
    upper: float | None
    copula: str | None
    ahead: float | None
    ahead_q: float | None
    back: float | None
    back_q: float | None


def section(source: Source) -> Section:
    """What was found, with the table of all pairs."""
    window = source.choice("dependence")
    pairs = [] if window is None else _pairs(source, window)
    if not pairs:
        return Section(_TITLE, _QUESTION, ["Nothing was estimated: see the refusals."])
    drawing = _chart(pairs[:MOST_PAIRS])
    return Section(
        _TITLE,
        _QUESTION,
        paragraphs=[(
            "Distance correlation is 0 only under independence. Information and entropy are in "
            "nats, less what the same estimator finds after circular shifts. Tail dependence is "
            "how often one series is in its tail of 5 % when the other is; independence gives "
            "0.05. p-values are from circular shifts, q-values over the family."
        )],
        charts=[Chart("Distance correlation", svg_text(drawing, "dependence"),
                      "With 95 % intervals; the short bar is what independent series with the "
                      "same memory give. Grey: not significant."
                      + words.first_of(MOST_PAIRS, len(pairs), "pair"))],
        tables=[_table(pairs), *regime_tables(source, "dependence")],
        findings=_findings(pairs),
        warnings=[(
            "Mutual information and transfer entropy of series with many equal values are biased: "
            "read the effective values, and take none below its surrogates for a finding."
        )],
    )


def picture(source: Source, window: Choice) -> Drawing | None:
    """Distance correlations with their intervals, the strongest: a picture of a few kilobytes."""
    pairs = _pairs(source, window)[:PICTURED]
    return _chart(pairs) if pairs else None


def _pairs(source: Source, window: Choice) -> list[Pair]:
    return source.of_study("dependence_pairs", Pair, "dependence", window)


def _called(q_value: float | None) -> bool:
    return q_value is not None and q_value <= SIGNIFICANCE


def _name(pair: Pair) -> str:
    x, y = words.measure(pair.measure_x), words.measure(pair.measure_y)
    if pair.instrument_x == pair.instrument_y:
        return f"{pair.instrument_x}: {x} and {y}"
    if pair.measure_x == pair.measure_y:
        return f"{pair.instrument_x} and {pair.instrument_y}: {x}"
    return f"{pair.instrument_x} {x} and {pair.instrument_y} {y}"


def _chart(pairs: Sequence[Pair]) -> Drawing:
    panels: dict[str, list[Line]] = {}
    for pair in pairs:
        if pair.distance is not None:
            title = f"{words.family(pair.family)}, {pair.bar_size} bars"
            panels.setdefault(title, []).append(Line(
                _name(pair), pair.distance, pair.distance_low, pair.distance_high,
                pair.distance_nothing, _called(pair.distance_q)))
    return interval_chart(panels, label="Distance correlation by pair",
                          axis="distance correlation")


def _starred(value: float | None, q_value: float | None) -> str:
    return words.number(value, 2) + ("*" if _called(q_value) else "")


def _table(pairs: Sequence[Pair]) -> Rows:
    header = ["x and y", "bars", "n", "distance correlation", "mutual information",
              "x to later y", "y to later x", "lower tail", "upper tail", "best copula"]
    rows = [
        [
            _name(pair), pair.bar_size, words.count(pair.n),
            _starred(pair.distance, pair.distance_q),
            _starred(pair.information, pair.information_q),
            _starred(pair.ahead, pair.ahead_q), _starred(pair.back, pair.back_q),
            words.number(pair.lower, 2), words.number(pair.upper, 2),
            (pair.copula or "–").replace("_", " ").removesuffix(" tail"),
        ]
        for pair in pairs
    ]
    return Rows(
        "Effective values in nats for mutual information and for transfer entropy one bar ahead. "
        f"*: q ≤ {SIGNIFICANCE:g}.",
        header, rows, numeric=frozenset(header[2:9]), most=MOST_PAIRS,
    )


def _findings(pairs: Sequence[Pair]) -> list[str]:
    if all(pair.ahead_q is None and pair.back_q is None for pair in pairs):
        return []
    directed = [
        (value, pair, first) for pair in pairs
        for value, q_value, first in ((pair.ahead, pair.ahead_q, True),
                                      (pair.back, pair.back_q, False))
        if value is not None and _called(q_value) and value > 0.0
    ]
    if not directed:
        return [("No series tells another's next bar beyond what that bar's own past tells "
                 "(transfer entropy).")]
    value, pair, first = max(directed, key=lambda found: found[0])
    names = (f"{pair.instrument_x} {words.measure(pair.measure_x)}",
             f"{pair.instrument_y} {words.measure(pair.measure_y)}")
    cause, effect = names if first else names[::-1]
    return [(
        f"The past of {cause} tells most of the next bar of {effect}: {words.number(value, 2)} "
        f"nats beyond its own past and chance, {pair.bar_size} bars (transfer entropy)."
    )]
