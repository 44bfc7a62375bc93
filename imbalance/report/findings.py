"""What the studies found, in sentences an analyst can read: effect, interval, q and n.

Belongs here: which rows are told first and how. What is doubtful about the data is in `cautions`.
No sentence claims more than its row: significance is q, and going before is not causing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from imbalance.report import words
from imbalance.report.queries import FEWEST_INDEPENDENT, SIGNIFICANCE, Choice, Source
from imbalance.report.records import Cumulative, Finding, Granger
from imbalance.studies.measures import FLOW, IMAGE_FLOW

QUESTION_FAMILY = "perpetual_imbalance_and_spot_volatility"
"""The family with the question that is answered whether or not anything is significant."""

_TOLD = 3
_FEW = 100
"""Bars below which a sentence says that they are few."""


@dataclass(frozen=True)
class Found:
    """What the section with that anchor and title has found, for the overview."""

    section: str
    title: str
    sentences: Sequence[str]


def told(source: Source, correlation: Choice | None, feedback: Choice | None) -> list[Found]:
    """The findings of the overview, strongest first; empty when nothing was studied."""
    found = []
    if correlation is not None:
        sentences: list[str] = []
        strongest = source.correlation_strongest(correlation, most=1)
        for kind in ("contemporaneous", "predictive"):
            rows = [row for row in strongest if row.kind == kind]
            rows.sort(key=lambda row: -row.strength)
            sentences += [correlation_sentence(row) for row in rows[:_TOLD]]
        if not strongest:
            sentences.append(_no_correlation(source, correlation))
        sentences += question_sentences(
            source.correlation_question(correlation, QUESTION_FAMILY, most=1)
        )
        found.append(Found("correlation", "Correlation", sentences))
    if feedback is not None:
        found.append(Found("feedback", "Feedback", [
            *granger_sentences(source.granger(feedback)),
            *cumulative_sentences(source.cumulative_responses(feedback)),
        ]))
    return [one for one in found if one.sentences]


def _no_correlation(source: Source, window: Choice) -> str:
    pairs = source.correlation_measures(window)
    if not any(pair.estimates for pair in pairs):
        return "No correlation could be estimated."
    if not any(pair.significant for pair in pairs):
        return f"No correlation is significant (q ≤ {SIGNIFICANCE:g} over each declared family)."
    return (
        f"No correlation between two series is significant (q ≤ {SIGNIFICANCE:g} over each "
        f"declared family) and rests on {FEWEST_INDEPENDENT} independent pairs of bars."
    )


def correlation_sentence(row: Finding) -> str:
    """One correlation: what goes with, or before, what."""
    x = (row.instrument_x, row.measure_x)
    y = (row.instrument_y, row.measure_y)
    figures = _figures(row)
    if row.lag == 0:
        together = "rise and fall together" if row.estimate > 0 else "move against each other"
        return (
            f"In the same {row.bar_size} bar, {_named(*x)} and {_named(*y, other=x[0])} "
            f"{together}: {figures}."
        )
    leader, follower = (x, y) if row.lag > 0 else (y, x)
    sign = "in the same direction" if row.estimate > 0 else "in the opposite direction"
    ahead = words.bars(abs(row.lag), row.bar_size)
    over = f", summed over {words.bars(row.horizon, row.bar_size)}" if row.horizon > 1 else ""
    subject = _named(*leader)
    return (
        f"{subject[0].upper()}{subject[1:]} goes {ahead} before "
        f"{_named(*follower, other=leader[0])}{over}, {sign}: {figures}."
    )


def question_sentences(rows: Sequence[Finding]) -> list[str]:
    """Whether imbalance of a perpetual goes before the volatility of its spot."""
    if not rows:
        return []
    row = rows[0]
    later = f"{words.bars(row.lag, row.bar_size)} later"
    if row.horizon > 1:
        later = f"summed over {words.bars(row.horizon, row.bar_size)} from {later} on"
    best = (
        f"{words.measure(row.measure_x)} of {row.instrument_x} and realised variance of "
        f"{row.instrument_y} {later}, {_figures(row)}"
    )
    if row.significant:
        answer = (
            f"Imbalance of a perpetual does go before volatility of its spot in "
            f"{words.count(row.significant)} of {words.count(row.tests)} tests; surest: {best}."
        )
    else:
        rests = (
            f" and rests on {FEWEST_INDEPENDENT} independent pairs of bars"
            if row.q_value is not None and row.q_value <= SIGNIFICANCE else ""
        )
        answer = (
            "Nothing shows that imbalance of a perpetual goes before volatility of its spot: none "
            f"of {words.count(row.tests)} tests is significant{rests}; the nearest to it: {best}."
        )
    return [answer]


def granger_sentences(rows: Sequence[Granger]) -> list[str]:
    """How many instruments have flow before return, return before flow, and both."""
    own = [row for row in rows if not row.across and row.hc_q is not None]
    sentences = []
    for size in dict.fromkeys(row.bar_size for row in own):
        found: dict[str, set[str]] = {FLOW: set(), "return_bps": set()}
        tested = set()
        for row in own:
            cause, effect = map(_flow_of_any_feed, (row.measure_x, row.measure_y))
            if row.bar_size != size or {cause, effect} != set(found):
                continue
            tested.add(row.instrument_x)
            if row.hc_q is not None and row.hc_q <= SIGNIFICANCE:
                found[cause].add(row.instrument_x)
        if not tested:
            continue
        flow, price = found[FLOW], found["return_bps"]
        both = sorted(flow & price)
        named = f": {', '.join(both[:6])}{' and others' if len(both) > 6 else ''}" if both else ""
        sentences.append(
            f"At {size} bars, past order flow helps to forecast the return in "
            f"{_of(flow)} of {words.plural(len(tested), 'instrument')}, past returns help to "
            f"forecast order flow in {_of(price)}, both (a feedback loop) in {_of(both)}{named} "
            f"(Granger, robust to heteroskedasticity, q ≤ {SIGNIFICANCE:g})."
        )
    return sentences


def cumulative_sentences(rows: Sequence[Cumulative]) -> list[str]:
    """What a flow shock has done to the price by the last horizon, where that is surest."""
    moved = [row for row in rows if row.measure_y == "return_bps" and _sureness(row) > 0]
    if not moved:
        return []
    row = max(moved, key=_sureness)
    sentence = (
        f"An order flow shock of one standard deviation has moved the mid price of {row.model} by "
        f"{words.number(row.estimate)} bps "
        f"({words.interval(row.interval_low, row.interval_high, figures=True)}) "
        f"{words.bars(row.horizon, row.bar_size)} later, the surest of "
        f"{words.plural(len(moved), 'fit')} whose band leaves out zero."
    )
    return [sentence]


def _flow_of_any_feed(measure: str) -> str:
    return FLOW if measure == IMAGE_FLOW else measure


def _of(found: Collection[str]) -> str:
    return words.small(len(found)) if found else "none"


def _sureness(row: Cumulative) -> float:
    """Nearer end of the band by the estimate, so that bar sizes compare; 0 when it holds zero."""
    if row.interval_low is None or row.interval_high is None:
        return 0.0
    if row.interval_low * row.interval_high <= 0:
        return 0.0
    return min(abs(row.interval_low), abs(row.interval_high)) / (abs(row.estimate) or 1.0)


def _named(instrument: str, measure: str, *, other: str | None = None) -> str:
    if instrument == other:
        return f"its own {words.measure(measure)}"
    return f"{words.measure(measure)} of {instrument}"


def _figures(row: Finding) -> str:
    between = words.interval(row.interval_low, row.interval_high)
    return (
        f"correlation {words.correlation(row.estimate)} (95 % interval {between}, "
        f"{words.q_clause(row.q_value)}, {'only ' if row.n < _FEW else ''}"
        f"{words.count(row.n)} bars)"
    )
