"""The study of the Epps effect, declared: its question, its tables, its family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from imbalance.config import StudiesConfig
from imbalance.contracts import Column
from imbalance.errors import UserError
from imbalance.studies.columns import CROSSED_REASONS, PAIR_KEY, WINDOW_KEY, figure, study_table
from imbalance.studies.shared_families import CrossingFamily
from imbalance.studies.study import Study, among

REASONS = {
    "no_events": "the window holds no events of an instrument in valid stretches of its book",
    "too_few_ticks": "in the time both were seen a price changes fewer times than is demanded",
    "no_variance": "what is left of a variance without noise is not above 0, in the window or in a "
    "part of it",
    "not_by_regime": "what averages noise away does so over stretches whose length follows from "
    "the number of ticks: levels would differ by the estimator, see lead_lag_difference",
}

BY_BAR = ("previous_tick", "poisson_arrivals")
ROBUST = (
    "hayashi_yoshida", "refresh_time", "pre_averaged", "pre_averaged_all", "realised_kernel",
    "two_scales", "bipower",
)
VARIANCES = (
    "realised", "pre_averaged", "realised_kernel", "two_scales", "robust_two_scales", "bipower",
)

LEVELS = "levels"
"""Regime of the row that refuses estimates by regime."""

_STEP = Column("step_ms", "BIGINT", "Length of the bars, ms; 0 for what needs no bars.", unit="ms",
               minimum=0, owner="studies")
_KEY = (*WINDOW_KEY, *PAIR_KEY, "step_ms")

EPPS = study_table(
    "epps",
    "Correlation of two prices against the length of the bars, beside estimates which need no "
    "bars and the curve that Poisson arrivals would give.",
    grain="family, window, pair of instruments, price, estimator and length of bars",
    estimators=(*BY_BAR, *ROBUST),
    hypotheses=("same_bar",),
    x="one of the two",
    y="the other",
    estimate="Correlation of returns; estimators without bars may exceed 1.",
    interval="normal, with the standard error",
    kind_null="always: both are of the same time",
    key=_KEY,
    regimes=("all", LEVELS),
    regime="All of the window; `levels` in the row that says why there are none by regime.",
    reasons=REASONS | CROSSED_REASONS,
    of_events=True,
    subject=(_STEP,),
    extra=(
        figure("rate_x", "Times per second at which the price of x was seen.",
               "fewer than two", unit="1/s", minimum=0.0),
        figure("rate_y", "Times per second at which the price of y was seen.",
               "fewer than two", unit="1/s", minimum=0.0),
    ),
)

REALISED_VARIANCE = study_table(
    "realised_variance",
    "Variance of a price per hour: of its ticks, of bars of many lengths, and without what noise "
    "and jumps add.",
    grain="family, window, instrument, price, estimator and length of bars",
    estimators=("previous_tick", *VARIANCES),
    x="the instrument",
    y="the same",
    estimate="Integrated variance of the log price over the window, per hour in which it was seen.",
    unit="bps²/h",
    interval="normal, with the standard error",
    kind_null="always",
    key=_KEY,
    reasons=REASONS,
    of_events=True,
    subject=(_STEP,),
)


@dataclass(frozen=True, kw_only=True)
class EppsFamily(CrossingFamily):
    """Correlations of the prices of every two instruments against the length of bars.

    Parameters
    ----------
    prices : `mid_price`: of the book; `trade_price`: of trades.
    steps_ms : lengths of the bars that correlations are held against, in ms.
    minimum_ticks : fewest changes of a price.
    """

    bar_sizes: tuple[str, ...] = ()
    prices: tuple[Literal["mid_price", "trade_price"], ...] = ("mid_price", "trade_price")
    steps_ms: tuple[int, ...] = (100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000)
    minimum_ticks: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        among(self.prices, ["mid_price", "trade_price"], "price", self.where)
        if not self.steps_ms or min(self.steps_ms) < 1:
            raise UserError(f"steps_ms = {self.steps_ms}", where=self.where,
                            allowed="one length or more, each of 1 ms or above")
        if self.minimum_ticks < 100:
            raise UserError(f"minimum_ticks = {self.minimum_ticks}", where=self.where,
                            allowed="100 and above")


def families(settings: StudiesConfig) -> Sequence[EppsFamily]:
    """What is estimated unless the configuration says otherwise."""
    return (
        EppsFamily(
            name="price_correlation",
            question="How much of the correlation between two prices do short bars hide, and how "
            "much of that is asynchrony alone?",
            significance=settings.significance,
        ),
    )


STUDY = Study(
    name="epps",
    title="Epps effect",
    question="How much of a correlation do short bars hide, and what do estimates find that "
    "asynchrony and noise do not spoil?",
    tables=(EPPS, REALISED_VARIANCE),
    families=families,
    family=EppsFamily,
    build="imbalance.studies.epps.build:build",
    cost="seconds for six instruments over minutes; a day of a million ticks each, some minutes",
    events=("book.book_states", "raw.trades"),
    reasons=REASONS | CROSSED_REASONS,
    section="imbalance.report.studies.epps:section",
    figures={EPPS.name: "imbalance.report.studies.epps:picture"},
)
