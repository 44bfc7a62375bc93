"""The study of liquidity and toxicity, declared: its question, its table, its families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.config import StudiesConfig
from imbalance.errors import UserError
from imbalance.studies.columns import PAIR_KEY, WINDOW_KEY, count, study_table, text
from imbalance.studies.study import Family, Study

CONTROLS = ("none", "volume_and_volatility")

_REASONS = {
    "no_events": "the window holds no events of an instrument in valid stretches of its book",
    "no_aggressor": "the venue does not name the aggressor of its trades",
    "no_volume": "no bar of the window has both a trade and a return",
    "no_reversal": "price changes of trades are not negatively correlated, as a spread makes them",
    "too_few_events": "fewer events than the family demands",
    "too_few_buckets": "too few buckets of volume to compare them",
    "too_few_spans": "trades cover under ten spans of the time that they are followed for",
    "too_few_half_hours": "no half-hour has enough bars that vary",
}

LIQUIDITY = study_table(
    "liquidity",
    "What trading costs and how far trades move the price: Kyle's and Hasbrouck's λ, Amihud, Roll, "
    "effective and realised spread with price impact; VPIN with the venue's own sides and with "
    "sides guessed from prices; volume and volatility beside them.",
    grain="family, window, bar size, instrument, measures, estimator, seconds and controls",
    key=(*WINDOW_KEY, *PAIR_KEY, "seconds", "controls"),
    estimators=("kyle_lambda", "hasbrouck_lambda", "amihud", "volume", "volatility", "roll",
                "effective_spread", "realised_spread", "spread_impact", "vpin", "vpin_bulk",
                "bulk_agreement", "vpin_forecast", "vpin_bulk_forecast"),
    hypotheses=("same_book", "ahead"),
    x="the instrument",
    y="the instrument",
    kind_null="the row is about the window as a whole",
    estimate="The figure that the estimator names: bps per base unit (Kyle) or per root of quote "
    "currency (Hasbrouck), return per million of quote currency (Amihud), bps (Roll, spreads, "
    "volatility per bar), quote currency per bar (volume), a share of volume (VPIN, agreement), or "
    "standard deviations of the next move per one of VPIN.",
    interval="normal, with HAC errors",
    subject=(
        count("seconds", "Seconds after the trade at which the mid is looked at; 0 for none.", "s"),
        text("controls", "What stands beside x in the regression: the volume's speed and the "
             "volatility of the bucket before, or nothing.", CONTROLS),
    ),
    extra=(
        count("n_excluded", "Bars without volume, or trades without a mid, that are left out of "
              "this figure.", "bars or trades"),
        count("n_windows", "Half-hours or buckets that the figure is over.", "windows"),
    ),
    regimes=("all",),
    regime="All bars and trades.",
    reasons=_REASONS,
    of_events=True,
)


@dataclass(frozen=True, kw_only=True)
class LiquidityFamily(Family):
    """Measures of liquidity of every instrument.

    Parameters
    ----------
    seconds : seconds after a trade at which realised spreads look at the mid.
    buckets : buckets of equal volume that a day, or a shorter window, is cut into for VPIN.
    memory : buckets that the VPIN of a forecast is the mean of.
    bulk_seconds : length of the bars by whose price change bulk classification guesses sides.
    minimum_trades : fewest trades of an instrument.
    """

    seconds: tuple[int, ...] = (1, 5, 30, 300)
    buckets: int = 50
    memory: int = 5
    bulk_seconds: int = 10
    minimum_trades: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.seconds or min(self.seconds) < 1:
            raise UserError(f"seconds = {list(self.seconds)}", where=self.where,
                            allowed="at least one, each 1 and above")
        for name, least in (("buckets", 20), ("memory", 1), ("bulk_seconds", 1),
                            ("minimum_trades", 20)):
            if getattr(self, name) < least:
                raise UserError(f"{name} = {getattr(self, name)}", where=self.where,
                                allowed=f"{least} and above")

    @property
    def measures(self) -> tuple[str, ...]:
        """Columns of the bars that the family reads."""
        return ("return_bps", "realised_variance", "trade_imbalance", "trade_notional", "vwap")


def families(settings: StudiesConfig) -> Sequence[LiquidityFamily]:
    """What is estimated unless the configuration says otherwise."""
    return (
        LiquidityFamily(
            name="liquidity",
            question="What does trading cost, and does the toxicity of flow say more of the next "
            "move than volume and volatility?",
            bar_sizes=settings.bar_sizes,
            significance=settings.significance,
        ),
    )


STUDY = Study(
    name="liquidity",
    title="Liquidity and toxicity",
    question="What does trading cost, how far do trades move the price, and does the toxicity of "
    "flow (VPIN) say more of the next move than volume and volatility?",
    tables=(LIQUIDITY,),
    families=families,
    family=LiquidityFamily,
    build="imbalance.studies.liquidity.build:build",
    cost="seconds for a day of six instruments",
    events=("raw.trades", "raw.quotes", "book.book_states"),
    reasons=_REASONS,
    section="imbalance.report.studies.liquidity:section",
    figures={LIQUIDITY.name: "imbalance.report.studies.liquidity:picture"},
)
