"""The studies layer: correlation and feedback, per day over all venues, and over the whole span.

The estimators are in `imbalance.studies`. The tables hold both: a day's rows are partition
`2024-08-08`, those of the span are partition `all`, which has assets of its own here.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dagster as dg

from assets import checks, plots
from assets.execute import Done, work_through
from assets.partitions import Partitions, all_venues
from assets.specs import asset_key, spec
from imbalance import catalog
from imbalance.progress import Progress
from imbalance.store.store import Store
from imbalance.studies.tasks import (
    CORRELATION_TABLES,
    FAMILY_TABLES,
    FEEDBACK_TABLES,
    SPAN,
    correlation_task,
    families_task,
    feedback_task,
)
from imbalance.tasks import Task
from imbalance.warehouse import Warehouse

UPSTREAM = tuple(f"features.bars_{size}" for size in ("100ms", "1s", "10s", "1m", "5m"))
"""Bars of all sizes; the configuration says which of them are studied."""

MakeTask = Callable[[Store, str, Progress], Task]

FAMILIES = asset_key(FAMILY_TABLES[0])
DAY_ASSETS = tuple(asset_key(name) for name in (*CORRELATION_TABLES, *FEEDBACK_TABLES))
SPAN_ASSETS = tuple(
    asset_key(f"{name}_span") for name in (*CORRELATION_TABLES, *FEEDBACK_TABLES)
)


def build(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """The families, and each study by day and over the span."""
    return [
        _families(),
        *(
            _study(name, tables, make, days)
            for name, tables, make in (
                ("correlation", CORRELATION_TABLES, correlation_task),
                ("feedback", FEEDBACK_TABLES, feedback_task),
            )
            for days in (partitions.days, None)
        ),
    ]


def _families() -> dg.AssetsDefinition:
    @dg.asset(
        **_single(spec(catalog.table(FAMILY_TABLES[0]), kinds={"python"})),
    )
    def families(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> dg.MaterializeResult:
        result = families_task(warehouse.open()).materialise(warehouse.open(), context.run.run_id)
        return dg.MaterializeResult(metadata={"dagster/row_count": result.rows[FAMILY_TABLES[0]]})

    return families


def _single(of: dg.AssetSpec) -> dict[str, Any]:
    """Arguments of `@dg.asset` from a spec."""
    return {
        "key": of.key, "description": of.description, "metadata": dict(of.metadata),
        "group_name": of.group_name, "kinds": set(of.kinds), "owners": list(of.owners),
        "tags": {k: v for k, v in of.tags.items() if not k.startswith("dagster/kind/")},
        "code_version": of.code_version,
    }


def _study(
    name: str, tables: Sequence[str], make: MakeTask, days: dg.TimeWindowPartitionsDefinition | None
) -> dg.AssetsDefinition:
    """One study as a step: of a day when `days` is given, else over the span."""
    suffix = "" if days else "_span"
    mapping = all_venues() if days else dg.AllPartitionMapping()
    deps = [
        FAMILIES,
        *(dg.AssetDep(asset_key(t), partition_mapping=mapping) for t in UPSTREAM),
    ]
    assets = {table: asset_key(table + suffix) for table in tables}

    @dg.multi_asset(
        name=f"{name}{suffix}",
        specs=[
            spec(catalog.table(table), deps=deps, kinds={"numpy"},
                 name=table + suffix,
                 note="" if days else "Over the whole span of the home: partition `all`.")
            for table in tables
        ],
        check_specs=[s for table in tables for s in checks.specs(table, days, suffix)],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run() if days else None,
        op_tags={"layer": "studies"},
    )
    def study(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[Any]:
        store = warehouse.open()

        def do(partition: str) -> Done:
            task = make(store, partition, warehouse.progress)
            result = task.materialise(store, context.run.run_id)
            return Done(
                result,
                metadata={
                    table: {
                        **plots.refusals(store, table, partition),
                        **plots.of_study(store, table, partition),
                    }
                    for table in tables
                },
                checks=[c for table in tables for c in checks.run(store, table, partition)],
            )

        yield from work_through(
            context, store, context.partition_keys if days else [SPAN], do, assets=assets
        )

    return study
