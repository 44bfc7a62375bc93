"""Pieces of a run in processes of their own, side by side."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from assets.specs import asset_key
from imbalance.captures.build import CAPTURE_TABLES, RAW_TABLES, materialise_raw
from imbalance.captures.register import register
from imbalance.errors import UserError
from imbalance.machine import SideBySide
from imbalance.store.store import Store
from pipelines.crew import Crew
from pipelines.instance import PROCESS_TAG, RUN_TAG, add_venues, open_instance
from pipelines.jobs import VENUE_DAYS, parts
from pipelines.pieces import STUDY_TAG, Interruptions, Piece
from pipelines.report import Reporter
from tests.captures.samples import SPOT
from tests.pipelines.conftest import DAYS, KEYS, contents

RAW = tuple(asset_key(name) for name in (*RAW_TABLES, *CAPTURE_TABLES))


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


@pytest.fixture
def crew_of(home, heard):
    """A function that starts a crew of two over the home."""
    wakeup = signal.set_wakeup_fd(-1)
    interruptions = Interruptions()
    yield lambda: Crew(2, home.home.root, None, "this run", heard[0], interruptions)
    signal.set_wakeup_fd(wakeup)


def raw_of(*partitions):
    return Piece(VENUE_DAYS.name, partitions, RAW)


@pytest.mark.parametrize(("most", "expected"), [
    (1, [["a", "b", "c", "d", "e"]]),
    (2, [["a", "b"], ["c", "d", "e"]]),
    (9, [["a"], ["b"], ["c"], ["d"], ["e"]]),
])
def test_parts_are_as_equal_as_they_can_be(most, expected):
    assert parts(list("abcde"), most) == expected


def test_pieces_make_what_one_process_makes_and_are_heard(
    home, tmp_path, daily_captures, heard, crew_of
):
    reference = Store.open(tmp_path / "reference", create=True)
    register(reference, [daily_captures])
    materialise_raw(reference, SPOT, DAYS)
    with crew_of() as crew:
        assert crew.execute([replace(raw_of(key), study=key) for key in KEYS]) == []
    assert multiprocessing.active_children() == []
    assert contents(home) == contents(reference)
    assert sum(said.get("partitions", 0) for said in heard[1]()) == 3
    with open_instance(home.home) as instance:
        tags = [run.tags for run in instance.get_runs()]
    assert {of[RUN_TAG] for of in tags} == {"this run"}
    assert sorted(of[STUDY_TAG] for of in tags) == list(KEYS)
    processes = {int(of[PROCESS_TAG].split(".")[-2]) for of in tags}
    assert len(tags) == 3
    assert os.getpid() not in processes


def test_each_process_counts_on_its_part_of_the_memory(crew_of):
    with crew_of() as crew:
        assert crew._pool.submit(getattr, SideBySide, "processes").result() == 2
    assert SideBySide.processes == 1


def test_of_a_range_that_fails_the_bad_day_alone_is_told(home, daily_captures, crew_of):
    broken = daily_captures / "btcusdt_20240809.gz"
    broken.write_bytes(bytes(broken.stat().st_size))
    with crew_of() as crew:
        (failure,) = crew.execute([raw_of(*KEYS)])
    assert (failure.step, failure.partition) == ("raw", KEYS[1])
    assert failure.message.startswith("a capture has changed since it was registered")
    assert set(home.ledger.partitions("raw.trades")) == {KEYS[0], KEYS[2]}


def test_a_process_that_is_killed_is_told_with_what_to_do(crew_of):
    def kill():
        while not (children := multiprocessing.active_children()):
            time.sleep(0.01)
        os.kill(children[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with (
        pytest.raises(UserError, match="a process of the run ended before its time") as told,
        crew_of() as crew,
    ):
        crew.execute([raw_of(key) for key in KEYS])
    killer.join()
    assert "processes = 1" in told.value.fix
    assert multiprocessing.active_children() == []


def test_whoever_is_interrupted_leaves_no_process(home, crew_of):
    def interrupted():
        with crew_of() as crew:
            assert crew.execute([raw_of(key) for key in KEYS[:2]]) == []
            assert multiprocessing.active_children()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert multiprocessing.active_children() == []
    with open_instance(home.home) as instance:
        assert all(run.is_finished for run in instance.get_runs())


def test_where_no_socket_can_be_made_there_is_no_crew(home, repository, tmp_path):
    directory = tmp_path / ("long" * 30)
    directory.mkdir()
    program = """
import contextlib, pathlib, sys
from pipelines.report import Reporter
from pipelines.run import Run
limits = dict.fromkeys(("first", "last", "venue"))
run = Run(pathlib.Path(sys.argv[1]), None, limits, Reporter(2))
with contextlib.ExitStack() as ending:
    print(run._crew(2, ending))
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, home.home.root], check=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(repository), "TMPDIR": str(directory)}, text=True,
    )
    assert "AF_UNIX path too long" in done.stderr
    assert done.stdout == "None\n"


def test_a_run_that_is_asked_to_end_while_its_processes_work_says_so(home, repository, tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text("[run]\nprocesses = 2\n")
    running = subprocess.Popen(
        [sys.executable, "-P", "-m", "pipelines.run"], stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(repository), "IMBALANCE_HOME": str(home.home.root),
             "IMBALANCE_CONFIG": str(settings)},
    )
    for line in running.stdout:
        said = json.loads(line)
        if said.get("phase") == "studies":
            time.sleep(1.0)
            running.send_signal(signal.SIGTERM)
    assert said == {"say": "result", "error": "interrupted", "exit_code": 130}
    assert running.wait() == 130
    with open_instance(home.home) as instance:
        assert all(run.is_finished for run in instance.get_runs())
