"""Estimators for ticks at their own times: planted truth, and input that is not as one hopes."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance.studies.asynchrony.blocks import block_ends, seen_time
from imbalance.studies.asynchrony.overlap import (
    blocked_contrast,
    blocked_variance,
    contrast,
    hayashi_yoshida,
    hayashi_yoshida_correlation,
)
from imbalance.studies.asynchrony.pre_averaging import (
    modulated_realised_covariance,
    pre_averaged_variance,
)
from imbalance.studies.asynchrony.realised import (
    bipower,
    kernel_bandwidth,
    kernel_covariance,
    parzen,
    realised_kernel,
    robust_two_scales,
    two_scales,
)
from imbalance.studies.asynchrony.sampling import (
    observation_rate,
    previous_tick,
    refresh_times,
    regular_grid,
    sampled_increments,
)
from imbalance.studies.asynchrony.ticks import Ticks, common, make_ticks
from imbalance.studies.epps.curve import bar_correlation, epps_factor
from tests.studies.ticking import SECOND, lead_lag_pair, noisy_pair, poisson_times

NOTHING = make_ticks(np.empty(0, np.int64), np.empty(0))
ONE = make_ticks(np.array([5]), np.array([2.0]))
FLAT = make_ticks(np.arange(50) * SECOND, np.full(50, 7.0))


def walk(seed, n=50, every=SECOND):
    steps = np.random.default_rng(seed).normal(size=n) * 1e-3
    return make_ticks(np.arange(n) * every, np.exp(np.cumsum(steps)))


# --- ticks ----------------------------------------------------------------------------------------


def test_ticks_are_ordered_and_one_to_a_time():
    ticks = make_ticks(np.array([3, 1, 3, 2]), np.array([10.0, 20.0, 30.0, np.nan]))
    assert ticks.times.tolist() == [1, 3]
    assert ticks.log_prices[1] == pytest.approx(np.log(30.0 / 20.0))


def test_prices_of_zero_and_below_are_no_prices():
    ticks = make_ticks(np.arange(4), np.array([0.0, -1.0, 5.0, np.inf]))
    assert ticks.times.tolist() == [2]


def test_a_gap_takes_its_return_out_and_is_remembered():
    prices = np.array([1.0, 2.0, 8.0, 16.0])
    ticks = make_ticks(np.array([0, 1, 5, 6]), prices, np.array([True, False, True, False]))
    np.testing.assert_allclose(ticks.increments, np.log([2.0, 1.0, 2.0]))
    assert ticks.gaps.tolist() == [[1, 5]]


def test_the_gap_of_a_start_without_a_price_is_handed_on():
    prices = np.array([1.0, 2.0, np.nan, 8.0])
    ticks = make_ticks(np.array([0, 1, 5, 6]), prices, np.array([True, False, True, False]))
    np.testing.assert_allclose(ticks.increments, np.log([2.0, 1.0]))
    assert ticks.gaps.tolist() == [[1, 6]]


def test_only_changes_are_kept_and_the_first_after_a_gap():
    prices = np.array([1.0, 1.0, 2.0, 2.0, 2.0, 3.0])
    starts = np.array([True, False, False, False, True, False])
    ticks = make_ticks(np.arange(6), prices, starts).changes()
    assert ticks.times.tolist() == [0, 2, 4, 5]
    assert ticks.gaps.tolist() == [[3, 4]]
    assert len(NOTHING.changes()) == 0
    assert len(FLAT.changes()) == 1


def test_both_series_are_cut_to_the_time_in_which_both_were_seen():
    x = make_ticks(np.arange(0, 100, 10), np.exp(np.arange(10.0)))
    y = make_ticks(np.array([15, 35, 61, 85]), np.exp(np.arange(4.0)),
                   np.array([True, False, True, False]))
    first, second = common(x, y)
    assert first.times.tolist() == [20, 30, 40, 50, 60, 70, 80]
    assert second.times.tolist() == [15, 35, 61, 85]
    # y has a gap over (35, 61]: of x is left what shares no time with it.
    assert first.increments.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    assert second.increments.tolist() == [1.0, 0.0, 1.0]
    assert first.gaps.tolist() == [[35, 61]]
    assert common(x, NOTHING) == (x, NOTHING)


def test_blocks_hold_equal_lengths_of_seen_time():
    none = np.empty((0, 2), np.int64)
    assert block_ends(100, 1100, none, 4).tolist() == [350, 600, 850, 1100]
    # Seen: 100–200, 500–700, 1000–1100; gaps overlap and reach over the ends.
    gaps = np.array([[700, 1000], [200, 400], [300, 500], [50, 100], [1100, 2000]])
    assert seen_time(100, 1100, gaps) == 400
    assert seen_time(100, 1100, none) == 1000
    # A block that ends at a gap ends behind it.
    ends = block_ends(100, 1100, gaps, 8)
    assert ends.tolist() == [150, 500, 550, 600, 650, 1000, 1050, 1100]
    assert block_ends(5, 5, none, 1).tolist() == [5]


# --- Hayashi–Yoshida ------------------------------------------------------------------------------


def by_definition(x, y, lag):
    """Every pair of increments whose half-open intervals share time."""
    total = 0.0
    for i in range(1, len(x)):
        for j in range(1, len(y)):
            start = max(x.times[i - 1], y.times[j - 1] - lag)
            if start < min(x.times[i], y.times[j] - lag):
                total += (x.log_prices[i] - x.log_prices[i - 1]) * (
                    y.log_prices[j] - y.log_prices[j - 1]
                )
    return total


series = st.lists(st.tuples(st.integers(0, 40), st.integers(-3, 3)), min_size=2, max_size=20,
                  unique_by=lambda pair: pair[0])


@given(series, series, st.integers(-50, 50))
@settings(max_examples=100)
def test_one_walk_gives_the_sum_over_all_overlaps(first, second, lag):
    x, y = (
        Ticks(np.array([t for t, _ in sorted(s)]), np.array([float(p) for _, p in sorted(s)]))
        for s in (first, second)
    )
    assert hayashi_yoshida(x, y, lag) == by_definition(x, y, lag)
    assert hayashi_yoshida(y, x, -lag) == by_definition(x, y, lag)


def test_on_common_times_it_is_the_realised_covariance():
    x, y = walk(1), walk(2)
    assert hayashi_yoshida(x, y) == pytest.approx(float(x.increments @ y.increments), abs=1e-18)
    assert hayashi_yoshida_correlation(x, x) == pytest.approx(1.0, abs=1e-12)


def test_blocks_add_up_to_the_contrast():
    x, y = lead_lag_pair(3, seconds=300, lag=0.2, correlation=0.8, rates=(2.0, 0.5))
    lags = np.array([-SECOND, 0, 200_000_000])
    edges = np.linspace(0, 300 * SECOND, 8)[1:].astype(np.int64)
    blocks = blocked_contrast(x, y, lags, edges)
    np.testing.assert_allclose(blocks.sum(axis=0), contrast(x, y, lags), rtol=1e-12)
    assert blocked_variance(x, edges).sum() == pytest.approx(x.variance, rel=1e-12)
    first = x.between(0, int(edges[0]) + 1)
    assert blocks[0, 1] == pytest.approx(hayashi_yoshida(first, y), rel=1e-12)


def test_it_has_no_value_below_two_ticks_nor_a_correlation_without_movement():
    for empty in (NOTHING, ONE):
        assert np.isnan(hayashi_yoshida(empty, FLAT))
        assert np.isnan(hayashi_yoshida(FLAT, empty))
        assert np.isnan(hayashi_yoshida_correlation(empty, FLAT))
    assert hayashi_yoshida(FLAT, walk(1)) == 0.0
    assert np.isnan(hayashi_yoshida_correlation(FLAT, walk(1)))


def test_what_happens_over_a_gap_counts_nowhere():
    x = walk(1, 100)
    prices = np.exp(x.log_prices)
    prices[50:] *= 3.0
    starts = np.arange(100) == 50
    gapped = make_ticks(x.times, prices, starts)
    left_out = x.increments.copy()
    left_out[49] = 0.0
    assert hayashi_yoshida(gapped, gapped) == pytest.approx(float(left_out @ left_out), rel=1e-12)


# --- common times ---------------------------------------------------------------------------------


def test_previous_tick():
    ticks = make_ticks(np.array([10, 20]), np.array([1.0, np.e]))
    found = previous_tick([ticks, ONE, NOTHING], np.array([4, 10, 19, 20, 99]))
    np.testing.assert_allclose(found[:, 0], [np.nan, 0.0, 0.0, 1.0, 1.0])
    np.testing.assert_allclose(found[:, 1], [np.nan, 0.0, 0.0, 0.0, 0.0])
    assert np.isnan(found[:, 2]).all()


def test_a_bar_that_a_gap_reaches_into_is_left_out():
    x = make_ticks(np.arange(10) * 10, np.exp(np.arange(10.0)), np.arange(10) == 5)
    grid = np.arange(0, 91, 10)
    # The gap is (40, 50]; the bars that share time with it: (40, 50] alone.
    assert len(sampled_increments([x], grid)) == 8
    # Off the grid: (35, 45] and (45, 55].
    assert len(sampled_increments([x], np.arange(5, 96, 10))) == 7


def test_refresh_times_by_hand():
    a = make_ticks(np.array([1, 4, 5, 9]), np.ones(4))
    b = make_ticks(np.array([2, 3, 8, 20]), np.ones(4))
    # From 2 on: 4 and 3; from 4 on: 5 and 8; from 8 on: 9 and 20.
    assert refresh_times([a, b]).tolist() == [2, 4, 8, 20]
    assert refresh_times([a, NOTHING]).tolist() == []
    assert refresh_times([a]).tolist() == a.times.tolist()


@pytest.mark.parametrize("size", [2, 3, 5, 10])
def test_mean_gap_of_refresh_times(shared, size):
    """A1: H_N/λ."""
    wanted = json.loads((shared / "oracles/analytic/closed_forms.json").read_text())
    mean = wanted["refresh_time_mean_interval_lambda1"][f"N={size}"]
    generator = np.random.default_rng(size)
    times = [(poisson_times(generator, 1.0, 40_000) * SECOND).astype(np.int64)
             for _ in range(size)]
    found = refresh_times([Ticks(t, np.zeros(len(t))) for t in times])
    assert np.diff(found).mean() / SECOND == pytest.approx(mean, rel=0.02)


def test_a_regular_grid_begins_when_all_have_a_price():
    x = make_ticks(np.array([3, 30]), np.ones(2))
    y = make_ticks(np.array([12, 45]), np.ones(2))
    assert regular_grid([x, y], 10).tolist() == [20, 30]
    assert regular_grid([x, NOTHING], 10).tolist() == []


def test_a_regular_grid_leaves_out_gaps_and_no_return_with_them():
    generator = np.random.default_rng(5)
    starts, series = np.isin(np.arange(900), [300, 600]), []
    for _ in range(2):
        own = np.sort(generator.choice(900, 300, replace=False))
        times = np.concatenate([own, own + 950, own + 1_900]) * SECOND
        series.append(make_ticks(times, 100.0 + generator.random(900), starts))
    grid = regular_grid(series, 7 * SECOND)
    every = np.arange(grid[0], grid[-1] + 1, 7 * SECOND)
    assert set(grid.tolist()) < set(every.tolist())
    np.testing.assert_array_equal(
        sampled_increments(series, grid), sampled_increments(series, every))
    years = np.array([0, SECOND, 10**18, 10**18 + SECOND])
    apart = make_ticks(years, np.full(4, 2.0), np.array([False, False, True, False]))
    assert regular_grid([apart], SECOND).tolist() == years.tolist()


def test_rate_of_ticks():
    assert observation_rate(walk(1, 11, SECOND // 2)) == pytest.approx(2.0)
    assert np.isnan(observation_rate(ONE))


# --- noise ----------------------------------------------------------------------------------------

PLANTED = {"n": 20_000, "correlation": 0.6, "variance": 4e-4, "noise": 2e-4}


@pytest.fixture(scope="module")
def noisy():
    return noisy_pair(7, **PLANTED)


def test_noise_robust_estimators_find_what_was_planted(noisy):
    """The realised variance is 5 times the integrated one here; 4 standard errors are 15 %."""
    variance, covariance = PLANTED["variance"], PLANTED["variance"] * PLANTED["correlation"]
    returns = np.column_stack([ticks.increments for ticks in noisy])
    assert np.square(returns[:, 0]).sum() > 4.5 * variance
    for found in (
        realised_kernel(returns),
        modulated_realised_covariance(returns, noise_corrected=True),
    ):
        np.testing.assert_allclose(np.diag(found), variance, rtol=0.15)
        assert found[0, 1] == pytest.approx(covariance, rel=0.2)
    assert pre_averaged_variance(returns[:, :1]) == pytest.approx(variance, rel=0.15)
    assert two_scales(noisy[0].log_prices) == pytest.approx(variance, rel=0.2)
    assert robust_two_scales(noisy[0]) == pytest.approx(variance, rel=0.25)


def test_jumps_are_cut_off_by_those_that_promise_it(noisy):
    calm = noisy_pair(8, n=20_000, correlation=0.6, variance=4e-4, noise=0.0)
    jump = np.where(np.arange(20_000) >= 9_000, 0.05, 0.0)
    returns = np.column_stack([np.diff(ticks.log_prices + jump) for ticks in calm])
    assert np.square(returns[:, 0]).sum() == pytest.approx(4e-4 + 0.05**2, rel=0.05)
    found = bipower(returns)
    # What is left of the jump is its product with two ordinary returns.
    beside = np.abs(returns[[8_998, 9_000], 0]).sum()
    left = np.array([np.pi / 2.0 * 0.05 * beside, 0.0])
    np.testing.assert_allclose(np.diag(found) - left, 4e-4, rtol=0.06)
    assert found[0, 1] == pytest.approx(0.6 * 4e-4, rel=0.15)
    jumped = Ticks(noisy[0].times, noisy[0].log_prices + jump)
    assert robust_two_scales(jumped) == pytest.approx(robust_two_scales(noisy[0]), rel=0.05)
    assert two_scales(jumped.log_prices) > 4.0 * two_scales(noisy[0].log_prices)


def test_the_realised_kernel_is_positive_semidefinite():
    returns = np.random.default_rng(5).normal(size=(60, 8))
    assert np.linalg.eigvalsh(realised_kernel(returns)).min() > -1e-12
    assert np.linalg.eigvalsh(modulated_realised_covariance(returns)).min() > -1e-12


def test_kernel_by_hand():
    r = np.array([[1.0], [2.0], [-1.0], [3.0]])
    # Γ_0 = 15, Γ_1 = 2 − 2 − 3 = −3, Γ_2 = −1 + 6 = 5.
    found = kernel_covariance(r, np.array([1.0, 0.5, 0.25]))
    assert found[0, 0] == pytest.approx(15.0 + 2.0 * (0.5 * -3.0 + 0.25 * 5.0))
    np.testing.assert_allclose(parzen(np.array([0.0, 0.5, 1.0, 2.0])), [1.0, 0.25, 0.0, 0.0])
    # Without jittering of the ends nothing is left of H = 0 but the realised variance.
    inner = np.array([2.0 + 0.5, -1.0 + 1.5])
    assert realised_kernel(r, 0.0)[0, 0] == pytest.approx(float(inner @ inner))


def test_the_bandwidth_by_hand():
    """ω² = ½ and, over 20 ticks, IV = 21 · 20² / 20 for 40 returns of 1."""
    wanted = 3.5134 * (0.5 / 420.0) ** 0.4 * 40**0.6
    assert kernel_bandwidth(np.ones(40)) == pytest.approx(wanted, rel=1e-12)
    assert kernel_bandwidth(np.zeros(40)) == 0.0
    assert np.isnan(kernel_bandwidth(np.ones(1)))


def test_noise_robust_estimators_say_nan_or_zero_where_there_is_nothing_to_estimate():
    for few in (np.empty((0, 2)), np.zeros((1, 2)), np.zeros((3, 2))):
        assert np.isnan(realised_kernel(few)).all()
        assert np.isnan(modulated_realised_covariance(few)).all()
        assert np.isnan(pre_averaged_variance(few[:, :1]))
    assert np.isnan(two_scales(np.zeros(100)))
    assert np.isnan(robust_two_scales(walk(1, 100)))
    flat = np.zeros((500, 2))
    assert not realised_kernel(flat).any()
    assert not modulated_realised_covariance(flat).any()
    assert not bipower(flat).any()
    assert robust_two_scales(Ticks(np.arange(2_000), np.zeros(2_000))) == 0.0


def test_a_series_with_itself_and_with_its_opposite(noisy):
    returns = noisy[0].increments
    for both in (realised_kernel, modulated_realised_covariance, bipower):
        found = both(np.column_stack([returns, returns, -returns]))
        assert found[0, 1] == pytest.approx(found[0, 0], rel=1e-9)
        assert found[0, 2] == pytest.approx(-found[0, 0], rel=1e-9)


# --- the Epps effect ------------------------------------------------------------------------------


@pytest.mark.oracle("A1", "epps")
def test_the_closed_form_of_poisson_arrivals(shared, oracle):
    """A1: 1 + (e^{−λΔ} − 1)/(λΔ) for equal rates."""
    wanted = json.loads((shared / "oracles/analytic/closed_forms.json").read_text())["epps"]
    for name, factor in wanted.items():
        product = float(name.split("=")[1])
        found = [epps_factor(product, product, 1.0), epps_factor(product / 4.0, product / 4.0, 4.0)]
        oracle.agrees(f"Epps factor, {name}", found, [factor, factor], atol=1e-12)


@pytest.mark.oracle("Sim4", "epps")
@pytest.mark.parametrize("rates", [(1.0, 1.0), (2.0, 0.4)])
def test_the_curve_follows_the_closed_form(oracle, rates):
    """Sim4: within 2 %, of which 4 standard errors are less; correlation 1 shows the factor."""
    steps = (1, 2, 5, 10)
    found = np.zeros((12, len(steps)))
    for run in range(12):
        pair = lead_lag_pair(run, seconds=200_000, lag=0.0, correlation=1.0, rates=rates)
        for column, step in enumerate(steps):
            x, y = sampled_increments(pair, regular_grid(pair, step * SECOND)).T
            found[run, column] = (x @ y) / np.sqrt((x @ x) * (y @ y))
    wanted = np.array([epps_factor(*rates, step) for step in steps])
    oracle.agrees(f"curve, {rates} ticks per s", found.mean(axis=0), wanted, rtol=0.02)
    assert (4.0 * found.std(axis=0) / np.sqrt(12) < 0.02 * wanted).all()


def test_hayashi_yoshida_has_no_epps_effect():
    found = [
        hayashi_yoshida_correlation(*lead_lag_pair(
            run, seconds=10_000, lag=0.0, correlation=0.7, rates=(1.0, 0.3)))
        for run in range(20)
    ]
    assert np.mean(found) == pytest.approx(0.7, abs=0.02)
    short = bar_correlation(*lead_lag_pair(
        0, seconds=10_000, lag=0.0, correlation=0.7, rates=(1.0, 0.3)), SECOND)
    assert short.estimate < 0.25


def test_the_standard_error_of_a_bar_correlation_covers():
    kept = 0
    for run in range(200):
        x, y = noisy_pair(run, n=400, correlation=0.5, variance=1e-4, noise=0.0)
        found = bar_correlation(x, y, SECOND)
        kept += abs(found.estimate - 0.5) < 1.96 * found.standard_error
    assert 0.90 <= kept / 200 <= 0.985


def test_a_bar_correlation_without_bars_or_movement_is_null():
    for x, y in ((NOTHING, FLAT), (ONE, FLAT), (FLAT, walk(1)), (walk(1, 3), walk(2, 3))):
        found = bar_correlation(x, y, SECOND)
        assert np.isnan(found.estimate)
        assert np.isnan(found.standard_error)
    assert bar_correlation(walk(1), walk(1), SECOND).estimate == pytest.approx(1.0)
