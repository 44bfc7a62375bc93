"""Small made-up tables of the book and raw layers, from which bars are made."""

import numpy as np
import pyarrow as pa
import pytest

from imbalance.books.tables import BARS_100MS
from imbalance.captures.event_tables import ORDERS, QUOTES, TRADES

STEP = 100_000_000
DAY = 1_723_075_200_000_000_000  # 2024-08-08


class Market:
    """Makes rows of book.bars_100ms, raw.trades and raw.quotes; a missing column is filled in."""

    day = DAY
    step = STEP

    @staticmethod
    def rows(table, rows):
        schema = pa.schema([field.with_nullable(True) for field in table.arrow_schema()])
        return pa.Table.from_pylist(
            [{name: row.get(name) for name in schema.names} for row in rows], schema=schema
        )

    def book_row(self, bar, instrument="binance:A", **values):
        mid = values.get("mid_close", 100.0)
        row = {
            "instrument": instrument, "bar_start": DAY + bar * STEP,
            "available_at": DAY + (bar + 1) * STEP, "coverage": 1.0, "poisoned": False,
            "measured_coverage": 1.0, "mid_open": mid, "mid_high": mid, "mid_low": mid,
            "mid_close": mid, "mid_mean": mid,
            "bid_price": mid - 0.5, "ask_price": mid + 0.5, "spread_mean": 1.0,
            "queue_imbalance_mean": 0.0, "depth_touch_mean": 2.0,
            "bid_reach_bps": 60.0, "ask_reach_bps": 110.0, "level_depth_sum": 0.0,
            "order_flow_imbalance_no_price_change": 0.0, "book_feed": "events",
        }
        row |= {f"{side}_size": 2.0 for side in ("bid", "ask")}
        row |= {name: 4.0 for name in BARS_100MS.column_names if "_depth_" in name
                and name.startswith(("bid", "ask"))}
        row |= {f"order_flow_imbalance_level_{m}": 0.0 for m in range(1, 11)}
        row |= {name: 0 for name in BARS_100MS.column_names
                if name.endswith(("_messages", "_events", "_updates", "_additions",
                                  "_cancellations", "_withdrawals"))}
        return row | values

    def book(self, *rows):
        return self.rows(BARS_100MS, rows)

    def missing_row(self, bar, instrument="binance:A"):
        """A bar in which the book was never valid."""
        row = dict.fromkeys(BARS_100MS.column_names)
        counts = {c.name: 0 for c in BARS_100MS.columns if c.type == "BIGINT"}
        return row | counts | {
            "instrument": instrument, "bar_start": DAY + bar * STEP,
            "available_at": DAY + (bar + 1) * STEP, "coverage": 0.0, "measured_coverage": 0.0,
            "poisoned": True,
        }

    def trade(self, nanoseconds, side, price, size, kind="trade", instrument="binance:A", lag=0):
        return {
            "instrument": instrument, "kind": kind, "trade_id": nanoseconds, "price": price,
            "size": size, "size_base": size, "side": side,
            "event_time": DAY + nanoseconds, "available_at": DAY + nanoseconds + lag,
        }

    def trades(self, *rows):
        return self.rows(TRADES, rows)

    def quote(self, nanoseconds, instrument="binance:A", lag=0):
        return {"instrument": instrument, "update_id": nanoseconds,
                "event_time": DAY + nanoseconds, "available_at": DAY + nanoseconds + lag}

    def quotes(self, *rows):
        return self.rows(QUOTES, rows)

    def orders(self, *rows):
        """Events (nanoseconds, order, action, size)."""
        return self.rows(ORDERS, [
            {"instrument": "binance:A", "order_key": order, "action": action, "size": float(size),
             "book_side": "bid", "price": 99.0, "event_time": DAY + time,
             "available_at": DAY + time}
            for time, order, action, size in rows])

    def random_book(self, bars, seed=1, *, first=0, poisoned=0.02, instrument="binance:A"):
        """A random walk of the mid with flows that drive it, some bars poisoned or missing."""
        random = np.random.default_rng(seed)
        n, tick = bars, 0.1
        common = random.normal(size=n)
        levels = common[:, None] * np.linspace(1, 0.4, 10) + 0.5 * random.normal(size=(n, 10))
        bid_size, ask_size = random.integers(1, 50, (2, n)).astype(float)
        # A full bid queue pushes the next price up, so that a microprice has something to find.
        push = np.r_[0.0, np.sign(bid_size - ask_size)[:-1]]
        steps = np.where(random.random(n) < 0.3, push, 0.0)
        spread = tick * random.choice([1, 2, 3], n, p=[0.8, 0.15, 0.05])
        bid = tick * (1000 + np.cumsum(steps))
        close = bid + spread / 2
        opened = np.r_[100.0, close[:-1]]
        events = random.poisson(1.5, n)
        levels[events == 0] = 0.0
        bad = random.random(n) < poisoned
        start = DAY + (first + np.arange(n)) * STEP
        columns = {
            "instrument": [instrument] * n, "bar_start": start,
            "available_at": start + STEP + random.integers(0, 3, n) * 10_000_000,
            "coverage": np.where(bad, 0.5, 1.0), "measured_coverage": np.where(bad, 0.5, 1.0),
            "poisoned": bad, "book_feed": ["events"] * n,
            "generalised_order_flow_imbalance": np.full(n, np.nan),
            "mid_open": opened, "mid_close": close, "mid_mean": (opened + close) / 2,
            "mid_high": np.maximum(opened, close), "mid_low": np.minimum(opened, close),
            "bid_price": bid, "ask_price": bid + spread,
            "bid_size": bid_size, "ask_size": ask_size, "spread_mean": spread,
            "queue_imbalance_mean": random.uniform(-1, 1, n),
            "depth_touch_mean": (bid_size + ask_size) / 2,
            "level_depth_sum": events * random.uniform(5, 15, n),
            "order_flow_imbalance_no_price_change": levels[:, 0] * 0.5,
            "bid_reach_bps": np.full(n, 60.0), "ask_reach_bps": np.full(n, 110.0),
        }
        for m in range(10):
            values = levels[:, m].copy()
            values[bad] = np.nan
            columns[f"order_flow_imbalance_level_{m + 1}"] = values
        for name in BARS_100MS.column_names:
            if name.startswith(("bid_depth", "ask_depth")):
                columns[name] = random.uniform(0, 100, n)
        counts = {"book_events": events, "book_messages": events + 1, "level_updates": events * 4,
                  "level_additions": events * 2, "level_cancellations": events * 2}
        columns |= counts
        schema = pa.schema([f.with_nullable(True) for f in BARS_100MS.arrow_schema()])
        return pa.table(
            {
                field.name: pa.array(columns.get(field.name, np.zeros(n)), from_pandas=True)
                .cast(field.type)
                for field in schema
            }
        ).cast(schema)

    def random_trades(self, bars, seed=2, *, first=0, instrument="binance:A"):
        random = np.random.default_rng(seed)
        times = first * STEP + np.sort(random.integers(0, bars * STEP, bars // 3))
        return self.trades(*(
            self.trade(int(t), side, 100.0 + p, float(size), instrument=instrument)
            for t, side, p, size in zip(
                times, random.choice(["buy", "sell"], len(times)),
                random.normal(size=len(times)), random.integers(1, 20, len(times)), strict=True,
            )
        ))


@pytest.fixture(scope="session")
def market():
    return Market()
