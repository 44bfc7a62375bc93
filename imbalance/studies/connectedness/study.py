"""The connectedness study, declared: its question, its table, its families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.config import StudiesConfig
from imbalance.contracts import Column
from imbalance.errors import UserError
from imbalance.studies.columns import PAIR_KEY, WINDOW_KEY, figure, study_table, text
from imbalance.studies.shared_families import SystemFamily, SystemKind
from imbalance.studies.study import Study, at_least

APPROACHES = ("generalised", "orthogonal", "joint", "frequency", "time_varying", "quantile")
WHOLE = "all"
"""Part of a row that is about all frequencies, all bars and the mean."""

CONNECTEDNESS = study_table(
    "connectedness",
    "How much of the forecast error of each series the shocks of the others account for: in all, "
    "given and received, net, by pair, by frequency, through time and in the tails.",
    grain="family, window, bar size, system, approach, part, time, estimator and pair of variables",
    key=(*WINDOW_KEY, "model", "approach", "part", "state_at", *PAIR_KEY, "horizon"),
    estimators=("total", "corrected_total", "received", "transmitted", "net", "share",
                "net_pairwise", "pairwise_index"),
    hypotheses=("whole",),
    x="the series that gives; * for what is received and for totals",
    y="the series that receives; * for what is transmitted and for totals",
    subject=(
        text("model", "The system: an instrument, or `across:` and its instruments."),
        text("approach", "Which decomposition of the forecast error it is.", APPROACHES),
        text("part", "What the decomposition is of: all, a band of periods in bars, or a quantile "
             "of the shocks."),
        Column("state_at", "TIMESTAMP_NS", "Time of the state that a time-varying system had; "
               "otherwise the end of the window.", unit="UTC, ns", owner="studies"),
    ),
    kind_null="connectedness has no lead and no lag",
    estimate="Share of forecast-error variance, or difference of two such shares.",
    unit="share",
    interval="normal, with the standard error of the bootstrap; may pass 0 and 1",
    extra=(
        figure("lowest_order", "Least value over all orders of the variables.",
               "the estimator does not depend on their order, or they are too many", unit="share"),
        figure("highest_order", "Greatest value over all orders of the variables.",
               "the estimator does not depend on their order, or they are too many", unit="share"),
    ),
)


@dataclass(frozen=True, kw_only=True)
class ConnectednessFamily(SystemFamily):
    """Connectedness of `variables`, of all instruments together (across) and within one (own).

    Parameters
    ----------
    n_terms : terms of the decomposition, that is bars ahead.
    frequency_terms : terms that are transformed for the bands of frequency.
    periods : lower edges of the bands, in bars a cycle; the last band has no upper one.
    quantiles : quantiles of which a system is fitted; empty: of none.
    replications : replications of the bootstrap of the bands.
    path_replications : the same of the time-varying system, which is filtered again each time.
    path_points : times at which the time-varying system is shown.
    prior_bars : first bars, at most half of all, that the time-varying system starts from.
    forgetting : share of what the filter knows of the coefficients that is left a bar later.
    decay : share of the covariance of the errors that is left a bar later.
    seed : seed of its random draws.
    largest_path : variables up to which a system is made time-varying: the filter's cost grows with
        K⁵.
    """

    systems: tuple[SystemKind, ...] = ("across",)
    n_terms: int = 10
    frequency_terms: int = 100
    periods: tuple[float, ...] = (2.0, 8.0, 40.0)
    quantiles: tuple[float, ...] = (0.05, 0.5, 0.95)
    replications: int = 499
    path_replications: int = 49
    path_points: int = 24
    prior_bars: int = 200
    forgetting: float = 0.99
    decay: float = 0.99
    seed: int = 20240808
    largest_system: int = 12
    largest_path: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        fewest = 2 if "own" in self.systems else 1
        if len(self.variables) < fewest or len(set(self.variables)) < len(self.variables):
            raise UserError(f"variables = {self.variables}", where=self.where,
                            allowed="different measures, two or more within one instrument")
        edges = self.periods
        if not edges or edges[0] != 2.0 or list(edges) != sorted(set(edges)):
            raise UserError(f"periods = {edges}", where=self.where,
                            allowed="rising, from 2 bars a cycle, the shortest that bars can show")
        # Below twice the longest period no frequency is in its band.
        at_least(self, n_terms=2, frequency_terms=2.0 * edges[-1], replications=99,
                 path_replications=10, path_points=1)
        if not all(0.0 < quantile < 1.0 for quantile in self.quantiles):
            raise UserError(f"quantiles = {self.quantiles}", where=self.where,
                            allowed="above 0 and below 1")
        if not (0.5 <= self.forgetting < 1.0 and 0.5 <= self.decay < 1.0):
            raise UserError(f"forgetting = {self.forgetting}, decay = {self.decay}",
                            where=self.where, allowed="0.5 and above, below 1")

    @property
    def measures(self) -> tuple[str, ...]:
        """Columns of the bars that the family reads."""
        return self.variables


def families(settings: StudiesConfig) -> Sequence[ConnectednessFamily]:
    """What is estimated unless the configuration says otherwise."""
    asked: tuple[tuple[str, str, tuple[str, ...], tuple[SystemKind, ...]], ...] = (
        ("returns", "How much of what moves a price comes from other instruments, and from which?",
         ("return_bps",), ("across",)),
        ("order_flow", "How much of one instrument's order flow follows that of the others?",
         ("order_flow_imbalance",), ("across",)),
        ("flow_and_return", "How much of what moves prices comes from order flow, and back?",
         ("order_flow_imbalance", "return_bps"), ("own", "across")),
    )
    return tuple(
        ConnectednessFamily(
            name=name, question=question, variables=variables, systems=systems,
            bar_sizes=settings.bar_sizes, maximum_lag=settings.maximum_lag,
            seed=settings.seed, significance=settings.significance,
        )
        for name, question, variables, systems in asked
    )


STUDY = Study(
    name="connectedness",
    title="Connectedness",
    question="How much of what moves each series comes from the others, who gives and who "
    "receives, how fast, when, and in which tail?",
    tables=(CONNECTEDNESS,),
    families=families,
    family=ConnectednessFamily,
    build="imbalance.studies.connectedness.build:build",
    cost="seconds for minutes of six instruments at 1 s, a minute for a day",
    section="imbalance.report.studies.connectedness:section",
    figures={CONNECTEDNESS.name: "imbalance.report.studies.connectedness:picture"},
)
