"""The lead-lag study from events to rows: what it finds, what it leaves out, what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from imbalance.errors import UserError
from imbalance.studies.lead_lag.study import LEAD_LAG, STUDY, LeadLagFamily
from tests.studies.event_store import (
    HEALTH,
    START,
    STATES,
    TRADES,
    health,
    run_study,
    states,
    trades,
)
from tests.studies.ticking import SECOND, lead_lag_pair

MILLISECOND = SECOND // 1000
HOUR = 3600 * SECOND
LEADER, FOLLOWER = "binance-futures:BTCUSDT", "binance:BTCUSDT"
FAMILY = LeadLagFamily(name="price_leads", question="?", replications=199, reach_ms=400,
                       step_ms=50, fine_reach_ms=10, seed=1, clock_errors_ms=(1, 50, 300))


def rows_of(found, **wanted):
    table = found[LEAD_LAG.name].to_pylist()
    return [row for row in table if all(row[name] == value for name, value in wanted.items())]


def one(found, **wanted):
    rows = rows_of(found, **wanted)
    assert len(rows) == 1, wanted
    return rows[0]


@pytest.fixture(scope="module")
def events():
    """The perpetual leads by 150 ms; its trades are received 3 ms later, those of the spot 7."""
    x, y = lead_lag_pair(5, seconds=900, lag=0.15, correlation=0.9, rates=(8.0, 4.0))
    whole = (0, HOUR, "valid")
    shift = HOUR - 600 * SECOND
    prices = {LEADER: (x.times + shift, 100.0 * np.exp(x.log_prices), 3),
              FOLLOWER: (y.times + shift, 100.0 * np.exp(y.log_prices), 7)}
    return {
        TRADES: [trades(name, times, price, delay=delay * MILLISECOND)
                 for name, (times, price, delay) in prices.items()]
        + [trades("binance:FLATUSDT", np.arange(300) * SECOND, np.full(300, 5.0)),
           trades("binance:FEWUSDT", np.arange(50) * SECOND, np.arange(50) + 5.0)],
        STATES: [states(name, times, price) for name, (times, price, _) in prices.items()],
        HEALTH: [health(name, (0, 2 * HOUR, "valid")) for name in prices]
        + [health("binance:FLATUSDT", whole), health("binance:FEWUSDT", whole)],
    }


@pytest.fixture(scope="module")
def found(events, tmp_path_factory):
    return run_study(tmp_path_factory.mktemp("home"), STUDY, [FAMILY], events)


@pytest.mark.parametrize("measure", ["mid_price", "trade_price"])
def test_the_leader_and_its_lead(found, measure):
    pair = {"instrument_x": LEADER, "instrument_y": FOLLOWER, "measure_x": measure}
    lead = one(found, **pair, estimator="lead", regime="all")
    assert lead["estimate"] == 150.0
    assert 100.0 <= lead["interval_low"] <= 150.0 <= lead["interval_high"] <= 200.0
    assert lead["p_value"] == pytest.approx(1 / 200)
    assert lead["p_value"] <= lead["q_value"] < 0.05
    peak = one(found, **pair, estimator="peak_correlation", regime="all")
    assert peak["estimate"] == pytest.approx(0.9, abs=0.05)
    assert peak["estimate"] == one(found, **pair, estimator="contrast", lag_ms=150.0)["estimate"]
    ratio = one(found, **pair, estimator="lead_lag_ratio", regime="all")
    plain = one(found, **pair, estimator="lead_lag_ratio_unsquared", regime="all")
    assert 1.0 < plain["estimate"] < ratio["estimate"]
    assert ratio["interval_low"] > 1.0
    curve = {row["lag_ms"]: row["estimate"] for row in rows_of(found, **pair, estimator="contrast")}
    assert len(curve) == 17 + 20
    grid = [lag for lag in curve if lag % 50 == 0]
    squares = [sum(curve[lag] ** 2 for lag in grid if lag * side > 0) for side in (1, -1)]
    assert ratio["estimate"] == pytest.approx(squares[0] / squares[1], rel=1e-12)
    assert lead["rate_x"] == pytest.approx(8.0, rel=0.05)
    assert lead["rate_y"] == pytest.approx(4.0, rel=0.05)


def test_the_sign_under_errors_of_the_clocks(found):
    pair = {"instrument_x": LEADER, "instrument_y": FOLLOWER, "measure_x": "trade_price"}
    kept = rows_of(found, **pair, estimator="sign_kept")
    # A lead of 150 ms is beyond doubt at 50 ms, and gone at 300.
    assert [(row["clock_error_ms"], row["estimate"]) for row in kept] == [
        (1.0, 1.0), (50.0, 1.0), (300.0, 0.0)]
    measured = one(found, **pair, estimator="sign_kept_at_measured_skew")
    assert measured["clock_error_ms"] == pytest.approx(4.0)
    assert measured["estimate"] == 1.0


def test_every_hour_is_a_window_of_its_own(found):
    pair = {"instrument_x": LEADER, "instrument_y": FOLLOWER, "measure_x": "trade_price"}
    hours = sorted(rows_of(found, **pair, estimator="lead"), key=lambda row: row["regime"])
    assert [row["regime"] for row in hours] == ["all", "hour_00", "hour_01"]
    assert hours[1]["window_to"] == hours[2]["window_from"]
    assert (hours[2]["window_from"].value - START) == HOUR
    assert hours[0]["n"] == hours[1]["n"] + hours[2]["n"] + 1
    assert all(abs(row["estimate"] - 150.0) <= 50.0 for row in hours)


def test_what_cannot_be_estimated_is_a_row_with_its_reason(found):
    refused = {row["instrument_y"]: row["reason"] for row in rows_of(
        found, instrument_x=FOLLOWER, measure_x="trade_price", regime="all", estimator="lead")}
    # A price that never moves has one tick.
    assert refused == {"binance:FEWUSDT": "too_few_ticks", "binance:FLATUSDT": "too_few_ticks"}
    for row in found[LEAD_LAG.name].to_pylist():
        assert (row["estimate"] is None) == (row["reason"] is not None)


def test_keys_are_unique_and_rows_are_known_no_earlier_than_their_events(found):
    table = found[LEAD_LAG.name]
    keys = list(zip(*(table.column(name).to_pylist() for name in LEAD_LAG.key), strict=True))
    assert len(set(keys)) == len(keys)
    assert all(row["available_at"] > row["window_to"] for row in rows_of(found, regime="all"))


def test_the_seed_decides(events, found, tmp_path):
    again = run_study(tmp_path / "a", STUDY, [FAMILY], events)
    assert again[LEAD_LAG.name].equals(found[LEAD_LAG.name])
    other = run_study(tmp_path / "b", STUDY, [replace(FAMILY, seed=2)], events)
    assert not other[LEAD_LAG.name].equals(found[LEAD_LAG.name])


def test_a_return_over_a_gap_leads_nothing(tmp_path):
    """Both prices jump while nothing is seen: without the gap that alone would be ρ = 1."""
    generator = np.random.default_rng(3)
    times = np.arange(0, 600 * SECOND, SECOND // 2)
    times = times[(times < 280 * SECOND) | (times > 320 * SECOND)]
    tables = {TRADES: [], HEALTH: []}
    for name in ("binance:A", "binance:B"):
        prices = 100.0 + np.cumsum(generator.choice([-0.01, 0.01], len(times)))
        prices[times > 300 * SECOND] += 50.0
        tables[TRADES].append(trades(name, times + generator.integers(1, 99, len(times)), prices))
        tables[HEALTH].append(health(
            name, (0, 290 * SECOND, "valid"), (290 * SECOND, 310 * SECOND, "waiting"),
            (310 * SECOND, 700 * SECOND, "valid")))
    family = replace(FAMILY, prices=("trade_price",))
    made = run_study(tmp_path, STUDY, [family], tables)
    peak = one(made, estimator="peak_correlation", regime="all")
    assert abs(peak["estimate"]) < 0.3
    # Its own return over the gap, and one beside it in which the other price was not seen.
    assert 1 <= peak["n_left_out"] <= 3
    total = peak["n"] + peak["n_left_out"]
    assert peak["coverage"] == pytest.approx(peak["n"] / total)
    skew = one(made, estimator="sign_kept_at_measured_skew")
    assert skew["reason"] == "no_receive_time"


def test_only_the_time_in_which_both_were_seen_counts(tmp_path):
    """The second is recorded over the first half alone: the variance of the first is of it too."""
    generator = np.random.default_rng(6)
    times = np.arange(0, 600 * SECOND, SECOND // 2)
    prices = 100.0 * np.exp(1e-4 * np.cumsum(generator.normal(size=len(times))))
    half = times < 300 * SECOND
    tables = {
        TRADES: [trades("binance:A", times, prices),
                 trades("binance:B", times[half], prices[half])],
        HEALTH: [health(name, (0, HOUR, "valid")) for name in ("binance:A", "binance:B")],
    }
    made = run_study(tmp_path, STUDY, [replace(FAMILY, prices=("trade_price",))], tables)
    same_time = one(made, estimator="contrast", lag_ms=0.0)
    assert same_time["estimate"] == pytest.approx(1.0, abs=1e-9)
    assert same_time["n"] == half.sum() - 1


def test_a_price_that_changes_only_while_the_other_is_not_seen_is_refused(tmp_path):
    generator = np.random.default_rng(3)
    times = {LEADER: np.concatenate([[0], 1_000 + np.arange(200), [1_900]]) * SECOND,
             FOLLOWER: np.concatenate([np.arange(900), 1_300 + np.arange(600)]) * SECOND}
    gap = ((0, 900 * SECOND, "valid"), (900 * SECOND, 1_300 * SECOND, "waiting"),
           (1_300 * SECOND, 2_000 * SECOND, "valid"))
    found = run_study(tmp_path, STUDY, [replace(FAMILY, regimes=(), prices=("trade_price",))], {
        TRADES: [trades(name, when, np.exp(1e-4 * generator.standard_normal(len(when)).cumsum()))
                 for name, when in times.items()],
        HEALTH: [health(LEADER, (0, 2_000 * SECOND, "valid")), health(FOLLOWER, *gap)]})
    rows = found[LEAD_LAG.name].to_pylist()
    assert {row["regime"]: row["reason"] for row in rows} == {
        "all": "too_few_ticks", "hour_00": "too_few_ticks"}


def test_a_short_window_is_refused(tmp_path):
    x, y = lead_lag_pair(1, seconds=60, lag=0.0, correlation=0.5, rates=(20.0, 20.0))
    tables = {
        TRADES: [trades(name, t.times, 100.0 * np.exp(t.log_prices))
                 for name, t in (("binance:A", x), ("binance:B", y))],
        HEALTH: [health(name, (0, HOUR, "valid")) for name in ("binance:A", "binance:B")],
    }
    made = run_study(tmp_path, STUDY, [replace(FAMILY, prices=("trade_price",))], tables)
    assert one(made, regime="all")["reason"] == "too_short"


def test_hours_in_which_neither_price_changes_have_no_rows(tmp_path):
    year = 8_766 * HOUR
    generator = np.random.default_rng(2)
    steps = np.concatenate([np.arange(20), np.arange(20) + HOUR // SECOND])
    times = {"binance:A": steps * SECOND,
             "binance:B": np.concatenate([np.arange(30) * SECOND, np.arange(30) * SECOND + year])}
    tables = {
        TRADES: [trades(name, own, 100.0 + generator.random(len(own)))
                 for name, own in times.items()],
        HEALTH: [health(name, (0, 2 * HOUR, "valid"), (year, year + HOUR, "valid"))
                 for name in times],
    }
    made = run_study(tmp_path, STUDY, [replace(FAMILY, prices=("trade_price",))], tables)
    hours = [row for row in rows_of(made, estimator="lead") if row["regime"] != "all"]
    assert [(row["window_from"].value - START) // HOUR for row in hours] == [0, 1, 8_766]


def test_a_window_without_events_or_with_one_instrument(tmp_path):
    nothing = run_study(tmp_path / "a", STUDY, [FAMILY], {})
    assert [row["reason"] for row in nothing[LEAD_LAG.name].to_pylist()] == ["no_pair"] * 2
    alone = {TRADES: [trades("binance:A", [0, 5], [1.0, 2.0])],
             HEALTH: [health("binance:A", (0, 9, "valid"))]}
    made = run_study(tmp_path / "b", STUDY, [FAMILY], alone)
    assert {row["reason"] for row in made[LEAD_LAG.name].to_pylist()} == {"no_pair"}


@pytest.mark.parametrize("setting", [
    {"step_ms": 0}, {"step_ms": 2000}, {"fine_reach_ms": 5000}, {"clock_errors_ms": (0,)},
    {"prices": ("last_price",)}, {"prices": ()}, {"minimum_ticks": 2}, {"replications": 9},
])
def test_settings_that_make_no_sense_are_refused(setting):
    with pytest.raises(UserError) as error:
        LeadLagFamily(name="mine", question="?", **setting)
    assert error.value.where == "family mine"
    assert error.value.allowed


