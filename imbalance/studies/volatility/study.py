"""The study of imbalance and volatility, declared: its question, its table, its families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from imbalance.config import StudiesConfig
from imbalance.errors import UserError
from imbalance.studies.columns import PAIR_KEY, REGIMES, WINDOW_KEY, count, study_table
from imbalance.studies.measures import REGIME_MEASURES, regime_columns
from imbalance.studies.study import Family, Study, among, at_least, only_known

Relation = Literal["own", "perpetual_to_spot", "spot_to_perpetual"]
RELATIONS = ("own", "perpetual_to_spot", "spot_to_perpetual")

_REASONS = {
    "nothing_to_forecast": "no stretch of the window has enough bars before it to fit on, or all "
    "stretches together too few to judge by",
}

VOLATILITY = study_table(
    "volatility",
    "Imbalance of x and later volatility of y: responses by local projection in both directions, "
    "and what imbalance adds to the forecasts of a heterogeneous autoregression, in and out of "
    "sample.",
    grain="family, window, bar size, pair, estimator, horizon and regime",
    key=(*WINDOW_KEY, *PAIR_KEY, "horizon", "regime"),
    estimators=("local_projection", "regime_difference", "partial_r_squared", "r_squared_in",
                "r_squared_out", "gain", "model_race"),
    hypotheses=("ahead", "whole"),
    x="what comes first",
    y="what follows",
    kind_null="never",
    estimate="Response to a shock of one standard deviation of x, in bps of volatility (or base "
    "units of flow); an R², or a difference of R² out of sample.",
    interval="normal with HAC errors for responses, percentiles of the block bootstrap else",
    subject=(),
    extra=(count("n_windows", "Stretches that were fitted on and judged; 0 in sample.",
                 "windows"),),
    reasons=_REASONS,
    regimes=REGIMES,
)


@dataclass(frozen=True, kw_only=True)
class VolatilityFamily(Family):
    """Pairs of instruments whose imbalance and volatility are held against each other.

    Parameters
    ----------
    relations : whose imbalance and whose volatility: `own`: of one instrument; `perpetual_to_spot`:
        imbalance of the perpetual, volatility of its spot; `spot_to_perpetual`: the other way
        round.
    components : bars that the means of the heterogeneous autoregression are over.
    horizons : bars ahead over which the volatility that is forecast is the mean.
    response_horizons : bars ahead of the local projections.
    lags : lags of both series in a local projection.
    regimes : by whose levels the responses are estimated too; empty: by none.
    replications : replications of the bootstrap of forecast losses.
    seed : seed of its random draws.
    """

    relations: tuple[Relation, ...] = ("own", "perpetual_to_spot", "spot_to_perpetual")
    components: tuple[int, ...] = (1, 5, 22)
    horizons: tuple[int, ...] = (1, 5)
    response_horizons: tuple[int, ...] = (1, 5, 20)
    lags: int = 4
    regimes: tuple[str, ...] = tuple(REGIME_MEASURES)
    replications: int = 199
    seed: int = 20240808

    def __post_init__(self) -> None:
        super().__post_init__()
        among(self.relations, RELATIONS, "relation", self.where)
        only_known(self.regimes, tuple(REGIME_MEASURES), "regime", self.where)
        for name in ("components", "horizons", "response_horizons"):
            values = getattr(self, name)
            if not values or min(values) < 1 or len(set(values)) < len(values):
                raise UserError(f"{name} = {list(values)}", where=self.where,
                                allowed="at least one, each 1 and above and named once")
        at_least(self, lags=0, replications=99)

    @property
    def measures(self) -> tuple[str, ...]:
        """Columns of the bars that the family reads."""
        return tuple(dict.fromkeys((
            "realised_variance", "order_flow_imbalance", "generalised_order_flow_imbalance",
            *regime_columns(self.regimes))))


def families(settings: StudiesConfig) -> Sequence[VolatilityFamily]:
    """What is estimated unless the configuration says otherwise."""
    return (
        VolatilityFamily(
            name="imbalance_and_volatility",
            question="Does imbalance, of a perpetual before all, tell of later volatility more "
            "than past volatility does?",
            bar_sizes=settings.bar_sizes,
            seed=settings.seed,
            significance=settings.significance,
        ),
    )


STUDY = Study(
    name="volatility",
    title="Imbalance and volatility",
    question="Does imbalance of a perpetual tell of later volatility of its spot, or the other way "
    "round, more than past volatility does, and is it the same in thin and in busy books?",
    tables=(VOLATILITY,),
    families=families,
    family=VolatilityFamily,
    build="imbalance.studies.volatility.build:build",
    cost="seconds for a day of six instruments at 1 s",
    reasons=_REASONS,
    section="imbalance.report.studies.volatility:section",
    figures={VOLATILITY.name: "imbalance.report.studies.volatility:picture"},
)
