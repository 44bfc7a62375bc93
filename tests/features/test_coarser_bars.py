"""Coarser bars equal what the events themselves give: events → bars of any size, in plain NumPy."""

import numpy as np
import pyarrow as pa
import pytest

from imbalance.books.tables import BARS_100MS
from imbalance.features.build import bars_in_memory
from imbalance.features.order_flow import order_flow_events, without_price_changes
from imbalance.features.tables import BAR_SIZES

BARS = 6_000  # ten minutes
LEVELS = 10


@pytest.fixture(scope="module")
def events(market):
    """Books of ten levels at random times over ten minutes, the first at the very start."""
    random = np.random.default_rng(11)
    n = 20_000
    time = np.r_[0, np.sort(random.integers(1, BARS * market.step, n - 1))]
    best = 1000 + np.cumsum(random.choice([-1, 0, 0, 0, 1], n))
    spread = random.integers(1, 3, n)
    bid = (best[:, None] - np.arange(LEVELS)) * 0.5
    ask = (best + spread)[:, None] * 0.5 + np.arange(LEVELS) * 0.5
    size = random.integers(1, 20, (2, n, LEVELS)).astype(float)
    flow = np.nan_to_num(order_flow_events(bid, size[0], ask, size[1]))
    # Some events find no tenth level: the bars they are in have no flow there, of any size.
    flow[[5_000, 12_000], 9] = np.nan
    return {
        "time": time, "bid": bid[:, 0], "ask": ask[:, 0], "bid_size": size[0, :, 0],
        "ask_size": size[1, :, 0], "flow": flow, "depth": size.mean(axis=(0, 2)),
        "quiet": np.nan_to_num(without_price_changes(flow[:, 0], bid[:, 0], ask[:, 0])),
        "bid_depth_5": size[0, :, :5].sum(axis=1), "ask_depth_5": size[1, :, :5].sum(axis=1),
    }


def from_events(e, length, total):
    """Bars [t, t + length) straight from the events; states hold until the next event."""
    count = total // length
    bar = e["time"] // length
    mid, spread = (e["bid"] + e["ask"]) / 2, e["ask"] - e["bid"]
    last = np.searchsorted(e["time"], (np.arange(count) + 1) * length) - 1
    # The state at a bar's start is the one an event exactly there leaves behind.
    first = np.searchsorted(e["time"], np.arange(count) * length, side="right") - 1

    def summed(values):
        return np.bincount(bar, weights=values, minlength=count)

    def mean(values):
        # ∫ state dt, read off at the edges of the bars.
        edges = np.arange(count + 1) * length
        integral = np.r_[0, np.cumsum(values[:-1] * np.diff(e["time"]))]
        at = np.clip(np.searchsorted(e["time"], edges, side="right") - 1, 0, None)
        return np.diff(integral[at] + values[at] * (edges - e["time"][at])) / length

    out = {
        "mid_open": mid[first], "mid_close": mid[last],
        "mid_high": np.array([mid[f : t + 1].max() for f, t in zip(first, last, strict=True)]),
        "mid_low": np.array([mid[f : t + 1].min() for f, t in zip(first, last, strict=True)]),
        "bid_price": e["bid"][last], "ask_price": e["ask"][last],
        "bid_size": e["bid_size"][last], "ask_size": e["ask_size"][last],
        "bid_depth_5": e["bid_depth_5"][last], "ask_depth_5": e["ask_depth_5"][last],
        "mid_mean": mean(mid), "spread_mean": mean(spread),
        "depth_touch_mean": mean((e["bid_size"] + e["ask_size"]) / 2),
        "queue_imbalance_mean": mean(
            (e["bid_size"] - e["ask_size"]) / (e["bid_size"] + e["ask_size"])
        ),
        "order_flow_imbalance_no_price_change": summed(e["quiet"]),
        "level_depth_sum": summed(e["depth"]), "book_events": summed(np.ones(len(bar))),
    }
    for m in range(LEVELS):
        out[f"order_flow_imbalance_level_{m + 1}"] = summed(e["flow"][:, m])
    return out


@pytest.fixture(scope="module")
def made(market, events):
    fine = from_events(events, market.step, BARS * market.step)
    start = market.day + np.arange(BARS) * market.step
    known = {
        **fine, "instrument": ["binance:A"] * BARS, "bar_start": start,
        "available_at": start + market.step, "coverage": np.ones(BARS),
        "poisoned": np.zeros(BARS, bool), "book_messages": 2 * fine["book_events"],
        "level_updates": 3 * fine["book_events"], "level_additions": fine["book_events"],
        "level_cancellations": fine["book_events"],
    }
    schema = BARS_100MS.arrow_schema()
    book = pa.table(
        {
            f.name: pa.array(known.get(f.name, np.ones(BARS)), from_pandas=True).cast(f.type)
            for f in schema
        }
    )
    trades = market.random_trades(BARS)
    before = market.trades(market.trade(-1, "buy", 100.0, 1.0))
    quotes = market.quotes(market.quote(7))
    return bars_in_memory(book, trades, quotes, previous_trades=before), trades


@pytest.mark.parametrize("size", BAR_SIZES)
def test_book_side(made, market, events, size):
    length = BAR_SIZES[size]
    rows = made[0][f"features.bars_{size}"]
    expected = from_events(events, length, BARS * market.step)
    assert len(rows) == BARS * market.step // length
    renamed = {"book_events": "book_event_count"}
    for name, values in expected.items():
        found = rows.column(renamed.get(name, name)).to_numpy()
        np.testing.assert_allclose(found, values, rtol=1e-9, atol=1e-9, err_msg=name)
    e = expected
    depth = e["level_depth_sum"] / np.where(e["book_events"] > 0, e["book_events"], np.nan)
    derived = {
        "return_bps": np.log(e["mid_close"] / e["mid_open"]) * 1e4,
        "spread_bps_mean": e["spread_mean"] / e["mid_mean"] * 1e4,
        "queue_imbalance": (e["bid_size"] - e["ask_size"]) / (e["bid_size"] + e["ask_size"]),
        "level_depth_mean": depth,
        "order_flow_imbalance_depth_scaled": e["order_flow_imbalance_level_1"] / depth,
    }
    for name, values in derived.items():
        np.testing.assert_allclose(
            rows.column(name).to_numpy(), values, rtol=1e-9, atol=1e-9, err_msg=name
        )
    assert rows.column("coverage").to_pylist() == [1.0] * len(rows)
    assert rows.column("book_update_count").to_numpy().sum() == 2 * len(events["time"])


@pytest.mark.parametrize("size", BAR_SIZES)
def test_realised_variance_is_the_sum_of_squared_100_ms_returns(made, market, events, size):
    fine = from_events(events, market.step, BARS * market.step)
    squared = (np.log(fine["mid_close"] / fine["mid_open"]) * 1e4) ** 2
    expected = squared.reshape(-1, BAR_SIZES[size] // market.step).sum(axis=1)
    found = made[0][f"features.bars_{size}"].column("realised_variance").to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", BAR_SIZES)
def test_trade_side(made, market, size):
    made, trades = made
    rows = made[f"features.bars_{size}"]
    bar = (trades.column("event_time").cast(pa.int64()).to_numpy() - market.day) // BAR_SIZES[size]
    volume = trades.column("size_base").to_numpy()
    price = trades.column("price").to_numpy()
    bought = np.array(trades.column("side").to_pylist()) == "buy"

    def summed(values):
        return np.bincount(bar, weights=values, minlength=len(rows))

    buy, sell = summed(volume * bought), summed(volume * ~bought)
    total = np.where(buy + sell > 0, buy + sell, np.nan)
    expected = {
        "buy_volume": buy, "sell_volume": sell, "trade_imbalance": buy - sell,
        "trade_imbalance_normalised": (buy - sell) / total,
        "vwap": summed(volume * price) / total, "buy_count": summed(bought),
        "trade_count": summed(np.ones(len(bar))),
    }
    for name, values in expected.items():
        found = rows.column(name).to_numpy()
        np.testing.assert_allclose(found, values, rtol=1e-9, atol=1e-9, err_msg=name)
    normalised = rows.column("trade_imbalance_normalised").to_numpy()
    assert np.nanmax(np.abs(normalised)) <= 1


def test_means_are_weighted_by_the_time_they_are_of(market):
    """A book that is crossed or one-sided is valid and has no mean: a millisecond of a wide spread
    before it counts as one, in the bars of a second and in those made of these.
    """
    rows = [market.book_row(k) for k in range(100)]
    wide = {"spread_mean": 11.0, "mid_mean": 95.0, "queue_imbalance_mean": -1.0,
            "depth_touch_mean": 102.0, "poisoned": True}
    rows[11] = market.book_row(11, **wide, measured_coverage=0.01)
    none = dict.fromkeys(wide)
    rows[27] = market.book_row(27, **none | {"poisoned": True}, measured_coverage=0.0)
    made = bars_in_memory(market.book(*rows), market.trades(), market.quotes())
    for size, bar, whole in (("1s", 1, 9), ("1s", 2, 9), ("10s", 0, 98)):
        row = made[f"features.bars_{size}"].to_pylist()[bar]
        part = 0.01 * (bar != 2)
        for name, usual in (("spread_mean", 1.0), ("mid_mean", 100.0), ("depth_touch_mean", 2.0),
                            ("queue_imbalance_mean", 0.0)):
            expected = (whole * usual + part * wide[name]) / (whole + part)
            assert row[name] == pytest.approx(expected, rel=1e-12)
        assert row["coverage"] == 1.0
