"""Penalised regressions against scikit-learn; steps and folds in the order of time."""

import numpy as np
import pytest

from imbalance.studies.inference.forecasts import accuracy, clark_west, loss_blocks
from imbalance.studies.price_impact.penalised import (
    PENALTIES,
    SMALLEST,
    lasso,
    lasso_path,
    least_squares,
    ridge,
    ridge_path,
)
from imbalance.studies.walk_forward import HALF_HOUR, ordered_folds, walk_forward


@pytest.fixture(scope="module")
def sample():
    generator = np.random.default_rng(0)
    x = generator.standard_normal((403, 12))
    x[:, 1] += 0.9 * x[:, 0]
    y = x[:, 0] - 0.5 * x[:, 3] + 0.05 * x[:, 5] + generator.standard_normal(403)
    return x * np.arange(1, 13), y


def standardised(sample):
    x, y = sample
    return (x - x.mean(axis=0)) / x.std(axis=0), (y - y.mean()) / y.std()


def test_the_path_is_that_of_scikit_learn(sample):
    from sklearn.linear_model import Ridge
    from sklearn.linear_model import lasso_path as by_scikit_learn

    z, w = standardised(sample)
    penalties = np.geomspace(0.5, 1e-3, 20)
    ours = lasso_path(z.T @ z / len(z), z.T @ w / len(z), penalties)
    _, theirs, _ = by_scikit_learn(z, w, alphas=penalties, tol=1e-12, max_iter=100_000)
    np.testing.assert_allclose(ours, theirs.T, atol=2e-5)
    assert np.count_nonzero(ours[3]) < 12
    ridges = ridge_path(z.T @ z / len(z), z.T @ w / len(z), penalties)
    for found, penalty in zip(ridges, penalties, strict=True):
        theirs = Ridge(alpha=penalty * len(z), fit_intercept=False, tol=1e-12).fit(z, w).coef_
        np.testing.assert_allclose(found, theirs, atol=1e-9)


def test_the_penalty_is_that_of_scikit_learn_on_folds_in_time(sample):
    from sklearn.linear_model import LassoCV
    from sklearn.model_selection import TimeSeriesSplit

    z, w = standardised(sample)
    largest = np.abs(z.T @ w / len(z)).max()
    theirs = LassoCV(alphas=np.geomspace(largest, largest * SMALLEST, PENALTIES), tol=1e-10,
                     cv=TimeSeriesSplit(5), max_iter=100_000).fit(z, w)
    ours = lasso(*sample, folds=5)
    assert ours.penalty == pytest.approx(theirs.alpha_)
    np.testing.assert_allclose(ours.standardised, theirs.coef_, atol=2e-5)
    x, y = sample
    np.testing.assert_allclose(ours.forecast(x), y.mean() + y.std() * theirs.predict(z), atol=1e-4)


def test_least_squares_and_a_measure_that_stands_still(sample):
    x, y = sample
    design = np.column_stack([np.ones(len(x)), x])
    wanted = np.linalg.lstsq(design, y, rcond=None)[0]
    found = least_squares(x, y)
    np.testing.assert_allclose([found.intercept, *found.coefficients], wanted, atol=1e-9)
    still = np.column_stack([x, np.full(len(x), 3.0)])
    for fit in (least_squares, lambda a, b: lasso(a, b, 5), lambda a, b: ridge(a, b, 5)):
        assert fit(still, y).coefficients[-1] == 0.0


def test_folds_are_those_of_scikit_learn():
    from sklearn.model_selection import TimeSeriesSplit

    for n in (24, 61):
        ours = ordered_folds(n, 5)
        for step, (train, test) in zip(ours, TimeSeriesSplit(5).split(np.zeros(n)), strict=True):
            assert np.arange(n)[step.train].tolist() == train.tolist()
            assert np.arange(n)[step.test].tolist() == test.tolist()


def test_there_are_no_more_folds_than_rows():
    folds = ordered_folds(4, 10)
    assert [(one.train.stop, one.test.start, one.test.stop) for one in folds] == [
        (1, 1, 2), (2, 2, 3), (3, 3, 4)]
    assert ordered_folds(1, 5) == []
    x = np.random.default_rng(12).standard_normal((30, 1))
    y = 2.0 * x[:, 0] + 0.1 * np.random.default_rng(13).standard_normal(30)
    assert ridge(x, y, folds=100).coefficients[0] == pytest.approx(2.0, abs=0.1)


def test_one_value_tests_nothing():
    one = np.array([1.0])
    assert np.isnan(clark_west(one, 0.0 * one, one).p_value)
    assert clark_west(one, one, 0.0 * one).p_value == 1.0


def test_steps_look_back_half_an_hour_and_never_ahead():
    starts = 17 * HALF_HOUR + np.arange(6 * 180) * 10_000_000_000
    steps = walk_forward(starts, 20)
    assert [(s.train.start, s.train.stop, s.test.stop) for s in steps] == [
        (180 * k, 180 * (k + 1), 180 * (k + 2)) for k in range(5)]
    short = walk_forward(starts[:100], 20)
    assert [(s.train, s.test) for s in short] == [
        (slice(0, 20 * k), slice(20 * k, 20 * (k + 1))) for k in range(1, 5)]
    assert walk_forward(starts[:10], 20) == []
    assert walk_forward(starts[:0], 20) == []


def test_a_nested_model_is_beaten_only_where_the_larger_knows_more():
    """Size and power of the test of Clark and West on 200 forecasts by expanding means."""
    generator = np.random.default_rng(1)
    rejected = np.zeros(2)
    for _ in range(150):
        x, noise = generator.standard_normal((2, 300))
        for place, slope in enumerate((0.0, 0.35)):
            y = slope * x + noise
            # The coefficient as known before each bar.
            beta = np.cumsum(x * y)[99:-1] / np.cumsum(x * x)[99:-1]
            gap = beta * x[100:]
            test = clark_west(y[100:], y[100:] - gap, gap)
            rejected[place] += test.p_value <= 0.05
    assert rejected[0] / 150 <= 0.09
    assert rejected[1] / 150 >= 0.95


def test_accuracy_is_told_with_its_interval():
    generator = np.random.default_rng(2)
    signal, noise = generator.standard_normal((2, 2_000))
    y = signal + noise
    losses = np.column_stack([np.square(y - signal), np.square(y - 0.5 * signal)])
    blocks = loss_blocks(losses, 199, 1)
    found = accuracy(losses, np.square(y), blocks)
    np.testing.assert_allclose(found.r_squared, 1.0 - losses.sum(axis=0) / np.square(y).sum())
    assert found.r_squared == pytest.approx([0.5, 0.375], abs=0.04)
    assert found.draws.std(axis=0) == pytest.approx([0.016, 0.012], rel=0.4)
