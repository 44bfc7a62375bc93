"""A run that is killed in a pool fails, and gives its place back to the next."""

import json
import multiprocessing
import os
import signal

import dagster as dg
import pytest

from imbalance.cli.main import run
from imbalance.machine import SideBySide
from imbalance.store.store import Store
from pipelines.instance import fail_orphans, open_instance, process_tag
from pipelines.resources import WarehouseResource

# Forked, so that a child has everything imported.
FORK = multiprocessing.get_context("fork")
POOL = "publication"


@dg.asset(pool=POOL, required_resource_keys={"warehouse"})
def held():
    """Dies while it holds the only place."""
    if "DIE" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "")
    store = Store.open(tmp_path / "home", create=True)
    open_instance(store.home).dispose()
    return store


def publish(store, instance):
    """As Dagster launches it: only the resource signs the run with its process."""
    definitions = dg.Definitions(
        [held], jobs=[dg.define_asset_job("publication")], executor=dg.in_process_executor,
        resources={"warehouse": WarehouseResource(home=str(store.home.root))},
    )
    job = definitions.resolve_job_def("publication")
    return job.execute_in_process(instance=instance, raise_on_error=False)


def publish_and_die(store):
    os.environ["DIE"] = "1"
    with open_instance(store.home) as instance:
        publish(store, instance)


def kill_one(store):
    child = FORK.Process(target=publish_and_die, args=(store,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL


def states(instance):
    return [run.status.value for run in instance.get_runs()]


def test_the_doctor_frees_what_a_killed_run_held(store, capsys):
    kill_one(store)
    with open_instance(store.home) as instance:
        assert states(instance) == ["STARTED"]
        assert len(instance.event_log_storage.get_concurrency_run_ids()) == 1
        run(["--home", str(store.home.root), "--json", "doctor"])
        told = json.loads(capsys.readouterr().out)["diagnoses"]
        assert [(d["level"], d["what"]) for d in told if d["subject"] == "runs"] == [
            ("warning", "1 marked as failed, their processes are gone")
        ]
        assert states(instance) == ["FAILURE"]
        assert publish(store, instance).success  # it would wait for its place for ever


def test_a_run_that_dagster_launches_leaves_room_for_the_others(store, monkeypatch):
    monkeypatch.setattr(SideBySide, "processes", 1)
    with open_instance(store.home) as instance:
        assert publish(store, instance).success
    assert SideBySide.processes == 2  # max_concurrent_runs of the settings


@pytest.mark.slow
def test_a_hundred_killed_runs_never_keep_the_pool(store):
    for _ in range(100):
        kill_one(store)
        with open_instance(store.home) as instance:
            assert len(instance.event_log_storage.get_concurrency_run_ids()) == 1
            assert fail_orphans(instance) == 1
            assert instance.event_log_storage.get_concurrency_run_ids() == set()
    with open_instance(store.home) as instance:
        assert states(instance) == ["FAILURE"] * 100
        assert publish(store, instance).success


def test_a_place_in_use_is_left_alone():
    @dg.job
    def at_work():
        pass

    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(at_work, status=dg.DagsterRunStatus.STARTED)
        instance.add_run_tags(run.run_id, process_tag(run.run_id))
        storage = instance.event_log_storage
        storage.set_concurrency_slots(POOL, 1)
        storage.claim_concurrency_slot(POOL, run.run_id, "nothing")
        assert fail_orphans(instance) == 0
        assert storage.get_concurrency_run_ids() == {run.run_id}
        instance.report_run_canceled(run)
        assert fail_orphans(instance) == 0
        assert storage.get_concurrency_run_ids() == set()
