"""The study of diversification, declared: its question, its table, its families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.config import StudiesConfig
from imbalance.errors import UserError
from imbalance.studies.columns import WINDOW_KEY, figure, study_table, text
from imbalance.studies.study import Family, Study

ALL = "all"
STATES = (ALL, "calm", "stressed", "lower_tail", "upper_tail")

_REASONS = {
    "too_few_instruments": "fewer than two instruments have enough bars in common",
    "too_few_state_bars": "the state holds fewer bars than the family demands",
    "too_few_blocks": "the window holds under ten blocks of a bootstrap",
}

DIVERSIFICATION = study_table(
    "diversification",
    "Mean correlation of returns within and between classes of assets, the diversification of a "
    "portfolio of equal risks, and how both change in stress and in the tails of the market.",
    grain="family, window, bar size, classes, estimator and state",
    key=(*WINDOW_KEY, "estimator", "class_x", "class_y", "regime"),
    estimators=("mean_correlation", "correlation_risk", "tail_excess", "diversification_ratio",
                "diversification_lost"),
    hypotheses=("whole",),
    x="always * (the row is about a class)",
    y="always * (the row is about a class)",
    kind_null="never",
    estimate="A mean correlation; a difference of mean correlations; the diversification ratio; or "
    "the share of the independent bets beyond the first that stress takes.",
    interval="percentiles of a bootstrap of blocks of time",
    subject=(
        text("class_x", "Class of one asset: spot, perpetual, inverse, future, option, equity, "
             "index, or unknown; `all` for pairs of any class."),
        text("class_y", "Class of the other; the same as `class_x` within a class."),
    ),
    extra=(
        figure("pairs", "Pairs of instruments that the mean is over.", "never", minimum=0.0),
        figure("benchmark", "What is compared with: the mean correlation in calm, or the one that "
               "normal returns would have in this tail.", "nothing is compared with", minimum=-1.0,
               maximum=1.0),
    ),
    regimes=STATES,
    regime="Bars used: all; calm and stressed, those in the lower and upper third by the market's "
    "volatility over the bars before; or those in a tail of the market's return.",
    reasons=_REASONS,
)


@dataclass(frozen=True, kw_only=True)
class DiversificationFamily(Family):
    """Correlations of the returns of all instruments, by class and state of the market.

    Parameters
    ----------
    tail : share of the bars in a tail of the market.
    memory : bars before, over which the volatility is taken that tells calm from stress.
    maximum_instruments : most instruments: those with the most bars.
    replications : replications of the bootstrap of the intervals.
    seed : seed of its random draws.
    """

    tail: float = 0.1
    memory: int = 10
    maximum_instruments: int = 40
    replications: int = 499
    seed: int = 20240808

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.tail < 0.5:
            raise UserError(f"tail = {self.tail}", where=self.where,
                            allowed="above 0 and below 0.5")
        for name, least in (("memory", 2), ("maximum_instruments", 2), ("replications", 99)):
            if getattr(self, name) < least:
                raise UserError(f"{name} = {getattr(self, name)}", where=self.where,
                                allowed=f"{least} and above")

    @property
    def measures(self) -> tuple[str, ...]:
        """Columns of the bars that the family reads."""
        return ("return_bps",)


def families(settings: StudiesConfig) -> Sequence[DiversificationFamily]:
    """What is estimated unless the configuration says otherwise."""
    return (
        DiversificationFamily(
            name="asset_classes",
            question="How much higher are correlations in stress than in calm, within and between "
            "classes of assets, and what diversification does that cost?",
            bar_sizes=settings.bar_sizes,
            seed=settings.seed,
            significance=settings.significance,
        ),
    )


STUDY = Study(
    name="diversification",
    title="Asset classes and diversification",
    question="How do assets move together within and between classes, and how much of "
    "diversification is left in stress?",
    tables=(DIVERSIFICATION,),
    families=families,
    family=DiversificationFamily,
    build="imbalance.studies.diversification.build:build",
    cost="under a second for a day of six instruments",
    reasons=_REASONS,
    section="imbalance.report.studies.diversification:section",
    figures={DIVERSIFICATION.name: "imbalance.report.studies.diversification:picture"},
)
