"""Registry of the studies layer: long tables with one row per estimate, or per refusal.

What a column means and which values it may take belongs here. Which estimates are made is declared
in `families.py`; how they are made is in the modules of the estimators.
"""

from __future__ import annotations

from imbalance.contracts import Column, Table

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
"""Why a row holds no estimate."""

ANY = "*"
"""Instrument or measure of a row that is about a whole system or a whole family."""


def _text(name: str, description: str, allowed: tuple[str, ...] = ()) -> Column:
    return Column(name, "VARCHAR", description, allowed=allowed, owner="studies")


def _figure(
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
    return Column(
        name,
        "DOUBLE",
        description,
        unit=unit,
        nullable=True,
        null_meaning=null_meaning,
        formula=formula,
        source=source,
        minimum=minimum,
        maximum=maximum,
        owner="studies",
    )


def _count(name: str, description: str) -> Column:
    return Column(name, "BIGINT", description, unit="bars", minimum=0, owner="studies")


def _identity(study: str, estimators: tuple[str, ...], x_role: str, y_role: str) -> tuple:
    return (
        _text("study", "Which study made the row.", (study,)),
        _text("family", "The declared family that the row belongs to; q-values are within it."),
        _text("scope", "Window of the study: one day, or the whole span.", ("day", "span")),
        Column("window_from", "TIMESTAMP_NS", "Start of the first bar in the window.",
               unit="UTC, ns", owner="studies"),
        Column("window_to", "TIMESTAMP_NS", "End of the last bar in the window.",
               unit="UTC, ns", owner="studies"),
        _text("bar_size", "Length of the bars.", ("100ms", "1s", "10s", "1m", "5m")),
        _text("instrument_x", f"Instrument of x: {x_role}; * for a whole system or family."),
        _text("measure_x", f"Measure of x: {x_role}; * for a whole system."),
        _text("instrument_y", f"Instrument of y: {y_role}; * for a whole system or family."),
        _text("measure_y", f"Measure of y: {y_role}; * for a whole system."),
        _text("estimator", "What was estimated.", estimators),
    )


def _place(kind_null: str) -> tuple[Column, ...]:
    return (
        Column("lag", "INTEGER", "Bars by which x leads y; negative when y leads x.",
               unit="bars", owner="studies"),
        Column("horizon", "INTEGER", "Bars ahead, or bars over which y is summed.",
               unit="bars", minimum=0, owner="studies"),
        Column("kind", "VARCHAR", "Whether x and y share the bar or one is known before the other.",
               nullable=True, null_meaning=kind_null,
               allowed=("contemporaneous", "predictive"), owner="studies"),
        _text("regime", "Bars used: all, or those that follow a bar in a tercile of the window.",
              ("all", "depth_low", "depth_middle", "depth_high",
               "messages_low", "messages_middle", "messages_high")),
    )


def _figures(estimate: str, unit: str, bound: float | None, interval: str) -> tuple[Column, ...]:
    refused = "nothing was estimated: see reason"
    return (
        _figure("estimate", estimate, refused, unit=unit,
                minimum=None if bound is None else -bound, maximum=bound),
        _figure("standard_error", "Standard error of the estimate.",
                "no standard error belongs to this estimator", unit=unit, minimum=0.0),
        _figure("interval_low", f"Lower end of the interval: {interval}.",
                "no interval belongs to this estimator", unit=unit),
        _figure("interval_high", f"Upper end of the interval: {interval}.",
                "no interval belongs to this estimator", unit=unit),
        _figure("p_value", "Two-sided p-value of the absence of the effect.",
                "no test was made", minimum=0.0, maximum=1.0),
        _figure("q_value", "False discovery rate at which the row would be called, over the tests "
                "of its family, scope and window.", "no test was made",
                formula="min over larger p of m·p(i)/i", source="Benjamini and Hochberg 1995",
                minimum=0.0, maximum=1.0),
        _count("n", "Bars (pairs of bars) used."),
        _figure("n_effective", "Independent pairs that would give the same standard error in the "
                "absence of the effect; never more than n.", "not defined for this estimator",
                unit="pairs", minimum=0.0),
        _figure("coverage", "Share of the bars in the window that were used: n/(n + n_left_out).",
                "the window holds no bars", minimum=0.0, maximum=1.0),
        _count("n_left_out", "Bars (pairs) left out: poisoned, invalid, null, or next to a gap."),
        _text("parameters", "Settings of the estimator, as JSON."),
        Column("seed", "BIGINT", "Seed of the random draws.", nullable=True,
               null_meaning="nothing random in it", owner="studies"),
        Column("reason", "VARCHAR", "Why there is no estimate.", nullable=True,
               null_meaning="there is one", allowed=tuple(REASONS), owner="studies"),
        _text("definition_version", "Version of the study's definition."),
        Column("available_at", "TIMESTAMP_NS", "When the last bar in the window could be known.",
               unit="UTC, ns", owner="studies"),
    )


_MODEL = _text("model", "The system: an instrument, or `across:` and its instruments.")
_KEY = ("family", "scope", "window_from", "bar_size")
_PAIR = ("instrument_x", "measure_x", "instrument_y", "measure_y", "estimator")

CORRELATION = Table(
    name="studies.correlation",
    description="Lagged correlation of two measures, own and between instruments, with standard "
    "errors that allow for autocorrelation and heteroskedasticity.",
    grain="family, window, bar size, pair of series, estimator, lag, horizon and regime",
    partitioning="day",
    key=(*_KEY, *_PAIR, "lag", "horizon", "regime"),
    columns=(
        *_identity("correlation", ("pearson", "spearman"), "the leading series at positive lags",
                   "the other series"),
        *_place("never"),
        *_figures("Correlation of x at bar t and y at bars t+lag … t+lag+horizon−1.", "", 1.0,
                  "Fisher's z with the standard error"),
    ),
    published=True,
)

VECTOR_AUTOREGRESSION = Table(
    name="studies.vector_autoregression",
    description="Fitted vector autoregressions: coefficients, residual covariance, roots and what "
    "says whether the fit can be trusted.",
    grain="family, window, bar size, system, estimator, pair of variables and lag",
    partitioning="day",
    key=(*_KEY, "model", *_PAIR, "lag", "horizon"),
    columns=(
        *_identity("vector_autoregression",
                   ("coefficient", "intercept", "residual_covariance", "root_modulus", "lag_order",
                    "r_squared", "log_likelihood", "portmanteau", "normality", "arch"),
                   "the regressor", "the equation's variable"),
        _MODEL,
        *_place("the row is about the whole system"),
        *_figures("Coefficient of x at the lag in the equation of y, or the figure that the "
                  "estimator names.", "of y per unit of x", None, "normal"),
    ),
    published=True,
)

IMPULSE_RESPONSE = Table(
    name="studies.impulse_response",
    description="Response of y to a shock of one standard deviation in x, with bootstrap bands; "
    "and the share of y's forecast-error variance that x accounts for.",
    grain="family, window, bar size, system, estimator, pair of variables and horizon",
    partitioning="day",
    key=(*_KEY, "model", *_PAIR, "lag", "horizon"),
    columns=(
        *_identity("impulse_response",
                   ("orthogonal", "generalised", "orthogonal_cumulative", "generalised_cumulative",
                    "variance_share", "generalised_variance_share"),
                   "the impulse", "the response"),
        _MODEL,
        *_place("the row is a refusal"),
        *_figures("Response of y, `horizon` bars after the shock.", "of y", None,
                  "pointwise percentiles of the bootstrap"),
        _figure("joint_low", "Lower end of the band that holds the whole path.",
                "no joint band belongs to this estimator", unit="of y"),
        _figure("joint_high", "Upper end of the band that holds the whole path.",
                "no joint band belongs to this estimator", unit="of y"),
    ),
    published=True,
)

GRANGER_CAUSALITY = Table(
    name="studies.granger_causality",
    description="Whether the past of x improves the forecast of y within a system, and whether "
    "their shocks are correlated.",
    grain="family, window, bar size, system, test and pair of variables",
    partitioning="day",
    key=(*_KEY, "model", *_PAIR, "lag", "horizon"),
    columns=(
        *_identity("granger_causality",
                   ("f", "wald_hc", "wald_hac", "instantaneous", "instantaneous_hc"),
                   "the cause", "the effect"),
        _MODEL,
        *_place("the row is a refusal"),
        *_figures("Test statistic: F, Wald statistic divided by its degrees of freedom, or χ².", "",
                  None, "none"),
    ),
    published=True,
)

FAMILIES = Table(
    name="studies.families",
    description="The families as declared before anything is estimated: what is asked, of which "
    "measures, at which lags.",
    grain="study and family",
    partitioning="all",
    key=("study", "family"),
    columns=(
        _text("study", "Study that runs the family.", ("correlation", "feedback")),
        _text("family", "Name of the family."),
        _text("question", "What the family asks."),
        _text("declaration", "All settings of the family, as JSON."),
        _text("definition_version", "Version of the study's definition."),
    ),
    published=True,
)

TABLES: tuple[Table, ...] = (
    CORRELATION, VECTOR_AUTOREGRESSION, IMPULSE_RESPONSE, GRANGER_CAUSALITY, FAMILIES,
)
