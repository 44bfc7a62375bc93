import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import brentq

from imbalance.studies.correlation.kernels import mean_variance
from imbalance.studies.covariance import (
    andrews_bandwidth,
    hac_covariance,
    kernel_weights,
    long_run_variance,
    newey_west_bandwidth,
)


def test_equals_statsmodels(make_autoregression):
    generator = np.random.default_rng(0)
    x = np.column_stack([np.ones(400), make_autoregression(generator, 0.5, (2, 400)).T])
    y = x @ [1.0, 2.0, -1.0] + make_autoregression(generator, 0.6, (400,))
    fitted = sm.OLS(y, x).fit(cov_type="HAC", cov_kwds={"maxlags": 7, "use_correction": False})
    found = hac_covariance(x, y - x @ fitted.params, bandwidth=7)
    np.testing.assert_allclose(found, fitted.cov_params(), rtol=1e-9)


@pytest.mark.parametrize("gaps", [False, True])
def test_compiled_twin(make_autoregression, gaps):
    values = make_autoregression(np.random.default_rng(1), 0.6, (900,))
    if gaps:
        values[200:260] = np.nan
        values[500] = np.nan
    present = np.isfinite(values)
    psi = np.where(present, values - np.nanmean(values), 0.0)
    found, _, lag = mean_variance(psi, present.astype(float), np.empty(900))
    matrix = long_run_variance(
        np.where(present, psi, np.nan)[:, None], prewhiten=True, bandwidth=lag
    ).matrix
    assert found == pytest.approx(matrix[0, 0] / present.sum(), rel=1e-9)
    if not gaps:
        automatic = long_run_variance(psi[:, None], prewhiten=True)
        assert int(automatic.bandwidth) == lag


@pytest.mark.parametrize(("coefficient", "wanted"), [(0.0, 1.0), (0.3, 1 / 0.49), (0.6, 6.25)])
def test_long_run_variance_of_autoregressions(make_autoregression, coefficient, wanted):
    values = make_autoregression(np.random.default_rng(2), coefficient, (200_000, ))
    found = long_run_variance(values[:, None], prewhiten=True).matrix[0, 0]
    assert found == pytest.approx(wanted, rel=0.05)


def test_products_do_not_reach_over_a_gap():
    """Two stretches of opposite sign: joined, lag 1 would have one product of −1 more."""
    scores = np.concatenate([np.ones(30), np.full(5, np.nan), -np.ones(30)])[:, None]
    found = long_run_variance(scores, bandwidth=1).matrix[0, 0]
    # γ_0 = 60/60; γ_1 = 58/60, weight ½ on both sides.
    assert found == pytest.approx(1.0 + 58 / 60)


@pytest.mark.parametrize(("n", "bandwidth"), [(300, 0.0), (300, 7.9), (300, 120.0), (40, 80.0)])
def test_runs_of_rows_have_bartletts_weights(n, bandwidth):
    """The mean product of sums over runs is the sum over lags, also with gaps and beyond n."""
    generator = np.random.default_rng(31)
    scores = generator.standard_normal((n, 3))
    scores[generator.random(n) < 0.1] = np.nan
    filled = np.nan_to_num(scores)
    weights = kernel_weights("bartlett", bandwidth, n)
    total = filled.T @ filled
    for lag in range(1, len(weights)):
        product = filled[lag:].T @ filled[:-lag]
        total += weights[lag] * (product + product.T)
    found = long_run_variance(scores, bandwidth=bandwidth)
    np.testing.assert_allclose(found.matrix * found.n, total, rtol=1e-11, atol=1e-11)


def test_rows_without_neighbours_are_not_prewhitened():
    rows = np.full((41, 2), np.nan)
    rows[::2] = np.random.default_rng(3).standard_normal((21, 2))
    found = long_run_variance(rows, prewhiten=True)
    kept = rows[::2]
    np.testing.assert_allclose(found.matrix, kept.T @ kept / 21, rtol=1e-12)
    assert found.n == 21


def test_a_bandwidth_is_at_most_a_quarter_of_the_sample():
    """Where next to nothing is left at frequency zero, the choice has no bound of its own."""
    noise = np.random.default_rng(3).standard_normal(400)
    turns = np.tile([1.0, -1.0], 200)

    def at_zero(share):
        scores = noise + share * turns
        return scores @ scores + 2.0 * sum(scores[j:] @ scores[:-j] for j in range(1, 6))

    scores = (noise + brentq(at_zero, 0.0, 9.0, xtol=1e-14) * turns)[:, None]
    assert newey_west_bandwidth(scores) == 100
    assert long_run_variance(scores).bandwidth == 100
    assert long_run_variance(scores).matrix[0, 0] > 0.0
    walk = np.cumsum(noise)[:, None]
    assert andrews_bandwidth(walk - walk.mean()) <= 100
    assert andrews_bandwidth(np.zeros((50, 1))) == 0.0
