"""What `compare` says of two generations is what was changed between them."""

import numpy as np
import pyarrow as pa
import pytest

from imbalance.contracts import Column, Table
from imbalance.store import Store
from imbalance.store.generation_diff import compare
from imbalance.store.generations import list_generations
from imbalance.store.publishing import publish
from tests.store.samples import BARS, TABLES, bars, put, study


def changed(rows, column, places, value):
    values = rows[column].to_pylist()
    for place in places:
        values[place] = value
    field = rows.schema.field(column)
    return rows.set_column(rows.column_names.index(column), field, pa.array(values, field.type))


@pytest.fixture
def published(store):
    put(store, "features.bars", bars(50))
    put(store, "features.bars", bars(60, day="2024-08-09"), "2024-08-09|binance-futures")
    put(store, "studies.correlation", study(), "2024-08-08")
    publish(store)
    return store


def difference(store):
    publish(store)
    one, other = list_generations(store.home)[-2:]
    return compare(one, other)


def test_a_generation_is_the_same_as_itself(published):
    (only,) = list_generations(published.home)
    assert compare(only, only).same


def test_rows_and_columns_that_differ_are_counted(published):
    rows = changed(bars(50), "trade_count", [1, 2, 3], 1_000)
    rows = changed(rows, "order_flow_imbalance", [4], None)
    put(published, "features.bars", pa.concat_tables([rows.slice(0, 48)]))
    put(published, "features.bars", bars(5, day="2024-08-10"), "2024-08-10|binance-futures")
    found = difference(published)
    (table,) = found.tables
    assert (table.table, table.rows) == ("features.bars", (110, 113))
    assert table.partitions == {"added": ("2024-08-10|binance-futures",), "removed": (),
                                "changed": ("2024-08-08|binance-futures",)}
    assert (table.only_before, table.only_after, table.different) == (2, 5, 4)
    counts, flow = sorted(table.columns, key=lambda c: -c.different)
    assert (counts.column, counts.different, flow.different) == ("trade_count", 3, 1)
    before = bars(50)["trade_count"].to_numpy()
    assert counts.mean[0] == pytest.approx(before.mean())
    assert counts.deviation[0] == pytest.approx(before.std(ddof=1))
    assert counts.largest == 1_000 - before[[1, 2, 3]].min()
    assert not found.same


def test_estimates_that_moved_are_shown(published):
    old = study()["estimate"].to_numpy()
    put(published, "studies.correlation", changed(study(), "estimate", [2], 0.0), "2024-08-08")
    (table,) = difference(published).tables
    (row,) = table.estimates
    assert (row["lag"], row["before"], row["after"]) == (2, pytest.approx(old[2]), 0.0)


def test_changed_definitions_are_named(published):
    columns = (
        *(Column(**{**c.__dict__, "unit": "share"}) if c.name == "coverage" else c
          for c in BARS.columns),
        Column("fresh", "DOUBLE", "New.", nullable=True, null_meaning="none"),
    )
    wider = Table(**{**BARS.__dict__, "columns": columns})
    later = Store(published.home, tables={**TABLES, "features.bars": wider})
    for day, count in (("2024-08-08", 50), ("2024-08-09", 60)):
        rows = bars(count, day=day).append_column("fresh", pa.array(np.zeros(count)))
        put(later, "features.bars", rows, f"{day}|binance-futures")
    found = difference(later)
    assert found.definitions == {"added": ("features.bars.fresh",), "removed": (),
                                 "changed": ("features.bars.coverage",)}
    assert [change.different for change in found.tables] == [0]
