"""What comes later changes nothing before it, and how the day is cut into stretches neither."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from imbalance.features import bars as bars_of_stretches
from imbalance.features import stretches
from imbalance.features.build import bars_in_memory
from imbalance.features.tables import BAR_SIZES, BARS, TABLES

BARS_OF_DAY = 4 * 18_000
CUT = 2 * 18_000 + 9_000  # a quarter past one, in the middle of a half-hour


@pytest.fixture(scope="module")
def inputs(market):
    return market.random_book(BARS_OF_DAY, poisoned=0.0003), market.random_trades(BARS_OF_DAY)


@pytest.fixture(scope="module")
def made(market, inputs):
    return bars_in_memory(*inputs, market.quotes())


def future_permuted(market, book, trades):
    """Everything after the cut in another order: bars trade places, and so do trades."""
    random = np.random.default_rng(9)
    order = CUT + random.permutation(BARS_OF_DAY - CUT)
    times = {"instrument", "bar_start", "available_at"}
    columns = {}
    for name in book.column_names:
        old = book.column(name)
        columns[name] = old if name in times else pa.concat_arrays(
            [old.slice(0, CUT).combine_chunks(), old.take(pa.array(order)).combine_chunks()]
        )
    event_time = trades.column("event_time").cast(pa.int64()).to_numpy()
    later = np.flatnonzero(event_time >= market.day + CUT * market.step)
    size = trades.column("size_base").to_numpy().copy()
    size[later] = random.permutation(size[later])
    place = trades.schema.get_field_index("size_base")
    return pa.table(columns, schema=book.schema), trades.set_column(
        place, trades.schema.field("size_base"), pa.array(size)
    )


def test_the_future_leaves_earlier_rows_bit_identical(market, inputs, made):
    other = bars_in_memory(*future_permuted(market, *inputs), market.quotes())
    end = market.day + CUT * market.step
    for table in BARS:
        before = pc.less_equal(made[table.name].column("bar_end").cast(pa.int64()), end)
        rows = made[table.name].filter(before)
        assert len(rows) == CUT * market.step // BAR_SIZES[table.base_name.removeprefix("bars_")]
        same = rows.equals(other[table.name].filter(before))
        assert same, [n for n in rows.column_names
                      if not rows.column(n).equals(other[table.name].filter(before).column(n))]
        for name in ("order_flow_imbalance_rank", "trade_imbalance_rank"):
            assert rows.column(name).null_count < len(rows) or len(rows) < 40
    for name in ("features.order_flow_weights", "features.microprice_chains"):
        known = pc.less_equal(made[name].column("valid_from").cast(pa.int64()), end)
        assert made[name].filter(known).equals(other[name].filter(known))
        assert len(made[name].filter(known)) > 0
        assert not made[name].equals(other[name])


def test_trained_only_on_the_past(made):
    for name in ("features.order_flow_weights", "features.microprice_chains"):
        rows = made[name]
        start, trained_to, available_at = (
            rows.column(c).cast(pa.int64()).to_numpy()
            for c in ("valid_from", "trained_to", "available_at")
        )
        assert (trained_to <= start).all()
        assert (available_at >= trained_to).all()
    bars = made["features.bars_100ms"]
    end, known = (bars.column(c).cast(pa.int64()).to_numpy() for c in ("bar_end", "available_at"))
    assert (known >= end).all()
    assert (np.diff(known) >= 0).all()


def test_integrated_flow_is_the_weighted_sum(market, made):
    weights = made["features.order_flow_weights"].to_pylist()
    bars = made["features.bars_1s"].to_pylist()
    reasons = {bar["order_flow_imbalance_integrated_reason"] for bar in bars}
    assert reasons == {None, "poisoned", "no_past_weights"}
    checked = 0
    for bar in bars[2_000:2_300]:
        w = next(w for w in weights if w["bar_size"] == "1s"
                 and w["valid_from"] <= bar["bar_start"] < w["valid_to"])
        assert w["valid_to"].value == market.day + 2 * 1800 * 10**9
        value = bar["order_flow_imbalance_integrated"]
        if value is not None:
            expected = sum(
                w[f"weight_{m}"] * bar[f"order_flow_imbalance_level_{m}"] for m in range(1, 11)
            ) / bar["level_depth_mean"]
            assert value == pytest.approx(expected, rel=1e-12)
            checked += 1
    assert checked > 100


@pytest.mark.parametrize(("at_once", "coarse_at_once"), [(1, 1), (1, 10**6), (40_000, 1)])
def test_how_the_day_is_cut_changes_no_bit(
    market, inputs, made, monkeypatch, at_once, coarse_at_once
):
    monkeypatch.setattr(stretches, "STRETCH", 1800 * 10**9)
    monkeypatch.setattr(stretches, "AT_ONCE", at_once)
    monkeypatch.setattr(bars_of_stretches, "_COARSE_AT_ONCE", coarse_at_once)
    other = bars_in_memory(*inputs, market.quotes())
    for table in TABLES:
        assert made[table.name].equals(other[table.name]), table.name


@pytest.mark.parametrize(("at_once", "coarse_at_once"), [(1, 1), (30_000, 2_000), (10**6, 10**6)])
def test_instruments_made_together_do_not_touch_each_other(
    market, monkeypatch, at_once, coarse_at_once
):
    """Whatever is worked on at once, an instrument's rows are those that it has alone."""
    names = ["binance:10", "binance:9", "binance:A", "binance:É"]
    parts = [
        (market.random_book(bars, seed=seed, first=first, instrument=name),
         market.random_trades(bars, seed=seed, first=first, instrument=name))
        for seed, (name, bars, first) in enumerate(
            zip(names, (20_000, 300, 19_000, 18_050), (0, 17_900, 35_990, 7), strict=True))
    ]
    monkeypatch.setattr(stretches, "STRETCH", 1800 * 10**9)
    monkeypatch.setattr(stretches, "AT_ONCE", at_once)
    monkeypatch.setattr(bars_of_stretches, "_COARSE_AT_ONCE", coarse_at_once)
    together = bars_in_memory(*map(pa.concat_tables, zip(*parts, strict=True)), market.quotes())
    alone = [bars_in_memory(*part, market.quotes()) for part in parts]
    for table in TABLES:
        rows = pa.concat_tables(one[table.name] for one in alone)
        assert together[table.name].equals(rows), table.name
        if table in BARS:
            assert set(rows.column("instrument").to_pylist()) == set(names)


def test_midnight(market, inputs):
    """The next day knows the weights and the chain of this one, and begins its ranks anew."""
    book, _ = inputs
    shift = 86_400 * 10**9
    place = book.schema.get_field_index("bar_start")
    tomorrow = market.random_book(2_000, seed=5, first=shift // market.step)
    last = book.set_column(
        place, book.schema.field("bar_start"),
        pa.array(book.column("bar_start").cast(pa.int64()).to_numpy()
                 + shift - BARS_OF_DAY * market.step).cast(pa.timestamp("ns")),
    )
    moments = bars_in_memory(last, market.trades(), market.quotes())["features.order_flow_moments"]
    next_day = bars_in_memory(
        tomorrow, market.trades(), market.quotes(), previous_states=last, previous_moments=moments
    )
    bars = next_day["features.bars_100ms"]
    assert bars.column("microprice").null_count < 200
    assert bars.column("order_flow_imbalance_integrated").null_count < 700
    assert bars.column("order_flow_imbalance_rank").slice(0, 20).null_count == 20
    weights = next_day["features.order_flow_weights"].to_pylist()
    # Five-minute bars are too few in these two hours: a quarter of them is poisoned.
    assert {w["bar_size"] for w in weights} == {"100ms", "1s", "10s", "1m"}
    alone = bars_in_memory(tomorrow, market.trades(), market.quotes())
    assert alone["features.bars_100ms"].column("microprice").null_count == 2_000
