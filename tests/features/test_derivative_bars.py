"""Derivative bars: what is known by a bar's end, the spot a basis is to, what is null."""

from functools import cache

import duckdb
import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from imbalance.captures.event_tables import DERIVATIVE_TICKS, LIQUIDATIONS
from imbalance.captures.instruments import Contracts
from imbalance.config import Config
from imbalance.features import derivative_bars
from imbalance.features.bars import Queries
from imbalance.features.derivative_bars import compute, spot_of
from imbalance.features.derivative_tables import SIZES, TABLES
from imbalance.features.tables import BARS
from imbalance.store.gate import check_partition

TODAY = "2024-08-08"
DAY = 1_723_075_200_000_000_000
SECOND = 1_000_000_000
FUTURE, SPOT, INVERSE = "binance-futures:BTCUSDT", "binance:BTCUSDT", "binance-delivery:BTCUSD_PERP"


@cache
def queries():
    return Queries(duckdb.connect())


def bar(second, instrument, mid, *, spread=1.0, lag=0.0, size=SECOND, **more):
    start = DAY + second * SECOND
    return {"instrument": instrument, "bar_start": start, "poisoned": False, "coverage": 1.0,
            "available_at": start + size + int(lag * SECOND), "mid_close": mid, "spread": spread,
            **more}


def tick(second, instrument=FUTURE, *, lag=0.0, line=1, **told):
    time = DAY + int(second * SECOND)
    return {"instrument": instrument, "event_time": time, "capture_id": "c", "line": line,
            "available_at": time + int(lag * SECOND), **told}


def liquidation(second, side, size, instrument=FUTURE, lag=0.0):
    time = DAY + int(second * SECOND)
    return {"instrument": instrument, "event_time": time, "side": side, "size_base": size,
            "available_at": time + int(lag * SECOND)}


def made(bars=(), ticks=(), liquidations=(), rows=1_000):
    """Tables by bar size; the bars given are those of 1 s, and the last of them of 5 min too."""
    given = {
        "features.bars_1s": (BARS[0], bars),
        "features.bars_5m": (BARS[0], [b | {"bar_start": DAY, "available_at": DAY + 300 * SECOND}
                                       for b in {b["instrument"]: b for b in bars}.values()]),
        DERIVATIVE_TICKS.name: (DERIVATIVE_TICKS, ticks),
        LIQUIDATIONS.name: (LIQUIDATIONS, liquidations),
    }

    def read(name, columns):
        if name not in given:
            return iter(())
        table, values = given[name]
        schema = pa.schema([table.arrow_schema().field(c).with_nullable(True) for c in columns])
        values = [{c: row.get(c) for c in columns} for row in values]
        return iter(pa.Table.from_pylist(values, schema).to_batches(max_chunksize=rows))

    found = {}
    compute(queries(), TODAY, Contracts(Config()), read,
            lambda name, part: found.setdefault(name, []).append(part))
    return {size: pa.concat_tables(found[f"features.derivative_bars_{size}"]) for size in SIZES}


def test_a_state_is_what_was_known_by_the_bar_s_end():
    ticks = [
        tick(0.5, mark_price=100.0, index_price=99.0),
        tick(0.9, mark_price=101.0, line=2, lag=0.2),  # known in the second bar
        tick(2.0, funding_rate=1e-4, next_funding_time=DAY + 8 * 3600 * SECOND, line=3),
        tick(2.5, mark_price=102.0, line=4),
    ]
    rows = made([bar(k, FUTURE, 100.0) for k in range(4)], ticks)["1s"]
    assert rows["mark_price"].to_pylist() == [100.0, 101.0, 102.0, 102.0]
    assert rows["index_price"].to_pylist() == [99.0] * 4
    # what was known at 2 s sharp was known by the end of the bar that ends then
    assert rows["funding_rate"].to_pylist() == [None, 1e-4, 1e-4, 1e-4]
    assert rows["next_funding_time"][1].value == DAY + 8 * 3600 * SECOND
    assert rows["tick_age_seconds"].to_pylist() == [0.5, 0.0, 0.5, 1.5]
    assert rows["mark_premium_bps"][0].as_py() == pytest.approx(1e4 * np.log(100 / 99))
    assert rows["index_basis_bps"][0].as_py() == pytest.approx(1e4 * np.log(100 / 99))
    assert rows["open_interest"].null_count == 4


def test_basis_is_of_books_valid_at_the_end():
    bars = [
        bar(0, FUTURE, 101.0), bar(1, FUTURE, 102.0), bar(2, FUTURE, None, spread=None),
        bar(3, FUTURE, 102.0), bar(4, FUTURE, 102.0),
        bar(0, SPOT, 100.0), bar(1, SPOT, 100.0, lag=0.25), bar(2, SPOT, 100.0),
        bar(3, SPOT, 100.0, spread=-0.5), bar(4, SPOT, 100.0, spread=0.0),
    ]
    rows = made(bars)["1s"]
    assert rows["instrument"].unique().to_pylist() == [FUTURE]
    assert rows["spot_instrument"].unique().to_pylist() == [SPOT]
    basis = [1e4 * np.log(1.01), 1e4 * np.log(1.02), None, None, 1e4 * np.log(1.02)]
    for found, expected in zip(rows["basis_bps"].to_pylist(), basis, strict=True):
        assert found == (None if expected is None else pytest.approx(expected))
    assert rows["basis_change_bps"][1].as_py() == pytest.approx(basis[1] - basis[0])
    assert rows["basis_change_bps"].null_count == 4
    # known when both books were, and never before an earlier bar
    assert [(t.value - DAY) / SECOND for t in rows["available_at"]] == [1.0, 2.25, 3.0, 4.0, 5.0]


def test_open_interest_and_its_change():
    ticks = [tick(0.5, open_interest=10.0), tick(2.5, open_interest=14.0, line=2)]
    rows = made([bar(k, FUTURE, 100.0) for k in range(4)], ticks)["1s"]
    assert rows["open_interest"].to_pylist() == [10.0, 10.0, 14.0, 14.0]
    assert rows["open_interest_change"].to_pylist() == [None, 0.0, 4.0, 0.0]


def test_liquidations_by_hand():
    forced = [liquidation(1.1, "sell", 3.0), liquidation(1.2, "buy", 1.0, lag=1.5),
              liquidation(3.0, "buy", 2.0)]
    bars = [bar(k, FUTURE, 100.0, poisoned=k == 4) for k in range(6)]
    rows = made(bars, (), forced)["1s"]
    assert rows["liquidated_sell_volume"].to_pylist() == [None, 3.0, 0.0, 0.0, None, 0.0]
    assert rows["liquidated_buy_volume"].to_pylist() == [None, 1.0, 0.0, 2.0, None, 0.0]
    assert rows["liquidation_imbalance"].to_pylist() == [None, -2.0, 0.0, 2.0, None, 0.0]
    assert rows["liquidation_imbalance_normalised"].to_pylist() == [
        None, -0.5, None, 1.0, None, None]
    assert rows["liquidation_count"].to_pylist() == [None, 2, 0, 1, None, 0]
    assert (rows["available_at"][1].value - DAY) / SECOND == 2.7


def test_a_liquidation_of_unknown_size_is_counted_and_not_summed():
    forced = [liquidation(1.1, "sell", None), liquidation(2.5, "sell", 2.0)]
    rows = made([bar(k, FUTURE, 100.0) for k in range(4)], (), forced)["1s"]
    assert rows["liquidated_sell_volume"].to_pylist() == [None, None, 2.0, 0.0]
    assert rows["liquidated_buy_volume"].to_pylist() == [None, None, 0.0, 0.0]
    assert rows["liquidation_count"].to_pylist() == [None, 1, 1, 0]


def test_without_a_book_what_is_told_remains():
    rows = made((), [tick(0.5, mark_price=100.0), tick(3.5, mark_price=101.0, line=2)],
                [liquidation(1.5, "buy", 1.0)])["1s"]
    assert rows["mark_price"].to_pylist() == [100.0, 100.0, 100.0, 101.0]
    assert rows["poisoned"].to_pylist() == [None] * 4
    assert rows["liquidation_count"].to_pylist() == [None, 1, 0, 0]
    assert rows["mid_close"].null_count == rows["basis_bps"].null_count == 4


def test_what_was_told_before_a_book_does_not_tell_that_one_is_to_come():
    ticks = [tick(0.5, mark_price=100.0), tick(5.5, mark_price=100.0, line=2)]
    forced = [liquidation(1.5, "buy", 1.0), liquidation(4.5, "sell", 2.0)]
    book = [bar(3, FUTURE, 100.0, poisoned=True, coverage=0.5), bar(4, FUTURE, 100.0)]
    alone, later = (made(bars, ticks, forced)["1s"].to_pylist() for bars in ((), book))
    assert later[:3] == alone[:3]
    assert [row["poisoned"] for row in later] == [None, None, None, True, False, True]
    assert [row["liquidation_count"] for row in later] == [None, 1, 0, None, 1, None]


def test_a_spot_is_of_the_same_base_and_quote_at_the_same_operator():
    names = [FUTURE, INVERSE, "okex:BTC-USDT-SWAP", "okex:BTC-USD-SWAP", "deribit:BTC-PERPETUAL",
             "cryptofacilities:PI_XBTUSD", SPOT, "binance:BTCUSDC", "okex:BTC-USDT",
             "kraken:XBT/USD", "coinbase:BTC-USD"]
    contracts = Contracts(Config())
    facts = {name: contracts.facts(name) for name in names}
    assert spot_of(facts, names) == {
        FUTURE: SPOT,
        INVERSE: None,  # of USD, where Binance has dollars of Tether only
        "okex:BTC-USDT-SWAP": "okex:BTC-USDT",
        "okex:BTC-USD-SWAP": None,
        "cryptofacilities:PI_XBTUSD": "kraken:XBT/USD",
        "deribit:BTC-PERPETUAL": None,
    }
    assert spot_of(facts, [FUTURE])[FUTURE] is None


@settings(max_examples=8)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30), st.booleans()), max_size=12),
       st.integers(1, 5))
def test_no_state_is_from_after_the_bar_and_no_cut_of_the_input_matters(events, rows):
    ticks = [tick(t / 4, mark_price=100.0 + k, lag=lag / 10, line=k + 1,
                  **({"open_interest": float(k)} if more else {}))
             for k, (t, lag, more) in enumerate(sorted(events))]
    bars = [bar(k, FUTURE, 100.0) for k in range(12)]
    whole = made(bars, ticks)["1s"]
    assert whole.equals(made(bars, ticks, rows=rows)["1s"])
    for row in whole.to_pylist():
        end = row["bar_end"].value
        known = [t for t in ticks if t["available_at"] <= end]
        last = max(known, key=lambda t: (t["available_at"], t["event_time"], t["line"]),
                   default=None)
        assert row["mark_price"] == (last["mark_price"] if last else None)


def test_derivatives_made_apart_are_those_made_together(monkeypatch):
    other = "binance-futures:ETHUSDT"
    arguments = (
        [bar(k, name, 100.0 + k) for name in (FUTURE, other, SPOT) for k in range(3)],
        [tick(0.5, mark_price=100.0), tick(1.5, other, mark_price=7.0)],
        [liquidation(1.5, "buy", 1.0, other), liquidation(0.5, "sell", 1.0, INVERSE)],
    )
    together = made(*arguments)
    assert together["1s"]["instrument"].unique().to_pylist() == [INVERSE, FUTURE, other]
    monkeypatch.setattr(derivative_bars, "AT_ONCE", 1)
    assert made(*arguments) == together


def test_rows_keep_the_rules_of_the_registry(tmp_path):
    import pyarrow.parquet as pq

    bars = [bar(k, name, 100.0) for name in (FUTURE, SPOT) for k in range(3)]
    found = made(bars, [tick(0.5, mark_price=100.0)], [liquidation(1.5, "buy", 1.0)])
    for table, rows in zip(TABLES, found.values(), strict=True):
        assert len(rows) > 0
        pq.write_table(rows, tmp_path / "rows.parquet")
        assert check_partition(table, TODAY, len(rows), tmp_path / "rows.parquet") == []
