"""The data dictionary as tables: `catalog.features` has a row per column, `catalog.lineage` what
each is made from. In every session and in every generation.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from imbalance.contracts import RECORDED_AT, Table
from imbalance.store.sqlfiles import quote_text, read_sql

if TYPE_CHECKING:
    import duckdb

SCHEMA = "catalog"
TABLES = ("features", "lineage")

ALL = "*"
"""For a column: all of the table."""

_FEATURES = "Every column of every table: what it means, its unit, its bounds, its nulls."
_LINEAGE = (
    "What each column is made from, one step: down to the captures by following it. `*` stands for "
    "all columns. Derived from the queries where queries make the column."
)

_FEATURE = {
    **dict.fromkeys(("table_name", "column_name", "type", "unit", "description", "formula"),
                    "VARCHAR"),
    "nullable": "BOOLEAN", "null_meaning": "VARCHAR", "minimum": "DOUBLE", "maximum": "DOUBLE",
    "allowed": ["VARCHAR"], "source": "VARCHAR", "owner": "VARCHAR", "version": "INTEGER",
    "grain": "VARCHAR",
}
_STEP = dict.fromkeys(
    ("table_name", "column_name", "source_table", "source_column", "derived_by"), "VARCHAR")


@cache
def lineage() -> tuple[dict[str, str], ...]:
    """One step of lineage each: table, column, source_table, source_column, derived_by."""
    text = read_sql("catalog/lineage.csv")
    return tuple(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def sources(table: str, column: str) -> list[dict[str, str]]:
    """The steps that lead to a column, those of its whole table when it has none of its own."""
    of_table = [step for step in lineage() if step["table"] == table]
    if column == ALL:
        return of_table
    own = [step for step in of_table if step["column"] == column]
    return own or [step for step in of_table if step["column"] == ALL]


def origins(table: str, column: str) -> list[tuple[str, str]]:
    """The columns of raw tables at the end of all steps; a loop in between is followed once."""
    found: dict[tuple[str, str], None] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(table, column)]
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        if key[0].startswith("raw."):
            found[key] = None
            continue
        waiting += [(step["source_table"], step["source_column"]) for step in sources(*key)]
    return sorted(found)


def create_catalog(connection: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> None:
    """Make both tables anew in the database in use, for these tables."""
    kept = list(tables)
    names = {table.name for table in kept}
    connection.execute(f"create schema if not exists {SCHEMA}")
    steps = [_step(step) for step in lineage() if step["table"] in names]
    for name, rows, shape, about in (("features", _columns(kept), _FEATURE, _FEATURES),
                                     ("lineage", steps, _STEP, _LINEAGE)):
        # As text: for values of Python's or Arrow's DuckDB first imports pandas, 0.4 s a session.
        texts = (quote_text(json.dumps(one)) for one in (rows, [shape]))
        connection.execute(f"create or replace table {SCHEMA}.{name} as select "
                           f"unnest(from_json({', '.join(texts)}), max_depth := 2)")
        connection.execute(f"comment on table {SCHEMA}.{name} is {quote_text(about)}")


def _columns(tables: Iterable[Table]) -> list[dict[str, Any]]:
    return [
        {
            "table_name": table.name, "column_name": column.name, "type": column.type,
            "unit": column.unit, "description": column.description, "formula": column.formula,
            "nullable": column.nullable, "null_meaning": column.null_meaning,
            "minimum": column.minimum, "maximum": column.maximum,
            "allowed": list(column.allowed), "source": column.source, "owner": column.owner,
            "version": column.version, "grain": table.grain,
        }
        for table in tables for column in (*table.columns, RECORDED_AT)
    ]


def _step(step: Mapping[str, str]) -> dict[str, str]:
    return {"table_name": step["table"], "column_name": step["column"],
            **{name: step[name] for name in ("source_table", "source_column", "derived_by")}}
