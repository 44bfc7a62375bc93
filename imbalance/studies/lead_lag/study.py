"""The lead-lag study, declared: its question, its tables, its family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from imbalance.config import StudiesConfig
from imbalance.contracts import Column
from imbalance.errors import UserError
from imbalance.studies.columns import (
    CROSSED_REASONS,
    PAIR_KEY,
    REGIMES,
    WINDOW_KEY,
    figure,
    study_table,
)
from imbalance.studies.difference_tables import REASONS as DIFFERENCE_REASONS
from imbalance.studies.difference_tables import STRETCH_REASONS, difference_table
from imbalance.studies.measures import REGIME_LEVELS, columns_read
from imbalance.studies.shared_families import CrossingFamily
from imbalance.studies.study import Study, among, at_least, only_known

REASONS = {
    "no_events": "the window holds no events of an instrument in valid stretches of its book",
    "too_few_ticks": "in the time both were seen a price changes fewer times than is demanded",
    "too_short": "the window holds fewer than 20 blocks of ten times the longest lag",
    "no_receive_time": "the recording of one of the instruments has no clock of its own",
    **STRETCH_REASONS,
}

HOUR = "hour"
"""Regime whose levels are the hours of the UTC day."""

MILLISECOND = 1_000_000
HOUR_NANOSECONDS = 3_600_000 * MILLISECOND

HOURS = tuple(f"{HOUR}_{hour:02d}" for hour in range(24))

ESTIMATORS = (
    "contrast", "lead", "peak_correlation", "lead_lag_ratio", "lead_lag_ratio_unsquared",
    "asymmetry", "sign_kept", "sign_kept_at_measured_skew",
)

_LAG = Column("lag_ms", "DOUBLE", "Lag of a contrast by which x leads y; 0 for the others.",
              unit="ms", owner="studies")

LEAD_LAG = study_table(
    "lead_lag",
    "Which of two prices moves first, and by how long: Hayashi–Yoshida correlation at every lag, "
    "the lag at which it is largest, lead-lag ratios, and what errors of the clocks leave of them.",
    grain="family, window, pair of instruments, price, estimator, lag, clock error and regime",
    estimators=ESTIMATORS,
    hypotheses=("ahead",),
    x="leads at positive lags",
    y="follows at positive lags",
    estimate="Correlation, lag in ms, ratio, or share of replications, as the estimator says.",
    unit="of the estimator",
    interval="percentiles of a block bootstrap; Student's t for the contrast of a level",
    kind_null="always: lags of both signs are one estimate",
    key=(*WINDOW_KEY, *PAIR_KEY, "lag_ms", "clock_error_ms", "regime"),
    regimes=(*REGIMES, *HOURS),
    regime="Part of the window: all of it; the blocks of time that follow a level of the regime of "
    "x's instrument, or that begin in a quarter of the UTC day; or an hour of the UTC day, which "
    "is then the window.",
    reasons=REASONS | CROSSED_REASONS,
    of_events=True,
    subject=(
        _LAG,
        Column("clock_error_ms", "DOUBLE", "Error of the clocks against the leader that a share "
               "of kept signs allows for; 0 for the others.", unit="ms", owner="studies"),
    ),
    extra=(
        figure("rate_x", "Changes of the price of x per second.", "fewer than two", unit="1/s",
               minimum=0.0),
        figure("rate_y", "Changes of the price of y per second.", "fewer than two", unit="1/s",
               minimum=0.0),
    ),
)


LEAD_LAG_DIFFERENCE = difference_table(
    "lead_lag",
    of=("contrast", "asymmetry", "lead"),
    x="leads at positive lags; it is the regime of its instrument",
    y="follows at positive lags",
    kind_null="always: lags of both signs are one estimate",
    subject=(_LAG,),
    interval="Student's t with n − 1 degrees of freedom of the smaller level, n its blocks; of "
    "leads percentiles of a block bootstrap",
    regimes=(*REGIME_LEVELS, HOUR),
    reasons=REASONS,
    of_events=True,
)


@dataclass(frozen=True, kw_only=True)
class LeadLagFamily(CrossingFamily):
    """Leads between the prices of every two instruments, from events.

    The lags are multiples of `step_ms` up to ±`reach_ms`, and of 1 ms up to ±`fine_reach_ms`. The
    ratios sum over the former.

    Parameters
    ----------
    bar_sizes : the one size of the bars whose measures make the regimes.
    regimes : by whose levels leads are estimated too, and compared; empty: by none.
    prices : `mid_price`: of the book; `trade_price`: of trades.
    reach_ms : longest lead looked for, in ms.
    step_ms : distance of its lags, in ms.
    fine_reach_ms : lags up to this, in ms, are looked at by every one.
    clock_errors_ms : differences of two clocks, in ms, under which it is asked whether the leader
        still leads.
    minimum_ticks : fewest changes of a price.
    replications : replications of the bootstrap over blocks of time.
    seed : seed of its random draws.
    """

    bar_sizes: tuple[str, ...] = ("1s",)
    regimes: tuple[str, ...] = tuple(REGIME_LEVELS)
    prices: tuple[Literal["mid_price", "trade_price"], ...] = ("mid_price", "trade_price")
    reach_ms: int = 1_000
    step_ms: int = 10
    fine_reach_ms: int = 20
    clock_errors_ms: tuple[int, ...] = (1, 2, 5, 10, 20, 50)
    minimum_ticks: int = 100
    replications: int = 999
    seed: int = 20240808

    def __post_init__(self) -> None:
        super().__post_init__()
        among(self.prices, ["mid_price", "trade_price"], "price", self.where)
        only_known(self.regimes, list(REGIME_LEVELS), "regime", self.where)
        if len(self.bar_sizes) != 1:
            raise UserError(f"bar_sizes = {list(self.bar_sizes)}", where=self.where,
                            allowed="one size, of the bars that make the regimes")
        if not 1 <= self.step_ms <= self.reach_ms:
            raise UserError(f"step_ms = {self.step_ms}", where=self.where,
                            allowed=f"1 to reach_ms ({self.reach_ms})")
        if not 0 <= self.fine_reach_ms <= self.reach_ms:
            raise UserError(f"fine_reach_ms = {self.fine_reach_ms}", where=self.where,
                            allowed=f"0 to reach_ms ({self.reach_ms})")
        if any(error <= 0 for error in self.clock_errors_ms):
            raise UserError(f"clock_errors_ms = {self.clock_errors_ms}", where=self.where,
                            allowed="above 0")
        if self.minimum_ticks < 10:
            raise UserError(f"minimum_ticks = {self.minimum_ticks}", where=self.where,
                            allowed="10 and above")
        at_least(self, replications=99)

    @property
    def measures(self) -> tuple[str, ...]:
        """Columns of the bars that make the regimes."""
        return columns_read((), self.regimes)


def families(settings: StudiesConfig) -> Sequence[LeadLagFamily]:
    """What is estimated unless the configuration says otherwise."""
    return (
        LeadLagFamily(
            name="price_leads",
            question="Which instrument's price moves first, by how many milliseconds, and would "
            "the answer survive an error of the clocks?",
            significance=settings.significance,
            replications=settings.replications,
            seed=settings.seed,
        ),
    )


STUDY = Study(
    name="lead_lag",
    title="Lead-lag",
    question="Which of two prices moves first, by how long, and does the answer survive an error "
    "of the clocks?",
    tables=(LEAD_LAG, LEAD_LAG_DIFFERENCE),
    families=families,
    family=LeadLagFamily,
    build="imbalance.studies.lead_lag.build:build",
    cost="seconds for six instruments over minutes; a day of a million ticks each, some minutes",
    events=("book.book_states", "raw.trades"),
    reasons=REASONS | DIFFERENCE_REASONS | CROSSED_REASONS,
    section="imbalance.report.studies.lead_lag:section",
    figures={LEAD_LAG.name: "imbalance.report.studies.lead_lag:picture"},
)
