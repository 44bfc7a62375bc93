"""Partition files: Parquet, named by what is in them, written aside and put in place whole.

The same rows written in any cutting give the same bytes, so that a file's name says its content and
a name that exists never has to be written again. Not here: which file is current (`ledger`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance.beside import Beside
from imbalance.contracts import Column, Table
from imbalance.errors import EXIT_FAILED, UserError
from imbalance.store.home import Home

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

# Small groups let a query for an hour or an instrument skip most of a file; below this size the
# footers begin to cost more than the skipping saves. Level 1 writes at twice the speed of level 3
# for a tenth more bytes, delta coding of times and counts saves a fifth and costs nothing. Lists
# hold levels of books, whose prices and sizes come again and again: a dictionary of them halves the
# file and saves a sixth of the time, since less is left to compress. Single prices gain nothing.
# Rows with lists, or of a hundred columns, are many times as large as others: groups of fewer of
# them do not have to be waited for at the end, take a quarter of the memory, and make files hardly
# larger. Many values at a time are encoded in a tenth less time than the few that are the default.
_ROW_GROUP_ROWS = 65_536
_ROW_GROUP_ROWS_OF_LARGE = 16_384
_MOST_COLUMNS_OF_SMALL = 40
_VALUES_AT_A_TIME = 65_536
_COMPRESSION_LEVEL = 1
_DELTA_TYPES = ("BIGINT", "INTEGER", "TIMESTAMP_NS")
_NAME_DIGITS = 16

_ROWS_AHEAD = 2 * _ROW_GROUP_ROWS
"""Rows that may wait to be encoded: as many as keep the encoder busy, and do not let those who make
them wait for it."""


@dataclass(frozen=True)
class StagedFile:
    """A finished file which is not in its place yet."""

    path: Path
    sha256: str
    rows_hash: str
    row_count: int


@cache
def file_schema(table: Table) -> pa.Schema:
    """Arrow schema of the table's files.

    Everything may be null in a file: whether that is allowed is judged by the gate, which can name
    the rows, and not by the format, which cannot.
    """
    import pyarrow as pa

    return pa.schema([field.with_nullable(True) for field in table.arrow_schema()])


@cache
def schema_hash(table: Table) -> str:
    """Changes when a column of the table's files is added, removed, renamed or retyped."""
    shape = [(field.name, str(field.type)) for field in file_schema(table)]
    return hashlib.sha256(repr(shape).encode()).hexdigest()[:_NAME_DIGITS]


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make a file's bytes survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def relative_name(table: Table, sha256: str) -> str:
    """Where a file of the table with these bytes stands, relative to the home."""
    return f"tables/{table.layer}/{table.base_name}/{sha256[:_NAME_DIGITS]}.parquet"


def place(home: Home, table: Table, staged: StagedFile) -> str:
    """Put a staged file in its place and return its name relative to the home.

    A file of that name is kept when its bytes are right. When they are not, it has been damaged
    since, and the good one takes its place. To be called under the shared sweep lock, held until
    the ledger names the file.
    """
    name = relative_name(table, staged.sha256)
    target = home.file(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and sha256_file(target) == staged.sha256:
        staged.path.unlink()
    else:
        staged.path.chmod(0o444)
        staged.path.replace(target)
        sync_directory(target.parent)
    return name


def check_file(root: Path, name: str, sha256: str) -> Path:
    """The path of a file below a home or a generation, after comparing its bytes with its hash.

    Raises
    ------
    UserError
        If it is missing or damaged. Parquet readers would take most damage for data.
    """
    path = root / name
    if not path.is_file():
        what = f"{name} is missing"
    elif sha256_file(path) != sha256:
        what = f"{name} is damaged: its bytes are not those that were written"
    else:
        return path
    raise UserError(
        what,
        where=str(path),
        fix="delete the file if it is there: the next `imbalance run` builds it again",
        exit_code=EXIT_FAILED,
    )


def _repeating(column: Column) -> str | None:
    """Parquet's path of a column whose values repeat within a row group, None for others."""
    if column.type == "VARCHAR":
        return column.name
    return f"{column.name}.list.element" if column.type == "DOUBLE[]" else None


def group_rows(table: Table) -> int:
    """Rows in a row group."""
    lists = any(column.type == "DOUBLE[]" for column in table.columns)
    large = lists or len(table.columns) > _MOST_COLUMNS_OF_SMALL
    return _ROW_GROUP_ROWS_OF_LARGE if large else _ROW_GROUP_ROWS


class PartitionWriter:
    """Writes the rows of one table and partition into a file aside.

    Rows go in the order of `table.order`; the writer does not sort. Groups of rows are hashed and
    encoded by a thread of the writer's own while the next are made. Memory is bounded by a few row
    groups, however the rows are cut into batches.
    """

    def __init__(self, home: Home, table: Table) -> None:
        from imbalance.store.rowhash import RowHasher
        from imbalance.store.texts import with_dictionaries

        self._schema = with_dictionaries(file_schema(table))
        self._table = table
        self._group_rows = group_rows(table)
        self._path = home.staging_dir / f"{uuid.uuid4().hex}.parquet"
        self._hasher = RowHasher(file_schema(table))
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._encoder = Beside("encode", _ROWS_AHEAD // self._group_rows)
        home.staging_dir.mkdir(parents=True, exist_ok=True)
        try:
            self._writer = self._open()
        except OSError:
            self._path.unlink(missing_ok=True)
            raise

    def _open(self) -> pq.ParquetWriter:
        import pyarrow.parquet as pq

        columns = self._table.columns
        return pq.ParquetWriter(
            self._path,
            self._schema,
            version="2.6",
            compression="zstd",
            compression_level=_COMPRESSION_LEVEL,
            use_dictionary=[path for c in columns if (path := _repeating(c))] or False,
            column_encoding={
                c.name: "DELTA_BINARY_PACKED" for c in columns if c.type in _DELTA_TYPES
            }
            or None,
            store_schema=False,
            write_batch_size=_VALUES_AT_A_TIME,
        )

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Add rows with exactly the table's columns, in any order of columns; texts plain or as
        dictionaries.

        Raises
        ------
        ValueError
            If a column is missing, is not in the registry, or its values do not fit its type.
        """
        import pyarrow as pa

        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
        table = self._conform(table)
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        if self._waiting_rows >= self._group_rows:
            self._flush(keep=self._waiting_rows % self._group_rows)

    def _conform(self, table: pa.Table) -> pa.Table:
        import pyarrow as pa

        if table.schema.equals(self._schema):
            return table
        expected, found = set(self._schema.names), set(table.column_names)
        if expected != found:
            missing, unknown = sorted(expected - found), sorted(found - expected)
            raise ValueError(
                f"{self._table.name}: columns missing: {missing}, not in the registry: {unknown}"
            )
        try:
            columns = [
                column if (column := table[field.name]).type == field.type
                else column.cast(field.type)
                for field in self._schema
            ]
        except pa.ArrowInvalid as error:
            raise ValueError(f"{self._table.name}: {error}") from error
        return pa.Table.from_arrays(columns, schema=self._schema)

    def _flush(self, keep: int) -> None:
        import pyarrow as pa

        rows = pa.concat_tables(self._waiting)
        ready = rows.num_rows - keep
        for start in range(0, ready, self._group_rows):
            group = rows.slice(start, min(self._group_rows, ready - start))
            self._encoder.do(self._encode, group)
        # Copied: a slice would keep the whole batch in memory until the next group is full.
        self._waiting = [rows.slice(ready).combine_chunks()] if keep else []
        self._waiting_rows = keep

    def _encode(self, group: pa.Table) -> None:
        import pyarrow as pa

        from imbalance.store.texts import in_order_of_use

        columns = [column.combine_chunks() for column in group.columns]
        whole = pa.Table.from_arrays(
            [in_order_of_use(c) if pa.types.is_dictionary(c.type) else c for c in columns],
            schema=self._schema,
        )
        self._hasher.update(whole)
        self._writer.write_table(whole, row_group_size=self._group_rows)

    def finish(self) -> StagedFile:
        """Close the file, bring it to the disk and hash it."""
        if self._waiting:
            self._flush(keep=0)
        self._encoder.finish()
        self._encoder.end()
        self._writer.close()
        sync_file(self._path)
        return StagedFile(
            self._path, sha256_file(self._path), self._hasher.hexdigest(), self._hasher.row_count
        )

    def abort(self) -> None:
        """Give up: nothing of it stays."""
        self._encoder.end()
        with contextlib.suppress(OSError):  # a full disk refuses its last bytes too
            self._writer.close()
        self._path.unlink(missing_ok=True)
