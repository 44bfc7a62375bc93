"""The study of price impact on planted markets: what is there is found, what is not is not."""

import json

import numpy as np
import pytest

from imbalance.config import StudiesConfig
from imbalance.errors import UserError
from imbalance.studies.levels import at_levels
from imbalance.studies.price_impact.build import build
from imbalance.studies.price_impact.forecast import Model, run
from imbalance.studies.price_impact.penalised import least_squares
from imbalance.studies.price_impact.regimes import slope_at
from imbalance.studies.price_impact.regression import mean_r_squared, mean_slope, slopes
from imbalance.studies.price_impact.study import (
    CROSS_IMPACT,
    PRICE_IMPACT,
    PriceImpactFamily,
    families,
)
from imbalance.studies.rows import schema_of
from imbalance.studies.study_input import StudyInput
from imbalance.studies.walk_forward import Step

A, B = "binance:BTCUSDT", "binance-futures:BTCUSDT"
FLOW, RETURN = "order_flow_imbalance", "return_bps"


def family(**changes):
    settings = {"name": "flow_and_return", "question": "?", "bar_sizes": ("1s",),
                "lags": (1, 2, 5), "replications": 99}
    return PriceImpactFamily(**(settings | changes))


def study(bars, declared):
    given = StudyInput.of_bars({"1s": bars}, [declared], partition="2024-08-08")
    tables = build(given)
    found = []
    for table in (PRICE_IMPACT, CROSS_IMPACT):
        rows = tables[table.name]
        assert rows.schema.equals(schema_of(table))
        rows = rows.to_pylist()
        keys = [tuple(row[part] for part in table.key) for row in rows]
        assert len(set(keys)) == len(keys)
        assert all((row["estimate"] is None) == (row["reason"] is not None) for row in rows)
        found.append(rows)
    return found


def pick(rows, **wanted):
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def book(flow, returns, **more):
    """Bars of an instrument: flows of three levels of which the first is `flow`."""
    noise = np.random.default_rng(7).standard_normal((2, len(flow)))
    levels = {f"{FLOW}_level_{m + 1}": level for m, level in enumerate(
        more.pop("levels", (flow, 0.5 * flow + noise[0], 0.5 * flow + noise[1])))}
    return {FLOW: flow, RETURN: returns, "level_depth_mean": np.ones(len(flow)),
            "depth_touch_mean": np.ones(len(flow)), **levels, **more}


@pytest.mark.oracle("Sim1", "price_impact")
def test_planted_impact_and_its_share(make_bars, oracle):
    """r = 0.3 f + v with R² 0.65; trades are a fifth of the flow's variance."""
    generator = np.random.default_rng(0)
    flow, noise, other = generator.standard_normal((3, 7_200))
    returns = 0.3 * flow + 0.3 * np.sqrt(0.35 / 0.65) * noise
    market = book(flow, returns, trade_imbalance=np.sqrt(0.2) * flow + np.sqrt(0.8) * other,
                  order_flow_imbalance_no_price_change=other)
    single, cross = study(make_bars({A: market}), family())
    (slope,) = pick(single, estimator="slope", measure_x=FLOW)
    oracle.lies("slope of 0.3, 95 % interval", 0.3, slope["interval_low"], slope["interval_high"])
    assert slope["interval_high"] - slope["interval_low"] < 0.03
    assert (slope["n_windows"], slope["significant_share"]) == (4, 1.0)
    shares = {row["measure_x"]: row for row in pick(single, estimator="r_squared", lag=0)}
    oracle.agrees("R²", shares[FLOW]["estimate"], 0.65, atol=0.02)
    assert shares[FLOW]["interval_low"] < 0.65 < shares[FLOW]["interval_high"]
    assert shares["trade_imbalance"]["estimate"] == pytest.approx(0.13, abs=0.03)
    assert shares[f"{FLOW},trade_imbalance"]["estimate"] >= shares[FLOW]["estimate"]
    assert shares[f"{FLOW}_no_price_change"]["estimate"] < 0.01
    # Nothing is known of the next bar, and nothing is claimed.
    assert all(row["estimate"] < 0.01 for row in pick(single, estimator="r_squared", lag=1))
    assert not [row for row in (*single, *cross) if row["alarm"]]
    at_once, after = (pick(single, estimator="response", horizon=h)[0] for h in (0, 5))
    assert at_once["estimate"] == pytest.approx(0.3 * np.sqrt(2 / np.pi), abs=0.01)
    assert after["interval_low"] < 0.0 < after["interval_high"]


def test_depth_divides_impact(make_bars):
    """β = 2 / AD^0.98 over twenty half-hours."""
    generator = np.random.default_rng(1)
    depth = np.repeat(np.exp(generator.normal(1.0, 0.7, 20)), 1_800)
    flow, noise = generator.standard_normal((2, len(depth)))
    returns = 2.0 / depth**0.98 * (flow + 0.2 * noise)
    market = {FLOW: flow, RETURN: returns, "depth_touch_mean": depth}
    single, _ = study(make_bars({A: market}), family(lags=(1,)))
    (row,) = pick(single, estimator="depth_exponent")
    assert row["estimate"] == pytest.approx(0.98, abs=0.02)
    assert row["interval_low"] < 0.98 < row["interval_high"]
    assert row["n_windows"] == 20
    assert pick(single, estimator="r_squared_out")[0]["reason"] == "no_levels"


def test_what_deeper_levels_add(make_bars):
    generator = np.random.default_rng(2)
    levels = generator.standard_normal((3, 3_600))
    returns = levels.sum(axis=0) + generator.standard_normal(3_600)
    single, cross = study(make_bars({A: book(levels[0], returns, levels=tuple(levels))}), family())
    curve = {row["levels"]: row["estimate"] for row in pick(single, estimator="r_squared_out")}
    assert [curve[m] for m in (1, 2, 3)] == pytest.approx([0.25, 0.5, 0.75], abs=0.04)
    (ridge,) = pick(single, estimator="ridge_r_squared_out")
    assert ridge["estimate"] == pytest.approx(0.75, abs=0.03)
    (fall,) = pick(single, estimator="rmse_reduction")
    assert fall["estimate"] == pytest.approx(1.0 - np.sqrt(0.25 / 0.75), abs=0.03)
    assert fall["interval_low"] > 0.3
    assert {row["model"] for row in cross} == {"own_best", "own_integrated"}


@pytest.fixture(scope="module")
def crossed():
    """y answers to its own flow and to that of x, in the bar and one bar later."""
    generator = np.random.default_rng(3)
    x, y, noise, ours = generator.standard_normal((4, 5_400))
    late = 0.3 * np.concatenate([[0.0], x[:-1]])
    return {B: book(x, x + ours), A: book(y, y + 0.5 * x + late + noise)}


def test_planted_cross_impact(make_bars, crossed):
    _, cross = study(make_bars(crossed), family())
    now = {"instrument_y": A, "horizon": 0}
    own, both = (pick(cross, estimator="r_squared_out", model=model, **now)[0]["estimate"]
                 for model in ("own_best", "cross_best"))
    total = 1.0 + 0.25 + 0.09 + 1.0
    assert own == pytest.approx(1.0 / total, abs=0.03)
    assert both == pytest.approx(1.25 / total, abs=0.03)
    (gain,) = pick(cross, estimator="cross_gain", model="cross_best", **now)
    assert gain["estimate"] == pytest.approx(0.25 / total, abs=0.03)
    assert gain["interval_low"] > 0.0
    assert gain["q_value"] < 1e-6
    weights = {row["instrument_x"]: row["estimate"] for row in pick(
        cross, estimator="coefficient", model="cross_best", **now)}
    assert weights[B] == pytest.approx(0.5 / np.sqrt(total), abs=0.03)
    ahead = pick(cross, estimator="r_squared_out", model="cross_best", instrument_y=A, horizon=1)[0]
    assert ahead["estimate"] == pytest.approx(0.09 / total, abs=0.02)
    # x moves by itself alone.
    (gain,) = pick(cross, estimator="cross_gain", model="cross_best", instrument_y=B, horizon=0)
    assert abs(gain["estimate"]) < 0.01
    assert json.loads(gain["parameters"])["instruments"] == [B, A]


def test_a_look_ahead_raises_the_alarm(make_bars):
    """Flow that already holds the return of the bar after it."""
    generator = np.random.default_rng(4)
    returns, noise = generator.standard_normal((2, 3_600))
    flow = np.concatenate([returns[1:], [0.0]]) + noise
    single, cross = study(make_bars({A: book(flow, returns)}), family())
    (row,) = pick(single, estimator="r_squared", lag=1)
    assert row["alarm"] == "look_ahead"
    assert row["q_value"] < 1e-6
    assert pick(single, estimator="r_squared", lag=2)[0]["alarm"] is None
    alarmed = pick(cross, alarm="look_ahead")
    assert {row["horizon"] for row in alarmed} == {1}
    assert "own_best" in {row["model"] for row in alarmed}


def test_gaps_are_not_reached_over(make_bars, crossed):
    bad = {A: list(range(1_000, 1_400))}
    single, _ = study(make_bars(crossed, poisoned=bad), family())
    (row,) = pick(single, estimator="slope", measure_x=FLOW, instrument_y=A)
    assert (row["n"], row["n_left_out"]) == (5_000, 400)
    (after,) = pick(single, estimator="response", horizon=5, instrument_y=A)
    assert after["n"] == 5_000 - 5 - 5


def test_a_twin_adds_nothing(make_bars, crossed):
    """The same instrument under two names: collinear flows."""
    _, cross = study(make_bars({A: crossed[A], "binance:TWIN": crossed[A]}), family())
    (gain,) = pick(cross, estimator="cross_gain", model="cross_best", instrument_y=A, horizon=0)
    assert abs(gain["estimate"]) < 1e-3


def test_images_have_a_flow_of_their_own(make_bars):
    generator = np.random.default_rng(5)
    flow, noise = generator.standard_normal((2, 2_000))
    market = {"generalised_order_flow_imbalance": flow, FLOW: np.full(2_000, np.nan),
              RETURN: flow + noise, "depth_touch_mean": np.full(2_000, 2.0)}
    single, cross = study(make_bars({A: market}), family())
    (row,) = pick(single, estimator="slope")
    assert row["measure_x"] == "generalised_order_flow_imbalance"
    assert row["estimate"] == pytest.approx(1.0, abs=0.1)
    assert pick(cross, model="own_best", estimator="r_squared_out", horizon=0)[0]["estimate"] > 0.4


def test_half_hours_without_a_price_move_are_not_counted(make_bars):
    generator = np.random.default_rng(10)
    flow, returns = generator.standard_normal((2, 7_200))
    returns[1_800:5_400] = 0.0
    single, _ = study(make_bars({A: book(flow, returns)}), family())
    (slope,) = pick(single, estimator="slope", measure_x=FLOW)
    assert (slope["n_windows"], slope["n"]) == (2, 3_600)
    assert slope["significant_share"] == 0.0


@pytest.mark.parametrize(("true", "half_hours"), [(0.0, 4), (0.01, 1), (0.04, 1), (0.04, 4)])
def test_the_interval_of_r_squared_holds_it_also_near_0(true, half_hours):
    """Of 100 intervals at 5 % about 95 hold the true R²; a basic one held 0.01 in 67."""
    covered, n = 0, 180 * half_hours
    for seed in range(100):
        flow, noise = np.random.default_rng(seed).standard_normal((2, n))
        found = mean_r_squared([flow], np.sqrt(true / (1.0 - true)) * flow + noise,
                               np.arange(n) // 180, 20, 99, seed, 0.05)
        assert found.low <= found.value <= found.high
        covered += found.low <= true <= found.high
    assert covered >= 88


def test_a_half_hour_of_no_slope_has_an_error_as_any_other():
    flow = np.tile([-1.0, 0.0, 1.0, 0.0], 10)
    change = np.tile([0.0, 1.0, 0.0, -1.0], 10)
    windows = np.repeat([0, 1], 40)
    fits = slopes(np.tile(flow, 2), np.concatenate([change, change + 0.5 * flow]), windows, 20)
    np.testing.assert_allclose(fits.slope, [0.0, 0.5], atol=1e-15)
    # No bar has both a flow and a residual: White's error is 0 in both, and so is that of the mean.
    assert mean_slope(fits).error == pytest.approx(0.0, abs=1e-15)
    change = np.tile([1.0, 1.0, 1.0, -1.0], 10)
    fits = slopes(flow, change, windows[:40], 20)
    assert fits.slope.tolist() == [0.0]
    # Residuals of 0.5 at the 20 bars of a flow of 1: √(20 · 0.25) / 20.
    assert mean_slope(fits).error == pytest.approx(np.sqrt(5.0) / 20.0)


def test_slopes_by_regime_are_those_of_a_regression_with_interactions(make_bars):
    """Thin books move three times as far; statsmodels' interactions and HAC errors are the same."""
    import statsmodels.api as sm

    generator = np.random.default_rng(21)
    flow, noise, depth = generator.standard_normal((3, 5_400))
    before = np.concatenate([[0.0], depth[:-1]])
    low, high = np.quantile(depth, [1 / 3, 2 / 3])
    thin, deep = before < low, before > high
    returns = np.where(thin, 0.3, np.where(deep, 0.1, 0.2)) * flow + 0.3 * noise
    single, _ = study(make_bars({A: book(flow, returns, depth_touch_mean=np.exp(depth))}),
                      family(regimes=("depth", "spread"), lags=(1,)))
    slopes = {row["regime"]: row for row in pick(single, estimator="regime_slope")}
    for level, true in (("low", 0.3), ("middle", 0.2), ("high", 0.1)):
        row = slopes[f"depth_{level}"]
        assert row["interval_low"] < true < row["interval_high"]
        assert row["n"] == pytest.approx(1_800, abs=2)
        assert slopes[f"spread_{level}"]["reason"] == "no_such_measure"
    (difference,) = pick(single, estimator="regime_difference")
    assert (difference["regime"], difference["hypothesis"]) == ("depth_high", "whole")
    assert difference["interval_low"] < -0.2 < difference["interval_high"] < -0.15
    assert difference["q_value"] < 1e-6
    masks = {"depth_low": thin, "depth_middle": ~(thin | deep), "depth_high": deep}
    found = at_levels("depth", masks, np.ones(5_400, bool), slope_at(flow, returns, 20))
    dummies = np.column_stack([mask.astype(float) for mask in masks.values()])
    design = np.column_stack([dummies, dummies * flow[:, None]])
    scores = 3  # the slopes stand behind the three intercepts
    fitted = sm.OLS(returns, design).fit(cov_type="HAC", cov_kwds={"maxlags": 0,
                                                                   "use_correction": False})
    np.testing.assert_allclose([one.value for one in found.levels], fitted.params[scores:],
                               rtol=1e-10)
    ratio = np.sqrt(np.diagonal(found.covariance)) / fitted.bse[scores:]
    assert ratio == pytest.approx(np.ones(3), abs=0.1), "HAC of white noise is about White's"


def test_equal_slopes_are_not_told_apart(make_bars):
    """Twenty markets of one slope: differences are called in about one of twenty."""
    called = 0
    for seed in range(20):
        generator = np.random.default_rng(seed)
        flow, noise, depth = generator.standard_normal((3, 900))
        low, high = np.quantile(depth, [1 / 3, 2 / 3])
        masks = {"depth_low": depth < low, "depth_high": depth > high}
        found = at_levels("depth", masks, np.ones(900, bool),
                          slope_at(flow, 0.2 * flow + noise, 20)).high_less_low()
        called += abs(found.value) > 1.96 * found.error
    assert called <= 4


def test_a_fit_with_as_many_coefficients_as_rows_is_left_out():
    generator = np.random.default_rng(11)
    x, y = generator.standard_normal((40, 12)), generator.standard_normal(40)
    steps = [Step(slice(0, 13), slice(13, 20)), Step(slice(0, 30), slice(30, 40))]
    models = {"all": Model(lambda step: x[step.both], least_squares)}
    found = run(y, steps, models)
    assert found.weights.tolist() == [30.0]
    assert np.isfinite(found.in_sample("all"))
    assert run(y, steps[:1], models) is None
    halted = np.where(np.arange(40) < 30, np.tile([1.0, -1.0], 20), 0.0)
    assert run(halted, steps[1:], models) is None


def test_a_peer_without_levels_takes_no_model_from_the_others(make_bars, crossed):
    images = {"generalised_order_flow_imbalance": crossed[A][FLOW] + 1.0,
              "depth_touch_mean": np.full(5_400, 2.0), RETURN: crossed[A][RETURN]}
    missing = {name: np.full(5_400, np.nan) for name in crossed[A] if name not in images}
    blind = {"generalised_order_flow_imbalance": np.full(5_400, np.nan)}
    markets = {A: crossed[A] | blind, B: crossed[B] | blind, "hyperliquid:BTC": (
        crossed[A] | blind) | missing | images}
    _, cross = study(make_bars(markets), family(lags=(1,)))
    models = {row["model"]: json.loads(row["parameters"])["instruments"] for row in pick(
        cross, estimator="r_squared_out", instrument_y=A, horizon=0)}
    assert models["cross_best"] == [A, B, "hyperliquid:BTC"]
    assert models["cross_integrated"] == [A, B]
    assert "own_integrated" in models
    refused = {row["model"] for row in pick(cross, instrument_y="hyperliquid:BTC", horizon=0,
                                            reason="no_levels")}
    assert refused == {"own_integrated", "cross_integrated"}


def test_a_few_judged_bars_are_no_forecast(make_bars, crossed):
    short = {A: {name: values[:26] for name, values in crossed[A].items()}}
    single, cross = study(make_bars(short), family(lags=(1,)))
    assert pick(single, estimator="r_squared_out")[0]["reason"] == "nothing_to_forecast"
    assert {row["reason"] for row in cross} == {"nothing_to_forecast"}


def test_no_error_is_reduced_where_the_best_level_leaves_none(make_bars):
    """One move by the flow of the best level, and then a market that stands still."""
    still = np.zeros(59)
    levels = tuple(np.append(first, still) for first in (1.0, 0.3, -0.2))
    single, _ = study(make_bars({A: book(levels[0], 2.0 * levels[0], levels=levels)}), family())
    assert pick(single, estimator="r_squared_out", levels=1)[0]["estimate"] == 1.0
    (fall,) = pick(single, estimator="rmse_reduction")
    assert (fall["estimate"], fall["reason"]) == (None, "exact_forecast")


def test_refusals_say_why(make_bars, crossed):
    few = {A: {name: values[:15] for name, values in crossed[A].items()}}
    single, cross = study(make_bars(few), family())
    assert [row["reason"] for row in single] == ["too_few_bars"]
    assert {row["reason"] for row in cross} == {"too_few_bars"}
    flat = {A: crossed[A] | {RETURN: np.zeros(5_400)}}
    single, cross = study(make_bars(flat), family())
    assert [row["reason"] for row in single] == ["constant_series"]
    assert {row["reason"] for row in cross} == {"constant_series"}
    still = {A: crossed[A] | {FLOW: np.full(5_400, np.nan)}}
    single, cross = study(make_bars(still), family())
    assert [row["reason"] for row in single] == ["all_null"]
    assert {row["reason"] for row in cross} == {"all_null"}
    nothing = StudyInput.of_bars({}, [family()], partition="2024-08-08")
    for rows in build(nothing).values():
        assert rows.column("reason").to_pylist() == ["no_bars"]


def test_what_is_declared():
    (one,) = families(StudiesConfig())
    assert one.bar_sizes == ("1s", "10s")
    assert len(one.measures) == len(set(one.measures)) == 25
    for wrong in ({"levels": 11}, {"lags": ()}, {"folds": 1}, {"replications": 5}):
        with pytest.raises(UserError):
            family(**wrong)
