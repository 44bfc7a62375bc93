"""Telling Dagster what the ledger knows and it does not.

A partition can be current without Dagster having seen it made: the run was killed between its files
and Dagster's event, another day of the same range failed, or the Dagster directory is new. The
ledger is right in all these cases; Dagster is told with an event outside any run.
"""

from __future__ import annotations

import dagster as dg

from assets.partitions import split
from assets.specs import asset_key, row_metadata
from imbalance import catalog
from imbalance.contracts import Table
from imbalance.store.ledger import Entry
from imbalance.store.store import Store
from imbalance.studies.windows import SPAN, scope_of


def reconcile(store: Store, instance: dg.DagsterInstance) -> int:
    """Report what is current in the ledger and not known as materialised; returns how many."""
    told = 0
    for name, partitions in store.ledger.all_partitions().items():
        table = catalog.tables().get(name)
        if table is None or table.partitioning == "capture":
            continue
        known = instance.get_materialized_partitions(asset_key(name))
        for partition, entry in partitions.items():
            if scope_of(partition) == "trailing":
                continue  # part of the day's asset
            if partition == SPAN:
                key = asset_key(f"{name}_span" if table.partitioning == "day" else name)
                missing = instance.get_latest_materialization_event(key) is None
            else:
                key, missing = asset_key(name), partition not in known
            if missing:
                instance.report_runless_asset_event(_event(table, key, partition, entry))
                told += 1
    return told


def _event(
    table: Table, key: dg.AssetKey, partition: str, entry: Entry
) -> dg.AssetMaterialization:
    if partition == SPAN:
        where: str | None = None
    elif table.partitioning == "day_venue":
        day, venue = split(partition)
        where = dg.MultiPartitionKey({"day": day, "venue": venue})
    else:
        where = partition
    return dg.AssetMaterialization(
        key, partition=where, description="made earlier: taken from the ledger",
        metadata={**row_metadata(entry.row_count), "status": "from the ledger"},
    )
