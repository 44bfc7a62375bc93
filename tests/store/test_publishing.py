"""Publishing: what a manifest says, where things are put aside, and what a damaged one leads to."""

from pathlib import Path

import duckdb
import pytest

from imbalance.store.generation_diff import compare
from imbalance.store.generations import find_generation
from imbalance.store.ledger import CaptureFile, NewEntry
from imbalance.store.manifest import MANIFEST_NAME, read_manifest
from imbalance.store.publishing import is_published, publish
from imbalance.store.validation import validate
from tests.store.samples import bars, put, study


@pytest.fixture
def published(store):
    """A store with a day of bars and a study, published once."""
    put(store, "features.bars", bars(60))
    put(store, "studies.correlation", study(), "2024-08-08")
    publish(store)
    return store


def capture(name):
    return CaptureFile(name, f"bytes of {name}", f"/{name}", 1, 1, "binance-lines", "binance",
                       "2024-08-08", "2024-08-08")


def read_entry(name):
    return NewEntry("raw.captures", name, "f", "f", "f", 1, "inputs", "1")


def test_the_manifest_has_the_captures_that_were_read_by_its_sequence(store, monkeypatch):
    """Not one that is registered only, nor one that comes while the generation is made."""
    put(store, "features.bars", bars(50))
    put(store, "studies.correlation", study(), "2024-08-08")
    for name in ("one", "other"):
        store.ledger.register_capture(capture(name))
    store.ledger.commit([read_entry("one")], "run")

    def late(*given):
        store.ledger.register_capture(capture("late"))
        store.ledger.commit([read_entry("late"), read_entry("other")], "run")
        return validate(*given)

    monkeypatch.setattr("imbalance.store.publishing.validate", late)
    manifest = read_manifest(publish(store).path)
    assert manifest.captures == {"one": "bytes of one"}
    assert manifest.ledger_sequence == 3
    assert {c.capture_id for c in store.ledger.captures()} == {"one", "other", "late"}


def test_what_is_put_aside_while_a_file_is_made_is_no_part_of_it(published, monkeypatch, tmp_path):
    opened = []
    connect = duckdb.connect

    def noted(*given, **named):
        opened.append(named.get("config", {}).get("temp_directory", ""))
        return connect(*given, **named)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(duckdb, "connect", noted)
    put(published, "features.bars", bars(50, seed=5))
    before = find_generation(published.home)
    compare(before, publish(published))
    assert len(opened) == 3
    assert {str(Path(place).parent) for place in opened} == {str(published.home.staging_dir)}


def test_a_generation_whose_manifest_is_damaged_is_published_anew(published):
    before = find_generation(published.home)
    assert is_published(published)
    manifest = before.path / MANIFEST_NAME
    manifest.chmod(0o644)
    manifest.write_text("{")
    assert not is_published(published)
    assert publish(published).number == before.number + 1
    assert is_published(published)
