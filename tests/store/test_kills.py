"""SIGKILL at random moments of tasks and publications: nothing torn, nothing lost."""

import os
import random
import time
from pathlib import Path

import pytest

from imbalance.store import Home, Store, materialise
from imbalance.store.files import sha256_file
from imbalance.store.generations import find_generation, list_generations, open_generation
from imbalance.store.publishing import publish
from imbalance.store.sweep import sweep
from imbalance.store.verify import verify
from tests.killing import start_and_kill
from tests.store.samples import PARTITION, TABLES, bars, events, next_day, put, study

PARTITIONS = [f"{next_day('2024-08-01', n)}|binance-futures" for n in range(6)]
OUTPUTS = ("raw.events", "features.bars")

few_and_many = pytest.mark.parametrize(
    "kills", [10, pytest.param(50, marks=pytest.mark.slow)]
)


def run_all(root: Path) -> None:
    """Six partitions of two tables; the second half reads what the first half wrote."""
    store = Store(Home.open(root), tables=TABLES)
    for number, partition in enumerate(PARTITIONS):
        before = PARTITIONS[number - 1]

        def build(context, number=number, before=before):
            rows = 4000 + 10 * number
            if number:
                rows += context.read("raw.events", before, ["event_id"]).num_rows
            for part in range(4):
                context.writer("raw.events").write(events(rows // 4, seed=part))
            context.writer("features.bars").write(bars(rows, seed=number))

        inputs = [("raw.events", before)] if number else []
        materialise(store, outputs=OUTPUTS, partition=partition, inputs=inputs, version="1",
                    build=build)


def hashes(store: Store) -> dict:
    return {
        (table, key): (entry.rows_hash, entry.sha256)
        for table, entries in store.ledger.all_partitions().items()
        for key, entry in entries.items()
    }


@few_and_many
def test_killed_tasks_lose_and_tear_nothing(tmp_path, kills):
    reference = Store(Home.open(tmp_path / "reference", create=True), tables=TABLES)
    run_all(reference.home.root)  # imports and compiles what the children need
    started = time.monotonic()
    run_all(Home.open(tmp_path / "measured", create=True).root)
    length = time.monotonic() - started
    moments = random.Random(20240808)
    store, homes, unfinished = None, 0, 0
    while unfinished < kills:
        if store is None:
            store = Store(Home.open(tmp_path / f"home-{homes}", create=True), tables=TABLES)
            homes += 1
        start_and_kill(run_all, store.home.root, after=moments.uniform(0.0, length / 2))
        found = hashes(store)
        assert found == {key: hashes(reference)[key] for key in found}
        assert all(found.keys() >= {(name, key) for name in OUTPUTS} for _, key in found)
        assert verify(store.home).whole
        if found != hashes(reference):
            unfinished += 1
        else:
            length *= 0.8  # it was done before the kill: the machine is quicker than when measured
        if unfinished % 5 == 0 or found == hashes(reference):
            run_all(store.home.root)
            assert hashes(store) == hashes(reference)
            assert store.ledger.last_sequence() == reference.ledger.last_sequence()
            sweep(store.home, store.ledger, older_than=0)
            assert list(store.home.staging_dir.iterdir()) == []
            on_disk = {p for p in store.home.tables_dir.rglob("*") if p.is_file()}
            assert on_disk == {store.home.file(name) for name in store.ledger.files()}
            assert verify(store.home).whole
            store = None  # begin anew, so that kills fall on every partition


def publish_one_more_day(root: Path) -> None:
    store = Store(Home.open(root), tables=TABLES)
    day = next_day("2024-08-08", store.ledger.last_sequence())
    put(store, "features.bars", bars(3000, day=day), f"{day}|binance-futures")
    publish(store)


def check_reader(store: Store) -> int:
    generation = find_generation(store.home)
    with open_generation(store.home, generation.id) as connection:
        name = connection.execute("select getvariable('generation')").fetchone()[0]
        count = connection.execute("select count(*) from features.bars").fetchone()[0]
        days = connection.execute("select count(distinct recorded_at) from features.bars")
        assert count == generation.rows["features.bars"] == 3000 * days.fetchone()[0]
    assert name == generation.id
    return generation.number


@few_and_many
def test_killed_publications_leave_whole_generations(store, kills):
    put(store, "studies.correlation", study(), "2024-08-08")
    started = time.monotonic()
    publish_one_more_day(store.home.root)  # imports everything the children need
    started = time.monotonic()
    publish_one_more_day(store.home.root)
    length = time.monotonic() - started
    moments = random.Random(8)
    last = check_reader(store)
    for _ in range(kills):
        after = moments.uniform(0.0, 1.2 * length)
        start_and_kill(publish_one_more_day, store.home.root, after=after)
        number = check_reader(store)
        assert number >= last
        last = number
    publish_one_more_day(store.home.root)
    assert check_reader(store) > last
    sweep(store.home, store.ledger, older_than=0)
    assert list(store.home.staging_dir.iterdir()) == []
    report = verify(store.home)
    assert report.damaged == ()
    for generation in list_generations(store.home):
        manifest_files = [p for p in generation.path.rglob("*") if p.is_file()]
        assert len(manifest_files) == 3 + generation.rows["features.bars"] // 3000 + 1


def test_a_file_without_its_entry_is_swept_and_the_old_partition_served(store):
    put(store, "raw.events", events(10))
    orphan = store.home.tables_dir / "raw" / "events" / ("0" * 16 + ".parquet")
    orphan.write_bytes(b"written, never committed")
    young = sweep(store.home, store.ledger)
    assert young == []
    os.utime(orphan, (0, 0))
    assert [one.path for one in sweep(store.home, store.ledger)] == [
        "tables/raw/events/0000000000000000.parquet"
    ]
    assert not orphan.exists()
    entry = store.ledger.current("raw.events", PARTITION)
    assert sha256_file(store.home.file(entry.file)) == entry.sha256
