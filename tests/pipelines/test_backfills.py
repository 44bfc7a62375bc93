"""A range of days as one run of Dagster, of which one day cannot be made until it is mended."""

import json
from functools import partial

import dagster as dg

from assets import book, raw
from assets.partitions import Partitions
from imbalance.captures.build import materialise_raw
from imbalance.captures.register import register
from imbalance.store.store import Store
from imbalance.store.verify import verify
from imbalance.warehouse import PlainWarehouse
from pipelines.alerts import failed_runs, tell_all
from pipelines.jobs import range_tags
from tests.captures.samples import SPOT
from tests.pipelines.conftest import DAYS, KEYS, contents


def begin(root, captures):
    store = Store.open(root, create=True)
    register(store, [captures])
    return store


def backfill(store):
    """Raw and book of all days, as the browser asks for them: one run over the range."""
    partitions = Partitions.spanning(DAYS[0], DAYS[-1])
    definitions = dg.Definitions(
        [*raw.build(partitions), *book.build(partitions)],
        jobs=[dg.define_asset_job("days")], executor=dg.in_process_executor,
        resources={"warehouse": PlainWarehouse(store)},
    )
    job = definitions.resolve_job_def("days")
    return partial(job.execute_in_process, tags=range_tags(KEYS[0], KEYS[-1]),
                   raise_on_error=False)


def test_a_day_that_cannot_be_made_is_named_and_once_mended_all_is_as_if_undisturbed(
    tmp_path, daily_captures
):
    reference, store = (begin(tmp_path / name, daily_captures) for name in ("reference", "home"))
    materialise_raw(reference, SPOT, DAYS)
    raw_tables = contents(reference)
    run = backfill(store)
    broken = daily_captures / "btcusdt_20240809.gz"
    whole = broken.read_bytes()
    broken.write_bytes(bytes(len(whole)))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("venue", [SPOT])
        failed = run(instance=instance)
        assert not failed.success
        made = contents(store)
        assert made == {key: raw_tables[key] for key in made}
        assert {day for table, day in made if table == "raw.trades"} == {KEYS[0], KEYS[2]}
        assert {one.partition for one in store.ledger.failures()} == {KEYS[1]}
        alerted, lines = [], []
        for _ in range(2):  # a look of the sensor each
            alerted, _ = tell_all(failed_runs(instance, 0.0),
                                  {"log": lambda line, _: lines.append(json.loads(line))}, alerted)
        assert [(line["kind"], line["run"]) for line in lines] == [("run_failed", failed.run_id)]
        assert lines[0]["subject"] == f"days {KEYS[0]} … {KEYS[-1]}"
        assert lines[0]["message"].startswith(
            f"1 of 3 partitions failed: {KEYS[1]}: a capture has changed since it was registered: "
            f"{broken}")
        broken.write_bytes(whole)
        assert run(instance=instance).success
    assert raw_tables.items() <= contents(store).items()
    assert set(store.ledger.partitions("book.bars_100ms")) == set(KEYS)
    assert store.ledger.failures() == []
    assert verify(store.home).whole
