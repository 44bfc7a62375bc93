"""Bars with chosen values in a store of the real catalog. No fixtures, no tests."""

import datetime

import numpy as np
import pyarrow as pa

from imbalance import catalog
from imbalance.store import Store
from tests.store.samples import put

SECOND = 1_000_000_000
DAY = "2024-08-08"
START = int(datetime.datetime(2024, 8, 8, tzinfo=datetime.UTC).timestamp()) * SECOND
VENUE = "binance"
INSTRUMENTS = ("binance:BTCUSDT", "binance:ETHUSDT")

_ZERO = {"BIGINT": 0, "INTEGER": 0, "DOUBLE": 0.0, "VARCHAR": "", "BOOLEAN": False}


def bars(size="1s", *, count=200, seed=0, start=START, skip=(), late=3):
    """Bars of two instruments; some poisoned, some known late and together with the next."""
    rng = np.random.default_rng(seed)
    table = catalog.table(f"features.bars_{size}")
    span = {"1s": 1, "10s": 10}[size] * SECOND
    parts = []
    for name in INSTRUMENTS:
        places = np.array([k for k in range(count) if k not in skip])
        starts = start + places * span
        ends = starts + span
        delay = rng.choice([10_000_000, 200_000_000, late * SECOND], len(ends), p=[0.6, 0.3, 0.1])
        poisoned = rng.random(len(ends)) < 0.05
        values = {
            "instrument": [name] * len(ends),
            "bar_start": pa.array(starts, pa.timestamp("ns")),
            "bar_end": pa.array(ends, pa.timestamp("ns")),
            "available_at": pa.array(np.maximum.accumulate(ends + delay), pa.timestamp("ns")),
            "coverage": np.where(poisoned, 0.5, 1.0),
            "poisoned": poisoned,
            "valid": ~poisoned,
            "mid_close": 100 * np.exp(np.cumsum(rng.standard_normal(len(ends))) * 1e-4),
            "realised_variance": pa.array(rng.random(len(ends)), mask=poisoned),
            "order_flow_imbalance": pa.array(rng.standard_normal(len(ends)), mask=poisoned),
        }
        values["order_flow_imbalance_level_1"] = values["order_flow_imbalance"]
        columns = [
            values[c.name] if c.name in values
            else [None if c.nullable else _ZERO[c.type]] * len(ends)
            for c in table.columns
        ]
        parts.append(pa.table(columns, schema=table.arrow_schema()))
    return pa.concat_tables(parts)


def put_bars(store: Store, rows: pa.Table, size="1s", day=DAY):
    return put(store, f"features.bars_{size}", rows, f"{day}|{VENUE}")
