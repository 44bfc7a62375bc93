"""The features layer. By day and venue: bars of five sizes with every published measure, and bars
in volume time and event time. By day: derivative bars, whose spot may be of another venue.

Formulas and queries are in `imbalance.features` and `sql/features`.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg

from assets import checks
from assets.execute import Done, work_through
from assets.partitions import Partitions, all_venues, previous_day, split
from assets.specs import asset_key, spec
from imbalance import catalog
from imbalance.features import activity_bars, derivative_bars
from imbalance.features.build import FEATURE_OUTPUTS
from imbalance.features.derivative_tables import SIZES
from imbalance.features.tasks import features_task
from imbalance.tasks import read_current
from imbalance.warehouse import Warehouse

BY_ACTIVITY = ("book.bars_100ms", "book.book_states", "book.book_health", "book.trade_gaps",
               "raw.trades")
OF_DERIVATIVES = ("raw.derivative_ticks", "raw.liquidations", "raw.instruments",
                  *(f"features.bars_{size}" for size in SIZES))
DAY_ASSETS = tuple(asset_key(name) for name in derivative_bars.OUTPUTS)
"""Assets of a day over all venues."""

UPSTREAM = ("book.bars_100ms", "book.trade_gaps", "raw.trades", "raw.quotes")
CARRIED = ("features.order_flow_moments",)
"""Tables of the day before which a day reads: weights come from the past only."""

FRESHNESS = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(hours=50), warn_window=timedelta(hours=26)
)


def build(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """The steps that make the bars of a venue's day."""
    return [_bars(partitions), _activity_bars(partitions)]


def build_over_venues(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """The step that makes the bars of a day over all venues."""
    return [_derivative_bars(partitions)]


def _bars(partitions: Partitions) -> dg.AssetsDefinition:
    upstream = [asset_key(name) for name in UPSTREAM]

    def deps(name: str) -> list[Any]:
        if name in CARRIED:
            return [*upstream, dg.AssetDep(asset_key(name), partition_mapping=previous_day())]
        return list(upstream)

    @dg.multi_asset(
        name="features",
        specs=[
            spec(catalog.table(name), deps=deps(name), kinds={"duckdb", "numba"},
                 freshness_policy=FRESHNESS)
            for name in FEATURE_OUTPUTS
        ],
        check_specs=[
            s for name in FEATURE_OUTPUTS for s in checks.specs(name, partitions.days_and_venues)
        ],
        partitions_def=partitions.days_and_venues,
        backfill_policy=dg.BackfillPolicy.single_run(),
        op_tags={"layer": "features"},
    )
    def features(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[Any]:
        store = warehouse.open()

        def do(partition: str) -> Done:
            day, venue = split(partition)
            task = features_task(venue, day, warehouse.progress)
            result = task.materialise(store, context.run.run_id)
            return Done(
                result,
                metadata={
                    name: _shares(store, name, partition) for name in FEATURE_OUTPUTS
                    if name.startswith("features.bars_")
                },
                checks=checks.run(store, FEATURE_OUTPUTS, partition),
            )

        yield from work_through(
            context, store, context.partition_keys, do,
            assets={name: asset_key(name) for name in FEATURE_OUTPUTS}, progress=warehouse.progress,
        )

    return features


def _activity_bars(partitions: Partitions) -> dg.AssetsDefinition:
    outputs = activity_bars.OUTPUTS

    @dg.multi_asset(
        name="activity_bars",
        specs=[
            spec(catalog.table(name), deps=[asset_key(above) for above in BY_ACTIVITY],
                 kinds={"duckdb", "numba"})
            for name in outputs
        ],
        check_specs=[s for n in outputs for s in checks.specs(n, partitions.days_and_venues)],
        partitions_def=partitions.days_and_venues,
        backfill_policy=dg.BackfillPolicy.single_run(),
        op_tags={"layer": "features"},
    )
    def by_activity(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[Any]:
        store = warehouse.open()

        def do(partition: str) -> Done:
            day, venue = split(partition)
            task = activity_bars.activity_task(store, venue, day, warehouse.progress)
            return Done(
                task.materialise(store, context.run.run_id),
                metadata={name: _shares(store, name, partition) for name in outputs},
                checks=checks.run(store, outputs, partition),
            )

        yield from work_through(
            context, store, context.partition_keys, do,
            assets={name: asset_key(name) for name in outputs}, progress=warehouse.progress,
        )

    return by_activity


def _derivative_bars(partitions: Partitions) -> dg.AssetsDefinition:
    outputs = derivative_bars.OUTPUTS
    deps = [dg.AssetDep(asset_key(t), partition_mapping=all_venues()) for t in OF_DERIVATIVES]

    @dg.multi_asset(
        name="derivative_bars",
        specs=[spec(catalog.table(name), deps=deps, kinds={"duckdb"}) for name in outputs],
        check_specs=[s for name in outputs for s in checks.specs(name, partitions.days)],
        partitions_def=partitions.days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        op_tags={"layer": "features"},
    )
    def of_derivatives(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[Any]:
        store = warehouse.open()

        def do(day: str) -> Done:
            task = derivative_bars.derivatives_task(store, day, warehouse.progress)
            return Done(
                task.materialise(store, context.run.run_id),
                checks=checks.run(store, outputs, day),
            )

        yield from work_through(
            context, store, context.partition_keys, do,
            assets={name: asset_key(name) for name in outputs}, progress=warehouse.progress,
        )

    return of_derivatives


def _shares(store: Any, name: str, partition: str) -> dict[str, Any]:
    """Instruments, mean coverage and the share of bars that may not be used."""
    import pyarrow.compute as pc

    bars = read_current(store, name, partition, ["instrument", "coverage", "poisoned"])
    if not bars.num_rows:
        return {"instruments": 0}
    return {
        "instruments": pc.count_distinct(bars["instrument"]).as_py(),
        "coverage": round(pc.mean(bars["coverage"]).as_py(), 6),
        "poisoned_share": round(pc.mean(bars["poisoned"].cast("float64")).as_py(), 6),
    }
