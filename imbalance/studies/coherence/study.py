"""The coherence study, declared: its question, its table, its families."""

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

REASONS = {
    "no_unbroken_stretch": "no stretch without a gap is long enough",
    **STRETCH_REASONS,
}

_PERIOD = Column(
    "period", "DOUBLE", "Period of the rhythm; 0 in a row that refuses the pair.", unit="bars",
    minimum=0.0, owner="studies")

COHERENCE = study_table(
    "coherence",
    "Which rhythms two series share, and which is ahead: multitaper coherence, and wavelet "
    "coherence against surrogates.",
    grain="family, window, bar size, pair of series, estimator and period",
    estimators=("multitaper", "wavelet"),
    hypotheses=("same_book", "same_bar"),
    x="the series that is ahead where the delay is positive",
    y="the other series",
    estimate="Squared coherence of x and y around the period; of wavelets its mean over time.",
    bound=1.0,
    interval="jackknife of atanh √C for multitaper, by regime Student's t; normal for wavelets",
    regime="Stretches used: all, those that follow a level of the regime, or those of a quarter of "
    "the UTC day.",
    key=(*WINDOW_KEY, *PAIR_KEY, "period", "lag", "horizon", "regime"),
    subject=(_PERIOD,),
    extra=(
        figure("phase", "Phase of the cross spectrum: positive when x is ahead.",
               "nothing was estimated, or the row is of a level", unit="radians"),
        figure("phase_error", "Standard error of the phase.", "no error belongs to this estimator",
               unit="radians", minimum=0.0),
        figure("delay", "Bars by which x is ahead of y, within half a period.",
               "nothing was estimated, or the row is of a level", unit="bars",
               formula="phase · period / 2π"),
        figure("surrogate_mean", "Mean over surrogates: what independent series give.",
               "no surrogates belong to this estimator", minimum=0.0, maximum=1.0),
        figure("surrogate_limit", "Quantile of the surrogates that one in twenty exceeds.",
               "no surrogates belong to this estimator", minimum=0.0, maximum=1.0),
    ),
    reasons=REASONS | CROSSED_REASONS,
)

COHERENCE_DIFFERENCE = difference_table(
    "coherence",
    of=("multitaper",),
    x="the series whose instrument's regime it is",
    y="the other series",
    subject=(_PERIOD,),
    reasons=REASONS,
)


@dataclass(frozen=True, kw_only=True)
class CoherenceFamily(SeriesFamily):
    """Coherence of every x with every y, for the pairs of instruments that `pairs` names.

    Parameters
    ----------
    periods : bars a cycle, above 2; those for which stretches are too short are left out, and those
        within the tapers' band of 2.
    longest_segment : bars of a stretch that is tapered: a power of two.
    longest_stretch : bars that are transformed by wavelets: the last ones of the longest unbroken
        stretch.
    regimes : by whose levels multitaper coherence is estimated too; empty: by none.
    surrogates : series without coherence that the wavelets' is held against for its p-value.
    seed : seed of its random draws.
    """

    periods: tuple[float, ...] = (4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
    longest_segment: int = 1024
    longest_stretch: int = 2048
    surrogates: int = 100
    seed: int = 20240808
    minimum_bars: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.periods:
            raise UserError("no period is declared", where=self.where, allowed="at least one")
        if min(self.periods) <= 2.0:
            raise UserError(f"periods = {self.periods}", where=self.where,
                            allowed="above 2 bars")
        if self.longest_segment < 64 or self.longest_segment & (self.longest_segment - 1):
            raise UserError(f"longest_segment = {self.longest_segment}", where=self.where,
                            allowed="a power of two from 64")
        if not self.longest_stretch >= self.minimum_bars >= 128:
            raise UserError(
                f"minimum_bars = {self.minimum_bars}, longest_stretch = {self.longest_stretch}",
                where=self.where, allowed="128 and above, the stretch no shorter than the minimum")
        if not 19 <= self.surrogates <= 9_999:
            raise UserError(f"surrogates = {self.surrogates}", where=self.where,
                            allowed="19 to 9999")


def families(settings: StudiesConfig) -> Sequence[CoherenceFamily]:
    """What is estimated unless the configuration says otherwise."""
    return (
        CoherenceFamily(
            name="flow_and_return",
            question="At which rhythms do order flow and return move together, and which is ahead?",
            x_measures=("order_flow_imbalance",),
            y_measures=("return_bps",),
            pairs=("own", "perpetual_to_spot"),
            bar_sizes=settings.bar_sizes, significance=settings.significance, seed=settings.seed,
        ),
        CoherenceFamily(
            name="joint_moves",
            question="At which rhythms do instruments move together, and which is ahead?",
            x_measures=("return_bps",),
            y_measures=("return_bps",),
            pairs=("cross",),
            bar_sizes=settings.bar_sizes, significance=settings.significance, seed=settings.seed,
        ),
    )


STUDY = Study(
    name="coherence",
    title="Coherence by frequency",
    question="Which rhythms do two series share, over the window and at times, and which is ahead?",
    tables=(COHERENCE, COHERENCE_DIFFERENCE),
    families=families,
    family=CoherenceFamily,
    build="imbalance.studies.coherence.build:build",
    cost="seconds for minutes of six instruments; under a minute for a full day at 1 s",
    reasons=REASONS | DIFFERENCE_REASONS | CROSSED_REASONS,
    section="imbalance.report.studies.coherence:section",
    figures={COHERENCE.name: "imbalance.report.studies.coherence:picture"},
)
