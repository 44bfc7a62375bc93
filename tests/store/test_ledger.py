"""The ledger against a model of it, its promise to only grow, many writers, damage."""

import multiprocessing
import sqlite3
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance.errors import UserError
from imbalance.store.doctor import examine
from imbalance.store.home import Home
from imbalance.store.ledger import CaptureFile, Ledger, NewEntry
from imbalance.store.store import Store

TABLES = ("raw.trades", "features.bars")
PARTITIONS = ("2024-08-08|binance", "2024-08-09|binance", 'x"; drop table entries; --')


def entry(table: str, partition: str, content: str | None) -> NewEntry:
    name = None if content is None else f"tables/{content}.parquet"
    return NewEntry(table, partition, name, content, content, 7, f"in-{content}", "1")


def capture(digit: str, path: str = "a.gz") -> CaptureFile:
    return CaptureFile(digit * 16, digit * 64, path, 10, 20, "binance", "binance-futures")


ENTRIES = st.builds(
    entry, st.sampled_from(TABLES), st.sampled_from(PARTITIONS), st.sampled_from([None, *"abc"])
)


@settings(max_examples=40)
@given(st.lists(st.lists(ENTRIES, max_size=4), max_size=8))
def test_it_agrees_with_a_list_of_everything_that_happened(tmp_path_factory, commits):
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "ledger.sqlite")
    happened: list[tuple[str, str, str | None]] = []
    for number, commit in enumerate(commits):
        for new in commit:
            key = (new.table, new.partition)
            before = [file for t, p, file in happened if (t, p) == key]
            if not before or before[-1] != new.file:
                happened.append((*key, new.file))
        assert ledger.commit(commit, f"run-{number}") == len(happened) == ledger.last_sequence()

    for at in [*range(len(happened) + 1), None]:
        expected: dict[str, dict[str, str]] = {}
        for table, partition, file in happened[:at]:
            expected.setdefault(table, {}).pop(partition, None)
            if file is not None:
                expected[table][partition] = file
        found = {
            table: {key: one.file for key, one in entries.items()}
            for table, entries in ledger.all_partitions(at).items()
        }
        assert found == {table: files for table, files in expected.items() if files}
        for table in TABLES:
            assert {k: e.file for k, e in ledger.partitions(table, at).items()} == expected.get(
                table, {}
            )
            for partition in PARTITIONS:
                current = ledger.current(table, partition, at)
                assert (current and current.file) == expected.get(table, {}).get(partition)

    history = [one for t in TABLES for p in PARTITIONS for one in ledger.history(t, p)]
    history.sort(key=lambda one: one.sequence)
    assert [(one.table, one.partition, one.file) for one in history] == happened
    times = [one.recorded_at for one in history]
    assert times == sorted(set(times))


def test_two_may_make_the_same_home_at_once(tmp_path, monkeypatch):
    other = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
    other.executescript("create table theirs (x); begin immediate")
    monkeypatch.setattr(time, "sleep", lambda _: other.close())
    assert Ledger(tmp_path / "ledger.sqlite").last_sequence() == 0


def test_entries_come_back_as_they_went_in(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    before = time.time_ns()
    new = NewEntry("raw.trades", "p", "f", "s", "r", 3, "i", "v", "h")
    ledger.commit([new], "me")
    found = Ledger(tmp_path / "ledger.sqlite").current("raw.trades", "p")
    assert found is not None
    assert (found.table, found.partition, found.file, found.sha256) == ("raw.trades", "p", "f", "s")
    assert (found.rows_hash, found.row_count, found.inputs_hash) == ("r", 3, "i")
    assert (found.definition_version, found.schema_hash, found.run) == ("v", "h", "me")
    assert found.sequence == 1
    assert before <= found.recorded_at <= time.time_ns()


def test_a_commit_is_all_or_nothing(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    good = entry("raw.trades", "p", "a")
    bad = NewEntry("raw.trades", "q", "f", "s", "r", None, "i", "v")  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        ledger.commit([good, bad], "run")
    assert ledger.last_sequence() == 0
    assert ledger.commit([good], "run") == 1


@pytest.mark.parametrize(
    "statement",
    [
        "delete from entries",
        "delete from captures",
        "delete from capture_paths",
        "delete from failures",
        "update entries set recorded_at = 0",
        "update captures set registered_at = 0",
        "update capture_paths set registered_at = 0",
        "update failures set recorded_at = 0",
    ],
)
def test_nothing_can_be_changed_or_removed(tmp_path, statement):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.commit([entry("raw.trades", "p", "a")], "run")
    ledger.register_capture(capture("a"))
    ledger.record_failure("raw.trades", "p", "run", "why")
    with (
        sqlite3.connect(tmp_path / "ledger.sqlite") as connection,
        pytest.raises(sqlite3.DatabaseError, match="append-only"),
    ):
        connection.execute(statement)


def test_times_rise_when_the_clock_steps_back(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    now = time.time_ns()
    hour = 3_600 * 10**9
    for step, content in zip((hour, 0, -hour), "abc", strict=True):
        monkeypatch.setattr(time, "time_ns", lambda step=step: now + step)
        ledger.commit([entry("raw.trades", "p", content)], "run")
    times = [one.recorded_at for one in ledger.history("raw.trades", "p")]
    assert times == [now + hour, now + hour + 1, now + hour + 2]


def test_the_same_bytes_under_another_name_add_an_alias_only(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    assert ledger.register_capture(capture("a", "one.gz"))
    assert not ledger.register_capture(capture("a", "one.gz"))
    assert not ledger.register_capture(capture("a", "two.gz"))
    assert ledger.register_capture(capture("b", "three.gz"))
    assert [(c.capture_id, c.path) for c in ledger.captures()] == [
        ("a" * 16, "one.gz"), ("b" * 16, "three.gz")
    ]
    assert ledger.capture_paths("a" * 16) == ["one.gz", "two.gz"]
    assert ledger.known_capture("two.gz", 10, 20) == "a" * 16
    assert ledger.known_capture("two.gz", 10, 21) is None


def test_a_failure_stands_until_the_partition_is_good_again(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.record_failure("raw.trades", "p", "one", "first")
    ledger.record_failure("raw.trades", "p", "two", "second")
    ledger.record_failure("raw.trades", "q", "two", "other")
    assert [(f.partition, f.run, f.message) for f in ledger.failures()] == [
        ("p", "two", "second"), ("q", "two", "other")
    ]
    ledger.commit([entry("raw.trades", "p", "a")], "three")
    assert [f.partition for f in ledger.failures()] == ["q"]
    ledger.record_recovery("raw.trades", "q", "four")
    assert ledger.failures() == []


def _commit_many(path: Path, worker: int, count: int) -> None:
    ledger = Ledger(path)
    for number in range(count):
        ledger.commit(
            [entry("raw.trades", "shared", f"{worker}-{number}"),
             entry("raw.trades", f"own-{worker}", f"{worker}-{number}")],
            f"worker-{worker}",
        )


def test_writers_in_many_processes_lose_nothing(tmp_path):
    path = tmp_path / "ledger.sqlite"
    workers, count = 4, 20
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_commit_many, args=(path, w, count))
                 for w in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    ledger = Ledger(path)
    assert ledger.last_sequence() == 2 * workers * count
    for worker in range(workers):
        own = [one.sha256 for one in ledger.history("raw.trades", f"own-{worker}")]
        assert own == [f"{worker}-{number}" for number in range(count)]
    shared = ledger.history("raw.trades", "shared")
    assert {one.sha256 for one in shared} == {
        f"{w}-{n}" for w in range(workers) for n in range(count)
    }
    # Both entries of a commit stand next to each other: no commit was cut in two.
    assert all(ledger.history("raw.trades", f"own-{one.run[-1]}")[int(one.sha256.split("-")[1])]
               .sequence == one.sequence + 1 for one in shared if one.sha256)


@pytest.mark.parametrize("damage", ["text", "cut", "zeros"])
def test_a_damaged_ledger_is_named_and_kept(tmp_path, damage):
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    for number in range(200):
        ledger.commit([entry("raw.trades", f"p{number}", "a")], "run")
    ledger._connection().execute("pragma wal_checkpoint(truncate)")
    ledger._connection().close()
    data = path.read_bytes()
    broken = {"text": b"hello" * 1000, "cut": data[: len(data) // 2],
              "zeros": data[:4096] + bytes(len(data) - 4096)}[damage]
    path.write_bytes(broken)
    with pytest.raises(UserError, match="ledger") as caught:
        Ledger(path).partitions("raw.trades")
    assert caught.value.exit_code == 1
    assert caught.value.fix is not None
    assert path.read_bytes() == broken


@pytest.mark.parametrize("lost", ["emptied", "removed"])
def test_a_new_ledger_does_not_take_the_files_of_a_lost_one_for_leftovers(tmp_path, lost):
    home = Home.open(tmp_path / "home", create=True)
    partition = home.tables_dir / "raw" / "trades" / "0123456789abcdef.parquet"
    partition.parent.mkdir(parents=True)
    partition.write_bytes(b"rows")
    for path in home.root.glob("ledger.sqlite*"):
        path.unlink()
    if lost == "emptied":
        home.ledger_path.touch()
    with pytest.raises(UserError, match="the ledger is empty") as caught:
        Store.open(home.root)  # for reading
    assert caught.value.exit_code == 1
    with pytest.raises(UserError, match="the ledger is empty") as caught:
        Store.open(home.root, create=True)
    assert (caught.value.exit_code, "from a copy" in caught.value.fix) == (1, True)
    (ledger,) = (one for one in examine(home.root).diagnoses if one.subject == "ledger")
    assert ledger.level == "problem"
    assert partition.read_bytes() == b"rows"


def test_a_ledger_of_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "ledger.sqlite"
    Ledger(path)
    with sqlite3.connect(path) as connection:
        connection.execute("pragma user_version = 99")
    with pytest.raises(UserError, match="layout 99"):
        Ledger(path)


def test_a_journal_left_behind_is_replayed(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.commit([entry("raw.trades", "p", "a")], "run")
    for name in ("ledger.sqlite", "ledger.sqlite-wal"):
        (tmp_path / "copy").mkdir(exist_ok=True)
        (tmp_path / "copy" / name).write_bytes((tmp_path / name).read_bytes())
    assert (tmp_path / "copy" / "ledger.sqlite-wal").stat().st_size > 0
    found = Ledger(tmp_path / "copy" / "ledger.sqlite").current("raw.trades", "p")
    assert found is not None
    assert found.sha256 == "a"


@pytest.mark.parametrize("name", ["q?b", "p%41b"])
def test_a_home_has_a_path_that_fits_into_addresses(tmp_path, name):
    with pytest.raises(UserError, match="its path has") as caught:
        Home.open(tmp_path / name, create=True)
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []
    assert Home.open(tmp_path / "#a [x]* {é}$", create=True).ledger_path.is_file()
