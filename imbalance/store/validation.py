"""Validation of what is about to be published: which checks run on which partitions.

A partition that has passed the same rules with the same bytes in the previous generation is not
looked at again. Not here: the checks themselves (`gate`, `expectations`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance.contracts import Table
from imbalance.progress import Progress
from imbalance.store.files import check_file
from imbalance.store.gate import (
    Finding,
    check_captures,
    check_not_empty,
    check_partition,
    examination,
    failed_check,
    refuse,
    rules_of,
)
from imbalance.store.manifest import Released
from imbalance.store.release import Base

if TYPE_CHECKING:
    import duckdb

    from imbalance.store.store import Store

_CAPTURES = "raw.captures"


def validate(
    store: Store,
    sequence: int,
    tables: Mapping[str, Table],
    partitions: Mapping[str, Mapping[str, Released]],
    base: Base | None,
    progress: Progress,
) -> dict[str, dict[str, int]]:
    """Run the gate over everything that has not passed it yet.

    Returns
    -------
    dict
        By table: partitions published, partitions checked now, rules and expectations each.

    Raises
    ------
    GateRefused
        If anything is broken, or a check could not be made.
    UserError
        If a file is damaged.
    """
    due = {
        name: {key: r for key, r in partitions[name].items() if not _has_passed(base, name, key, r)}
        for name in tables
    }
    findings = _table_findings(store, sequence, tables, partitions)
    paths: dict[tuple[str, str], Path] = {}
    with examination(store.home.spill_dir()) as connection:
        for name, table in tables.items():
            for key, released in due[name].items():
                progress.advance(note=f"checking {name} {key}")
                path = check_file(store.home.root, released.file, released.sha256)
                paths[name, key] = path
                findings += _guarded(connection, table, key, released, path)
    if findings:
        raise refuse(store.home, findings)
    expected = _expectations(tables, due, paths, progress)
    if expected[1]:
        raise refuse(store.home, expected[1])
    return {
        name: {
            "partitions": len(partitions[name]),
            "checked": len(due[name]),
            "rules": rules_of(table),
            "expectations": expected[0].get(name, 0),
        }
        for name, table in tables.items()
    }


def _has_passed(base: Base | None, table: str, partition: str, released: Released) -> bool:
    if base is None:
        return False
    old = base.manifest.tables.get(table, {}).get(partition)
    return old is not None and (old.sha256, old.rules) == (released.sha256, released.rules)


def _table_findings(
    store: Store,
    sequence: int,
    tables: Mapping[str, Table],
    partitions: Mapping[str, Mapping[str, Released]],
) -> list[Finding]:
    findings = []
    for name, table in tables.items():
        findings += check_not_empty(table, partitions[name])
    if _CAPTURES in store.tables:
        try:
            with store.session(sequence, described=False) as session:
                findings += check_captures(session, store.config.captures.quarantine_limit)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not a pass
            findings.append(failed_check(_CAPTURES, "all", error))
    return findings


def _guarded(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    partition: str,
    released: Released,
    path: Path,
) -> list[Finding]:
    try:
        return check_partition(table, partition, released.row_count, path, connection)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not a pass
        return [failed_check(table.name, partition, error)]


def _expectations(
    tables: Mapping[str, Table],
    due: Mapping[str, Mapping[str, Released]],
    paths: Mapping[tuple[str, str], Path],
    progress: Progress,
) -> tuple[dict[str, int], list[Finding]]:
    """Great Expectations on the same partitions: suite sizes by table, findings."""
    if not any(released.row_count for keys in due.values() for released in keys.values()):
        return {}, []
    from imbalance.store.expectations import Expectations, batches

    progress.advance(note="loading Great Expectations")
    runner = Expectations()
    findings: list[Finding] = []
    for name, table in tables.items():
        for batch in batches({key: one.row_count for key, one in due[name].items()}):
            progress.advance(note=f"Great Expectations on {name} {batch[0]}")
            findings += runner.check_files(table, {key: paths[name, key] for key in batch})
    return {name: runner.size(table) for name, table in tables.items()}, findings
