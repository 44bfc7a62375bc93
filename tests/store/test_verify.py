"""Verification: every flipped bit and every missing file is found and named."""

import errno
import hashlib
import os
import random
from pathlib import Path

import pytest

from imbalance.errors import UserError
from imbalance.progress import Silent
from imbalance.store.files import sha256_file
from imbalance.store.generations import find_generation
from imbalance.store.ledger import CaptureFile
from imbalance.store.manifest import MANIFEST_NAME
from imbalance.store.publishing import publish
from imbalance.store.verify import verify
from tests.store.samples import PARTITION, bars, events, put, study

few_and_many = pytest.mark.parametrize("flips", [30, pytest.param(300, marks=pytest.mark.slow)])


@pytest.fixture
def published(store, tmp_path):
    put(store, "features.bars", bars(2000))
    put(store, "studies.correlation", study(), "2024-08-08")
    put(store, "raw.events", events(100))
    put(store, "raw.events", events(200))
    path = tmp_path / "capture.gz"
    path.write_bytes(b"bytes of a capture")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    store.ledger.register_capture(
        CaptureFile(digest[:16], digest, str(path), 18, 1, "binance", "binance-futures")
    )
    publish(store)
    return store


class Heard(Silent):
    def __init__(self):
        self.files = self.bytes = 0

    def advance(self, *, bytes=0, files=0, **_):
        self.files += files
        self.bytes += bytes


def test_a_whole_home_is_whole(published):
    heard = Heard()
    report = verify(published.home, heard)
    assert report.whole
    # 2 + 2 partition files, shared with the generation; its database and definitions; a capture.
    assert (report.files, heard.files) == (7, 7)
    assert report.bytes == heard.bytes > 0
    assert report.missing_captures == ()


@few_and_many
def test_every_flipped_bit_is_found(published, tmp_path, flips):
    """In each file so many, one after another."""
    generation = find_generation(published.home).path
    files = [
        *(published.home.file(name) for name in published.ledger.files()),
        *(p for p in generation.iterdir() if p.is_file()),
        tmp_path / "capture.gz",
    ]
    assert {".parquet", ".duckdb", ".json", ".gz"} == {path.suffix for path in files}
    manifests = [path for path in files if path.name == MANIFEST_NAME]
    chance = random.Random(16)
    # What a damaged manifest lists cannot be looked into, so that it stands by itself.
    for together in ([path for path in files if path not in manifests], manifests):
        whole = {path: path.read_bytes() for path in together}
        for _ in range(flips):
            for path, data in whole.items():
                place, bit = chance.randrange(len(data)), chance.randrange(8)
                path.chmod(0o644)
                path.write_bytes(data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :])
            found = {damage.path for damage in verify(published.home).damaged}
            assert found >= set(map(str, together))
        for path, data in whole.items():
            path.write_bytes(data)
    assert verify(published.home).whole


def test_missing_files_are_named_and_moved_captures_are_no_damage(published, tmp_path):
    entry = published.ledger.history("raw.events", PARTITION)[0]  # history counts too
    path = published.home.file(entry.file)
    path.unlink()
    (tmp_path / "capture.gz").rename(tmp_path / "elsewhere.gz")
    report = verify(published.home)
    assert [(d.path, d.what) for d in report.damaged] == [(str(path), "missing")]
    # a run makes current rows only
    assert report.damaged[0].fix.startswith("no run makes it again")
    assert "delete" not in report.damaged[0].fix
    assert report.missing_captures == (str(tmp_path / "capture.gz"),)


def test_what_the_disk_cannot_read_is_named_and_the_rest_looked_at(published, monkeypatch):
    """A bad sector under one file, another one changed."""
    bad, changed = (published.home.file(published.ledger.current(*key).file) for key in (
        ("features.bars", PARTITION), ("studies.correlation", "2024-08-08")))
    changed.chmod(0o644)
    changed.write_bytes(b"else")

    def read(path):
        if path == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return sha256_file(path)

    monkeypatch.setattr("imbalance.store.verify.sha256_file", read)
    found = {damage.path: damage.what for damage in verify(published.home).damaged}
    assert found[str(bad)] == "cannot be read: Input/output error"
    assert found[str(changed)] == "its bytes have changed"


def test_a_damaged_partition_is_built_again(published):
    entry = published.ledger.current("raw.events", PARTITION)
    path = published.home.file(entry.file)
    good = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(good[::-1])
    (damage,) = verify(published.home).damaged
    assert damage.path == str(path)
    assert "delete it" in damage.fix
    Path(damage.path).unlink()
    assert put(published, "raw.events", events(200), force=False).status == "built"
    assert path.read_bytes() == good
    assert verify(published.home).whole


def test_without_a_ledger_there_is_nothing_to_compare_with(published):
    published.home.ledger_path.write_bytes(b"no database" * 1000)
    for suffix in ("-wal", "-shm"):
        Path(f"{published.home.ledger_path}{suffix}").unlink(missing_ok=True)
    with pytest.raises(UserError, match="ledger"):
        verify(published.home)
