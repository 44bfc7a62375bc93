"""What a table promises: its columns with type, unit, meaning and range; its grain and its key.

The registry of a layer (`<layer>/tables.py`) is written with these classes; Arrow schemas, DDL,
comments, validation suites, Dagster descriptions and the data dictionary are derived from it.
No table is declared here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

ColumnType = Literal[
    "BIGINT", "INTEGER", "UTINYINT", "BOOLEAN", "DOUBLE", "VARCHAR", "TIMESTAMP_NS", "DOUBLE[]"
]
Partitioning = Literal["day_venue", "day", "capture", "all"]


@dataclass(frozen=True)
class Column:
    """One column of a table: everything a reader or a validator must know about it.

    `minimum` and `maximum` are inclusive bounds which hold for every non-null value; a value
    outside them is a defect, not a rarity. `null_meaning` says what a null stands for and must be
    given when `nullable`; of a list that a part of it may be null.
    """

    name: str
    type: ColumnType
    description: str
    unit: str = ""
    nullable: bool = False
    null_meaning: str = ""
    formula: str = ""
    source: str = ""
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()
    version: int = 1
    owner: str = "features"

    def __post_init__(self) -> None:
        if self.nullable and not self.null_meaning:
            raise ValueError(f"column {self.name}: a nullable column must say what null means")

    def comment(self) -> str:
        """The text of `COMMENT ON COLUMN`: description, formula, unit, null meaning, source."""
        parts = [self.description]
        if self.formula:
            parts.append(f"Formula: {self.formula}.")
        if self.unit:
            parts.append(f"Unit: {self.unit}.")
        if self.nullable:
            parts.append(f"Null: {self.null_meaning}.")
        if self.source:
            parts.append(f"Source: {self.source}.")
        return " ".join(parts)


@dataclass(frozen=True)
class Table:
    """A table of one layer, named `<layer>.<name>`.

    `may_be_empty` says why the table may be published without a row; without a reason it may not.
    `identity` names parts of the key without which a row has none: such rows are not compared.
    """

    name: str
    description: str
    grain: str
    partitioning: Partitioning
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    published: bool = False
    order: tuple[str, ...] = ()
    may_be_empty: str = ""
    identity: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        doubled = {name for name in names if names.count(name) > 1}
        if doubled:
            raise ValueError(f"{self.name}: columns declared twice: {sorted(doubled)}")
        unknown = [name for name in (*self.key, *self.order, *self.identity) if name not in names]
        if unknown:
            raise ValueError(f"{self.name}: key or order names no column: {unknown}")

    def __hash__(self) -> int:
        """By the name: what is cached by table is asked for often, and hundreds of columns cost."""
        return hash(self.name)

    @property
    def layer(self) -> str:
        """The schema part of the name."""
        return self.name.split(".", 1)[0]

    @property
    def base_name(self) -> str:
        """The name within its schema."""
        return self.name.split(".", 1)[1]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in the order of declaration."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name}")

    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema of the table's files."""
        import pyarrow as pa

        kinds = {
            "BIGINT": pa.int64(),
            "INTEGER": pa.int32(),
            "UTINYINT": pa.uint8(),
            "BOOLEAN": pa.bool_(),
            "DOUBLE": pa.float64(),
            "VARCHAR": pa.string(),
            "TIMESTAMP_NS": pa.timestamp("ns"),
            "DOUBLE[]": pa.list_(pa.float64()),
        }
        return pa.schema(
            [pa.field(c.name, kinds[c.type], nullable=c.nullable) for c in self.columns]
        )

    def ddl(self, *, extra: Iterable[Column] = ()) -> str:
        """`CREATE TABLE` of the table, with `extra` columns (such as `recorded_at`) at the end."""
        lines = [
            f'    "{c.name}" {c.type}{"" if c.nullable else " NOT NULL"}'
            for c in (*self.columns, *extra)
        ]
        return f'CREATE TABLE "{self.layer}"."{self.base_name}" (\n' + ",\n".join(lines) + "\n)"

    def definition_hash(self) -> str:
        """SHA-256 over everything declared: changes when any promise changes."""
        return _definition_hash(self)


@cache
def _definition_hash(table: Table) -> str:
    declared = {**vars(table), "columns": [vars(column) for column in table.columns]}
    return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()


RECORDED_AT = Column(
    "recorded_at",
    "TIMESTAMP_NS",
    "When this system committed the row. Not stored in partition files: views take it from the "
    "ledger, published tables carry it.",
    unit="UTC, ns",
    owner="store",
)

SUPERSEDED_AT = Column(
    "superseded_at",
    "TIMESTAMP_NS",
    "When this system committed what replaced the row, or its removal. Only in the views of "
    "history.",
    unit="UTC, ns",
    nullable=True,
    null_meaning="the row is current",
    owner="store",
)
