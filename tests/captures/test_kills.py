"""SIGKILL at random moments of an ingestion: nothing torn, and run again the same tables (F1)."""

import random
import shutil
import time

import pytest

from imbalance.captures.register import register
from imbalance.store.store import Store
from imbalance.store.sweep import sweep
from imbalance.store.verify import verify
from tests.captures.building import build_all, write
from tests.captures.samples import MINUTE, START, VENUES, recording
from tests.killing import start_and_kill


def ingest(root, captures):
    """Register captures and make the raw tables of their days."""
    store = Store.open(root, create=True)
    register(store, [captures])
    build_all(store)


def hashes(store):
    return {
        (table, partition): entry.rows_hash
        for table, entries in store.ledger.all_partitions().items()
        for partition, entry in entries.items()
    }


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_an_ingestion_that_is_killed_ends_in_the_same_tables(tmp_path, kills):
    """A kill counts when it falls into unfinished work, however fast the machine is."""
    captures = tmp_path / "captures"
    for venue in VENUES:
        for part in range(2):
            lines = recording(venue, 150, receive=START + part * MINUTE, first=1000 * (part + 1))
            write(captures / venue / f"{part}.gz", lines)
    ingest(tmp_path / "reference", captures)  # compiles what the children need
    started = time.monotonic()
    ingest(tmp_path / "measured", captures)
    length = time.monotonic() - started
    wanted = hashes(Store.open(tmp_path / "reference"))
    assert len(wanted) > 20
    moments = random.Random(20240808)
    homes, unfinished, root = 0, 0, None
    while unfinished < kills:
        if root is None:
            root, homes = tmp_path / f"home-{homes}", homes + 1
            Store.open(root, create=True)
        start_and_kill(ingest, root, captures, after=moments.uniform(0.0, length))
        store = Store.open(root)
        found = hashes(store)
        assert found.items() <= wanted.items()
        assert verify(store.home).whole
        done = found == wanted
        unfinished += not done
        length *= 0.8 if done else 1.0
        if done or unfinished % 5 == 0:
            ingest(root, captures)
            assert hashes(store) == wanted
            sweep(store.home, store.ledger, older_than=0)
            assert list(store.home.staging_dir.iterdir()) == []
            on_disk = {p for p in store.home.tables_dir.rglob("*") if p.is_file()}
            assert on_disk == {store.home.file(name) for name in store.ledger.files()}
            root = None  # begin anew, so that kills fall on every part of the work


def grow(captures, *, until):
    """The files of all venues up to some line."""
    for venue in VENUES:
        path = captures / venue
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"".join(recording(venue, 300)[:until]))


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_a_continued_ingestion_that_is_killed_ends_in_the_same_tables(tmp_path, kills):
    """Files have grown since they were ingested: each partition is as it was or as it is to be."""
    captures = tmp_path / "captures"
    grow(captures, until=200)
    ingest(tmp_path / "before", captures)
    before = hashes(Store.open(tmp_path / "before"))
    grow(captures, until=300)
    started = time.monotonic()
    ingest(tmp_path / "reference", captures)
    length = time.monotonic() - started
    wanted = {k: v for k, v in hashes(Store.open(tmp_path / "reference")).items() if v}
    moments = random.Random(20240808)
    homes, unfinished, root = 0, 0, None
    while unfinished < kills:
        if root is None:
            root, homes = tmp_path / f"home-{homes}", homes + 1
            shutil.copytree(tmp_path / "before", root)
        start_and_kill(ingest, root, captures, after=moments.uniform(0.0, length))
        store = Store.open(root)
        found = {key: rows for key, rows in hashes(store).items() if rows}
        assert found.items() <= wanted.items() | before.items()
        # files that have grown and are not registered yet are told of, rightly
        assert all(one.path.startswith(str(captures)) for one in verify(store.home).damaged)
        done = found == wanted
        unfinished += not done
        length *= 0.8 if done else 1.0
        if done or unfinished % 5 == 0:
            ingest(root, captures)
            assert {key: rows for key, rows in hashes(store).items() if rows} == wanted
            root = None
