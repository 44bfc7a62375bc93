"""Rows of the long tables: collected as plain records, given their q-values, turned into Arrow."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from imbalance.contracts import Table
from imbalance.studies.alignment import Panel
from imbalance.studies.columns import ANY, ANY_DEPENDENCE, ANY_DEPENDENCE_SOURCE
from imbalance.studies.hypotheses import hypothesis_of
from imbalance.studies.measures import BAR_NANOSECONDS
from imbalance.studies.multiple_testing import benjamini_hochberg, benjamini_yekutieli

Row = dict[str, Any]

_DAY = 86_400_000_000_000


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


def to_arrow(
    rows: Sequence[Row],
    table: Table,
    diagnostics: frozenset[str] = frozenset(),
) -> Any:
    """Rows as the table's Arrow form: in order of its key, with q-values within each family.

    Tests are corrected together that have a p-value and are of one family, hypothesis, scope and
    window, over all bar sizes, but those of the estimators in `diagnostics`. The hypothesis is
    `hypotheses.hypothesis_of` the row, unless the row says it. q-values are those that the table
    declares, Benjamini and Hochberg's or Benjamini and Yekutieli's; a table with a column
    `q_value_any_dependence` has the latter there too. NaN becomes null.

    Raises
    ------
    ValueError
        If a test is of a kind that the table does not declare.
    """
    import pyarrow as pa

    tested = _name_hypotheses(rows, table, diagnostics)
    any_dependence = table.column("q_value").source == ANY_DEPENDENCE_SOURCE
    _add_q_values(
        tested, "q_value", benjamini_yekutieli if any_dependence else benjamini_hochberg)
    if ANY_DEPENDENCE in table.column_names:
        _add_q_values(tested, ANY_DEPENDENCE, benjamini_yekutieli)
    ordered = sorted(rows, key=lambda row: tuple(
        _size(row[name]) if name == "bar_size" else row[name] for name in table.key))
    schema = table.arrow_schema()
    columns = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        values = [row.get(name) for row in ordered]
        if pa.types.is_floating(kind):
            values = [None if v is None or not np.isfinite(v) else float(v) for v in values]
        columns.append(pa.array(values, type=kind))
    return pa.Table.from_arrays(columns, schema=schema)


def _size(bar_size: str) -> int:
    return BAR_NANOSECONDS.get(bar_size, 0)


def _name_hypotheses(
    rows: Sequence[Row], table: Table, diagnostics: frozenset[str]
) -> list[Row]:
    """The rows that get q-values, each with the kind of claim that it tests."""
    declared = table.column("hypothesis").allowed
    tested = []
    for row in rows:
        said = row.pop("hypothesis", None)
        if row["estimator"] not in diagnostics and _is_number(row.get("p_value")):
            row["hypothesis"] = said or hypothesis_of(row)
            if row["hypothesis"] not in declared:
                raise ValueError(f"{table.name} declares no tests of {row['hypothesis']}: {row}")
            tested.append(row)
    return tested


def _is_number(value: float | None) -> bool:
    return value is not None and bool(np.isfinite(value))


def _add_q_values(rows: Sequence[Row], name: str, adjust: Callable[[Any], Any]) -> None:
    members: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        members.setdefault((row["family"], row["hypothesis"], row["scope"]), []).append(row)
    for group in members.values():
        q_values = adjust(np.array([row["p_value"] for row in group], dtype=np.float64))
        for row, q_value in zip(group, q_values, strict=True):
            row[name] = float(q_value)
