"""The program of `test_lost_events`: runs of Dagster while its own writes find the disk full.

Run with `failing_writes.c` preloaded; each run is a process of its own, forked so that everything
is imported. Prints one line of JSON for each fault.
"""

import errno
import shutil
import sys
import uuid
from pathlib import Path

import dagster as dg

from assets.execute import Done, work_through
from assets.specs import asset_key
from imbalance.errors import full_disk
from imbalance.store import Home, Store
from imbalance.store.verify import verify
from pipelines.instance import fail_orphans, open_instance, process_tag
from pipelines.jobs import range_tags
from tests.faults.on_a_failing_disk import DISK, fail_writes, tell
from tests.killing import FORK
from tests.store.samples import TABLES, events, put

TABLE = "raw.events"
DAYS = dg.DailyPartitionsDefinition("2024-08-08", end_date="2024-08-12")


def definition(store: Store) -> dg.AssetsDefinition:
    """An asset of the home that works through its days as all do, one run at a time."""
    @dg.multi_asset(
        name="made", specs=[dg.AssetSpec(asset_key(TABLE))], partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(), pool="publication",
    )
    def made(context):
        def one(partition):
            rows = events(100 + int(partition[-2:]))
            return Done(put(store, TABLE, rows, f"{partition}|binance-futures", force=False))

        yield from work_through(
            context, store, context.partition_keys, one, assets={TABLE: asset_key(TABLE)})

    return made


def make(home: Path, after: int, told) -> None:
    """The days as `imbalance run` makes them; of the writes below `dagster/` some fail."""
    store = Store(Home.open(home), tables=TABLES)
    run_id = str(uuid.uuid4())
    with open_instance(store.home) as instance:
        job = dg.Definitions(
            [definition(store)], jobs=[dg.define_asset_job("days")],
            executor=dg.in_process_executor,
        ).resolve_job_def("days")
        fail_writes(str(home / "dagster"), after, errno.ENOSPC, 0)
        try:
            result = job.execute_in_process(
                instance=instance, run_id=run_id, raise_on_error=False,
                tags={**process_tag(run_id), **range_tags("2024-08-08", "2024-08-11")},
            )
            said = "success" if result.success else "failure"
        except Exception as caught:  # noqa: BLE001 - what is raised is what is asked
            full = full_disk(caught, str(home))
            said = full.what if full else f"{type(caught).__name__}: {caught}"
        told.put((said, DISK.written_bytes()))
        told.close()
        told.join_thread()
        fail_writes("", 0, 0, 0)


def run(home: Path, after: int = 2**40) -> tuple[str, int]:
    """What a process that works in the home tells of itself."""
    told = FORK.Queue()
    child = FORK.Process(target=make, args=(home, after, told))
    child.start()
    found = told.get(timeout=1800)
    child.join()
    return found


def hashes(home: Path) -> dict[str, str]:
    found = Store(Home.open(home), tables=TABLES).ledger.partitions(TABLE)
    return {partition: entry.rows_hash for partition, entry in found.items()}


def main(root: str, offsets: int) -> None:
    directory = Path(root)
    empty = Home.open(directory / "empty", create=True)
    Store(empty, tables=TABLES).ledger._connection().close()
    open_instance(empty).dispose()
    said, written = run(Path(shutil.copytree(empty.root, directory / "whole")))
    whole = hashes(directory / "whole")
    tell(said=said, written=written, partitions=len(whole))
    for place in range(offsets):
        home = Path(shutil.copytree(empty.root, directory / f"home-{place}"))
        said, _ = run(home, written * (place + 1) // (offsets + 1))
        before = hashes(home)
        sound = before.items() <= whole.items() and verify(Home.open(home)).whole
        # There is room again: the same once more.
        with open_instance(Home.open(home)) as instance:
            fail_orphans(instance)
            held = len(instance.event_log_storage.get_concurrency_run_ids())
            again, _ = run(home)
            states = [one.status.value for one in instance.get_runs()]
        tell(said=said, kept=len(before), sound=sound, held=held, again=again,
             states=states, same=hashes(home) == whole)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
