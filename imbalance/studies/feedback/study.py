"""The feedback study, declared: its question, its tables, its family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.config import StudiesConfig
from imbalance.errors import UserError
from imbalance.studies.columns import PAIR_KEY, WINDOW_KEY, figure, study_table, text
from imbalance.studies.shared_families import SystemFamily, SystemKind
from imbalance.studies.study import Study, at_least

TIME_OF_DAY = "time_of_day"
"""The exogenous terms that are no measure: two waves a day."""

_MODEL = text("model", "The system: an instrument, or `across:` and its instruments.")
_KEY = (*WINDOW_KEY, "model", *PAIR_KEY, "lag", "horizon")

VECTOR_AUTOREGRESSION = study_table(
    "vector_autoregression",
    "Fitted vector autoregressions: coefficients, residual covariance, roots and what "
    "says whether the fit can be trusted.",
    grain="family, window, bar size, system, estimator, pair of variables and lag",
    key=_KEY,
    estimators=("coefficient", "exogenous", "intercept", "residual_covariance", "root_modulus",
                "lag_order", "r_squared", "log_likelihood", "portmanteau", "normality", "arch"),
    hypotheses=("own_past", "ahead"),
    x="the regressor",
    y="the equation's variable",
    subject=(_MODEL,),
    kind_null="the row is about the whole system",
    estimate="Coefficient of x at the lag in the equation of y, or the figure that the "
    "estimator names.",
    unit="of y per unit of x",
    interval="normal",
)

IMPULSE_RESPONSE = study_table(
    "impulse_response",
    "Response of y to a shock of one standard deviation in x, with bootstrap bands; "
    "and the share of y's forecast-error variance that x accounts for.",
    grain="family, window, bar size, system, estimator, pair of variables and horizon",
    key=_KEY,
    estimators=("orthogonal", "generalised", "orthogonal_cumulative", "generalised_cumulative",
                "variance_share", "generalised_variance_share"),
    x="the impulse",
    y="the response",
    subject=(_MODEL,),
    kind_null="the row is a refusal",
    estimate="Response of y, `horizon` bars after the shock.",
    unit="of y",
    interval="pointwise percentiles of the bootstrap",
    extra=(
        figure("joint_low", "Lower end of the band that holds the whole path.",
               "no joint band belongs to this estimator", unit="of y"),
        figure("joint_high", "Upper end of the band that holds the whole path.",
               "no joint band belongs to this estimator", unit="of y"),
    ),
)

GRANGER_CAUSALITY = study_table(
    "granger_causality",
    "Whether the past of x improves the forecast of y within a system, and whether "
    "their shocks are correlated.",
    grain="family, window, bar size, system, test and pair of variables",
    key=_KEY,
    estimators=("f", "wald_hc", "wald_hac", "instantaneous", "instantaneous_hc",
                "block_f", "block_wald_hac", "block_instantaneous"),
    hypotheses=("same_book", "same_bar", "ahead"),
    x="the cause; of a block, * for all instruments or all measures",
    y="the effect; of a block, * for all instruments or all measures",
    subject=(_MODEL,),
    kind_null="the row is a refusal",
    estimate="Test statistic: F, Wald statistic divided by its degrees of freedom, or χ².",
)


@dataclass(frozen=True, kw_only=True)
class FeedbackFamily(SystemFamily):
    """Vector autoregressions of `variables`, per instrument (own) and of several (across).

    The order of `variables` is the order of orthogonalisation: flow comes first, so that flow may
    move price within the bar and not the other way round (Hasbrouck 1991).

    Parameters
    ----------
    exogenous : what explains and is not explained: `time_of_day`, and measures as of the bar
        before. Those that the bars do not have, or that do not vary, are left out.
    horizon : length of the impulse responses, in bars.
    replications : replications of the bootstrap of their bands.
    seed : seed of its random draws.
    """

    name: str = "flow_and_return"
    question: str = "Does order flow move price, and does price call forth order flow?"
    variables: tuple[str, ...] = ("order_flow_imbalance", "return_bps")
    systems: tuple[SystemKind, ...] = ("own", "across")
    exogenous: tuple[str, ...] = (TIME_OF_DAY, "funding_rate")
    horizon: int = 20
    replications: int = 999
    seed: int = 20240808
    largest_system: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.variables) < 2 or len(set(self.variables)) < len(self.variables):
            raise UserError(f"variables = {self.variables}", where=self.where,
                            allowed="two or more different measures")
        if set(self.exogenous) & set(self.variables):
            raise UserError(f"exogenous = {self.exogenous}", where=self.where,
                            allowed="measures that are none of the variables")
        at_least(self, horizon=1, replications=99)

    @property
    def measures(self) -> tuple[str, ...]:
        """Columns of the bars that the family reads."""
        return (*self.variables, *(name for name in self.exogenous if name != TIME_OF_DAY))


def families(settings: StudiesConfig) -> Sequence[FeedbackFamily]:
    """What is estimated unless the configuration says otherwise."""
    return (
        FeedbackFamily(
            bar_sizes=settings.bar_sizes,
            maximum_lag=settings.maximum_lag,
            horizon=settings.horizon,
            replications=settings.replications,
            seed=settings.seed,
            significance=settings.significance,
        ),
    )


STUDY = Study(
    name="feedback",
    title="Feedback",
    question="Does order flow move price, does price call forth order flow, and who feeds whom "
    "across instruments?",
    tables=(VECTOR_AUTOREGRESSION, IMPULSE_RESPONSE, GRANGER_CAUSALITY),
    families=families,
    family=FeedbackFamily,
    build="imbalance.studies.feedback.build:build",
    cost="seconds for a day of four instruments at 1 s; the bootstrap grows with the square of "
    "the system",
    figures={IMPULSE_RESPONSE.name: "imbalance.report.studies_figures:responses"},
)
