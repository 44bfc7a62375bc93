"""What differs between two generations: columns, partitions, rows by key, distributions, estimates.

Only partitions whose bytes differ are read; which rows are theirs is known by `recorded_at`. Not
here: how it is told (`imbalance diff`).
"""
# ruff: noqa: S608 - names come from the generations' own definitions and are quoted

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imbalance.machine import database_settings
from imbalance.store.generations import Generation
from imbalance.store.home import Home
from imbalance.store.manifest import DEFINITIONS_NAME, Released, read_manifest
from imbalance.store.sqlfiles import quote_ident, quote_table, quote_text

if TYPE_CHECKING:
    import duckdb

_NUMBERS = ("DOUBLE", "BIGINT", "INTEGER", "UTINYINT")
_SHOWN = 10


@dataclass(frozen=True)
class ColumnChange:
    """A column of rows that are in both: how many differ, and its distribution on either side."""

    column: str
    different: int
    nulls: tuple[int, int]
    mean: tuple[float | None, float | None] = (None, None)
    deviation: tuple[float | None, float | None] = (None, None)
    largest: float | None = None


@dataclass(frozen=True)
class TableChange:
    """A table: rows of the changed partitions on either side only, and in both but different.

    `estimates` has, of a study, the rows whose estimate moved most: key, before, after.
    """

    table: str
    rows: tuple[int, int]
    partitions: Mapping[str, tuple[str, ...]]
    only_before: int = 0
    only_after: int = 0
    different: int = 0
    columns: tuple[ColumnChange, ...] = ()
    estimates: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Difference:
    """Two generations compared. `definitions` names columns `added`, `removed` or `changed`."""

    before: str
    after: str
    definitions: Mapping[str, tuple[str, ...]]
    captures: Mapping[str, tuple[str, ...]]
    tables: tuple[TableChange, ...] = field(default=())

    @property
    def same(self) -> bool:
        """Whether they hold the same, defined in the same way."""
        return not (self.tables or any(self.definitions.values()) or any(self.captures.values()))


def compare(before: Generation, after: Generation) -> Difference:
    """All that differs between two generations.

    Raises
    ------
    UserError
        If a manifest cannot be read.
    """
    import duckdb

    sooner, later = read_manifest(before.path), read_manifest(after.path)
    definitions = _definitions(before), _definitions(after)
    changes = []
    spill = Home(before.path.parents[1]).spill_dir()
    with duckdb.connect(config=database_settings(spill)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for name, generation in (("sooner", before), ("later", after)):
            connection.execute(
                f"attach {quote_text(str(generation.database))} as {name} (read_only)")
        for table in dict.fromkeys([*sooner.tables, *later.tables]):
            change = _compare_table(
                connection, table, sooner.tables.get(table, {}), later.tables.get(table, {}),
                (definitions[0].get(table), definitions[1].get(table)),
            )
            if change is not None:
                changes.append(change)
    return Difference(
        before.id, after.id, _changed_columns(*definitions),
        _changed_keys(sooner.captures, later.captures), tuple(changes),
    )


def _definitions(generation: Generation) -> dict[str, Any]:
    text = (generation.path / DEFINITIONS_NAME).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _changed_columns(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    flat = [
        {f"{table}.{column['name']}": column for table, one in side.items()
         for column in one["columns"]}
        for side in (before, after)
    ]
    return _changed_keys(*flat)


def _changed_keys(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    return {
        "added": tuple(name for name in after if name not in before),
        "removed": tuple(name for name in before if name not in after),
        "changed": tuple(n for n in before if n in after and before[n] != after[n]),
    }


def _compare_table(
    connection: duckdb.DuckDBPyConnection, table: str, before: Mapping[str, Released],
    after: Mapping[str, Released], definitions: tuple[Any, Any],
) -> TableChange | None:
    hashes = [{key: released.rows_hash for key, released in side.items()}
              for side in (before, after)]
    partitions = _changed_keys(*hashes)
    if not any(partitions.values()):
        return None
    rows = (sum(one.row_count for one in before.values()),
            sum(one.row_count for one in after.values()))
    if None in definitions:
        return TableChange(table, rows, partitions, only_before=rows[0], only_after=rows[1])
    touched = {key for keys in partitions.values() for key in keys}
    for side, released in (("sooner", before), ("later", after)):
        times = [one.recorded_at for key, one in released.items() if key in touched]
        connection.execute(
            f"create or replace temp view {side}_rows as from {side}.{quote_table(table)} "
            f"where list_contains({times}::bigint[], epoch_ns(recorded_at))"
        )
    columns = [
        column for column in definitions[1]["columns"]
        if column["name"] in {other["name"] for other in definitions[0]["columns"]}
    ]
    key = [name for name in definitions[1]["key"] if name in {c["name"] for c in columns}]
    joined = "sooner_rows a full join later_rows b on " + " and ".join(
        f"a.{quote_ident(name)} is not distinct from b.{quote_ident(name)}" for name in key)
    return _rows_and_columns(connection, table, rows, partitions, columns, key, joined)


def _rows_and_columns(
    connection: duckdb.DuckDBPyConnection, table: str, rows: tuple[int, int],
    partitions: Mapping[str, tuple[str, ...]], columns: list[Any], key: list[str], joined: str,
) -> TableChange:
    compared = [column for column in columns if column["name"] not in key]
    both = "a.recorded_at is not null and b.recorded_at is not null"
    differs = [f"a.{quote_ident(c['name'])} is distinct from b.{quote_ident(c['name'])}"
               for c in compared]
    asked = ["count_if(b.recorded_at is null)", "count_if(a.recorded_at is null)",
             f"count_if({both} and ({' or '.join(differs) or 'false'}))"]
    for column, differ in zip(compared, differs, strict=True):
        asked += _column_aggregates(column, f"{both} and {differ}")
    (values,) = connection.execute(f"select {', '.join(asked)} from {joined}").fetchall()
    changes, place = [], 3
    for column in compared:
        count, nulls_a, nulls_b, *rest = values[place: place + _width(column)]
        place += _width(column)
        if not count:
            continue
        change = ColumnChange(column["name"], count, (nulls_a, nulls_b))
        if rest:
            change = ColumnChange(column["name"], count, (nulls_a, nulls_b), (rest[0], rest[1]),
                                  (rest[2], rest[3]), rest[4])
        changes.append(change)
    estimates = []
    if "estimate" in {change.column for change in changes}:
        keys = ", ".join(f"a.{quote_ident(name)}" for name in key)
        rows_moved = connection.sql(
            f"select {keys}, a.estimate as before, b.estimate as after from {joined} "
            f"where {both} and a.estimate is distinct from b.estimate "
            f"order by abs(a.estimate - b.estimate) desc nulls first limit {_SHOWN}"
        ).to_arrow_table()
        estimates = rows_moved.to_pylist()
    return TableChange(table, rows, partitions, values[0], values[1], values[2], tuple(changes),
                       tuple(estimates))


def _width(column: Mapping[str, Any]) -> int:
    return 8 if column["type"] in _NUMBERS else 3


def _column_aggregates(column: Mapping[str, Any], differ: str) -> list[str]:
    one, other = (f"{side}.{quote_ident(column['name'])}" for side in "ab")
    asked = [
        f"count_if({differ})",
        f"count_if(a.recorded_at is not null and {one} is null)",
        f"count_if(b.recorded_at is not null and {other} is null)",
    ]
    if column["type"] in _NUMBERS:
        asked += [f"avg({one})", f"avg({other})", f"stddev_samp({one})", f"stddev_samp({other})",
                  f"max(abs({one}::double - {other}::double))"]
    return asked
