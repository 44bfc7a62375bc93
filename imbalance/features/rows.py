"""Weights, moments and chains as rows of their tables, and moments back from rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.contracts import Table
from imbalance.features.chains import Chain
from imbalance.features.integrated import WINDOW, Moments, Weights
from imbalance.features.microprice import BUCKETS
from imbalance.features.tables import CHAINS, MOMENTS, WEIGHTS


def _rows(table: Table, rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    schema = table.arrow_schema()
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.Table.from_arrays(
        [pa.array(list(column), field.type) for column, field in zip(columns, schema, strict=True)],
        schema=schema,
    )


def moment_rows(instrument: str, moments: Iterable[tuple[str, Moments]]) -> pa.Table:
    """Rows of features.order_flow_moments from (bar size, moments)."""
    return _rows(
        MOMENTS,
        [
            (instrument, size, m.window_start, m.window_start + WINDOW, m.available_at, m.n,
             m.sums.tolist(), m.products.tolist())
            for size, m in moments
        ],
    )


def read_moments(rows: pa.Table) -> list[tuple[str, Moments]]:
    """What `moment_rows` has written, of one instrument, in the order of time."""
    times = {
        name: rows.column(name).cast(pa.int64()).to_pylist()
        for name in ("window_start", "available_at")
    }
    found = [
        (size, Moments(start, available_at, n, np.array(sums), np.array(products)))
        for size, start, available_at, n, sums, products in zip(
            rows.column("bar_size").to_pylist(),
            times["window_start"],
            times["available_at"],
            rows.column("n").to_pylist(),
            rows.column("sums").to_pylist(),
            rows.column("products").to_pylist(),
            strict=True,
        )
    ]
    return sorted(found, key=lambda item: item[1].window_start)


def weight_rows(instrument: str, weights: Iterable[tuple[str, int, Weights]]) -> pa.Table:
    """Rows of features.order_flow_weights from (bar size, half-hour, weights)."""
    return _rows(
        WEIGHTS,
        [
            (instrument, size, w.trained_from, w.trained_to, start, start + WINDOW,
             w.available_at, w.n, w.first_component_share, *w.weights.tolist())
            for size, start, w in weights
        ],
    )


def chain_rows(instrument: str, chains: Iterable[Chain]) -> pa.Table:
    """Rows of features.microprice_chains, one per state of each chain."""
    rows = []
    for chain in chains:
        edges = [0.0, *chain.edges.tolist(), 1.0]
        for state, (ticks, count) in enumerate(zip(chain.adjustment, chain.count, strict=True)):
            spread, bucket = divmod(state, BUCKETS)
            rows.append(
                (instrument, chain.trained_from, chain.trained_to, chain.valid_from,
                 chain.valid_from + WINDOW, chain.available_at, spread + 1, bucket,
                 edges[bucket], edges[bucket + 1], chain.tick,
                 None if np.isnan(ticks) else float(ticks), int(count), chain.n)
            )
    return _rows(CHAINS, rows)
