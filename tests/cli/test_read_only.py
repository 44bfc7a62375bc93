"""A home that may only be read: what only reads works, the rest says why it does not."""

import gzip
import json
import shutil

import pytest

from imbalance.errors import EXIT_FAILED
from imbalance.store import Store
from tests.captures.samples import SPOT, recording
from tests.cli.process import imbalance, restricted

REFUSED = "error: the home may only be read by this user"


@pytest.fixture
def home(tmp_path):
    """One with a capture that nothing has been made of yet."""
    capture = tmp_path / "in" / "btcusdt.gz"
    capture.parent.mkdir()
    capture.write_bytes(gzip.compress(b"".join(recording(SPOT, 30))))
    made = tmp_path / "home"
    done = imbalance("ingest", capture.parent, home=made)
    assert done.returncode == 0, done.stderr
    yield made
    _lock(made, 0o200)


@pytest.fixture
def locked(home):
    _lock(home, 0)
    before = _state(home)
    yield home
    assert _state(home) == before


def _lock(home, write):
    for path in (home, *home.rglob("*")):
        path.chmod((0o555 if path.is_dir() else 0o444) | write)


def _state(home):
    return {path: path.stat().st_mtime_ns for path in (home, *home.rglob("*"))}


def test_what_only_reads_works(locked, tmp_path):
    query = "select count(*) as n from raw.captures"
    done = restricted("sql", query, "-f", "csv", home=locked)
    assert (done.returncode, done.stdout) == (0, "n\n0\n"), done.stderr
    told = {}
    for words in (["status"], ["plan"], ["verify"], ["generations"], ["doctor"],
                  ["ingest", tmp_path / "in"]):  # which has nothing to note
        done = restricted("--json", *words, home=locked)
        assert done.returncode == 0, done.stdout + done.stderr
        told[words[0]] = json.loads(done.stdout)
    assert [one["status"] for one in told["ingest"]["captures"]] == ["known"]
    assert told["verify"]["whole"]
    warnings = [d["what"] for d in told["doctor"]["diagnoses"] if d["level"] != "good"]
    assert warnings == ["it may only be read by this user: no leftovers were looked for"]


def test_a_report_is_written_elsewhere_alone(locked, tmp_path):
    done = restricted("report", tmp_path / "out.html", home=locked)
    assert done.returncode == 0, done.stderr
    assert "Order-flow imbalance" in (tmp_path / "out.html").read_text()
    done = restricted("report", locked / "out.html", home=locked)
    assert done.returncode == 2
    assert f"error: cannot write '{locked}/out.html': Permission denied" in done.stderr


def test_a_capture_that_may_not_be_read_is_no_error_of_ours(home, tmp_path):
    capture = tmp_path / "in" / "btcusdt.gz"
    capture.chmod(0)
    done = restricted("verify", home=home)
    assert done.returncode == 1
    assert f"DAMAGED {capture}: may not be read" in done.stdout
    assert "to do: look again as one who may" in done.stdout


@pytest.mark.parametrize("words", [
    ["run"], ["publish"], ["ui"], ["ingest", "other.gz"], ["generations", "prune", "--keep", "1"],
    ["report"],
])  # fmt: skip
def test_what_writes_says_why_it_does_not(locked, tmp_path, words):
    other = tmp_path / "other.gz"
    other.write_bytes(gzip.compress(b"".join(recording(SPOT, 20))))
    given = [other if word == "other.gz" else word for word in words]
    done = restricted(*given, home=locked)
    assert done.returncode == 2
    assert done.stderr.startswith(REFUSED), done.stderr
    assert "to do:   give a home that may be written to" in done.stderr


def test_what_somebody_else_has_just_written_is_seen(home):
    store = Store.open(home)
    store.ledger.record_failure("raw.trades", "2024-08-08|binance", "1", "it rained")
    assert home.joinpath("ledger.sqlite-wal").stat().st_size > 0
    _lock(home, 0)
    done = restricted("doctor", home=home)
    assert "raw.trades [2024-08-08|binance] failed: it rained" in done.stdout


def test_an_empty_log_is_none(home):
    (home / "ledger.sqlite-wal").touch()
    _lock(home, 0)
    done = restricted("--json", "status", home=home)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["captures"]["registered"] == 1


def test_a_log_that_was_left_behind_is_taken_in_by_one_who_may_write(home, tmp_path):
    """As in a copy of a home in use: what is shared between processes is not copied."""
    store = Store.open(home)
    store.ledger.record_failure("raw.trades", "2024-08-08|binance", "1", "it rained")
    copy = shutil.copytree(
        home, tmp_path / "copy", ignore=shutil.ignore_patterns("ledger.sqlite-shm")
    )
    assert copy.joinpath("ledger.sqlite-wal").stat().st_size > 0
    _lock(copy, 0)
    done = restricted("status", home=copy)
    assert done.returncode == EXIT_FAILED
    assert "the ledger's log has not been taken into its file" in done.stderr
    assert "to do:   imbalance status once, by one who may write to the home" in done.stderr
    _lock(copy, 0o200)
    assert imbalance("status", home=copy).returncode == 0
    _lock(copy, 0)
    done = restricted("doctor", home=copy)
    assert "raw.trades [2024-08-08|binance] failed: it rained" in done.stdout
    _lock(copy, 0o200)


def test_a_ledger_of_an_older_layout_stays_as_it_is(home):
    import sqlite3

    with sqlite3.connect(home / "ledger.sqlite") as connection:
        connection.execute("pragma user_version = 3")
    connection.close()
    _lock(home, 0)
    done = restricted("status", home=home)
    assert done.returncode == 2
    assert "the ledger has layout 3, this version needs 4" in done.stderr
    assert "by one who may write to the home" in done.stderr
