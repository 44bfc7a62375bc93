"""SQL over the current files: a DuckDB connection with every table of the catalog as a view.

A session reads at one sequence of the ledger and may read the files of that sequence, nothing
else. Not here: sessions over published generations (`generations`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance import catalog
from imbalance.contracts import RECORDED_AT, SUPERSEDED_AT, Column, Table
from imbalance.errors import UserError
from imbalance.machine import database_settings
from imbalance.store.absent import (
    MISSING,
    UNREADABLE,
    first_unreadable,
    is_parquet,
    refusing_view,
)
from imbalance.store.dictionary import create_catalog
from imbalance.store.files import file_schema, schema_hash
from imbalance.store.history import SUFFIX, Version, versions
from imbalance.store.macros import create_macros
from imbalance.store.sqlfiles import quote_ident, quote_table, quote_text, read_sql

if TYPE_CHECKING:

    import duckdb

    from imbalance.store.home import Home
    from imbalance.store.store import Store

LOCKDOWN = (
    "set autoload_known_extensions = false",
    "set autoinstall_known_extensions = false",
    "set allow_community_extensions = false",
    "set allow_persistent_secrets = false",
    "set python_enable_replacements = false",
    "set enable_external_access = false",
    "set lock_configuration = true",
)
"""Run last: no extension, no secret, no file but those allowed before, and no way back."""


def open_session(
    store: Store, at: int | None = None, *, described: bool = True
) -> duckdb.DuckDBPyConnection:
    """A locked-down connection over the files that were current at ledger sequence `at`.

    The sequence is kept in the session's variable `ledger_sequence`. Comments take half of
    the time it costs to open one: who asks questions of their own only does without (`described`).
    A table of which a file is missing refuses whoever asks it (`absent`).

    Raises
    ------
    UserError
        If the ledger has no such sequence.
    """
    last = store.ledger.last_sequence()
    sequence = last if at is None else at
    if not 0 <= sequence <= last:
        raise UserError(
            f"the ledger has no sequence {sequence}", where="at", allowed=f"0 to {last}"
        )
    known = versions(store.ledger, sequence)
    connection = _connection(store)
    create_schemas(connection, store.tables.values())
    paths: list[str] = []
    for table in store.tables.values():
        found = _Files.of(store.home, known.get(table.name, []))
        for one, files in ((table, found.current), (history_of(table), found.there)):
            _create_view(connection, one, files, found.missing)
        if described:
            describe(connection, table, kind="view")
            # A comment costs 0.1 ms: of history's columns only the one it has alone gets one.
            describe(connection, history_of(table), "view", [SUPERSEDED_AT])
        paths.extend(path for path, _ in found.there)
    create_macros(connection)
    create_catalog(connection, store.tables.values())
    if "raw.book_updates" in store.tables:
        connection.execute(read_sql("raw/book_levels.sql"))
        if described:
            describe(connection, catalog.views()["raw.book_levels"], kind="view")
    connection.execute(f"set variable ledger_sequence = {int(sequence)}")
    _lock_down(connection, paths)
    return connection


def open_survey(store: Store, tables: Sequence[str]) -> duckdb.DuckDBPyConnection:
    """A locked-down connection over the files of some tables that are current and can be read: to
    ask how a home fares, which has to be told of one with a missing file too.
    """
    sequence = store.ledger.last_sequence()
    connection = _connection(store)
    asked = [store.table(name) for name in tables]
    create_schemas(connection, asked)
    paths: list[str] = []
    for table in asked:
        known = versions(store.ledger, sequence, table.name).get(table.name, [])
        files = [one for one in _Files.of(store.home, known).current if is_parquet(Path(one[0]))]
        connection.execute(view_sql(table, files))
        paths.extend(path for path, _ in files)
    _lock_down(connection, paths)
    return connection


def _create_view(
    connection: duckdb.DuckDBPyConnection, table: Table, files: Sequence[_File],
    missing: Path | None,
) -> None:
    import duckdb
    import pyarrow as pa

    if missing is not None:
        connection.execute(refusing_view(table, missing, MISSING))
        return
    try:
        connection.execute(view_sql(table, files))
    except (duckdb.Error, pa.ArrowException, OSError):
        spoilt = first_unreadable(path for path, _ in files)
        if spoilt is None:
            raise
        connection.execute(refusing_view(table, spoilt, UNREADABLE))


def _connection(store: Store) -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(config=database_settings(store.home.spill_dir()))
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set parquet_metadata_cache = true")  # the files never change
    return connection


def _lock_down(connection: duckdb.DuckDBPyConnection, paths: Iterable[str]) -> None:
    connection.execute(f"set allowed_paths = {_text_list(paths)}")
    for statement in LOCKDOWN:
        connection.execute(statement)


def create_schemas(connection: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> None:
    """One schema a layer, those without tables as well."""
    for layer in dict.fromkeys([*catalog.LAYERS, *(table.layer for table in tables)]):
        connection.execute(f"create schema if not exists {quote_ident(layer)}")


def describe(
    connection: duckdb.DuckDBPyConnection, table: Table, kind: str = "table",
    columns: Sequence[Column] | None = None,
) -> None:
    """`COMMENT ON` the table and each of its columns (or of those given), from the registry."""
    name = quote_table(table.name)
    about = quote_text(f"{table.description} Grain: {table.grain}.")
    statements = [f"comment on {kind} {name} is {about}"]
    for column in (*table.columns, RECORDED_AT) if columns is None else columns:
        field = f"{name}.{quote_ident(column.name)}"
        statements.append(f"comment on column {field} is {quote_text(column.comment())}")
    connection.execute(";\n".join(statements))  # one call: each costs as much as half a comment


def history_of(table: Table) -> Table:
    """The view of all versions of a table's rows, declared like the table."""
    return replace(
        table,
        name=f"{table.name}{SUFFIX}",
        description=f"Every version of the rows of {table.name}, superseded ones included.",
        grain=f"{table.grain}, and version",
        columns=(*table.columns, SUPERSEDED_AT),
        published=False,
    )


_File = tuple[str, Version]


@dataclass(frozen=True)
class _Files:
    """Versions of a table's partitions with the path of their file, and that of a current one which
    is missing. An old one may have been given up.
    """

    current: list[_File]
    there: list[_File]
    missing: Path | None

    @classmethod
    def of(cls, home: Home, versions: Iterable[Version]) -> _Files:
        there: list[_File] = []
        missing = None
        for version in versions:
            path = home.file(version.file)
            if path.is_file():
                there.append((str(path), version))
            elif version.is_current:
                missing = missing or path
        return cls([file for file in there if file[1].is_current], there, missing)


def view_sql(table: Table, files: Iterable[_File]) -> str:
    """`CREATE VIEW` of a table over files, typed and empty when there are none.

    Files of another shape than today's, which the next run replaces, show null for the columns
    they do not have.
    """
    groups: dict[str, list[_File]] = {}
    for path, version in files:
        groups.setdefault(version.schema_hash, []).append((path, version))
    selects = [_select_files(table, shape, group) for shape, group in groups.items()]
    body = "\nunion all\n".join(selects) if selects else _select_nothing(table)
    return f"create view {quote_table(table.name)} as\n{body}"


def _select_files(table: Table, shape: str, files: Sequence[_File]) -> str:
    import pyarrow.parquet as pq

    today = shape == schema_hash(table)
    present = set((file_schema(table) if today else pq.read_schema(files[0][0])).names)
    times = {
        RECORDED_AT.name: _time_by_file([version.recorded_at for _, version in files]),
        SUPERSEDED_AT.name: _time_by_file([version.superseded_at for _, version in files]),
    }
    columns = ", ".join(
        quote_ident(c.name) if c.name in present
        else f"{times.get(c.name, f'null::{c.type}')} as {quote_ident(c.name)}"
        for c in (*table.columns, RECORDED_AT)
    )
    return f"select {columns}\nfrom read_parquet({_text_list(path for path, _ in files)})"


def _time_by_file(times: Sequence[int | None]) -> str:
    # By the place of the file in the list: a join on its name would cost every query, this costs
    # only those that ask for the column.
    listed = ", ".join("null" if time is None else str(time) for time in times)
    return f"make_timestamp_ns(list_extract([{listed}]::bigint[], file_index::bigint + 1))"


def _select_nothing(table: Table) -> str:
    columns = ", ".join(
        f"null::{c.type} as {quote_ident(c.name)}" for c in (*table.columns, RECORDED_AT)
    )
    return f"select {columns} where false"


def _text_list(texts: Iterable[str]) -> str:
    return "[" + ", ".join(quote_text(text) for text in texts) + "]::varchar[]"


# Comments as DuckDB reads them, and never more than it does: what is taken for a comment here and
# is none there would be a statement nobody has looked at. Those with another inside do not match.
_SPACE = r"(?:\s|--[^\r\n]*+|/\*(?:(?!/\*|\*/).)*+\*/)*+"
_READS = re.compile(_SPACE + r"(?:pivot|select|with|from|\()", re.IGNORECASE | re.DOTALL)
_ASIDE = re.compile(
    _SPACE + r"create\s+(?:or\s+replace\s+)?temp(?:orary)?\s+table\b", re.IGNORECASE | re.DOTALL
)
_EXPLAIN = re.compile(
    rf"\A{_SPACE}explain\b{_SPACE}(?:analyze\b{_SPACE})?(?:\((?:analyze|format)\b[\w\s,]*\))?",
    re.IGNORECASE | re.DOTALL,
)


def check_query(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Refuse SQL that would do more than read, or of which only the last part would be answered.
    Temporary tables may be made before the query, which names them: they end with the session.

    A session may open its own files, and DuckDB does not tell opening for reading from opening for
    writing: `COPY … TO` could overwrite a partition file.

    Raises
    ------
    UserError
        If it is anything but one query and what it is of, or the text cannot be parsed.
    """
    import duckdb

    try:
        statements = connection.extract_statements(query)
    except duckdb.Error as error:
        raise UserError(f"the query cannot be read: {error}", where="query") from None
    if not statements:
        raise UserError("the query is empty", where="query", allowed="select …")
    # Of a PIVOT whose values it has to find DuckDB makes a CREATE without a text, then the query.
    statements = [s for s in statements
                  if s.type != duckdb.StatementType.CREATE or s.query.strip()]
    # a query is last; without one there is nothing to answer
    aside = [s for s in statements[:-1]
             if s.type == duckdb.StatementType.CREATE and _ASIDE.match(s.query)]
    statements = [s for s in statements if s not in aside]
    for statement in statements:
        # DuckDB 2 tells of a PIVOT, alone or in a COPY, only that it is more than one statement.
        pivot = statement.type.name == "MULTI" and _READS.match(statement.query)
        if statement.type == duckdb.StatementType.EXPLAIN:
            explained, found = _EXPLAIN.subn("", statement.query, count=1)
            if not found:
                raise UserError(
                    "the query to be explained is not to be made out",
                    where=f"query: {statement.query.strip()[:80]}",
                    allowed="explain, explain analyze or explain (format …), then a query",
                )
            check_query(connection, explained)
        elif statement.type != duckdb.StatementType.SELECT and not pivot:
            raise UserError(
                f"only queries are allowed, this is {statement.type.name}",
                where=f"query: {statement.query.strip()[:80]}",
                allowed="select, from, with, describe, summarize, show, explain, pivot; before it "
                "create temp table … as …",
            )
    if len(statements) > 1:
        raise UserError(
            f"there are {len(statements)} queries, and only the last would be answered",
            where=f"query: {query.strip()[:80]}", allowed="one query",
            fix="ask them one by one, or name parts of one: with a as (…), b as (…) select …",
        )
