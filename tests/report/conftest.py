"""A session as the store gives it, filled with rows of known values."""

import json
import math

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from imbalance import catalog
from imbalance.store.sqlfiles import quote_table

SECOND = 1_000_000_000
START = 1_723_161_240 * SECOND  # 2024-08-08 23:54:00 UTC
DEFAULTS = {
    "VARCHAR": "", "BIGINT": 0, "INTEGER": 0, "UTINYINT": 0, "BOOLEAN": False, "DOUBLE": 0.0,
    "TIMESTAMP_NS": START, "DOUBLE[]": [],
}
PERPETUAL = "binance-futures:BTCUSDT"
SPOT = "binance:BTCUSDT"


def insert(session, name, rows):
    """Rows given in part; the rest is null where it may be, else a blank of its type."""
    table = catalog.table(name)
    blank = {c.name: None if c.nullable else DEFAULTS[c.type] for c in table.columns}
    unknown = {key for row in rows for key in row} - set(blank)
    assert not unknown, f"{name} has no {unknown}"
    filled = pa.Table.from_pylist([{**blank, **row} for row in rows], table.arrow_schema())
    session.register("arriving", filled)
    session.execute(f"insert into {quote_table(name)} by name select * from arriving")
    session.unregister("arriving")


def empty_session():
    session = duckdb.connect()
    for layer in catalog.LAYERS:
        session.execute(f"create schema {layer}")
    for table in catalog.tables().values():
        session.execute(table.ddl())
    return session


def bars(instrument, *, seconds=600, start=START, poisoned=(), seed=1):
    """Bars of 1 s around a random walk; those in `poisoned` (seconds) have no flow."""
    generator = np.random.default_rng(seed)
    mid = 60_000 * np.exp(np.cumsum(generator.normal(0, 2e-5, seconds)))
    flow = generator.normal(0, 3, seconds)
    rows = []
    for i in range(seconds):
        bad = i in poisoned
        begin = start + i * SECOND
        rows.append({
            "instrument": instrument, "bar_start": begin, "bar_end": begin + SECOND,
            "available_at": begin + SECOND, "coverage": 0.25 if bad else 1.0, "poisoned": bad,
            "valid": not bad, "mid_open": mid[i], "mid_close": mid[i], "mid_low": mid[i] * 0.99999,
            "mid_high": mid[i] * 1.00001, "order_flow_imbalance": None if bad else flow[i],
            "trade_count": None if bad else 3, "spread_bps_mean": 0.02,
            "book_update_count": None if bad else 10,
            "bid_reach_bps": 40.0, "ask_reach_bps": -0.5 if i < 58 else 40.0,
        })
    return rows


def estimate(x, y, lag, value, q, **more):
    """A row of studies.correlation of flow and return."""
    return {
        "study": "correlation", "family": "imbalance_and_return", "scope": "span",
        "window_from": START, "window_to": START + 600 * SECOND, "bar_size": "1s",
        "instrument_x": x, "measure_x": "order_flow_imbalance", "instrument_y": y,
        "measure_y": "return_bps", "estimator": "pearson", "lag": lag, "horizon": 1,
        "kind": "contemporaneous" if lag == 0 else "predictive", "regime": "all",
        "estimate": value, "interval_low": None if value is None else value - 0.06,
        "interval_high": None if value is None else value + 0.05, "p_value": q, "q_value": q,
        "n": 540, "n_effective": 431.0, "definition_version": "1", **more,
    }


def refusal(x, y, lag, reason, **more):
    """A row that holds a reason in place of an estimate."""
    return estimate(x, y, lag, None, None, n=0, n_effective=None, reason=reason, **more)


def responses(instrument, bar_size="1s"):
    """Orthogonal, generalised and cumulative responses of an own system."""
    rows = []
    for x in ("order_flow_imbalance", "return_bps"):
        for y in ("order_flow_imbalance", "return_bps"):
            for estimator in ("orthogonal", "generalised", "orthogonal_cumulative"):
                for step in range(11):
                    value = 0.8 * math.exp(-step / 2) * (1 if x == y else 0.4)
                    if estimator == "orthogonal_cumulative":
                        value = 0.42
                    rows.append({
                        "study": "impulse_response", "family": "flow_and_return", "scope": "day",
                        "window_from": START, "window_to": START + 360 * SECOND,
                        "bar_size": bar_size, "instrument_x": instrument, "measure_x": x,
                        "instrument_y": instrument, "measure_y": y, "estimator": estimator,
                        "model": instrument, "horizon": step, "regime": "all", "estimate": value,
                        "interval_low": value - 0.12, "interval_high": value + 0.13, "n": 350,
                    })
    return rows


def granger(instrument, x, y, q, bar_size="1s"):
    """The three tests of one direction."""
    return [
        {
            "study": "granger_causality", "family": "flow_and_return", "scope": "day",
            "window_from": START, "window_to": START + 360 * SECOND, "bar_size": bar_size,
            "instrument_x": instrument, "measure_x": x, "instrument_y": instrument, "measure_y": y,
            "estimator": test, "model": instrument, "regime": "all", "estimate": 12.5,
            "p_value": q / 2, "q_value": q, "n": 350,
        }
        for test in ("f", "wald_hc", "wald_hac")
    ]


def fill(session, instruments=(PERPETUAL, SPOT)):
    """One capture with a bad line, ten minutes of bars with a gap, and every study."""
    insert(session, "raw.captures", [{
        "capture_id": "0123456789abcdef", "sha256": "0" * 64, "path": "/captures/usdm/btc_0808.gz",
        "size_bytes": 3_600_000, "text_bytes": 52_000_000, "format": "binance",
        "compression": "gzip", "venue": "binance-futures", "receive_time_unit": "ns",
        "state": "whole", "lines_read": 41_234, "lines_decoded": 41_000, "lines_ignored": 231,
        "lines_quarantined": 3, "ignored_by_rule": "{}", "decoded_by_kind": "{}",
        "quarantined_by_reason": json.dumps({"not_json": 3}), "fields_unknown": '{"zz": 4}',
        "instruments": json.dumps(list(instruments)), "first_event_time": START,
        "last_event_time": START + 600 * SECOND, "clock_skew_ns": -1_269_000_000,
    }])
    insert(session, "raw.clock_skew", [{
        "capture_id": "0123456789abcdef", "venue": "binance-futures", "messages": 41_000,
        "smallest_ns": -1_271_250_000, "p01_ns": -1_270_000_000, "p50_ns": -1_269_000_000,
        "p99_ns": -1_200_000_000, "largest_ns": -900_000_000, "correction_ns": 1_271_250_000,
    }])
    insert(session, "raw.quarantine", [
        {"capture_id": "0123456789abcdef", "path": "/captures/usdm/btc_0808.gz", "line": line,
         "reason": "not_json", "detail": "ends at byte 17", "text_start": "17231 {<b>bad"}
        for line in (7, 9, 4)
    ])
    for number, instrument in enumerate(instruments):
        gap = range(300, 340) if number == 0 else range(0)
        insert(session, "features.bars_1s", bars(instrument, poisoned=gap, seed=number))
        insert(session, "book.quote_agreement",
               [{"instrument": instrument, "compared": 1000 + number, "mismatched": 0,
                 "agreed_since": 1000 + number}])
        insert(session, "book.book_health", [
            {"instrument": instrument, "interval": 1, "valid_from": START,
             "valid_to": START + 300 * SECOND, "state": "valid", "cause": "snapshot",
             "messages": 900},
            {"instrument": instrument, "interval": 2, "valid_from": START + 300 * SECOND,
             "valid_to": START + 340 * SECOND, "state": "waiting", "cause": "sequence_gap"},
        ])
        # the second hole spans midnight: a row on either day
        hole = {"instrument": instrument, "kind": "trade", "cause": "id_hole"}
        insert(session, "book.trade_gaps", [] if number else [
            {**hole, "gap": 1, "missing_from": START, "missing_to": START + 2 * SECOND,
             "expected_trade_id": 11, "found_trade_id": 1_011, "missing_trades": 1_000},
            *({**hole, "gap": gap, "missing_from": START + at * SECOND,
               "missing_to": START + (at + 5) * SECOND, "expected_trade_id": 2_000,
               "found_trade_id": 2_007, "missing_trades": 7} for gap, at in ((2, 500), (1, 505))),
            {**hole, "gap": 2, "cause": "not_recorded", "missing_from": START + 600 * SECOND,
             "missing_to": START + 690 * SECOND},
        ])
        insert(session, "studies.correlation", [
            estimate(instrument, other, lag, value, q)
            for other in instruments
            for lag, value, q in ((-1, 0.02, 0.7), (0, 0.71, 1e-9), (1, -0.13, 0.012))
        ])
        insert(session, "studies.impulse_response", responses(instrument))
        insert(session, "studies.granger_causality", [
            *granger(instrument, "order_flow_imbalance", "return_bps", 0.0004),
            *granger(instrument, "return_bps", "order_flow_imbalance", 0.03 if number else 0.4),
        ])
        insert(session, "studies.vector_autoregression", [
            {"study": "vector_autoregression", "family": "flow_and_return", "scope": "day",
             "window_from": START, "window_to": START + 360 * SECOND, "bar_size": "1s",
             "estimator": estimator, "model": instrument, "estimate": value, "p_value": p,
             "n": 350, "regime": "all"}
            for estimator, value, p in (("lag_order", 3.0, None), ("root_modulus", 0.61, None),
                                        ("r_squared", 0.2, None), ("portmanteau", 30.0, 0.004))
        ])
    insert(session, "studies.correlation", [
        refusal(instruments[0], instruments[-1], lag, "too_few_bars", bar_size="10s")
        for lag in (-1, 0, 1)
    ])
    insert(session, "studies.families", [
        {"study": "correlation", "family": "imbalance_and_return", "declaration": "{}",
         "question": "Does imbalance move with the return?", "definition_version": "1"},
    ])


@pytest.fixture
def session():
    """A session with every table, and nothing in it."""
    with empty_session() as connection:
        yield connection


@pytest.fixture
def filled(session):
    """A session with a small market and all studies."""
    fill(session)
    return session


@pytest.fixture(scope="session")
def market():
    """The same for all tests that only read it."""
    with empty_session() as connection:
        fill(connection)
        yield connection


@pytest.fixture
def store_rows():
    """The functions which make rows, for tests that need other ones."""
    return {"insert": insert, "fill": fill, "bars": bars, "estimate": estimate, "refusal": refusal}
