"""The check every table has: its rows keep the promises of the registry.

Keys, nulls, ranges, allowed values, order of times, nothing where a bar is poisoned: the rules are
those of the gate (`imbalance.store.gate`), which applies them again before anything is published.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.execute import Check, check_specs
from imbalance import catalog
from imbalance.store.gate import Finding, check_partition, examination, rules_of
from imbalance.store.store import Store

if TYPE_CHECKING:
    import duckdb

NAME = "registry_rules"
SHOWN = 5


def specs(
    table: str, partitions: dg.PartitionsDefinition | None, suffix: str = ""
) -> list[dg.AssetCheckSpec]:
    """The check of a table; `suffix` as in the asset's name."""
    rules = rules_of(catalog.table(table))
    return check_specs(
        table + suffix,
        {NAME: f"{rules} rules of the registry: key, nulls, ranges, allowed values, order of "
               "times. A failure shows rule, column, count and sample rows."},
        partitions,
    )


def run(store: Store, tables: Iterable[str], partition: str) -> list[Check]:
    """The check of each table on one partition; none where there is no file."""
    with examination(store.home.spill_dir()) as connection:
        return [
            check for table in tables for check in _run_one(store, table, partition, connection)
        ]


def _run_one(
    store: Store, table: str, partition: str, connection: duckdb.DuckDBPyConnection
) -> list[Check]:
    declared = catalog.table(table)
    entry = store.ledger.current(table, partition)
    if entry is None or entry.file is None:
        return []
    findings = check_partition(
        declared, partition, entry.row_count, store.home.file(entry.file), connection
    )
    rules = rules_of(declared)
    metadata: dict[str, Any] = {"rows": entry.row_count, "broken_rules": len(findings)}
    if findings:
        metadata["sample"] = dg.MetadataValue.md("\n\n".join(
            f"**{f.rule}** on `{f.column}` ({f.promise}){_rows(f)}\n\n"
            + "\n".join(f"    {dict(row)}" for row in f.sample)
            for f in findings[:SHOWN]
        ))
    return [Check(
        table, NAME, passed=not findings,
        told=f"{{rows:,}} rows keep all {rules} rules",
        failure="; ".join(
            f"{f.rule} on {f.column}{_rows(f) or ': ' + f.promise}" for f in findings[:SHOWN]
        ),
        metadata=metadata, partition=partition,
    )]


def _rows(finding: Finding) -> str:
    """How many rows broke a rule; nothing where it is none about rows."""
    return f": {finding.count} rows" if finding.count else ""
