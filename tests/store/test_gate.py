"""The gate: seeded defects, each of which must stop the publication and be named."""

import json
import tempfile
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from imbalance import catalog
from imbalance.config import CapturesConfig, Config
from imbalance.contracts import Column, Table
from imbalance.store import Home, Store
from imbalance.store.files import file_schema
from imbalance.store.gate import GateRefused, check_captures, check_partition, examination
from imbalance.store.gate_rules import row_rules, rules_hash
from imbalance.store.generations import find_generation
from imbalance.store.publishing import publish
from tests.store.samples import BARS, PARTITION, STUDY, TABLES, bars, put, study


def change(name, where, value):
    """Replace a column's value in the rows `where`."""

    def changed(rows):
        mask = pa.array(np.isin(np.arange(rows.num_rows), where))
        column = rows[name].combine_chunks()
        replaced = pc.if_else(mask, pa.scalar(value, column.type), column)
        return rows.set_column(rows.column_names.index(name), name, replaced)

    return changed


def shift(name, where, nanoseconds):
    def changed(rows):
        values = rows[name].to_numpy().astype(np.int64).copy()
        values[where] += nanoseconds
        return rows.set_column(
            rows.column_names.index(name), name, pa.array(values.astype("datetime64[ns]"))
        )

    return changed


def flow_in_poisoned(rows):
    where = np.flatnonzero(rows["poisoned"].to_numpy(zero_copy_only=False))[:1]
    return change("order_flow_imbalance", where, 1.0)(rows)


DEFECTS = {
    "null in a key": (change("instrument", [3], None), "not_null", "instrument", 1),
    "null flag": (change("valid", [0, 1], None), "not_null", "valid", 2),
    "null time": (change("available_at", [7], None), "not_null", "available_at", 1),
    "null count": (change("trade_count", [7], None), "not_null", "trade_count", 1),
    "NaN": (change("coverage", [2], float("nan")), "finite", "coverage", 1),
    "infinite flow": (
        change("order_flow_imbalance", [4], float("inf")), "finite", "order_flow_imbalance", 1
    ),
    "below the range": (change("coverage", [1, 2, 3], -0.1), "minimum", "coverage", 3),
    "above the range": (change("coverage", [9], 1.0000001), "maximum", "coverage", 1),
    "negative count": (change("trade_count", [9], -1), "minimum", "trade_count", 1),
    "unknown choice": (change("side", [9], "Buy"), "allowed", "side", 1),
    "empty choice": (change("side", [9], ""), "allowed", "side", 1),
    "bar ends at its start": (
        shift("bar_end", [5], -(10**9)), "bar_end_after_start", "bar_start, bar_end", 1
    ),
    "known before its end": (
        shift("available_at", [5], -6), "known_after_end", "bar_end, available_at", 1
    ),
    "of another day": (shift("bar_start", [0], -1), "belongs_to_day", "bar_start", 1),
    "of the next day": (shift("bar_start", [0], 86_400 * 10**9), "belongs_to_day", "bar_start", 1),
    "of another venue": (
        change("instrument", [1], "binance:BTCUSDT"), "belongs_to_venue", "instrument", 1
    ),
    "flow in a poisoned bar": (flow_in_poisoned, "poisoned_is_null", "order_flow_imbalance", 1),
    "doubled row": (
        lambda rows: pa.concat_tables([rows, rows.slice(5, 2)]),
        "unique_key", "instrument, bar_start", 2,
    ),
    "doubled key, other values": (
        lambda rows: pa.concat_tables([rows, change("trade_count", [0], 8)(rows.slice(5, 1))]),
        "unique_key", "instrument, bar_start", 1,
    ),
    "poisoned and valid": (
        change("valid", list(range(50)), True), "poisoned_is_invalid", "valid",
        None,
    ),
}


@pytest.fixture
def published(store):
    put(store, "features.bars", bars())
    put(store, "studies.correlation", study(), "2024-08-08")
    publish(store)
    return store


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_seeded_defect_is_refused_and_named(store, defect):
    make, rule, column, count = DEFECTS[defect]
    good = bars()
    bad = make(good)
    put(store, "features.bars", good)
    put(store, "studies.correlation", study(), "2024-08-08")
    path = store.home.file(store.ledger.current("features.bars", PARTITION).file)
    assert check_partition(BARS, PARTITION, good.num_rows, path) == []

    put(store, "features.bars", bad)
    with pytest.raises(GateRefused) as caught:
        publish(store)
    error = caught.value
    assert error.exit_code == 3
    found = {(f.rule, f.column): f for f in error.findings}
    finding = found[rule, column]
    if count is not None:
        assert finding.count == count
    assert (finding.table, finding.partition) == ("features.bars", PARTITION)
    assert 0 < len(finding.sample) <= 5
    assert set(column.split(", ")) <= set(finding.sample[0])
    for text in (error.rule, error.table, error.column, str(error.count)):
        assert text in str(error)
    kept = pq.read_table(store.home.root / finding.kept)
    assert kept.column_names == list(BARS.column_names)
    assert kept.num_rows >= finding.count
    assert not (store.home.generations_dir / "current").exists()


def test_a_refusal_leaves_the_previous_generation_and_its_reasons(published):
    before = find_generation(published.home)
    put(published, "features.bars", DEFECTS["NaN"][0](bars()))
    with pytest.raises(GateRefused) as caught:
        publish(published)
    assert find_generation(published.home) == before
    (directory,) = published.home.refused_dir.iterdir()
    assert str(directory) in caught.value.fix
    reasons = json.loads((directory / "reasons.json").read_text())
    assert [(r["rule"], r["column"], r["count"]) for r in reasons] == [("finite", "coverage", 1)]
    assert caught.value.as_dict()["findings"] == reasons
    assert reasons[0]["sample"][0]["coverage"] == "nan"
    assert list(published.home.staging_dir.iterdir()) == []
    put(published, "features.bars", bars(seed=1))
    assert publish(published).number == 2


def test_a_table_without_rows_never_passes(published):
    put(published, "studies.correlation", study(0), "2024-08-08")
    with pytest.raises(GateRefused) as caught:
        publish(published)
    assert (caught.value.rule, caught.value.table) == ("not_empty", "studies.correlation")


def test_a_table_nobody_has_written_never_passes(store):
    put(store, "features.bars", bars())
    with pytest.raises(GateRefused, match=r"studies\.correlation has no rows") as caught:
        publish(store)
    assert caught.value.where == "studies.correlation"
    assert caught.value.fix.startswith("imbalance run makes what is missing")
    assert "0 row" not in str(caught.value)
    assert "kept" not in str(caught.value)


def test_missing_rows_do_not_hide_wrong_ones(store):
    put(store, "features.bars", DEFECTS["NaN"][0](bars()))
    with pytest.raises(GateRefused, match="broken by 1 row") as caught:
        publish(store)
    assert "look at the rows kept in" in caught.value.fix


def test_a_table_may_be_empty_for_a_reason(store):
    table = Table(**{**STUDY.__dict__, "may_be_empty": "nothing to learn from"})
    lenient = Store(store.home, tables={**TABLES, STUDY.name: table})
    put(lenient, "features.bars", bars())
    assert publish(lenient).rows == {"features.bars": 50, "studies.correlation": 0}


def test_a_column_without_an_entry_fails(store):
    put(store, "features.bars", bars())
    put(store, "studies.correlation", study(), "2024-08-08")
    fewer = Table(**{**BARS.__dict__, "columns": BARS.columns[:-1]})
    later = Store(store.home, tables={**TABLES, "features.bars": fewer})
    with pytest.raises(GateRefused) as caught:
        publish(later)
    assert (caught.value.rule, caught.value.column) == ("registered_columns", "trade_count")


@pytest.mark.parametrize(("column", "kind", "before", "now"), [
    ("trade_count", "BIGINT", "INTEGER", "int32"), ("coverage", "DOUBLE", "BIGINT", "int64"),
    ("bar_start", "TIMESTAMP_NS", "BIGINT", "int64"),
])
def test_a_column_of_another_type_is_refused_by_name(store, column, kind, before, now):
    """Files of an earlier version of the registry, in which a column had another type."""
    then = Table(**{**BARS.__dict__, "columns": tuple(
        replace(one, type=before, minimum=None, maximum=None) if one.name == column else one
        for one in BARS.columns)})
    earlier = Store(store.home, tables={**TABLES, "features.bars": then})
    rows = bars().to_pandas()
    rows[column] = rows[column].astype("int64")
    put(earlier, "features.bars", pa.Table.from_pandas(rows, file_schema(then)))
    put(store, "studies.correlation", study(), "2024-08-08")
    with pytest.raises(GateRefused) as caught:
        publish(store)
    (finding,) = caught.value.findings
    assert (finding.rule, finding.table, finding.column) == (
        "registered_types", "features.bars", column)
    wanted = {"BIGINT": "int64", "DOUBLE": "double", "TIMESTAMP_NS": "timestamp[ns]"}[kind]
    assert f"{column}: rule registered_types ({wanted} as the registry says, not {now})" in str(
        caught.value)


def test_the_gate_puts_aside_below_the_home_and_never_where_it_was_started(store):
    with examination(store.home.spill_dir()) as connection:
        (place,) = connection.execute("select current_setting('temp_directory')").fetchone()
    assert place.startswith(f"{store.home.staging_dir}/spill-")
    with examination() as connection:
        (place,) = connection.execute("select current_setting('temp_directory')").fetchone()
    assert place.startswith(f"{tempfile.gettempdir()}/")


def test_row_counts_reconcile_with_the_ledger(store):
    put(store, "features.bars", bars(50))
    path = store.home.file(store.ledger.current("features.bars", PARTITION).file)
    (finding,) = check_partition(BARS, PARTITION, 52, path)
    assert (finding.rule, finding.count) == ("row_count", 2)


def test_keys_with_nulls_are_keys(store):
    rows = pa.concat_tables([change("lag", [2], None)(study())] * 2)
    put(store, "studies.correlation", rows, "2024-08-08")
    path = store.home.file(store.ledger.current("studies.correlation", "2024-08-08").file)
    (finding,) = check_partition(STUDY, "2024-08-08", rows.num_rows, path)
    assert (finding.rule, finding.count, finding.rows.num_rows) == ("unique_key", 5, 10)


def test_a_check_that_cannot_be_made_is_no_pass(published):
    put(published, "features.bars", bars(seed=3))
    broken = Table(**{**BARS.__dict__, "columns": (
        *BARS.columns[:-1], Column("trade_count", "BIGINT", "Trades.", minimum=float("nan"))
    )})
    later = Store(published.home, tables={**TABLES, "features.bars": broken})
    with pytest.raises(GateRefused) as caught:
        publish(later)
    assert caught.value.rule == "check_failed"


CAPTURES = catalog.table("raw.captures")


def put_capture(store, name, **changes):
    """A capture of 100 lines, of which 6 are in quarantine."""
    counts = {"lines_read": 100, "lines_decoded": 90, "lines_ignored": 4, "lines_quarantined": 6}
    row = {c.name: None for c in CAPTURES.columns} | counts | {"capture_id": name} | changes
    put(store, CAPTURES.name, pa.Table.from_pylist([row], schema=CAPTURES.arrow_schema()), name)


def test_too_much_in_quarantine_blocks_publication(published):
    before = find_generation(published.home)
    put(published, "features.bars", bars(seed=5))
    tables = {**TABLES, CAPTURES.name: CAPTURES}
    strict, usual = (
        Store(published.home, Config(captures=CapturesConfig(quarantine_limit=limit)), tables)
        for limit in (0.05, 0.06)
    )
    put_capture(strict, "a")
    with pytest.raises(GateRefused) as caught:
        publish(strict)
    assert (caught.value.rule, caught.value.exit_code) == ("quarantine_limit", 3)
    assert caught.value.findings[0].sample[0]["capture_id"] == "a"
    assert find_generation(published.home) == before
    assert publish(usual).number == 2


def test_lines_are_accounted_for_and_few_are_quarantined(tmp_path):
    store = Store(Home.open(tmp_path / "home", create=True))

    def findings(limit):
        with store.session(described=False) as session:
            return [(f.rule, f.count, f.sample[0]["capture_id"])
                    for f in check_captures(session, limit)]

    put_capture(store, "good")
    assert findings(0.06) == []
    assert findings(0.05) == [("quarantine_limit", 1, "good")]
    put_capture(store, "short", lines_decoded=89)
    assert findings(0.06) == [("lines_accounted_for", 1, "short")]


def test_every_published_table_has_rules_and_they_parse(tmp_path):
    """Rules are text from the registry: each table's run on a file of its shape."""
    store = Store(Home.open(tmp_path / "home", create=True))
    for table in catalog.tables().values():
        partition = {"day_venue": PARTITION, "day": "2024-08-08"}.get(table.partitioning, "all")
        put(store, table.name, table.arrow_schema().empty_table(), partition)
        path = store.home.file(store.ledger.current(table.name, partition).file)
        assert len(row_rules(table)) > 0
        assert check_partition(table, partition, 0, path) == []


def test_the_hash_of_the_rules_follows_the_registry():
    for field, value in (("maximum", 0.9), ("nullable", True), ("description", "Other.")):
        columns = tuple(
            Column(**{**c.__dict__, field: value, "null_meaning": "x"})
            if c.name == "coverage" else c
            for c in BARS.columns
        )
        assert rules_hash(Table(**{**BARS.__dict__, "columns": columns})) != rules_hash(BARS)
    assert rules_hash(Table(**BARS.__dict__)) == rules_hash(BARS)
