"""The studies layer: each study of the registry, per day over all venues, and over the whole span.

The estimators are in `imbalance.studies`. A table may hold both: a day's rows are partition
`2024-08-08`, those of the span are partition `all`, which has assets of its own here. With a day
go the windows of the last days up to it, where there are days before. A study which is run over the
span alone has assets without partitions and without that suffix.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import dagster as dg

from assets import checks, plots
from assets.execute import Done, together, work_through
from assets.partitions import Partitions, all_venues
from assets.specs import asset_key, spec
from imbalance import catalog
from imbalance.features.derivative_bars import OUTPUTS as DERIVATIVE_BARS
from imbalance.store.store import Store
from imbalance.studies.measures import BAR_NANOSECONDS
from imbalance.studies.registry import studies
from imbalance.studies.study import Study
from imbalance.studies.tasks import (
    BOUNDS,
    FAMILY_TABLES,
    families_task,
    remove_superseded_windows,
    study_task,
    windows_up_to,
)
from imbalance.studies.windows import SPAN, Scope, trailing
from imbalance.warehouse import Warehouse

UPSTREAM = tuple(f"features.bars_{size}" for size in BAR_NANOSECONDS)
"""Bars of all sizes; the configuration says which of them are studied, and whether the derivative
bars beside them are.
"""

FAMILIES = asset_key(FAMILY_TABLES[0])


def suffix(study: Study, scope: Scope) -> str:
    """What tells the assets of the span from those of the days."""
    return "_span" if scope == "span" and "day" in study.scopes else ""


def steps(scope: Scope) -> dict[str, tuple[dg.AssetKey, ...]]:
    """Study to the assets that are one step of it; none reads what another makes."""
    return {
        study.name: tuple(asset_key(f"{name}{suffix(study, scope)}") for name in study.table_names)
        for study in studies() if scope in study.scopes
    }


DAY_ASSETS = tuple(chain.from_iterable(steps("day").values()))
SPAN_ASSETS = tuple(chain.from_iterable(steps("span").values()))


def build(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """The families, and each study by day and over the span."""
    return [
        _families(),
        *(
            _study(study, scope, partitions.days if scope == "day" else None)
            for study in studies() for scope in study.scopes if scope != "trailing"
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
    study: Study, scope: Scope, days: dg.TimeWindowPartitionsDefinition | None
) -> dg.AssetsDefinition:
    """One study as a step: of a day when `days` is given, else over the span."""
    ending = suffix(study, scope)
    mapping = all_venues() if days else dg.AllPartitionMapping()
    above = dict.fromkeys((*UPSTREAM, *((*study.events, *BOUNDS) if study.events else ())))
    deps = [
        FAMILIES,
        *(dg.AssetDep(asset_key(t), partition_mapping=mapping) for t in above),
        *(dg.AssetDep(asset_key(t), partition_mapping=None if days else mapping)
          for t in DERIVATIVE_BARS),
    ]
    assets = {name: asset_key(name + ending) for name in study.table_names}

    @dg.multi_asset(
        name=f"{study.name}{ending}",
        specs=[
            spec(table, deps=deps, kinds={"numpy"}, name=table.name + ending,
                 note=f"{study.question}"
                 + ("" if days else " Over the whole span of the home: partition `all`."))
            for table in study.tables
        ],
        check_specs=[s for name in study.table_names for s in checks.specs(name, days, ending)],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run() if days else None,
        op_tags={"layer": "studies"},
    )
    def compute(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[Any]:
        store = warehouse.open()

        def do(partition: str) -> Done:
            made = [partition, *_windows_up_to(study, store, partition)]
            if days:
                remove_superseded_windows(study, store, partition, context.run.run_id)
            results = [
                study_task(study, store, one, warehouse.progress).materialise(
                    store, context.run.run_id)
                for one in made
            ]
            return Done(
                together(results),
                metadata={
                    name: {
                        **plots.refusals(store, name, partition),
                        **plots.of_study(store, study, name, partition),
                    }
                    for name in study.table_names
                },
                checks=[c for one in made for c in checks.run(store, study.table_names, one)],
            )

        yield from work_through(
            context, store, context.partition_keys if days else [SPAN], do, assets=assets,
            progress=warehouse.progress,
        )

    return compute


def _windows_up_to(study: Study, store: Store, day: str) -> list[str]:
    """The partition of the windows up to a day, if there are days before it."""
    if day == SPAN or "trailing" not in study.scopes or not windows_up_to(store, day):
        return []
    return [trailing(day)]
