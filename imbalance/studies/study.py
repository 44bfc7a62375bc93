"""What a study is: a question, tables, declared families, what it reads, and who computes it.

A study says all of this once, in its own `study.py`; tasks, plan, assets, checks, the command line,
the report and the docs follow from it. Nothing here computes, and a declaration imports nothing
that does: the functions are named and imported when they are called.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imbalance.config import StudiesConfig
from imbalance.contracts import Table
from imbalance.errors import UserError, nearest
from imbalance.studies.columns import BAR_SIZES
from imbalance.studies.windows import Scope


@dataclass(frozen=True, kw_only=True)
class Family:
    """What the families of all studies declare; a study's own family adds its settings.

    Everything that decides what is estimated is a field, so that it is written down in
    `studies.families` and may be set in the configuration.

    Parameters
    ----------
    name : unique within its study.
    question : what it asks, in a sentence.
    bar_sizes : bars that are read; empty for a study of events alone.
    significance : level of its intervals and of its false discovery rate.
    minimum_bars : fewest bars that anything is estimated from.
    """

    name: str
    question: str
    bar_sizes: tuple[str, ...] = ("1s", "10s")
    significance: float = 0.05
    minimum_bars: int = 20

    def __post_init__(self) -> None:
        if self.bar_sizes:
            among(self.bar_sizes, BAR_SIZES, "bar size", self.where)
        if not 0.0 < self.significance < 0.5:
            raise UserError(f"significance = {self.significance}", where=self.where,
                            allowed="above 0 and below 0.5")
        if self.minimum_bars < 10:
            raise UserError(f"minimum_bars = {self.minimum_bars}", where=self.where,
                            allowed="10 and above")

    @property
    def where(self) -> str:
        """How errors name the family."""
        return f"family {self.name}"

    @property
    def measures(self) -> tuple[str, ...]:
        """Columns of the bars that the family reads."""
        return ()


@dataclass(frozen=True, eq=False)
class Study:
    """A study, as everything that handles studies knows it.

    Parameters
    ----------
    name : also of its folder `imbalance/studies/<name>` and of its page `docs/studies/<name>.md`.
    title : a few words for headings.
    question : what it asks, in a sentence.
    tables : what it writes.
    families : the families under a configuration, before those of the configuration file.
    build : `module:function` from a `StudyInput` to Arrow tables by table name.
    family : the class of its families.
    cost : what a day costs, in words.
    scopes : windows it is run over: each day, the days up to each day, the whole span.
    events : tables of events it reads beside the bars (`raw.trades`, …), one instrument at a time.
    reasons : its own reasons to refuse, beside the common ones.
    section : `module:function` from the report's `Source` to a `Section`, or none.
    figures : table to `module:function` from a `Source` and a window to a `Drawing` or None.
    """

    name: str
    title: str
    question: str
    tables: tuple[Table, ...]
    families: Callable[[StudiesConfig], Sequence[Family]]
    build: str
    family: type[Family]
    cost: str
    scopes: tuple[Scope, ...] = ("day", "trailing", "span")
    events: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    section: str | None = None
    figures: Mapping[str, str] = field(default_factory=dict)

    @property
    def table_names(self) -> tuple[str, ...]:
        """Names of its tables."""
        return tuple(table.name for table in self.tables)

    @property
    def hypotheses(self) -> tuple[str, ...]:
        """The kinds of claims that it tests, over all its tables: each has q-values of its own."""
        found = (h for table in self.tables for h in table.column("hypothesis").allowed)
        return tuple(dict.fromkeys(found))

    @property
    def estimators(self) -> tuple[str, ...]:
        """What it estimates, over all its tables."""
        found = (e for table in self.tables for e in table.column("estimator").allowed)
        return tuple(dict.fromkeys(found))


def load(reference: str) -> Callable[..., Any]:
    """The function that `module:function` names."""
    module, _, name = reference.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def among(values: Sequence[str], choices: Sequence[str], what: str, where: str) -> None:
    """Refuse values that are no choices, and an empty list.

    Raises
    ------
    UserError
        If there is none, or one that is not a choice.
    """
    if not values:
        raise UserError(f"no {what} is declared", where=where, allowed=", ".join(choices))
    only_known(values, choices, what, where)


def at_least(family: Family, **least: float) -> None:
    """Refuse settings of a family that are below what they must be at least.

    Raises
    ------
    UserError
        For the first that is.
    """
    for name, number in least.items():
        value = getattr(family, name)
        if not value >= number:
            raise UserError(f"{name} = {value}", where=family.where,
                            allowed=f"{number:g} and above")


def only_known(values: Sequence[str], choices: Sequence[str], what: str, where: str) -> None:
    """Refuse values that are no choices, naming the nearest; there may be none.

    Raises
    ------
    UserError
        If one is not a choice.
    """
    for value in values:
        if value not in choices:
            close = nearest(value, list(choices))
            raise UserError(
                f"unknown {what} {value!r}" + (f"; did you mean {close!r}?" if close else ""),
                where=where,
                allowed=", ".join(choices),
            )
