"""However many threads there are, the rows of book, features and a study are the same (F35)."""

import os

import duckdb
import pytest
import threadpoolctl

from imbalance.books.build import materialise_book
from imbalance.captures.register import register
from imbalance.config import Config, StudiesConfig
from imbalance.features.tasks import features_task
from imbalance.store.home import Home
from imbalance.store.store import Store
from imbalance.studies.registry import study
from imbalance.studies.tasks import study_task
from tests.captures.building import build_all
from tests.studies.bar_store import write_day

DAY, VENUE = "2026-08-09", "bybit"
DAY_OF_STUDY = "2024-08-08"


@pytest.fixture
def threads(monkeypatch):
    """Sets how many threads pools, linear algebra and every database of DuckDB have."""
    connect, given = duckdb.connect, []

    def put(count):
        def connected(*arguments, **named):
            connection = connect(*arguments, **named)
            connection.execute(f"set threads = {count}")
            given.append(count)
            return connection

        monkeypatch.setattr(os, "cpu_count", lambda: count)
        monkeypatch.setattr(duckdb, "connect", connected)
        return threadpoolctl.threadpool_limits(count)

    put.given = given
    return put


def made(directory, capture):
    """Hashes of the rows of all partitions."""
    settings = StudiesConfig(bar_sizes=("1s",), replications=99, maximum_lag=3, horizon=5)
    store = Store(Home.open(directory, create=True), Config(studies=settings))
    register(store, [capture])
    assert all(not result.failed for result in build_all(store).values())
    materialise_book(store, VENUE, DAY)
    features_task(VENUE, DAY).materialise(store)
    write_day(store, DAY_OF_STUDY, 1)
    study_task(study("correlation"), store, DAY_OF_STUDY).materialise(store)
    return {(table, partition): (entry.rows_hash, entry.row_count)
            for table, of_table in store.ledger.all_partitions().items()
            for partition, entry in of_table.items()}


@pytest.mark.slow
def test_the_number_of_threads_changes_no_row(shared, tmp_path, threads):
    found = []
    for count in (1, 2, 4):
        with threads(count):
            capture = shared / "captures/cryptofeed/v3/BYBIT.jsonl.zst"
            found.append(made(tmp_path / f"{count}", capture))
    assert all(one == found[0] for one in found)
    for name, partition in (
        ("book.bars_100ms", f"{DAY}|{VENUE}"), ("features.bars_1s", f"{DAY}|{VENUE}"),
        ("studies.correlation", DAY_OF_STUDY),
    ):
        assert found[0][name, partition][1] > 10
    assert set(threads.given) == {1, 2, 4}
