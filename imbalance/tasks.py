"""A task as data: what it writes, what it reads, and how; so that one can ask before doing.

What the tasks of a layer are is said in the layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imbalance import catalog
from imbalance.store.task import TaskContext, TaskResult, is_current, materialise

if TYPE_CHECKING:
    import pyarrow as pa

    from imbalance.store.store import Store


@dataclass(frozen=True)
class Task:
    """Arguments of `imbalance.store.task.materialise`, which says what each of them is."""

    outputs: tuple[str, ...]
    partition: str
    inputs: tuple[tuple[str, str], ...]
    version: str
    build: Callable[[TaskContext], Mapping[str, Any] | None]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def is_current(self, store: Store) -> bool:
        """Whether doing it would change nothing."""
        return is_current(
            store, outputs=self.outputs, partition=self.partition, inputs=self.inputs,
            version=self.version, parameters=self.parameters,
        )

    def materialise(self, store: Store, run: str | None = None) -> TaskResult:
        """Do it, unless it is current."""
        return materialise(
            store, outputs=self.outputs, partition=self.partition, inputs=self.inputs,
            version=self.version, parameters=self.parameters, build=self.build, run=run,
        )


def read_current(
    store: Store, table: str, partition: str, columns: Sequence[str] | None = None
) -> pa.Table:
    """The current rows of a partition as an Arrow table, empty when there is no file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    entry = store.ledger.current(table, partition)
    if entry is None or entry.file is None:
        schema = catalog.table(table).arrow_schema()
        return pa.schema([schema.field(c) for c in columns or schema.names]).empty_table()
    with pq.ParquetFile(store.home.file(entry.file)) as file:
        return file.read(columns=None if columns is None else list(columns))
