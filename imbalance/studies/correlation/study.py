"""The correlation study, declared: its question, its table, its families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from imbalance.config import StudiesConfig
from imbalance.errors import UserError
from imbalance.studies.columns import ANY_DEPENDENCE, CROSSED_REASONS, figure, study_table
from imbalance.studies.difference_tables import REASONS, difference_table
from imbalance.studies.measures import (
    LOGARITHMIC_LAGS,
    REGIME_LEVELS,
)
from imbalance.studies.shared_families import PairKind, SeriesFamily
from imbalance.studies.study import Study, among, at_least

Estimator = Literal["pearson", "spearman", "kendall"]

_NOT_COSTLY = "not among the family's costly lags, or a regime, or nothing was estimated"

CORRELATION = study_table(
    "correlation",
    "Lagged correlation of two measures, own and between instruments, with standard "
    "errors that allow for autocorrelation and heteroskedasticity.",
    grain="family, window, bar size, pair of series, estimator, lag, horizon and regime",
    estimators=("pearson", "spearman", "kendall"),
    hypotheses=("same_book", "same_bar", "own_past", "ahead"),
    x="the leading series at positive lags",
    y="the other series",
    estimate="Correlation of x at bar t and y at bars t+lag … t+lag+horizon−1.",
    bound=1.0,
    interval="Fisher's z with the standard error",
    extra=(
        figure(ANY_DEPENDENCE, "False discovery rate as q_value, under any dependence between the "
               "tests.", "no test was made", formula="q_value's, times the sum of 1/i to m",
               source="Benjamini and Yekutieli 2001", minimum=0.0, maximum=1.0),
        figure("bootstrap_low", "Lower end of the interval by moving-block bootstrap.", _NOT_COSTLY,
               source="Künsch 1989; Politis and White 2004", minimum=-1.0, maximum=1.0),
        figure("bootstrap_high", "Upper end of the interval by moving-block bootstrap.",
               _NOT_COSTLY, minimum=-1.0, maximum=1.0),
        figure("block_length", "Length of its blocks.", _NOT_COSTLY, unit="pairs", minimum=1.0),
    ),
    reasons=CROSSED_REASONS,
)

CORRELATION_DIFFERENCE = difference_table(
    "correlation",
    of=("pearson",),
    x="the leading series at positive lags",
    y="the other series",
)


@dataclass(frozen=True, kw_only=True)
class CorrelationFamily(SeriesFamily):
    """Correlations of every x with every y, for the pairs of instruments that `pairs` names.

    A pair of series that occurs in both roles is estimated once, since lags have both signs.
    Horizons above 1 sum y over that many bars and are estimated at positive lags only, so that y
    starts after x is known. Regimes are terciles, over the window, of the regime's measure of
    instrument x in the bar before; they are estimated at `regime_lags`.

    Parameters
    ----------
    lags : bars by which y is later than x; below 0 earlier.
    horizons : bars that y is summed over.
    estimators : which correlations are estimated.
    regimes : by whose levels Pearson's and Spearman's correlations are estimated too; empty: by
        none.
    regime_lags : lags at which they are.
    costly_lags : lags with Kendall's correlation and bootstrap intervals, over all bars.
    replications : replications of the bootstrap of those intervals.
    seed : seed of its random draws.
    """

    pairs: tuple[PairKind, ...] = ("own", "cross")
    lags: tuple[int, ...] = LOGARITHMIC_LAGS
    horizons: tuple[int, ...] = (1,)
    estimators: tuple[Estimator, ...] = ("pearson", "spearman", "kendall")
    regimes: tuple[str, ...] = ()
    regime_lags: tuple[int, ...] = (-1, 0, 1)
    costly_lags: tuple[int, ...] = (-1, 0, 1)
    replications: int = 999
    seed: int = 20240808

    def __post_init__(self) -> None:
        super().__post_init__()
        where = self.where
        among(self.estimators, ["pearson", "spearman", "kendall"], "estimator", where)
        for values, what in ((self.lags, "lag"), (self.horizons, "horizon"),
                             (self.bar_sizes, "bar size")):
            if not values:
                raise UserError(f"no {what} is declared", where=where, allowed="at least one")
        if min(self.horizons) < 1:
            raise UserError("a horizon below one bar", where=where, allowed="1 and above")
        if self.regimes and not self.regime_lags:
            raise UserError("no regime lag is declared", where=where,
                            allowed="at least one, or no regimes")
        at_least(self, replications=99)

    @property
    def reach(self) -> int:
        """Largest distance in bars between two bars that one estimate compares."""
        return max(abs(lag) for lag in (*self.lags, *self.regime_lags)) + max(self.horizons)


def families(settings: StudiesConfig) -> Sequence[CorrelationFamily]:
    """What is estimated unless the configuration says otherwise."""
    common: dict[str, Any] = {
        "bar_sizes": settings.bar_sizes,
        "significance": settings.significance,
        "regimes": tuple(REGIME_LEVELS),
        "replications": settings.replications,
        "seed": settings.seed,
    }
    return (
        CorrelationFamily(
            name="imbalance_and_return",
            question="Does imbalance move with the return of its own and other instruments, in the "
            "same bar and in later ones?",
            x_measures=("order_flow_imbalance", "trade_imbalance", "volume_imbalance",
                        "queue_imbalance", "depth_imbalance_10"),
            y_measures=("return_bps",),
            **common,
        ),
        CorrelationFamily(
            name="market_correlation",
            question="How do returns of instruments move together, and which leads?",
            x_measures=("return_bps",),
            y_measures=("return_bps",),
            **common,
        ),
        CorrelationFamily(
            name="order_flow_commonality",
            question="Is order flow shared between instruments, and how long does it persist?",
            x_measures=("order_flow_imbalance",),
            y_measures=("order_flow_imbalance",),
            **common,
        ),
        CorrelationFamily(
            name="perpetual_imbalance_and_spot_volatility",
            question="Does buy imbalance in a perpetual go before volatility of its spot?",
            x_measures=("trade_imbalance_normalised", "order_flow_imbalance",
                        "absolute(trade_imbalance_normalised)", "absolute(order_flow_imbalance)"),
            y_measures=("realised_variance",),
            pairs=("perpetual_to_spot",),
            horizons=(1, 10, 30),
            **common,
        ),
    )


STUDY = Study(
    name="correlation",
    title="Correlation",
    question="How do imbalances and returns of instruments move together, in the same bar and in "
    "later ones, and which leads?",
    tables=(CORRELATION, CORRELATION_DIFFERENCE),
    reasons=REASONS | CROSSED_REASONS,
    families=families,
    family=CorrelationFamily,
    build="imbalance.studies.correlation.build:build",
    cost="seconds for a day of four instruments at 1 s; grows with the square of the instruments",
    section="imbalance.report.studies.correlation:section",
    figures={CORRELATION.name: "imbalance.report.studies_figures:heatmap"},
)
