"""The sensor: new files in a watched directory become runs, the same bytes never twice."""

import gzip
import os
import time

import dagster as dg
import pytest

from assets.partitions import Partitions
from imbalance.captures.build import materialise_raw
from imbalance.captures.register import register
from imbalance.config import CapturesConfig, Config
from imbalance.store.ledger_rows import days_of
from imbalance.store.store import Store
from imbalance.warehouse import PlainWarehouse
from pipelines.sensors import new_captures

LINE = (
    b'1723161245123456789 {"stream":"btcusdt@trade","data":{"e":"trade","E":1723161245122,'
    b'"s":"BTCUSDT","t":1,"p":"61000.10","q":"0.5","T":1723161245121,"m":true,"M":true}}\n'
)


@pytest.fixture
def look(tmp_path):
    """Evaluate the sensor over `tmp_path/captures`, with days from `first` to `last`."""
    (tmp_path / "captures").mkdir()
    store = Store.open(tmp_path / "home", create=True)

    def call(first="2024-08-01", last="2024-08-31", watch=True, first_day=""):
        watched = (str(tmp_path / "captures"),) if watch else ()
        config = Config(first_day=first_day, captures=CapturesConfig(watch=watched))
        warehouse = PlainWarehouse(Store(store.home, config=config))
        sensor = new_captures(config, Partitions.spanning(first_day or first, last))
        with dg.instance_for_test() as instance:
            context = dg.build_sensor_context(
                instance=instance, resources={"warehouse": warehouse}
            )
            return sensor(context)

    return call


def put(tmp_path, name, data=LINE * 3):
    path = tmp_path / "captures" / name
    path.write_bytes(gzip.compress(data, mtime=0))
    long_ago = time.time() - 3600
    os.utime(path, (long_ago, long_ago))


def test_nothing_is_watched_by_default(look):
    assert "watch" in look(watch=False).skip_message


def test_a_new_file_is_a_run_known_by_its_bytes(look, tmp_path):
    put(tmp_path, "btcusdt_20240808.gz")
    result = look()
    (request,) = result.run_requests
    store = Store.open(tmp_path / "home")
    (capture,) = store.ledger.captures()
    assert request.run_key == capture.sha256
    assert request.tags["dagster/asset_partition_range_start"] == (
        f"{capture.first_day}|{capture.venue}"
    )
    (added,) = result.dynamic_partitions_requests
    assert added.partition_keys == [capture.venue]
    put(tmp_path, "copy.gz")
    (again,) = look().run_requests
    assert again.run_key == request.run_key  # for which Dagster has launched a run already


def test_what_a_dead_look_has_registered_is_still_asked_for_until_it_is_made(look, tmp_path):
    put(tmp_path, "btcusdt_20240808.gz")
    store = Store.open(tmp_path / "home")
    register(store, [tmp_path / "captures"])
    (request,) = look().run_requests
    (capture,) = store.ledger.captures()
    assert request.run_key == capture.sha256
    materialise_raw(store, capture.venue, days_of(capture))
    assert isinstance(look(), dg.SkipReason)


def test_days_before_the_first_are_not_asked_for(look, tmp_path):
    put(tmp_path, "btcusdt_20240808.gz")
    assert isinstance(look(first_day="2024-08-20"), dg.SkipReason)


def test_a_home_among_the_captures_is_passed_over(look, tmp_path):
    inner = Store.open(tmp_path / "captures" / "home", create=True)
    file = inner.home.root / "notes.gz"
    file.write_bytes(gzip.compress(LINE))
    os.utime(file, (0, 0))
    assert isinstance(look(), dg.SkipReason)
    assert Store.open(tmp_path / "home").ledger.captures() == []


def test_a_file_that_vanishes_meanwhile_is_no_error(look, tmp_path, monkeypatch):
    put(tmp_path, "btcusdt_20240808.gz")
    gone = tmp_path / "captures" / "a_gone.gz"
    monkeypatch.setattr(
        "imbalance.captures.walk.files_of",
        lambda path, *_: iter([gone, *sorted(path.iterdir())] if path.is_dir() else [path]),
    )
    assert len(look().run_requests) == 1


def test_a_day_outside_the_partitions_asks_for_a_reload_not_a_run(look, tmp_path):
    put(tmp_path, "btcusdt_20240808.gz")
    found = look(first="2025-01-01", last="2025-01-31")
    assert found.run_requests == []
    assert "Reload definitions" in found.skip_reason.skip_message
    assert "btcusdt_20240808.gz" in found.skip_reason.skip_message


def test_a_file_that_is_being_written_is_left_for_later(look, tmp_path):
    (tmp_path / "captures" / "growing.gz").write_bytes(gzip.compress(LINE))
    assert isinstance(look(), dg.SkipReason)
    assert Store.open(tmp_path / "home").ledger.captures() == []


def test_an_empty_directory_is_no_error(look):
    assert isinstance(look(), dg.SkipReason)
