"""The dynamics study, declared: its question, its table, its families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.config import StudiesConfig
from imbalance.contracts import Column
from imbalance.errors import UserError
from imbalance.studies.columns import CROSSED_REASONS, PAIR_KEY, WINDOW_KEY, figure, study_table
from imbalance.studies.difference_tables import REASONS as DIFFERENCE_REASONS
from imbalance.studies.difference_tables import STRETCH_REASONS, difference_table
from imbalance.studies.shared_families import SeriesFamily
from imbalance.studies.study import Study

ESTIMATORS = (
    "rolling", "mean_rolling", "exponentially_weighted", "conditional", "dcc_a", "dcc_b",
    "constancy", "change_point",
    "regime_count", "regime_correlation", "regime_probability",
)

REASONS = {
    **STRETCH_REASONS,
    "no_optimum": "the search for the maximum of the likelihood ended nowhere",
    "no_long_run_variance": "what the bars add to the correlation has no long-run variance",
}

_SPAN = Column(
    "span", "INTEGER", "Bars of the rolling window, or half-life of the weights; 0 for the others.",
    unit="bars", minimum=0, owner="studies")

DYNAMICS = study_table(
    "dynamics",
    "How a correlation moves: in rolling and weighted windows, conditional on the past "
    "(DCC–GARCH), where it breaks, and by hidden regimes.",
    grain="family, window, bar size, pair of series, estimator, span, state and moment",
    estimators=ESTIMATORS,
    hypotheses=("whole",),
    x="the first series",
    y="the second series",
    estimate="The correlation of x and y that the estimator names; for dcc_a, dcc_b the parameter, "
    "for constancy the statistic, for change_point the correlation after less that before, for "
    "regime_count the states, for regime_probability that of the state.",
    interval="Fisher's z, normal for parameters and differences, by regime Student's t",
    key=(*WINDOW_KEY, *PAIR_KEY, "span", "state", "moment", "lag", "horizon", "regime"),
    subject=(
        _SPAN,
        Column("state", "INTEGER", "Hidden state, the calmest first; 0 where there is none.",
               minimum=0, owner="studies"),
        Column("moment", "TIMESTAMP_NS", "Bar end to which the row belongs: the value is from bars "
               "up to it. Of a change point, the start of the new regime; else the window's end.",
               unit="UTC, ns", owner="studies"),
    ),
    extra=(
        figure("share", "Share of the bars that the state holds.", "not a state", minimum=0.0,
               maximum=1.0),
        figure("duration", "Expected stay in the state.", "not a state", unit="bars",
               formula="1/(1 − p_kk)", minimum=1.0),
    ),
    kind_null="the row is about the whole window",
    regime="Bars used: all; of mean_rolling the windows that follow a level of the regime, or "
    "those of a quarter of the UTC day.",
    reasons=REASONS | CROSSED_REASONS,
)

DYNAMICS_DIFFERENCE = difference_table(
    "dynamics",
    of=("mean_rolling",),
    x="the series whose instrument's regime it is",
    y="the second series",
    subject=(_SPAN,),
    reasons=REASONS,
)


@dataclass(frozen=True, kw_only=True)
class DynamicsFamily(SeriesFamily):
    """Correlations over time of every x with every y, for the pairs that `pairs` names.

    Parameters
    ----------
    windows : bars of the rolling windows; half of them must be there.
    half_life : bars after which a bar has half its weight in the exponentially weighted
        correlation.
    points : moments, evenly spaced, at which paths are kept.
    regimes : by whose levels the mean of the rolling correlations is estimated; empty: by none.
    shortest_regime : pairs that must lie between two change points.
    states : largest number of hidden states tried.
    longest_series : slots up to which hidden regimes are fitted; of a longer window the last ones.
    seed : seed of its random draws.
    """

    windows: tuple[int, ...] = (60, 300)
    half_life: int = 60
    points: int = 24
    shortest_regime: int = 50
    states: int = 2
    longest_series: int = 40_000
    seed: int = 20240808
    minimum_bars: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.windows:
            raise UserError("no window is declared", where=self.where, allowed="at least one")
        if min(*self.windows, self.half_life) < 20:
            raise UserError(f"windows = {self.windows}, half_life = {self.half_life}",
                            where=self.where, allowed="20 bars and above")
        if self.minimum_bars < 100 or self.shortest_regime < 20:
            raise UserError(
                f"minimum_bars = {self.minimum_bars}, shortest_regime = {self.shortest_regime}",
                where=self.where, allowed="100 and above, 20 and above")
        if not 1 <= self.points <= 1_000 or not 1 <= self.states <= 5:
            raise UserError(f"points = {self.points}, states = {self.states}", where=self.where,
                            allowed="1 to 1000 and 1 to 5")
        if self.longest_series < self.minimum_bars:
            raise UserError(f"longest_series = {self.longest_series}", where=self.where,
                            allowed="minimum_bars and above")


def families(settings: StudiesConfig) -> Sequence[DynamicsFamily]:
    """What is estimated unless the configuration says otherwise."""
    return (
        DynamicsFamily(
            name="flow_and_return",
            question="Does the price move with order flow always as much, or are there breaks and "
            "regimes?",
            x_measures=("order_flow_imbalance",),
            y_measures=("return_bps",),
            pairs=("own",),
            bar_sizes=settings.bar_sizes, significance=settings.significance, seed=settings.seed,
        ),
        DynamicsFamily(
            name="joint_moves",
            question="Do instruments move together always as much, or are there breaks and "
            "regimes?",
            x_measures=("return_bps",),
            y_measures=("return_bps",),
            pairs=("cross",),
            bar_sizes=settings.bar_sizes, significance=settings.significance, seed=settings.seed,
        ),
    )


STUDY = Study(
    name="dynamics",
    title="Correlation over time",
    question="How do correlations move: gradually, with volatility, in breaks, between regimes?",
    tables=(DYNAMICS, DYNAMICS_DIFFERENCE),
    families=families,
    family=DynamicsFamily,
    build="imbalance.studies.dynamics.build:build",
    cost="seconds for minutes of six instruments; about two minutes for a full day at 1 s",
    reasons=REASONS | DIFFERENCE_REASONS | CROSSED_REASONS,
    section="imbalance.report.studies.dynamics:section",
    figures={DYNAMICS.name: "imbalance.report.studies.dynamics:picture"},
)
