import json

import numpy as np
import pytest

from imbalance.studies.price_discovery.build import build
from imbalance.studies.price_discovery.study import PRICE_DISCOVERY, PriceDiscoveryFamily
from imbalance.studies.rows import schema_of
from imbalance.studies.study_input import StudyInput

SPOT, PERPETUAL = "binance:BTCUSDT", "binance-futures:BTCUSDT"
INVERSE = "binance-delivery:BTCUSD_PERP"
ETHER = "binance:ETHUSDT"


def study(bars, **changes):
    family = PriceDiscoveryFamily(**({
        "name": "one_asset", "question": "Which?", "bar_sizes": ("1s",), "maximum_lag": 3,
        "replications": 199} | changes))
    tables = build(StudyInput.of_bars({"1s": bars}, [family], partition="2024-08-08"))
    (table,) = tables.values()
    assert table.schema.equals(schema_of(PRICE_DISCOVERY))
    rows = table.to_pylist()
    keys = [tuple(row[part] for part in PRICE_DISCOVERY.key) for row in rows]
    assert len(set(keys)) == len(keys)
    assert all((row["estimate"] is None) == (row["reason"] is not None) for row in rows)
    return rows


def followers(seed, length, speeds):
    """Prices of which each makes up for its share of the difference to the first, which leads."""
    generator = np.random.default_rng(seed)
    shocks = 0.3 * generator.standard_normal((length, len(speeds)))
    logs = np.zeros((length, len(speeds)))
    for t in range(1, length):
        logs[t] = logs[t - 1] + np.array(speeds) * (logs[t - 1, 0] - logs[t - 1]) + shocks[t]
    return 60_000.0 * np.exp(1e-4 * logs)


def test_the_market_that_others_follow_has_the_share(make_bars):
    prices = followers(0, 3_000, [0.0, 0.3, 0.2])
    rows = study(make_bars({one: {"mid_close": prices[:, number]} for number, one in
                            enumerate((PERPETUAL, SPOT, INVERSE))}))
    models = {row["model"] for row in rows}
    assert len(models) == 4
    assert f"{INVERSE},{PERPETUAL},{SPOT}" in models
    for row in rows:
        if row["estimator"] in ("modified", "gonzalo_granger", "hasbrouck_mid"):
            if PERPETUAL in row["model"]:
                assert (row["estimate"] > 0.8) == (row["instrument_x"] == PERPETUAL)
            assert row["interval_low"] <= row["interval_high"]
            assert json.loads(row["parameters"])["lag"] == 1
        if row["estimator"] == "leadership":
            assert row["model"].count(",") == 1
    (speed,) = [r for r in rows if r["estimator"] == "adjustment" and r["model"] ==
                f"{PERPETUAL},{SPOT}" and r["instrument_x"] == SPOT]
    # Of the difference of the spot from the perpetual the spot makes up three tenths a bar.
    assert speed["interval_low"] < -0.3 < speed["interval_high"]
    assert speed["q_value"] < 1e-6
    (trace,) = [r for r in rows if r["estimator"] == "trace" and r["model"] ==
                f"{PERPETUAL},{SPOT}"]
    assert trace["p_value"] < 0.001
    assert trace["q_value"] is None


def test_prices_that_go_their_own_ways_are_refused(make_bars):
    prices = np.column_stack([followers(seed, 2_000, [0.0])[:, 0] for seed in (3, 4)])
    rows = study(make_bars({SPOT: {"mid_close": prices[:, 0]},
                            PERPETUAL: {"mid_close": prices[:, 1]}}))
    assert {row["estimator"]: row["reason"] for row in rows} == {
        "trace": None, "hasbrouck_mid": "not_cointegrated"}


@pytest.mark.parametrize(
    ("series", "reason"),
    [
        ({SPOT: 300, ETHER: 300}, "no_pair"),
        ({SPOT: 300, PERPETUAL: 60}, "too_few_bars"),
    ],
)
def test_systems_that_cannot_be_studied_say_why(make_bars, series, reason):
    bars = make_bars({one: {"mid_close": followers(5, length, [0.0])[:, 0]}
                      for one, length in series.items()})
    assert {row["reason"] for row in study(bars)} == {reason}


def test_copies_constants_and_missing_bars_are_refused(make_bars):
    price = followers(6, 500, [0.0])[:, 0]
    for other, reason in ((price, "collinear"), (np.full(500, 6e4), "constant_series"),
                          (np.full(500, np.nan), "all_null")):
        rows = study(make_bars({SPOT: {"mid_close": price}, PERPETUAL: {"mid_close": other}}))
        assert {row["reason"] for row in rows} == {reason}
    rows = study(make_bars({SPOT: {"mid_open": price}, PERPETUAL: {"mid_open": price}}))
    assert {row["reason"] for row in rows} == {"no_such_measure"}
    empty = make_bars({SPOT: {"mid_close": price}}).slice(0, 0)
    assert {row["reason"] for row in study(empty)} == {"no_bars"}


def test_the_same_seed_gives_the_same_rows(make_bars):
    prices = followers(7, 800, [0.0, 0.4])
    bars = make_bars({SPOT: {"mid_close": prices[:, 0]}, PERPETUAL: {"mid_close": prices[:, 1]}})
    assert study(bars) == study(bars)
    assert study(bars) != study(bars, seed=1)


def test_prices_that_move_once_have_no_shares(make_bars):
    """Most replications draw none of the moves: their covariance is singular."""
    random = np.random.default_rng(0)
    logs = np.zeros((400, 2))
    first, second = random.choice(np.arange(1, 400), (2, 1))
    for t in range(1, 400):
        logs[t] = logs[t - 1] + [0.0, 0.5 * (logs[t - 1, 0] - logs[t - 1, 1])]
        logs[t] += random.standard_normal(2) * [t in first, t in second]
    prices = 60_000.0 * np.exp(1e-4 * logs)
    bars = make_bars({SPOT: {"mid_close": prices[:, 0]}, PERPETUAL: {"mid_close": prices[:, 1]}})
    rows = study(bars, maximum_lag=1)
    assert {row["estimator"]: row["reason"] for row in rows} == {
        "trace": None, "hasbrouck_mid": "collinear"}
