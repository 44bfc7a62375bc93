"""The daemon over a home, as `imbalance ui` starts it: killed workers, killed daemons, restarts."""

import contextlib
import datetime
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from imbalance.captures.register import register
from imbalance.store.store import Store
from pipelines.instance import open_instance
from tests.captures.samples import SPOT, recording
from tests.cli.process import command

LINE = (
    b'1723161245123456789 {"stream":"btcusdt@trade","data":{"e":"trade","E":1723161245122,'
    b'"s":"BTCUSDT","t":1,"p":"61000.10","q":"0.5","T":1723161245121,"m":true,"M":true}}\n'
)
SENSOR = '{repositoryName: "__repository__", repositoryLocationName: "imbalance", sensorName: "%s"}'


class Daemon:
    """`imbalance ui` over a home, in a process group of its own."""

    def __init__(self, home, config):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            command("ui", "--port", self.port, home=home, config=config), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )
        assert "Dagster over" in self.process.stdout.readline()

    def ask(self, query):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", json.dumps({"query": query}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)["data"]

    def state(self, sensor):
        query = f"{{ sensorOrError(sensorSelector: {SENSOR % sensor}) "
        query += "{ ... on Sensor { sensorState { status ticks(limit: 1) { timestamp } } } } }"
        found = self.ask(query)["sensorOrError"]["sensorState"]
        return found["status"], found["ticks"][0]["timestamp"] if found["ticks"] else 0.0

    def kill(self):
        """All at once, as when the machine loses its power."""
        for pid in descendants(self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


def descendants(pid):
    found = [pid]
    for child in _children(pid):
        found += descendants(child)
    return found


def _children(pid):
    try:
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(word) for word in words]
    except FileNotFoundError:
        return []


def _open_in(pid):
    with contextlib.suppress(FileNotFoundError):  # the process is gone
        for one in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # it has closed this one
                yield str(one.readlink())


def listening(pids):
    """Addresses and ports on which processes listen, as the kernel writes the former."""
    sockets = {name for pid in pids for name in _open_in(pid)}
    rows = [
        row.split() for table in ("tcp", "tcp6")
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    places = (
        row[1].split(":") for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets
    )
    return {(address, int(port, 16)) for address, port in places}


PATIENCE_SECONDS = 1800.0


def until(question):
    """What `question` answers once that is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE_SECONDS:g} s")


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """A home, the settings that watch a directory, and one registered capture in that directory."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    captures = tmp_path / "captures"
    captures.mkdir()
    config = tmp_path / "settings.toml"
    config.write_text(
        f'[captures]\nwatch = ["{captures}"]\n[alerts]\nfile = "{tmp_path / "alerts"}"\n'
    )
    file = captures / "btcusdt_20240808.gz"
    file.write_bytes(gzip.compress(LINE * 3))
    os.utime(file, (0, 0))
    store = Store.open(tmp_path / "home", create=True)
    register(store, [file])  # so that the code location knows its day from the first on
    return store, config


def start_sensor(daemon):
    daemon.ask(f"mutation {{ startSensor(sensorSelector: {SENSOR % 'new_captures'}) "
               "{ __typename } }")


def at_work(instance):
    """The runs that have told which process works for them."""
    return [
        r for r in instance.get_runs()
        if r.status.value == "STARTED" and r.tags.get("imbalance/process")
    ]


def ended(instance, status):
    return [r for r in instance.get_runs() if r.status.value == status]


@pytest.mark.slow
def test_a_killed_worker_fails_is_tried_again_and_a_restart_goes_on(watched, tmp_path):
    store, config = watched
    with open_instance(store.home) as instance:
        daemon = Daemon(store.home.root, config)
        try:
            assert daemon.state("new_captures")[0] == "STOPPED"
            assert daemon.state("alerts")[0] == "RUNNING"
            start_sensor(daemon)
            (run,) = until(lambda: at_work(instance))
            _, pid, _ = run.tags["imbalance/process"].rsplit(".", 2)
            os.kill(int(pid), signal.SIGKILL)
            (first,) = until(lambda: ended(instance, "FAILURE"))
            (again,) = until(lambda: ended(instance, "SUCCESS"))
            assert again.root_run_id == first.run_id
            assert store.ledger.partitions("features.bars_1s")
            done = time.time()
            until(lambda: daemon.state("alerts")[1] > done)
            assert not (tmp_path / "alerts").exists()  # it was tried again, and then it was good
            runs = len(instance.get_runs())
        finally:
            daemon.kill()

        daemon = Daemon(store.home.root, config)
        try:
            began = time.time()
            assert daemon.state("new_captures")[0] == "RUNNING"
            until(lambda: daemon.state("new_captures")[1] > began)
            until(lambda: daemon.state("alerts")[1] > began)
            assert len(instance.get_runs()) == runs
            assert not (tmp_path / "alerts").exists()
        finally:
            daemon.kill()


@pytest.mark.slow
def test_a_cancelled_run_gives_its_place_back_and_can_be_run_again(watched):
    store, config = watched
    with open_instance(store.home) as instance:
        daemon = Daemon(store.home.root, config)
        try:
            start_sensor(daemon)
            (run,) = until(lambda: at_work(instance))
            asked = f'mutation {{ terminateRun(runId: "{run.run_id}") {{ __typename }} }}'
            assert daemon.ask(asked)["terminateRun"]["__typename"] == "TerminateRunSuccess"
            until(lambda: ended(instance, "CANCELED"))
            until(lambda: not instance.event_log_storage.get_concurrency_run_ids())
            assert list(store.home.staging_dir.iterdir()) == []
            asked = (f'mutation {{ launchRunReexecution(reexecutionParams: {{parentRunId: '
                     f'"{run.run_id}", strategy: ALL_STEPS}}) {{ __typename }} }}')
            assert daemon.ask(asked)["launchRunReexecution"]["__typename"] == "LaunchRunSuccess"
            (again,) = until(lambda: ended(instance, "SUCCESS"))
            assert again.root_run_id == (run.root_run_id or run.run_id)
            assert store.ledger.partitions("features.bars_1s")
        finally:
            daemon.kill()


@pytest.mark.slow
def test_nobody_else_can_reach_it(watched):
    """Whatever of it listens (F58): the web server where it was told to, all on this machine."""
    store, config = watched
    daemon = Daemon(store.home.root, config)
    try:
        daemon.state("alerts")  # its code is loaded
        found = listening(descendants(daemon.process.pid))
        assert ("0100007F", daemon.port) in found
        assert {address for address, _ in found} == {"0100007F"}
    finally:
        daemon.kill()


EACH_MINUTE = """
import dagster as dg

as_declared = dg.schedule

def each_minute(*, name, cron_schedule, **others):
    on = dg.DefaultScheduleStatus.RUNNING if name == "daily_venue_days" else None
    return as_declared(name=name, cron_schedule="* * * * *", **others,
                       **({"default_status": on} if on else {}))

dg.schedule = each_minute
from pipelines.definitions import defs
"""


@pytest.fixture
def by_the_minute(tmp_path, monkeypatch, repository):
    """A home with a capture of the day before yesterday, and the application over it whose
    schedules are due each minute instead of each night.
    """
    store = Store.open(tmp_path / "home", create=True)
    day = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=2)
    noon = datetime.datetime.combine(day, datetime.time(12), datetime.UTC)
    file = tmp_path / "btcusdt.gz"
    lines = recording(SPOT, 30, receive=int(noon.timestamp()) * 10**9)
    file.write_bytes(gzip.compress(b"".join(lines)))
    register(store, [file])
    code = tmp_path / "each_minute.py"
    code.write_text(EACH_MINUTE)
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text(
        f"load_from:\n  - python_file:\n      relative_path: {code}\n"
        f"      working_directory: {repository}\n      location_name: imbalance\n")
    for name, value in (("IMBALANCE_HOME", store.home.root), ("IMBALANCE_CONFIG", ""),
                        ("DAGSTER_HOME", store.home.dagster_dir), ("PYTHONPATH", repository)):
        monkeypatch.setenv(name, str(value))
    return store, f"{day}|{SPOT}", workspace


def ticks(instance):
    """What the looks at the schedule came to, the first one first."""
    return [
        tick.status.value for state in instance.all_instigator_state()
        if state.name == "daily_venue_days"
        for tick in reversed(instance.get_ticks(state.instigator_origin_id, state.selector_id))
    ]


@pytest.mark.slow
def test_a_schedule_is_looked_at_by_the_daemons_clock_and_what_is_made_is_not_asked_for_again(
    by_the_minute
):
    store, partition, workspace = by_the_minute
    with open_instance(store.home) as instance:
        daemon = subprocess.Popen(
            [Path(sys.executable).parent / "dagster-daemon", "run", "-w", workspace],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            runs = until(lambda: ended(instance, "SUCCESS"))
            assert {run.tags["dagster/schedule_name"] for run in runs} == {"daily_venue_days"}
            assert set(store.ledger.partitions("features.bars_1s")) == {partition}
            until(lambda: ticks(instance)[-1] == "SKIPPED")
            assert ticks(instance)[0] == "SUCCESS"
        finally:
            for pid in descendants(daemon.pid):
                os.kill(pid, signal.SIGKILL)
            daemon.wait()
