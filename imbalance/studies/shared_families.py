"""Families that several studies declare alike: of pairs of instruments and of series, of the order
of autoregressions, and of systems of several variables.

What only one study declares is in its own `study.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from imbalance.errors import UserError
from imbalance.studies.measures import REGIME_LEVELS, columns_read
from imbalance.studies.study import Family, among, at_least, only_known

PairKind = Literal["own", "cross", "perpetual_to_spot"]
SystemKind = Literal["own", "across"]
Criterion = Literal["bic", "aic", "hq", "fpe"]


@dataclass(frozen=True, kw_only=True)
class CrossingFamily(Family):
    """What families declare whose studies pair every instrument with every other one.

    Parameters
    ----------
    most_instruments : instruments that are paired with one another, those whose measures change
        most often, or with the most ticks; pairs grow with their square. They are chosen for each
        size of bars, or price. What is said of an instrument by itself is said of all.
    """

    most_instruments: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, most_instruments=2)


@dataclass(frozen=True, kw_only=True)
class PairsFamily(CrossingFamily):
    """The same, where it may be said which pairs.

    Parameters
    ----------
    pairs : `own`: an instrument with itself; `cross`: every two; `perpetual_to_spot`: x a
        perpetual, y the spot of its base asset.
    """

    pairs: tuple[PairKind, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        among(self.pairs, get_args(PairKind), "kind of pair", self.where)


@dataclass(frozen=True, kw_only=True)
class SeriesFamily(PairsFamily):
    """Every x with every y, for the pairs of instruments that `pairs` names.

    Parameters
    ----------
    x_measures : columns of the bars, of instrument x.
    y_measures : columns of the bars, of instrument y.
    regimes : by whose levels it is estimated too; empty: by none.
    """

    x_measures: tuple[str, ...]
    y_measures: tuple[str, ...]
    regimes: tuple[str, ...] = tuple(REGIME_LEVELS)

    def __post_init__(self) -> None:
        super().__post_init__()
        for values, what in ((self.x_measures, "x measure"), (self.y_measures, "y measure")):
            if not values:
                raise UserError(f"no {what} is declared", where=self.where, allowed="at least one")
        only_known(self.regimes, list(REGIME_LEVELS), "regime", self.where)

    @property
    def measures(self) -> tuple[str, ...]:
        """Columns of the bars that the family reads."""
        return columns_read((*self.x_measures, *self.y_measures), self.regimes)


@dataclass(frozen=True, kw_only=True)
class OrderFamily(Family):
    """Autoregressions, and how their order is chosen.

    Parameters
    ----------
    maximum_lag : largest lag order tried, in bars.
    criterion : the information criterion that chooses the lag order.
    """

    maximum_lag: int = 10
    criterion: Criterion = "bic"

    def __post_init__(self) -> None:
        super().__post_init__()
        among((self.criterion,), get_args(Criterion), "criterion", self.where)
        at_least(self, maximum_lag=1)


@dataclass(frozen=True, kw_only=True)
class SystemFamily(OrderFamily):
    """Systems of `variables`, within one instrument (own) or of several together (across).

    Parameters
    ----------
    variables : columns of the bars, in the order of orthogonalisation.
    systems : `own`: one system per instrument; `across`: one of several instruments.
    largest_system : most variables of a system; instruments beyond are left out.
    """

    variables: tuple[str, ...]
    systems: tuple[SystemKind, ...]
    largest_system: int

    def __post_init__(self) -> None:
        super().__post_init__()
        among(self.systems, get_args(SystemKind), "kind of system", self.where)
