"""The sensor that registers new capture files in the directories the configuration watches.

It registers and asks for runs; reading the captures is the assets' work.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path

import dagster as dg

from assets.partitions import VENUES, Partitions, key
from imbalance.config import Config
from imbalance.errors import UserError
from imbalance.store.ledger import CaptureFile
from imbalance.store.store import Store
from imbalance.warehouse import Warehouse
from pipelines.jobs import VENUE_DAYS, range_tags, reload_wanted

SETTLED_SECONDS = 30.0
"""A file written to more recently is still being recorded: it is looked at again later."""


def register_settled(
    store: Store, directories: Sequence[Path], warn: Callable[[str], None]
) -> set[str]:
    """Register the files in the directories that nobody writes to any more.

    Returns
    -------
    set of str
        Ids of all captures in the directories, new or known.
    """
    from imbalance.captures.register import register
    from imbalance.captures.walk import files_of

    found: set[str] = set()
    for directory in directories:
        try:
            files = list(files_of(directory))
        except UserError as error:
            warn(str(error))
            continue
        for file in filter(_is_settled, files):
            try:
                found |= {r.capture_id for r in register(store, [file]) if r.capture_id}
            except UserError as error:  # others are not held up; the next look may find it readable
                warn(str(error))
    return found


def _is_settled(file: Path) -> bool:
    from imbalance.captures.probe import IGNORED_NAMES

    try:
        return (
            file.stat().st_mtime <= time.time() - SETTLED_SECONDS
            and not IGNORED_NAMES.match(file.name)
        )
    except FileNotFoundError:
        return False  # gone since the directory was read


def due_days(store: Store, captures: Iterable[CaptureFile]) -> dict[str, list[str]]:
    """Days to be made by id of the capture, from its first that is not current to its last such.

    What a look before has registered and not asked for is due still; days before the configured
    first one never are.
    """
    from imbalance.captures.build import raw_is_current
    from imbalance.store.ledger_rows import days_of

    current = cache(partial(raw_is_current, store.at_one_moment()))
    first = store.config.first_day
    found = {}
    for capture in captures:
        due = [d for d in days_of(capture) if d >= first and not current(capture.venue, d)]
        if due:
            found[capture.capture_id] = due
    return found


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
        there = {name: Path(name).is_dir() for name in config.captures.watch}
        watched = [Path(name) for name, found in there.items() if found]
        absent = [name for name, found in there.items() if not found]
        if absent:
            context.log.warning(f"{', '.join(absent)} of [captures] watch is not there")
        if not watched:
            named = ", ".join(config.captures.watch)
            return dg.SkipReason(
                f"no directory is watched: {named} of [captures] watch is not there" if named
                else "no directory is watched: set [captures] watch in the settings"
            )
        store = warehouse.open()
        seen = register_settled(store, watched, context.log.warning)
        captures = [c for c in store.ledger.captures() if c.capture_id in seen]
        days = due_days(store, captures)
        if not days:
            return dg.SkipReason(f"nothing to be made in {', '.join(map(str, watched))}")
        due = [capture for capture in captures if capture.capture_id in days]
        known = set(partitions.days.get_partition_keys())
        outside = [c.path for c in due if not known.issuperset(days[c.capture_id])]
        unknown = reload_wanted(outside, "captures are of days")
        if unknown:
            context.log.warning(unknown)
        requests = [
            # Dagster launches one run for a key: asking again until the days are made is safe.
            dg.RunRequest(
                run_key=capture.sha256,
                tags=range_tags(
                    key(days[capture.capture_id][0], capture.venue),
                    key(days[capture.capture_id][-1], capture.venue),
                ),
            )
            for capture in due
            if capture.path not in outside
        ]
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else dg.SkipReason(unknown),
            dynamic_partitions_requests=[
                VENUES.build_add_request(sorted({capture.venue for capture in due}))
            ],
        )

    return sensor
