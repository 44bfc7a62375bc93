"""One measured process of hftbacktest 2.4, in an environment of its own: conversion and replay.

As its documentation does it: `binancefutures.convert` of the capture, then a backtest which steps
through the result in 100 ms and reads ten levels a side. Each is first done with a short capture,
so that everything is compiled.
"""

from __future__ import annotations

import argparse
import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from hftbacktest import (
    BacktestAsset,
    HashMapMarketDepthBacktest,
    ROIVectorMarketDepthBacktest,
)
from hftbacktest.data.utils import binancefutures
from numba import njit

from benchmarks.measure import Stopwatch, peak_bytes, report

STEP_NS, LEVELS = 100_000_000, 10
TICK, LOT = 0.1, 0.001
WINDOW = 0.5
"""The vector book covers this share of the price either side, as a user would choose it."""


@njit
def _replay_vector(hbt: Any, step: int, levels: int) -> tuple[int, float, float, float]:
    steps, total, bid, ask = 0, 0.0, 0.0, 0.0
    while hbt.elapse(step) == 0:
        depth = hbt.depth(0)
        bids, asks, lowest = depth.bid_depth, depth.ask_depth, depth.roi_lb_tick
        steps += 1
        if np.isnan(depth.best_bid) or np.isnan(depth.best_ask):
            continue
        bid, ask = depth.best_bid, depth.best_ask
        at, found = depth.best_bid_tick - lowest, 0
        while at >= 0 and found < levels:
            if bids[at] > 0.0:
                total += bids[at]
                found += 1
            at -= 1
        at, found = depth.best_ask_tick - lowest, 0
        while at < len(asks) and found < levels:
            if asks[at] > 0.0:
                total += asks[at]
                found += 1
            at += 1
    return steps, total, bid, ask


@njit
def _replay_map(hbt: Any, step: int, levels: int) -> tuple[int, float, float, float]:
    steps, total, bid, ask = 0, 0.0, 0.0, 0.0
    furthest = 10_000
    while hbt.elapse(step) == 0:
        depth = hbt.depth(0)
        steps += 1
        if np.isnan(depth.best_bid) or np.isnan(depth.best_ask):
            continue
        bid, ask = depth.best_bid, depth.best_ask
        tick, found = depth.best_bid_tick, 0
        while found < levels and tick > depth.best_bid_tick - furthest:
            size = depth.bid_qty_at_tick(tick)
            if size > 0.0:
                total += size
                found += 1
            tick -= 1
        tick, found = depth.best_ask_tick, 0
        while found < levels and tick < depth.best_ask_tick + furthest:
            size = depth.ask_qty_at_tick(tick)
            if size > 0.0:
                total += size
                found += 1
            tick += 1
    return steps, total, bid, ask


def convert(path: Path) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        return binancefutures.convert(str(path))


def replay(events: Any, *, vector: bool) -> tuple[int, float, float, float]:
    """Steps, the sum of all sizes read, last best bid and ask."""
    asset = (
        BacktestAsset()
        .data([events])
        .linear_asset(1.0)
        .constant_latency(10_000_000, 10_000_000)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(TICK)
        .lot_size(LOT)
    )
    price = float(events["px"][0])
    if vector:
        asset = asset.roi_lb(price * (1 - WINDOW)).roi_ub(price * (1 + WINDOW))
    book = (ROIVectorMarketDepthBacktest if vector else HashMapMarketDepthBacktest)([asset])
    try:
        return (_replay_vector if vector else _replay_map)(book, STEP_NS, LEVELS)
    finally:
        book.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("capture", type=Path)
    parser.add_argument("short", type=Path)
    given = parser.parse_args()
    short = convert(given.short)
    for vector in (True, False):
        replay(short, vector=vector)
    del short
    with (conversion := Stopwatch()):
        events = convert(given.capture)
    costs = {"convert": conversion.cost}
    facts: dict[str, Any] = {"peak_bytes": peak_bytes(), "events": len(events)}
    for name, vector in (("replay_vector", True), ("replay_map", False)):
        with (watch := Stopwatch()):
            steps, total, bid, ask = replay(events, vector=vector)
        costs[name] = watch.cost
        facts[name] = {"steps": steps, "sizes": total, "closing_best": [bid, ask]}
    report(costs, **facts, peak_bytes_with_replay=peak_bytes())


if __name__ == "__main__":
    main()
