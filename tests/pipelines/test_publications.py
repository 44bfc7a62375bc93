"""Publications as runs of Dagster: cancelled ones give their place back, refused ones say why."""

import json
import logging
import os
import random
import signal
import time
import uuid

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring import execute_concurrency_slots_iteration

from assets import published
from imbalance.store.generations import find_generation, open_generation
from imbalance.store.home import Home
from imbalance.store.publishing import publish
from imbalance.store.store import Store
from imbalance.store.sweep import sweep
from imbalance.store.verify import verify
from imbalance.warehouse import PlainWarehouse
from pipelines.alerts import failed_runs, tell_all
from pipelines.instance import open_instance
from tests.killing import FORK
from tests.store.samples import PARTITION, TABLES, bars, put, study
from tests.store.test_gate import change


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A home with one generation, whose pool gives places back after a second and not a minute."""
    store = Store(Home.open(tmp_path_factory.mktemp("p") / "home", create=True), tables=TABLES)
    put(store, "studies.correlation", study(), "2024-08-08")
    put(store, "features.bars", bars(20))
    publish(store)  # and what a child needs is imported
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        open_instance(store.home).dispose()
        settings = store.home.dagster_dir / "dagster.yaml"
        name = "free_slots_after_run_end_seconds"
        settings.write_text(settings.read_text().replace(f"{name}: 60", f"{name}: 1"))
        assert f"{name}: 1\n" in settings.read_text()
        yield store


def publication(store, instance, run_id=None):
    """A run of the job, in this process."""
    definitions = dg.Definitions(
        published.build(), jobs=[dg.define_asset_job("publication")],
        executor=dg.in_process_executor, resources={"warehouse": PlainWarehouse(store)},
    )
    job = definitions.resolve_job_def("publication")
    return job.execute_in_process(instance=instance, run_id=run_id, raise_on_error=False)


def in_a_process_of_its_own(root, run_id):
    with open_instance(Home.open(root)) as instance:
        publication(Store(Home.open(root), tables=TABLES), instance, run_id)


def holders(instance):
    return instance.event_log_storage.get_concurrency_run_ids()


def look(instance):
    """The daemon's look at places of runs that have ended."""
    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as context:
        list(execute_concurrency_slots_iteration(context, logging.getLogger(__name__)))


def cancel(instance, run_id, process, *, by_force):
    """As the browser does it: the run is asked to end, or marked as ended whatever its process
    does; here that is gone in the same moment and gives nothing back.
    """
    run = instance.get_run_by_id(run_id)
    if run.is_finished:
        return False
    if by_force:
        instance.report_run_canceled(run)
        os.kill(process.pid, signal.SIGKILL)
    else:
        instance.report_run_canceling(run)
        os.kill(process.pid, signal.SIGINT)
    return True


def has_succeeded(instance, run_id):
    """Whether it was done before the cancellation came."""
    return bool(instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_SUCCESS))


@pytest.mark.parametrize("cancellations", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_cancelled_publications_give_their_place_back(store, cancellations):
    """By themselves, or where their process is gone by the daemon's look: none waits for ever."""
    moments, done, left_behind = random.Random(33643), 0, 0
    with open_instance(store.home) as instance:
        while done < cancellations:
            put(store, "features.bars", bars(20, seed=1 + done))
            run_id = str(uuid.uuid4())
            process = FORK.Process(target=in_a_process_of_its_own, args=(store.home.root, run_id))
            process.start()
            while process.is_alive() and run_id not in holders(instance):
                time.sleep(0.01)
            time.sleep(moments.uniform(0.0, 0.2))
            by_force = done % 2 == 1
            done += cancel(instance, run_id, process, by_force=by_force)
            process.join()
            ended = instance.get_run_by_id(run_id).status.value
            assert ended == "CANCELED" or has_succeeded(instance, run_id)
            left_behind += len(holders(instance))
            given_up = time.monotonic() + 120
            while by_force and holders(instance) and time.monotonic() < given_up:
                time.sleep(0.5)
                look(instance)
            assert holders(instance) == set()
        assert left_behind
        assert publication(store, instance).success
    sweep(store.home, store.ledger, older_than=0)
    assert list(store.home.staging_dir.iterdir()) == []
    assert verify(store.home).whole


def test_a_refused_publication_says_why_and_the_next_one_is_good(store):
    before = find_generation(store.home).id
    good = bars(20)
    put(store, "features.bars", change("coverage", [3, 4], 1.5)(good))
    told = ("features.bars", PARTITION, "coverage", "maximum", "2 rows")
    with open_instance(store.home) as instance:
        run = publication(store, instance)
        assert not run.success
        (gate,) = run.get_asset_check_evaluations()
        assert not gate.passed
        assert [word for word in told if word not in gate.description] == []
        assert "coverage=1.5" in gate.description
        (finding,) = gate.metadata["findings"].value
        assert [finding[name] for name in ("rule", "table", "column", "count")] == [
            "maximum", "features.bars", "coverage", 2]
        assert [row["coverage"] for row in finding["sample"]] == [1.5, 1.5]
        assert (store.home.root / finding["kept"]).is_file()
        alerted, lines = [], []
        for _ in range(2):  # a look of the sensor each
            alerted, _ = tell_all(failed_runs(instance, 0.0),
                                  {"log": lambda line, _: lines.append(json.loads(line))}, alerted)
        assert [line["run"] for line in lines] == [run.run_id]
        assert [word for word in told if word not in lines[0]["message"]] == []
        assert find_generation(store.home).id == before
    put(store, "features.bars", good)
    assert publish(store).new
    with open_generation(store.home) as connection:
        assert connection.execute("select max(coverage) <= 1 from features.bars").fetchone()[0]
