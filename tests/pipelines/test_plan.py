"""The plan keeps to the configured first day, as the partitions do."""

import datetime
from collections import Counter

import pytest

from imbalance.config import Config
from imbalance.errors import UserError
from imbalance.outcome import nothing_to_do
from imbalance.overdue import overdue
from imbalance.plan import check_range, make_plan
from imbalance.store.home import Home
from imbalance.store.ledger import CaptureFile, NewEntry
from imbalance.store.snapshot import Snapshot
from imbalance.store.store import Store
from imbalance.studies.measures import BAR_NANOSECONDS

VENUE, DAY = "binance", "2024-08-08"


@pytest.fixture
def plan(tmp_path):
    """The plan over one capture of 8 to 10 August, by the configured first day."""
    home = Home.open(tmp_path / "home", create=True)
    capture = CaptureFile("a" * 16, "a" * 64, "/captures/a", 1, 1, "binance-lines", VENUE,
                          "2024-08-08", "2024-08-10")
    Store(home).ledger.register_capture(capture)

    def call(first_day, first=None, last=None):
        made = make_plan(Store(home, config=Config(first_day=first_day)), first=first, last=last)
        check_range(made, first, last, first_day)
        return made.due_days(VENUE)

    return call


def test_days_before_the_configured_first_are_left_out(plan):
    assert plan("") == ["2024-08-08", "2024-08-09", "2024-08-10"]
    assert plan("2024-01-01") == ["2024-08-08", "2024-08-09", "2024-08-10"]
    assert plan("2024-08-09") == ["2024-08-09", "2024-08-10"]
    assert plan("2024-08-09", first="2024-08-08") == ["2024-08-09", "2024-08-10"]
    assert plan("2024-08-09", first="2024-08-10") == ["2024-08-10"]


def test_a_first_day_after_all_captures_is_named(plan):
    with pytest.raises(UserError, match="2025-01-01") as caught:
        plan("2025-01-01")
    assert caught.value.where == 'first_day = "2025-01-01" in the settings'
    assert caught.value.exit_code == 2


def test_limits_without_a_capture_are_named(plan):
    with pytest.raises(UserError) as caught:
        plan("2024-08-09", first="2024-09-01")
    assert caught.value.where == "--from, --to"


def test_a_failed_check_is_a_failure_of_the_step_that_is_made(tmp_path, monkeypatch):
    store = Store.open(tmp_path / "home", create=True)
    store.ledger.register_capture(
        CaptureFile("a" * 16, "a" * 64, "/captures/a", 1, 1, "binance-lines", VENUE, DAY, DAY))
    monkeypatch.setattr("imbalance.plan.raw_is_current", lambda *_: True)
    key = f"{DAY}|{VENUE}"
    store.ledger.record_failure("raw.captures", key, "run", "check line_accounting: 3 lines")
    raw = next(step for step in make_plan(store).steps if step.layer == "raw")
    assert (raw.state, raw.message) == ("failed", "check line_accounting: 3 lines")
    (late,) = overdue(store, datetime.datetime(2024, 8, 10, tzinfo=datetime.UTC))
    assert (late.kind, late.concerns) == ("failed", "raw.captures")
    assert late.message == "raw.captures: check line_accounting: 3 lines"
    store.ledger.record_recovery("raw.captures", key, "run")
    assert make_plan(store).steps[0].state == "current"


def test_the_ledger_is_read_once_and_a_day_more_costs_what_the_one_before_did(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("imbalance.store.task._all_current", lambda *_: True)
    asked, listed = Counter(), Counter()
    at = [0]

    def count(method, counter, size):
        real = getattr(Snapshot, method)

        def counted(self, *arguments):
            found = real(self, *arguments)
            counter[at[0]] += size(found)
            return found

        monkeypatch.setattr(Snapshot, method, counted)

    count("_reading", asked, lambda _: 1)
    for method in ("_newest", "partitions_between", "captures", "captures_on", "failures"):
        count(method, listed, len)
    for days in (25, 50, 75):  # more than the longest of the trailing windows
        at[0] = days
        home = Home.open(tmp_path / str(days), create=True)
        store = Store(home)
        made = [f"{datetime.date(2024, 1, 1) + datetime.timedelta(day)}" for day in range(days)]
        store.ledger.commit([
            NewEntry(f"features.bars_{size}", f"{day}|{VENUE}", "f", "0", "0", 1, "", "")
            for size in BAR_NANOSECONDS for day in made
        ], "run")
        for day in made:
            store.ledger.register_capture(CaptureFile(
                day, day, f"/{day}", 1, 1, "binance-lines", VENUE, day, day))
        plan = make_plan(store)
        assert not plan.due()
        assert len({s.partition for s in plan.steps if s.layer == "studies"}) == 2 * days
    assert len(set(asked.values())) == 1, asked
    assert 0 < listed[75] - listed[50] == listed[50] - listed[25]


def test_there_is_something_to_do_until_all_is_current_and_published(tmp_path, monkeypatch):
    store = Store.open(tmp_path / "home", create=True)
    store.ledger.register_capture(
        CaptureFile("a" * 16, "a" * 64, "/captures/a", 1, 1, "binance-lines", VENUE, DAY, DAY))
    limits = dict.fromkeys(("first", "last", "venue"))
    assert nothing_to_do(store, limits) is None
    monkeypatch.setattr("imbalance.store.task._all_current", lambda *_: True)
    assert nothing_to_do(store, limits) is None
    monkeypatch.setattr("imbalance.outcome.is_published", lambda _: True)
    said = nothing_to_do(store, limits)
    assert (said["status"], said["exit_code"], said["failures"]) == ("nothing_to_do", 0, [])
    assert said["partitions"]["unchanged"] > 4
    assert said["partitions"]["built"] == said["partitions"]["left"] == 0
    store.ledger.record_failure("raw.trades", f"{DAY}|{VENUE}", "run", "why")
    assert nothing_to_do(store, limits) is None
    with pytest.raises(UserError, match="2024-09-01"):
        nothing_to_do(store, {**limits, "first": "2024-09-01"})
