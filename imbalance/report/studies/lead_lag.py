"""What the lead-lag study contributes to the report and to Dagster."""

from __future__ import annotations

from imbalance.report import words
from imbalance.report.figures import Drawing, svg_text
from imbalance.report.queries import Choice, Source
from imbalance.report.regime_table import regime_tables
from imbalance.report.sections import Chart
from imbalance.report.studies.lead_lag_figures import Contrast, Pair, contrasts, network
from imbalance.report.study_section import Rows, Section
from imbalance.studies.lead_lag.study import STUDY

MOST_PANELS = 6
MOST_ROWS = 40

_HEADER = ("leader", "follower", "price", "lag", "95 % band", "q", "correlation", "ratio",
           "sign kept at 10 ms", "at measured skew")

_FEEDS = (
    "Lead-lag: books are published at intervals of their own (100 ms in Binance's spot feed). A "
    "lead of mid prices below such an interval may be that of the feed; trades bear the time of "
    "the matching engine."
)


def section(source: Source) -> Section:
    """The section of the report."""
    window = source.choice("lead_lag")
    pairs = _pairs(source, window)
    if not pairs:
        return Section(STUDY.title, STUDY.question, ["No pair of instruments could be estimated."])
    found = [pair for pair in pairs if pair.found]
    sure = [pair for pair in pairs if pair.sure]
    return Section(
        STUDY.title,
        STUDY.question,
        paragraphs=[
            _overview(len(pairs), len(found), len(sure)),
        ],
        charts=_charts(source, window, pairs),
        tables=[Rows(
            "Leads between prices; the lag is where the Hayashi–Yoshida correlation is largest.",
            _HEADER, [_cells(pair) for pair in pairs], frozenset(_HEADER[3:]), MOST_ROWS,
        ), *regime_tables(source, "lead_lag")],
        findings=[_sentence(pair) for pair in sorted(
            sure, key=lambda pair: pair.q_value or 0.0)[:3]],
        warnings=_warnings(pairs),
    )


def picture(source: Source, window: Choice) -> Drawing | None:
    """The network, for Dagster; None where no pair was estimated."""
    pairs = _pairs(source, window)
    return network(pairs) if pairs else None


def _overview(pairs: int, found: int, sure: int) -> str:
    return (
        f"Of {words.plural(pairs, 'pair')} (each price apart), {words.how_many(found)} "
        f"{'has' if found == 1 else 'have'} a leader "
        f"after correction for all that were looked at; {words.how_many(sure)} of these would keep "
        "it in 95 % of the replications if the clocks erred against the leader by as much as was "
        "measured."
    )


def _pairs(source: Source, window: Choice | None) -> list[Pair]:
    return [] if window is None else source.of_study("lead_lag_pairs", Pair, "lead_lag", window)


def _charts(source: Source, window: Choice | None, pairs: list[Pair]) -> list[Chart]:
    drawn = svg_text(network(pairs), "lead-lag-network")
    charts = [Chart(
        "Who leads whom", drawn,
        "Arrows go from leader to follower and bear the lag. Grey and dashed: an error of the "
        "clocks as large as was measured could turn the arrow.",
    )]
    rows = [] if window is None else source.of_study(
        "lead_lag_contrasts", Contrast, "lead_lag", window, most=MOST_PANELS)
    if rows:
        charts.append(Chart(
            "Correlation against lag", svg_text(contrasts(rows), "lead-lag-contrasts"),
            "With the pointwise band of the block bootstrap. A peak right of 0 means that the "
            "first instrument leads." + words.first_of(MOST_PANELS, len(pairs), "pair"),
        ))
    return charts


def _cells(pair: Pair) -> list[str]:
    turn = pair.lead_ms <= 0
    low, high = (_minus(pair.high_ms), _minus(pair.low_ms)) if turn else (
        pair.low_ms, pair.high_ms)
    ratio = pair.ratio if not turn else 1.0 / pair.ratio if pair.ratio else None
    skew = "–" if pair.skew_ms is None or pair.kept_at_skew is None else (
        f"{words.percent(pair.kept_at_skew)} ({words.number(pair.skew_ms, 2)} ms)"
    )
    return [
        pair.leader, pair.follower, words.measure(pair.measure), f"{abs(pair.lead_ms):.0f} ms",
        words.interval(low, high, figures=True), words.q(pair.q_value),
        words.correlation(pair.correlation), words.number(ratio),
        words.percent(pair.kept_at_10_ms), skew,
    ]


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _sentence(pair: Pair) -> str:
    return (
        f"The {words.measure(pair.measure)} of {pair.leader} moves {abs(pair.lead_ms):.0f} ms "
        f"before that of {pair.follower} ({words.q_clause(pair.q_value)}), more than the clocks "
        "can explain by what was measured of them."
    )


def _warnings(pairs: list[Pair]) -> list[str]:
    doubtful = sum(pair.found and not pair.sure for pair in pairs)
    outside = sum(abs(pair.correlation or 0.0) > 1.0 for pair in pairs)
    found = [_FEEDS]
    if doubtful:
        found.append(
            f"Lead-lag: {words.plural(doubtful, 'lead')} may be made by clocks and delays."
        )
    if outside:
        found.append(
            f"Lead-lag: {words.plural(outside, 'correlation')} at the peak beyond 1: prices that "
            "bounce or lag move more together over overlaps than each does tick by tick."
        )
    return found
