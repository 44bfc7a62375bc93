"""The study of impact in event time, declared: its question, its table, its families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from imbalance.config import StudiesConfig
from imbalance.errors import UserError
from imbalance.studies.columns import PAIR_KEY, WINDOW_KEY, figure, study_table
from imbalance.studies.shared_families import OrderFamily
from imbalance.studies.study import Study, among

_REASONS = {
    "no_events": "the window holds no events of an instrument in valid stretches of its book",
    "no_aggressor": "the venue does not name the aggressor of its trades",
}

EVENT_TIME = study_table(
    "event_time",
    "Trade by trade: how far an unexpected trade moves the price, at once and for good, what of "
    "the price's way trades explain, and what flow a move of the price calls forth.",
    grain="family, window, instrument, estimator, pair of variables, lag and horizon",
    key=(*WINDOW_KEY, *PAIR_KEY, "lag", "horizon"),
    estimators=("price_impact", "permanent_impact", "share_of_trades", "flow_after_return",
                "wald_hac", "r_squared", "root_modulus", "lag_order_aic", "lag_order_hq",
                "lag_order_bic", "lag_order_fpe", "portmanteau", "arch", "normality"),
    hypotheses=("same_book", "ahead"),
    x="the cause",
    y="the effect",
    kind_null="the row is about the whole system",
    estimate="Running response of y to one unexpected unit of x, `horizon` events later; or the "
    "figure that the estimator names.",
    unit="of y per unit of x",
    interval="percentiles of the bootstrap",
    extra=(
        figure("joint_low", "Lower end of the band that holds the whole path.",
               "no joint band belongs to this estimator", unit="of y per unit of x"),
        figure("joint_high", "Upper end of the band that holds the whole path.",
               "no joint band belongs to this estimator", unit="of y per unit of x"),
    ),
    reasons=_REASONS,
    of_events=True,
)


@dataclass(frozen=True, kw_only=True)
class EventTimeFamily(OrderFamily):
    """A vector autoregression of signed flow and return, trade by trade, for each instrument.

    Parameters
    ----------
    flow : `sign`: of a trade, 1 or −1; `signed_root_size`: times the root of its size.
    minimum_bars : fewest trades.
    maximum_lag : largest lag order tried, in trades.
    horizon : length of the responses, in trades.
    replications : replications of the bootstrap of their bands.
    seed : seed of its random draws.
    most_trades : the last so many of a day are used, so that memory stays bounded.
    """

    flow: Literal["sign", "signed_root_size"] = "sign"
    bar_sizes: tuple[str, ...] = ()
    minimum_bars: int = 200
    maximum_lag: int = 20
    horizon: int = 50
    replications: int = 499
    seed: int = 20240808
    most_trades: int = 500_000

    def __post_init__(self) -> None:
        super().__post_init__()
        among((self.flow,), ["sign", "signed_root_size"], "kind of flow", self.where)
        if self.most_trades < self.minimum_bars:
            raise UserError(f"most_trades = {self.most_trades}", where=self.where,
                            allowed=f"{self.minimum_bars} and above")


def families(settings: StudiesConfig) -> Sequence[EventTimeFamily]:
    """What is estimated unless the configuration says otherwise."""
    seed, significance = settings.seed, settings.significance
    return (
        EventTimeFamily(
            name="sign", flow="sign", seed=seed, significance=significance,
            question="How far does a trade move the price, at once and for good?",
        ),
        EventTimeFamily(
            name="signed_root_size", flow="signed_root_size", seed=seed,
            significance=significance,
            question="How far does a trade move the price, by the root of its size?",
        ),
    )


STUDY = Study(
    name="event_time",
    title="Impact in event time",
    question="How far does a trade move the price, at once and for good, and what does a move of "
    "the price call forth?",
    tables=(EVENT_TIME,),
    families=families,
    family=EventTimeFamily,
    build="imbalance.studies.event_time.build:build",
    cost="seconds for 100,000 trades; at most the last 500,000 of a day are used",
    scopes=("day",),
    events=("raw.trades", "raw.quotes", "book.book_states"),
    reasons=_REASONS,
    section="imbalance.report.studies.event_time:section",
    figures={EVENT_TIME.name: "imbalance.report.studies.event_time:picture"},
)
