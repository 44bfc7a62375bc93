"""What the study of local projections contributes to the report and to Dagster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.report import words
from imbalance.report.figures import Drawing, svg_text
from imbalance.report.queries import SIGNIFICANCE, Choice, Source
from imbalance.report.sections import Chart
from imbalance.report.studies.local_projections_figures import Step, paths
from imbalance.report.study_section import Rows, Section
from imbalance.studies.local_projections.study import STUDY

MOST_PATHS = 12
MOST_ROWS = 40

_HEADER = ("system", "bars", "from", "to", "moved by the last horizon", "95 % interval",
           "permanent, by the system", "95 % band", "agree?", "regimes differ", "n")  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """A row of `local_projection_comparisons.sql`."""

    family: str
    bar_size: str
    model: str
    measure_x: str
    measure_y: str
    distance: float
    p_value: float
    q_value: float | None
    moved: float | None
    moved_low: float | None
    moved_high: float | None
    permanent: float | None
    permanent_low: float | None
    permanent_high: float | None
    regime_q_value: float | None
    n: int

    @property
    def disagree(self) -> bool:
        return self.p_value <= SIGNIFICANCE


def section(source: Source) -> Section:
    """The section of the report."""
    window = source.choice("local_projection")
    pairs = [] if window is None else source.of_study(
        "local_projection_comparisons", Comparison, "local_projection", window)
    if window is None or not pairs:
        return Section(STUDY.title, STUDY.question, ["No response could be projected."])
    steps = _steps(source, window)
    disagreeing = [pair for pair in pairs if pair.disagree]
    return Section(
        STUDY.title,
        STUDY.question,
        paragraphs=[_overview(len(pairs), len(disagreeing))],
        charts=[Chart(
            "Responses, estimated twice", svg_text(paths(steps), "local-projections"),
            "To a shock of one standard deviation. Where the lines part, the response at long "
            "horizons is not what the few lags of the system imply."
            + words.first_of(MOST_PATHS, len(pairs), "response"),
        )] if steps else [],
        tables=[Rows(
            "Responses between flow and return. «Agree?» is the p-value that both estimates have "
            "the same path; «regimes differ» the least q-value of high less low.",
            _HEADER, [_cells(pair) for pair in pairs], frozenset(_HEADER[4:]), MOST_ROWS,
        )],
        findings=[_sentence(pair) for pair in sorted(
            filter(_moves_price, pairs), key=_sureness, reverse=True)[:2]],
        warnings=_warnings(disagreeing),
    )


def picture(source: Source, window: Choice) -> Drawing | None:
    """The paths, for Dagster; None where nothing was projected."""
    steps = _steps(source, window)
    return paths(steps) if steps else None


def _steps(source: Source, window: Choice) -> list[Step]:
    steps = source.of_study("local_projection_paths", Step, "local_projection", window)
    shown = list(dict.fromkeys(step.path for step in steps))[:MOST_PATHS]
    return [step for step in steps if step.path in shown]


def _overview(pairs: int, disagreeing: int) -> str:
    agreement = (
        "all agree with those of the vector autoregression" if not disagreeing else
        f"{words.plural(disagreeing, 'path')} of these "
        f"{'differs' if disagreeing == 1 else 'differ'} from that of the vector autoregression "
        f"(p ≤ {SIGNIFICANCE:g}, each for itself)"
    )
    return (
        f"{words.plural(pairs, 'response').capitalize()} between flow and return "
        f"{'was' if pairs == 1 else 'were'} estimated by a regression for each horizon, which does "
        f"not extrapolate from a few lags: {agreement}."
    )


def _moves_price(pair: Comparison) -> bool:
    """Whether flow has moved the price, by more than its interval."""
    return (pair.measure_y == "return_bps" and pair.moved_low is not None
            and pair.moved_high is not None and pair.moved_low * pair.moved_high > 0.0)


def _sureness(pair: Comparison) -> float:
    """The nearer end of its interval by the estimate, so that bar sizes compare."""
    if pair.moved is None or pair.moved_low is None or pair.moved_high is None:
        return 0.0
    return min(abs(pair.moved_low), abs(pair.moved_high)) / (abs(pair.moved) or 1.0)


def _sentence(pair: Comparison) -> str:
    return (
        f"By local projection, a shock of one standard deviation in the "
        f"{words.measure(pair.measure_x)} of {pair.model} has moved its price by "
        f"{words.number(pair.moved)} bps at the last horizon ({pair.bar_size} bars; "
        f"{words.interval(pair.moved_low, pair.moved_high, figures=True)})."
    )


def _cells(pair: Comparison) -> list[str]:
    return [
        pair.model, pair.bar_size, words.measure(pair.measure_x), words.measure(pair.measure_y),
        words.number(pair.moved), words.interval(pair.moved_low, pair.moved_high, figures=True),
        words.number(pair.permanent),
        words.interval(pair.permanent_low, pair.permanent_high, figures=True),
        f"{'no' if pair.disagree else 'yes'} (p {words.q(pair.p_value)})",
        words.q(pair.regime_q_value), words.count(pair.n),
    ]


def _warnings(disagreeing: Sequence[Comparison]) -> list[str]:
    return [
        f"Local projections: the response of {words.measure(pair.measure_y)} to "
        f"{words.measure(pair.measure_x)} of {pair.model} ({pair.bar_size} bars) is not that of "
        f"the vector autoregression (p {words.q(pair.p_value)}): trust neither at long horizons."
        for pair in disagreeing[:6]
    ]
