"""The study of the Epps effect from events to rows: planted truth, gaps, refusals."""

import math
from dataclasses import replace

import numpy as np
import pytest

from imbalance.errors import UserError
from imbalance.studies.asynchrony.ticks import Ticks
from imbalance.studies.covariance import long_run_variance
from imbalance.studies.epps.curve import epps_factor
from imbalance.studies.epps.jackknife import jackknife, of_returns, of_ticks
from imbalance.studies.epps.robust import CORRELATIONS, correlation_of, slow_scale
from imbalance.studies.epps.study import EPPS, REALISED_VARIANCE, ROBUST, STUDY, EppsFamily
from tests.studies.event_store import HEALTH, TRADES, health, run_study, trades
from tests.studies.ticking import SECOND, lead_lag_pair

HOUR = 3600 * SECOND
FAMILY = EppsFamily(name="price_correlation", question="?", prices=("trade_price",),
                    steps_ms=(500, 2_000, 10_000, 60_000))
PAIR = {"instrument_x": "binance:A", "instrument_y": "binance:B"}
VOLATILITY = 1e-4


def select(found, table, **wanted):
    rows = found[table.name].to_pylist()
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def one(found, table, **wanted):
    rows = select(found, table, **wanted)
    assert len(rows) == 1, wanted
    return rows[0]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Correlation 0.8 without noise; rates 2 and 1 a second, over 50 minutes."""
    pair = lead_lag_pair(11, seconds=3000, lag=0.0, correlation=0.8, rates=(2.0, 1.0))
    events = {
        TRADES: [trades(name, ticks.times, 100.0 * np.exp(ticks.log_prices))
                 for name, ticks in zip(("binance:A", "binance:B"), pair, strict=True)]
        + [trades("binance:FEW", np.arange(50) * SECOND, np.arange(50) + 5.0)],
        HEALTH: [health(name, (0, HOUR, "valid"))
                 for name in ("binance:A", "binance:B", "binance:FEW")],
    }
    return run_study(tmp_path_factory.mktemp("home"), STUDY, [FAMILY], events)


@pytest.mark.parametrize("estimator", ["hayashi_yoshida", "pre_averaged", "realised_kernel",
                                       "two_scales", "pre_averaged_all"])
def test_estimates_without_bars_find_the_correlation(found, estimator):
    row = one(found, EPPS, **PAIR, estimator=estimator)
    assert row["step_ms"] == 0
    assert abs(row["estimate"] - 0.8) < 4.0 * row["standard_error"] < 0.8
    half = 1.959964 * row["standard_error"]
    ends = (row["estimate"] - half, row["estimate"] + half)
    assert (row["interval_low"], row["interval_high"]) == pytest.approx(ends)
    assert row["p_value"] < 1e-3


def test_short_bars_hide_what_the_closed_form_says(found):
    whole = one(found, EPPS, **PAIR, estimator="pre_averaged")["estimate"]
    for step in (500, 2_000, 10_000):
        bars = one(found, EPPS, **PAIR, estimator="previous_tick", step_ms=step)
        closed = one(found, EPPS, **PAIR, estimator="poisson_arrivals", step_ms=step)
        factor = epps_factor(bars["rate_x"], bars["rate_y"], step / 1000.0)
        assert closed["estimate"] == pytest.approx(factor * whole, rel=1e-12)
        assert abs(bars["estimate"] - 0.8 * factor) < 4.0 * bars["standard_error"]
        assert 0.99 * 3000e3 / step <= bars["n"] <= 3000e3 / step
    assert factor > 0.8


def test_rates_are_of_all_that_was_seen(found):
    row = one(found, EPPS, **PAIR, estimator="hayashi_yoshida")
    assert (row["rate_x"], row["rate_y"]) == pytest.approx((2.0, 1.0), rel=0.06)


def test_variances_find_what_was_planted(found):
    planted = VOLATILITY**2 * 3600.0 * 1e8
    for name in ("realised", "pre_averaged", "realised_kernel", "two_scales", "robust_two_scales"):
        row = one(found, REALISED_VARIANCE, instrument_x="binance:A", estimator=name)
        assert abs(row["estimate"] - planted) < 4.0 * row["standard_error"], name
        assert row["standard_error"] < 0.4 * planted, name
        assert row["instrument_y"] == "binance:A"
    bars = one(found, REALISED_VARIANCE, instrument_x="binance:A", step_ms=10_000)
    assert abs(bars["estimate"] - planted) < 4.0 * bars["standard_error"]


def test_the_error_of_a_variance_of_bars_knows_that_squares_go_together(tmp_path):
    """Every tenth minute is ten times as lively: neighbouring bars have much to do with each other.
    """
    generator = np.random.default_rng(12)
    times = np.arange(6_000) * SECOND // 2
    lively = np.where(np.arange(6_000) // 120 % 10 == 0, 1e-3, 1e-4)
    prices = 100.0 * np.exp(np.cumsum(lively * generator.standard_normal(6_000)))
    found = run_study(tmp_path, STUDY, [FAMILY], {
        TRADES: [trades("binance:A", times, prices)],
        HEALTH: [health("binance:A", (0, HOUR, "valid"))]})
    row = one(found, REALISED_VARIANCE, instrument_x="binance:A", step_ms=2_000)
    squares = np.square(1e4 * np.diff(np.log(prices[::4]))) * 1_800.0
    assert row["estimate"] == pytest.approx(squares.mean(), rel=1e-9)
    centred = squares - squares.mean()
    expected = long_run_variance(centred[:, None]).matrix[0, 0] / len(squares)
    assert row["standard_error"] == pytest.approx(np.sqrt(expected), rel=1e-9)
    assert row["standard_error"] > 1.5 * squares.std() / np.sqrt(len(squares))


def test_what_cannot_be_estimated_is_a_row_with_its_reason(found):
    few = select(found, EPPS, instrument_y="binance:FEW")
    assert {row["reason"] for row in few} == {"too_few_ticks"}
    assert one(found, REALISED_VARIANCE, instrument_x="binance:FEW")["reason"] == "too_few_ticks"
    short = replace(FAMILY, steps_ms=(500,), minimum_bars=10_000)
    assert short.minimum_bars == 10_000
    for table in (EPPS, REALISED_VARIANCE):
        for row in found[table.name].to_pylist():
            assert (row["estimate"] is None) == (row["reason"] is not None)
        keys = list(zip(*(found[table.name].column(k).to_pylist() for k in table.key), strict=True))
        assert len(set(keys)) == len(keys)


def test_the_same_price_twice_is_perfectly_correlated_and_a_jump_over_a_gap_is_not_seen(tmp_path):
    generator = np.random.default_rng(4)
    times = np.sort(generator.integers(0, 600 * SECOND, 1200))
    prices = 100.0 * np.exp(np.cumsum(generator.normal(size=1200)) * 1e-4)
    prices[times > 300 * SECOND] *= 2.0
    stretches = ((0, 290 * SECOND, "valid"), (290 * SECOND, 310 * SECOND, "waiting"),
                 (310 * SECOND, 700 * SECOND, "valid"))
    events = {
        TRADES: [trades("binance:A", times, prices), trades("binance:B", times, prices)],
        HEALTH: [health("binance:A", *stretches), health("binance:B", *stretches)],
    }
    made = run_study(tmp_path, STUDY, [FAMILY], events)
    for name in ROBUST:
        row = one(made, EPPS, **PAIR, estimator=name)
        assert row["estimate"] == pytest.approx(1.0, abs=1e-9), name
        assert row["n_left_out"] == 1
    realised = one(made, REALISED_VARIANCE, instrument_x="binance:A", estimator="realised")
    planted = 1e-8 * 2.0 * 3600.0 * 1e8
    assert realised["estimate"] == pytest.approx(planted, rel=0.15)
    bars = one(made, REALISED_VARIANCE, instrument_x="binance:A", step_ms=2_000)
    assert bars["estimate"] == pytest.approx(planted, rel=0.4)
    assert one(made, EPPS, **PAIR, estimator="previous_tick",
               step_ms=60_000)["reason"] == "too_few_bars"


def test_prices_that_bounce_and_nothing_else_are_refused_where_nothing_is_left(tmp_path):
    """Trades between bid and ask of a price that stands: the variance without noise is not > 0."""
    generator = np.random.default_rng(8)
    events = {TRADES: [], HEALTH: []}
    for name in ("binance:A", "binance:B"):
        times = np.sort(generator.integers(0, 600 * SECOND, 3000))
        events[TRADES].append(trades(name, times, 100.0 + 0.01 * (np.arange(3000) % 2)))
        events[HEALTH].append(health(name, (0, HOUR, "valid")))
    made = run_study(tmp_path, STUDY, [FAMILY], events)
    reasons = {row["estimator"]: row["reason"] for row in select(made, EPPS, **PAIR, step_ms=0)}
    assert reasons["hayashi_yoshida"] is None
    assert reasons["two_scales"] == "no_variance"
    closed = select(made, EPPS, **PAIR, estimator="poisson_arrivals")
    assert {row["reason"] for row in closed} == {reasons["pre_averaged"]}


def test_a_window_without_events_or_with_one_instrument(tmp_path):
    nothing = run_study(tmp_path / "a", STUDY, [FAMILY], {})
    assert [row["reason"] for row in nothing[EPPS.name].to_pylist()] == ["no_pair"]
    assert [row["reason"] for row in nothing[REALISED_VARIANCE.name].to_pylist()] == ["no_events"]
    alone = {TRADES: [trades("binance:A", [0, 5], [1.0, 2.0])],
             HEALTH: [health("binance:A", (0, 9, "valid"))]}
    made = run_study(tmp_path / "b", STUDY, [FAMILY], alone)
    assert [row["reason"] for row in made[EPPS.name].to_pylist()] == ["no_pair"]
    assert [r["reason"] for r in made[REALISED_VARIANCE.name].to_pylist()] == ["too_few_ticks"]


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(1).normal(size=(20, 1))
    found = of_returns(lambda rows: float(rows.mean()), values)
    assert found.value == values.mean()
    assert found.standard_error == pytest.approx(values.std(ddof=1) / math.sqrt(20), rel=1e-12)
    assert jackknife(1.0, np.full(20, 3.0), 5).standard_error == 0.0
    assert math.isnan(jackknife(1.0, np.array([1.0, np.nan]), 5).standard_error)


def test_a_block_of_ticks_is_cut_out_with_its_time():
    ticks = Ticks(np.arange(41) * 10, np.arange(41.0))
    lengths = of_ticks(lambda part: float(part.times[-1]), ticks)
    assert (lengths.value, lengths.n) == (400.0, 40)
    assert lengths.standard_error == 0.0
    ends = []
    of_ticks(lambda part: ends.append((part.times[-1], part.log_prices[-1])) or 0.0, ticks)
    assert ends[:-1] == [(380, 38.0)] * 20


def test_correlations_of_what_does_not_move_are_null():
    for covariance in CORRELATIONS.values():
        assert math.isnan(correlation_of(covariance)(np.zeros((200, 2))))
        one_still = np.column_stack([np.random.default_rng(1).normal(size=200), np.zeros(200)])
        assert math.isnan(correlation_of(covariance)(one_still))
    assert [slow_scale(n) for n in (1, 1000, 10**6)] == [5, 100, 10**4]


@pytest.mark.parametrize("setting", [
    {"steps_ms": ()}, {"steps_ms": (0,)}, {"prices": ("last",)}, {"minimum_ticks": 5},
])
def test_settings_that_make_no_sense_are_refused(setting):
    with pytest.raises(UserError) as error:
        EppsFamily(name="mine", question="?", **setting)
    assert error.value.where == "family mine"
