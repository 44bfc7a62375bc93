"""The feedback index, declared: its question, its table, its families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
from imbalance.studies.measures import REGIME_LEVELS, regime_columns
from imbalance.studies.shared_families import PairKind, PairsFamily
from imbalance.studies.study import Study, at_least, only_known

REASONS = {
    "too_few_parts": "the window holds under three half-hours with enough bars, of which none can "
    "be called calm or stressed",
}

_REFUSED = "nothing was estimated: see reason"
_NO_TIME = "there is no loop by its test, or what it returns takes longer than the horizon"


def _with_interval(
    name: str, description: str, unit: str, null: str = _REFUSED, formula: str = ""
) -> tuple[Column, ...]:
    """A figure and the ends of its interval."""
    ends = "the same: percentiles of the bootstrap"
    return (
        figure(name, description, null, unit=unit, formula=formula),
        figure(f"{name}_low", f"Lower end of the interval of {ends}.", null, unit=unit),
        figure(f"{name}_high", f"Upper end of the interval of {ends}.", null, unit=unit),
    )


FEEDBACK_INDEX = study_table(
    "feedback_index",
    "The loop between the order flow of x and the return of y: how much of a flow comes back as "
    "flow through the price, how fast, and whether it is the same throughout.",
    grain="family, window, bar size, pair, estimator, regime and part of the window",
    key=(*WINDOW_KEY, *PAIR_KEY, "regime", "part_from"),
    estimators=("loop_gain", "rolling_loop_gain", "break", "stress_difference"),
    hypotheses=("ahead",),
    x="whose flow",
    y="whose return",
    subject=(
        Column("part_from", "TIMESTAMP_NS", "Start of the part of the window that was looked at; "
               "for a break, of the bar after which it most likely is.", unit="UTC, ns",
               owner="studies"),
        Column("part_to", "TIMESTAMP_NS", "End of that part.", unit="UTC, ns", owner="studies"),
    ),
    kind_null="never",
    estimate="Signed loop gain: flow to return times return to flow; 1 would be self-sustaining. "
    "For a break, the largest excursion of the summed influence of the bars; for a stress "
    "difference, the gain in stressed half-hours less that in calm ones.",
    interval="percentiles of the bootstrap by blocks of scores",
    regimes=(*REGIMES, "calm", "stressed"),
    reasons=REASONS | CROSSED_REASONS,
    extra=(
        *_with_interval("flow_to_return", "Return of y for a lasting unit of flow of x.",
                        "bps per unit of flow", formula="Σ_{i≥0} b_i/(1 − Σ a_i)"),
        figure("flow_to_return_p_value", "HAC Wald p-value of all b_i being 0.", _REFUSED,
               minimum=0.0, maximum=1.0),
        *_with_interval("return_to_flow", "Flow of x for a lasting unit of return of y.",
                        "flow per bps", formula="Σ c_i/(1 − Σ d_i)"),
        figure("return_to_flow_p_value", "HAC Wald p-value of all c_i being 0.", _REFUSED,
               minimum=0.0, maximum=1.0),
        *_with_interval("half_life_seconds", "Time until half the flow that the loop returns has "
                        "come.", "s", _NO_TIME),
        *_with_interval("impact_bps", "How far a buy imbalance of one standard deviation in x "
                        "moves y for good, once the loop has run.", "bps"),
        figure("impact_seconds", "Time until nine tenths of the impact are there.",
               f"{_REFUSED}; or they take longer than the horizon", unit="s"),
        figure("flow_deviation", "The standard deviation of flow's shocks, which is the imbalance "
               "that impact_bps is of.", _REFUSED, unit="of flow", minimum=0.0),
        *_with_interval("flow_explained", "Share of the variance of flow's forecast error that "
                        "shocks to the return account for, flow ordered first.", ""),
        *_with_interval("return_explained", "Share of the variance of the return's forecast error "
                        "that shocks to flow account for, flow ordered first.", ""),
    ),
)


@dataclass(frozen=True, kw_only=True)
class FeedbackIndexFamily(PairsFamily):
    """Loops between `flow` of x and `returns` of y, for the pairs of instruments that are named.

    Half-hours, breaks and stress are looked at for an instrument with itself, where the loop is
    closed in one book; two instruments have the loop by `cross_regimes`, levels of the one whose
    flow it is.

    Parameters
    ----------
    flow : column of the bars of x that is to move the price.
    returns : column of the bars of y that is to call forth flow.
    regimes : by whose levels an instrument's loop with itself is estimated too; empty: by none.
    cross_regimes : the same of loops between two instruments.
    stress_measure : column of the bars of y by whose mean half-hours are called calm or stressed.
    maximum_lag : largest lag order tried, in bars.
    horizon : bars over which the responses are summed.
    replications : replications of the bootstrap of the intervals.
    seed : seed of its random draws.
    """

    flow: str = "order_flow_imbalance"
    returns: str = "return_bps"
    pairs: tuple[PairKind, ...] = ("own", "cross")
    regimes: tuple[str, ...] = ("depth", "spread", "volatility", "messages", "cancellations")
    cross_regimes: tuple[str, ...] = ("depth", "volatility")
    stress_measure: str = "realised_variance"
    maximum_lag: int = 10
    horizon: int = 60
    replications: int = 499
    seed: int = 20240808
    minimum_bars: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        for regimes in (self.regimes, self.cross_regimes):
            only_known(regimes, list(REGIME_LEVELS), "regime", self.where)
        at_least(self, maximum_lag=1, replications=100, horizon=2)
        if self.flow == self.returns:
            raise UserError(f"flow and returns are both {self.flow}", where=self.where,
                            allowed="two different measures")

    @property
    def measures(self) -> tuple[str, ...]:
        """Columns of the bars that the family reads."""
        cross = self.cross_regimes if set(self.pairs) - {"own"} else ()
        regimes = regime_columns((*self.regimes, *cross))
        return tuple(dict.fromkeys((self.flow, self.returns, self.stress_measure, *regimes)))


def families(settings: StudiesConfig) -> Sequence[FeedbackIndexFamily]:
    """What is estimated unless the configuration says otherwise."""
    flow = FeedbackIndexFamily(
        name="flow_and_return",
        question="How much of an order flow comes back as order flow through the price?",
        bar_sizes=settings.bar_sizes,
        maximum_lag=settings.maximum_lag,
        seed=settings.seed,
        significance=settings.significance,
    )
    trades = replace(
        flow,
        name="trades_and_return",
        question="And of buying and selling alone, without limit orders and cancellations?",
        flow="trade_imbalance",
        pairs=("own",),
        regimes=(),
    )
    return flow, trades


STUDY = Study(
    name="feedback_index",
    title="Feedback index",
    question="Imbalance moves the price and the price calls forth imbalance: how strong is the "
    "loop, how fast, who feeds whom, and is it the same in calm and in stress?",
    tables=(FEEDBACK_INDEX,),
    families=families,
    family=FeedbackIndexFamily,
    build="imbalance.studies.feedback_index.build:build",
    cost="under a minute for a day of six instruments at 1 s; grows with the square of the "
    "instruments",
    reasons=REASONS | CROSSED_REASONS,
    section="imbalance.report.studies.feedback_index:section",
    figures={FEEDBACK_INDEX.name: "imbalance.report.studies.feedback_index:picture"},
)
