"""What a training set is to hold, read from texts: features, spans of time, moments, labels.

Everything wrong is refused here, with the nearest valid name. Not here: any query.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from imbalance import catalog
from imbalance.contracts import Table
from imbalance.errors import UserError, nearest
from imbalance.features.tables import BAR_SIZES

if TYPE_CHECKING:
    from imbalance.store.store import Store

_BAR_KEYS = {"instrument", "bar_start", "bar_end", "available_at", "poisoned"}
_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
          "d": 86400 * 10**9}
_LONGEST = 36_500 * _UNITS["d"]
_LAST_MOMENT = 2**63 - 2

LABELS = ("return", "volatility", "direction")
"""Kinds of label, all from the mid price: see `sql/macros/forward.sql`."""


@dataclass(frozen=True)
class Feature:
    """A column of a table of bars; `name` is what it is called in the data set."""

    table: str
    column: str

    @property
    def name(self) -> str:
        """`bars_1s_order_flow_imbalance`."""
        return f"{self.table.split('.', 1)[1]}_{self.column}"


@dataclass(frozen=True)
class Recipe:
    """All of a training set but its spine; times in ns.

    Parameters
    ----------
    features : what is joined, as known at each row's `time`.
    max_age : a bar that ended longer ago is not joined.
    horizons : of the labels; none: no labels.
    labels : which kinds.
    label_table : bars whose prices the labels are made from.
    folds : folds for cross-validation; 0: none.
    embargo : time after a fold's last label in which rows are not to be trained on.
    """

    features: tuple[Feature, ...]
    max_age: int
    horizons: tuple[int, ...] = ()
    labels: tuple[str, ...] = LABELS
    label_table: str = ""
    folds: int = 0
    embargo: int = 0

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables of the features, in the order they are first named."""
        return tuple(dict.fromkeys(feature.table for feature in self.features))

    def as_dict(self) -> dict[str, Any]:
        """The same in JSON's types."""
        return asdict(self)


def make_recipe(
    features: Sequence[str],
    *,
    max_age: str = "60s",
    horizons: Sequence[str] = (),
    labels: Sequence[str] = LABELS,
    label_bars: str | None = None,
    folds: int = 0,
    embargo: str = "0s",
) -> Recipe:
    """A recipe from texts as a user writes them: `10s`, `bars_1s.order_flow_imbalance`.

    Raises
    ------
    UserError
        If a name or a span is not known, or a horizon is not a multiple of the label's bars.
    """
    if not features:
        raise UserError("no feature is named", where="features",
                        allowed="TABLE.COLUMN, such as bars_1s.order_flow_imbalance",
                        fix="imbalance search WORDS finds columns")
    found = tuple(dict.fromkeys(find_feature(name) for name in features))
    spans = tuple(dict.fromkeys(parse_span(text, "horizon") for text in horizons))
    size = label_bars or finest_bars([feature.table for feature in found])
    if size not in BAR_SIZES:
        raise UserError(f"there are no bars of {size!r}", where="label bars",
                        allowed=", ".join(BAR_SIZES))
    odd = [text for text, span in zip(horizons, spans, strict=False) if span % BAR_SIZES[size]]
    if odd or 0 in spans:
        raise UserError(
            f"a horizon of {odd[0] if odd else '0'} is not a multiple of the {size} bars that "
            "labels are made from", where="horizon", allowed=f"multiples of {size}",
            fix="give other label bars",
        )
    unknown = [label for label in labels if label not in LABELS]
    if unknown:
        close = nearest(unknown[0], list(LABELS))
        raise UserError(f"there is no label {unknown[0]!r}"
                        + (f"; did you mean {close!r}?" if close else ""),
                        where="labels", allowed=", ".join(LABELS))
    if folds and not spans:
        raise UserError("folds are purged by the labels' horizons, and there are none",
                        where="folds", fix="give a horizon")
    return Recipe(
        features=found, max_age=parse_span(max_age, "maximum age"), horizons=spans,
        labels=tuple(dict.fromkeys(labels)), label_table=f"features.bars_{size}", folds=folds,
        embargo=parse_span(embargo, "embargo"),
    )


def bar_tables() -> dict[str, Table]:
    """The tables from which features are joined: those of bars, with the time they were known."""
    return {name: table for name, table in catalog.tables().items()
            if set(table.column_names) >= _BAR_KEYS and table.published}


def find_feature(name: str) -> Feature:
    """The column of that name, `bars_1s.order_flow_imbalance` with or without the layer.

    Raises
    ------
    UserError
        If there is none; names the nearest.
    """
    known = {f"{table.base_name}.{column}": Feature(table.name, column)
             for table in bar_tables().values() for column in table.column_names}
    wanted = name.removeprefix("features.")
    if wanted in known:
        return known[wanted]
    same_table = [one for one in known if one.split(".")[0] == wanted.split(".")[0]]
    close = nearest(wanted, same_table or list(known))
    raise UserError(
        f"there is no feature {name!r}" + (f"; did you mean {close!r}?" if close else ""),
        where="features", allowed="TABLE.COLUMN, with a table of "
        + ", ".join(table.base_name for table in bar_tables().values()),
        fix="imbalance search WORDS finds columns; imbalance describe TABLE lists them",
    )


def finest_bars(tables: Sequence[str]) -> str:
    """The smallest bar size among tables of bars, 1s when none is one of plain bars."""
    sizes = [size for size in BAR_SIZES if f"features.bars_{size}" in tables]
    return sizes[0] if sizes else "1s"


def parse_span(text: str, where: str) -> int:
    """A span of time such as `500ms`, `10s`, `5m` or `1h`, in ns.

    Raises
    ------
    UserError
        If it is none.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|ms|s|m|h|d)\s*", text)
    if match is None:
        raise UserError(f"{text!r} is no span of time", where=where,
                        allowed="a number and one of " + ", ".join(_UNITS) + ", such as 10s")
    span = float(match[1]) * _UNITS[match[2]]
    if span > _LONGEST:
        raise UserError(f"{text!r} is too long a span of time", where=where, allowed="up to 36500d")
    return round(span)


def span_text(span: int) -> str:
    """A span as text, in the largest unit that keeps it whole: the reverse of `parse_span`."""
    unit = max((u for u in _UNITS if span % _UNITS[u] == 0), key=_UNITS.__getitem__)
    return f"{span // _UNITS[unit]}{unit}"


def parse_moment(value: str | datetime.date, where: str) -> int:
    """A moment in ns since the epoch, from a date, a time or their text; UTC unless it says so.

    Raises
    ------
    UserError
        If it is none.
    """
    try:
        if isinstance(value, str):
            value = datetime.datetime.fromisoformat(value)
        if not isinstance(value, datetime.datetime):
            value = datetime.datetime(value.year, value.month, value.day)  # noqa: DTZ001
        if value.tzinfo is None:
            value = value.replace(tzinfo=datetime.UTC)
        since = value - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        moment = (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
    except (ValueError, OverflowError):
        raise UserError(f"{value!r} is no time", where=where,
                        allowed="such as 2024-08-08 or 2024-08-08T23:58:00, UTC") from None
    if abs(moment) > _LAST_MOMENT:
        raise UserError(f"{str(value)!r} is beyond the times of 64 bits in ns", where=where,
                        allowed="1677-09-22 to 2262-04-11")
    return moment


def moment_text(moment: int) -> str:
    """A moment as text to the second, UTC: the reverse of `parse_moment`."""
    return str(datetime.datetime.fromtimestamp(moment // 10**9, datetime.UTC).replace(tzinfo=None))


def recorded_by(store: Store, as_of: str | datetime.date, where: str) -> int:
    """The ledger's sequence by that moment.

    Raises
    ------
    UserError
        If nothing had been recorded by then: the moment is taken for one of the market.
    """
    sequence = store.ledger.sequence_at(parse_moment(as_of, where))
    earliest = store.ledger.history(at=1)
    if sequence == 0 and earliest:
        raise UserError(
            f"nothing had been recorded here by {as_of}", where=where,
            allowed=f"from {moment_text(earliest[0].recorded_at)} UTC, when the first was",
            fix="as-of is the time of recording; for the market's time give limits",
        )
    return sequence
