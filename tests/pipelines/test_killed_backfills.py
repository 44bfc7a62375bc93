"""SIGKILL of the runs of a backfill as the browser starts it: a later one ends in the same tables.

The looks of Dagster's daemon that a backfill needs are taken here, without its waits between them;
its code server and the processes of the runs are the real ones. Each kill falls a little after a
random commit, as the ledger tells it.
"""

import contextlib
import logging
import os
import random
import shutil
import signal
import sqlite3
import time

import pytest
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster_graphql.test.utils import execute_dagster_graphql

from imbalance import catalog
from imbalance.captures.register import register
from imbalance.store.store import Store
from imbalance.store.verify import verify
from pipelines.instance import add_venues, open_instance
from tests.captures.samples import SPOT
from tests.pipelines.conftest import KEYS, contents
from tests.pipelines.test_daemon import at_work, until

LAUNCH = """mutation ($asked: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $asked) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}"""
ASKED = {
    "assetSelection": [
        {"path": name.split(".")} for name, table in catalog.tables().items()
        if table.layer in {"raw", "book"}
    ],
    "partitionNames": list(KEYS),
}


class Backfills:
    """Backfills over a home, and the home as it was before them."""

    def __init__(self, root, context):
        self.root, self.context, self.instance = root, context, context.instance
        self._retries = EventLogConsumerDaemon()
        self._queue = QueuedRunCoordinatorDaemon(interval_seconds=1)
        self._tables, self._ledger = root.parent / "tables", sqlite3.connect(":memory:")
        shutil.copytree(root / "tables", self._tables)
        with contextlib.closing(sqlite3.connect(root / "ledger.sqlite")) as ledger:
            ledger.backup(self._ledger)

    def begin_anew(self):
        """Nothing is made any more; Dagster does not know."""
        with contextlib.closing(sqlite3.connect(self.root / "ledger.sqlite")) as ledger:
            self._ledger.backup(ledger)
        shutil.rmtree(self.root / "tables")
        shutil.copytree(self._tables, self.root / "tables")

    def look(self):
        """What the daemon does each time."""
        list(self._retries.run_iteration(self.context))
        list(execute_backfill_iteration(self.context, logging.getLogger(__name__)))
        list(self._queue.run_iteration(self.context))

    def run(self, disturb):
        """One backfill to its end, each of its runs shown to `disturb`; whether all was made."""
        answer = execute_dagster_graphql(
            self.context.create_request_context(), LAUNCH, {"asked": ASKED}
        ).data["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        seen = set()
        while True:
            self.look()
            backfill = self.instance.get_backfill(answer["backfillId"])
            if backfill.status not in {BulkActionStatus.REQUESTED, BulkActionStatus.FAILING}:
                return backfill.status == BulkActionStatus.COMPLETED_SUCCESS
            for run in at_work(self.instance):
                if run.run_id not in seen:
                    seen.add(run.run_id)
                    disturb(run)
            time.sleep(0.1)


@pytest.fixture
def backfills(tmp_path, daily_captures, monkeypatch, repository):
    root = tmp_path / "home"
    register(Store.open(root, create=True), [daily_captures])
    monkeypatch.setenv("IMBALANCE_HOME", str(root))
    monkeypatch.setenv("IMBALANCE_CONFIG", "")
    monkeypatch.setenv("DAGSTER_HOME", "")
    with open_instance(Store.open(root).home) as instance:
        add_venues(instance, [SPOT])
        target = WorkspaceFileTarget([str(repository / "workspace.yaml")])
        with WorkspaceProcessContext(instance, target) as context:
            yield Backfills(root, context)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [50])
def test_killed_backfills_end_in_the_same_tables(backfills, kills):
    root, instance = backfills.root, backfills.instance
    assert backfills.run(lambda run: None)
    reference = contents(Store.open(root))
    assert set(Store.open(root).ledger.partitions("book.bars_100ms")) == set(KEYS)
    backfills.begin_anew()
    moments, killed = random.Random(20240810), []

    def is_over(run):
        return instance.get_run_by_id(run.run_id).is_finished

    def kill(run):
        """Three of four runs, after a commit or at once; then what stands is right."""
        if moments.random() < 0.25 or len(killed) == kills:
            return
        ledger = Store.open(root).ledger
        wanted, rest = ledger.last_sequence() + moments.randrange(8), moments.uniform(0.0, 0.1)
        while ledger.last_sequence() < wanted and not is_over(run):
            time.sleep(0.01)
        time.sleep(rest)
        if is_over(run):
            return
        _, pid, _ = run.tags["imbalance/process"].rsplit(".", 2)
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:  # it has ended since
            return
        killed.append(run.run_id)
        until(lambda: is_over(run))
        found = contents(Store.open(root))
        assert found == {key: reference[key] for key in found}
        assert verify(Store.open(root).home).whole

    while len(killed) < kills:
        if backfills.run(kill):
            assert contents(Store.open(root)) == reference
            backfills.begin_anew()
    while not backfills.run(kill):
        pass  # of this one a run was killed as the last
    assert contents(Store.open(root)) == reference
    states = [instance.get_run_by_id(run).status.value for run in killed]
    assert states.count("FAILURE") > 0.8 * kills  # some were done, and not yet gone
    assert not instance.event_log_storage.get_concurrency_run_ids()
    with Store.open(root).session() as session:
        (doubled,) = session.sql(
            "select count(*) - count(distinct (instrument, bar_start)) from book.bars_100ms"
        ).fetchone()
    assert doubled == 0
