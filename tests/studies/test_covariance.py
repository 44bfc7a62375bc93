import numpy as np
import pytest
import statsmodels.api as sm

from imbalance.studies.correlation.kernels import mean_variance
from imbalance.studies.covariance import hac_covariance, long_run_variance


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
