"""What the written captures show is what was planted, to the rounding of ticks and lots."""

from bisect import bisect_right
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from imbalance.simulate.dynamics import draw_paths, joint_system
from imbalance.simulate.orderbook import lot_value

PERPETUAL, ETHER = "binance-futures:BTCUSDT", "binance-futures:ETHUSDT"
SPOT, INVERSE = "binance:BTCUSDT", "binance-delivery:BTCUSD_PERP"
ALL = (PERPETUAL, ETHER, SPOT, INVERSE)


@pytest.fixture(scope="module")
def planted(scenario):
    return draw_paths(scenario, joint_system(scenario), np.random.default_rng([scenario.seed, 0]))


@pytest.mark.parametrize("name", ALL)
def test_flow_and_return_of_every_second_are_the_planted_ones(name, replays, planted, scenario):
    one, shown, path = scenario.instrument(name), replays[name], planted[name]
    lot = lot_value(one, one.price)
    # Two cumulative values, each within half a lot.
    np.testing.assert_allclose(shown.flow[1:], path.flows.sum(axis=1)[1:], rtol=0, atol=1.05 * lot)
    # The mid is within half a tick of the planted one at both ends.
    tick_bps = 1e4 * one.tick / one.price
    np.testing.assert_allclose(
        shown.returns[1:], path.returns.sum(axis=1)[1:], rtol=0, atol=1.05 * tick_bps
    )


@pytest.mark.parametrize("name", ALL)
def test_quotes_show_the_best_of_the_rebuilt_book(name, replays):
    assert replays[name].mismatches == 0
    assert replays[name].compared > 2000


@pytest.mark.parametrize("name", ALL)
def test_chain_is_unbroken_across_midnight_and_starts_with_stale_differences(name, replays):
    assert replays[name].breaks == []
    assert 3 <= replays[name].stale <= 6
    assert not np.isnan(replays[name].mid_100ms[10:]).any()


@pytest.mark.parametrize("name", ALL)
def test_impact_regression_finds_the_planted_slope(name, replays, market):
    _, truth = market
    impact = next(one for one in truth.impacts if one.instrument == name)
    flow, change = replays[name].flow[2:], replays[name].returns[2:]
    r = np.corrcoef(flow, change)[0, 1]
    slope = r * change.std() / flow.std()
    standard_error = change.std() / flow.std() * np.sqrt((1 - r**2) / (len(flow) - 2))
    # Followers' residuals are autocorrelated, which this standard error does not know.
    assert abs(slope - impact.slope) < 3.5 * standard_error
    # Fisher's z: the error of r is (1 − ρ²)/√n.
    rho = np.sqrt(impact.r_squared)
    assert abs(r - rho) < 3.5 * (1 - impact.r_squared) / np.sqrt(len(flow))


def test_joint_var_is_recovered_by_least_squares(replays, market):
    _, truth = market
    for system in truth.autoregressions:
        columns = [
            replays[name].returns[2:] if measure == "return_bps" else replays[name].flow[2:]
            for name, measure in system.variables
        ]
        z = np.column_stack(columns)
        coefficients, sigma = system.arrays()
        past = np.hstack([z[1:-1], z[:-2]])
        estimate, *_ = np.linalg.lstsq(past, z[2:], rcond=None)
        residuals = z[2:] - past @ estimate
        covariance = residuals.T @ residuals / (len(past) - past.shape[1])
        # Wald statistic of all coefficients at once: trace(Σ⁻¹ D' X'X D) is χ² with p k² degrees.
        off = estimate - np.concatenate([a.T for a in coefficients])
        wald = np.trace(np.linalg.solve(covariance, off.T @ past.T @ past @ off))
        assert stats.chi2(off.size).cdf(wald) < 0.9999
        scale = np.sqrt(np.outer(np.diag(sigma), np.diag(sigma)))
        assert np.abs((covariance - sigma) / scale).max() < 0.2


@pytest.mark.parametrize(("follower", "steps"), [(SPOT, 10), (INVERSE, 2)])
def test_lagged_correlation_peaks_at_the_planted_lead(follower, steps, replays):
    x = np.diff(np.log(replays[PERPETUAL].mid_100ms[20:]))
    y = np.diff(np.log(replays[follower].mid_100ms[20:]))
    n = len(x)
    lags = range(-20, 21)
    correlations = [
        np.corrcoef(x[max(0, -k) : n - max(0, k)], y[max(0, k) : n - max(0, -k)])[0, 1]
        for k in lags
    ]
    assert lags[int(np.argmax(np.abs(correlations)))] == steps


def test_correlation_at_the_lead_is_what_theory_gives(replays, market):
    _, truth = market
    lead = next(one for one in truth.leads if one.follower == SPOT)
    x, y = replays[PERPETUAL].returns[2:], replays[SPOT].returns[2:]
    assert np.corrcoef(x[:-1], y[1:])[0, 1] == pytest.approx(lead.correlation, abs=0.07)


def test_unlinked_instruments_neither_lead_nor_follow(replays):
    x, y = replays[PERPETUAL].returns[2:], replays[ETHER].returns[2:]
    contemporaneous = np.corrcoef(x, y)[0, 1]
    assert contemporaneous == pytest.approx(0.5, abs=0.12)
    assert max(abs(np.corrcoef(x[k:], y[:-k])[0, 1]) for k in (8, 16, 32)) < 0.15


@pytest.mark.parametrize("name", ALL)
def test_trades_are_at_the_best_prices_and_lean_with_the_flow(
    name, messages_of, planted, replays, scenario
):
    trades = [data for _, data in messages_of(name)["trade"]]
    numbers = [trade["t"] for trade in trades]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    start_ms = 1741132440000
    signed = np.zeros(600)
    for trade in trades:
        signed[(trade["T"] - start_ms) // 1000] += -1 if trade["m"] else 1
    # One trade's sign has covariance E[x tanh(0.75 x)] = 0.55 with the flow x of its 100 ms step,
    # in deviations; √rate of them against the √(10 × 1.1) of a second give 0.165 √rate.
    lean = np.corrcoef(signed, planted[name].flows.sum(axis=1))[0, 1]
    rate = scenario.instrument(name).trades_per_second
    assert lean == pytest.approx(0.165 * np.sqrt(rate), abs=0.12)
    bests = replays[name].bests
    times = [at for at, _, _ in bests]
    for trade in trades:
        at = trade["T"] - start_ms
        if at >= 1000:
            _, bid, ask = bests[bisect_right(times, at) - 1]
            assert float(trade["p"]) == (bid if trade["m"] else ask)


@pytest.mark.parametrize("name", [PERPETUAL, ETHER, INVERSE])
def test_derivatives_send_their_mark_price_every_second(name, messages_of):
    marks = [data for _, data in messages_of(name)["markPrice"]]
    assert [b["E"] - a["E"] for a, b in pairwise(marks)] == [1000] * 598
    assert all(mark["T"] % 28_800_000 == 0 and mark["T"] > mark["E"] for mark in marks)
    assert "markPrice" not in messages_of(SPOT)
