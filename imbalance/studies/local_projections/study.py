"""The study of local projections, declared: its question, its table, its family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.config import StudiesConfig
from imbalance.errors import UserError
from imbalance.studies.columns import PAIR_KEY, WINDOW_KEY, figure, study_table, text
from imbalance.studies.measures import REGIME_MEASURES, regime_columns
from imbalance.studies.shared_families import SystemFamily, SystemKind
from imbalance.studies.study import Study, at_least, only_known

LOCAL_PROJECTION = study_table(
    "local_projection",
    "Response of y to a shock of one standard deviation in x, by a regression for each horizon and "
    "by the vector autoregression beside it, by regime, and where the two disagree.",
    grain="family, window, bar size, system, estimator, pair of variables, horizon and regime",
    key=(*WINDOW_KEY, "model", *PAIR_KEY, "lag", "horizon", "regime"),
    estimators=("local_projection", "lag_augmented", "cumulative", "regime_difference",
                "vector_autoregression", "vector_autoregression_iid", "reduced_form", "permanent",
                "difference", "disagreement"),
    hypotheses=("own_past", "ahead", "whole"),
    x="the impulse",
    y="the response",
    subject=(text("model", "The system: an instrument, or `across:` and its instruments."),),
    kind_null="the row is a refusal",
    estimate="Response of y, `horizon` bars after the shock; a difference of two; or, for "
    "disagreement, the largest difference in standard errors.",
    unit="of y",
    interval="normal; for the vector autoregression percentiles of the bootstrap",
    extra=(
        figure("joint_low", "Lower end of the band that holds the whole path.",
               "no joint band belongs to this estimator", unit="of y"),
        figure("joint_high", "Upper end of the band that holds the whole path.",
               "no joint band belongs to this estimator", unit="of y"),
        figure("lowest_order", "Least response over all orders of the variables.",
               "the estimator does not depend on their order, or they are too many", unit="of y"),
        figure("highest_order", "Greatest response over all orders of the variables.",
               "the estimator does not depend on their order, or they are too many", unit="of y"),
    ),
)


@dataclass(frozen=True, kw_only=True)
class LocalProjectionFamily(SystemFamily):
    """Responses of `variables` to each other, within an instrument (own) or across.

    The order of `variables` is that of orthogonalisation, as in the feedback study.

    Parameters
    ----------
    horizon : length of the responses, in bars.
    regimes : by whose levels responses are estimated too; empty: by none.
    replications : replications of the bootstraps of the bands.
    seed : seed of its random draws.
    """

    variables: tuple[str, ...] = ("order_flow_imbalance", "return_bps")
    systems: tuple[SystemKind, ...] = ("own",)
    horizon: int = 20
    regimes: tuple[str, ...] = tuple(REGIME_MEASURES)
    replications: int = 499
    seed: int = 20240808
    largest_system: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        only_known(self.regimes, list(REGIME_MEASURES), "regime", self.where)
        if not self.variables or len(set(self.variables)) < len(self.variables):
            raise UserError(f"variables = {self.variables}", where=self.where,
                            allowed="one or more different measures")
        at_least(self, horizon=2, replications=99)

    @property
    def measures(self) -> tuple[str, ...]:
        """Columns of the bars that the family reads."""
        return tuple(dict.fromkeys((*self.variables, *regime_columns(self.regimes))))


def families(settings: StudiesConfig) -> Sequence[LocalProjectionFamily]:
    """What is estimated unless the configuration says otherwise."""
    return (
        LocalProjectionFamily(
            name="flow_and_return",
            question="How does price answer to order flow and flow to price, without relying on a "
            "few lags, and when books are thin or busy?",
            bar_sizes=settings.bar_sizes,
            maximum_lag=settings.maximum_lag,
            horizon=settings.horizon,
            seed=settings.seed,
            significance=settings.significance,
        ),
    )


STUDY = Study(
    name="local_projections",
    title="Local projections",
    question="Do responses estimated horizon by horizon agree with those of the vector "
    "autoregression, and do they differ between calm and busy books?",
    tables=(LOCAL_PROJECTION,),
    families=families,
    family=LocalProjectionFamily,
    build="imbalance.studies.local_projections.build:build",
    cost="seconds for an instrument's day at 1 s",
    section="imbalance.report.studies.local_projections:section",
    figures={LOCAL_PROJECTION.name: "imbalance.report.studies.local_projections:picture"},
)
