"""A run that is interrupted is continued by the next, and can be read while it writes."""

import signal
import subprocess
import time

from imbalance.cli.process import GRACE_SECONDS
from imbalance.store.store import Store
from tests.cli.process import command, imbalance


def hashes(home):
    """Rows of every partition by their hash."""
    return {
        (table, partition): entry.rows_hash
        for table, partitions in Store.open(home).ledger.all_partitions().items()
        for partition, entry in partitions.items()
        if table not in {
            "raw.captures", "raw.quarantine", "raw.instruments", "raw.clock_skew",
        }
    }


def test_interrupt_read_and_continue(filled, tmp_path):
    home = tmp_path / "home"
    running = subprocess.Popen(
        command("run", filled.captures, home=home, config=filled.config),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell which starts things in the background makes them deaf to SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 600
    while running.poll() is None and time.monotonic() < deadline:
        if (home / "ledger.sqlite").exists() and "raw.trades" in (
            Store.open(home).ledger.all_partitions()
        ):
            break
        time.sleep(0.02)
    # This process reads while that one writes; a command of its own would take so long to start
    # that nothing is left to be interrupted.
    (while_writing,) = Store.open(home).session().sql("select count(*) from raw.trades").fetchone()
    assert while_writing > 0
    assert running.poll() is None
    running.send_signal(signal.SIGINT)
    sent = time.monotonic()
    _, error = running.communicate(timeout=300)
    assert time.monotonic() - sent < GRACE_SECONDS  # it has ended by itself and was not killed
    assert running.returncode == 130
    assert error.strip() == "interrupted: what was finished is kept, the next run continues"
    kept = hashes(home)
    assert kept
    assert not kept.keys() >= hashes(filled.home).keys()

    again = imbalance("run", home=home, config=filled.config)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "current already" in again.stdout
    assert hashes(home) == hashes(filled.home)
