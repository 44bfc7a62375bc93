"""Rows of the long tables: collected as plain records, given their q-values, turned into Arrow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from imbalance.contracts import Table
from imbalance.store.texts import with_dictionaries
from imbalance.studies.alignment import Panel
from imbalance.studies.columns import ANY, ANY_DEPENDENCE, ANY_DEPENDENCE_SOURCE
from imbalance.studies.hypotheses import hypothesis_of
from imbalance.studies.measures import BAR_NANOSECONDS
from imbalance.studies.multiple_testing import benjamini_hochberg, benjamini_yekutieli

Row = dict[str, Any]

_DAY = 86_400_000_000_000
_AT_A_TIME = 8_192


@dataclass(frozen=True)
class Window:
    """Which part of the data a study looked at, as every row says it."""

    scope: str
    bar_size: str
    window_from: int
    window_to: int
    available_at: int

    @classmethod
    def of(cls, panel: Panel, scope: str, bar_size: str) -> Window:
        """The window of a panel."""
        return cls(scope, bar_size, panel.window_from, panel.window_to, panel.available_at)

    @classmethod
    def of_days(cls, days: Sequence[str], scope: str, bar_size: str) -> Window:
        """The window of days in which there is nothing; without days, that of the epoch."""
        first, last = (
            int(np.datetime64(day, "D").astype("datetime64[ns]").astype(np.int64))
            for day in ((days[0], days[-1]) if days else ("1970-01-01",) * 2)
        )
        return cls(scope, bar_size, first, last + _DAY, last + _DAY)


def blank(study: str, family: str, window: Window, parameters: Mapping[str, Any]) -> Row:
    """A row in which nothing is estimated yet: the caller fills in what it knows.

    The version of the definition is the task's to say, which writes it into all rows.
    """
    return {
        "study": study,
        "family": family,
        "scope": window.scope,
        "window_from": window.window_from,
        "window_to": window.window_to,
        "bar_size": window.bar_size,
        "instrument_x": ANY,
        "measure_x": ANY,
        "instrument_y": ANY,
        "measure_y": ANY,
        "lag": 0,
        "horizon": 0,
        "kind": None,
        "regime": "all",
        "n": 0,
        "n_left_out": 0,
        "parameters": json.dumps(parameters, sort_keys=True),
        "seed": None,
        "reason": None,
        "definition_version": "",
        "available_at": window.available_at,
    }


def share(n: int, left_out: int) -> float | None:
    """Coverage: bars used over bars there; null when there are none."""
    return n / (n + left_out) if n + left_out else None


def schema_of(table: Table) -> Any:
    """The Arrow form of a long table: its texts, which repeat from row to row, are dictionaries."""
    return with_dictionaries(table.arrow_schema())


def to_arrow(
    rows: Iterable[Row],
    table: Table,
    diagnostics: frozenset[str] = frozenset(),
) -> Any:
    """Rows as the table's Arrow form; see `RowTable`."""
    collected = RowTable(table, diagnostics)
    collected.extend(rows)
    return collected.finish()


class RowTable:
    """Rows of a long table, in columns from early on: as records they take ten times the memory.

    Parameters
    ----------
    table : whose rows.
    diagnostics : estimators whose p-values are not among those corrected together.
    """

    def __init__(self, table: Table, diagnostics: frozenset[str] = frozenset()) -> None:
        self._table = table
        self._diagnostics = diagnostics
        self._schema = schema_of(table)
        self._waiting: list[Row] = []
        self._parts: list[Any] = []

    def extend(self, rows: Iterable[Row]) -> None:
        """Take rows. NaN becomes null.

        Raises
        ------
        ValueError
            If a test is of a kind that the table does not declare.
        """
        coming = iter(rows)
        while some := list(islice(coming, _AT_A_TIME - len(self._waiting))):
            _name_hypotheses(some, self._table, self._diagnostics)
            self._waiting += some
            if len(self._waiting) == _AT_A_TIME:
                self._convert()

    def _convert(self) -> None:
        import pyarrow as pa

        columns = [
            _numbers([row.get(field.name) for row in self._waiting])
            if pa.types.is_floating(field.type)
            else pa.array([row.get(field.name) for row in self._waiting], field.type)
            for field in self._schema
        ]
        self._parts.append(pa.Table.from_arrays(columns, schema=self._schema))
        self._waiting = []

    def finish(self) -> Any:
        """All rows in order of the table's key, with q-values within each family.

        Tests are corrected together that have a p-value and are of one family, hypothesis, scope
        and window, over all bar sizes, but those of the estimators in `diagnostics`. The hypothesis
        is `hypotheses.hypothesis_of` the row, unless the row says it. q-values are those that the
        table declares, Benjamini and Hochberg's or Benjamini and Yekutieli's; a table with a column
        `q_value_any_dependence` has the latter there too.
        """
        import pyarrow as pa

        table = self._table
        self._convert()
        rows = pa.concat_tables(self._parts).unify_dictionaries()
        any_dependence = table.column("q_value").source == ANY_DEPENDENCE_SOURCE
        rows = _with_q_values(
            rows, "q_value", benjamini_yekutieli if any_dependence else benjamini_hochberg)
        if ANY_DEPENDENCE in table.column_names:
            rows = _with_q_values(rows, ANY_DEPENDENCE, benjamini_yekutieli)
        return rows.take(_in_order(rows, table.key))


def _numbers(values: Sequence[float | None]) -> Any:
    """Doubles; what is not finite is null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = pa.array(values, pa.float64(), from_pandas=True)
    return pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))


def _in_order(rows: Any, key: Sequence[str]) -> Any:
    """Places of the rows in the order of a key, in which sizes of bars go by their length."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {}
    for name in key:
        column = rows.column(name)
        if name == "bar_size":
            column = pa.array([BAR_NANOSECONDS.get(size, 0) for size in column.to_pylist()])
        columns[name] = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
    return pc.sort_indices(pa.table(columns), [(name, "ascending") for name in key])


def _name_hypotheses(
    rows: Sequence[Row], table: Table, diagnostics: frozenset[str]
) -> None:
    """Give rows that are tested the kind of claim that they test."""
    declared = table.column("hypothesis").allowed
    for row in rows:
        said = row.pop("hypothesis", None)
        if row["estimator"] not in diagnostics and _is_number(row.get("p_value")):
            row["hypothesis"] = said or hypothesis_of(row)
            if row["hypothesis"] not in declared:
                raise ValueError(f"{table.name} declares no tests of {row['hypothesis']}: {row}")


def _is_number(value: float | None) -> bool:
    return value is not None and bool(np.isfinite(value))


def _with_q_values(rows: Any, name: str, adjust: Callable[[Any], Any]) -> Any:
    """The rows with a column of q-values, of those that have a hypothesis."""
    import pyarrow as pa

    codes = [_codes(rows.column(of)) for of in ("family", "hypothesis", "scope")]
    tested = codes[1] >= 0
    found = np.full(len(rows), np.nan)
    p_values = rows.column("p_value").to_numpy()
    groups = np.stack(codes)[:, tested]
    for group in np.unique(groups, axis=1).T:
        mine = tested.copy()
        mine[tested] = (groups == group[:, None]).all(axis=0)
        found[mine] = adjust(p_values[mine])
    place = rows.schema.get_field_index(name)
    return rows.set_column(place, rows.schema.field(place), pa.array(found, from_pandas=True))


def _codes(texts: Any) -> Any:
    """A number for each text, −1 where null."""
    indices = texts.combine_chunks().indices
    return indices.fill_null(-1).to_numpy()
