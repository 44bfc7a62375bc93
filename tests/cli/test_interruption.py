"""A run that is interrupted is continued by the next, and can be read while it writes."""

import shutil
import signal
import subprocess
import time

from imbalance.store.home import Home
from imbalance.store.store import Store
from imbalance.store.task import remove
from pipelines.instance import UNDER_WAY, open_instance
from tests.cli.process import command, imbalance

FIRST_DAY = "2025-03-04"
"""What these runs are limited to: a day of both venues, and what of its studies is to be made."""

TO_BE_MADE = ("raw.", "book.", "features.", "studies.correlation", "studies.hawkes")
"""How the tables begin of which that day is taken away: those of all studies would be made the same
way, in half a minute.
"""


def without_the_day(filled, home):
    """The filled home as it would be if most of the day had not been made."""
    shutil.copytree(filled.home, home)
    store = Store.open(home)
    for table, partitions in store.ledger.all_partitions().items():
        if table.startswith(TO_BE_MADE):
            for partition in partitions:
                if partition.startswith(FIRST_DAY):
                    remove(store, tables=[table], partition=partition)
    return home


def hashes(home):
    """Rows of every partition of the first day by their hash."""
    return {
        (table, partition): entry.rows_hash
        for table, partitions in Store.open(home).ledger.all_partitions().items()
        for partition, entry in partitions.items()
        if partition.startswith(FIRST_DAY)
    }


def start_and_interrupt(filled, home):
    """Rows of a table read while the run writes, and how the run has ended."""
    running = subprocess.Popen(
        command("run", filled.captures, "--to", FIRST_DAY, home=home, config=filled.config),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell which starts things in the background makes them deaf to SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    ledger = Store.open(home).ledger
    while running.poll() is None and not any(
        partition.startswith(FIRST_DAY) for partition in ledger.partitions("raw.trades")
    ):
        time.sleep(0.02)
    # This process reads while that one writes; a command of its own would take so long to start
    # that nothing is left to be interrupted.
    session = Store.open(home).session(described=False)
    (rows,) = session.sql(
        f"select count(*) from raw.trades where event_time::date = '{FIRST_DAY}'"
    ).fetchone()
    running.send_signal(signal.SIGINT)
    _, error = running.communicate()
    return rows, running.returncode, error.strip()


def test_interrupt_read_and_continue(filled, tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "")
    for number in range(5):
        home = without_the_day(filled, tmp_path / f"home-{number}")
        assert not any(table.startswith(TO_BE_MADE) for table, _ in hashes(home))
        while_writing, ended, error = start_and_interrupt(filled, home)
        assert while_writing > 0
        if ended != 0:
            break  # else it was done before the interrupt came
    assert ended == 130
    assert error == "interrupted: what was finished is kept, the next run continues"
    with open_instance(Home(home)) as instance:
        states = {run.status for run in instance.get_runs()}
    assert not states & set(UNDER_WAY), "it has ended by itself and was not killed"
    kept = hashes(home)
    assert kept
    assert not kept.keys() >= hashes(filled.home).keys()

    again = imbalance("run", "--to", FIRST_DAY, home=home, config=filled.config)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "current already" in again.stdout
    assert hashes(home) == hashes(filled.home)
