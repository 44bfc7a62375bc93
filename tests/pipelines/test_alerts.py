"""Failed runs and overdue days are told of once, to each who is named, across restarts."""

import datetime
import http.server
import json
import sys
import threading
import time

import dagster as dg
import pyarrow as pa
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

from imbalance.config import AlertsConfig, Config
from imbalance.config_file import as_settings, load_config
from imbalance.errors import UserError
from imbalance.overdue import overdue
from imbalance.store.ledger import CaptureFile
from imbalance.store.store import Store
from imbalance.warehouse import PlainWarehouse
from pipelines.alerts import (
    MOST_TOLD,
    Alert,
    alerts,
    failed_runs,
    failed_ticks,
    overdue_days,
    targets,
    tell_all,
)
from pipelines.failures import first_words
from tests.store.samples import put
from tests.training.samples import SECOND, START, bars, put_bars

NOW = datetime.datetime(2024, 8, 10, 4, tzinfo=datetime.UTC)
DAY_1, DAY_2, DAY_3 = "2024-08-07", "2024-08-08", "2024-08-09"
VENUE = "binance"


def capture(store, first, last, venue=VENUE, number=1):
    store.ledger.register_capture(
        CaptureFile(f"{number:016x}", f"{number:064x}", f"/captures/{number}", 1, 1,
                    "binance-lines", venue, first, last)
    )


@pytest.fixture
def home(tmp_path):
    return Store.open(tmp_path / "home", create=True)


def kinds(store, now=NOW):
    return [(one.day, one.kind) for one in overdue(store, now)]


def test_a_day_is_missing_late_failed_or_broken_and_then_good(home):
    capture(home, DAY_1, DAY_1)
    capture(home, DAY_3, DAY_3, number=2)
    assert kinds(home) == [(DAY_1, "late"), (DAY_2, "missing"), (DAY_3, "late")]
    two_past_midnight = NOW.replace(hour=2, minute=59)
    assert kinds(home, two_past_midnight) == [(DAY_1, "late"), (DAY_2, "missing")]
    home.ledger.record_failure("raw.trades", f"{DAY_3}|{VENUE}", "run", "the disk is gone")
    assert kinds(home)[-1] == (DAY_3, "failed")
    assert "the disk is gone" in overdue(home, NOW)[-1].message


def test_a_lost_file_of_the_features_is_told_and_silences_nothing(home):
    capture(home, DAY_2, DAY_3)
    put_bars(home, bars())
    key = f"{DAY_2}|{VENUE}"
    home.home.file(home.ledger.current("features.bars_1s", key).file).unlink()
    assert [(one.day, one.kind, one.concerns) for one in overdue(home, NOW)] == [
        (DAY_2, "late", "features.bars_1s"), (DAY_3, "late", "")]


def test_a_feed_that_can_hardly_be_used_is_broken(home):
    capture(home, DAY_2, DAY_3)
    put_bars(home, bars())  # on the first day a recording may begin at any hour
    put_bars(home, bars(start=START + 86_400 * SECOND), day=DAY_3)
    found = overdue(home, NOW)
    assert [(one.day, one.venue, one.kind) for one in found] == [(DAY_3, VENUE, "broken")] * 2
    assert found[0].message == "binance:BTCUSDT: its book could be used for 0.2% of the day"
    assert [one.concerns for one in found] == ["binance:BTCUSDT", "binance:ETHUSDT"]
    lenient = Config(alerts=AlertsConfig(least_usable=0.001))
    assert overdue(Store(home.home, config=lenient), NOW) == []


def test_each_broken_instrument_of_a_day_is_told(home, tmp_path):
    capture(home, DAY_2, DAY_3)
    put_bars(home, bars(start=START + 86_400 * SECOND), day=DAY_3)
    put_bars(home, bars())
    told = tmp_path / "alerts.jsonl"
    tell_all(overdue_days(home, NOW), targets(AlertsConfig(file=str(told))), [])
    assert [json.loads(line)["concerns"] for line in told.read_text().splitlines()] == [
        "binance:BTCUSDT", "binance:ETHUSDT"
    ]


def decoded(store, number, first, last):
    """The account of a capture whose events are from one time to another."""
    (mine,) = (c for c in store.ledger.captures() if c.capture_id == f"{number:016x}")
    row = {
        "capture_id": mine.capture_id, "sha256": mine.sha256, "path": mine.path, "size_bytes": 1,
        "text_bytes": 1, "format": mine.format, "compression": "none", "venue": mine.venue,
        "receive_time_unit": "ns", "state": "whole", "lines_read": 1, "lines_decoded": 1,
        "lines_ignored": 0, "lines_quarantined": 0, "ignored_by_rule": "{}",
        "decoded_by_kind": "{}", "quarantined_by_reason": "{}", "instruments": "[]",
        "fields_unknown": "{}", "events_left_out": "{}", "first_event_time": first,
        "last_event_time": last,
    }
    schema = store.table("raw.captures").arrow_schema()
    put(store, "raw.captures", pa.Table.from_pylist([row], schema), mine.capture_id)


def test_a_day_that_a_capture_only_comes_near_to_is_not_captured(home):
    day = 86_400 * SECOND
    capture(home, "2024-08-06", DAY_2)
    capture(home, DAY_2, "2024-08-10", number=2)
    assert kinds(home) == [(day, "late") for day in ("2024-08-06", DAY_1, DAY_2, DAY_3)]
    decoded(home, 1, START - day, START - 1)
    decoded(home, 2, START + day, START + 2 * day - 1)
    assert kinds(home) == [(DAY_1, "late"), (DAY_2, "missing"), (DAY_3, "late")]


def test_nobody_waits_for_what_is_history(home):
    capture(home, DAY_1, DAY_3)
    assert overdue(home, NOW + datetime.timedelta(days=9)) == []


def test_a_run_that_is_tried_again_is_not_told(home):
    launched = RemoteRepositoryOrigin(
        RegisteredCodeLocationOrigin("imbalance"), "__repository__").get_job_origin("venue_days")
    with dg.instance_for_test() as instance:
        again, last = fail(instance, origin=launched), fail(instance, origin=launched)
        of_a_process = fail(instance)  # as `imbalance run` has them: nobody launches it again
        for run, retried in ((again, "true"), (last, "false"), (of_a_process, "true")):
            instance.add_run_tags(run, {"dagster/will_retry": retried})
        assert [alert.run for alert in failed_runs(instance, 0.0)] == [last, of_a_process]


CAUSE = SerializableErrorInfo("UserError: the ledger cannot be read\n", [], "UserError")
ERROR = SerializableErrorInfo("Error occurred during evaluation\n", [], None, cause=CAUSE)


@pytest.fixture
def schedule():
    """What Dagster knows of a schedule that is on."""
    repository = RemoteRepositoryOrigin(
        RegisteredCodeLocationOrigin("imbalance"), "__repository__")
    return InstigatorState(
        repository.get_instigator_origin("daily_publication"), InstigatorType.SCHEDULE,
        InstigatorStatus.DECLARED_IN_CODE, ScheduleInstigatorData("20 2 * * *"),
    )


def tick(schedule, status, at, **more):
    return TickData(
        schedule.instigator_origin_id, schedule.instigator_name, schedule.instigator_type, status,
        at.timestamp(), error=ERROR if status == TickStatus.FAILURE else None,
        selector_id=schedule.selector_id, **more,
    )


def test_what_cannot_be_evaluated_is_told_once_a_day(schedule):
    with dg.instance_for_test() as instance:
        instance.add_instigator_state(schedule)
        for at, status in (
            (NOW - datetime.timedelta(days=1), TickStatus.FAILURE), (NOW, TickStatus.FAILURE),
            (NOW + datetime.timedelta(minutes=1), TickStatus.FAILURE),
            (NOW + datetime.timedelta(minutes=2), TickStatus.SKIPPED),
        ):
            instance.create_tick(tick(schedule, status, at))
        lines, told = [], []
        for _ in range(2):
            told, _ = tell_all(failed_ticks(instance, 0.0),
                               {"log": lambda line, _: lines.append(json.loads(line))}, told)
    assert [(one["kind"], one["subject"], one["concerns"], one["message"]) for one in lines] == [
        ("not_evaluated", "schedule daily_publication", day, "UserError: the ledger cannot be read")
        for day in (DAY_3, "2024-08-10")
    ]


def test_a_schedule_that_is_evaluated_late_is_told_of_then(schedule):
    """Nothing ran when it was due: its tick has that moment all the same."""
    hour = datetime.timedelta(hours=1)
    with dg.instance_for_test() as instance:
        instance.add_instigator_state(schedule)
        for due, ended in ((NOW - 50 * hour, NOW - 49 * hour), (NOW - 26 * hour, NOW)):
            instance.create_tick(
                tick(schedule, TickStatus.FAILURE, due, end_timestamp=ended.timestamp()))
        (alert,) = failed_ticks(instance, (NOW - hour).timestamp())
    assert alert.concerns == DAY_3


def test_of_the_parts_of_one_run_that_fail_on_a_day_the_first_is_told(home):
    with dg.instance_for_test() as instance:
        runs = [fail(instance) for _ in range(4)]
        for run, part_of, day in zip(runs, "aaab", (DAY_1, DAY_1, DAY_2, DAY_1), strict=True):
            instance.add_run_tags(run, {
                "imbalance/run": part_of, "dagster/partition": day})
        lines, told = [], []
        for _ in range(2):  # a look of the sensor each
            told, _ = tell_all(failed_runs(instance, 0.0),
                               {"log": lambda line, _: lines.append(json.loads(line))}, told)
        assert [line["run"] for line in lines] == [runs[0], runs[2], runs[3]]


def test_a_run_whose_process_was_killed_says_so(home):
    with dg.instance_for_test() as instance:
        run = fail(instance, "This run has been marked as failed from outside the context.")
        instance.report_engine_event(
            f"[DagsterApiServer] Run execution process for {run} was terminated by signal 9 "
            "(SIGKILL). This usually indicates that the process was killed by the system.",
            instance.get_run_by_id(run),
        )
        (alert,) = failed_runs(instance, 0.0)
        assert alert.message == "its process was terminated by signal 9 (SIGKILL)."


def test_a_failed_check_is_named():
    said = "1 blocking asset check failed:\nbook/closing_books: registry_rules\n"
    assert first_words(said) == "1 blocking asset check failed: book/closing_books: registry_rules"
    assert first_words("no room\nTraceback") == "no room"
    assert first_words("") == ""


def test_a_look_ends_in_time_and_the_rest_is_told_by_the_next(monkeypatch):
    given, now = [], [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def slow(_, seconds):
        given.append(seconds)
        now[0] += 0.3

    due = [Alert("late", f"x {k}", "y") for k in range(30)]
    told, failed = tell_all(due, {"slow": slow}, [], seconds=1.0)
    assert len(told) == 4
    assert failed == {"slow": "no time was left"}
    assert given == pytest.approx([1.0, 0.7, 0.4, 0.1]), "each may take what is left"
    assert len(tell_all(due, {"slow": lambda *_: None}, told)[0]) == 30


def fail(instance, message="no room", origin=None):
    @dg.job
    def venue_days():
        pass

    run = instance.create_run_for_job(
        venue_days, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": "2024-08-08|x"},
        remote_job_origin=origin,
    )
    instance.report_run_failed(run, message)
    return run.run_id


def test_the_sensor_tells_once_and_remembers_across_restarts(home, tmp_path):
    told = tmp_path / "alerts.jsonl"
    config = Config(alerts=AlertsConfig(file=str(told)))
    with dg.instance_for_test() as instance:
        cursor, said = None, []
        fail(instance, "before anybody listened")
        (before,) = instance.get_runs()
        for moment in range(3):
            if moment == 1:
                failed = fail(instance)
            # A new definition each time, as after a restart: only the cursor is left of the last.
            context = dg.build_sensor_context(
                instance, cursor, resources={"warehouse": PlainWarehouse(home)}
            )
            said.append(alerts(config)(context).skip_message)
            cursor = context.cursor
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    assert [line["run"] for line in lines if line["run"] != before.run_id] == [failed]
    assert lines[-1]["kind"] == "run_failed"
    assert lines[-1]["subject"] == "venue_days 2024-08-08|x"
    assert "no room" in lines[-1]["message"]
    assert said[1:] == ["told of 1", "nothing new to tell of"]  # to two: the log and the file


class Listener(http.server.BaseHTTPRequestHandler):
    got: list
    answer = 200

    def do_POST(self):
        self.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.answer)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def listener():
    Listener.got, Listener.answer = [], 200
    server = http.server.HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/alert"
    server.shutdown()
    server.server_close()


def test_each_target_is_told_and_a_deaf_one_is_told_later(tmp_path, listener):
    out = tmp_path / "by-command"
    write = f"import sys; open({str(out)!r}, 'a').write(sys.stdin.read())"
    settings = AlertsConfig(
        command=(sys.executable, "-c", write), file=str(tmp_path / "file"), webhook=listener
    )
    due = [Alert("missing", "binance 2024-08-08", "no capture")]
    Listener.answer = 302
    told, failed = tell_all(due, targets(settings), [])
    assert failed == {"webhook": "answered 302"}
    Listener.answer = 200
    told, failed = tell_all(due, targets(settings), told)
    assert (failed, len(told)) == ({}, 3)
    assert tell_all(due, targets(settings), told) == (told, {})
    assert len(out.read_text().splitlines()) == 1
    assert len((tmp_path / "file").read_text().splitlines()) == 1
    assert [one["subject"] for one in Listener.got] == ["binance 2024-08-08"] * 2


def test_of_more_troubles_than_are_remembered_each_is_told_once():
    """Two thousand instruments of a venue whose feeds broke, to three targets."""
    due = [Alert("broken", "binance 2026-11-26", "little", concerns=f"binance:{n}")
           for n in range(2000)]
    lines = {name: [] for name in ("log", "file", "command")}
    named = {name: lambda line, _, to=to: to.append(line) for name, to in lines.items()}
    told, failed = tell_all(due, named, [])
    assert len(told) == 6000
    told, failed = tell_all(due, named, told)
    assert [len(to) for to in lines.values()] == [2000] * 3
    assert not failed
    # what is due no more is forgotten in the end, the oldest first
    told, _ = tell_all([], named, told)
    assert len(told) == MOST_TOLD
    assert told[-1] == f"command {due[-1].key}"


def test_what_a_program_was_given_stays_out_of_the_log():
    secret = "canary-5f2a"  # noqa: S105 - one
    loud = f"import sys; print('{secret}'); print('{secret}', file=sys.stderr); sys.exit(3)"
    settings = AlertsConfig(command=(sys.executable, "-c", loud, secret))
    _, failed = tell_all([Alert("late", "x", "y")], targets(settings), [])
    assert failed == {"command": "ended with 3"}
    assert secret not in json.dumps(as_settings(Config(alerts=settings)))
    absent = AlertsConfig(command=(f"/nowhere/{secret}",))
    _, failed = tell_all([Alert("late", "x", "y")], targets(absent), [])
    assert failed == {"command": "No such file or directory"}


@pytest.mark.parametrize("line", [
    'webhook = "https://example.org/hook"', 'webhook = "http://10.0.0.1:9000/"',
    'webhook = "http://127.0.0.1@example.org/"', 'webhook = "file:///etc/passwd"',
    'webhook = "http://localhost:99999/"', "file = 3", 'command = "mail"', "due_hours = 49",
])
def test_what_alerts_may_not_be(tmp_path, line):
    path = tmp_path / "settings.toml"
    path.write_text(f"[alerts]\n{line}\n")
    with pytest.raises(UserError) as caught:
        load_config(path)
    assert caught.value.where == f"{path}:2"


def test_it_listens_by_itself_where_somebody_is_named():
    assert alerts(Config()).default_status == dg.DefaultSensorStatus.STOPPED
    named = Config(alerts=AlertsConfig(file="/x"))
    assert alerts(named).default_status == dg.DefaultSensorStatus.RUNNING
