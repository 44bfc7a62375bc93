"""Publishing: what a generation holds, what the next one costs, readers, two publishers."""

import json
import multiprocessing
import random
import threading
import time
from pathlib import Path

import duckdb
import pytest

from imbalance.config import Config, PublishConfig
from imbalance.contracts import Column, Table
from imbalance.errors import UserError
from imbalance.store import Home, Store
from imbalance.store.doctor import examine
from imbalance.store.files import sha256_file
from imbalance.store.generations import find_generation, list_generations, open_generation
from imbalance.store.locks import hold
from imbalance.store.manifest import DATABASE_NAME, read_manifest
from imbalance.store.publishing import publish
from imbalance.store.task import remove
from imbalance.store.verify import verify
from tests.store.samples import BARS, PARTITION, TABLES, bars, events, next_day, put, study


@pytest.fixture
def published(store):
    """A store with two days of bars and a study, published once."""
    put(store, "features.bars", bars(50))
    put(store, "features.bars", bars(60, day="2024-08-09"), "2024-08-09|binance-futures")
    put(store, "studies.correlation", study(), "2024-08-08")
    put(store, "raw.events", events(10))
    publish(store)
    return store


def contents(connection, table="features.bars"):
    return connection.execute(f"from {table} order by all").fetchall()


def current_rows(store, table="features.bars"):
    with store.session() as session:
        return contents(session, table)


def test_a_generation_holds_what_the_session_shows(published):
    generation = find_generation(published.home)
    assert (generation.number, generation.current, generation.new) == (1, True, False)
    assert generation.rows == {"features.bars": 110, "studies.correlation": 5}
    with open_generation(published.home) as connection:
        for table in ("features.bars", "studies.correlation"):
            assert contents(connection, table) == current_rows(published, table)
        names = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() order by all"
        ).fetchall()
        assert names == [("catalog.features",), ("catalog.lineage",), ("features.bars",),
                         ("studies.correlation",)]
        comment = connection.execute(
            "select comment from duckdb_columns() where column_name = 'coverage'"
        ).fetchone()
        assert comment == ("Share. Unit: 1.",)
        nullable = connection.execute(
            "select column_name from duckdb_columns() where table_name = 'bars' and is_nullable"
        ).fetchall()
        assert nullable == [("order_flow_imbalance",)]


def test_the_manifest_names_every_file_with_its_hash(published):
    generation = find_generation(published.home)
    manifest = json.loads((generation.path / "manifest.json").read_text())
    on_disk = {
        str(p.relative_to(generation.path)): sha256_file(p)
        for p in generation.path.rglob("*") if p.is_file() and p.name != "manifest.json"
    }
    assert manifest["files"] == on_disk
    assert manifest["ledger_sequence"] == 4
    assert manifest["definitions"]["features.bars"] == BARS.definition_hash()
    assert manifest["validation"]["features.bars"]["checked"] == 2
    assert manifest["validation"]["features.bars"]["rules"] > 20
    assert manifest["validation"]["features.bars"]["expectations"] > 10
    definitions = json.loads((generation.path / "definitions.json").read_text())
    assert definitions["features.bars"]["columns"][0]["name"] == "instrument"


def test_partition_files_are_shared_not_copied(published):
    entry = published.ledger.current("features.bars", PARTITION)
    shared = find_generation(published.home).path / entry.file
    assert shared.samefile(published.home.file(entry.file))


def test_unchanged_input_makes_no_new_generation(published):
    again = publish(published)
    assert (again.new, again.number) == (False, 1)
    put(published, "raw.events", events(11))  # not published
    assert not publish(published).new
    put(published, "features.bars", bars(50), version="2")  # the same rows, computed anew
    assert not publish(published).new
    assert len(list_generations(published.home)) == 1


def test_only_what_changed_is_checked_and_replaced(published):
    old = current_rows(published)
    put(published, "features.bars", bars(50, seed=9))
    put(published, "features.bars", bars(40, day="2024-08-10"), "2024-08-10|binance-futures")
    second = publish(published)
    assert (second.new, second.number, second.rows["features.bars"]) == (True, 2, 150)
    validation = read_manifest(second.path).validation
    assert validation["features.bars"]["checked"] == 2
    assert validation["studies.correlation"]["checked"] == 0
    with open_generation(published.home) as connection:
        assert contents(connection) == current_rows(published) != old
    with open_generation(published.home, list_generations(published.home)[0].id) as connection:
        assert contents(connection) == old


def test_partitions_with_the_same_rows_share_a_file(published):
    for day in ("2024-08-11", "2024-08-12"):
        put(published, "features.bars", bars(0), f"{day}|binance-futures")
    put(published, "studies.correlation", study(), "2024-08-09")
    generation = publish(published)
    assert generation.rows == {"features.bars": 110, "studies.correlation": 10}
    with open_generation(published.home) as connection:
        for table in generation.rows:
            assert contents(connection, table) == current_rows(published, table)


def test_a_removed_partition_leaves_the_next_generation(published):
    remove(published, tables=["features.bars"], partition=PARTITION)
    assert publish(published).rows["features.bars"] == 60
    with open_generation(published.home) as connection:
        assert contents(connection) == current_rows(published)


def test_a_new_definition_is_published_anew(published):
    new = Column("fresh", "DOUBLE", "New.", nullable=True, null_meaning="not computed")
    wider = Table(**{**BARS.__dict__, "columns": (*BARS.columns, new)})
    later = Store(published.home, tables={**TABLES, "features.bars": wider})
    for day, count in (("2024-08-08", 50), ("2024-08-09", 60)):
        rows = bars(count, day=day)
        put(later, "features.bars", rows.append_column("fresh", [[1.5] * count]),
            f"{day}|binance-futures")
    assert publish(later).new
    with open_generation(later.home) as connection:
        assert connection.execute("select sum(fresh) from features.bars").fetchone() == (165.0,)


def test_a_changed_rule_is_checked_again(published):
    stricter = tuple(
        Column(**{**c.__dict__, "maximum": 3}) if c.name == "trade_count" else c
        for c in BARS.columns
    )
    table = Table(**{**BARS.__dict__, "columns": stricter})
    later = Store(published.home, tables={**TABLES, "features.bars": table})
    with pytest.raises(UserError, match="trade_count") as caught:
        publish(later)
    assert caught.value.exit_code == 3


def test_it_recovers_from_a_damaged_or_lost_previous_generation(published):
    database = find_generation(published.home).database
    data = bytearray(database.read_bytes())
    data[len(data) // 2] ^= 1
    database.chmod(0o644)
    database.write_bytes(data)
    put(published, "features.bars", bars(5, day="2024-08-10"), "2024-08-10|binance-futures")
    second = publish(published)
    with open_generation(published.home) as connection:
        assert contents(connection) == current_rows(published)
    (second.path / "manifest.json").write_text("{}")
    third = publish(published)
    assert (third.new, third.number) == (True, 3)
    assert [g.number for g in list_generations(published.home)] == [1, 3]


def test_a_damaged_partition_is_not_published(published):
    put(published, "features.bars", bars(500, day="2024-08-10"), "2024-08-10|binance-futures")
    entry = published.ledger.current("features.bars", "2024-08-10|binance-futures")
    path = published.home.file(entry.file)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    with pytest.raises(UserError, match="damaged"):
        publish(published)
    assert find_generation(published.home).number == 1


def test_the_file_does_not_grow_when_a_partition_is_replaced_again_and_again(store):
    put(store, "studies.correlation", study(), "2024-08-08")
    for number in range(3):
        day = next_day("2024-08-08", number)
        put(store, "features.bars", bars(10_000, day=day), f"{day}|binance-futures")
    size = publish(store).database.stat().st_size
    for seed in range(1, 6):
        put(store, "features.bars", bars(10_000, seed=seed))
        generation = publish(store)
    assert generation.database.stat().st_size < 2 * size
    with open_generation(store.home) as connection:
        assert contents(connection) == current_rows(store)


def test_the_file_is_readable_by_older_engines(published):
    database = find_generation(published.home).database
    with duckdb.connect() as connection:
        connection.execute(f"attach '{database}' as g (read_only)")
        tags = connection.execute("select tags from duckdb_databases() where database_name = 'g'")
        assert tags.fetchone()[0]["storage_version"].startswith("v1.2.0")


ESCAPES = [
    "insert into features.bars select * from features.bars",
    "delete from features.bars",
    "update features.bars set trade_count = 0",
    "drop table features.bars",
    "alter table features.bars add column x int",
    "create table features.other as select 1 as a",
    "create or replace view features.bars as select 1 as a",
    "comment on table features.bars is 'mine'",
    "copy features.bars to '/tmp/escape.csv'",
    "copy (select 1) to '{directory}/escape.parquet'",
    "export database '/tmp/escape'",
    "select * from read_parquet('{directory}/tables/features/bars/*.parquet')",
    "select * from read_text('{directory}/manifest.json')",
    "select * from '/etc/passwd'",
    "attach '{directory}/imbalance.duckdb' as again",
    "attach '/tmp/escape.duckdb'",
    "set enable_external_access = true",
    "set lock_configuration = false",
    "set access_mode = 'read_write'",
    "install httpfs",
    "load httpfs",
    "create persistent secret s (type s3, key_id 'a', secret 'b')",
]


def test_a_published_generation_cannot_be_changed_or_left(published):
    generation = find_generation(published.home)
    before = {p: sha256_file(p) for p in generation.path.rglob("*") if p.is_file()}
    for statement in ESCAPES:
        with open_generation(published.home) as connection, pytest.raises(duckdb.Error):
            connection.execute(statement.format(directory=generation.path)).fetchall()
    assert {p: sha256_file(p) for p in generation.path.rglob("*") if p.is_file()} == before


def test_nothing_published_and_unknown_generations_are_said_so(store, published):
    with pytest.raises(UserError, match="no generation 'x'") as caught:
        open_generation(published.home, "x")
    assert "000001-" in caught.value.allowed
    with pytest.raises(UserError, match="no generation"):
        open_generation(published.home, "../generations/" + find_generation(published.home).id)
    empty = Home.open(store.home.root.parent / "empty", create=True)
    assert list_generations(empty) == []
    with pytest.raises(UserError, match="nothing has been published"):
        open_generation(empty)


def test_that_none_is_current_is_not_taken_for_that_none_is_published(published):
    link = published.home.generations_dir / "current"
    before = find_generation(published.home).id
    link.unlink()
    with pytest.raises(UserError, match="no generation is current") as caught:
        open_generation(published.home)
    assert (caught.value.exit_code, caught.value.allowed) == (2, before)
    problems = [(d.what, d.fix) for d in examine(published.home.root).diagnoses
                if d.level == "problem"]
    assert problems == [("none is current: generations/current leads nowhere",
                         "imbalance publish")]
    publish(published)
    assert find_generation(published.home).number == 2
    assert link.is_symlink()


def _hold_lock(path: Path, ready, done) -> None:
    with hold(path, doing="publishing"):
        ready.set()
        done.wait(600)


def test_a_second_publisher_waits_or_names_the_first(published):
    put(published, "features.bars", bars(5, day="2024-08-10"), "2024-08-10|binance-futures")
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    other = context.Process(
        target=_hold_lock, args=(published.home.publish_lock, ready, done)
    )
    other.start()
    assert ready.wait(600)
    impatient = Store(published.home, Config(publish=PublishConfig(patience_seconds=0.1)), TABLES)
    with pytest.raises(UserError, match=f"publishing, process {other.pid}") as caught:
        publish(impatient)
    assert caught.value.exit_code == 4
    threading.Timer(0.3, done.set).start()
    assert publish(published, patience=600).new
    assert done.is_set(), "it has waited for the first"
    other.join()


def _write_days(root: Path, worker: int, count: int) -> None:
    store = Store(Home.open(root), tables=TABLES)
    for number in range(count):
        put(store, "features.bars", bars(100, seed=1_000 * worker + number + 1))
        day = next_day("2024-08-09", worker)
        put(store, "features.bars", bars(100, day=day, seed=number), f"{day}|binance-futures")


def _publish_again(root: Path, count: int) -> None:
    store = Store(Home.open(root), tables=TABLES)
    for _ in range(count):
        publish(store, patience=600)


@pytest.mark.parametrize("each", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_writers_and_publishers_race_and_spoil_nothing(store, each):
    """Two of each: so many times four, of which the writers contend for one partition."""
    put(store, "studies.correlation", study(), "2024-08-08")
    put(store, "features.bars", bars(100))
    publish(store)
    context = multiprocessing.get_context("fork")
    racing = [
        *(context.Process(target=_write_days, args=(store.home.root, n, each)) for n in (0, 1)),
        *(context.Process(target=_publish_again, args=(store.home.root, each)) for _ in (0, 1)),
    ]
    for process in racing:
        process.start()
    for process in racing:
        process.join(600)
        assert process.exitcode == 0
    assert len(store.ledger.history("features.bars", PARTITION)) == 2 * each + 1
    publish(store)
    listed = list_generations(store.home)
    assert [one.number for one in listed] == list(range(1, len(listed) + 1))
    for one in listed:
        with open_generation(store.home, one.id) as connection:
            days = connection.execute(
                "select count(*), count(distinct bar_start) from features.bars "
                "group by bar_start::date").fetchall()
        assert set(days) == {(100, 100)}
    with open_generation(store.home) as connection:
        assert contents(connection) == current_rows(store)
        assert len(contents(connection)) == 300
    assert verify(store.home).whole
    assert list(store.home.staging_dir.iterdir()) == []


def _read_until(root: Path, stop, seed, reading, failures) -> None:
    """Read at moments of the reader's own; without rests eight readers leave a publisher nothing
    of two processors.
    """
    store = Store(Home.open(root), tables=TABLES)
    moments, last = random.Random(seed), 0
    while not stop.is_set():
        with open_generation(store.home) as connection:
            counts = connection.execute(
                "select count(*), count(distinct bar_start::date), "
                "getvariable('generation')[:6]::int from features.bars"
            ).fetchone()
        if counts[0] != 100 * counts[1] or counts[2] < last:
            failures.put(counts)
        last = counts[2]
        reading.release()
        time.sleep(moments.uniform(0.0, 0.3))
    failures.put(None)


@pytest.mark.parametrize(("readers", "publications"), [
    (2, 6), pytest.param(8, 1000, marks=pytest.mark.slow),
])
def test_readers_never_see_half_a_generation(store, readers, publications):
    put(store, "studies.correlation", study(), "2024-08-08")
    put(store, "features.bars", bars(100))
    publish(store)
    context = multiprocessing.get_context("spawn")
    stop, failures = context.Event(), context.Queue()
    reading = [context.Semaphore(0) for _ in range(readers)]
    processes = [
        context.Process(target=_read_until, args=(store.home.root, stop, seed, one, failures))
        for seed, one in enumerate(reading)
    ]
    for reader in processes:
        reader.start()
    for one in reading:
        assert one.acquire(timeout=600)  # from here on each reads, again and again
    long_reader = open_generation(store.home)
    for number in range(1, publications + 1):
        day = next_day("2024-08-08", 1 + number % 6)
        put(store, "features.bars", bars(100, day=day, seed=number), f"{day}|binance-futures")
        assert publish(store).number == number + 1
    stop.set()
    assert [failures.get(timeout=600) for _ in processes] == [None] * readers
    for reader in processes:
        reader.join()
        assert reader.exitcode == 0
    assert long_reader.execute("select count(*) from features.bars").fetchone() == (100,)
    long_reader.close()
    databases = sum(DATABASE_NAME in str(p) for p in store.home.generations_dir.rglob("*"))
    assert databases == publications + 1
