"""The price discovery study, declared: its question, its table, its family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.config import StudiesConfig
from imbalance.studies.columns import PAIR_KEY, WINDOW_KEY, study_table, text
from imbalance.studies.study import Family, Study, at_least

REASONS = {
    "not_cointegrated": "Johansen's trace test does not reject that the prices share fewer "
    "relations than one less than their number",
}

PRICE_DISCOVERY = study_table(
    "price_discovery",
    "Which of several instruments on one asset makes the price: information shares from a vector "
    "error correction of their log mid prices.",
    grain="family, window, bar size, system, estimator and instrument",
    key=(*WINDOW_KEY, "model", *PAIR_KEY),
    estimators=("hasbrouck_low", "hasbrouck_high", "hasbrouck_mid", "modified", "gonzalo_granger",
                "leadership", "adjustment", "trace"),
    hypotheses=("ahead",),
    x="the market whose share it is",
    y="the other market in a system of two, or the difference that is adjusted to",
    subject=(text("model", "The system: its instruments, with a comma between them."),),
    kind_null="shares are neither of one bar nor of the next",
    estimate="Share of x in the discovery of the common price; speed of adjustment per bar; or "
    "Johansen's statistic.",
    interval="percentiles of the bootstrap by blocks of scores",
    regimes=("all",),
    reasons=REASONS,
)


@dataclass(frozen=True, kw_only=True)
class PriceDiscoveryFamily(Family):
    """Systems of instruments with one base asset: every two of them, and all together.

    Lagged changes are chosen by BIC up to `maximum_lag`, on each bar size for itself.

    Parameters
    ----------
    price : column of the bars that is the price.
    maximum_lag : largest lag order tried, in bars.
    replications : replications of the bootstrap of the intervals.
    seed : seed of its random draws.
    largest_system : most instruments of one system: those with the most bars.
    """

    price: str = "mid_close"
    maximum_lag: int = 10
    replications: int = 499
    seed: int = 20240808
    largest_system: int = 6
    minimum_bars: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, maximum_lag=1, replications=100)

    @property
    def measures(self) -> tuple[str, ...]:
        """Columns of the bars that the family reads."""
        return (self.price,)


def families(settings: StudiesConfig) -> Sequence[PriceDiscoveryFamily]:
    """What is estimated unless the configuration says otherwise."""
    return (
        PriceDiscoveryFamily(
            name="one_asset",
            question="In which of the markets of one asset is its price made?",
            # What noise and sampling do to the shares is seen by looking at several bar sizes.
            bar_sizes=("100ms", "1s", "10s"),
            maximum_lag=settings.maximum_lag,
            seed=settings.seed,
            significance=settings.significance,
        ),
    )


STUDY = Study(
    name="price_discovery",
    title="Price discovery",
    question="Of several markets on one asset, spot, perpetual and inverse, in which is the price "
    "made, and how fast do the others follow?",
    tables=(PRICE_DISCOVERY,),
    families=families,
    family=PriceDiscoveryFamily,
    build="imbalance.studies.price_discovery.build:build",
    cost="under a minute for a day of six instruments at 100 ms",
    reasons=REASONS,
    section="imbalance.report.studies.price_discovery:section",
    figures={PRICE_DISCOVERY.name: "imbalance.report.studies.price_discovery:picture"},
)
