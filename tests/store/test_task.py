"""`materialise`: when it runs, when it does not, and that it commits everything or nothing."""

import contextlib
import multiprocessing
import signal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from imbalance.errors import UserError
from imbalance.machine import SideBySide, database_settings
from imbalance.store import Home, Store, materialise
from imbalance.store.gate import failed_check
from imbalance.store.task import is_current, remove
from tests.store.samples import BARS, PARTITION, TABLES, bars, events, put

EVENTS_AND_BARS = ("raw.events", "features.bars")


class Counter:
    """A task that counts how often it is built: bars from the number of events."""

    def __init__(self, store: Store, **arguments) -> None:
        self.store, self.built = store, 0
        self.arguments = {
            "outputs": ["features.bars"], "partition": PARTITION,
            "inputs": [("raw.events", PARTITION)], "version": "1", **arguments,
        }

    def build(self, context):
        self.built += 1
        rows = sum(b.num_rows for b in context.batches("raw.events", PARTITION, ["event_id"]))
        assert rows == context.read("raw.events", PARTITION).num_rows
        context.writer("features.bars").write(bars(rows))
        return {"seen": rows}

    def run(self, **changes):
        return materialise(self.store, build=self.build, **{**self.arguments, **changes})

    def is_current(self):
        return is_current(self.store, **self.arguments)


def test_it_runs_once_and_then_says_unchanged(store):
    put(store, "raw.events", events(30))
    task = Counter(store)
    assert not task.is_current()
    first = task.run()
    assert (first.status, first.rows, first.metadata) == (
        "built", {"features.bars": 30}, {"seen": 30}
    )
    assert task.is_current()
    again = task.run()
    assert (again.status, again.rows, task.built) == ("unchanged", {"features.bars": 30}, 1)
    assert store.ledger.last_sequence() == 2


def test_it_runs_again_when_an_input_changes(store):
    put(store, "raw.events", events(30))
    task = Counter(store)
    task.run()
    put(store, "raw.events", events(31))
    assert task.run().rows == {"features.bars": 31}
    put(store, "raw.events", events(30))
    assert task.run().rows == {"features.bars": 30}
    assert task.built == 3
    # The first content is back under its first name.
    history = store.ledger.history("features.bars", PARTITION)
    assert [h.row_count for h in history] == [30, 31, 30]
    assert history[0].file == history[2].file


def test_an_absent_input_is_empty_and_its_arrival_is_a_change(store):
    task = Counter(store)
    assert task.run().rows == {"features.bars": 0}
    put(store, "raw.events", events(3))
    assert task.run().rows == {"features.bars": 3}
    remove(store, tables=["raw.events"], partition=PARTITION)
    assert task.run().rows == {"features.bars": 0}


@pytest.mark.parametrize(
    "change", [{"version": "2"}, {"parameters": {"levels": 5}}, {"force": True}]
)
def test_it_runs_again_for_another_version_or_parameters_or_by_force(store, change):
    put(store, "raw.events", events(3))
    task = Counter(store)
    task.run()
    assert task.run(**change).status == "built"
    assert task.run(**{**change, "force": False}).status == "unchanged"
    assert task.built == 2


def test_it_runs_again_when_the_registry_gets_a_column_or_the_file_is_gone(store):
    put(store, "raw.events", events(3))
    task = Counter(store)
    task.run()
    entry = store.ledger.current("features.bars", PARTITION)
    store.home.file(entry.file).unlink()
    assert task.run().status == "built"
    fewer = type(BARS)(**{**BARS.__dict__, "columns": BARS.columns[:-1]})
    task.store = Store(store.home, tables={**TABLES, "features.bars": fewer})
    with pytest.raises(ValueError, match="trade_count"):
        task.run()


def test_equal_content_adds_nothing_to_the_ledger(store):
    put(store, "raw.events", events(3))
    put(store, "raw.events", events(3))
    assert store.ledger.last_sequence() == 1


def test_outputs_that_are_not_written_become_empty_files(store):
    result = materialise(
        store, outputs=EVENTS_AND_BARS, partition=PARTITION, inputs=[], version="1",
        build=lambda context: context.writer("raw.events").write(events(2)),
    )
    assert result.rows == {"raw.events": 2, "features.bars": 0}
    entry = store.ledger.current("features.bars", PARTITION)
    assert entry.row_count == 0
    assert store.home.file(entry.file).is_file()


def test_a_failed_build_commits_nothing_is_noted_and_leaves_nothing(store):
    put(store, "raw.events", events(3))

    def build(context):
        context.writer("raw.events").write(events(9))
        context.writer("features.bars").write(bars(9))
        raise ArithmeticError("no book")

    arguments = {"outputs": EVENTS_AND_BARS, "partition": PARTITION, "inputs": [], "version": "2"}
    with pytest.raises(ArithmeticError, match="no book"):
        materialise(store, build=build, run="it", **arguments)
    assert store.ledger.current("raw.events", PARTITION).row_count == 3
    assert store.ledger.current("features.bars", PARTITION) is None
    assert [(f.table, f.run, f.message) for f in store.ledger.failures()] == [
        ("features.bars", "it", "ArithmeticError: no book"),
        ("raw.events", "it", "ArithmeticError: no book"),
    ]
    assert list(store.home.staging_dir.iterdir()) == []
    materialise(store, build=lambda _: None, **arguments)
    assert store.ledger.failures() == []


def test_only_declared_inputs_and_outputs_can_be_touched(store):
    put(store, "raw.events", events(3))

    def reads(context):
        context.read("raw.events", PARTITION)

    def writes(context):
        context.writer("raw.events")

    for build in (reads, writes):
        with pytest.raises(KeyError, match=r"raw\.events"):
            materialise(store, outputs=["features.bars"], partition=PARTITION, inputs=[],
                        version="1", build=build)


def test_inputs_stay_as_they_were_when_the_task_began(store):
    put(store, "raw.events", events(3))

    def build(context):
        put(store, "raw.events", events(5))
        return {"rows": context.read("raw.events", PARTITION, ["price"]).num_rows}

    task = Counter(store)
    task.build = build
    assert task.run().metadata == {"rows": 3}
    assert not task.is_current()


def test_a_damaged_input_is_not_taken_for_data(store):
    put(store, "raw.events", events(3000))
    path = store.home.file(store.ledger.current("raw.events", PARTITION).file)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    with pytest.raises(UserError, match="damaged"):
        Counter(store).run()


def test_the_task_connection_works_in_utc(store, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")

    def build(context):
        path = context.path("raw.events", PARTITION)
        with context.connect() as connection:
            zone = connection.execute("select current_setting('TimeZone')").fetchone()
            rows = connection.execute("select count(*) from read_parquet(?)", [str(path)])
            return {"zone": zone[0], "rows": rows.fetchone()[0]}

    put(store, "raw.events", events(7))
    task = Counter(store)
    task.build = build
    assert task.run().metadata == {"zone": "UTC", "rows": 7}


def test_a_query_larger_than_its_part_of_the_memory_is_put_aside_and_ends(store, monkeypatch):
    whole = int(str(database_settings(store.home.root)["memory_limit"]).removesuffix("B"))
    monkeypatch.setattr(SideBySide, "processes", whole // 50_000_000)
    query = "select count(*) from (select distinct md5(i::varchar) from range(2_500_000) as r(i))"
    nowhere = {"memory_limit": "50MB", "temp_directory": ""}
    with (
        duckdb.connect(config=nowhere) as without,
        pytest.raises(duckdb.OutOfMemoryException),
    ):
        without.execute(query)

    def build(context):
        connection = context.connect()
        (limit, aside) = connection.execute(
            "select current_setting('memory_limit'), current_setting('temp_directory')").fetchone()
        return {"limit": limit, "aside": aside, "found": connection.execute(query).fetchone()[0]}

    task = Counter(store)
    task.build = build
    done = task.run().metadata
    assert done["found"] == 2_500_000
    assert 47.0 <= float(done["limit"].removesuffix(" MiB")) < 60.0
    assert Path(done["aside"]).parent == store.home.staging_dir
    assert Path(done["aside"]).name.startswith("spill-")
    assert list(store.home.staging_dir.iterdir()) == []


def test_hostile_symbols_are_only_values(store):
    symbols = [
        'BTC"; drop table raw.events; --', "'; select 1; --", "BTCUSDT", "btcusdt", "XBT/CHF",
        "../../etc/passwd", "CON", "ВТСUSDT", "a" * 100, "%s{}$1?", "tTESTBTC:TESTUSD", "\\", "|",
    ]
    rows = pa.concat_tables([events(2, instrument=f"binance:{symbol}") for symbol in symbols])
    put(store, "raw.events", rows, partition='2024-08-08|binance"; drop schema raw; --')
    with store.session() as session:
        found = session.execute(
            "select instrument, count(*) from raw.events group by 1 order by 1"
        ).fetchall()
        assert found == sorted((f"binance:{symbol}", 2) for symbol in symbols)
        for symbol in symbols:
            name = f"binance:{symbol}"
            query = "select count(*) from raw.events where instrument = $symbol"
            assert session.execute(query, {"symbol": name}).fetchone() == (2,)
    names = {p.name for p in store.home.tables_dir.rglob("*") if p.is_file()}
    assert all(len(name) == 24 and name.endswith(".parquet") for name in names)


def _put_repeatedly(root: Path, worker: int, count: int) -> None:
    store = Store(Home.open(root), tables=TABLES)
    for number in range(count):
        put(store, "raw.events", events(50 + number))
        put(store, "features.bars", bars(10, seed=worker), f"2024-08-08|worker-{worker}")


def test_many_processes_may_write_the_same_and_other_partitions(store):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_put_repeatedly, args=(store.home.root, n, 10))
               for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    for entry in store.ledger.history("raw.events", PARTITION):
        path = store.home.file(entry.file)
        assert path.name == f"{entry.sha256[:16]}.parquet"
    with store.session() as session:
        current = store.ledger.current("raw.events", PARTITION).row_count
        assert session.execute("select count(*) from raw.events").fetchone() == (current,)
        assert session.execute("select count(*) from features.bars").fetchone() == (30,)
    assert list(store.home.staging_dir.iterdir()) == []


class Interrupted(BaseException):
    """What whoever executes a task may raise in place of KeyboardInterrupt."""


@contextlib.contextmanager
def interruption_after(seconds):
    """The signal comes while something is going on, and its handler raises."""

    def interrupt(*_):
        raise Interrupted("enough")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def count_for_ever(session):
    session.sql("select count(*) from range(10000000) a, range(10000000) b where a.range % 7 = 1")\
        .fetchall()


def test_an_interrupted_query_is_an_interruption_and_not_a_failure(store):
    put(store, "raw.events", events(30))

    task = Counter(store)
    task.build = lambda _: count_for_ever(store.session(described=False))
    with interruption_after(0.3), pytest.raises(Interrupted, match="enough"):
        task.run()
    assert not store.ledger.failures()
    assert Counter(store).run().status == "built"


def test_an_interrupted_check_is_an_interruption_and_not_a_refusal(store):
    with interruption_after(0.3), pytest.raises(RuntimeError) as query:
        count_for_ever(store.session(described=False))
    with pytest.raises(Interrupted, match="enough"):
        failed_check("features.bars", PARTITION, query.value)
    found = failed_check("features.bars", PARTITION, RuntimeError("no such column"))
    assert "no such column" in found.promise
