import json

import numpy as np
import pytest

from imbalance.config import StudiesConfig
from imbalance.errors import UserError
from imbalance.studies.impulse_response import moving_average, permanent
from imbalance.studies.local_projections.build import build
from imbalance.studies.local_projections.study import (
    LOCAL_PROJECTION,
    LocalProjectionFamily,
    families,
)
from imbalance.studies.measures import REGIME_MEASURES, regime_columns
from imbalance.studies.rows import schema_of
from imbalance.studies.study_input import StudyInput

NAME, FLOW, RETURN = "binance:BTCUSDT", "order_flow_imbalance", "return_bps"
A = np.array([[[0.3, 0.2], [0.5, -0.1]]])
FACTOR = np.array([[1.0, 0.0], [0.6, 0.8]])


def family(**changes):
    settings = {"name": "flow_and_return", "question": "?", "bar_sizes": ("1s",), "horizon": 6,
                "maximum_lag": 3, "replications": 99, "regimes": ()}
    return LocalProjectionFamily(**(settings | changes))


def study(bars, declared):
    given = StudyInput.of_bars({"1s": bars}, [declared], partition="2024-08-08")
    table = build(given)[LOCAL_PROJECTION.name]
    assert table.schema.equals(schema_of(LOCAL_PROJECTION))
    rows = table.to_pylist()
    keys = [tuple(row[part] for part in LOCAL_PROJECTION.key) for row in rows]
    assert len(set(keys)) == len(keys)
    assert all((row["estimate"] is None) == (row["reason"] is not None) for row in rows)
    for row in rows:
        if row["coverage"] is not None:
            assert row["coverage"] == row["n"] / (row["n"] + row["n_left_out"])
    return rows


def pick(rows, **wanted):
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


@pytest.fixture
def market(make_vector_series):
    values = make_vector_series(np.random.default_rng(0), A, FACTOR, 2_500)
    return {FLOW: values[:, 0], RETURN: values[:, 1]}


def test_both_estimates_of_a_planted_loop(make_bars, market):
    rows = study(make_bars({NAME: market}), family())
    phi = moving_average(A, 6) @ FACTOR
    pair = {"measure_x": FLOW, "measure_y": RETURN}
    for estimator in ("local_projection", "lag_augmented", "vector_autoregression"):
        path = [r for r in pick(rows, estimator=estimator, **pair) if r["horizon"] > 0]
        assert [r["horizon"] for r in path] == list(range(1, 7))
        for row in path:
            assert abs(row["estimate"] - phi[row["horizon"], 1, 0]) < 4 * row["standard_error"]
    first = pick(rows, estimator="lag_augmented", horizon=1, **pair)[0]
    assert first["q_value"] < 0.01
    assert (first["n"], first["n_left_out"]) == (2_500 - 2, 2)
    last = pick(rows, estimator="lag_augmented", horizon=6, **pair)[0]
    assert (last["n"], last["n_left_out"]) == (2_500 - 7, 7)
    assert pick(rows, estimator="local_projection", horizon=1, **pair)[0]["q_value"] is None
    (rest,) = pick(rows, estimator="permanent", **pair)
    wanted = permanent(A, FACTOR)[1, 0]
    assert rest["interval_low"] < wanted < rest["interval_high"]
    (moved,) = pick(rows, estimator="cumulative", horizon=6, **pair)
    assert abs(moved["estimate"] - phi[:, 1, 0].sum()) < 4 * moved["standard_error"]
    (test,) = pick(rows, estimator="disagreement", **pair)
    assert test["p_value"] > 0.01
    assert json.loads(test["parameters"])["order"] == [f"{NAME}:{FLOW}", f"{NAME}:{RETURN}"]


def test_blocks_widen_the_bands_of_clustered_shocks(make_bars):
    """The size of shocks comes in runs: what a shock of one deviation is, is known less well."""
    generator = np.random.default_rng(3)
    size = np.repeat(np.exp(0.4 * generator.standard_normal(100)), 40)
    flow, noise = generator.standard_normal((2, 4_000)) * size
    rows = study(make_bars({NAME: {FLOW: flow, RETURN: 0.5 * flow + noise}}), family())
    now = {"measure_x": FLOW, "measure_y": FLOW, "horizon": 0}
    (blocks,) = pick(rows, estimator="vector_autoregression", **now)
    (single,) = pick(rows, estimator="vector_autoregression_iid", **now)
    assert blocks["estimate"] == single["estimate"]
    assert blocks["standard_error"] > 1.5 * single["standard_error"]


def test_orders_are_spanned_in_the_bar_of_the_shock(make_bars, market):
    rows = study(make_bars({NAME: market}), family())
    now = pick(rows, estimator="vector_autoregression", horizon=0, measure_x=RETURN,
               measure_y=FLOW)[0]
    # Flow first: a return moves no flow in its bar. Return first: as much as they correlate.
    assert now["estimate"] == now["lowest_order"] == 0.0
    assert now["highest_order"] == pytest.approx(0.6, abs=0.05)


def test_a_late_effect_makes_them_disagree(make_bars, make_vector_series):
    late = np.zeros((5, 2, 2))
    late[4, 1, 0] = 0.35
    values = make_vector_series(np.random.default_rng(1), late, np.eye(2), 2_000)
    bars = make_bars({NAME: {FLOW: values[:, 0], RETURN: values[:, 1]}})
    rows = study(bars, family(maximum_lag=1))
    pair = {"measure_x": FLOW, "measure_y": RETURN}
    (test,) = pick(rows, estimator="disagreement", **pair)
    assert test["q_value"] < 0.01
    gaps = {r["horizon"]: abs(r["estimate"] / r["standard_error"])
            for r in pick(rows, estimator="difference", **pair)}
    assert max(gaps, key=gaps.get) == 5


def test_responses_by_regime(make_bars):
    """Flow moves the next return only after bars with thin books."""
    generator = np.random.default_rng(2)
    flow, noise, depth = generator.standard_normal((3, 6_000))
    returns = noise.copy()
    thin = depth < np.quantile(depth, 1.0 / 3.0)
    # The regime of bar t is the depth of t − 1; the response comes at t + 1.
    returns[2:] += np.where(thin[:-2], 0.8, 0.0) * flow[1:-1]
    bars = make_bars({NAME: {FLOW: flow, RETURN: returns, "depth_touch_mean": depth}})
    rows = study(bars, family(regimes=("depth", "messages"), horizon=3))
    pair = {"measure_x": FLOW, "measure_y": RETURN, "horizon": 1}
    by_regime = {r["regime"]: r for r in pick(rows, estimator="lag_augmented", **pair)}
    assert by_regime["depth_low"]["estimate"] == pytest.approx(0.8, abs=0.15)
    assert by_regime["depth_high"]["estimate"] == pytest.approx(0.0, abs=0.15)
    assert by_regime["depth_low"]["n"] < 2_100
    (difference,) = pick(rows, estimator="regime_difference", regime="depth_high", **pair)
    assert difference["estimate"] == pytest.approx(-0.8, abs=0.2)
    assert difference["q_value"] < 0.01
    missing = pick(rows, reason="no_such_measure")
    assert {r["regime"] for r in missing} == {"messages_low", "messages_middle", "messages_high"}


def test_refusals_say_why(make_bars, market):
    few = {name: values[:25] for name, values in market.items()}
    assert [r["reason"] for r in study(make_bars({NAME: few}), family())] == ["too_few_bars"]
    walk = {FLOW: np.cumsum(market[FLOW]), RETURN: market[RETURN]}
    assert [r["reason"] for r in study(make_bars({NAME: walk}), family())] == ["unit_root"]
    twin = {FLOW: market[FLOW], RETURN: 2.0 * market[FLOW]}
    assert [r["reason"] for r in study(make_bars({NAME: twin}), family())] == ["collinear"]
    nothing = StudyInput.of_bars({}, [family()], partition="2024-08-08")
    (row,) = build(nothing)[LOCAL_PROJECTION.name].to_pylist()
    assert row["reason"] == "no_bars"


def test_what_is_declared():
    (one,) = families(StudiesConfig())
    assert one.measures == tuple(dict.fromkeys((FLOW, RETURN, *regime_columns(REGIME_MEASURES))))
    for wrong in ({"horizon": 1}, {"regimes": ("weather",)}, {"replications": 1},
                  {"variables": ()}, {"variables": (FLOW, FLOW)}):
        with pytest.raises(UserError):
            family(**wrong)
