"""The registry, the queries and the code name the same columns; every entry is complete."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from imbalance import catalog
from imbalance.books.health_table import TRADE_GAPS
from imbalance.features import build, tables, version
from imbalance.features.bars import Queries
from imbalance.features.build import FEATURE_OUTPUTS, bars_in_memory, definition_version
from imbalance.features.sides import classified
from imbalance.features.stretches import Gaps
from imbalance.store.sqlfiles import quote_table
from imbalance.store.store import Store
from imbalance.store.task import materialise

FROM_THE_PAST = {
    "order_flow_imbalance_integrated", "order_flow_imbalance_integrated_reason",
    "order_flow_imbalance_volatility_scaled", "order_flow_imbalance_rank",
    "trade_imbalance_volatility_scaled", "trade_imbalance_rank",
    "bulk_buy_volume", "bulk_sell_volume",
}


@pytest.fixture
def queried(market):
    with duckdb.connect() as connection:
        queries = Queries(connection)
        bars = queries.run(
            "bars_100ms",
            feeds=pa.table({
                "instrument": ["binance:A"], "trades_from": [0], "quotes_from": [0],
                **{name: pa.nulls(1, pa.int64())
                   for name in ("trades_until", "quotes_until", "orders_from")},
            }),
            book=market.book(market.book_row(0)),
            traded=queries.run("trades_100ms", trades=market.trades()),
            quoted=queries.run("quotes_100ms", quotes=market.quotes()),
            inferred=queries.run("inferred_100ms", classified=classified(
                queries, set(), (), (), (), ()), traded=queries.run(
                    "trades_100ms", trades=market.trades())),
            earlier=queries.run("trades_100ms", trades=market.trades()),
            fleeting=queries.run("fleeting_100ms", {"life": 1}, orders=market.orders()),
            missing=Gaps(TRADE_GAPS.arrow_schema().empty_table()).of([("binance:A", 0)]),
        )
        bars = bars.append_column("microprice", pa.nulls(1, pa.float64()))
        coarser = queries.run(
            "coarser_bars", {"finer_nanoseconds": 10**8, "bar_nanoseconds": 10**9}, bars=bars
        )
        measures = queries.run(
            "measures", bars=bars.append_column("bar_nanoseconds", pa.array([10**8])))
    return bars, coarser, measures


def test_queries_yield_what_the_registry_declares(queried):
    bars, coarser, measures = queried
    assert set(coarser.column_names) == set(bars.column_names)
    declared = [c.name for c in tables.BAR_COLUMNS if c.name not in FROM_THE_PAST]
    assert measures.column_names == declared
    schema = tables.BARS[0].arrow_schema()
    for field in measures.schema:
        assert field.type == schema.field(field.name).type, field.name
    for field in coarser.schema:
        assert field.type == bars.schema.field(field.name).type, field.name


def test_tables_in_memory_have_the_registry_s_schema(market):
    made = bars_in_memory(market.book(market.book_row(0)), market.trades(), market.quotes())
    assert tuple(made) == FEATURE_OUTPUTS
    for name, rows in made.items():
        assert rows.schema.equals(catalog.table(name).arrow_schema())


@pytest.mark.parametrize("table", tables.TABLES, ids=lambda t: t.name)
def test_entries_are_complete(table):
    for column in table.columns:
        assert column.description.endswith("."), column.name
        if column.type in ("DOUBLE", "BIGINT", "TIMESTAMP_NS"):
            assert column.unit, column.name
    assert table.order == table.key


def test_values_keep_to_the_declared_ranges(market):
    sideless = market.trade(1, None, 100.0, 1.0, instrument="binance:B")
    trades = market.trades(sideless | {"capture_id": "x", "line": 1})
    made = bars_in_memory(
        market.random_book(40_000), pa.concat_tables([market.random_trades(40_000), trades]),
        market.quotes(market.quote(1)),
    )
    for table in tables.TABLES:
        assert len(made[table.name]) > 0
        for column in table.columns:
            values = made[table.name].column(column.name)
            assert column.nullable or values.null_count == 0, column.name
            if column.minimum is not None:
                found = values.drop_null().to_numpy()
                assert (found >= column.minimum).all(), column.name
            if column.maximum is not None:
                assert (values.drop_null().to_numpy() <= column.maximum).all(), column.name
            if column.allowed:
                assert set(values.drop_null().to_pylist()) <= set(column.allowed), column.name
            if column.type == "DOUBLE":
                assert np.isfinite(values.drop_null().to_numpy()).all(), column.name


def test_the_version_follows_the_queries(monkeypatch):
    before = definition_version()
    definition_version.cache_clear()
    assert definition_version() == before
    definition_version.cache_clear()
    monkeypatch.setattr(version, "read_sql", lambda name: f"{name} changed")
    assert definition_version() != before
    definition_version.cache_clear()


def test_inputs_reach_back_one_day():
    assert build.feature_inputs("2024-03-01", "binance") == [
        ("book.bars_100ms", "2024-03-01|binance"),
        ("raw.trades", "2024-03-01|binance"),
        ("raw.quotes", "2024-03-01|binance"),
        ("book.book_states", "2024-03-01|binance"),
        ("raw.orders", "2024-03-01|binance"),
        ("book.trade_gaps", "2024-03-01|binance"),
        ("book.bars_100ms", "2024-02-29|binance"),
        ("raw.trades", "2024-02-29|binance"),
        ("raw.quotes", "2024-02-29|binance"),
        ("features.order_flow_moments", "2024-02-29|binance"),
    ]


def test_a_task_writes_what_memory_holds(market, tmp_path):
    store = Store.open(tmp_path / "home", create=True)
    book, trades = market.random_book(20_000), market.random_trades(20_000)
    before = market.trades(market.trade(-1, "buy", 100.0, 1.0))
    today, yesterday = "2024-08-08|binance", "2024-08-07|binance"
    for name, partition, rows in (
        ("book.bars_100ms", today, book), ("raw.trades", today, trades),
        ("raw.trades", yesterday, before),
    ):
        if name == "raw.trades":
            rows = rows.set_column(
                rows.schema.get_field_index("capture_id"), "capture_id",
                pa.array(["x"] * len(rows)),
            )
        materialise(
            store, outputs=[name], partition=partition, inputs=[], version="1",
            build=lambda ctx, name=name, rows=rows: ctx.writer(name).write(rows),
        )
    arguments = {
        "outputs": FEATURE_OUTPUTS, "partition": today,
        "inputs": build.feature_inputs("2024-08-08", "binance"), "version": definition_version(),
        "build": lambda ctx: build.build_bars(ctx, "2024-08-08", "binance"),
    }
    result = materialise(store, **arguments)
    assert result.metadata["instruments"] == ["binance:A"]
    assert result.metadata["coverage"]["binance:A"] == pytest.approx(
        np.mean(book.column("coverage"))
    )
    made = bars_in_memory(book, trades, market.quotes(), previous_trades=before)
    assert made["features.bars_100ms"].column("buy_volume")[0].as_py() == 0.0
    with store.session(described=False) as session:
        for name in FEATURE_OUTPUTS:
            rows = session.sql("from " + quote_table(name)).to_arrow_table()
            rows = rows.drop_columns("recorded_at")
            expected = made[name].cast(rows.schema)
            assert rows.equals(expected), name
    assert materialise(store, **arguments).status == "unchanged"
