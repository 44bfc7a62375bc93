"""Formats of the user's own: `[formats.NAME]` of the configuration, checked. Nothing is read here.

A mapping says what kind of table a file is, how its columns are called, in what unit its times are
and whose they are. The table that reads them is in `layouts.mapped`, the files in `formats.own`.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_type_hints

from imbalance.captures.formats.format import VENUE_NAME, bad_symbol
from imbalance.config import NamedSettings
from imbalance.errors import UserError
from imbalance.settings import unknown, values_of

Unit = Literal["ns", "us", "ms", "s", "iso"]
Kind = Literal[
    "trades", "quotes", "book_levels", "book_images", "derivative_ticks", "liquidations"
]

COLUMNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "trades": (("price", "size"), ("side", "trade_id")),
    "quotes": (("bid_price", "bid_size", "ask_price", "ask_size"), ("update_id",)),
    "book_levels": (
        ("side", "price", "size", "is_snapshot"),
        ("message", "first_update_id", "last_update_id", "previous_update_id"),
    ),
    "book_images": (("bid_price", "bid_size", "ask_price", "ask_size"), ("update_id",)),
    "derivative_ticks": (
        (),
        ("mark_price", "index_price", "last_price", "open_interest", "funding_rate",
         "next_funding_time"),
    ),
    "liquidations": (("price", "size", "side"), ("liquidation_id",)),
}  # fmt: skip
"""By kind of table, the columns a mapping must name and those it may."""

SIDES = {"book_levels": ("bid", "ask"), "trades": ("buy", "sell", "unknown"),
         "liquidations": ("buy", "sell")}
"""By kind of table, the sides for which a mapping may give the words of the file."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """One `[formats.NAME]`.

    Parameters
    ----------
    table : what a row is; `book_levels` are rows of levels, those of the same times (and of the
        same `message`, where there is such a column) being one message; `book_images` have the
        whole visible book in each row, with `{}` for the number of the level in column names.
    venue : venue of all rows.
    columns : our name of a column to the file's.
    symbol, symbol_column, symbol_pattern : one of them: the symbol of all rows, the column that
        has it, or an expression whose group finds it in the file's name.
    exchange_time, receive_time : columns of times, at least one of them.
    exchange_unit, receive_unit : their units; `iso` is date and time as text.
    sides : the file's words for our sides.
    multiplier, inverse : base units per unit of size; for inverse contracts quote units.
    delimiter, header : of text: what stands between columns, and their names where the first
        line does not hold them.
    levels, first_level : of images: levels a side, and the number of the best one.
    """

    name: str
    table: Kind
    venue: str
    columns: Mapping[str, str]
    symbol: str | None = None
    symbol_column: str | None = None
    symbol_pattern: str | None = None
    exchange_time: str | None = None
    exchange_unit: Unit = "ms"
    receive_time: str | None = None
    receive_unit: Unit = "ms"
    sides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    multiplier: float | None = None
    inverse: bool = False
    delimiter: str = ","
    header: tuple[str, ...] = ()
    levels: int = 10
    first_level: int = 0

    def __post_init__(self) -> None:
        """Refuse what does not fit together; what each setting may be is checked before."""
        if sum(v is not None for v in (self.symbol, self.symbol_column, self.symbol_pattern)) != 1:
            raise _refused("it is not said, or said twice, where the symbol is",
                           "one of symbol, symbol_column, symbol_pattern")
        wrong = None if self.symbol is None else bad_symbol(self.symbol)
        if wrong is not None:
            raise _refused(f"symbol = {wrong}", "printable text, at most 100 characters")
        if self.symbol_pattern is not None and _groups(self.symbol_pattern) != 1:
            raise _refused(f"symbol_pattern = {self.symbol_pattern!r} is not allowed",
                           "a regular expression with one group")
        if self.exchange_time is None and self.receive_time is None:
            raise _refused("no column has a time", "exchange_time, receive_time, or both")
        if self.multiplier is not None and not 0.0 < self.multiplier < math.inf:
            raise _refused(f"multiplier = {self.multiplier!r} is not allowed",
                           "a positive number, finite")
        if self.inverse and self.multiplier is None:
            raise _refused("inverse = true, and the value of a contract is not said",
                           "with inverse, multiplier = quote units of a contract")
        if not VENUE_NAME.fullmatch(self.venue):
            raise _refused(f"venue = {self.venue!r} is not allowed",
                           "small letters, digits and hyphens, at most 40")
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '\r\n".':
            raise _refused(f"delimiter = {self.delimiter!r} is not allowed", "one character")
        words = [word for of_side in self.sides.values() for word in of_side]
        if len(words) > len(set(words)):
            twice = next(word for word in words if words.count(word) > 1)
            raise _refused(f"the word {twice!r} stands for two sides", "each word for one side")
        lacking = sorted(set(self.wanted) - set(self.header)) if self.header else []
        if lacking:
            raise _refused(f"the header has no column {lacking[0]!r}, which is to be read",
                           ", ".join(self.header))
        if not 1 <= self.levels <= 1000 or not 0 <= self.first_level <= 1:
            raise _refused("levels or first_level is out of range",
                           "levels from 1 to 1000, first_level 0 or 1")
        for what in COLUMNS["book_images"][0] if self.table == "book_images" else ():
            places = self.columns[what].count("{}")
            if places > 1 or (places == 0 and self.levels > 1):
                raise _refused(f"{what} = {self.columns[what]!r} is not allowed for {self.levels} "
                               "levels", "a name with {} once, for the number of the level")

    def level(self, what: str, number: int) -> str:
        """The file's column of a level of images."""
        return self.columns[what].replace("{}", str(number))

    @property
    def wanted(self) -> tuple[str, ...]:
        """The file's columns that must be there."""
        named = (self.exchange_time, self.receive_time, self.symbol_column)
        images = COLUMNS["book_images"][0] if self.table == "book_images" else ()
        theirs = [self.level(what, self.first_level) if what in images else name
                  for what, name in self.columns.items()]
        return tuple(dict.fromkeys([*filter(None, named), *theirs]))

    @property
    def digest(self) -> str:
        """Stands for all that the mapping says."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


def mappings(given: Mapping[str, NamedSettings]) -> dict[str, Mapped]:
    """The formats of the configuration by name.

    Raises
    ------
    UserError
        For a mapping that is not allowed or not whole, with the line where it stands.
    """
    return {name: _mapped(name, settings) for name, settings in given.items()}


def _mapped(name: str, given: NamedSettings) -> Mapped:
    from imbalance.captures.formats.registry import formats

    if not _NAME.fullmatch(name) or name in formats():
        raise UserError(
            f"a format cannot be called {name!r}", where=given.where,
            allowed="small letters, digits, _ and -, and none of " + ", ".join(formats()),
        )
    hints = get_type_hints(Mapped)
    hints.pop("name")
    values = values_of(given, hints, "formats of your own")
    missing = [one for one in ("table", "venue") if one not in values]
    if missing:
        raise UserError(f"format {name!r} does not say its {' and '.join(missing)}",
                        where=given.where, allowed=f"{missing[0]} = …")
    kind = values["table"]
    required, optional = COLUMNS[kind]
    values.setdefault("columns", {})
    _check(given, "columns", values["columns"], (*required, *optional), f"columns of {kind}")
    _check(given, "sides", values.get("sides", {}), SIDES.get(kind, ()), f"sides of {kind}")
    missing = [one for one in required if one not in values["columns"]]
    if missing or not values["columns"]:
        raise UserError(
            f"format {name!r} does not say which column is {', '.join(missing) or 'which'}",
            where=given.lines.get("columns", given.where),
            allowed=f"of {kind}: {', '.join((*required, *optional))}",
        )
    values["sides"] = {side: tuple(words) for side, words in values.get("sides", {}).items()}
    try:
        return Mapped(name=name, **values)
    except UserError as error:
        error.where = given.where
        raise


def _check(
    given: NamedSettings, below: str, found: Mapping[str, Any], choices: tuple[str, ...], what: str
) -> None:
    for one in found:
        if one not in choices:
            where = given.lines.get(f"{below}.{one}", given.where)
            raise unknown(one, dict.fromkeys(choices), what, where)


def _groups(pattern: str) -> int:
    try:
        return re.compile(pattern).groups
    except (re.error, OverflowError, RecursionError):
        return 0


def _refused(message: str, allowed: str) -> UserError:
    return UserError(message, allowed=allowed)


def digest_of(given: Mapping[str, NamedSettings], name: str) -> str | None:
    """What stands for the mapping of a format; None for one of the program's own."""
    return mappings({name: given[name]})[name].digest if name in given else None
