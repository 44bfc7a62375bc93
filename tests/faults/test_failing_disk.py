"""A disk that is full, broken or writes half: the task fails, what was published stays whole."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from imbalance.cli.main import _crash
from imbalance.cli.process import _died
from imbalance.errors import cannot_write, full_disk
from imbalance.store.doctor import Diagnosis, _unless_full

HERE = Path(__file__).parent


@pytest.mark.parametrize(("offsets", "of"), [
    (4, "tasks"), pytest.param(20, "published", marks=pytest.mark.slow),
])
def test_a_failing_write_harms_nothing(failing_writes, tmp_path, repository, offsets, of):
    done = subprocess.run(
        [sys.executable, str(HERE / "on_a_failing_disk.py"), str(tmp_path / "home"), str(offsets),
         of, "full", "broken", "short"],
        env={**os.environ, "LD_PRELOAD": str(failing_writes), "PYTHONPATH": str(repository)},
        capture_output=True, text=True, timeout=3600, check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *told, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert first["written"] > 20_000
    assert len(told) == 3 * offsets
    for one in told:
        assert one["said"], one
        # A file may be in its place before the ledger's own disk is full: the next try takes it on.
        assert all(path.startswith("tables/") for path in one["begun"]), one
        assert (one["same"], one["left"], one["gained"]) == (True, [], 2000), one
    assert last == {"whole": True}


def test_a_full_disk_is_known_by_whatever_met_it():
    sqlite = sqlite3.OperationalError("database or disk is full")
    try:
        try:
            raise sqlite
        except sqlite3.OperationalError as error:
            raise RuntimeError("Error occurred while executing op") from error
    except RuntimeError as wrapped:
        for one in (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), sqlite, wrapped):
            full = full_disk(one, "/home")
            assert (full.what, full.where, full.exit_code) == ("the disk is full", "/home", 1)
    unclear = sqlite3.OperationalError("disk I/O error")
    assert full_disk(unclear, "/home").what == "the disk is full or broken"
    assert full_disk(ValueError("no"), "/home") is None


@pytest.mark.parametrize(("said", "what"), [
    ("sqlite3.OperationalError: disk I/O error\n", "the disk is full or broken"),
    ("OSError: [Errno 28] No space left on device\n", "the disk is full"),
    ("x" * 100_000 + "sqlite3.OperationalError: database or disk is full", "the disk is full"),
    ("Killed\n", "the run ended without a word (exit status 1)"),
    ("No space left on device, once\n" + "x" * 100_000, "the run ended without a word"),
])
def test_a_run_that_died_of_a_full_disk_says_so(tmp_path, said, what):
    log = tmp_path / "run.log"
    log.write_text(said)
    error = _died(1, log)
    assert error.what.startswith(what)
    assert (error.where, error.exit_code) == (f"{log} holds the details", 1)
    assert ("make room" in error.fix) == ("full" in what)


def test_a_run_whose_log_had_no_room_has_died_of_a_full_disk(tmp_path, monkeypatch):
    log = tmp_path / "run.log"
    log.touch()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
    assert _died(1, log).what == "the disk is full"


@pytest.mark.parametrize(("number", "code"), [
    (errno.ENOSPC, 1), (errno.EDQUOT, 1), (errno.EACCES, 2), (errno.ENOENT, 2),
])
def test_a_full_disk_of_the_users_own_is_no_wrong_usage(number, code):
    error = cannot_write(Path("a.csv"), OSError(number, os.strerror(number)), "--output")
    assert error.what == f"cannot write 'a.csv': {os.strerror(number)}"
    assert (error.where, error.exit_code) == ("--output", code)
    assert "prune" not in str(error)


def test_doctor_goes_on_where_a_lock_finds_no_room():
    def looked_at(error):
        yield Diagnosis("locks", "good", "free")
        raise OSError(error, os.strerror(error), "locks/sweep")

    first, second = _unless_full(looked_at(errno.ENOSPC))
    assert first == Diagnosis("locks", "good", "free")
    assert (second.subject, second.level, second.what) == (
        "disk", "problem", "full: the file of a lock cannot be written")
    with pytest.raises(PermissionError):
        list(_unless_full(looked_at(errno.EACCES)))


def test_a_full_disk_is_said_in_a_line(tmp_path, capsys):
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "tables/x.parquet")
    assert _crash(error, ["--home", str(tmp_path), "publish"], as_json=False) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: the disk is full\n")
    assert "make room" in said
