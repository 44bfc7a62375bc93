"""Studies over the last days up to a day: which days, what is kept, what is made again."""

import numpy as np
import pyarrow as pa
import pytest

from imbalance.config import Config, StudiesConfig
from imbalance.config_file import load_config
from imbalance.errors import UserError
from imbalance.plan import make_plan
from imbalance.store.home import Home
from imbalance.store.ledger import CaptureFile
from imbalance.store.store import Store
from imbalance.studies.lead_lag.study import LEAD_LAG
from imbalance.studies.registry import study
from imbalance.studies.tasks import (
    partitions_of,
    remove_superseded_windows,
    study_task,
    superseded_windows,
    windows_up_to,
)
from imbalance.studies.windows import SPAN, day_of, scope_of, trailing, trailing_windows
from imbalance.tasks import Task, read_current
from tests.store.samples import put
from tests.studies.bar_store import write_day
from tests.studies.event_store import HEALTH, TRADES, health, trades

DAYS = ("2024-08-08", "2024-08-09", "2024-08-10")
TABLE = "studies.correlation_matrix"


@pytest.mark.parametrize(
    ("day", "days", "lengths", "windows"),
    [
        ("2024-08-08", DAYS, (2, 20), []),
        ("2024-08-09", DAYS, (2, 20), [DAYS[:2]]),
        ("2024-08-10", DAYS, (2, 20), [DAYS[1:], DAYS]),
        ("2024-08-10", DAYS, (20, 2), [DAYS[1:], DAYS]),
        ("2024-08-10", DAYS, (), []),
        # Days of the calendar: a month without captures is not bridged.
        ("2024-09-10", (*DAYS, "2024-09-10"), (5, 20), []),
        ("2024-08-12", (*DAYS, "2024-08-12"), (5,), [(*DAYS, "2024-08-12")]),
        ("2024-08-11", DAYS, (5,), []),
    ],
)
def test_a_window_is_the_days_there_are_among_the_last_of_the_calendar(
    day, days, lengths, windows
):
    assert trailing_windows(day, days, lengths) == windows


def test_partitions_say_what_they_hold():
    assert [scope_of(p) for p in (DAYS[0], trailing(DAYS[0]), SPAN)] == ["day", "trailing", "span"]
    assert [day_of(p) for p in (DAYS[0], trailing(DAYS[0]), SPAN)] == [DAYS[0], DAYS[0], None]
    windows = {day: trailing_windows(day, DAYS, (2,)) for day in DAYS}
    assert partitions_of(study("correlation"), DAYS, windows) == [
        *DAYS, trailing(DAYS[1]), trailing(DAYS[2]), SPAN]
    assert partitions_of(study("event_time"), DAYS, windows) == [*DAYS]


def home(directory, **settings):
    config = Config(studies=StudiesConfig(bar_sizes=("1s",), replications=99, **settings))
    store = Store(Home.open(directory, create=True), config)
    for seed, day in enumerate(DAYS):
        write_day(store, day, seed, seconds=200)
    return store


def figures(store, partition):
    """Rows by window, without what the window is called."""
    found = {}
    for row in read_current(store, TABLE, partition).to_pylist():
        found.setdefault((row["window_from"], row.pop("scope")), []).append(row)
    return found


def test_both_windows_of_a_day_are_in_its_partition_and_know_nothing_of_later_days(tmp_path):
    store = home(tmp_path / "home", trailing_windows=(2, 20))
    matrices = study("correlation_matrix")
    for partition in (trailing(DAYS[1]), trailing(DAYS[2]), SPAN):
        study_task(matrices, store, partition).materialise(store)
    short, long = figures(store, trailing(DAYS[2])).items()
    assert {str(window)[:10] for (window, _), _ in (short, long)} == set(DAYS[:2])
    assert {scope for (_, scope), _ in (short, long)} == {"trailing"}
    (span,) = figures(store, SPAN).items()
    assert [one for one in (short[1], long[1]) if one == span[1]], "as wide as the span, the same"
    before = study_task(matrices, store, trailing(DAYS[1]))
    write_day(store, DAYS[2], seed=9, seconds=200)
    assert before.is_current(store)
    assert not study_task(matrices, store, trailing(DAYS[2])).is_current(store)
    write_day(store, DAYS[0], seed=10, seconds=200)
    assert not study_task(matrices, store, trailing(DAYS[1])).is_current(store)


def test_the_span_of_a_few_days_is_taken_from_the_windows_up_to_the_last(tmp_path):
    store = home(tmp_path / "home", trailing_windows=(20,))
    matrices = study("correlation_matrix")
    made = study_task(matrices, store, trailing(DAYS[2])).materialise(store)
    assert "taken_from" not in made.metadata
    span = study_task(matrices, store, SPAN).materialise(store)
    assert span.metadata["taken_from"] == trailing(DAYS[2])
    (window,), (whole,) = figures(store, trailing(DAYS[2])).items(), figures(store, SPAN).items()
    assert window[1] == whole[1]
    assert (window[0][1], whole[0][1]) == ("trailing", "span")


@pytest.mark.parametrize("value", ["5", '["5"]', "[1]", "[true]", "[400]"])
def test_windows_that_cannot_be_are_named(value, tmp_path):
    path = tmp_path / "imbalance.toml"
    path.write_text(f"[studies]\ntrailing_windows = {value}\n")
    with pytest.raises(UserError, match="trailing_windows") as caught:
        load_config(path)
    assert caught.value.where.endswith("imbalance.toml:2")
    assert "whole numbers from 2 to 366" in caught.value.allowed
    path.write_text("[studies]\ntrailing_windows = []\n")
    assert load_config(path).studies.trailing_windows == ()


def test_an_hour_that_two_windows_hold_is_told_once(tmp_path):
    config = Config(studies=StudiesConfig(trailing_windows=(2, 20)))
    store = Store(Home.open(tmp_path / "home", create=True), config)
    names, hour = ("binance:A", "binance:B"), 3600 * 10**9
    for number, day in enumerate(DAYS):
        write_day(store, day, seed=0, seconds=5)
        begin = number * 24 * hour
        times = begin + np.arange(4) * hour // 2
        tables = {TRADES: [trades(name, times, np.arange(4) + 5.0) for name in names],
                  HEALTH: [health(name, (begin, begin + 2 * hour, "valid")) for name in names]}
        Task(tuple(tables), f"{day}|binance", (), "1", lambda context, tables=tables: [
            context.writer(name).write(pa.concat_tables(parts)) for name, parts in tables.items()
        ] and None).materialise(store)
    study_task(study("lead_lag"), store, trailing(DAYS[2])).materialise(store)
    rows = read_current(store, LEAD_LAG.name, trailing(DAYS[2]))
    keys = [tuple(row.values()) for row in rows.select(LEAD_LAG.key).to_pylist()]
    assert len(set(keys)) == len(keys)
    of_all = {str(row["window_from"])[:10] for row in rows.to_pylist() if row["regime"] == "all"}
    assert of_all == set(DAYS[:2]), "both windows are there"
    hours = {str(row["window_from"])[:13] for row in rows.to_pylist() if row["regime"] != "all"}
    assert hours >= {f"{day} {hour}" for day in DAYS for hour in ("00", "01")}


def test_windows_that_the_settings_have_no_more_are_removed_and_stay_in_history(tmp_path):
    store = home(tmp_path / "h", trailing_windows=(2,))
    one = study("correlation")
    for table in one.table_names:
        for day in DAYS[1:]:
            put(store, table, store.table(table).arrow_schema().empty_table(), trailing(day))
    days = [DAYS[0], DAYS[2]]
    windows = {day: windows_up_to(store, day) for day in days}
    assert superseded_windows(one, store, days, windows) == []
    without = Store(store.home, Config(studies=StudiesConfig(trailing_windows=())))
    windows = {day: windows_up_to(without, day) for day in days}
    assert superseded_windows(one, without, days, windows) == [trailing(DAYS[2])]
    remove_superseded_windows(one, without, DAYS[2])
    held = store.ledger.partitions(one.table_names[0])
    assert [*held] == [trailing(DAYS[1])]
    past = store.ledger.history(one.table_names[0], trailing(DAYS[2]))
    assert [entry.file is None for entry in past] == [False, True]


def test_the_plan_has_them_until_they_are_removed(tmp_path):
    store = home(tmp_path / "h", trailing_windows=())
    store.ledger.register_capture(CaptureFile(
        "a" * 16, "a" * 64, "/captures/a", 1, 1, "binance-lines", "binance", DAYS[0], DAYS[-1]))
    one = study("correlation")
    put(store, one.table_names[0], store.table(one.table_names[0]).arrow_schema().empty_table(),
        trailing(DAYS[1]))
    store.reasons = {}

    def trailing_steps():
        return [s for s in make_plan(store).due("studies") if s.partition == trailing(DAYS[1])]

    (step,) = trailing_steps()
    assert (step.state, step.tables) == ("stale", one.table_names)
    assert "will be removed" in step.reasons[0]
    remove_superseded_windows(one, store, DAYS[1])
    assert trailing_steps() == []
