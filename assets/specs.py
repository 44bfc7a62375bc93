"""From the registry to what the Dagster UI shows of an asset: description, columns, units, owners.

Nothing is said twice: every text comes from the table's declaration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from imbalance.contracts import RECORDED_AT, Column, Table


def asset_key(table_name: str) -> dg.AssetKey:
    """`features.bars_1s` is the asset `features/bars_1s`."""
    return dg.AssetKey(table_name.split("."))


def spec(
    table: Table,
    *,
    deps: Iterable[Any] = (),
    kinds: set[str],
    name: str | None = None,
    note: str = "",
    **more: Any,
) -> dg.AssetSpec:
    """The asset of a table.

    Parameters
    ----------
    deps : upstream assets.
    kinds : what makes it (`python`, `numba`, `duckdb`, …), shown as icons.
    name : asset key when it is not the table's name (`studies.correlation_span`).
    note : added to the description.
    """
    return dg.AssetSpec(
        asset_key(name or table.name),
        deps=deps,
        description=description(table, note),
        metadata={
            "dagster/column_schema": schema(table),
            "dagster/table_name": table.name,
            "grain": table.grain,
            "key": ", ".join(table.key),
        },
        group_name=table.layer,
        kinds=kinds,
        owners=[f"team:{owner}" for owner in sorted({c.owner for c in table.columns})],
        tags={"published": "yes" if table.published else "no"},
        code_version=table.definition_hash()[:12],
        **more,
    )


def schema(table: Table) -> dg.TableSchema:
    """Columns with type, meaning, nullability and the unit as a tag."""
    return dg.TableSchema(columns=[_column(column) for column in (*table.columns, RECORDED_AT)])


def _column(column: Column) -> dg.TableColumn:
    return dg.TableColumn(
        column.name,
        column.type,
        description=column.comment(),
        constraints=dg.TableColumnConstraints(nullable=column.nullable, other=_bounds(column)),
        tags={"unit": _tag(column.unit)} if column.unit else {},
    )


def _bounds(column: Column) -> list[str]:
    bounds = []
    if column.minimum is not None:
        bounds.append(f"≥ {column.minimum:g}")
    if column.maximum is not None:
        bounds.append(f"≤ {column.maximum:g}")
    if column.allowed:
        bounds.append("one of " + ", ".join(column.allowed))
    return bounds


def _tag(text: str) -> str:
    """Tags hold letters, digits, `_`, `-` and `.` only, at most 63."""
    return re.sub(r"[^A-Za-z0-9_.\-]+", "_", text.replace("²", "2")).strip("_")[:63]


def description(table: Table, note: str = "") -> str:
    """Markdown: what the table holds, its grain, and the formulas of its columns."""
    lines = [table.description, "", f"One row per {table.grain}; key `{', '.join(table.key)}`."]
    if note:
        lines += ["", note]
    formulas = [c for c in table.columns if c.formula]
    if formulas:
        lines += ["", "| column | formula | unit | source |", "| --- | --- | --- | --- |"]
        lines += [
            f"| `{c.name}` | {_escape(c.formula)} | {_escape(c.unit)} | {_escape(c.source)} |"
            for c in formulas
        ]
    lines += ["", f'Query it: `imbalance sql "from {table.name} limit 5"`']
    return "\n".join(lines)


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def row_metadata(rows: int, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Metadata of one materialised partition; numbers become plots by partition."""
    return {"dagster/partition_row_count": rows, "rows": rows, **(more or {})}
