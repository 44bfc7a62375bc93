"""The dependence study, declared: its question, its table, its families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.config import StudiesConfig
from imbalance.contracts import Column
from imbalance.errors import UserError
from imbalance.studies.columns import CROSSED_REASONS, PAIR_KEY, WINDOW_KEY, figure, study_table
from imbalance.studies.difference_tables import REASONS as DIFFERENCE_REASONS
from imbalance.studies.difference_tables import difference_table
from imbalance.studies.shared_families import SeriesFamily
from imbalance.studies.study import Study

ESTIMATORS = (
    "distance_correlation", "distance_correlation_bias_corrected",
    "mutual_information", "effective_mutual_information",
    "transfer_entropy", "effective_transfer_entropy", "gaussian_transfer_entropy",
    "lower_tail_dependence", "upper_tail_dependence",
    "student_tail", "clayton_lower_tail", "gumbel_upper_tail",
    "quantilogram",
)

BY_REGIME = (
    "distance_correlation_bias_corrected", "mutual_information", "transfer_entropy",
    "lower_tail_dependence", "upper_tail_dependence",
)
"""Estimators whose values are compared between the levels of a regime."""

REASONS = {
    "no_common_tail": "no bar is in the tails of both series",
    "too_few_tail_bars": "the tail of that level holds fewer than ten bars",
    "heavily_tied": "equal values fill the tail or too much of the series, or leave it no variance",
}

_LEVEL = Column(
    "level", "DOUBLE", "Probability of the tail, or quantile; 0 for estimators of the whole "
    "distribution.", minimum=0.0, maximum=1.0, owner="studies")

DEPENDENCE = study_table(
    "dependence",
    "Dependence of two series that correlation may not see: distance correlation, mutual "
    "information, transfer entropy, dependence of tails and quantiles, with surrogate p-values.",
    grain="family, window, bar size, pair of series, estimator, level, lag, horizon and regime",
    estimators=ESTIMATORS,
    hypotheses=("same_book", "same_bar", "ahead"),
    x="the series that goes before the other at lag 1",
    y="the other series",
    estimate="What the estimator names, of x at bar t and y at bar t+lag. By regime, mutual "
    "information and transfer entropy are means over the level's bars of the local terms of all "
    "levels together, not fits to the level: they may be negative.",
    unit="nats for information and entropy, else a number from −1 to 1",
    interval="normal with the standard error; of tails, Clopper and Pearson's; by regime "
    "Student's t",
    reasons=REASONS | CROSSED_REASONS,
    key=(*WINDOW_KEY, *PAIR_KEY, "level", "lag", "horizon", "regime"),
    subject=(_LEVEL,),
    extra=(
        figure("surrogate_mean", "Mean of the estimator over circular shifts of x: what it finds "
               "where there is nothing.", "no surrogates belong to this estimator"),
        figure("aic", "Akaike's criterion of the copula: the smallest of the pair fits best.",
               "not a copula", formula="2k − 2 ln L", source="Akaike 1974"),
    ),
)

DEPENDENCE_DIFFERENCE = difference_table(
    "dependence",
    of=BY_REGIME,
    x="the series that goes before the other at lag 1",
    y="the other series",
    subject=(_LEVEL,),
    reasons=REASONS,
)


@dataclass(frozen=True, kw_only=True)
class DependenceFamily(SeriesFamily):
    """Dependence of every x with every y, for the pairs of instruments that `pairs` names.

    At lag 0, and of x with y a bar later. Transfer entropy goes both ways, with one past bar each.
    Regimes are of instrument x (of transfer entropy, the one that is to go before), without
    surrogates, tails at the largest of `levels`.

    Parameters
    ----------
    levels : probabilities of the tails.
    quantiles : quantiles, of x and of y, of which dependence is estimated.
    neighbours : nearest neighbours that mutual information and transfer entropy look at.
    surrogates : shifted series that an estimate is held against for its p-value.
    largest_sample : pairs that the estimators with surrogates use: evenly spaced ones of a longer
        window.
    regimes : by whose levels dependence is estimated too, and compared; empty: by none.
    regime_bar_sizes : bars on which levels are compared: those with enough of them to fill thirds.
    seed : seed of its random draws.
    """

    levels: tuple[float, ...] = (0.01, 0.025, 0.05)
    quantiles: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75, 0.95)
    neighbours: int = 4
    surrogates: int = 100
    largest_sample: int = 4096
    regime_bar_sizes: tuple[str, ...] = ("1s",)
    seed: int = 20240808
    minimum_bars: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        for value in (*self.levels, *self.quantiles):
            if not 0.0 < value < 1.0:
                raise UserError(f"a level of {value:g}", where=self.where,
                                allowed="above 0 and below 1")
        if self.minimum_bars < 100 or self.largest_sample < self.minimum_bars:
            raise UserError(
                f"minimum_bars = {self.minimum_bars}, largest_sample = {self.largest_sample}",
                where=self.where, allowed="100 and above, the sample no smaller than the minimum")
        if not 19 <= self.surrogates <= 9_999:
            raise UserError(f"surrogates = {self.surrogates}", where=self.where,
                            allowed="19 to 9999")
        if not 1 <= self.neighbours <= 50:
            raise UserError(f"neighbours = {self.neighbours}", where=self.where, allowed="1 to 50")


def families(settings: StudiesConfig) -> Sequence[DependenceFamily]:
    """What is estimated unless the configuration says otherwise."""
    return (
        DependenceFamily(
            name="flow_and_return",
            question="Does order flow hang together with the return in ways that correlation does "
            "not see, and which tells the other's future?",
            x_measures=("order_flow_imbalance", "trade_imbalance_normalised"),
            y_measures=("return_bps",),
            pairs=("own", "perpetual_to_spot"),
            bar_sizes=settings.bar_sizes, significance=settings.significance, seed=settings.seed,
        ),
        DependenceFamily(
            name="joint_moves",
            question="Do instruments move together more in the tails than in the middle, and who "
            "tells whose future?",
            x_measures=("return_bps",),
            y_measures=("return_bps",),
            pairs=("cross",),
            bar_sizes=settings.bar_sizes, significance=settings.significance, seed=settings.seed,
        ),
    )


STUDY = Study(
    name="dependence",
    title="Non-linear dependence",
    question="Which dependence between flows and returns does correlation not see: of any form, of "
    "one's future on the other's past, of tails and of quantiles?",
    tables=(DEPENDENCE, DEPENDENCE_DIFFERENCE),
    families=families,
    family=DependenceFamily,
    build="imbalance.studies.dependence.build:build",
    cost="seconds for minutes of six instruments; about three minutes for a full day at 1 s",
    reasons=REASONS | DIFFERENCE_REASONS | CROSSED_REASONS,
    section="imbalance.report.studies.dependence:section",
    figures={DEPENDENCE.name: "imbalance.report.studies.dependence:picture"},
)
