"""Great Expectations: suites made from the registry, the same defects, exceptions, no noise."""

import math
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from imbalance import catalog
from imbalance.store.expectations import PARTITION as PARTITION_COLUMN
from imbalance.store.expectations import Expectations, batches, checked_columns, read_batch
from imbalance.store.gate import GateRefused
from imbalance.store.publishing import publish
from tests.store.samples import BARS, PARTITION, STUDY, bars, events, put, study


@pytest.fixture(scope="module")
def expectations():
    return Expectations()


def found(expectations, frame, table=BARS):
    batch = frame.assign(partition=PARTITION)
    return {(f.rule, f.column): f for f in expectations.check_frame(table, PARTITION, batch)}


def test_good_rows_pass(expectations):
    assert found(expectations, bars().to_pandas()) == {}
    assert found(expectations, study().to_pandas(), STUDY) == {}


@pytest.mark.parametrize(
    ("column", "value", "rule", "count"),
    [
        ("instrument", None, "expect_column_values_to_not_be_null", 1),
        ("coverage", 1.5, "expect_column_values_to_be_between", 1),
        ("trade_count", -3, "expect_column_values_to_be_between", 1),
        ("side", "hold", "expect_column_values_to_be_in_set", 1),
    ],
)
def test_a_bad_value_is_found_with_its_count_and_sample(expectations, column, value, rule, count):
    frame = bars().to_pandas()
    frame.loc[4, column] = value
    finding = found(expectations, frame)[rule, column]
    assert finding.count == count
    if value is not None:
        assert finding.sample == ({column: value},)


def test_a_doubled_key_is_found(expectations):
    frame = bars().to_pandas()
    frame.loc[4, "bar_start"] = frame.loc[3, "bar_start"]
    (finding,) = found(expectations, frame).values()
    assert finding.rule == "expect_compound_columns_to_be_unique"
    assert finding.count == 2


def spoilt():
    """Bars that break a promise of each kind, in columns at both ends of the table."""
    frame = bars().to_pandas()
    frame.loc[[4, 9], "instrument"] = None
    frame.loc[2, "bar_start"] = frame.loc[3, "bar_start"]
    frame.loc[7, "coverage"] = 1.5
    frame.loc[8, "side"] = "hold"
    frame.loc[[5, 6], "trade_count"] = -3
    return frame


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_in_however_many_parts_a_suite_is_run_it_finds_the_same(
    expectations, monkeypatch, at_once
):
    monkeypatch.setattr("imbalance.store.expectations._GROUP_VALUES", 0)
    monkeypatch.setattr("imbalance.store.expectations._GROUP_COLUMNS", at_once)
    parts = [suite for _, suite in expectations._suites(BARS, 50)]
    assert len(parts) == math.ceil(10 / at_once)  # nine columns with a promise, and the key
    assert sum(len(suite.expectations) for suite in parts) == expectations.size(BARS) == 13
    assert found(expectations, bars().to_pandas()) == {}
    counts = {key: one.count for key, one in found(expectations, spoilt()).items()}
    assert counts == {
        ("expect_column_values_to_not_be_null", "instrument"): 2,
        ("expect_column_values_to_be_between", "coverage"): 1,
        ("expect_column_values_to_be_in_set", "side"): 1,
        ("expect_column_values_to_be_between", "trade_count"): 2,
        ("expect_compound_columns_to_be_unique", "instrument, bar_start"): 2,
    }


def test_many_rows_are_looked_at_a_few_columns_at_a_time(expectations):
    table = catalog.table("features.bars_1s")
    looked_at = [columns for columns, _ in expectations._suites(table, 200_000)]
    assert len(looked_at) > 5
    assert max(map(len, looked_at)) <= 10 + len(table.key)
    assert {name for columns in looked_at for name in columns} == {
        *checked_columns(table), PARTITION_COLUMN}
    assert len(list(expectations._suites(table, 1000))) == 1


def test_an_exception_is_a_finding(expectations):
    frame = bars().to_pandas().drop(columns=["coverage"])
    assert {column for _, column in found(expectations, frame)} == {"coverage"}
    (finding,) = expectations.check_frame(BARS, PARTITION, "no frame")
    assert finding.rule == "check_failed"


def test_every_published_table_has_a_suite(expectations):
    for table in catalog.tables().values():
        if table.published:
            assert expectations.size(table) > 3
            assert set(table.key) <= set(checked_columns(table))


def test_a_batch_is_projected_and_bounded(store):
    put(store, "raw.events", events(100))
    path = store.home.file(store.ledger.current("raw.events", PARTITION).file)
    batch = read_batch(store.table("raw.events"), PARTITION, path)
    assert batch.column_names == ["instrument", "event_id", "event_time", "price", "partition"]
    put(store, "features.bars", bars(400_000))
    path = store.home.file(store.ledger.current("features.bars", PARTITION).file)
    long = read_batch(BARS, PARTITION, path).to_pandas()
    assert 100_000 < len(long) <= 200_000
    assert long["bar_start"].is_monotonic_increasing


def test_small_partitions_share_a_batch():
    counts = {"a": 150_000, "b": 50_000, "c": 1, "d": 0, "e": 900_000, "f": 2}
    assert list(batches(counts)) == [["a", "b"], ["c"], ["e"], ["f"]]
    assert list(batches({"a": 0})) == []


def test_what_is_found_among_several_names_its_partition(store, expectations):
    days = {"2024-08-07": bars(), "2024-08-08": bars().set_column(6, "coverage", [[2.0] * 50]),
            "2024-08-09": bars()}
    paths = {}
    for day, rows in days.items():
        put(store, "features.bars", rows, day)
        paths[day] = store.home.file(store.ledger.current("features.bars", day).file)
    (finding,) = expectations.check_files(BARS, paths)
    assert (finding.partition, finding.column, finding.count) == ("2024-08-08", "coverage", 50)
    # the same keys in each of them are no defect
    assert expectations.check_files(BARS, {d: paths[d] for d in ("2024-08-07", "2024-08-09")}) == []


def test_publishing_stops_where_only_the_suite_sees_the_defect(store, monkeypatch):
    # With the SQL rules blind, the suite has to see it.
    put(store, "features.bars", bars().set_column(6, "coverage", [[2.0] * 50]))
    put(store, "studies.correlation", study(), "2024-08-08")
    monkeypatch.setattr("imbalance.store.gate.row_rules", lambda _: [])
    with pytest.raises(GateRefused) as caught:
        publish(store)
    assert caught.value.rule == "expect_column_values_to_be_between"
    assert (caught.value.count, caught.value.exit_code) == (50, 3)


def test_the_store_loads_without_it():
    code = (
        "import sys, imbalance.store, imbalance.store.publishing, imbalance.store.doctor, "
        "imbalance.store.verify; print(sorted({'great_expectations', 'pandas', 'dagster', "
        "'duckdb', 'pyarrow', 'numpy', 'numba'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_file_of_another_shape_is_a_finding_that_names_it(store, expectations, tmp_path):
    put(store, "features.bars", bars())
    good = store.home.file(store.ledger.current("features.bars", PARTITION).file)
    other = tmp_path / "other.parquet"
    pq.write_table(bars().drop_columns(["coverage"]), other)
    found = expectations.check_files(BARS, {"2024-08-07": good, "2024-08-08": other})
    assert {(one.partition, one.column) for one in found} == {("2024-08-08", "coverage")}
