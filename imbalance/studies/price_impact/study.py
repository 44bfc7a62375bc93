"""The study of price impact, declared: its question, its tables, its families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.config import StudiesConfig
from imbalance.contracts import Column
from imbalance.errors import UserError
from imbalance.studies.columns import (
    CROSSED_REASONS,
    PAIR_KEY,
    WINDOW_KEY,
    count,
    figure,
    study_table,
    text,
)
from imbalance.studies.measures import REGIME_LEVELS, regime_columns
from imbalance.studies.shared_families import CrossingFamily
from imbalance.studies.study import Study, only_known

LEVELS = 10
"""Levels of the book whose flows the bars have."""

MODELS = ("own_best", "cross_best", "own_integrated", "cross_integrated")
"""The models of Cont, Cucuringu and Zhang: whose flows, and of which levels."""

_REASONS = {
    "too_few_windows": "too few half-hours with enough bars to compare them",
    "no_levels": "the bars have no flows by level: the feed shows images, or under two levels",
    "nothing_to_forecast": "no stretch of the window has enough bars before it to fit on, or all "
    "stretches together too few to judge by",
    "exact_forecast": "the best level alone forecasts without an error: none can be reduced",
}

_ALARM = Column(
    "alarm", "VARCHAR", "Set where a forecast is too good to be true: the lower end of its R² is "
    "above the family's `alarm_r_squared`.", nullable=True, null_meaning="no alarm",
    allowed=("look_ahead",), owner="studies",
)

PRICE_IMPACT = study_table(
    "price_impact",
    "How far order flow moves the price of its instrument: the regression of returns on order flow "
    "imbalance by half-hour, what depth does to it, how it decays, and what deeper levels add.",
    grain="family, window, bar size, instrument, measures, estimator, lag, horizon, levels and "
    "regime",
    key=(*WINDOW_KEY, *PAIR_KEY, "lag", "horizon", "levels", "regime"),
    estimators=("slope", "regime_slope", "regime_difference", "r_squared", "depth_exponent",
                "response", "r_squared_in", "r_squared_out", "ridge_r_squared_in",
                "ridge_r_squared_out", "rmse_reduction"),
    hypotheses=("same_book", "ahead", "whole"),
    x="what moves the price",
    y="the price's return, or the slope for a depth exponent",
    kind_null="the row compares half-hours",
    estimate="The figure that the estimator names: a slope in bps per base unit, an R², an "
    "exponent, a response in bps, or the share by which the error of forecasts falls.",
    interval="normal for slopes, exponents and responses, by regime Student's t; of a noncentral "
    "χ² with the variance of the block bootstrap for r_squared; percentiles of it for the others",
    subject=(count("levels", "Levels of the book whose flows are in the regression; 0 for a row "
                   "without flows.", "levels"),),
    extra=(
        count("n_windows", "Half-hours (out of sample: stretches) that the figure is over.",
              "windows"),
        figure("significant_share", "Share of the half-hours in which the slope's t is above 1.96.",
               "not a slope", minimum=0.0, maximum=1.0),
        _ALARM,
    ),
    reasons=_REASONS,
)

CROSS_IMPACT = study_table(
    "cross_impact",
    "Whether order flow of other instruments explains or forecasts a return beyond the "
    "instrument's own flow, and integrated flow of ten levels beyond that at the best one.",
    grain="family, window, bar size, pair, estimator, horizon and model",
    key=(*WINDOW_KEY, *PAIR_KEY, "horizon", "model"),
    estimators=("r_squared_in", "r_squared_out", "cross_gain", "model_race", "coefficient"),
    hypotheses=("same_book", "same_bar", "ahead"),
    x="whose flow; * for the flows of all",
    y="whose return",
    kind_null="never",
    estimate="R² (adjusted in sample), a difference of R² out of sample, or the mean coefficient "
    "in standard deviations of y per x.",
    interval="percentiles of the stationary block bootstrap",
    subject=(text("model", "Flows in the model: own or of all instruments (cross), at the best "
                  "level or integrated over levels; for a race the one with the best forecasts.",
                  MODELS),),
    extra=(
        count("n_windows", "Stretches that were fitted on and judged.", "windows"),
        figure("selected_share", "Share of the fits in which the LASSO kept a flow of x.",
               "not a coefficient", minimum=0.0, maximum=1.0),
        _ALARM,
    ),
    regimes=("all",),
    regime="All bars.",
    reasons=_REASONS | CROSSED_REASONS,
)


@dataclass(frozen=True, kw_only=True)
class PriceImpactFamily(CrossingFamily):
    """Regressions and forecasts of returns by order flow.

    Models of the flows of all are of the instruments that are crossed: a LASSO of up to
    `maximum_peers` flows at every lag takes seconds for each.

    Parameters
    ----------
    levels : levels of the book whose flows are looked at together.
    lags : bars back: of the decay, and of the flows that forecasts are made from.
    folds : folds in the order of time, on which penalties are chosen.
    regimes : by whose levels the slope is estimated too; empty: by none.
    minimum_windows : fewest half-hours for a depth exponent.
    maximum_peers : most instruments whose flows enter one model: those with the most bars.
    alarm_r_squared : R² of a forecast above which it is taken for a look ahead: four times the
        largest published for the next bar of 10 s.
    replications : replications of the bootstrap of the intervals.
    seed : seed of its random draws.
    """

    levels: int = LEVELS
    lags: tuple[int, ...] = (1, 2, 3, 5, 10, 20, 30)
    folds: int = 5
    regimes: tuple[str, ...] = tuple(REGIME_LEVELS)
    minimum_windows: int = 8
    maximum_peers: int = 20
    alarm_r_squared: float = 0.1
    replications: int = 199
    seed: int = 20240808

    def __post_init__(self) -> None:
        super().__post_init__()
        only_known(self.regimes, list(REGIME_LEVELS), "regime", self.where)
        if not 1 <= self.levels <= LEVELS:
            raise UserError(f"levels = {self.levels}", where=self.where, allowed=f"1 to {LEVELS}")
        if not self.lags or min(self.lags) < 1:
            raise UserError(f"lags = {list(self.lags)}", where=self.where,
                            allowed="at least one, each 1 and above")
        for name, least in (("folds", 2), ("minimum_windows", 4), ("maximum_peers", 1),
                            ("replications", 99)):
            if getattr(self, name) < least:
                raise UserError(f"{name} = {getattr(self, name)}", where=self.where,
                                allowed=f"{least} and above")

    @property
    def measures(self) -> tuple[str, ...]:
        """Columns of the bars that the family reads."""
        return tuple(dict.fromkeys((
            "return_bps", "order_flow_imbalance", "generalised_order_flow_imbalance",
            "order_flow_imbalance_no_price_change", "trade_imbalance", "depth_touch_mean",
            "level_depth_mean",
            *(f"order_flow_imbalance_level_{m}" for m in range(1, self.levels + 1)),
            *regime_columns(self.regimes),
        )))


def families(settings: StudiesConfig) -> Sequence[PriceImpactFamily]:
    """What is estimated unless the configuration says otherwise."""
    return (
        PriceImpactFamily(
            name="flow_and_return",
            question="How much of a return does order flow explain, and does any forecast it?",
            bar_sizes=settings.bar_sizes,
            seed=settings.seed,
            significance=settings.significance,
        ),
    )


STUDY = Study(
    name="price_impact",
    title="Price impact",
    question="How far does order flow move the price, its own and that of others, how much do "
    "deeper levels add, how does it decay, and does any flow forecast a return?",
    tables=(PRICE_IMPACT, CROSS_IMPACT),
    families=families,
    family=PriceImpactFamily,
    build="imbalance.studies.price_impact.build:build",
    cost="seconds for a day of six instruments at 1 s",
    reasons=_REASONS | CROSSED_REASONS,
    section="imbalance.report.studies.price_impact:section",
    figures={PRICE_IMPACT.name: "imbalance.report.studies.price_impact:picture"},
)
