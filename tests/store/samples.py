"""Small tables and rows for them, and how they get into a store. No fixtures, no tests."""

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.contracts import Column, Table
from imbalance.store import Store, TaskResult, materialise
from imbalance.store.files import file_schema

DAY = "2024-08-08"
VENUE = "binance-futures"
PARTITION = f"{DAY}|{VENUE}"

EVENTS = Table(
    "raw.events",
    "Events of the tests.",
    "one row per event",
    "day_venue",
    ("instrument", "event_id"),
    (
        Column("instrument", "VARCHAR", "Instrument."),
        Column("event_id", "BIGINT", "Number.", minimum=0),
        Column("event_time", "TIMESTAMP_NS", "Time.", unit="UTC, ns"),
        Column("price", "DOUBLE", "Price.", nullable=True, null_meaning="none seen", minimum=0),
        Column("sizes", "DOUBLE[]", "Sizes.", nullable=True, null_meaning="none seen"),
    ),
)

BARS = Table(
    "features.bars",
    "Bars of the tests; it's \"quoted\".",
    "one row per instrument and bar",
    "day_venue",
    ("instrument", "bar_start"),
    (
        Column("instrument", "VARCHAR", "Instrument."),
        Column("bar_start", "TIMESTAMP_NS", "Start.", unit="UTC, ns"),
        Column("bar_end", "TIMESTAMP_NS", "End.", unit="UTC, ns"),
        Column("available_at", "TIMESTAMP_NS", "When it was known.", unit="UTC, ns"),
        Column("valid", "BOOLEAN", "Whether the book was valid."),
        Column("poisoned", "BOOLEAN", "Whether a gap touches the bar."),
        Column("coverage", "DOUBLE", "Share.", unit="1", minimum=0, maximum=1),
        Column("side", "VARCHAR", "Side.", allowed=("buy", "sell")),
        Column(
            "order_flow_imbalance",
            "DOUBLE",
            "Flow.",
            unit="base",
            nullable=True,
            null_meaning="the bar is poisoned",
        ),
        Column("trade_count", "BIGINT", "Trades.", minimum=0),
    ),
    published=True,
)

STUDY = Table(
    "studies.correlation",
    "A study of the tests.",
    "one row per pair and lag",
    "day",
    ("instrument_x", "lag"),
    (
        Column("instrument_x", "VARCHAR", "Instrument."),
        Column("lag", "INTEGER", "Lag.", nullable=True, null_meaning="not lagged"),
        Column(
            "estimate", "DOUBLE", "r.", nullable=True, null_meaning="refused", minimum=-1, maximum=1
        ),
    ),
    published=True,
)

TABLES = {table.name: table for table in (EVENTS, BARS, STUDY)}


def events(count: int = 100, seed: int = 0, instrument: str = f"{VENUE}:BTCUSDT") -> pa.Table:
    generator = np.random.default_rng(seed)
    start = np.datetime64(f"{DAY}T00:00:00", "ns").astype(np.int64)
    return pa.table(
        {
            "instrument": [instrument] * count,
            "event_id": np.arange(count),
            "event_time": (start + np.arange(count) * 1_000_000).astype("datetime64[ns]"),
            "price": pa.array(generator.random(count), mask=generator.random(count) < 0.1),
            "sizes": [list(generator.random(i % 3)) if i % 5 else None for i in range(count)],
        },
        schema=file_schema(EVENTS),
    )


def bars(
    count: int = 50, seed: int = 0, day: str = DAY, instrument: str = f"{VENUE}:BTCUSDT"
) -> pa.Table:
    generator = np.random.default_rng(seed)
    second = 1_000_000_000
    start = np.datetime64(f"{day}T00:00:00", "ns").astype(np.int64) + np.arange(count) * second
    poisoned = generator.random(count) < 0.1
    return pa.table(
        {
            "instrument": [instrument] * count,
            "bar_start": start.astype("datetime64[ns]"),
            "bar_end": (start + second).astype("datetime64[ns]"),
            "available_at": (start + second + 5).astype("datetime64[ns]"),
            "valid": ~poisoned,
            "poisoned": poisoned,
            "coverage": np.where(poisoned, 0.5, 1.0),
            "side": np.where(generator.random(count) < 0.5, "buy", "sell"),
            "order_flow_imbalance": pa.array(generator.standard_normal(count), mask=poisoned),
            "trade_count": generator.integers(0, 9, count),
        },
        schema=file_schema(BARS),
    )


def study(count: int = 5, seed: int = 0) -> pa.Table:
    generator = np.random.default_rng(seed)
    return pa.table(
        {
            "instrument_x": [f"{VENUE}:BTCUSDT"] * count,
            "lag": pa.array(range(count), pa.int32()),
            "estimate": generator.uniform(-1, 1, count),
        },
        schema=file_schema(STUDY),
    )


def put(
    store: Store,
    name: str,
    rows: pa.Table,
    partition: str = PARTITION,
    *,
    version: str = "1",
    inputs: list[tuple[str, str]] | None = None,
    parameters: Mapping[str, Any] | None = None,
    force: bool = True,
) -> TaskResult:
    """Write rows as the partition of a table, through the only door there is."""
    return materialise(
        store,
        outputs=[name],
        partition=partition,
        inputs=inputs or [],
        version=version,
        build=lambda context: context.writer(name).write(rows),
        parameters=parameters,
        force=force,
    )


def next_day(day: str, days: int = 1) -> str:
    return (datetime.date.fromisoformat(day) + datetime.timedelta(days)).isoformat()

