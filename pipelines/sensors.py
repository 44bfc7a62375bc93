"""The sensor that registers new capture files in the directories the configuration watches.

It registers and asks for runs; reading the captures is the assets' work.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from assets.partitions import VENUES, Partitions, key
from imbalance.config import Config
from imbalance.warehouse import Warehouse
from pipelines.jobs import VENUE_DAYS, range_tags


def new_captures(config: Config, partitions: Partitions) -> dg.SensorDefinition:
    """The sensor over the watched directories of `config`."""

    @dg.sensor(
        job=VENUE_DAYS, name="new_captures", minimum_interval_seconds=60,
        description="Registers capture files that are new in the watched directories "
        "(`[captures] watch` of the configuration) and has their days made. A file is known by its "
        "bytes: under another name it adds nothing.",
    )
    def sensor(
        context: dg.SensorEvaluationContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> dg.SensorResult | dg.SkipReason:
        watched = [Path(name) for name in config.captures.watch if Path(name).is_dir()]
        if not watched:
            return dg.SkipReason("no directory is watched: set [captures] watch in the settings")
        store = warehouse.open()
        known = {capture.capture_id for capture in store.ledger.captures()}
        from imbalance.captures.register import register

        register(store, watched)
        fresh = [c for c in store.ledger.captures() if c.capture_id not in known and c.first_day]
        if not fresh:
            return dg.SkipReason(f"nothing new in {', '.join(map(str, watched))}")
        first_day = partitions.days.get_first_partition_key() or ""
        early = [c.path for c in fresh if (c.first_day or "") < first_day]
        if early:
            context.log.warning(
                f"{len(early)} captures begin before {first_day}: reload the code location, then "
                f"run them: {early[0]}"
            )
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=capture.sha256,
                    tags=range_tags(
                        key(capture.first_day or "", capture.venue),
                        key(capture.last_day or "", capture.venue),
                    ),
                )
                for capture in fresh
                if capture.path not in early
            ],
            dynamic_partitions_requests=[
                VENUES.build_add_request(sorted({capture.venue for capture in fresh}))
            ],
        )

    return sensor
