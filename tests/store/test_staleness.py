"""Why a partition is out of date, told from what the ledger has kept."""

import sqlite3
from contextlib import closing

import pytest

from imbalance.contracts import Column, Table
from imbalance.store import Store
from imbalance.store.ledger import CaptureFile, Ledger
from imbalance.store.task import is_current, remove
from tests.store.samples import BARS, PARTITION, TABLES, bars, events, put


def reasons(store, **changes):
    asked = {"outputs": ["features.bars"], "partition": PARTITION, "version": "1",
             "inputs": [("raw.events", PARTITION)], "parameters": {"limit": 5, "deep": {"a": 1}}}
    store.reasons = {}
    is_current(store, **(asked | changes))
    return store.reasons.get(("features.bars", PARTITION), [])


@pytest.fixture
def made(store):
    put(store, "raw.events", events(5))
    put(store, "features.bars", bars(5), inputs=[("raw.events", PARTITION)],
        parameters={"limit": 5, "deep": {"a": 1}})
    return store


def test_what_is_current_has_no_reason(made):
    assert reasons(made) == []


def test_each_kind_of_change_is_named(made):
    assert reasons(made, version="2") == ["version: 1 before, 2 now"]
    assert reasons(made, parameters={"limit": 6, "deep": {"a": 1, "b": 2}}) == [
        "parameter deep.b: null before, 2 now", "parameter limit: 5 before, 6 now"]
    assert reasons(made, partition="2024-08-09|binance-futures") == []
    assert made.reasons["features.bars", "2024-08-09|binance-futures"] == ["never made"]
    assert reasons(made, inputs=[]) == [f"input raw.events [{PARTITION}] is gone"]
    before = made.ledger.current("raw.events", PARTITION).sha256
    put(made, "raw.events", events(6))
    now = made.ledger.current("raw.events", PARTITION).sha256
    assert reasons(made) == [
        f"input raw.events [{PARTITION}] has changed: {before[:8]} before, {now[:8]} now"]
    remove(made, tables=["features.bars"], partition=PARTITION)
    assert reasons(made) == ["features.bars was removed"]


def test_captures_are_named_by_their_files(store):
    for capture_id in ("a" * 16, "b" * 16):
        store.ledger.register_capture(CaptureFile(
            capture_id, capture_id * 4, "/captures/btcusdt.gz", 1, 1, "binance-lines", "binance"))
    put(store, "features.bars", bars(5), parameters={"captures": ["a" * 16, "c" * 16]})
    assert reasons(store, inputs=[], parameters={"captures": ["c" * 16, "b" * 16]}) == [
        f"capture btcusdt.gz ({'b' * 16}) is new", f"capture btcusdt.gz ({'a' * 16}) is gone"]
    assert len(reasons(store, inputs=[], parameters={"captures": ["c" * 16, "a" * 16]})) == 1


def test_a_setting_within_a_list_is_named_by_its_place(store):
    def families(**changed):
        second = {"name": "b", "lags": [1, 2]} | changed
        return {"families": {"correlation": [{"name": "a"}, second]}}

    put(store, "features.bars", bars(5), parameters=families())
    assert reasons(store, parameters=families()) == []
    assert reasons(store, parameters=families(lags=[1])) == [
        "parameter families.correlation[1].lags: [1, 2] before, [1] now"]
    shorter = {"families": {"correlation": [{"name": "a"}]}}
    assert [text.split(":")[0] for text in reasons(store, parameters=shorter)] == [
        "parameter families.correlation"]


def test_a_changed_shape_and_a_lost_file_are_named(made):
    wider = Table(**{**BARS.__dict__, "columns": (
        *BARS.columns, Column("fresh", "DOUBLE", "New.", nullable=True, null_meaning="none"))})
    later = Store(made.home, tables={**TABLES, "features.bars": wider})
    assert reasons(later) == ["the columns of features.bars have changed"]
    made.home.file(made.ledger.current("features.bars", PARTITION).file).unlink()
    assert reasons(made) == ["the file of features.bars is missing"]


def test_a_ledger_of_the_first_layout_is_brought_up(made):
    path = made.ledger.path
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("drop table input_sets; pragma user_version = 1;")
    store = Store(made.home, tables=TABLES)
    assert Ledger(path).last_sequence() == 2
    assert reasons(store) == []
    assert reasons(store, parameters={}) == [
        "inputs or settings have changed; what they were was not kept"]
    put(store, "features.bars", bars(7), parameters={"limit": 1})
    assert reasons(store, inputs=[], parameters={"limit": 2}) == [
        "parameter limit: 1 before, 2 now"]
