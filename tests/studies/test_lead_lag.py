"""Lead-lag: planted lags come back, and what cannot be estimated is refused."""

import csv
import json
from datetime import UTC, datetime

import numpy as np
import pytest

from imbalance.studies.asynchrony.overlap import contrast
from imbalance.studies.asynchrony.ticks import Ticks, make_ticks
from imbalance.studies.lead_lag.estimate import LeadLag, blocks_of, lag_grid, lead_lag
from tests.studies.ticking import SECOND, lead_lag_pair

MILLISECOND = SECOND // 1000


@pytest.mark.oracle("Sim3", "lead_lag")
def test_the_planted_lag_comes_back(oracle):
    """Sim3: within one step of the grid in at least 95 % of the runs."""
    lags = lag_grid(2 * SECOND, 100 * MILLISECOND)
    hits = 0
    for run in range(60):
        x, y = lead_lag_pair(
            run, seconds=6 * 3600, lag=0.2, correlation=0.8, rates=(2.0, 0.3)
        )
        best = lags[np.argmax(np.abs(contrast(x, y, lags)))]
        hits += abs(best - 200 * MILLISECOND) <= 100 * MILLISECOND
    oracle.lies("runs within a step of 200 ms", hits / 60, 0.95, 1.0)


@pytest.fixture(scope="module")
def found():
    x, y = lead_lag_pair(1, seconds=3600, lag=0.2, correlation=0.8, rates=(5.0, 2.0))
    lags = lag_grid(2 * SECOND, 100 * MILLISECOND, 50 * MILLISECOND, 10 * MILLISECOND)
    return lead_lag(x, y, lags, 100 * MILLISECOND, replications=499, seed=1)


def test_the_estimate_with_its_band(found):
    assert found.best == 200 * MILLISECOND
    assert found.best_correlation == pytest.approx(0.8, abs=0.03)
    low, high = np.quantile(found.drawn_best, [0.025, 0.975])
    assert 100 * MILLISECOND <= low <= 200 * MILLISECOND <= high <= 300 * MILLISECOND
    assert found.sign_p_value == pytest.approx(1 / 500)
    np.testing.assert_allclose(found.drawn.mean(axis=0), found.correlation, atol=0.01)


def test_the_sign_under_clock_errors(found):
    kept = [found.sign_kept(error * MILLISECOND) for error in (0, 1, 50, 150, 400)]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] == kept[2] == 1.0
    assert kept[-1] == 0.0
    # As if the clock of y ran 400 ms ahead: y would lead.
    assert found.ratio(clock_error=400 * MILLISECOND) < 1.0 < found.ratio()


def test_the_mirrored_pair_says_the_same(found):
    x, y = lead_lag_pair(1, seconds=3600, lag=0.2, correlation=0.8, rates=(5.0, 2.0))
    mirrored = lead_lag(y, x, found.lags, 100 * MILLISECOND, replications=499, seed=1)
    assert mirrored.best == -found.best
    assert mirrored.ratio() == pytest.approx(1.0 / found.ratio(), rel=1e-9)


def test_ratios_sum_over_the_even_grid_only():
    lags = np.array([-2, -1, 0, 1, 2], np.int64)
    estimate = LeadLag(lags, np.array([0.1, 0.9, 0.0, -0.9, 0.3]), np.zeros((1, 5)),
                       lags % 2 == 0, 20)
    assert estimate.ratio() == pytest.approx(9.0)
    assert estimate.ratio(power=1) == pytest.approx(3.0)


def test_of_equal_correlations_the_shortest_lag_is_taken():
    lags = np.array([-2, -1, 0, 1, 2], np.int64)
    estimate = LeadLag(lags, np.array([0.5, 0.1, 0.1, -0.5, 0.5]), np.zeros((1, 5)),
                       np.ones(5, bool), 20)
    assert estimate.best == 1
    assert estimate.drawn_best.tolist() == [0]
    assert estimate.sign_p_value == 1.0


@pytest.mark.parametrize(("correlation", "rates"), [(0.0, (2.0, 2.0)), (0.7, (8.0, 1.0))])
def test_where_nobody_leads_a_leader_is_seldom_called(correlation, rates):
    """At 5 % in at most 5 % of the runs and three binomial standard errors; activity is no lead."""
    lags = lag_grid(SECOND, 100 * MILLISECOND)
    called = 0
    for run in range(60):
        x, y = lead_lag_pair(run, seconds=600, lag=0.0, correlation=correlation, rates=rates)
        estimate = lead_lag(x, y, lags, 100 * MILLISECOND, replications=99, seed=run)
        called += estimate.sign_p_value <= 0.05
    assert called <= 60 * 0.05 + 3.0 * np.sqrt(60 * 0.05 * 0.95)


def test_what_cannot_be_estimated_is_refused():
    flat = make_ticks(np.arange(1000) * SECOND, np.full(1000, 3.0))
    moving = Ticks(flat.times, np.random.default_rng(1).normal(size=1000).cumsum())
    lags = lag_grid(SECOND, SECOND)
    settings = {"replications": 9, "seed": 1}
    for x, y in ((flat, moving), (moving, flat), (moving.between(0, 1), moving)):
        with pytest.raises(ValueError, match="does not move"):
            lead_lag(x, y, lags, SECOND, **settings)
    with pytest.raises(ValueError, match="blocks"):
        lead_lag(moving, moving.between(0, 100 * SECOND), lags, SECOND, **settings)
    same = lead_lag(moving, moving, lags, SECOND, **settings)
    assert (same.best, same.best_correlation) == (0, pytest.approx(1.0))


def test_grids():
    assert lag_grid(30, 10, 4, 2).tolist() == [-30, -20, -10, -4, -2, 0, 2, 4, 10, 20, 30]


def test_blocks_are_of_seen_time():
    """A gap of months between two captures takes up no blocks."""
    month = 30 * 86_400 * SECOND
    first = np.arange(0, 600 * SECOND, SECOND)
    times = np.concatenate([first, first + month])
    walk = np.random.default_rng(2).normal(size=len(times))
    starts = times == month
    x = make_ticks(times, np.exp(1e-4 * np.cumsum(walk)), starts)
    ends = blocks_of(x, x, SECOND)
    assert len(ends) == 119
    assert ((ends > 599 * SECOND) & (ends < month)).sum() <= 1
    assert ends[-1] == times[-1]
    estimate = lead_lag(x, x, lag_grid(SECOND, SECOND), SECOND, replications=99, seed=1)
    assert estimate.blocks == 119
    assert estimate.best_correlation == pytest.approx(1.0)
    still = make_ticks(np.array([7]), np.array([1.0]))
    assert blocks_of(still, still, 5).tolist() == [7]


@pytest.mark.oracle("L1", "lead_lag")
def test_bitcoin_on_two_venues(shared, oracle):
    """L1: bitFlyer leads by 15 s."""
    pair = []
    for name in ("bitflyer", "btcbox"):
        with (shared / f"oracles/leadlag/{name}JPY_2018-08-12_small.csv").open() as file:
            rows = list(csv.DictReader(file))
        stamps = [datetime.fromisoformat(row["date"]).replace(tzinfo=UTC) for row in rows]
        times = np.array([int(stamp.timestamp()) for stamp in stamps]) * SECOND
        pair.append(make_ticks(times, np.array([float(row["last"]) for row in rows])))
    expected = json.loads((shared / "oracles/leadlag/btcjpy_hry_expected.json").read_text())
    estimate = lead_lag(
        *pair, lag_grid(60 * SECOND, SECOND), SECOND, replications=499, seed=20240808
    )
    assert expected["argmax_abs"] == 15
    oracle.agrees("lead in s", estimate.best / SECOND, 15)
    oracle.agrees("correlation there", estimate.best_correlation, expected["rho_at_best"],
                  atol=1e-12)
    oracle.agrees("correlations by lag", estimate.correlation, expected["rho"], atol=1e-12)
    oracle.agrees("lead-lag ratio", estimate.ratio(), expected["LLR_sq"], rtol=1e-12)
    assert estimate.ratio() == pytest.approx(14.49, abs=0.005)
    low, high = np.quantile(estimate.drawn_best, [0.025, 0.975]) / SECOND
    assert 5 <= low <= 15 <= high <= 25
    assert estimate.sign_kept(50 * MILLISECOND) == 1.0
    assert estimate.sign_p_value == pytest.approx(1 / 500)
