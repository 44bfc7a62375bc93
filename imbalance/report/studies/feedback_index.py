"""The report's section on the feedback index: every loop as a sentence, a chart and a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.report import words
from imbalance.report.figures import WIDTH, Drawing, blank_figure, house_style, svg_text
from imbalance.report.palette import colour
from imbalance.report.queries import SIGNIFICANCE, Choice, Source
from imbalance.report.sections import Chart
from imbalance.report.study_section import Rows, Section
from imbalance.studies.registry import study

MOST_SENTENCES = 8
MOST_ROWS = 60
MOST_IN_PICTURE = 16
"""A picture for Dagster has few bytes."""


@dataclass(frozen=True)
class Index:
    """`report/feedback_index.sql`."""

    family: str
    bar_size: str
    instrument_x: str
    instrument_y: str
    flow: str
    regime: str
    gain: float
    gain_low: float | None
    gain_high: float | None
    p_value: float
    q_value: float | None
    half_life_seconds: float | None
    half_life_seconds_high: float | None
    impact_bps: float | None
    impact_bps_low: float | None
    impact_bps_high: float | None
    impact_seconds: float | None
    flow_explained: float
    return_explained: float
    n: int

    @property
    def found(self) -> bool:
        """Whether the loop is there at the false discovery rate of the report."""
        return self.q_value is not None and self.q_value <= SIGNIFICANCE

    @property
    def signed(self) -> bool:
        """Whether the interval of the gain leaves out none, so that it says which way it goes."""
        return (self.gain_low is None or self.gain_high is None
                or self.gain_low * self.gain_high > 0.0)


@dataclass(frozen=True)
class Stability:
    """`report/feedback_index_stability.sql`."""

    estimator: str
    bar_size: str
    instrument: str
    flow: str
    estimate: float
    interval_low: float | None
    interval_high: float | None
    p_value: float
    q_value: float | None
    part_from_ns: int
    n: int


def section(source: Source) -> Section:
    """Loops of the window shown."""
    about = study("feedback_index")
    window = source.choice("feedback_index")
    found = _loops(source, window) if window else []
    if window is None or not found:
        return Section(about.title, about.question,
                       ["No loop could be estimated; the refusals say why."])
    whole = [one for one in found if one.regime == "all"]
    loops = [one for one in whole if one.found]
    # What is found is told first; own loops are told of whether they are found or not.
    rest = [one for one in whole if not one.found and one.instrument_x == one.instrument_y]
    loops.sort(key=lambda one: not one.signed)
    told = [sentence(one) for one in [*loops, *rest][:MOST_SENTENCES]]
    stability = source.of_study("feedback_index_stability", Stability, "feedback_index", window)
    counted = (
        f"Of {words.plural(len(whole), 'pair')} of flow and return, "
        f"{words.small(len(loops)) if loops else 'none'} "
        f"{'have' if len(loops) > 1 else 'has'} a loop at a false discovery rate of "
        f"{words.percent(SIGNIFICANCE)}. A positive gain feeds on itself, a negative one leans "
        "against the move."
    )
    return Section(
        about.title, about.question, paragraphs=[counted, *told, *changes(stability)],
        charts=[Chart("Loop gain", svg_text(draw(whole), "feedback-index"),
                      "Gain with its interval; pale where no loop is found."
                      + words.first_of(MOST_ROWS, len(whole), "loop"))],
        tables=[_table(found)],
        findings=told[: min(3, sum(one.signed for one in loops))],
    )


def sentence(one: Index) -> str:
    """A row in words: how far the imbalance moves the price, and what of it comes back."""
    own = one.instrument_x == one.instrument_y
    imbalance = "A buy imbalance" if one.flow != "trade_imbalance" else "A surplus of buying"
    moved = "its price" if own else one.instrument_y
    text = (
        f"{imbalance} of one standard deviation in {one.instrument_x} moves {moved} by "
        f"{words.number(one.impact_bps)} bps"
    )
    if one.impact_bps_low is not None and one.impact_bps_high is not None:
        text += f" ({words.interval(one.impact_bps_low, one.impact_bps_high, figures=True)})"
    if one.impact_seconds is not None:
        text += f", nine tenths of it within {words.duration(one.impact_seconds)}"
    if not one.found:
        return (
            f"{text}; that some of it comes back as flow cannot be told from none (gain "
            f"{words.correlation(one.gain)}, {words.interval(one.gain_low, one.gain_high)}; bars "
            f"of {one.bar_size}, {words.q_clause(one.q_value)})."
        )
    if not one.signed:
        return (
            f"{text}; both ways of the loop are there, but what comes back cannot be told from "
            f"none (gain {words.correlation(one.gain)}, "
            f"{words.interval(one.gain_low, one.gain_high)}; bars of {one.bar_size}, "
            f"{words.q_clause(one.q_value)})."
        )
    back = "comes back as flow" if one.gain > 0.0 else "is met by opposite flow"
    text += f"; {words.percent(abs(one.gain))} of the imbalance {back}"
    if one.gain_low is not None and one.gain_high is not None:
        text += f" (gain {words.interval(one.gain_low, one.gain_high)})"
    if one.half_life_seconds is not None:
        text += f", half of that within {words.duration(one.half_life_seconds)}"
    return f"{text} (bars of {one.bar_size}, {words.q_clause(one.q_value)})."


def changes(found: Sequence[Stability]) -> list[str]:
    """What the tests of stability say, in words; nothing when none was made."""
    told = []
    for estimator, words_of, nothing in (
        ("break", _break, "no break in the gain is found"),
        ("stress_difference", _stress, "stressed half-hours cannot be told from calm ones"),
    ):
        made = [one for one in found if one.estimator == estimator]
        sure = [one for one in made if one.q_value is not None and one.q_value <= SIGNIFICANCE]
        told += [words_of(one) for one in sure[:3]]
        if made and not sure:
            told.append(f"By {words.plural(len(made), 'test')}, {nothing}.")
    return told


def _break(one: Stability) -> str:
    return (
        f"The gain of {one.instrument} (bars of {one.bar_size}) changes at about "
        f"{words.moment(one.part_from_ns)} UTC ({words.q_clause(one.q_value)})."
    )


def _stress(one: Stability) -> str:
    way = "higher" if one.estimate > 0 else "lower"
    return (
        f"In stressed half-hours the gain of {one.instrument} (bars of {one.bar_size}) is "
        f"{words.correlation(abs(one.estimate))} {way} than in calm ones "
        f"({words.interval(one.interval_low, one.interval_high)}, {words.q_clause(one.q_value)})."
    )


def picture(source: Source, window: Choice) -> Drawing | None:
    """The chart for Dagster."""
    whole = [one for one in _loops(source, window) if one.regime == "all"]
    return draw(whole[:MOST_IN_PICTURE]) if whole else None


def draw(found: Sequence[Index]) -> Drawing:
    """Gains with their intervals, the first of the list at the top."""
    shown = found[:MOST_ROWS]
    with house_style():
        figure = blank_figure(0.19 * len(shown) + 0.7)
        height = figure.get_figheight()
        axes = figure.add_axes((5.2 / WIDTH, 0.45 / height, (WIDTH - 5.4) / WIDTH,
                                1.0 - 0.6 / height))
        for place, one in enumerate(shown):
            shade = colour("ink") if one.found else colour("muted")
            if one.gain_low is not None and one.gain_high is not None:
                axes.plot([one.gain_low, one.gain_high], [place, place], color=shade,
                          linewidth=1.6 if one.found else 0.8)
            axes.plot([one.gain], [place], "o", color=shade, markersize=3.5)
        axes.axvline(0.0, color=colour("muted"), linewidth=0.8)
        axes.set_yticks(range(len(shown)), [_label(one) for one in shown], fontsize=6.8)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlabel("loop gain", labelpad=2)
        axes.grid(visible=False, axis="y")
    return Drawing(figure, "Loop gains with their intervals")


def _label(one: Index) -> str:
    pair = one.instrument_x if one.instrument_x == one.instrument_y else (
        f"{one.instrument_x} → {one.instrument_y}")
    return f"{pair}  {one.bar_size}{'' if one.flow == 'order_flow_imbalance' else ' trades'}"


def _loops(source: Source, window: Choice) -> list[Index]:
    return source.of_study("feedback_index", Index, "feedback_index", window)


def _table(found: Sequence[Index]) -> Rows:
    header = ("flow of", "return of", "bars", "regime", "gain", "interval", "q", "half-life",
              "impact, bps", "flow explained", "return explained", "n")
    rows = [
        (one.instrument_x, one.instrument_y, one.bar_size, one.regime.replace("_", " "),
         words.correlation(one.gain), words.interval(one.gain_low, one.gain_high),
         words.q(one.q_value),
         "–" if one.half_life_seconds is None else words.duration(one.half_life_seconds),
         words.number(one.impact_bps), words.percent(one.flow_explained),
         words.percent(one.return_explained), words.count(one.n))
        for one in found
    ]
    return Rows("Loops; shares of forecast-error variance with flow ordered first.", header, rows,
                frozenset(header[4:]), MOST_ROWS)
