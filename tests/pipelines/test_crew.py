"""Pieces of a run in processes of their own, side by side."""

import json
import multiprocessing
import os
import signal
import threading
import time

import pytest

from assets.specs import asset_key
from imbalance.captures.build import CAPTURE_TABLES, RAW_TABLES, materialise_raw
from imbalance.captures.register import register
from imbalance.errors import UserError
from imbalance.store.store import Store
from pipelines.crew import Crew
from pipelines.instance import PROCESS_TAG, add_venues, open_instance
from pipelines.jobs import VENUE_DAYS, parts
from pipelines.pieces import RUN_TAG, Piece
from pipelines.report import Reporter
from tests.captures.samples import SPOT
from tests.pipelines.conftest import DAYS, KEYS, contents

RAW = tuple(tuple(asset_key(name).path) for name in (*RAW_TABLES, *CAPTURE_TABLES))


@pytest.fixture
def home(tmp_path, daily_captures, monkeypatch):
    """A home in which the captures are registered, with an instance of Dagster."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    store = Store.open(tmp_path / "home", create=True)
    register(store, [daily_captures])
    with open_instance(store.home) as instance:
        add_venues(instance, [SPOT])
    return store


@pytest.fixture
def heard():
    """A reporter, and a function that reads what has been said to it."""
    reading, writing = os.pipe()

    def read():
        os.close(writing)
        with os.fdopen(reading) as stream:
            return [json.loads(line) for line in stream]

    return Reporter(writing), read


def raw_of(*partitions):
    return Piece(VENUE_DAYS.name, partitions, RAW)


@pytest.mark.parametrize(("most", "expected"), [
    (1, [["a", "b", "c", "d", "e"]]),
    (2, [["a", "b"], ["c", "d", "e"]]),
    (9, [["a"], ["b"], ["c"], ["d"], ["e"]]),
])
def test_parts_are_as_equal_as_they_can_be(most, expected):
    assert parts(list("abcde"), most) == expected


def test_pieces_make_what_one_process_makes_and_are_heard(home, tmp_path, daily_captures, heard):
    reference = Store.open(tmp_path / "reference", create=True)
    register(reference, [daily_captures])
    materialise_raw(reference, SPOT, DAYS)
    reporter, read = heard
    with Crew(2, home.home.root, None, "this run", reporter) as crew:
        assert crew.execute([raw_of(key) for key in KEYS]) == []
    assert multiprocessing.active_children() == []
    assert contents(home) == contents(reference)
    assert sum(said.get("partitions", 0) for said in read()) == 3
    with open_instance(home.home) as instance:
        tags = [run.tags for run in instance.get_runs()]
    assert {of[RUN_TAG] for of in tags} == {"this run"}
    processes = {int(of[PROCESS_TAG].split(".")[-2]) for of in tags}
    assert len(tags) == 3
    assert os.getpid() not in processes


def test_of_a_range_that_fails_the_bad_day_alone_is_told(home, daily_captures, heard):
    broken = daily_captures / "btcusdt_20240809.gz"
    broken.write_bytes(bytes(broken.stat().st_size))
    with Crew(2, home.home.root, None, "this run", heard[0]) as crew:
        (failure,) = crew.execute([raw_of(*KEYS)])
    assert (failure.step, failure.partition) == ("raw", KEYS[1])
    assert failure.message.startswith("a capture has changed since it was registered")
    assert set(home.ledger.partitions("raw.trades")) == {KEYS[0], KEYS[2]}


def test_a_process_that_is_killed_is_told_with_what_to_do(home, heard):
    def kill():
        while not (children := multiprocessing.active_children()):
            time.sleep(0.01)
        os.kill(children[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with (
        pytest.raises(UserError, match="a process of the run was killed") as told,
        Crew(2, home.home.root, None, "this run", heard[0]) as crew,
    ):
        crew.execute([raw_of(key) for key in KEYS])
    killer.join()
    assert "processes = 1" in told.value.fix
    assert multiprocessing.active_children() == []


def test_whoever_is_interrupted_leaves_no_process(home, heard):
    def interrupted():
        with Crew(2, home.home.root, None, "this run", heard[0]) as crew:
            assert crew.execute([raw_of(key) for key in KEYS[:2]]) == []
            assert multiprocessing.active_children()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert multiprocessing.active_children() == []
    with open_instance(home.home) as instance:
        assert all(run.is_finished for run in instance.get_runs())
