"""The sensor that registers new capture files in the directories the configuration watches.

It registers and asks for runs; reading the captures is the assets' work.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from assets.partitions import VENUES, Partitions, key
from imbalance.config import Config
from imbalance.store.store import Store
from imbalance.warehouse import Warehouse
from pipelines.jobs import VENUE_DAYS, range_tags

SETTLED_SECONDS = 30.0
"""A file written to more recently is still being recorded: it is looked at again later."""


def register_settled(store: Store, directories: Sequence[Path]) -> None:
    """Register the files in the directories that nobody writes to any more."""
    from imbalance.captures.probe import IGNORED_NAMES
    from imbalance.captures.register import register

    before = time.time() - SETTLED_SECONDS
    for directory in directories:
        for file in sorted(directory.rglob("*")):
            if (
                file.is_file() and file.stat().st_mtime <= before
                and not IGNORED_NAMES.match(file.name)
            ):
                register(store, [file])


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
        register_settled(store, watched)
        fresh = [c for c in store.ledger.captures() if c.capture_id not in known and c.first_day]
        if not fresh:
            return dg.SkipReason(f"nothing new in {', '.join(map(str, watched))}")
        days = set(partitions.days.get_partition_keys())
        outside = [c.path for c in fresh if not {c.first_day, c.last_day} <= days]
        if outside:
            context.log.warning(
                f"{len(outside)} captures are of days this code location does not know: reload it, "
                f"then make them with `imbalance run`; the first is {outside[0]}"
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
                if capture.path not in outside
            ],
            dynamic_partitions_requests=[
                VENUES.build_add_request(sorted({capture.venue for capture in fresh}))
            ],
        )

    return sensor
