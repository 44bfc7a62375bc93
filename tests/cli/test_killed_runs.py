"""SIGKILL at random moments of whole runs: what stands afterwards is what an undisturbed run makes.

The moments are told by the ledger, not by the clock: each falls a little after a random commit.
"""

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from imbalance.store.generations import find_generation
from imbalance.store.store import Store
from imbalance.store.verify import verify
from tests.cli.process import command, imbalance


def contents(home):
    """Hash of the rows of every partition."""
    return {
        (table, partition): entry.rows_hash
        for table, partitions in Store.open(home).ledger.all_partitions().items()
        for partition, entry in partitions.items()
    }


def start(filled, home):
    return subprocess.Popen(
        command("run", filled.captures, home=home, config=filled.config),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )


def kill(running, *, alone):
    """Kill what works for the command, and the command with it unless the work `alone`."""
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    for pid in (*map(int, children), *(() if alone else (running.pid,))):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return running.wait()


def last_sequence(home):
    return Store.open(home).ledger.last_sequence() if (home / "ledger.sqlite").exists() else 0


@pytest.mark.slow
@pytest.mark.parametrize("kills", [50])
def test_killed_runs_end_in_the_same_tables(filled, tmp_path, kills):
    reference = contents(filled.home)
    moments = random.Random(20240809)
    home, homes, done = None, 0, 0
    while done < kills:
        if home is None:
            home, homes = tmp_path / f"home-{homes}", homes + 1
        before = last_sequence(home)
        wanted = before + moments.randrange(6)
        rest = moments.uniform(0.0, 3.0)
        running = start(filled, home)
        while running.poll() is None and last_sequence(home) < wanted:
            time.sleep(0.05)
        time.sleep(rest)
        if running.poll() is None:
            alone = moments.random() < 0.5
            assert kill(running, alone=alone) != 0 or contents(home) == reference
            done += 1
            found = contents(home) if last_sequence(home) else {}
            assert found == {key: reference[key] for key in found}
            assert not found or verify(Store.open(home).home).whole
        else:
            assert running.returncode == 0
            assert contents(home) == reference
            home = None  # begin anew, so that kills fall on every step
    if home is not None:
        ended = imbalance("run", filled.captures, home=home, config=filled.config)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert contents(home) == reference
    for number in range(homes):
        store = Store.open(tmp_path / f"home-{number}")
        assert find_generation(store.home) is not None
        assert verify(store.home).whole
        with store.session() as session:
            (doubled,) = session.sql(
                "select count(*) - count(distinct (instrument, bar_start)) from features.bars_1s"
            ).fetchone()
        assert doubled == 0
