"""Families of estimates, declared before anything is run.

Which measures, pairs, bar sizes, lags and regimes are studied belongs here; q-values are computed
over a family, so that what is looked at is settled before the results are. No estimation here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from imbalance.config import StudiesConfig
from imbalance.errors import UserError, nearest
from imbalance.studies.tables import FAMILIES
from imbalance.studies.version import definition_version

PairKind = Literal["own", "cross", "perpetual_to_spot"]
SystemKind = Literal["own", "across"]
Criterion = Literal["bic", "aic", "hq", "fpe"]

BAR_NANOSECONDS = {
    "100ms": 100_000_000,
    "1s": 1_000_000_000,
    "10s": 10_000_000_000,
    "1m": 60_000_000_000,
    "5m": 300_000_000_000,
}
"""Bar sizes by name."""

REGIME_MEASURES = {"depth": "depth_touch_mean", "messages": "messages_per_second"}
"""Regimes by name, with the measure whose terciles they are."""

LOGARITHMIC_LAGS = (-64, -32, -16, -8, -4, -2, -1, 0, 1, 2, 4, 8, 16, 32, 64)
"""Lags in bars: fine where dependence changes fast, coarse where it does not."""

_TRANSFORMED = re.compile(r"^absolute\((\w+)\)$")


def base_measure(measure: str) -> str:
    """Column that a measure is made from: `absolute(x)` is made from `x`."""
    found = _TRANSFORMED.match(measure)
    return found.group(1) if found else measure


@dataclass(frozen=True)
class CorrelationFamily:
    """Correlations of every x with every y, for the pairs of instruments that `pairs` names.

    A pair of series that occurs in both roles is estimated once, since lags have both signs.
    Horizons above 1 sum y over that many bars and are estimated at positive lags only, so that y
    starts after x is known. Regimes are terciles, over the window, of the regime's measure of
    instrument x in the bar before; they are estimated at `regime_lags`.
    """

    name: str
    question: str
    x_measures: tuple[str, ...]
    y_measures: tuple[str, ...]
    pairs: tuple[PairKind, ...] = ("own", "cross")
    bar_sizes: tuple[str, ...] = ("1s", "10s")
    lags: tuple[int, ...] = LOGARITHMIC_LAGS
    horizons: tuple[int, ...] = (1,)
    estimators: tuple[Literal["pearson", "spearman"], ...] = ("pearson", "spearman")
    regimes: tuple[str, ...] = ()
    regime_lags: tuple[int, ...] = (0, 1)
    significance: float = 0.05
    minimum_bars: int = 20

    def __post_init__(self) -> None:
        where = f"correlation family {self.name}"
        _among(self.bar_sizes, list(BAR_NANOSECONDS), "bar size", where)
        _among(self.pairs, ["own", "cross", "perpetual_to_spot"], "kind of pair", where)
        _among(self.estimators, ["pearson", "spearman"], "estimator", where)
        if self.regimes:
            _among(self.regimes, list(REGIME_MEASURES), "regime", where)
        for values, what in ((self.x_measures, "x measure"), (self.y_measures, "y measure"),
                             (self.lags, "lag"), (self.horizons, "horizon")):
            if not values:
                raise UserError(f"no {what} is declared", where=where, allowed="at least one")
        if min(self.horizons) < 1:
            raise UserError("a horizon below one bar", where=where, allowed="1 and above")
        if self.minimum_bars < 10:
            raise UserError(f"minimum_bars = {self.minimum_bars}", where=where,
                            allowed="10 and above")

    @property
    def reach(self) -> int:
        """Largest distance in bars between two bars that one estimate compares."""
        return max(abs(lag) for lag in (*self.lags, *self.regime_lags)) + max(self.horizons)

    @property
    def measures(self) -> tuple[str, ...]:
        """Columns of the bars that the family reads."""
        regimes = tuple(REGIME_MEASURES[name] for name in self.regimes)
        bases = (base_measure(m) for m in (*self.x_measures, *self.y_measures, *regimes))
        return tuple(dict.fromkeys(bases))


@dataclass(frozen=True)
class FeedbackFamily:
    """Vector autoregressions of `variables`, per instrument (own) and of several (across).

    The order of `variables` is the order of orthogonalisation: flow comes first, so that flow may
    move price within the bar and not the other way round (Hasbrouck 1991).
    """

    name: str = "flow_and_return"
    question: str = "Does order flow move price, and does price call forth order flow?"
    variables: tuple[str, ...] = ("order_flow_imbalance", "return_bps")
    systems: tuple[SystemKind, ...] = ("own", "across")
    bar_sizes: tuple[str, ...] = ("1s", "10s")
    maximum_lag: int = 10
    criterion: Criterion = "bic"
    horizon: int = 20
    replications: int = 999
    seed: int = 20240808
    significance: float = 0.05
    largest_system: int = 16
    minimum_bars: int = 20

    def __post_init__(self) -> None:
        where = f"feedback family {self.name}"
        _among(self.bar_sizes, list(BAR_NANOSECONDS), "bar size", where)
        _among(self.systems, ["own", "across"], "kind of system", where)
        _among((self.criterion,), ["bic", "aic", "hq", "fpe"], "criterion", where)
        if len(self.variables) < 2 or len(set(self.variables)) < len(self.variables):
            raise UserError(f"variables = {self.variables}", where=where,
                            allowed="two or more different measures")

    @property
    def measures(self) -> tuple[str, ...]:
        """Columns of the bars that the family reads."""
        return self.variables


@dataclass(frozen=True)
class Declaration:
    """Everything the studies will estimate."""

    correlation: tuple[CorrelationFamily, ...]
    feedback: tuple[FeedbackFamily, ...]

    def columns(self, bar_size: str) -> tuple[str, ...]:
        """Measures that some family reads from bars of that size; empty if none does."""
        families: tuple[CorrelationFamily | FeedbackFamily, ...]
        families = (*self.correlation, *self.feedback)
        names = [m for family in families if bar_size in family.bar_sizes for m in family.measures]
        return tuple(dict.fromkeys(names))

    @property
    def bar_sizes(self) -> tuple[str, ...]:
        """Bar sizes that some family reads, from the shortest."""
        return tuple(size for size in BAR_NANOSECONDS if self.columns(size))


def declare(config: StudiesConfig | None = None) -> Declaration:
    """The families of the studies under a configuration (defaults without one)."""
    settings = config or StudiesConfig()
    sizes = settings.bar_sizes
    correlation = (
        CorrelationFamily(
            name="imbalance_and_return",
            question="Does imbalance move with the return of its own and other instruments, in the "
            "same bar and in later ones?",
            x_measures=("order_flow_imbalance", "trade_imbalance", "volume_imbalance",
                        "queue_imbalance", "depth_imbalance_10"),
            y_measures=("return_bps",),
            bar_sizes=sizes,
            significance=settings.significance,
            regimes=("depth", "messages"),
        ),
        CorrelationFamily(
            name="market_correlation",
            question="How do returns of instruments move together, and which leads?",
            x_measures=("return_bps",),
            y_measures=("return_bps",),
            bar_sizes=sizes,
            significance=settings.significance,
            regimes=("depth", "messages"),
        ),
        CorrelationFamily(
            name="order_flow_commonality",
            question="Is order flow shared between instruments, and how long does it persist?",
            x_measures=("order_flow_imbalance",),
            y_measures=("order_flow_imbalance",),
            bar_sizes=sizes,
            significance=settings.significance,
            regimes=("depth", "messages"),
        ),
        CorrelationFamily(
            name="perpetual_imbalance_and_spot_volatility",
            question="Does buy imbalance in a perpetual go before volatility of its spot?",
            x_measures=("trade_imbalance_normalised", "order_flow_imbalance",
                        "absolute(trade_imbalance_normalised)", "absolute(order_flow_imbalance)"),
            y_measures=("realised_variance",),
            pairs=("perpetual_to_spot",),
            bar_sizes=sizes,
            significance=settings.significance,
            horizons=(1, 10, 30),
            regimes=("depth", "messages"),
        ),
    )
    feedback = FeedbackFamily(
        bar_sizes=sizes,
        maximum_lag=settings.maximum_lag,
        horizon=settings.horizon,
        replications=settings.replications,
        seed=settings.seed,
        significance=settings.significance,
    )
    return Declaration(correlation=correlation, feedback=(feedback,))


def families_table(declaration: Declaration) -> Any:
    """`studies.families`: the declaration as a table, to be stored before the studies run."""
    import pyarrow as pa

    named: list[tuple[str, CorrelationFamily | FeedbackFamily]] = [
        *(("correlation", family) for family in declaration.correlation),
        *(("feedback", family) for family in declaration.feedback),
    ]
    rows = [
        {
            "study": study,
            "family": family.name,
            "question": family.question,
            "declaration": json.dumps(asdict(family), sort_keys=True),
            "definition_version": definition_version(),
        }
        for study, family in named
    ]
    return pa.Table.from_pylist(rows, schema=FAMILIES.arrow_schema())


def _among(values: Sequence[str], choices: list[str], what: str, where: str) -> None:
    if not values:
        raise UserError(f"no {what} is declared", where=where, allowed=", ".join(choices))
    for value in values:
        if value not in choices:
            close = nearest(value, choices)
            raise UserError(
                f"unknown {what} {value!r}" + (f"; did you mean {close!r}?" if close else ""),
                where=where,
                allowed=", ".join(choices),
            )
