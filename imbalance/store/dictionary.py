"""The data dictionary as tables: `catalog.features` has a row per column, `catalog.lineage` what
each is made from. In every session and in every generation.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from imbalance.contracts import RECORDED_AT, Table
from imbalance.store.sqlfiles import quote_text, read_sql

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

SCHEMA = "catalog"
TABLES = ("features", "lineage")

ALL = "*"
"""For a column: all of the table."""

_FEATURES = "Every column of every table: what it means, its unit, its bounds, its nulls."
_LINEAGE = (
    "What each column is made from, one step: down to the captures by following it. `*` stands for "
    "all columns. Derived from the queries where queries make the column."
)


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
    steps = [step for step in lineage() if step["table"] in names]
    for name, rows, about in (("features", _columns(kept), _FEATURES),
                              ("lineage", _steps(steps), _LINEAGE)):
        connection.register("dictionary_rows", rows)
        connection.execute(f"create or replace table {SCHEMA}.{name} as from dictionary_rows")
        connection.unregister("dictionary_rows")
        connection.execute(f"comment on table {SCHEMA}.{name} is {quote_text(about)}")


def _columns(tables: Iterable[Table]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.json

    rows = [
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
    string, number = pa.string(), pa.float64()
    schema = pa.schema([
        ("table_name", string), ("column_name", string), ("type", string), ("unit", string),
        ("description", string), ("formula", string), ("nullable", pa.bool_()),
        ("null_meaning", string), ("minimum", number), ("maximum", number),
        ("allowed", pa.list_(string)), ("source", string), ("owner", string),
        ("version", pa.int32()), ("grain", string),
    ])
    # By way of JSON: from Python's objects Arrow would first import pandas, 0.3 s in each session.
    text = "\n".join(json.dumps(row) for row in rows).encode()
    return pyarrow.json.read_json(
        pa.BufferReader(text), parse_options=pyarrow.json.ParseOptions(explicit_schema=schema)
    )


def _steps(steps: list[dict[str, str]]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv

    names = ("table_name", "column_name", "source_table", "source_column", "derived_by")
    types = dict.fromkeys(names, pa.string())
    if not steps:
        return pa.schema(types).empty_table()
    lines = ["\t".join(names), *("\t".join(step.values()) for step in steps)]
    return pyarrow.csv.read_csv(
        pa.BufferReader("\n".join(lines).encode()),
        parse_options=pyarrow.csv.ParseOptions(delimiter="\t"),
        convert_options=pyarrow.csv.ConvertOptions(column_types=types),
    )
