"""The raw layer: captures decoded to events, by day and venue, and every line accounted for.

Decoding is in `imbalance.captures`. All six tables are one step, since a capture is read once.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets import checks
from assets.execute import Check, Done, check_specs, retry_reading, work_through
from assets.partitions import Partitions, split
from assets.specs import asset_key, spec
from imbalance import catalog
from imbalance.captures.build import CAPTURE_TABLES, RAW_TABLES, captures_of, materialise_raw
from imbalance.errors import UserError, may_pass
from imbalance.store.task import TaskResult
from imbalance.tasks import read_current
from imbalance.warehouse import Warehouse

CAPTURE_FILES = dg.AssetKey(["captures", "files"])
LINE_ACCOUNTING = "line_accounting"


def build(partitions: Partitions) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The capture files as a source, and the step that decodes them."""
    source = dg.AssetSpec(
        CAPTURE_FILES,
        description="Capture files as recorded, referenced by path and SHA-256, never changed. "
        "They are registered by `imbalance run` or by the sensor.",
        group_name="captures",
        kinds={"file"},
        owners=["team:captures"],
    )
    tables = [*RAW_TABLES, *CAPTURE_TABLES]

    @dg.multi_asset(
        name="raw",
        specs=[
            spec(catalog.table(name), deps=[CAPTURE_FILES], kinds={"numba"},
                 note=_NOTES.get(name, ""))
            for name in tables
        ],
        check_specs=[
            *check_specs("raw.captures", {
                LINE_ACCOUNTING: "Each capture: lines read = decoded + ignored by a named rule + "
                "quarantined.",
            }, partitions.days_and_venues),
            *(s for name in RAW_TABLES for s in checks.specs(name, partitions.days_and_venues)),
        ],
        partitions_def=partitions.days_and_venues,
        backfill_policy=dg.BackfillPolicy.single_run(),
        op_tags={"layer": "raw"},
    )
    def raw(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[Any]:
        store = warehouse.open()

        def do(partition: str) -> Done:
            day, venue = split(partition)
            try:
                done = materialise_raw(store, venue, [day], warehouse.progress, context.run.run_id)
            except OSError as error:
                if may_pass(error):
                    raise retry_reading(context, error) from error
                raise
            if partition in done.failed:
                raise UserError(done.failed[partition])
            result = done.partitions[partition]
            rows = dict(result.rows)
            for name in CAPTURE_TABLES:
                rows[name] = sum(one.rows[name] for one in done.captures.values())
            return Done(
                TaskResult(result.status, rows, result.seconds, result.metadata),
                checks=[
                    accounting(store, [c.capture_id for c in captures_of(store, venue, day)]),
                    *checks.run(store, RAW_TABLES, partition),
                ],
            )

        yield from work_through(
            context, store, context.partition_keys, do,
            assets={name: asset_key(name) for name in tables}, progress=warehouse.progress,
        )

    return [source, raw]


_NOTES = dict.fromkeys(
    CAPTURE_TABLES,
    "A partition of this asset stands for the captures that hold events of the day; the table "
    "itself has one partition per capture.",
)


def accounting(store: Any, capture_ids: list[str]) -> Check:
    """Whether every line of the captures is in exactly one place."""
    columns = ["path", "lines_read", "lines_decoded", "lines_ignored", "lines_quarantined"]
    rows = [
        row for capture_id in capture_ids
        for row in read_current(store, "raw.captures", capture_id, columns).to_pylist()
    ]
    wrong = [
        row["path"] for row in rows
        if row["lines_read"]
        != row["lines_decoded"] + row["lines_ignored"] + row["lines_quarantined"]
    ]
    totals = {name: sum(row[name] for row in rows) for name in columns[1:]}
    return Check(
        "raw.captures", LINE_ACCOUNTING, passed=not wrong,
        told="{lines_read:,} lines of {captures} captures, all accounted for",
        failure=f"lines are missing in {', '.join(wrong)}",
        metadata={"captures": len(rows), **totals},
    )
