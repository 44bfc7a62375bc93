"""The DuckDB file of a generation: native tables, made anew or from the previous file.

Here: copying, replacing partitions, checking what was written. Not here: what is to be released and
whether it may be (`generations`, `gate`).
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance.contracts import RECORDED_AT, Table
from imbalance.machine import database_settings
from imbalance.store.dictionary import SCHEMA, create_catalog
from imbalance.store.files import check_file, sha256_file
from imbalance.store.macros import create_macros
from imbalance.store.manifest import DATABASE_NAME, Manifest, Released
from imbalance.store.session import create_schemas, describe
from imbalance.store.sqlfiles import quote_ident, quote_table, quote_text

if TYPE_CHECKING:
    import duckdb

STORAGE_VERSION = "v1.2.0"
"""The oldest form with everything we use, so that DuckDB 1.2 to 2.0 read the file."""

_FICLONE = 0x40049409  # Linux: share the blocks of another file until either is written
# Replacing a partition costs more than inserting it, and leaves holes in the file.
_REBUILD_SHARE = 0.5

Partitions = Mapping[str, Mapping[str, Released]]


@dataclass(frozen=True)
class Base:
    """The previous generation: where it is and what it holds."""

    path: Path
    manifest: Manifest


@dataclass(frozen=True)
class _Change:
    """What has to happen to one table. Rows leave by their `recorded_at`, which only they have."""

    leaving: Mapping[str, Released]
    coming: Mapping[str, Released]
    anew: bool


def copy_file(source: Path, target: Path) -> None:
    """Copy a file, sharing its blocks where the file system can."""
    with source.open("rb") as reading, target.open("xb") as writing, suppress(OSError):
        fcntl.ioctl(writing.fileno(), _FICLONE, reading.fileno())
        return
    shutil.copyfile(source, target)


def build_database(
    directory: Path, tables: Mapping[str, Table], partitions: Partitions, base: Base | None
) -> Path:
    """Write the generation's DuckDB file.

    Parameters
    ----------
    directory : the generation being made; the partition files named in `partitions` are in it.
    tables : definitions of the tables by name.
    partitions : what each table is to hold.
    base : the previous generation, used when most of it stays and its file is whole.

    Raises
    ------
    UserError
        If a partition file is damaged.
    RuntimeError
        If the finished file does not hold the rows it should.
    """
    import duckdb

    path = directory / DATABASE_NAME
    changes = _changes(tables, partitions, base)
    if base is None or not _worth_copying(changes, partitions) or not _copy_base(base, path):
        changes = {name: _Change({}, partitions[name], anew=True) for name in tables}
    aside = directory.with_name(f"{directory.name}-spill")  # not in the generation
    with duckdb.connect(config=database_settings(aside)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(
            f"attach {quote_text(str(path))} as release (storage_version '{STORAGE_VERSION}')"
        )
        connection.execute("use release")
        create_schemas(connection, tables.values())
        _drop_unknown(connection, tables)
        for name, change in changes.items():
            connection.execute("begin")
            _apply(connection, directory, tables[name], change)
            connection.execute("commit")
        create_macros(connection, history=False)
        create_catalog(connection, tables.values())
        connection.execute("force checkpoint release")
        _check_rows(connection, partitions)
        connection.execute("use memory")
        connection.execute("detach release")
    return path


def _changes(
    tables: Mapping[str, Table], partitions: Partitions, base: Base | None
) -> dict[str, _Change]:
    changes = {}
    for name, table in tables.items():
        after = partitions[name]
        before = base.manifest.tables.get(name) if base is not None else None
        if (
            base is None
            or before is None
            or base.manifest.definitions.get(name) != table.definition_hash()
        ):
            changes[name] = _Change({}, after, anew=True)
            continue
        leaving = {k: r for k, r in before.items() if not _same(r, after.get(k))}
        coming = {k: r for k, r in after.items() if not _same(r, before.get(k))}
        changes[name] = _Change(leaving, coming, anew=False)
    return changes


def _same(one: Released, other: Released | None) -> bool:
    return other is not None and (one.sha256, one.recorded_at) == (other.sha256, other.recorded_at)


def _worth_copying(changes: Mapping[str, _Change], partitions: Partitions) -> bool:
    total = sum(r.row_count for entries in partitions.values() for r in entries.values())
    coming = sum(r.row_count for change in changes.values() for r in change.coming.values())
    return coming <= total * _REBUILD_SHARE


def _copy_base(base: Base, target: Path) -> bool:
    """Copy the previous file; False when it is not what was published, so that damage ends here."""
    source = base.path / DATABASE_NAME
    if not source.is_file():
        return False
    copy_file(source, target)
    if sha256_file(target) == base.manifest.files.get(DATABASE_NAME):
        target.chmod(0o644)
        return True
    target.unlink()
    return False


def _drop_unknown(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Table]) -> None:
    found = connection.execute(
        "select schema_name, table_name from duckdb_tables() "
        "where database_name = 'release' and schema_name <> $catalog", {"catalog": SCHEMA}
    ).fetchall()
    for schema, name in found:
        if f"{schema}.{name}" not in tables:
            connection.execute(f"drop table {quote_ident(schema)}.{quote_ident(name)}")


def _apply(
    connection: duckdb.DuckDBPyConnection, directory: Path, table: Table, change: _Change
) -> None:
    name = quote_table(table.name)
    if change.anew:
        connection.execute(f"drop table if exists {name}")
        connection.execute(table.ddl(extra=[RECORDED_AT]))
        describe(connection, table)
    for released in change.leaving.values():
        connection.execute(
            f"delete from {name} where recorded_at = make_timestamp_ns($recorded_at)",  # noqa: S608
            {"recorded_at": released.recorded_at},
        )
    columns = ", ".join(quote_ident(column) for column in table.column_names)
    for _, released in sorted(change.coming.items()):
        if released.row_count:
            check_file(directory, released.file, released.sha256)
            connection.execute(
                f"insert into {name} by name select {columns}, "  # noqa: S608
                "make_timestamp_ns($recorded_at) as recorded_at from read_parquet($path)",
                {"recorded_at": released.recorded_at, "path": str(directory / released.file)},
            )


def _check_rows(connection: duckdb.DuckDBPyConnection, partitions: Partitions) -> None:
    for name, entries in partitions.items():
        expected = {r.recorded_at: r.row_count for r in entries.values() if r.row_count}
        found = dict(
            connection.execute(
                f"select epoch_ns(recorded_at), count(*) from {quote_table(name)} group by 1"  # noqa: S608
            ).fetchall()
        )
        if found != expected:
            raise RuntimeError(f"{name}: rows written {found}, rows to write {expected}")
