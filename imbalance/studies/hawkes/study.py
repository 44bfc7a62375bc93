"""The Hawkes study, declared: its question, its table, its family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from imbalance.config import StudiesConfig
from imbalance.errors import UserError
from imbalance.studies.columns import CROSSED_REASONS, PAIR_KEY, WINDOW_KEY, study_table, text
from imbalance.studies.shared_families import CrossingFamily
from imbalance.studies.study import Study, among

Kernel = Literal["exponential", "sum_of_exponentials"]
Baseline = Literal["constant", "moving"]

KERNELS: tuple[Kernel, ...] = ("exponential", "sum_of_exponentials")
BASELINES: tuple[Baseline, ...] = ("constant", "moving")
STAMPS = ("randomised", "as_recorded")

REASONS = {
    "no_events": "the window holds no events of an instrument in valid stretches of its book",
    "too_few_events": "fewer events than the family demands",
    "not_converged": "the likelihood could not be maximised",
}

HAWKES = study_table(
    "hawkes",
    "Which events of a book call forth which: branching of a Hawkes process, how near it is to "
    "feeding on itself, what comes from outside, and whether the process tells the events' times.",
    grain="family, window, system, baseline, kernel, treatment of time stamps, estimator and pair "
    "of kinds of events",
    key=(*WINDOW_KEY, "model", "baseline", "kernel", "stamps", *PAIR_KEY),
    estimators=("branching", "spectral_radius", "exogenous_share", "bic", "residual_distance",
                "residual_dependence", "stamp_spread"),
    hypotheses=("own_past", "ahead"),
    x="the kind of event that calls forth",
    y="the kind of event that is called forth",
    subject=(
        text("model", "The system: an instrument and its eight kinds of events, or `across:` and "
             "the instruments whose price moves are its kinds."),
        text("baseline", "Events that nothing led to come at a constant rate, or at one that "
             "moves with the day.", (*BASELINES, "*")),
        text("kernel", "How what an event calls forth fades.", (*KERNELS, "*")),
        text("stamps", "Whether events are put at random within the unit of their time stamps, or "
             "taken as recorded.", (*STAMPS, "*")),
    ),
    kind_null="events have no bar",
    estimate="Mean number of events of y that one of x calls forth directly; largest eigenvalue of "
    "these numbers; share of the events of y from outside; or the figure that the estimator "
    "names.",
    interval="normal, from the information",
    regimes=("all",),
    reasons=REASONS | CROSSED_REASONS,
    of_events=True,
)


@dataclass(frozen=True, kw_only=True)
class HawkesFamily(CrossingFamily):
    """Hawkes processes of an instrument's book, and of the price moves of one asset's instruments.

    Parameters
    ----------
    systems : `own`: the events of an instrument's book; `across`: the price moves of all
        instruments of an asset, at most `most_instruments` of them: those with the most events.
    baselines : what comes from outside: `constant`, or `moving` over the day.
    kernels : how what an event calls forth dies down: `exponential`, at one speed, or at several
        (`sum_of_exponentials`).
    decays : per second: where the search for the decays of a sum of exponentials begins.
    knot_minutes : distance of the knots of a baseline that moves.
    feed_milliseconds : a change of the book happened within so long before its message, and after
        the one before.
    randomisations : random placings of events within the unit of their stamps, by which the spread
        due to stamps is told.
    seed : seed of its random draws.
    minimum_events : fewest events of a system.
    most_events : events up to which a window is fitted whole; one with more is thinned to
        half-hours spread evenly over it, a short one to shorter pieces.
    """

    most_instruments: int = 12
    systems: tuple[Literal["own", "across"], ...] = ("own", "across")
    baselines: tuple[Baseline, ...] = BASELINES
    kernels: tuple[Kernel, ...] = KERNELS
    decays: tuple[float, ...] = (30.0, 2.0)
    knot_minutes: float = 30.0
    feed_milliseconds: float = 100.0
    randomisations: int = 3
    seed: int = 20240808
    minimum_events: int = 1_000
    most_events: int = 50_000

    def __post_init__(self) -> None:
        super().__post_init__()
        among(self.systems, ["own", "across"], "kind of system", self.where)
        among(self.baselines, list(BASELINES), "baseline", self.where)
        among(self.kernels, list(KERNELS), "kernel", self.where)
        if len(self.decays) < 2 or min(self.decays) <= 0.0:
            raise UserError(f"decays = {self.decays}", where=self.where,
                            allowed="two or more, above 0")
        if self.knot_minutes <= 0.0 or self.feed_milliseconds < 0.0:
            raise UserError(
                f"knot_minutes = {self.knot_minutes}, feed_milliseconds = "
                f"{self.feed_milliseconds}", where=self.where, allowed="above 0")
        if self.minimum_events < 500 or self.most_events < self.minimum_events:
            raise UserError(
                f"minimum_events = {self.minimum_events}, most_events = {self.most_events}",
                where=self.where, allowed="500 and above, the least first")


def families(settings: StudiesConfig) -> Sequence[HawkesFamily]:
    """What is estimated unless the configuration says otherwise."""
    return (
        HawkesFamily(
            name="book_events",
            question="Which events of a book call forth which, and how near is it to feeding on "
            "itself?",
            bar_sizes=(),
            seed=settings.seed,
            significance=settings.significance,
        ),
    )


STUDY = Study(
    name="hawkes",
    title="Hawkes processes",
    question="Trades, limit orders, cancellations and price moves: which call forth which, in a "
    "book and across instruments, and how much of it comes from outside?",
    tables=(HAWKES,),
    families=families,
    family=HawkesFamily,
    build="imbalance.studies.hawkes.build:build",
    cost="half a minute for a day of six instruments, whatever its events: long days are thinned",
    events=("book.book_states", "raw.trades"),
    reasons=REASONS | CROSSED_REASONS,
    section="imbalance.report.studies.hawkes:section",
    figures={HAWKES.name: "imbalance.report.studies.hawkes:picture"},
)
