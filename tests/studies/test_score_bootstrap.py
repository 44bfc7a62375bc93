import numpy as np
import pytest

from imbalance.studies.score_bootstrap import block_slots, block_sums, blocks, resample


def regression(seed, n, spread=None):
    generator = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), generator.standard_normal(n)])
    errors = generator.standard_normal((n, 2)) * (1.0 if spread is None else spread(x))
    return x, x @ np.array([[1.0, 0.0], [0.5, -0.5]]) + errors


def fitted(x, y):
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ y
    return beta, inverse, y - x @ beta


def test_blocks_are_stretches_of_time():
    targets = np.array([0, 1, 2, 5, 6, 30, 31, 34])
    assert [list(targets[r]) for r in blocks(targets, 5)] == [[0, 1, 2], [5, 6], [30, 31, 34]]
    assert block_slots(1_000) == 10
    assert block_slots(1) == 1


def test_errors_are_those_of_heteroskedasticity():
    def spread(x):
        return 0.2 + 2.0 * np.abs(x[:, 1:])

    x, y = regression(0, 3_000, spread)
    beta, inverse, residuals = fitted(x, y)
    sums = block_sums(x, residuals, np.arange(len(x)), 1)
    drawn = resample(sums, beta, inverse, 1_999, 0)
    scores = x[:, :, None] * residuals[:, None, :]
    for equation in (0, 1):
        robust = inverse @ (scores[:, :, equation].T @ scores[:, :, equation]) @ inverse
        np.testing.assert_allclose(drawn.beta[:, :, equation].std(axis=0),
                                   np.sqrt(np.diag(robust)), rtol=0.06)
    assert drawn.beta[:, 1, 0].std() > 1.5 * np.sqrt(inverse[1, 1] * residuals[:, 0].var())


def test_replications_are_centred_on_the_estimates():
    x, y = regression(1, 3_000)
    beta, inverse, residuals = fitted(x, y)
    drawn = resample(block_sums(x, residuals, np.arange(len(x)), 15), beta, inverse, 1_999, 0)
    np.testing.assert_allclose(drawn.beta.mean(axis=0), beta, atol=2e-3)
    sigma = residuals.T @ residuals / (len(x) - 2)
    np.testing.assert_allclose(drawn.sigma.mean(axis=0), sigma, rtol=0.01, atol=2e-3)


def test_the_same_seed_gives_the_same_replications():
    x, y = regression(2, 200)
    beta, inverse, residuals = fitted(x, y)
    sums = block_sums(x, residuals, np.arange(200), 6)
    one, again = (resample(sums, beta, inverse, 20, 7) for _ in range(2))
    assert (one.beta == again.beta).all()
    assert not (one.beta == resample(sums, beta, inverse, 20, 8).beta).all()
    assert one.sigma[0, 0, 0] == pytest.approx(1.0, abs=0.5)
