"""The columns that the long tables of the studies share, and how a table is made of them.

What a common column means and which values it may take belongs here; columns and estimators of one
study are in its own `study.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from imbalance.contracts import Column, Partitioning, Table
from imbalance.studies.hypotheses import HYPOTHESES, Hypothesis
from imbalance.studies.measures import BAR_NANOSECONDS, REGIME_LEVELS

REASONS = {
    "no_bars": "the window holds no bars of this size",
    "no_pair": "no two instruments stand in the declared relation",
    "no_such_measure": "the bars have no column of that name",
    "all_null": "the measure has no value in the window",
    "constant_series": "the measure does not vary over the bars used",
    "too_few_bars": "fewer valid bars than the family demands",
    "no_common_bars": "the instruments have too few valid bars in common",
    "too_persistent": "the series move so slowly that the window holds under ten independent pairs",
    "unit_root": "the measure cannot be told from a random walk (augmented Dickey–Fuller)",
    "explosive": "the fitted system has a root on or outside the unit circle",
    "collinear": "one measure is a linear combination of others",
    "too_many_variables": "more variables than the family lets into one system",
}
"""Why a row holds no estimate: reasons that any study may give. A study may add its own."""

CROSSED_REASONS = {
    "too_many_instruments": "more instruments than the family pairs with one another, and this one "
    "is not among those that move most",
}
"""Of studies that pair every instrument with every other one."""

ANY = "*"
"""Instrument or measure of a row that is about a whole system or a whole family."""

BAR_SIZES = tuple(BAR_NANOSECONDS)
EVENTS = "events"
"""Bar size of a row that was estimated from events, without bars."""

REGIMES = (
    "all", *(f"{name}_{level}" for name, levels in REGIME_LEVELS.items() for level in levels)
)

ANY_DEPENDENCE = "q_value_any_dependence"
"""Column of q-values by Benjamini and Yekutieli, for a table that has both."""

ANY_DEPENDENCE_SOURCE = "Benjamini and Yekutieli 2001"

WINDOW_KEY = ("family", "scope", "window_from", "window_to", "bar_size")
PAIR_KEY = ("instrument_x", "measure_x", "instrument_y", "measure_y", "estimator")


def text(name: str, description: str, allowed: tuple[str, ...] = ()) -> Column:
    """A column of text that is never null."""
    return Column(name, "VARCHAR", description, allowed=allowed, owner="studies")


def figure(
    name: str,
    description: str,
    null_meaning: str,
    *,
    unit: str = "",
    formula: str = "",
    source: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
) -> Column:
    """A column of numbers that may be null."""
    return Column(
        name, "DOUBLE", description, unit=unit, nullable=True, null_meaning=null_meaning,
        formula=formula, source=source, minimum=minimum, maximum=maximum, owner="studies",
    )


def count(name: str, description: str, unit: str = "bars") -> Column:
    """A column of counts that is never null."""
    return Column(name, "BIGINT", description, unit=unit, minimum=0, owner="studies")


def study_table(
    name: str,
    description: str,
    *,
    grain: str,
    estimators: tuple[str, ...],
    x: str,
    y: str,
    estimate: str,
    unit: str = "",
    bound: float | None = None,
    interval: str = "none",
    kind_null: str = "never",
    key: tuple[str, ...] | None = None,
    subject: tuple[Column, ...] = (),
    extra: tuple[Column, ...] = (),
    regimes: tuple[str, ...] = REGIMES,
    regime: str = "Bars used: all, those that follow a bar in a tercile of the window, or those of "
    "a quarter of the UTC day.",
    reasons: Mapping[str, str] | None = None,
    of_events: bool = False,
    hypotheses: tuple[Hypothesis, ...] = (),
    corrected_by: str = "Benjamini and Hochberg 1995",
    partitioning: Partitioning = "day",
    may_be_empty: str = "",
) -> Table:
    """The long table `studies.<name>`: the columns that all studies have, and the study's own.

    Parameters
    ----------
    grain : what there is one row per.
    estimators : what may be estimated: the values of the column `estimator`.
    x, y : what the two series are to each other.
    estimate, unit, bound : what the estimate is; `bound` is the largest absolute value it can have.
    interval : what kind of interval is given.
    kind_null : what a row without `kind` is about; `never` when there is none.
    key : the key; by default window, pair, estimator, lag, horizon and regime.
    subject, extra : the study's own columns: those that say what the row is about, which stand
        before the figures, and further figures, which stand behind them.
    regimes, regime : values of the column `regime`, and what they mean.
    reasons : the study's own reasons to refuse, beside `REASONS`.
    of_events : whether rows may be estimated from events, with `bar_size` = `events`.
    hypotheses : the kinds of claims that are tested, each with q-values of its own; none for a
        table without tests.
    corrected_by : source of the q-values.
    partitioning : `day` when the study has windows of a day, `all` when only of the span.
    may_be_empty : why the table may be published without a row; without a reason it may not.
    """
    sizes = (*BAR_SIZES, EVENTS) if of_events else BAR_SIZES
    return Table(
        name=f"studies.{name}",
        description=description,
        grain=grain,
        partitioning=partitioning,
        key=key or (*WINDOW_KEY, *PAIR_KEY, "lag", "horizon", "regime"),
        columns=(
            *_identity(name, estimators, x, y, sizes),
            *subject,
            *_place(kind_null, regimes, regime),
            *_figures(estimate, unit, bound, interval),
            *_tests(hypotheses, corrected_by),
            *_counts(),
            *_origin({**REASONS, **(reasons or {})}),
            *extra,
        ),
        published=True,
        may_be_empty=may_be_empty,
    )


def _identity(
    study: str, estimators: tuple[str, ...], x: str, y: str, sizes: tuple[str, ...]
) -> tuple[Column, ...]:
    return (
        text("study", "Which study made the row.", (study,)),
        text("family", "The declared family that the row belongs to."),
        text("scope", "Window of the study: one day, the last days up to one (trailing), or the "
             "whole span.", ("day", "trailing", "span")),
        Column("window_from", "TIMESTAMP_NS", "Start of the first bar in the window.",
               unit="UTC, ns", owner="studies"),
        Column("window_to", "TIMESTAMP_NS", "End of the last bar in the window.",
               unit="UTC, ns", owner="studies"),
        text("bar_size", "Length of the bars.", sizes),
        text("instrument_x", f"Instrument of x: {x}; * for a whole system or family."),
        text("measure_x", f"Measure of x: {x}; * for a whole system."),
        text("instrument_y", f"Instrument of y: {y}; * for a whole system or family."),
        text("measure_y", f"Measure of y: {y}; * for a whole system."),
        text("estimator", "What was estimated.", estimators),
    )


def _place(kind_null: str, regimes: tuple[str, ...], regime: str) -> tuple[Column, ...]:
    return (
        Column("lag", "INTEGER", "Bars by which x leads y; negative when y leads x.",
               unit="bars", owner="studies"),
        Column("horizon", "INTEGER", "Bars ahead, or bars over which y is summed.",
               unit="bars", minimum=0, owner="studies"),
        Column("kind", "VARCHAR", "Whether x and y share the bar or one is known before the other.",
               nullable=True, null_meaning=kind_null,
               allowed=("contemporaneous", "predictive"), owner="studies"),
        text("regime", regime, regimes),
    )


def _figures(estimate: str, unit: str, bound: float | None, interval: str) -> tuple[Column, ...]:
    refused = "nothing was estimated: see reason"
    return (
        figure("estimate", estimate, refused, unit=unit,
               minimum=None if bound is None else -bound, maximum=bound),
        figure("standard_error", "Standard error of the estimate.",
               "no standard error belongs to this estimator", unit=unit, minimum=0.0),
        figure("interval_low", f"Lower end of the interval: {interval}.",
               "no interval belongs to this estimator", unit=unit),
        figure("interval_high", f"Upper end of the interval: {interval}.",
               "no interval belongs to this estimator", unit=unit),
    )


def _tests(hypotheses: tuple[Hypothesis, ...], corrected_by: str) -> tuple[Column, ...]:
    meant = "; ".join(f"{name}: {HYPOTHESES[name]}" for name in hypotheses)
    dependent = ", times the sum of 1/i to m" if corrected_by == ANY_DEPENDENCE_SOURCE else ""
    return (
        figure("p_value", "p-value of the absence of the effect: two-sided unless the study says "
               "otherwise of the estimator.",
               "no test was made", minimum=0.0, maximum=1.0),
        figure("q_value", "False discovery rate at which the row would be called, over the tests "
               "of its family, hypothesis, scope and window.", "no test was made",
               formula=f"min over larger p of m·p(i)/i{dependent}", source=corrected_by,
               minimum=0.0, maximum=1.0),
        Column("hypothesis", "VARCHAR", "Which tests of the family the q-value is over: what holds "
               "by construction does not make forecasts look surer. "
               + (f"{meant[0].upper()}{meant[1:]}." if meant else "Nothing is tested here."),
               nullable=True, null_meaning="no q-value", allowed=hypotheses, owner="studies"),
    )


def _counts() -> tuple[Column, ...]:
    return (
        count("n", "Bars (pairs of bars) used."),
        figure("n_effective", "Independent pairs that would give the same standard error in the "
               "absence of the effect; never more than n.", "not defined for this estimator",
               unit="pairs", minimum=0.0),
        figure("coverage", "Share of the bars in the window that were used: n/(n + n_left_out).",
               "the window holds no bars", minimum=0.0, maximum=1.0),
        count("n_left_out", "Bars (pairs) left out: poisoned, invalid, null, or next to a gap."),
    )


def _origin(reasons: Mapping[str, str]) -> tuple[Column, ...]:
    return (
        text("parameters", "Settings of the estimator, as JSON."),
        Column("seed", "BIGINT", "Seed of the random draws.", nullable=True,
               null_meaning="nothing random in it", owner="studies"),
        Column("reason", "VARCHAR", "Why there is no estimate.", nullable=True,
               null_meaning="there is one", allowed=tuple(reasons), owner="studies"),
        text("definition_version", "Version of the study's definition."),
        Column("available_at", "TIMESTAMP_NS", "When the last bar in the window could be known.",
               unit="UTC, ns", owner="studies"),
    )
