"""Block lengths, block bootstraps, races of models and surrogates: against arch and planted truth.

arch is asked for the same thing on the same draws.
"""

import math

import numpy as np
import pytest

from imbalance.studies.inference.block_length import joint_block_length, optimal_block_length
from imbalance.studies.inference.model_race import race
from imbalance.studies.inference.resampling import (
    Blocks,
    bootstrap,
    bootstrap_means,
    draw_blocks,
    percentile_interval,
)
from imbalance.studies.inference.surrogates import draw_shifts, shift_test, upper_tail


@pytest.mark.parametrize("coefficient", [-0.5, 0.0, 0.3, 0.9, 0.99])
@pytest.mark.parametrize("length", [60, 2_000])
def test_block_lengths_are_those_of_arch(coefficient, length, make_autoregression):
    from arch.bootstrap import optimal_block_length as reference

    series = make_autoregression(np.random.default_rng(1), coefficient, (length,))
    expected = reference(series).iloc[0]
    found = optimal_block_length(series)
    assert found.stationary == pytest.approx(max(expected["stationary"], 1.0), rel=1e-9)
    assert found.moving == pytest.approx(max(expected["circular"], 1.0), rel=1e-9)


def test_block_lengths_bear_gaps(make_autoregression):
    series = make_autoregression(np.random.default_rng(2), 0.8, (20_000,))
    whole = optimal_block_length(series).moving
    series[np.random.default_rng(3).random(len(series)) < 0.2] = np.nan
    assert optimal_block_length(series).moving == pytest.approx(whole, rel=0.35)
    assert optimal_block_length(np.full(50, 3.0)).moving == 1.0
    assert optimal_block_length(np.full(50, np.nan)).moving == 1.0
    assert joint_block_length(series, np.ones(50)) == math.ceil(optimal_block_length(series).moving)


@pytest.mark.parametrize("scheme", ["moving", "stationary"])
def test_every_replication_draws_whole_blocks(scheme):
    blocks = draw_blocks(101, 7.0, 50, seed=1, scheme=scheme)
    for r in range(50):
        rows = blocks.rows(r)
        assert len(rows) == 101
        assert rows.min() >= 0
        assert rows.max() < 101
        steps = np.diff(rows) % 101
        joints = int((steps != 1).sum())
        assert joints <= blocks.first[r + 1] - blocks.first[r]
    assert 5.0 < blocks.lengths.mean() <= 8.0
    again = draw_blocks(101, 7.0, 50, seed=1, scheme=scheme)
    assert np.array_equal(again.starts, blocks.starts)


def test_means_without_rows_are_the_means_of_the_rows():
    data = np.random.default_rng(4).standard_normal((300, 3))
    blocks = draw_blocks(300, 9.0, 40, seed=2, scheme="stationary")
    by_rows = bootstrap(lambda rows: rows.mean(axis=0), data, blocks)
    np.testing.assert_allclose(bootstrap_means(data, blocks), by_rows, atol=1e-12)


@pytest.mark.parametrize("scheme", ["moving", "stationary"])
def test_the_interval_of_a_mean_covers_it(scheme, make_autoregression):
    """95 % intervals of the mean of an AR(1) with φ = 0.5; iid draws would cover some 75 %."""
    generator = np.random.default_rng(5)
    covered = 0
    for run in range(120):
        series = make_autoregression(generator, 0.5, (600,))
        best = optimal_block_length(series)
        length = best.moving if scheme == "moving" else best.stationary
        draws = bootstrap_means(series[:, None], draw_blocks(600, length, 299, run, scheme))
        low, high = percentile_interval(draws)
        covered += bool(low[0] <= 0.0 <= high[0])
    assert 0.87 <= covered / 120 <= 0.98


@pytest.fixture(scope="module")
def competition():
    """Losses of a benchmark and eight models; arch's tests; and its draws as blocks of one row."""
    from arch.bootstrap import SPA, StationaryBootstrap, StepM

    generator = np.random.default_rng(6)
    benchmark = generator.standard_normal(300) ** 2 + 0.25
    models = generator.standard_normal((300, 8)) ** 2
    models[:, 0] -= 0.2
    models[:, 3] += 1.0
    tests = SPA(benchmark, models, block_size=10, reps=500, seed=7)
    tests.compute()
    steps = StepM(benchmark, models, size=0.1, block_size=10, reps=500, seed=7)
    steps.compute()
    drawn = StationaryBootstrap(10, np.arange(300), seed=7).bootstrap(500)
    rows = np.concatenate([position[0] for position, _ in drawn]).astype(np.int64)
    blocks = Blocks(300, 10.0, np.arange(501) * 300, rows, np.ones(len(rows), dtype=np.int64))
    return benchmark[:, None] - models, blocks, tests.pvalues, steps.superior_models


def test_the_race_is_that_of_arch_on_the_same_draws(competition):
    gains, blocks, expected, better = competition
    found = race(gains, blocks, significance=0.1, studentised=False)
    assert (found.lower, found.consistent, found.upper) == pytest.approx(
        # arch leaves the sample itself out of its draws.
        [(500 * expected[name] + 1) / 501 for name in ("lower", "consistent", "upper")], abs=1e-12)
    assert list(found.better) == [int(model) for model in better]


def test_no_race_is_won_for_certain():
    blocks = draw_blocks(200, 4.0, 199, 0, "stationary")
    gains = 5.0 + np.random.default_rng(7).standard_normal((200, 2))
    assert race(gains, blocks).consistent == 1 / 200
    # Models that forecast the same as the benchmark gain nothing.
    assert race(np.zeros((200, 2)), blocks).consistent == 1.0


def test_studentising_keeps_a_noisy_model_from_hiding_a_good_one():
    generator = np.random.default_rng(8)
    gains = np.column_stack([0.1 + 0.5 * generator.standard_normal(500),
                             30.0 * generator.standard_normal(500)])
    blocks = draw_blocks(500, 5.0, 499, seed=9, scheme="stationary")
    assert race(gains, blocks).better == (0,)
    assert race(gains, blocks, studentised=False).better == ()


def test_the_race_keeps_its_level():
    """No model is better: Hansen's test calls one in 5 %, White's in no more."""
    generator = np.random.default_rng(10)
    called = np.zeros(2)
    for run in range(120):
        gains = generator.standard_normal((200, 6)) - np.array([0, 0, 0, 0, 0.3, 0.6])
        blocks = draw_blocks(200, 4.0, 199, run, "stationary")
        called += [race(gains, blocks).consistent <= 0.05,
                   race(gains, blocks, studentised=False).upper <= 0.05]
    limit = 0.05 + 3 * math.sqrt(0.05 * 0.95 / 120)
    assert called[0] / 120 <= limit
    assert called[1] <= called[0]


def absolute_correlation(x, y):
    there = np.isfinite(x) & np.isfinite(y)
    return abs(np.corrcoef(x[there], y[there])[0, 1])


def test_shifts_keep_what_series_remember(make_autoregression):
    """Independent AR(1) series of φ = 0.9: 5 % are called; shuffled bars would call most."""
    generator = np.random.default_rng(11)
    shifts = draw_shifts(400, 99, seed=12, least=20)
    found = []
    for _ in range(150):
        x, y = make_autoregression(generator, 0.9, (2, 400))
        found.append(shift_test(absolute_correlation, x, y, shifts).p_value)
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)


def test_dependence_is_found_and_the_fitted_tail_said():
    generator = np.random.default_rng(13)
    x = generator.standard_normal(800)
    y = 0.5 * x + generator.standard_normal(800)
    x[100:140] = np.nan
    test = shift_test(absolute_correlation, x, y, draw_shifts(800, 199, seed=14))
    assert test.tail_fitted
    assert test.p_value < 1e-4
    assert "generalised Pareto tail of 199" in test.told
    none = shift_test(absolute_correlation, x, generator.standard_normal(800),
                      draw_shifts(800, 199, seed=14))
    assert "share of" in none.told or none.p_value < 0.06


@pytest.mark.parametrize(("observed", "expected"), [(9.0, math.exp(-9)), (14.0, math.exp(-14))])
def test_the_fitted_tail_goes_beyond_the_surrogates(observed, expected):
    generator = np.random.default_rng(15)
    found = [upper_tail(observed, generator.exponential(size=999)).p_value for _ in range(99)]
    assert expected / 10 < np.median(found) < expected * 10


def test_small_p_values_from_the_tail_are_not_too_small():
    """Under the null, shares of p ≤ 0.001 by 199 surrogates: nominal within Monte Carlo error."""
    generator = np.random.default_rng(16)
    found = []
    for _ in range(1_500):
        surrogates = generator.standard_normal(199)
        found += [upper_tail(value, surrogates).p_value for value in generator.standard_normal(10)]
    assert np.mean(np.array(found) <= 0.001) <= 0.001 + 3 * math.sqrt(0.001 / 15_000)


def test_shifts_are_as_long_as_demanded_and_all_there_are():
    shifts = draw_shifts(50, 99, seed=1, least=10)
    assert shifts.tolist() == list(range(10, 41))
    assert len(set(draw_shifts(5_000, 99, seed=1).tolist())) == 99
