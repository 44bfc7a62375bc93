"""What the study of diversification contributes to the report and to Dagster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.report import words
from imbalance.report.figures import Drawing, svg_text
from imbalance.report.interval_chart import Line, interval_chart
from imbalance.report.queries import SIGNIFICANCE, Choice, Source
from imbalance.report.sections import Chart
from imbalance.report.study_section import Rows, Section
from imbalance.studies.diversification.study import STATES, STUDY

MOST_ROWS = 40

_CLASSES = ("classes", "bars", "pairs", "all bars", "95 % interval", "calm", "stressed",
            "stressed less calm", "95 % interval of it", "q", "lower tail", "as normal",
            "upper tail", "as normal there")  # fmt: skip
_RATIOS = ("bars", "state", "diversification ratio", "95 % interval", "independent bets", "n")


@dataclass(frozen=True)
class Figure:
    """A row of `diversification.sql`."""

    family: str
    bar_size: str
    estimator: str
    class_x: str
    class_y: str
    state: str
    estimate: float
    interval_low: float | None
    interval_high: float | None
    benchmark: float | None
    q_value: float | None
    pairs: float | None
    n: int

    @property
    def classes(self) -> str:
        """`spot`, `perpetual and spot`, or `all pairs`."""
        if self.class_x == "all":
            return "all pairs"
        return self.class_x if self.class_x == self.class_y else (
            f"{self.class_x} and {self.class_y}")

    @property
    def called(self) -> bool:
        return self.q_value is not None and self.q_value <= SIGNIFICANCE


def section(source: Source) -> Section:
    """The section of the report."""
    window = source.choice("diversification")
    found = [] if window is None else _read(source, window)
    if not found:
        return Section(STUDY.title, STUDY.question,
                       ["No two instruments have enough bars in common."])
    drawing = _drawing(found)
    return Section(
        STUDY.title,
        STUDY.question,
        paragraphs=[*_overview(found), *_lost(found)],
        charts=[Chart(
            "Mean correlations in calm and in stress", svg_text(drawing, "diversification"),
            "Within and between classes of assets, with the interval of the bootstrap; the short "
            "bar marks the mean over all bars. Stress is a bar that follows one of the most "
            "volatile third.",
        )] if drawing is not None else [],
        tables=_tables(found),
        findings=[_sentence(one) for one in _risks(found) if one.called][:2],
        warnings=_warnings(found),
    )


def picture(source: Source, window: Choice) -> Drawing | None:
    """Correlations by class and state, for Dagster; None where nothing was estimated."""
    return _drawing(_read(source, window))


def _read(source: Source, window: Choice) -> list[Figure]:
    return source.of_study("diversification", Figure, "diversification", window)


def _of(
    found: Sequence[Figure], bar_size: str, estimator: str, classes: str, state: str
) -> Figure | None:
    return next((one for one in found if (one.bar_size, one.estimator, one.classes, one.state) == (
        bar_size, estimator, classes, state)), None)


def _drawing(found: Sequence[Figure]) -> Drawing | None:
    panels: dict[str, list[Line]] = {}
    for one in found:
        if one.estimator != "mean_correlation" or one.state not in ("calm", "stressed"):
            continue
        whole = _of(found, one.bar_size, "mean_correlation", one.classes, "all")
        panels.setdefault(f"{one.bar_size} bars", []).append(Line(
            f"{one.classes}, {'in stress' if one.state == 'stressed' else 'in calm'}",
            one.estimate, one.interval_low, one.interval_high,
            whole.estimate if whole else None, one.state == "stressed"))
    if not panels:
        return None
    return interval_chart(panels, label="Mean correlations by class, in calm and in stress",
                          axis="mean correlation of returns")


def _risks(found: Sequence[Figure]) -> list[Figure]:
    return sorted((one for one in found if one.estimator == "correlation_risk"),
                  key=lambda one: -abs(one.estimate))


def _overview(found: Sequence[Figure]) -> list[str]:
    told = []
    for size in dict.fromkeys(one.bar_size for one in found):
        whole = _of(found, size, "mean_correlation", "all pairs", "all")
        risk = _of(found, size, "correlation_risk", "all pairs", "stressed")
        if whole is None:
            continue
        text = f"at {size}, {words.correlation(whole.estimate)}"
        if risk is not None:
            way = "higher" if risk.estimate > 0.0 else "lower"
            surely = "surely" if risk.called else "not surely"
            text += (f" ({words.correlation(abs(risk.estimate))} {way} in stress than in calm, "
                     f"{surely} so)")
        told.append(text)
    return [f"Returns of all pairs correlate by, in the mean: {'; '.join(told)}."] if told else []


def _lost(found: Sequence[Figure]) -> list[str]:
    told = []
    for one in found:
        if one.estimator != "diversification_lost":
            continue
        word = "takes" if one.estimate >= 0.0 else "adds"
        told.append(
            f"at {one.bar_size} stress {word} {words.percent(min(abs(one.estimate), 9.99))} of the "
            f"independent bets beyond the first that calm has ("
            f"{words.interval(one.interval_low, one.interval_high)} as a share lost)")
    return [f"Of diversification, {'; '.join(told)} (equal risks; Choueifaty and Coignard 2008)."
            ] if told else []


def _tables(found: Sequence[Figure]) -> list[Rows]:
    keys = dict.fromkeys((one.bar_size, one.classes) for one in found
                         if one.estimator == "mean_correlation")
    classes = [_class_cells(found, size, name) for size, name in keys]
    ratios = [
        [one.bar_size, one.state.replace("_", " "), words.number(one.estimate),
         words.interval(one.interval_low, one.interval_high), words.number(one.estimate**2),
         words.count(one.n)]
        for one in sorted((one for one in found if one.estimator == "diversification_ratio"),
                          key=lambda one: STATES.index(one.state))
    ]
    made = [Rows(
        "Mean correlations of returns within and between classes. In a tail of the market even "
        "normal returns correlate less: «as normal» is what they would have there.",
        _CLASSES, classes, frozenset(_CLASSES[2:]), MOST_ROWS)]
    if ratios:
        made.append(Rows("Diversification of a portfolio of equal risks.", _RATIOS,
                         ratios, frozenset(_RATIOS[2:]), MOST_ROWS))
    return made


def _class_cells(found: Sequence[Figure], size: str, classes: str) -> list[str]:
    whole, calm, stressed, lower, upper = (
        _of(found, size, "mean_correlation", classes, state) for state in STATES)
    risk = _of(found, size, "correlation_risk", classes, "stressed")
    normal = [_of(found, size, "tail_excess", classes, state) for state in STATES[3:]]

    def number(one: Figure | None) -> str:
        return words.correlation(one.estimate if one else None)

    def benchmark(one: Figure | None) -> str:
        return words.correlation(one.benchmark if one else None)

    return [
        classes, size, words.number(whole.pairs if whole else None), number(whole),
        words.interval(whole.interval_low, whole.interval_high) if whole else "–", number(calm),
        number(stressed), number(risk),
        words.interval(risk.interval_low, risk.interval_high) if risk else "–",
        words.q(risk.q_value if risk else None), number(lower), benchmark(normal[0]),
        number(upper), benchmark(normal[1]),
    ]


def _sentence(one: Figure) -> str:
    way = "rise" if one.estimate > 0.0 else "fall"
    before = one.benchmark or 0.0
    return (
        f"Correlations ({one.classes}, {one.bar_size} bars) {way} from "
        f"{words.correlation(before)} in calm to {words.correlation(before + one.estimate)} in "
        f"stress ({words.interval(one.interval_low, one.interval_high)} apart, "
        f"{words.q_clause(one.q_value)})."
    )


def _warnings(found: Sequence[Figure]) -> list[str]:
    thin = [one for one in found if one.estimator == "mean_correlation" and one.n < 100
            and one.class_x == "all" and one.state in ("stressed", "lower_tail", "upper_tail")]
    if not thin:
        return []
    text = (
        f"Diversification: {words.plural(len(thin), 'state')} of the market "
        f"{'is' if len(thin) == 1 else 'are'} told from fewer than 100 bars; such stress is one "
        "episode, not a rule."
    )
    return [text]
