"""Generations listed by the thousand, pinned, pruned, and never taken from a reader."""

import contextlib
import subprocess
import sys

import pytest

from imbalance.errors import UserError
from imbalance.store import Home, Store, generation_index
from imbalance.store.generations import find_generation, list_generations, open_generation
from imbalance.store.publishing import publish, reindex
from imbalance.store.retention import is_read, pin, pins, prune, unpin
from tests.store.samples import TABLES, bars, put, study


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Five generations, the last current."""
    home = tmp_path_factory.mktemp("original") / "home"
    store = Store(Home.open(home, create=True), tables=TABLES)
    put(store, "studies.correlation", study(), "2024-08-08")
    for seed in range(5):
        put(store, "features.bars", bars(20, seed=seed))
        publish(store)
    return home


@pytest.fixture
def five(original, tmp_path):
    """The same in a copy, times and links as they were: tests take from it."""
    subprocess.run(["/bin/cp", "-a", original, tmp_path / "home"], check=True)
    return Store(Home.open(tmp_path / "home"), tables=TABLES)


def numbers(store):
    return [generation.number for generation in list_generations(store.home)]


def ids(store):
    return [generation.id for generation in list_generations(store.home)]


def test_the_index_says_what_the_manifests_say(five):
    listed = list_generations(five.home)
    assert len(generation_index.read_lines(five.home)) == 5
    (five.home.generations_dir / "index.jsonl").write_text("{damaged\n")
    assert list_generations(five.home) == listed
    (five.home.generations_dir / "index.jsonl").unlink()
    assert list_generations(five.home) == listed
    reindex(five.home)
    assert list_generations(five.home) == listed
    index = five.home.generations_dir / "index.jsonl"
    index.write_text(index.read_text().replace('"rows":{', '"rows":{"damaged":"text",'))
    assert [one.rows for one in list_generations(five.home)] == [one.rows for one in listed]
    reindex(five.home)
    assert list_generations(five.home) == listed
    (listed[1].path / "manifest.json").chmod(0o644)
    (listed[1].path / "manifest.json").write_text("{}")
    assert numbers(five) == [1, 3, 4, 5]


def test_ten_thousand_are_listed_from_the_index(five, monkeypatch):
    """The cost is one file and a look at each directory: no manifest is read."""
    def refuse(path):
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr("imbalance.store.generations.read_manifest", refuse)
    assert numbers(five) == [1, 2, 3, 4, 5]


def test_the_pinned_the_newest_and_the_current_stay(five):
    first = ids(five)[0]
    pin(five.home, first, "model 7")
    assert pins(five.home)[first].because == "model 7"
    before = prune(five, keep=2, dry_run=True)
    assert numbers(five) == [1, 2, 3, 4, 5]
    done = prune(five, keep=2)
    assert numbers(five) == [1, 4, 5]
    assert (done.removed, done.bytes) == (before.removed, before.bytes)
    assert done.bytes > 100_000
    assert done.kept[first] == "pinned: model 7"
    assert prune(five, keep=0, older_than_days=1).removed == ()
    assert unpin(five.home, first)
    assert not unpin(five.home, first)
    assert prune(five, keep=0).kept == {ids(five)[-1]: "current"}
    with open_generation(five.home) as connection:
        assert connection.execute("select count(*) from features.bars").fetchone() == (20,)
    put(five, "features.bars", bars(20, seed=9))
    assert publish(five).number == 6
    with pytest.raises(UserError, match="no generation"):
        pin(five.home, first, "too late")


READER = """
import sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    print("open", flush=True)
    for _ in sys.stdin:
        found = connection.execute("select count(*), bit_xor(hash(b)) from features.bars b")
        print(*found.fetchone(), flush=True)
"""


@contextlib.contextmanager
def reading(database):
    """Another process that holds a generation; how many rows it finds, and their hash."""
    reader = subprocess.Popen([sys.executable, "-c", READER, str(database)], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask():
        reader.stdin.write("\n")
        reader.stdin.flush()
        return [int(word) for word in reader.stdout.readline().split()]

    try:
        assert reader.stdout.readline() == "open\n"
        yield ask
        reader.stdin.close()
        assert reader.wait() == 0
    finally:
        reader.kill()
        reader.wait()


def test_what_a_reader_holds_is_not_taken(five):
    held = find_generation(five.home, ids(five)[1])
    with reading(held.database) as ask:
        assert is_read(held.database)
        assert prune(five, keep=0).kept[held.id] == "being read"
        assert numbers(five) == [2, 5]
        assert ask()[0] == 20
    assert not is_read(held.database)
    assert prune(five, keep=0).removed == (held.id,)


@pytest.mark.parametrize("count", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_a_reader_holds_one_over_many_publications_and_prunes_by_their_count_not_by_the_clock(
    five, count
):
    held = find_generation(five.home)
    with reading(held.database) as ask, open_generation(five.home) as connection:
        query = "from features.bars order by all"
        first, rows = ask(), connection.execute(query).fetchall()
        for number in range(count):
            put(five, "features.bars", bars(20, seed=100 + number))
            assert publish(five).new
            if number % 10 == 0:
                prune(five, keep=1)
                assert ask() == first
        prune(five, keep=1)
        assert numbers(five) == [5, 5 + count]
        assert (ask(), connection.execute(query).fetchall()) == (first, rows)
        with open_generation(five.home) as newest:
            assert newest.execute(query).fetchall() != rows
    assert prune(five, keep=1).removed == (held.id,)


def test_a_reader_of_this_process_reads_on(five):
    with open_generation(five.home, ids(five)[0]) as connection:
        prune(five, keep=0)
        assert connection.execute("select count(*) from features.bars").fetchone() == (20,)


def test_files_shared_with_the_tables_outlive_a_generation(five):
    prune(five, keep=0)
    with five.session() as session:
        assert session.execute("select count(*) from features.bars_history").fetchone() == (100,)
