"""What the study of imbalance and volatility contributes to the report and to Dagster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.report import words
from imbalance.report.figures import Drawing, svg_text
from imbalance.report.interval_chart import Line, interval_chart
from imbalance.report.queries import SIGNIFICANCE, Choice, Source
from imbalance.report.sections import Chart
from imbalance.report.study_section import Rows, Section
from imbalance.studies.volatility.study import STUDY

MOST_ROWS = 40
MOST_LINES = 16

_FORECASTS = ("imbalance of", "volatility of", "bars", "over the next", "share of the rest",
              "q", "in thin books", "in deep books", "R² in sample", "R² out of sample",
              "imbalance adds", "95 % interval", "q of what it adds", "n")  # fmt: skip
_RESPONSES = ("cause", "effect", "bars", "response", "95 % interval", "after", "q",
              "regimes differ, q", "n")  # fmt: skip


@dataclass(frozen=True)
class Forecast:
    """A row of `volatility.sql`."""

    family: str
    bar_size: str
    imbalance_of: str
    volatility_of: str
    horizon: int
    partial: float
    partial_q: float | None
    thin: float | None
    deep: float | None
    inside: float | None
    outside: float | None
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    gain_q: float | None
    n: int | None

    @property
    def called(self) -> bool:
        """Whether imbalance surely adds to a forecast out of sample that is of use."""
        return (self.gain_q is not None and self.gain_q <= SIGNIFICANCE
                and (self.gain_low or 0.0) > 0.0 and (self.outside or 0.0) > 0.0)


@dataclass(frozen=True)
class Response:
    """A row of `volatility_responses.sql`."""

    family: str
    bar_size: str
    cause: str
    measure_x: str
    effect: str
    measure_y: str
    horizon: int
    estimate: float
    interval_low: float | None
    interval_high: float | None
    q_value: float | None
    regime_q_value: float | None
    n: int

    @property
    def forward(self) -> bool:
        """From imbalance to volatility."""
        return self.measure_y == "realised_volatility"

    @property
    def called(self) -> bool:
        return self.q_value is not None and self.q_value <= SIGNIFICANCE


def section(source: Source) -> Section:
    """The section of the report."""
    window = source.choice("volatility")
    forecasts, responses = ([], []) if window is None else _read(source, window)
    if not forecasts and not responses:
        return Section(STUDY.title, STUDY.question, ["No pair of instruments could be studied."])
    drawing = _drawing(forecasts)
    return Section(
        STUDY.title,
        STUDY.question,
        paragraphs=[*_forward(forecasts), *_both_ways(responses)],
        charts=[Chart(
            "What imbalance adds to forecasts of volatility", svg_text(drawing, "volatility"),
            "R² out of sample with terms of imbalance less that without, with the interval of the "
            "bootstrap; 0 is past volatility alone."
            + words.first_of(MOST_LINES, _in_largest_panel(forecasts), "pair"),
        )] if drawing is not None else [],
        tables=_tables(forecasts, responses),
        findings=[_sentence(one) for one in sorted(
            (one for one in forecasts if one.called), key=lambda one: -(one.gain or 0.0))[:2]],
        warnings=_warnings(forecasts),
    )


def picture(source: Source, window: Choice) -> Drawing | None:
    """Gains out of sample over the next bar, for Dagster; None where nothing was forecast."""
    forecasts, _ = _read(source, window)
    nearest = min((one.horizon for one in forecasts), default=0)
    return _drawing([one for one in forecasts if one.horizon == nearest])


def _read(source: Source, window: Choice) -> tuple[list[Forecast], list[Response]]:
    return (
        source.of_study("volatility", Forecast, "volatility", window),
        source.of_study("volatility_responses", Response, "volatility", window),
    )


def _drawing(forecasts: Sequence[Forecast]) -> Drawing | None:
    panels: dict[str, list[Line]] = {}
    for one in forecasts:
        if one.gain is None:
            continue
        title = f"{one.bar_size} bars, volatility over {words.bars(one.horizon, one.bar_size)}"
        lines = panels.setdefault(title, [])
        if len(lines) < MOST_LINES:
            lines.append(Line(_pair(one), one.gain, one.gain_low,
                              one.gain_high, 0.0, one.called))
    if not panels:
        return None
    return interval_chart(panels, label="Gain in R² by imbalance, out of sample", axis="R²")


def _in_largest_panel(forecasts: Sequence[Forecast]) -> int:
    drawn = Counter((one.bar_size, one.horizon) for one in forecasts if one.gain is not None)
    return max(drawn.values(), default=0)


def _pair(one: Forecast) -> str:
    if one.imbalance_of == one.volatility_of:
        return f"{one.imbalance_of} → itself"
    return f"{words.shortened(one.imbalance_of, 24)} → {words.shortened(one.volatility_of, 24)}"


def _tables(forecasts: Sequence[Forecast], responses: Sequence[Response]) -> list[Rows]:
    made = []
    if forecasts:
        made.append(Rows(
            "Volatility forecast by its own past (means over 1, 5 and 22 bars) and by the size of "
            "the imbalance. «Share of the rest» is what imbalance explains, in sample, of what the "
            "past leaves open.",
            _FORECASTS, [_forecast_cells(one) for one in forecasts],
            frozenset(_FORECASTS[3:]), MOST_ROWS))
    strongest = sorted(responses, key=lambda one: one.q_value if one.q_value is not None else 1.0)
    if strongest:
        made.append(Rows(
            "The surest responses to a shock of one standard deviation, by local projection.",
            _RESPONSES, [_response_cells(one) for one in strongest],
            frozenset(_RESPONSES[3:]), MOST_ROWS // 2))
    return made


def _forward(forecasts: Sequence[Forecast]) -> list[str]:
    judged = [one for one in forecasts if one.gain is not None]
    if not judged:
        return ["The window is too short to judge a forecast of volatility out of sample."]
    called = sum(1 for one in judged if one.called)
    text = (
        f"Of {words.plural(len(judged), 'forecast')} of volatility, "
        f"{words.how_many(called)} {'is' if called == 1 else 'are'} made better out of sample by "
        f"the size of the imbalance beside past volatility (Corsi 2009; Clark and West 2007; q ≤ "
        f"{SIGNIFICANCE:g})."
    )
    return [text]


def _both_ways(responses: Sequence[Response]) -> list[str]:
    told = []
    for forward, what in ((True, "from imbalance to later volatility"),
                          (False, "from volatility to later imbalance")):
        mine = [one for one in responses if one.forward == forward]
        if mine:
            told.append(f"{what}, {words.how_many(sum(1 for one in mine if one.called))} of "
                        f"{words.small(len(mine))}")
    return [f"Responses by local projection that are surely there: {'; '.join(told)}."] if (
        told) else []


def _sentence(one: Forecast) -> str:
    return (
        f"The imbalance of {one.imbalance_of} adds {words.correlation(one.gain)} to the R² of "
        f"forecasts of the volatility of {one.volatility_of} over the next "
        f"{words.bars(one.horizon, one.bar_size)}, out of sample "
        f"({words.interval(one.gain_low, one.gain_high)}, {words.q_clause(one.gain_q)})."
    )


def _warnings(forecasts: Sequence[Forecast]) -> list[str]:
    over = [one for one in forecasts if one.partial_q is not None
            and one.partial_q <= SIGNIFICANCE and one.gain is not None and one.gain < 0.0]
    if not over:
        return []
    text = (
        f"Imbalance and volatility: {words.plural(len(over), 'forecast')} that imbalance makes "
        f"better in sample {'gets' if len(over) == 1 else 'get'} worse out of sample; do not rely "
        "on the fit."
    )
    return [text]


def _forecast_cells(one: Forecast) -> list[str]:
    return [
        one.imbalance_of, one.volatility_of, one.bar_size, words.bars(one.horizon, one.bar_size),
        words.correlation(one.partial), words.q(one.partial_q), words.correlation(one.thin),
        words.correlation(one.deep), words.correlation(one.inside), words.correlation(one.outside),
        words.correlation(one.gain), words.interval(one.gain_low, one.gain_high),
        words.q(one.gain_q), words.count(one.n),
    ]


def _response_cells(one: Response) -> list[str]:
    return [
        f"{words.measure(one.measure_x)} of {one.cause}",
        f"{words.measure(one.measure_y)} of {one.effect}", one.bar_size,
        words.number(one.estimate),
        words.interval(one.interval_low, one.interval_high, figures=True),
        words.bars(one.horizon, one.bar_size), words.q(one.q_value), words.q(one.regime_q_value),
        words.count(one.n),
    ]
