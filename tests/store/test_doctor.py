"""The doctor: what it finds, what it mends, and that it never falls over."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from imbalance.processes import beginning
from imbalance.store import Home
from imbalance.store.doctor import examine
from imbalance.store.gate import GateRefused
from imbalance.store.generations import find_generation
from imbalance.store.locks import hold, is_held
from imbalance.store.publishing import publish
from tests.store.samples import PARTITION, bars, put, study


def found(store, subject):
    return [(d.level, d.what, d.fix) for d in examine(store.home.root).diagnoses
            if d.subject == subject]


@pytest.fixture
def filled(store):
    put(store, "features.bars", bars(20))
    put(store, "studies.correlation", study(), "2024-08-08")
    return store


def test_a_healthy_home(filled):
    publish(filled)
    report = examine(filled.home.root)
    assert report.healthy
    assert {d.level for d in report.diagnoses} == {"good"}
    subjects = {d.subject for d in report.diagnoses}
    assert subjects == {"versions", "home", "disk", "locks", "ledger", "files", "generations",
                        "leftovers"}
    assert ("good", "whole, at sequence 2, 0 captures", "") in found(filled, "ledger")
    assert any(what.startswith("duckdb ") for _, what, _ in found(filled, "versions"))


def test_no_home_at_all(tmp_path):
    report = examine(tmp_path / "nowhere")
    assert not report.healthy
    assert report.diagnoses[-1].subject == "home"
    report = examine(tmp_path)
    assert [d.what for d in report.diagnoses if d.level == "problem"] == [
        f"there is no ledger in {tmp_path}"
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"no database" * 1000, b"SQLite format 3\0" + b"x" * 5000])
def test_a_broken_ledger_is_a_problem_and_stays_as_it_is(filled, content):
    filled.ledger._connection().close()
    for path in filled.home.root.glob("ledger.sqlite*"):
        path.unlink()
    filled.home.ledger_path.write_bytes(content)
    ((level, what, fix),) = found(filled, "ledger")
    assert (level, "ledger" in what, "copy" in fix) == ("problem", True, True)
    assert filled.home.ledger_path.read_bytes() == content
    assert len(list(filled.home.tables_dir.rglob("*.parquet"))) == 2


def test_a_lost_ledger_asks_for_its_copy(filled):
    filled.ledger._connection().close()
    for path in filled.home.root.glob("ledger.sqlite*"):
        path.unlink()
    ((level, _, fix),) = found(filled, "ledger")
    assert (level, fix) == ("problem", "put ledger.sqlite back from a copy")


def _publish_for_ever(path, ready):
    with hold(path, doing="publishing"):
        ready.set()
        signal.pause()


def test_locks_held_and_left_behind(filled):
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    lock = filled.home.publish_lock
    child = context.Process(target=_publish_for_ever, args=(lock, ready))
    child.start()
    assert ready.wait(600)
    ((level, what, _),) = found(filled, "locks")
    assert level == "good"
    assert f"at work: publishing, process {child.pid}" in what
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert not is_held(lock)
    ((level, what, _),) = found(filled, "locks")
    assert level == "warning"
    assert f"died at work: publishing, process {child.pid}" in what
    publish(filled, patience=0)
    assert found(filled, "locks")[0][0] == "good"


def test_a_publisher_whom_the_gate_refused_has_not_died(filled):
    wrong = bars(20).set_column(
        bars(20).column_names.index("coverage"), "coverage", pa.array([1.5] * 20)
    )
    put(filled, "features.bars", wrong)
    with pytest.raises(GateRefused):
        publish(filled)
    assert found(filled, "locks") == [("good", "no publisher is at work", "")]


def test_old_leftovers_are_swept_young_ones_listed(filled):
    home = filled.home
    old = [home.staging_dir / "a.parquet", home.tables_dir / "features" / "bars" / "b.parquet",
           home.staging_dir / "generation-x" / "imbalance.duckdb"]
    young = home.staging_dir / "c.parquet"
    for path in [*old, young]:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"12345")
    for path in [*old, old[2].parent]:
        os.utime(path, (1, 1))
    lines = [what for _, what, _ in found(filled, "leftovers")]
    assert [line.split(",")[0] for line in lines] == [
        "swept staging/a.parquet", "swept staging/generation-x",
        "swept tables/features/bars/b.parquet", "staging/c.parquet",
    ]
    assert not any(path.exists() for path in old)
    assert young.exists()
    assert len(list(home.tables_dir.rglob("*.parquet"))) == 2


def test_a_session_that_has_rested_finds_its_place_to_put_things_aside(filled):
    """As does a process that is there; what one has left behind is swept."""
    staging = filled.home.staging_dir
    script = ("import sys\nfrom imbalance.store import Home\n"
              "print(Home.open(sys.argv[1]).spill_dir())")
    made = subprocess.run(
        [sys.executable, "-c", script, filled.home.root], check=True, capture_output=True,
        text=True,
    )
    gone = Path(made.stdout.strip())
    with filled.session() as session:
        place = Path(session.execute("select current_setting('temp_directory')").fetchone()[0])
        for one in (place, gone):
            one.mkdir()
            os.utime(one, (0, 0))
        assert [what.split(",")[0] for _, what, _ in found(filled, "leftovers")] == [
            f"swept staging/{gone.name}"]
    assert place.parent == gone.parent == staging
    assert place.exists()


def test_what_was_put_aside_by_an_earlier_process_of_the_same_number_is_swept(filled):
    """In a container the first process has the number 1 each time."""
    begun = beginning(os.getpid())
    place = filled.home.spill_dir()
    assert begun in place.name
    earlier = place.with_name(place.name.replace(begun, "another-start-1"))
    untold = place.with_name(f"spill-{os.getpid()}-{'0' * 32}")
    for one in (place, earlier, untold):
        one.mkdir(parents=True)
        os.utime(one, (0, 0))
    assert [what.split(",")[0] for _, what, _ in found(filled, "leftovers")] == [
        f"swept staging/{earlier.name}"]


def test_failures_missing_files_and_lost_generations(filled):
    publish(filled)
    filled.ledger.record_failure("features.bars", PARTITION, "run", "ArithmeticError: no book")
    ((level, what, _),) = found(filled, "failures")
    assert (level, what) == (
        "warning", f"features.bars [{PARTITION}] failed: ArithmeticError: no book"
    )
    name = filled.ledger.current("features.bars", PARTITION).file
    filled.home.file(name).unlink()
    assert found(filled, "files") == [
        ("problem", f"{name} is missing", "imbalance run builds it again")]
    generation = find_generation(filled.home)
    (generation.path / "manifest.json").write_text("{")
    assert found(filled, "generations")[0][0] == "problem"
    generation.path.rename(generation.path.with_name("gone"))
    ((_, what, _), *_) = found(filled, "generations")
    assert what == "none is current: generations/current leads nowhere"


def test_that_an_old_version_is_missing_is_told_and_no_problem(filled):
    old = filled.ledger.current("features.bars", PARTITION).file
    put(filled, "features.bars", bars(seed=7))
    filled.home.file(old).unlink()
    ((level, what, fix),) = found(filled, "files")
    assert (level, what.partition(";")[0]) == (
        "warning", "files of rows that newer ones have replaced are missing: 1")
    assert "imbalance run" not in fix
    assert examine(filled.home.root).healthy


def test_a_home_must_be_one(tmp_path):
    with pytest.raises(Exception, match="there is no home") as caught:
        Home.open(tmp_path)
    assert "imbalance demo" in caught.value.fix
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(Exception, match="cannot be made"):
        Home.open(blocked / "home", create=True)
    assert Home.open(tmp_path / "new", create=True).staging_dir.is_dir()
