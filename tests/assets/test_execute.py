"""Working through partitions: one that fails stops no other, checks are told of sums."""

import errno
from dataclasses import replace

import dagster as dg
import pytest

from assets.execute import (
    CAPTURE_RETRIES,
    Check,
    Done,
    check_specs,
    retry_reading,
    work_through,
)
from assets.partitions import key, split
from assets.specs import asset_key
from imbalance.errors import may_pass
from imbalance.store.store import Store
from imbalance.store.task import TaskResult

DAYS = dg.DailyPartitionsDefinition("2024-08-08", end_date="2024-08-12")
TABLE = "raw.trades"


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "home", create=True)


def step(store, do, seen):
    """`do` of each partition, its trouble with the system tried again as of captures."""
    @dg.multi_asset(
        name="step", specs=[dg.AssetSpec(asset_key(TABLE))], partitions_def=DAYS,
        check_specs=check_specs(TABLE, {"counted": "counts"}, DAYS),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def made(context):
        def one(partition):
            seen.append(partition)
            try:
                return do(partition)
            except OSError as error:
                raise retry_reading(context, error) from error

        yield from work_through(
            context, store, context.partition_keys, one, assets={TABLE: asset_key(TABLE)}
        )

    return made


def over_all_days(definition, instance):
    return dg.materialize(
        [definition], instance=instance, raise_on_error=False,
        tags={
            "dagster/asset_partition_range_start": "2024-08-08",
            "dagster/asset_partition_range_end": "2024-08-11",
        },
    )


def done(partition, passed=True):
    count = int(partition[-2:].lstrip("0"))
    return Done(
        TaskResult("built", {TABLE: count}, 0.1),
        checks=[Check(TABLE, "counted", passed, "{n} counted", f"bad on {partition}",
                      {"n": count, "by": {"a": count}})],
    )


def test_every_partition_has_its_rows_and_its_check(store):
    seen = []
    with dg.DagsterInstance.ephemeral() as instance:
        result = over_all_days(step(store, done, seen), instance)
        assert result.success
        rows = {
            event.partition: event.materialization.metadata["rows"].value
            for event in result.get_asset_materialization_events()
        }
    assert rows == {"2024-08-08": 8, "2024-08-09": 9, "2024-08-10": 10, "2024-08-11": 11}
    evaluations = result.get_asset_check_evaluations()
    by_partition = {e.partition: e.metadata["n"].value for e in evaluations if e.partition}
    assert by_partition == {"2024-08-08": 8, "2024-08-09": 9, "2024-08-10": 10, "2024-08-11": 11}
    whole = next(e for e in evaluations if e.partition is None)
    assert whole.passed
    assert whole.description == "38 counted in 4 partitions"
    assert whole.metadata["by"].value == {"a": 38}


def test_a_failing_partition_does_not_stop_the_others(store):
    seen = []

    def do(partition):
        if partition == "2024-08-09":
            raise RuntimeError("no luck")
        return done(partition)

    with dg.DagsterInstance.ephemeral() as instance:
        result = over_all_days(step(store, do, seen), instance)
    assert not result.success
    assert seen == ["2024-08-08", "2024-08-09", "2024-08-10", "2024-08-11"]
    failure = next(event for event in result.all_events if event.is_step_failure)
    assert failure.step_failure_data.user_failure_data.description == (
        "1 of 4 partitions failed: 2024-08-09: RuntimeError: no luck"
    )


def test_a_failed_check_blocks_and_names_its_partition(store):
    with dg.DagsterInstance.ephemeral() as instance:
        result = over_all_days(
            step(store, lambda p: done(p, passed=p != "2024-08-10"), []), instance
        )
    assert not result.success
    whole = next(e for e in result.get_asset_check_evaluations() if e.partition is None)
    assert not whole.passed
    assert whole.blocking
    assert whole.description == "2024-08-10: bad on 2024-08-10"


def test_what_a_failed_check_said_stands_until_it_passes(store):
    def standing(bad):
        with dg.DagsterInstance.ephemeral() as instance:
            over_all_days(step(store, lambda p: done(p, passed=p not in bad), []), instance)
        return [(f.table, f.partition, f.message) for f in store.ledger.failures()]

    said = {day: (TABLE, day, f"check counted: bad on {day}")
            for day in ("2024-08-09", "2024-08-10")}
    assert standing([*said]) == [*said.values()]
    assert standing(["2024-08-10"]) == [said["2024-08-10"]]
    assert standing([]) == []


def test_keys_of_partitions():
    assert key("2024-08-08", "binance-futures") == "2024-08-08|binance-futures"
    assert split("2024-08-08|binance-futures") == ("2024-08-08", "binance-futures")


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr("assets.execute.CAPTURE_DELAY_SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
def test_trouble_that_passes_is_tried_again(store):
    seen = []

    def do(partition):
        if partition == "2024-08-09" and seen.count(partition) < 3:
            raise OSError(errno.EIO, "Input/output error")
        return done(partition)

    with dg.DagsterInstance.ephemeral() as instance:
        result = over_all_days(step(store, do, seen), instance)
    assert result.success
    assert seen.count("2024-08-09") == 3
    assert len([event for event in result.all_events if event.is_step_up_for_retry]) == 2


@pytest.mark.usefixtures("at_once")
def test_trouble_that_stays_fails_its_partition_only(store):
    seen = []

    def do(partition):
        if partition == "2024-08-09":
            raise OSError(errno.EIO, "Input/output error")
        return done(partition)

    with dg.DagsterInstance.ephemeral() as instance:
        result = over_all_days(step(store, do, seen), instance)
    assert not result.success
    assert seen.count("2024-08-09") == 1 + CAPTURE_RETRIES
    assert seen[-1] == "2024-08-11"
    failure = next(event for event in result.all_events if event.is_step_failure)
    said = failure.step_failure_data.user_failure_data.description
    assert said.startswith("1 of 4 partitions failed: 2024-08-09: OSError: [Errno 5]")


@pytest.mark.parametrize(
    ("error", "worth_it"),
    [
        (OSError(errno.EIO, ""), True),
        (OSError(errno.ESTALE, ""), True),
        (OSError(errno.ENETRESET, ""), True),
        (OSError(errno.ETIMEDOUT, ""), True),
        (OSError(errno.EAGAIN, ""), True),
        (OSError(errno.ENOSPC, ""), False),
        (FileNotFoundError(errno.ENOENT, ""), False),
        (PermissionError(errno.EACCES, ""), False),
        (OSError("no number"), False),
    ],
)
def test_only_trouble_that_may_pass_is_tried_again(error, worth_it):
    assert may_pass(error) is worth_it


def test_a_failed_check_stands_under_the_partition_that_it_is_of(store):
    def with_its_windows(day):
        of_windows = Check(TABLE, "counted", day != "2024-08-09", "{n} counted", "bad windows",
                           {"n": 1, "by": {}}, partition=f"trailing-{day}")
        return replace(done(day), checks=[*done(day).checks, of_windows])

    with dg.DagsterInstance.ephemeral() as instance:
        over_all_days(step(store, with_its_windows, []), instance)
    standing = [(f.table, f.partition, f.message) for f in store.ledger.failures()]
    assert standing == [(TABLE, "trailing-2024-08-09", "check counted: bad windows")]
