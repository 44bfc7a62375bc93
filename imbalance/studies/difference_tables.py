"""The table in which a study says whether what it estimates differs between levels of a regime.

One form for all studies: `studies.<study>_difference`, a row per comparison. How levels are
compared is in `levels`.
"""

from __future__ import annotations

from collections.abc import Mapping

from imbalance.contracts import Column, Table
from imbalance.studies.columns import ANY_DEPENDENCE_SOURCE, PAIR_KEY, WINDOW_KEY, study_table, text
from imbalance.studies.measures import REGIME_LEVELS

HIGH_LESS_LOW = "high_less_low"
EQUALITY = "equality"

REASONS = {
    "one_level": "all bars of the window are of one level of the regime",
}
"""Why levels are not compared, beside the reasons of the estimates themselves."""

STRETCH_REASONS = {"too_few_stretches": "too few stretches of bars follow the level"}
"""Why levels of stretches are not estimated; for the tables of studies that have them."""


def difference_table(
    study: str,
    *,
    of: tuple[str, ...],
    x: str,
    y: str,
    subject: tuple[Column, ...] = (),
    kind_null: str = "never",
    interval: str = "Student's t with n − 1 degrees of freedom of the smaller level",
    regimes: tuple[str, ...] = tuple(REGIME_LEVELS),
    reasons: Mapping[str, str] | None = None,
    of_events: bool = False,
) -> Table:
    """`studies.<study>_difference`.

    Parameters
    ----------
    of : estimators of the study whose values are compared.
    x, y, kind_null, of_events : as in the study's own table.
    interval : what kind of interval a difference has.
    regimes : whose levels are compared.
    subject : its own columns that say what a row is about; they are part of the key.
    reasons : the study's reasons to refuse.
    """
    return study_table(
        f"{study}_difference",
        "Whether an estimate differs between the levels of a regime: the difference of the highest "
        "and the lowest, and a test that all are equal.",
        grain="family, window, bar size, pair of series, what is compared, test, lag and regime",
        key=(*WINDOW_KEY, *PAIR_KEY, "of", *(column.name for column in subject), "lag", "horizon",
             "regime"),
        estimators=(HIGH_LESS_LOW, EQUALITY),
        hypotheses=("whole",),
        x=x,
        y=y,
        kind_null=kind_null,
        subject=(text("of", "Estimator whose values at the levels are compared.", of), *subject),
        estimate="Value in the high tercile less that in the low one; or the statistic of "
        "equality, Wald's unless the parameters say otherwise.",
        interval=interval,
        regimes=regimes,
        regime="The regime whose levels are compared.",
        reasons={**REASONS, **(reasons or {})},
        of_events=of_events,
        corrected_by=ANY_DEPENDENCE_SOURCE,
        may_be_empty="no family is estimated by regime, or no pair of series could be",
    )
