"""The published layer: one asset, the current generation, behind the gate.

Gate and publication are `imbalance.store`'s. Only this asset has a pool, since there can be one
publisher at a time.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg

from assets.specs import asset_key
from assets.studies import SPAN_ASSETS
from imbalance import catalog
from imbalance.store.gate import GateRefused
from imbalance.warehouse import Warehouse

GENERATION = dg.AssetKey(["published", "generation"])
GATE = "gate"
SHOWN = 20


def build() -> list[dg.AssetsDefinition]:
    """The step that validates and publishes."""
    tables = [table for table in catalog.tables().values() if table.published]
    keys = dict.fromkeys([*(asset_key(t.name) for t in tables), *SPAN_ASSETS])

    @dg.multi_asset(
        name="publish",
        specs=[
            dg.AssetSpec(
                GENERATION,
                deps=[
                    dg.AssetDep(key, partition_mapping=dg.AllPartitionMapping()) for key in keys
                ],
                description="An immutable release of all published tables as native DuckDB tables "
                "in one file, with a manifest of hashes. What fails the gate is not published and "
                "the previous generation stays.\n\nTables: "
                + ", ".join(f"`{table.name}`" for table in tables)
                + '\n\nQuery it: `imbalance sql "from features.bars_1s limit 5" -g current`',
                group_name="published",
                kinds={"duckdb", "greatexpectations"},
                owners=["team:store"],
                freshness_policy=dg.FreshnessPolicy.time_window(
                    fail_window=timedelta(hours=50), warn_window=timedelta(hours=26)
                ),
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                GATE, asset=GENERATION, blocking=True,
                description="Great Expectations suites and SQL invariants made from the registry, "
                "on every partition that is new.",
            )
        ],
        pool="publication",
        op_tags={"layer": "published"},
    )
    def publication(
        context: dg.AssetExecutionContext,  # noqa: ARG001 - Dagster passes it
        warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[Any]:
        from imbalance.store.publishing import publish

        try:
            generation = publish(warehouse.open(), progress=warehouse.progress)
        except GateRefused as refusal:
            yield dg.AssetCheckResult(
                passed=False, check_name=GATE, asset_key=GENERATION, description=refusal.what,
                metadata={"findings": dg.MetadataValue.json(refusal.as_dict()["findings"][:SHOWN])},
            )
            raise
        yield dg.MaterializeResult(
            GENERATION,
            metadata={
                "generation": generation.id,
                "new": generation.new,
                "path": dg.MetadataValue.path(generation.path),
                "ledger_sequence": generation.ledger_sequence,
                "dagster/row_count": sum(generation.rows.values()),
                "tables": dg.MetadataValue.table(
                    [dg.TableRecord({"table": t, "rows": n}) for t, n in generation.rows.items()]
                ),
            },
            check_results=[dg.AssetCheckResult(passed=True, check_name=GATE, asset_key=GENERATION)],
        )

    return [publication]
