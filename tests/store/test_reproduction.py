"""Comparing a home with a generation: every partition by the hash of its rows."""

import hashlib
import json
from dataclasses import asdict

import pytest

from imbalance.config import Config
from imbalance.config_file import as_settings, load_config, to_toml
from imbalance.contracts import Table
from imbalance.errors import UserError
from imbalance.store import Home, Store
from imbalance.store.generations import find_generation
from imbalance.store.ledger import CaptureFile, NewEntry
from imbalance.store.manifest import read_manifest
from imbalance.store.publishing import publish
from imbalance.store.reproduction import capture_files, compare_rows, days
from tests.store.samples import PARTITION, STUDY, TABLES, bars, put, study


def fill(store, seed=0):
    put(store, "features.bars", bars(50, seed=seed))
    put(store, "features.bars", bars(5, day="2024-08-09"), "2024-08-09|binance-futures")
    put(store, "studies.correlation", study(), "2024-08-08")


@pytest.fixture
def manifest(store):
    fill(store)
    publish(store)
    return read_manifest(find_generation(store.home).path)


def test_the_same_rows_are_the_same_whenever_they_were_made(manifest, tmp_path):
    again = Store(Home.open(tmp_path / "again", create=True), tables=TABLES)
    fill(again)
    found = compare_rows(manifest, again.ledger, TABLES)
    assert (found.same, found.partitions, found.redefined) == (True, 3, ())
    assert days(manifest) == ("2024-08-08", "2024-08-09")


def test_what_differs_or_is_missing_is_named(manifest, tmp_path):
    again = Store(Home.open(tmp_path / "again", create=True), tables=TABLES)
    put(again, "features.bars", bars(50, seed=1))
    put(again, "studies.correlation", study(), "2024-08-08")
    other = Table(**{**STUDY.__dict__, "description": "Another."})
    found = compare_rows(manifest, again.ledger, {**TABLES, STUDY.name: other})
    assert [(one.partition, one.found is None) for one in found.mismatches] == [
        (PARTITION, False), ("2024-08-09|binance-futures", True)]
    assert found.redefined == ("studies.correlation",)


def test_a_lost_capture_is_named(store, manifest, tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(b"bytes")
    digest = hashlib.sha256(b"bytes").hexdigest()
    for place in (tmp_path / "0.gz", path):
        store.ledger.register_capture(
            CaptureFile(digest[:16], digest, str(place), 5, 1, "raw", "binance"))
    store.ledger.commit(
        [NewEntry("raw.captures", digest[:16], "f", "f", "f", 1, "inputs", "1")], "run")
    (tmp_path / "0.gz").write_bytes(b"of another")
    put(store, "features.bars", bars(9))
    publish(store)
    later = read_manifest(find_generation(store.home).path)
    assert capture_files(store.ledger, later) == [path]
    path.unlink()
    with pytest.raises(UserError, match=f"capture {digest[:16]} is no longer there"):
        capture_files(store.ledger, later)


def test_settings_are_kept_and_read_back(manifest, tmp_path):
    assert manifest.settings == json.loads(json.dumps(as_settings(Config())))
    path = tmp_path / "settings.toml"
    path.write_text(
        'first_day = "2024-08-01"\n[studies]\nbar_sizes = ["1s"]\nreplications = 99\n'
        '[multipliers]\n"binance-delivery:BTCUSD_PERP" = 100.0\n')
    again = tmp_path / "again.toml"
    for config in (load_config(path), Config()):
        again.write_text(to_toml(as_settings(config)))
        assert asdict(load_config(again)) == asdict(config)
