"""`materialise`: the only way in which partitions are written.

A task reads partitions, writes partitions, and commits all of them at once. It does nothing when
what it would read, its parameters and its version are those of the last time. Not here: what tasks
compute, and in which order they run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from imbalance.errors import UserError, in_a_line, raise_interruption
from imbalance.machine import database_settings
from imbalance.store.files import (
    PartitionWriter,
    StagedFile,
    check_file,
    file_schema,
    place,
    schema_hash,
)
from imbalance.store.ledger import Entry, NewEntry
from imbalance.store.locks import hold
from imbalance.store.staleness import ABSENT, why_stale

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from imbalance.store.store import Store

_BATCH_ROWS = 65_536


@dataclass(frozen=True)
class TaskResult:
    """What a task did: rows by output table, seconds, and what its `build` returned."""

    status: Literal["built", "unchanged"]
    rows: Mapping[str, int]
    seconds: float
    metadata: Mapping[str, Any] = field(default_factory=dict)


class TaskContext:
    """What a task may touch: the inputs it has declared, as they were at its start; its outputs."""

    def __init__(
        self, store: Store, outputs: Sequence[str], inputs: Mapping[tuple[str, str], Entry | None],
        made_from: tuple[str, str],
    ) -> None:
        self._store = store
        self._inputs = inputs
        self._outputs = tuple(outputs)
        self._made_from = made_from  # hash of inputs and parameters, version
        self._checked: dict[tuple[str, str], Path] = {}
        self._writers: dict[str, PartitionWriter] = {}
        self._connections: list[duckdb.DuckDBPyConnection] = []

    def path(self, table: str, partition: str) -> Path | None:
        """The file of an input, its bytes checked, or None when the input has none.

        Raises
        ------
        KeyError
            If the input was not declared: the task would not run again when it changes.
        UserError
            If the file is damaged or missing.
        """
        key = (table, partition)
        if key not in self._inputs:
            raise KeyError(f"{table} [{partition}] is not a declared input of this task")
        entry = self._inputs[key]
        if entry is None or entry.file is None or entry.sha256 is None:
            return None
        if key not in self._checked:
            self._checked[key] = check_file(self._store.home.root, entry.file, entry.sha256)
        return self._checked[key]

    def row_count(self, table: str, partition: str) -> int:
        """How many rows an input has; KeyError as `path`."""
        entry = self._inputs[table, partition]
        return 0 if entry is None else entry.row_count

    def read(
        self, table: str, partition: str, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """An input as an Arrow table, empty when it has no file."""
        import pyarrow.parquet as pq

        path = self.path(table, partition)
        if path is None:
            return _project(file_schema(self._store.table(table)), columns).empty_table()
        with pq.ParquetFile(path) as file:
            return file.read(columns=None if columns is None else list(columns))

    def batches(
        self,
        table: str,
        partition: str,
        columns: Sequence[str] | None = None,
        batch_rows: int = _BATCH_ROWS,
        dictionaries: bool = False,
    ) -> Iterator[pa.RecordBatch]:
        """An input as a stream of Arrow batches, in the order in which it was written; its texts
        as `dictionaries`, which are read and grouped by at less cost, or plain.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.path(table, partition)
        if path is None:
            return
        schema = file_schema(self._store.table(table))
        texts = [field.name for field in schema if dictionaries and pa.types.is_string(field.type)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            yield from file.iter_batches(
                batch_size=batch_rows, columns=None if columns is None else list(columns)
            )

    def made_alike(self, table: str, partition: str) -> pa.Table | None:
        """Rows of another partition of an output, if they were made from what this task reads.

        The same contents of the same inputs, the same parameters and the same version: a
        computation that does not look at its partition would give these rows again.
        """
        import pyarrow.parquet as pq

        entry = self._store.ledger.current(table, partition)
        if (
            entry is None
            or entry.file is None
            or entry.sha256 is None
            or (entry.inputs_hash, entry.definition_version) != self._made_from
            or entry.schema_hash != schema_hash(self._store.table(table))
        ):
            return None
        with pq.ParquetFile(check_file(self._store.home.root, entry.file, entry.sha256)) as file:
            return file.read()

    def writer(self, table: str) -> PartitionWriter:
        """The writer of an output; the same one at every call.

        Raises
        ------
        KeyError
            If the table is not an output of this task.
        """
        if table not in self._outputs:
            raise KeyError(f"{table} is not an output of this task")
        if table not in self._writers:
            self._writers[table] = PartitionWriter(self._store.home, self._store.table(table))
        return self._writers[table]

    def start_over(self) -> None:
        """Drop all that has been written to the outputs: their writers begin anew."""
        self._abort()
        self._writers.clear()

    def connect(self) -> duckdb.DuckDBPyConnection:
        """An empty DuckDB database in memory, times in UTC, which takes this process' part of the
        memory and spills into the staging directory.

        It is closed when the task ends.
        """
        import duckdb

        connection = duckdb.connect(
            config={
                **database_settings(self._store.home.spill_dir()),
                "autoload_known_extensions": "false",
                "autoinstall_known_extensions": "false",
            }
        )
        connection.execute("set TimeZone = 'UTC'")
        self._connections.append(connection)
        return connection

    def _close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _finish(self) -> dict[str, StagedFile]:
        writers = [self.writer(table) for table in self._outputs]
        # side by side: what they do is wait for the disk
        with ThreadPoolExecutor(len(writers), thread_name_prefix="finish") as pool:
            return dict(zip(self._outputs, pool.map(PartitionWriter.finish, writers), strict=True))

    def _abort(self) -> None:
        for writer in self._writers.values():
            writer.abort()


def _project(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    import pyarrow as pa

    return schema if columns is None else pa.schema([schema.field(name) for name in columns])


def hash_inputs(
    inputs: Mapping[tuple[str, str], Entry | None], parameters: Mapping[str, Any]
) -> str:
    """SHA-256 over the contents of all inputs and the parameters, whatever their order."""
    return hashlib.sha256(inputs_text(inputs, parameters).encode()).hexdigest()


def inputs_text(
    inputs: Mapping[tuple[str, str], Entry | None], parameters: Mapping[str, Any]
) -> str:
    """All inputs, by the hash of their contents, and the parameters, in one order.

    `parameters` must be JSON: texts, numbers, booleans, lists and mappings of them.
    """
    read = sorted(
        (table, partition, ABSENT if entry is None else entry.sha256)
        for (table, partition), entry in inputs.items()
    )
    return json.dumps([read, parameters], sort_keys=True, allow_nan=False)


def is_current(
    store: Store,
    *,
    outputs: Sequence[str],
    partition: str,
    inputs: Sequence[tuple[str, str]],
    version: str,
    parameters: Mapping[str, Any] | None = None,
) -> bool:
    """Whether `materialise` with these arguments would find everything unchanged."""
    pinned = {key: store.ledger.current(*key) for key in inputs}
    text = inputs_text(pinned, parameters or {})
    digest = hashlib.sha256(text.encode()).hexdigest()
    current = _all_current(store, outputs, partition, digest, version)
    if not current and store.reasons is not None:
        store.reasons[outputs[0], partition] = why_stale(store, outputs, partition, text, version)
    return current


def _all_current(
    store: Store, outputs: Sequence[str], partition: str, inputs_hash: str, version: str
) -> bool:
    for name in outputs:
        entry = store.ledger.current(name, partition)
        if (
            entry is None
            or entry.file is None
            or (entry.inputs_hash, entry.definition_version) != (inputs_hash, version)
            or entry.schema_hash != schema_hash(store.table(name))
            or not store.home.file(entry.file).is_file()
        ):
            return False
    return True


def materialise(
    store: Store,
    *,
    outputs: Sequence[str],
    partition: str,
    inputs: Sequence[tuple[str, str]],
    version: str,
    build: Callable[[TaskContext], Mapping[str, Any] | None],
    parameters: Mapping[str, Any] | None = None,
    force: bool = False,
    run: str | None = None,
) -> TaskResult:
    """Build a partition of the output tables from their inputs, unless it is up to date.

    Parameters
    ----------
    outputs : tables written; one that `build` does not write to gets a file without rows.
    partition : partition written in each of them.
    inputs : (table, partition) pairs which `build` may read.
    version : version of the computation; another one makes the partition out of date.
    build : computes; what it returns is handed on as the result's metadata.
    parameters : everything else the outcome depends on, as JSON values.
    force : build even when up to date.
    run : name of the run in the ledger.

    Raises
    ------
    Exception
        Whatever `build` raises, after it has been noted in the ledger. Nothing is committed then.
    """
    started = time.monotonic()
    run = run or uuid.uuid4().hex
    ledger = store.ledger
    pinned = {key: ledger.current(*key) for key in inputs}
    text = inputs_text(pinned, parameters or {})
    inputs_hash = hashlib.sha256(text.encode()).hexdigest()
    if not force and _all_current(store, outputs, partition, inputs_hash, version):
        rows = {}
        for name in outputs:
            ledger.record_recovery(name, partition, run)
            entry = ledger.current(name, partition)
            rows[name] = 0 if entry is None else entry.row_count
        return TaskResult("unchanged", rows, time.monotonic() - started)

    context = TaskContext(store, outputs, pinned, (inputs_hash, version))
    try:
        metadata = build(context) or {}
        staged = context._finish()  # noqa: SLF001 - the context is this module's own
        _commit(store, staged, partition, text, version, run)
    except BaseException as error:
        context._abort()  # noqa: SLF001
        raise_interruption(error)
        if isinstance(error, Exception):
            # A full disk refuses the note as well: what is raised is why the task failed.
            with contextlib.suppress(UserError):
                for name in outputs:
                    ledger.record_failure(name, partition, run, in_a_line(error))
        raise
    finally:
        context._close()  # noqa: SLF001
    rows = {name: file.row_count for name, file in staged.items()}
    return TaskResult("built", rows, time.monotonic() - started, metadata)


def _commit(
    store: Store,
    staged: Mapping[str, StagedFile],
    partition: str,
    inputs: str,
    version: str,
    run: str,
) -> None:
    inputs_hash = hashlib.sha256(inputs.encode()).hexdigest()
    # The sweeper must not take a file between its placing and the entry which names it.
    with (
        hold(store.home.sweep_lock, shared=True),
        ThreadPoolExecutor(len(staged), thread_name_prefix="place") as pool,
    ):
        placed = pool.map(lambda name: place(store.home, store.table(name), staged[name]), staged)
        entries = [
            NewEntry(
                table=name,
                partition=partition,
                file=file_name,
                sha256=file.sha256,
                rows_hash=file.rows_hash,
                row_count=file.row_count,
                inputs_hash=inputs_hash,
                definition_version=version,
                schema_hash=schema_hash(store.table(name)),
            )
            for (name, file), file_name in zip(staged.items(), placed, strict=True)
        ]
        store.ledger.commit(entries, run, inputs)


def remove(store: Store, *, tables: Sequence[str], partition: str, run: str | None = None) -> None:
    """Remove a partition from tables: a tombstone in the ledger, the files stay as history."""
    store.ledger.commit(
        [
            NewEntry(name, partition, None, None, None, 0, ABSENT, ABSENT)
            for name in tables
            if store.ledger.current(name, partition) is not None
        ],
        run or uuid.uuid4().hex,
    )
