"""Leads by regime: what is compared, how often equal levels are told apart, and planted changes."""

from dataclasses import replace

import numpy as np
import pytest

from imbalance.studies.asynchrony.ticks import Ticks
from imbalance.studies.difference_tables import EQUALITY, HIGH_LESS_LOW
from imbalance.studies.lead_lag.estimate import asymmetry_weights, lag_grid, split
from imbalance.studies.lead_lag.regimes import combined_at, counts_of, lead_differences, regime_rows
from imbalance.studies.lead_lag.study import LEAD_LAG, LEAD_LAG_DIFFERENCE, STUDY, LeadLagFamily
from imbalance.studies.levels import at_levels, difference_rows
from imbalance.studies.measures import REGIME_LEVELS
from tests.studies.event_store import HEALTH, START, TRADES, health, run_study, trades
from tests.studies.ticking import SECOND, lead_lag_pair

MILLISECOND = SECOND // 1000
LAGS = lag_grid(400 * MILLISECOND, 50 * MILLISECOND)
FAMILY = LeadLagFamily(name="price_leads", question="?", replications=199, reach_ms=400,
                       step_ms=50, fine_reach_ms=0, seed=1, prices=("trade_price",),
                       clock_errors_ms=(50,))
NAMES = ("depth_low", "depth_middle", "depth_high")
PERIOD = 30
"""Seconds after which the planted level may change."""


def levels_in_time(seed, seconds):
    periods = np.resize([0, 1, 2], seconds // PERIOD + 1)
    return np.random.default_rng(10_000 + seed).permutation(periods)


def at(times, levels):
    return levels[times // (PERIOD * SECOND)]


def compared(blocks, labels, seed=1):
    """p-values of every comparison of three levels of blocks."""
    masks = {name: labels == place for place, name in enumerate(NAMES)}
    one_each = np.ones(len(labels), np.intp)
    best = blocks.estimate(199, seed).best
    found = {}
    for name, weights in (("contrast", (blocks.lags == best).astype(float)),
                          ("asymmetry", asymmetry_weights(blocks.lags, blocks.ratio_lags))):
        levels = at_levels("depth", masks, one_each, combined_at(blocks, weights), bandwidth=0.0,
                           bars=one_each)
        for row in difference_rows(levels, len(labels), 0.05):
            found[name, row["estimator"]] = row
    leads = {level.name: blocks.estimate(199, (seed, place), masks[level.name])
             for place, level in enumerate(levels.found)}
    for row in lead_differences(levels, leads, len(labels), FAMILY):
        found["lead", row["estimator"]] = row
    return found


def called_where_levels_are_equal(runs):
    """Volatility differs four-fold between the levels; who leads, by how long, does not."""
    called = {}
    for run in range(runs):
        pair = lead_lag_pair(run, seconds=600, lag=0.15, correlation=0.7, rates=(4.0, 2.0))
        levels = levels_in_time(run, 600)
        x, y = (Ticks(one.times, np.concatenate(
            [[0.0], np.cumsum(one.increments * 2.0 ** at(one.times[1:], levels))]))
            for one in pair)
        blocks = split(x, y, LAGS, 50 * MILLISECOND)
        for key, row in compared(blocks, at(blocks.starts, levels), run).items():
            called.setdefault(key, []).append(row["p_value"] <= 0.05)
    assert len(called) == 6
    assert {len(of) for of in called.values()} == {runs}
    return {key: np.mean(of) for key, of in called.items()}


def test_equal_levels_are_seldom_told_apart():
    limit = 0.06 + 3 * np.sqrt(0.05 * 0.95 / 60)
    assert max(called_where_levels_are_equal(60).values()) <= limit


@pytest.mark.slow
def test_equal_levels_are_told_apart_as_often_as_the_test_says():
    """1,000 runs: 5 %, and of leads, whose replications are as coarse as the grid, fewer."""
    called = called_where_levels_are_equal(1_000)
    error = np.sqrt(0.05 * 0.95 / 1_000)
    for of in ("contrast", "asymmetry"):
        for test in (EQUALITY, HIGH_LESS_LOW):
            assert 0.05 - 3 * error <= called[of, test] <= 0.06 + 3 * error, (of, test, called)
    for test in (EQUALITY, HIGH_LESS_LOW):
        assert called["lead", test] <= 0.05


def joined(blocks):
    """Blocks of one pair after those of another."""
    return replace(blocks[0], **{
        name: np.concatenate([getattr(one, name) for one in blocks])
        for name in ("starts", "ends", "covariance", "variances")})


def parts(*planted):
    return joined([split(*lead_lag_pair(seed, seconds=200, rates=(8.0, 4.0), **one), LAGS,
                         50 * MILLISECOND) for seed, one in enumerate(planted)])


def test_a_lead_that_changes_is_told_as_it_was_planted():
    """x leads by 50 ms in calm, by 250 ms in stress."""
    blocks = parts(*({"lag": lag, "correlation": 0.8} for lag in (0.05, 0.15, 0.25)))
    found = compared(blocks, np.repeat([0, 1, 2], len(blocks.ends) // 3))
    ends = found["lead", HIGH_LESS_LOW]
    assert ends["estimate"] == pytest.approx(200.0, abs=50.0)
    assert 0.0 < ends["interval_low"] <= 200.0 <= ends["interval_high"]
    assert ends["p_value"] == found["lead", EQUALITY]["p_value"] == pytest.approx(1 / 200)


def test_a_leader_that_turns_is_told():
    blocks = parts(*({"lag": lag, "correlation": 0.8} for lag in (-0.1, 0.0, 0.1)))
    found = compared(blocks, np.repeat([0, 1, 2], len(blocks.ends) // 3))
    for test in (EQUALITY, HIGH_LESS_LOW):
        assert found["asymmetry", test]["p_value"] < 1e-6
    assert found["asymmetry", HIGH_LESS_LOW]["estimate"] > 0.2
    assert found["lead", HIGH_LESS_LOW]["estimate"] == pytest.approx(200.0, abs=50.0)


def test_a_correlation_that_changes_is_told_and_the_lead_is_not():
    blocks = parts(*({"lag": 0.15, "correlation": rho} for rho in (0.4, 0.6, 0.9)))
    found = compared(blocks, np.repeat([0, 1, 2], len(blocks.ends) // 3))
    assert found["contrast", HIGH_LESS_LOW]["estimate"] == pytest.approx(0.5, abs=0.15)
    assert found["contrast", HIGH_LESS_LOW]["p_value"] < 1e-4
    assert found["lead", EQUALITY]["p_value"] > 0.05


def test_what_a_block_adds_is_what_leaving_it_out_takes_away():
    blocks = parts({"lag": 0.1, "correlation": 0.6})
    weights = asymmetry_weights(blocks.lags, blocks.ratio_lags)
    mask = np.arange(len(blocks.ends)) % 2 == 0
    found = combined_at(blocks, weights)(mask)
    assert found.value == pytest.approx(blocks.estimate(9, 1, mask).asymmetry, rel=1e-12)
    m, place = mask.sum(), 6
    values = []
    for left_out in np.flatnonzero(mask):
        rest = mask.copy()
        rest[left_out] = False
        values.append(blocks.estimate(9, 1, rest).asymmetry)
    assert found.influence[place] == pytest.approx(
        np.sqrt(m * (m - 1)) * (np.mean(values) - values[place // 2]), rel=1e-9)
    # So that the error of a level is the jackknife's.
    (level,) = at_levels("depth", {"depth_low": mask}, np.ones(len(mask), dtype=np.intp),
                         combined_at(blocks, weights), bandwidth=0.0).levels
    assert level.error == pytest.approx(np.sqrt((m - 1) * np.var(values)), rel=1e-9)
    assert np.isnan(found.influence[~mask]).all()
    few = np.arange(len(mask)) < 5
    assert combined_at(blocks, weights)(few) == "too_few_stretches"
    still = replace(blocks, variances=np.where(np.arange(len(mask))[:, None] == 0,
                                               blocks.variances, 0.0))
    assert combined_at(still, weights)(mask) == "constant_series"


@pytest.fixture(scope="module")
def pair():
    """Half an hour from 23:45 on: x leads by 150 ms."""
    return lead_lag_pair(5, seconds=1_800, lag=0.15, correlation=0.9, rates=(6.0, 4.0))


@pytest.fixture(scope="module")
def found(pair, tmp_path_factory):
    """Beside bars whose depth grows from third to third of every minute and whose spread is one."""
    from tests.studies.conftest import bars_table

    shift = 12 * 3600 * SECOND - 900 * SECOND
    tables = {
        TRADES: [trades(name, one.times + shift, 100.0 * np.exp(one.log_prices))
                 for name, one in zip(("binance:A", "binance:B"), pair, strict=True)],
        HEALTH: [health(name, (0, 24 * 3600 * SECOND, "valid"))
                 for name in ("binance:A", "binance:B")],
    }
    seconds = np.arange(-60, 1_800)
    bars = bars_table({
        "binance:A": {"depth_touch_mean": (seconds % 60 // 20).astype(float)
                      + seconds / 1e6, "spread_bps_mean": np.ones(len(seconds))},
        "binance:B": {"depth_touch_mean": np.ones(len(seconds)),
                      "spread_bps_mean": np.ones(len(seconds))},
    }, start=START + shift - 60 * SECOND)
    return run_study(tmp_path_factory.mktemp("home"), STUDY, [FAMILY], tables, bars=bars)


def pick(rows, **wanted):
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def test_levels_stand_beside_the_window_and_are_compared(found):
    rows = found[LEAD_LAG.name].to_pylist()
    for level in NAMES:
        (lead,) = pick(rows, estimator="lead", regime=level)
        assert lead["estimate"] == 150.0
        assert (lead["p_value"], lead["seed"]) == (None, 1)
        at_once, contrast = pick(rows, estimator="contrast", regime=level)
        assert at_once["lag_ms"] == 0.0
        assert at_once["estimate"] < contrast["estimate"]
        (peak,) = pick(rows, estimator="peak_correlation", regime=level)
        assert (contrast["lag_ms"], contrast["estimate"]) == (
            150.0, pytest.approx(peak["estimate"], rel=1e-12))
        assert contrast["interval_low"] < 0.9 < contrast["interval_high"]
        assert lead["n"] == contrast["n"] > 1_000
    (whole,) = pick(rows, estimator="lead", regime="all")
    assert sum(pick(rows, estimator="lead", regime=level)[0]["n"] for level in NAMES) <= whole["n"]
    differences = found[LEAD_LAG_DIFFERENCE.name].to_pylist()
    for of, lag in (("contrast", 0.0), ("contrast", 150.0), ("asymmetry", 0.0), ("lead", 0.0)):
        tested = pick(differences, of=of, regime="depth", lag_ms=lag)
        assert [row["estimator"] for row in tested] == [EQUALITY, HIGH_LESS_LOW]
        assert all(row["p_value"] > 0.01 for row in tested)
        assert all(row["hypothesis"] == "whole" and row["bar_size"] == "events" for row in tested)


def test_what_cannot_be_compared_says_why(found):
    differences = found[LEAD_LAG_DIFFERENCE.name].to_pylist()
    reasons = {row["regime"]: row["reason"] for row in pick(differences, of="lead")
               if row["reason"]}
    # The spread is one value, so that all of its blocks are in the lowest third.
    assert reasons == {
        "spread": "too_few_stretches",
        **dict.fromkeys(set(REGIME_LEVELS) - {"depth", "spread", "time"}, "no_such_measure")}
    # Quarters of the day meet at 12:00, and so do hours.
    assert all(row["p_value"] > 0.01 for regime in ("time", "hour")
               for row in pick(differences, regime=regime))
    assert pick(differences, regime="hour", estimator=HIGH_LESS_LOW) == []


def test_keys_are_unique_and_rows_are_known_when_their_bars_are(found):
    for table in (LEAD_LAG, LEAD_LAG_DIFFERENCE):
        rows = found[table.name].to_pylist()
        assert len({tuple(row[name] for name in table.key) for row in rows}) == len(rows)
        assert all((row["estimate"] is None) == (row["reason"] is not None) for row in rows)
    last = START + (12 * 3600 + 900) * SECOND + 1_000
    (level,) = pick(found[LEAD_LAG.name].to_pylist(), estimator="lead", regime="depth_low")
    assert level["available_at"].value == last


def test_the_level_of_a_block_is_that_of_bars_before_it(pair):
    """A measure that is told by the block itself moves no level."""
    from imbalance.studies.alignment import align
    from imbalance.studies.bars import TableBars
    from tests.studies.conftest import bars_table

    blocks = split(*pair, LAGS, 50 * MILLISECOND)
    seconds = 1_801
    first = np.ceil(blocks.starts / SECOND).astype(int)
    generator = np.random.default_rng(1)
    base = generator.normal(size=seconds)
    later = base.copy()
    # The last block's own bars, and nothing before it.
    later[first[-1]:] += 100.0
    told = []
    for depth in (base, later):
        panel = align(TableBars(bars_table({"binance:A": {"depth_touch_mean": depth}}, start=0)),
                      "1s", ["depth_touch_mean"], 1)
        template = {"instrument_x": "binance:A", "parameters": "{}"}
        rows, _ = regime_rows(panel, replace(FAMILY, regimes=("depth",)), template, blocks,
                              counts_of(pair[0], blocks), blocks.estimate(199, 1))
        told.append([(row["regime"], row["estimator"], row["estimate"]) for row in rows])
    assert told[0] == told[1]
    assert len(told[0]) == 21


def test_without_bars_only_hours_are_compared(pair, tmp_path):
    tables = {
        TRADES: [trades(name, one.times, 100.0 * np.exp(one.log_prices))
                 for name, one in zip(("binance:A", "binance:B"), pair, strict=True)],
        HEALTH: [health(name, (0, 3600 * SECOND, "valid")) for name in ("binance:A", "binance:B")],
    }
    made = run_study(tmp_path, STUDY, [FAMILY], tables)
    rows = made[LEAD_LAG_DIFFERENCE.name].to_pylist()
    assert {row["regime"]: row["reason"] for row in rows if row["of"] == "lead"} == {
        **dict.fromkeys(REGIME_LEVELS, "no_bars"), "hour": "one_level"}
