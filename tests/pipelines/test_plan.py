"""The plan keeps to the configured first day, as the partitions do."""

import datetime

import pytest

from imbalance.config import Config
from imbalance.errors import UserError
from imbalance.overdue import overdue
from imbalance.plan import check_range, make_plan
from imbalance.store.home import Home
from imbalance.store.ledger import CaptureFile
from imbalance.store.store import Store

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
