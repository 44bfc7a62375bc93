"""Spreads and VPIN from trades with planted costs; bars with a planted λ; refusals."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import t as student

from imbalance.config import StudiesConfig
from imbalance.errors import UserError
from imbalance.studies.liquidity.build import build
from imbalance.studies.liquidity.spreads import roll, spreads
from imbalance.studies.liquidity.study import LIQUIDITY, STUDY, LiquidityFamily, families
from imbalance.studies.liquidity.toxicity import Buckets, fill, forecast
from imbalance.studies.rows import schema_of
from imbalance.studies.study_input import StudyInput
from tests.studies.event_store import (
    HEALTH,
    START,
    STATES,
    TRADES,
    health,
    rows,
    run_study,
    states,
    trades,
)

NAME = "binance:BTCUSDT"
SECOND = 1_000_000_000
WHOLE = np.array([[0, 10**15]])


def family(**changes):
    settings = {"name": "liquidity", "question": "?", "bar_sizes": ("1s",), "seconds": (1, 5)}
    return LiquidityFamily(**(settings | changes))


def market(generator, count=4_000, half_spread=0.5, impact=0.2, rate=4.0):
    """Trades at a half-spread (bps) about a mid that each of them moves by `impact` bps."""
    times = np.sort(generator.integers(SECOND, int(count / rate) * SECOND, count))
    sides = generator.choice([-1.0, 1.0], count)
    log_mid = np.concatenate([[0.0], np.cumsum(impact * sides)]) / 1e4
    mids = 100.0 * np.exp(log_mid)
    prices = mids[:-1] * (1.0 + sides * half_spread / 1e4)
    # The mid moves a millisecond after the trade.
    return times, sides, prices, np.concatenate([[0], times + 10**6]), mids


def test_planted_spread_and_impact():
    drawn = [spreads(*market(np.random.default_rng(seed)), WHOLE, 5) for seed in range(40)]
    values, errors = np.array([(one.impact.value, one.impact.error) for one in drawn]).T
    assert values.mean() == pytest.approx(0.4, abs=0.015)
    assert errors.mean() == pytest.approx(values.std(), rel=0.3)
    assert np.mean(np.abs(values - 0.4) < 1.96 * errors) >= 0.85
    found = drawn[0]
    assert found.effective.value == pytest.approx(1.0, abs=0.02)
    rest = found.effective.value - found.impact.value
    assert found.realised.value == pytest.approx(rest, abs=0.01)
    assert found.impact.n + found.impact.excluded == 4_000


def test_no_mid_is_carried_between_stretches():
    times, sides, prices, mid_times, mids = market(np.random.default_rng(1))
    cut = int(times[2_000])
    apart = np.array([[0, cut], [cut + 1, 10**15]])
    whole, parted = (spreads(times, sides, prices, mid_times, mids, of, 5) for of in (WHOLE, apart))
    within = int(((times >= cut - 5 * SECOND) & (times <= cut)).sum())
    assert parted.impact.excluded - whole.impact.excluded >= within
    assert parted.effective.excluded >= 1


def test_a_window_too_short_for_the_time_a_trade_is_followed():
    times, sides, prices, mid_times, mids = market(np.random.default_rng(2), count=400)
    assert spreads(times, sides, prices, mid_times, mids, WHOLE, 60).impact is None


def test_rolls_spread_is_that_of_a_bounce_and_a_trend_has_none():
    generator = np.random.default_rng(3)
    mid = np.cumsum(0.3 * generator.standard_normal(20_000)) / 1e4
    bounce = generator.choice([-1e-4, 1e-4], 20_000)
    found = roll(np.exp(mid + bounce), np.zeros(20_000))
    assert abs(found.value - 2.0) < 3.0 * found.error
    assert 0.0 < found.error < 0.05
    trend = np.exp(np.cumsum(np.repeat(generator.standard_normal(500), 4)) / 1e4)
    assert roll(trend, np.zeros(2_000)) is None
    # A price that came back a tenth higher after a gap; three pairs of changes are not there.
    after = np.arange(20_000) >= 10_000
    apart = roll(np.exp(mid + bounce + 0.1 * after), after)
    assert apart.value == pytest.approx(found.value, abs=1e-3)
    assert apart.error == pytest.approx(found.error, rel=0.01)
    assert (apart.n, apart.excluded) == (19_996, 2)


def buckets_of(sides, sizes=None, buckets=50):
    count = len(sides)
    times = np.arange(count) * SECOND
    prices = np.exp(np.cumsum(np.full(count, 1e-6) * sides))
    return fill(times, np.asarray(sides, float), np.ones(count) if sizes is None else sizes, prices,
                np.zeros(count), buckets, 10)


def test_vpin_of_known_flows():
    assert buckets_of(np.ones(1_000)).imbalance == pytest.approx(np.ones(50))
    assert buckets_of(np.tile([1.0, -1.0], 500)).imbalance == pytest.approx(np.zeros(50), abs=1e-9)
    coins = np.random.default_rng(4).choice([-1.0, 1.0], 400 * 100)
    assert buckets_of(coins, buckets=400).imbalance.mean() == pytest.approx(
        np.sqrt(2.0 / (np.pi * 100)), rel=0.1)
    # One trade of ten units fills five buckets of two.
    large = buckets_of([1.0, -1.0], np.array([10.0, 10.0]), buckets=10)
    assert large.imbalance == pytest.approx(np.ones(10))
    assert large.agreement.shape == (10,)


def test_guessed_sides_agree_where_prices_follow_them():
    runs = np.repeat(np.random.default_rng(5).choice([-1.0, 1.0], 400), 10)
    assert buckets_of(runs).agreement.mean() > 0.8
    sides = np.repeat(np.random.default_rng(6).choice([-1.0, 1.0], 50), 80)
    unrelated = fill(np.arange(4_000) * SECOND, sides, np.ones(4_000),
                     np.exp(np.cumsum(np.random.default_rng(7).normal(0, 1e-5, 4_000))),
                     np.zeros(4_000), 50, 10)
    assert unrelated.agreement.mean() < 0.8


def test_what_the_price_did_over_a_gap_is_no_move_and_tells_no_sides():
    """Ten hours are missing, in which the price rose by 2 %: 10,000 times what it does in a bar."""
    generator = np.random.default_rng(5)
    sides = np.repeat(generator.choice([-1.0, 1.0], 2_000), 10)
    after = np.arange(20_000) >= 10_100
    times = np.sort(generator.integers(0, 20_000 * SECOND, 20_000))
    prices = np.exp(np.cumsum(1e-6 * sides))
    whole = fill(times, sides, np.ones(20_000), prices, np.zeros(20_000), 50, 10)
    parted = fill(times + after * 36_000 * SECOND, sides, np.ones(20_000), prices * (1.0 + 0.02 *
                  after), after, 50, 10)
    np.testing.assert_allclose(parted.imbalance, whole.imbalance, atol=1e-9)
    over = np.flatnonzero(np.isnan(parted.move))
    assert over.tolist() == np.flatnonzero(np.isnan(parted.seconds)).tolist() == [25]
    rest = np.delete(np.arange(50), over)
    for name in ("bulk", "agreement", "move", "seconds"):
        np.testing.assert_allclose(getattr(parted, name)[rest], getattr(whole, name)[rest],
                                   rtol=1e-2, atol=2e-3, err_msg=name)
    found = forecast(parted.imbalance, parted, 5, controlled=True)
    # Neither the bucket over the gap is forecast, nor the one that its move would be told from.
    assert found.n == 45 - 2
    assert np.isfinite([found.value, found.error]).all()


def test_what_vpin_says_beside_volatility():
    """A VPIN that only follows volatility says something alone and nothing beside it."""
    generator = np.random.default_rng(8)
    volatility = np.zeros(2_000)
    for t in range(1, 2_000):
        volatility[t] = 0.9 * volatility[t - 1] + generator.standard_normal()
    move = 10.0 + volatility
    seconds = np.exp(generator.standard_normal(2_000))
    toxic = generator.uniform(0.0, 1.0, 2_000)
    ahead = move + 4.0 * np.concatenate([[0.0], toxic[:-1]])

    def found(x, y, controlled):
        return forecast(x, Buckets(x, x, x, y, seconds), 1, controlled=controlled)

    follower = 0.5 + 0.05 * volatility + 0.1 * generator.standard_normal(2_000)
    alone, beside = (found(follower, move, controlled) for controlled in (False, True))
    assert alone.value > 10.0 * alone.error
    assert abs(beside.value) < 3.0 * beside.error
    beside = found(toxic, ahead, True)
    assert beside.value > 5.0 * beside.error
    assert found(np.full(2_000, 0.3), move, True) is None
    assert found(toxic[:15], move[:15], False) is None


@pytest.mark.parametrize("controlled", [False, True])
def test_the_forecast_of_vpin_holds_its_size_at_50_buckets(controlled):
    """Of 400 tests of nothing at 5 %, 20 should reject; 33 are three standard errors more."""
    generator = np.random.default_rng(11)
    rejected = 0
    for _ in range(400):
        x, noise, speed = generator.uniform(size=50), *generator.standard_normal((2, 50))
        found = forecast(x, Buckets(x, x, x, np.abs(noise), np.exp(speed)), 5,
                         controlled=controlled)
        rejected += 2.0 * student.sf(abs(found.value) / found.error, found.freedom) < 0.05
    assert rejected <= 33


def test_planted_lambda_and_illiquidity(make_bars):
    generator = np.random.default_rng(9)
    flow, noise = generator.standard_normal((2, 3_600))
    notional = np.full(3_600, 2e6)
    notional[::10] = 0.0
    market = {"return_bps": 0.7 * flow + noise, "trade_imbalance": flow, "trade_notional": notional,
              "realised_variance": np.full(3_600, 4.0), "vwap": np.full(3_600, 100.0)}
    table = study(make_bars({NAME: market}))
    kyle = table["kyle_lambda"]
    assert kyle["interval_low"] < 0.7 < kyle["interval_high"]
    assert kyle["q_value"] < 1e-6
    assert kyle["n_windows"] == 2
    amihud = table["amihud"]
    traded = notional > 0.0
    assert amihud["estimate"] == pytest.approx(
        np.mean(np.abs(market["return_bps"][traded]) * 1e2 / notional[traded]))
    assert (amihud["n"], amihud["n_excluded"]) == (3_240, 360)
    assert table["volatility"]["estimate"] == pytest.approx(2.0)
    assert table["volume"]["estimate"] == pytest.approx(1.8e6)
    assert table["effective_spread"]["reason"] == "no_events"


def study(bars):
    given = StudyInput.of_bars({"1s": bars}, [family()], partition="2024-08-08")
    found = build(given)[LIQUIDITY.name]
    assert found.schema.equals(schema_of(LIQUIDITY))
    return {row["estimator"]: row for row in found.to_pylist()}


def test_bars_that_cannot_be_used_say_why(make_bars):
    flat = {name: np.zeros(100) for name in family().measures}
    table = study(make_bars({NAME: flat}))
    assert table["kyle_lambda"]["reason"] == "too_few_half_hours"
    assert table["amihud"]["reason"] == "no_volume"
    missing = study(make_bars({NAME: {"return_bps": np.zeros(100)}}))
    assert missing["volume"]["reason"] == "all_null"
    for count in (1, 19):  # of 20 bars at least
        few = study(make_bars({NAME: {name: np.ones(count) for name in family().measures}}))
        assert {one["reason"] for one in map(few.get, ("amihud", "volume", "volatility"))} == {
            "too_few_bars"}
    nothing = StudyInput.of_bars({}, [family()], partition="2024-08-08")
    reasons = build(nothing)[LIQUIDITY.name].column("reason").to_pylist()
    assert sorted(reasons) == ["no_bars", "no_events"]


def test_from_a_store_of_events(tmp_path):
    """Trades, books and gaps as they are kept; one market without sides."""
    times, sides, prices, mid_times, mids = market(np.random.default_rng(10), count=2_000)
    # Books have a spread of 2 about the mid.
    scale = 100.0
    made = trades(NAME, times, prices * scale)
    place = made.schema.get_field_index("side")
    made = made.set_column(place, made.schema.field(place), pa.array(
        np.where(sides > 0, "buy", "sell")).cast(made.schema.field(place).type))
    when = START + np.arange(1, 31) * SECOND
    blind = rows(TRADES, {"instrument": ["binance:ETHUSDT"] * 30, "trade_id": np.arange(30),
                          "side": [None] * 30, "event_time": when, "available_at": when})
    table = run_study(tmp_path, STUDY, [family(bar_sizes=())], {
        TRADES: [made, blind], STATES: [states(NAME, mid_times, mids * scale)],
        HEALTH: [health(NAME, (0, int(times[-1]) + SECOND, "valid")),
                 health("binance:ETHUSDT", (0, int(times[-1]) + SECOND, "valid"))],
    })[LIQUIDITY.name].to_pylist()
    mine = {(r["estimator"], r["seconds"], r["controls"]): r for r in table
            if r["instrument_y"] == NAME}
    keys = [tuple(row[part] for part in LIQUIDITY.key) for row in table]
    assert len(set(keys)) == len(keys)
    assert all((row["estimate"] is None) == (row["reason"] is not None) for row in table)
    assert mine["effective_spread", 0, "none"]["estimate"] == pytest.approx(1.0, abs=0.05)
    assert mine["effective_spread", 0, "none"]["bar_size"] == "events"
    impact = mine["spread_impact", 1, "none"]
    assert abs(impact["estimate"] - 0.4) < 3.0 * impact["standard_error"] < 0.1
    assert mine["vpin", 0, "none"]["n_windows"] == 50
    assert mine["vpin_forecast", 0, "volume_and_volatility"]["p_value"] > 0.001
    other = [row["reason"] for row in table if row["instrument_y"] == "binance:ETHUSDT"]
    assert other == ["no_aggressor"]


def test_what_is_declared():
    (one,) = families(StudiesConfig())
    assert one.seconds == (1, 5, 30, 300)
    for wrong in ({"seconds": ()}, {"buckets": 5}, {"memory": 0}, {"minimum_trades": 1}):
        with pytest.raises(UserError):
            family(**wrong)
