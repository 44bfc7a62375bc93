"""The assets over a small home with a plain warehouse: what they write, check and show."""

import datetime
import errno
from dataclasses import replace

import dagster as dg
import pytest

from assets import book, checks, features, raw
from assets.book import proof
from assets.partitions import Partitions
from assets.raw import accounting
from imbalance.captures.framing import CaptureReader
from imbalance.captures.register import register
from imbalance.simulate.market import simulate_market
from imbalance.simulate.scenario import Scenario
from imbalance.store.store import Store
from imbalance.warehouse import PlainWarehouse

NAME = "binance-futures:BTCUSDT"
PARTITION = "2025-03-04|binance-futures"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home with one instrument of one day, made by the assets of three layers."""
    directory = tmp_path_factory.mktemp("assets")
    whole = Scenario.default()
    scenario = replace(
        whole, instruments=(whole.instrument(NAME),), links=(), common_shocks=(),
        start=datetime.datetime(2025, 3, 4, 12, 0, tzinfo=datetime.UTC), duration_seconds=30,
    )
    simulate_market(directory / "captures", scenario)
    store = Store.open(directory / "home", create=True)
    register(store, [directory / "captures"])
    partitions = Partitions.spanning("2025-03-04", "2025-03-04")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("venue", ["binance-futures"])
        result = dg.materialize(
            [*raw.build(partitions), *book.build(partitions), *features.build(partitions)],
            partition_key=PARTITION, instance=instance,
            resources={"warehouse": PlainWarehouse(store)},
        )
    assert result.success
    return store, result


def test_rows_are_those_of_the_ledger(made):
    store, result = made
    for event in result.get_asset_materialization_events():
        table = ".".join(event.asset_key.path)
        rows = event.materialization.metadata["rows"].value
        if table not in {
            "raw.captures", "raw.quarantine", "raw.instruments", "raw.clock_skew",
        }:
            assert rows == store.ledger.current(table, PARTITION).row_count, table
    assert store.ledger.current("features.bars_1s", PARTITION).row_count == 30


def test_a_capture_that_cannot_be_read_for_now_is_read_again(tmp_path, monkeypatch):
    whole = Scenario.default()
    scenario = replace(whole, instruments=(whole.instrument(NAME),), links=(), common_shocks=(),
                       start=datetime.datetime(2025, 3, 4, 12, 0, tzinfo=datetime.UTC),
                       duration_seconds=10)
    simulate_market(tmp_path / "captures", scenario)
    store = Store.open(tmp_path / "home", create=True)
    register(store, [tmp_path / "captures"])
    looked = []

    def away_at_first(path, **options):
        looked.append(path)
        if len(looked) == 1:
            raise OSError(errno.ESTALE, "Stale file handle")
        return CaptureReader(path, **options)

    monkeypatch.setattr("imbalance.captures.probe.CaptureReader", away_at_first)
    monkeypatch.setattr("assets.execute.CAPTURE_DELAY_SECONDS", 0.0)
    partitions = Partitions.spanning("2025-03-04", "2025-03-04")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("venue", ["binance-futures"])
        result = dg.materialize(
            raw.build(partitions), partition_key=PARTITION, instance=instance,
            resources={"warehouse": PlainWarehouse(store)}, raise_on_error=False,
        )
    assert result.success
    assert [e.step_key for e in result.all_events if e.is_step_up_for_retry] == ["raw"]
    assert store.ledger.current("raw.trades", PARTITION).row_count > 0
    assert store.ledger.failures() == []


def test_all_checks_pass_and_say_what_they_saw(made):
    _, result = made
    evaluations = {(e.asset_key.path[-1], e.check_name): e
                   for e in result.get_asset_check_evaluations()}
    assert all(e.passed for e in evaluations.values())
    assert all(e.partition == PARTITION for e in evaluations.values())
    lines = evaluations["captures", "line_accounting"]
    assert lines.metadata["captures"].value == 1
    assert lines.description.endswith("all accounted for")
    agreed = evaluations["quote_agreement", "agrees_with_quotes"]
    assert agreed.metadata["compared"].value > 50
    assert agreed.description.endswith("comparisons, 0 mismatches")
    assert "rows keep all" in evaluations["bars_1s", "registry_rules"].description


def test_coverage_is_shown(made):
    _, result = made
    shown = {e.asset_key.path[-1]: e.materialization.metadata
             for e in result.get_asset_materialization_events()}
    assert 0.9 < shown["bars_1s"]["coverage"].value <= 1.0
    assert shown["bars_1s"]["instruments"].value == 1


def test_checks_see_what_is_wrong(made, tmp_path):
    import pyarrow as pa

    from imbalance import catalog
    from imbalance.store.task import materialise

    store = Store.open(tmp_path / "home", create=True)
    schema = catalog.table("book.quote_agreement").arrow_schema()
    rows = [
        {"instrument": NAME, "compared": 10, "mismatched": 2, "agreed_since": 8,
         "first_mismatch_update_id": 7},
        {"instrument": NAME, "compared": -1, "mismatched": 0, "agreed_since": 0,
         "first_mismatch_update_id": None},
    ]
    materialise(
        store, outputs=["book.quote_agreement"], partition=PARTITION, inputs=(), version="1",
        build=lambda context: context.writer("book.quote_agreement").write(
            pa.Table.from_pylist(rows, schema)
        ),
    )
    failed = proof(store, PARTITION)
    assert not failed.passed
    assert failed.description == f"mismatches by instrument that do not end: {{'{NAME}': 2}}"
    (contract,) = checks.run(store, ["book.quote_agreement"], PARTITION)
    assert not contract.passed
    assert "minimum on compared: 1 rows" in contract.description
    assert "unique_key on instrument" in contract.description


@pytest.mark.parametrize(
    ("mismatched", "since", "ended"),
    [(0, 500, True), (4, 35, True), (4, 9, False), (40, 39, False), (40, 40, True)])
def test_mismatches_end_or_fail(tmp_path, mismatched, since, ended):
    """A snapshot that shows what had gone by its id is wrong for a while, a wrong rebuild stays."""
    import pyarrow as pa

    from imbalance import catalog
    from imbalance.store.task import materialise

    store = Store.open(tmp_path / "home", create=True)
    row = {"instrument": NAME, "compared": 500, "mismatched": mismatched, "agreed_since": since,
           "first_mismatch_update_id": 7 if mismatched else None}
    materialise(
        store, outputs=["book.quote_agreement"], partition=PARTITION, inputs=(), version="1",
        build=lambda context: context.writer("book.quote_agreement").write(
            pa.Table.from_pylist([row], catalog.table("book.quote_agreement").arrow_schema())
        ),
    )
    found = proof(store, PARTITION)
    assert found.passed == ended
    assert found.metadata["mismatched"] == mismatched
    if ended:
        assert found.description == f"500 comparisons, {mismatched} mismatches"


def test_lines_that_are_nowhere_fail_their_check(tmp_path):
    import pyarrow as pa

    from imbalance import catalog
    from imbalance.store.task import materialise

    store = Store.open(tmp_path / "home", create=True)
    table = catalog.table("raw.captures")
    row = {c.name: {"BIGINT": 0, "VARCHAR": "x", "TIMESTAMP_NS": None}[c.type]
           for c in table.columns}
    row |= {"path": "a.gz", "lines_read": 3, "lines_decoded": 1, "lines_ignored": 1}
    materialise(
        store, outputs=["raw.captures"], partition="c" * 16, inputs=(), version="1",
        build=lambda context: context.writer("raw.captures").write(
            pa.Table.from_pylist([row], table.arrow_schema())
        ),
    )
    check = accounting(store, ["c" * 16])
    assert not check.passed
    assert check.description == "lines are missing in a.gz"
