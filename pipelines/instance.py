"""The Dagster instance of a home: `<home>/dagster`, made once, and who is known to it.

Six processes racing on a fresh SQLite home leave it unusable, hence the lock around the first
opening. What the settings mean is said in deploy/dagster.yaml, from which they are copied.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

import dagster as dg

from assets.partitions import VENUES
from imbalance.processes import beginning, is_there
from imbalance.store.home import Home
from imbalance.store.store import Store

SETTINGS = Path(__file__).resolve().parent.parent / "deploy" / "dagster.yaml"
PROCESS_TAG = "imbalance/process"
RUN_TAG = "imbalance/run"
"""Tag that all runs of Dagster of one `imbalance run` have in common."""
UNDER_WAY = [
    # One that a process has signed begins at once, else the process died or its disk was full.
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def open_instance(home: Home) -> dg.DagsterInstance:
    """The instance of the home, made when it is not there; one process at a time makes it."""
    directory = home.dagster_dir
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".opening").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        settings = directory / "dagster.yaml"
        if not settings.exists():
            fresh = directory / ".dagster.yaml.new"
            shutil.copyfile(SETTINGS, fresh)
            fresh.rename(settings)
        os.environ["DAGSTER_HOME"] = str(directory)
        instance = dg.DagsterInstance.from_config(str(directory))
        # The first question makes the tables of the event log.
        instance.get_dynamic_partitions(str(VENUES.name))
    return instance


def add_venues(instance: dg.DagsterInstance, venues: Iterable[str]) -> None:
    """Make the venues known as partitions; those that are stay."""
    name = str(VENUES.name)
    new = sorted(set(venues) - set(instance.get_dynamic_partitions(name)))
    if new:
        instance.add_dynamic_partitions(name, new)


def process_tag(run_id: str) -> dict[str, str]:
    """Tag by which a run is known to belong to this process: when that began is in it since another
    process may get the same number, and the run's id since one that is tried again has the tags of
    the first.
    """
    pid = os.getpid()
    return {PROCESS_TAG: f"{socket.gethostname()}@{beginning(pid)}.{pid}.{run_id}"}


def fail_orphans(instance: dg.DagsterInstance) -> int:
    """Mark runs as failed whose process on this machine is no more; returns how many.

    A killed process also keeps its place in a pool, for which the next run would wait for ever:
    places of runs that have ended, or are known no more, are given back.
    """
    orphans = 0
    under_way = dg.RunsFilter(statuses=UNDER_WAY)
    for run in instance.get_runs(filters=under_way):
        process, _, of = run.tags.get(PROCESS_TAG, "").rpartition(".")
        host, _, pid = process.rpartition(".")
        host, _, began = host.partition("@")
        mine = of == run.run_id and host == socket.gethostname()
        if mine and pid.isdigit() and not is_there(int(pid), began):
            instance.report_run_failed(run, f"the process {pid} that ran this is gone")
            orphans += 1
    storage = instance.event_log_storage
    for run_id in storage.get_concurrency_run_ids():
        holder = instance.get_run_by_id(run_id)
        if holder is None or holder.is_finished:
            storage.free_concurrency_slots_for_run(run_id)
    return orphans


def main(home: str) -> None:
    """Make the instance of a home ready: tables, venues; says how many runs it failed."""
    store = Store.open(home)
    with open_instance(store.home) as instance:
        add_venues(instance, (capture.venue for capture in store.ledger.captures()))
        print(fail_orphans(instance))  # noqa: T201 - read by `imbalance doctor`


if __name__ == "__main__":
    main(sys.argv[1])
