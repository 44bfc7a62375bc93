"""Latencies in bounded memory: exact ends, quantiles of an even sample."""

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pytest

from imbalance.captures.latency import MOST, Latency


def rows(sent, received, first_line=1):
    return pa.table({"exchange_time": pa.array(sent, pa.timestamp("ns")),
                     "receive_time": pa.array(received, pa.timestamp("ns")),
                     "line": pa.array(np.arange(first_line, first_line + len(sent)))})


def test_differences_of_rows_that_have_both_times():
    latency = Latency()
    latency.take(rows([10, None, 30, 40], [15, 20, None, 38]))
    row = latency.row("c", "binance", 99)
    assert (row["messages"], row["smallest_ns"], row["largest_ns"]) == (2, -2, 5)
    assert row["correction_ns"] == 2


def test_a_positive_smallest_difference_is_no_skew():
    latency = Latency()
    latency.take(rows([10, 20], [13, 27]))
    assert latency.row("c", "v", 0)["correction_ns"] == 0


def test_nothing_known():
    row = Latency().row("c", "v", 0)
    assert row["messages"] == row["correction_ns"] == 0
    assert row["smallest_ns"] is row["p50_ns"] is row["p99_ns"] is None


@pytest.mark.parametrize("chunk", [1_000, 33_333, 400_000])
def test_a_long_capture_keeps_an_even_sample(chunk):
    rng = np.random.default_rng(1)
    difference = rng.integers(0, 10**9, 400_000)
    latency = Latency()
    for start in range(0, len(difference), chunk):
        part = difference[start : start + chunk]
        latency.take(rows(np.zeros(len(part), np.int64), part, start + 1))
        assert latency._held <= MOST
    row = latency.row("c", "v", 0)
    assert row["messages"] == len(difference)
    assert (row["smallest_ns"], row["largest_ns"]) == (difference.min(), difference.max())
    for name, q in (("p01", 0.01), ("p50", 0.5), ("p99", 0.99)):
        assert row[f"{name}_ns"] == pytest.approx(np.quantile(difference, q), abs=5e6)


def test_the_cutting_into_pieces_leaves_no_trace():
    difference = np.random.default_rng(2).integers(0, 10**9, 400_001)
    found = []
    for chunk in (999, 33_333, len(difference)):
        latency = Latency()
        for start in range(0, len(difference), chunk):
            part = difference[start : start + chunk]
            latency.take(rows(np.zeros(len(part), np.int64), part, start + 1))
        found.append(latency.row("c", "v", 0))
    assert found[0] == found[1] == found[2]


def test_which_tables_rows_come_in_leaves_no_trace():
    difference = np.random.default_rng(3).integers(0, 10**9, 300_000)
    every = rows(np.zeros(len(difference), np.int64), difference)
    trades = np.random.default_rng(4).random(len(difference)) < 0.3
    found = []
    for chunk in (10_000, 77_777, len(difference)):
        latency = Latency()
        for start in range(0, len(difference), chunk):
            part, traded = every.slice(start, chunk), pa.array(trades[start : start + chunk])
            for mine in (traded, pa.compute.invert(traded)):
                latency.take(part.filter(mine))
        found.append(latency.row("c", "v", 0))
    assert found[0] == found[1] == found[2]


def test_feeds_written_by_turns_stay_in_the_sample_by_their_shares():
    slow = np.arange(600_000) % 4 == 0
    latency = Latency()
    latency.take(rows(np.zeros(len(slow), np.int64), np.where(slow, 50, 5), 1))
    (kept,) = (kept for _, kept in latency._kept)
    assert np.mean(kept == 50) == pytest.approx(0.25, abs=0.01)
