"""The parts of the run process: stretches of days, the instance, reports, reconciliation."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from imbalance.errors import UserError
from imbalance.plan import Plan, Step, span_is_due
from imbalance.store.home import Home
from imbalance.store.ledger import NewEntry
from imbalance.store.store import Store
from imbalance.studies.tasks import FAMILY_TABLES
from imbalance.studies.windows import SPAN
from pipelines.instance import add_venues, fail_orphans, open_instance, process_tag
from pipelines.jobs import stretches
from pipelines.report import Reporter
from pipelines.run import Interruptions, Run, _failures, _user_error, made, standing


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([], []),
        (["2024-02-28", "2024-02-29", "2024-03-01"], [["2024-02-28", "2024-02-29", "2024-03-01"]]),
        (["2024-02-28", "2024-03-01"], [["2024-02-28"], ["2024-03-01"]]),
        (["2024-12-31", "2025-01-01", "2025-01-05"],
         [["2024-12-31", "2025-01-01"], ["2025-01-05"]]),
    ],
)
def test_stretches_are_cut_where_a_day_is_missing(days, expected):
    assert stretches(days) == expected


def test_the_instance_is_made_once_and_quiet(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "")
    home = Home.open(tmp_path / "h", create=True)
    with open_instance(home) as instance:
        add_venues(instance, ["binance"])
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.run_monitoring_enabled
        watched = instance.get_settings("run_monitoring")
        assert watched["free_slots_after_run_end_seconds"] == 60
        assert watched["poll_interval_seconds"] == 60
    settings = home.dagster_dir / "dagster.yaml"
    settings.write_text(settings.read_text() + "\n# mine\n")
    with open_instance(home) as instance:
        add_venues(instance, ["binance", "bybit"])
        assert sorted(instance.get_dynamic_partitions("venue")) == ["binance", "bybit"]
    assert settings.read_text().endswith("# mine\n")


def test_runs_of_dead_processes_are_failed():
    @dg.job
    def nothing():
        pass

    host = next(iter(process_tag("x").values())).rsplit(".", 2)[0]
    with dg.DagsterInstance.ephemeral() as instance:
        def started(process, of=None):
            run_id = instance.create_run_for_job(
                nothing, status=dg.DagsterRunStatus.STARTED
            ).run_id
            tag = {"imbalance/process": f"{process}.{of or run_id}"}
            instance.add_run_tags(run_id, tag)
            return run_id

        dead = started(f"{host}.999999999")
        alive = started(f"{host}.{os.getpid()}")
        foreign = started("elsewhere.1")
        tried_again = started(f"{host}.999999999", of=dead)
        assert fail_orphans(instance) == 1
        assert instance.get_run_by_id(dead).status == dg.DagsterRunStatus.FAILURE
        for run in (alive, foreign, tried_again):
            assert instance.get_run_by_id(run).status == dg.DagsterRunStatus.STARTED


def test_a_process_that_got_the_number_of_a_dead_one_is_not_taken_for_it():
    @dg.job
    def nothing():
        pass

    (own,) = process_tag("x").values()
    host, _, _ = own.partition("@")
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other,
        dg.DagsterInstance.ephemeral() as instance,
    ):
        def started(tag):
            run = instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED)
            instance.add_run_tags(run.run_id, {"imbalance/process": f"{tag}.{run.run_id}"})
            return run.run_id

        began = own.removeprefix(f"{host}@").partition(".")[0]
        dead = started(f"{host}@{began}.{other.pid}")  # began when this process did
        restarted = started(f"{host}@another-start-1.{os.getpid()}")
        untold = started(f"{host}.{other.pid}")  # tagged by an earlier version
        assert fail_orphans(instance) == 2
        other.kill()
        states = {run: instance.get_run_by_id(run).status.value
                  for run in (dead, restarted, untold)}
    assert states == {dead: "FAILURE", restarted: "FAILURE", untold: "STARTED"}


def test_the_reporter_sums_between_lines_and_ends_with_the_result():
    reading, writing = os.pipe()
    reporter = Reporter(writing)
    reporter.advance(bytes=1, note="first")
    for _ in range(5):
        reporter.advance(bytes=10, events=2)
    reporter.advance(partitions=1)
    reporter.begin("studies", 7)
    reporter.advance(partitions=2)
    reporter.result({"status": "done"})
    os.close(writing)
    with os.fdopen(reading) as stream:
        said = [json.loads(line) for line in stream]
    place = said.index({"say": "phase", "phase": "studies", "partitions": 7})
    before, after = said[:place], said[place + 1 : -1]
    assert {one["say"] for one in (*before, *after)} == {"progress"}
    assert [sum(one["partitions"] for one in part) for part in (before, after)] == [1, 2]
    said = [*before, *after, said[-1]]
    assert sum(one["bytes"] for one in said[:-1]) == 51
    assert sum(one["events"] for one in said[:-1]) == 10
    assert said[0]["note"] == "first"
    assert said[-1] == {"say": "result", "status": "done"}


def test_what_was_due_and_found_itself_unchanged_is_not_counted_as_made(tmp_path):
    store = Store.open(tmp_path / "home", create=True)
    day = "2024-08-08|binance"

    def commit(inputs, *tables):
        for table in tables:
            store.home.file(f"tables/{table}").touch()
        store.ledger.commit([
            NewEntry(table, day, f"tables/{table}", "bytes", "rows", 1, inputs, "1")
            for table in tables
        ], "run")

    commit("one capture", "raw.trades", "book.bars_100ms", "features.bars_1s")
    steps = [Step(table.partition(".")[0], (table,), day, "current")
             for table in ("raw.trades", "book.bars_100ms", "features.bars_1s")]
    raw, book, _ = steps
    store.home.file("tables/book.bars_100ms").unlink()  # made anew, with the same bytes
    before = standing(store, steps)
    commit("two captures", "raw.trades")
    commit("one capture", "book.bars_100ms")
    assert made(steps, before, standing(store)) == [raw, book]
    assert made(steps, {}, standing(store)) == steps


def test_a_failed_check_is_told_in_its_own_words():
    step = Step("book", ("book.bars_100ms",), "d|v", "failed", "check agrees: 3 mismatches")
    before = Step("raw", ("raw.trades",), "c|v", "failed", "no such file")
    dagsters = {"step": "book", "partition": "d|v",
                "message": "1 blocking asset check failed: book/bars_100ms: agrees"}
    broken = {"step": "book", "partition": "d|v", "message": "ValueError: no"}
    mine = {"step": "book", "partition": "d|v", "message": step.message}
    earlier = {"step": "raw", "partition": "c|v", "message": "no such file"}
    plan = Plan(steps=[before, step])
    assert _failures(plan, [dagsters]) == [earlier, mine]
    assert _failures(plan, [broken]) == [broken, earlier]
    assert _failures(Plan(), [dagsters]) == [dagsters]


def test_a_range_without_captures_is_refused_before_dagster_is_started(tmp_path):
    store = Store.open(tmp_path / "home", create=True)
    limits = {"first": "2099-01-01", "last": None, "venue": None}
    wakeup = signal.set_wakeup_fd(-1)
    try:
        with Path(os.devnull).open("wb") as nobody:
            run = Run(store.home.root, None, limits, Reporter(nobody.fileno()))
            with pytest.raises(UserError, match="from 2099-01-01") as refused:
                run.execute()
    finally:
        signal.set_wakeup_fd(wakeup)
    assert refused.value.exit_code == 2
    assert not store.home.dagster_dir.exists()


def test_a_circle_of_exceptions_ends():
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert _user_error(one) is None


def test_families_that_are_lost_are_made_by_the_run_over_the_span():
    def step(state):
        return Step("studies", FAMILY_TABLES, SPAN, state)

    assert span_is_due(Plan(steps=[step("missing")]))
    assert not span_is_due(Plan(steps=[step("current")]))


@pytest.mark.parametrize("interrupting", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_known_whatever_became_of_it(interrupting):
    handler, wakeup = signal.getsignal(interrupting), signal.set_wakeup_fd(-1)
    try:
        signal.signal(interrupting, lambda *_: None)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        interruptions = Interruptions()
        assert not interruptions.came()
        signal.raise_signal(signal.SIGUSR1)
        assert not interruptions.came()
        signal.raise_signal(interrupting)
        assert interruptions.came()
        assert interruptions.came()
    finally:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        signal.signal(interrupting, handler)
        signal.set_wakeup_fd(wakeup)
