import numpy as np
import pytest

from imbalance.studies.covariance import hac_covariance, hc_covariance
from imbalance.studies.impulse_response import moving_average
from imbalance.studies.local_projections.project import disagreement, project, standard_errors
from imbalance.studies.vector_autoregression import CollinearError, TooFewBarsError, fit

A = np.array([[[0.4, 0.15], [0.2, 0.3]], [[0.2, -0.1], [0.05, 0.15]]])
SIGMA = np.array([[1.0, 0.3], [0.3, 0.5]])
FACTOR = np.linalg.cholesky(SIGMA)


def test_one_bar_ahead_is_the_vector_autoregression(make_vector_series):
    data = make_vector_series(np.random.default_rng(0), A, FACTOR, 300)
    data[120:125, 0] = np.nan
    found, model = project(data, 1, 1), fit(data, 2)
    np.testing.assert_allclose(found.coefficients, model.coefficients[0], atol=1e-10)
    assert found.rows.tolist() == (model.targets - 1).tolist()
    np.testing.assert_allclose(found.residuals, model.residuals * model.scale, atol=1e-10)


@pytest.mark.parametrize("kind", ["hac", "lag_augmented"])
def test_errors_are_those_of_the_full_regression(make_vector_series, kind):
    """Through the shock alone or through all regressors: the same sandwich."""
    data = make_vector_series(np.random.default_rng(1), A, FACTOR, 400)
    found, impulse = project(data, 2, 3), np.array([0.7, -0.4])
    design = np.column_stack([data[found.rows], np.ones(len(found.rows)),
                              *(data[found.rows - i] for i in (1, 2))])
    for response in range(2):
        residuals = found.residuals[:, response]
        covariance = (hac_covariance(design, residuals, bandwidth=5) if kind == "hac"
                      else hc_covariance(design, residuals, "hc3"))
        wanted = np.sqrt(impulse @ covariance[:2, :2] @ impulse)
        assert standard_errors(found, impulse, kind, lags=5)[response] == pytest.approx(
            wanted, rel=1e-8)


def test_planted_responses_are_recovered(make_vector_series):
    data = make_vector_series(np.random.default_rng(2), A, FACTOR, 40_000)
    phi = moving_average(A, 8)
    for h in range(1, 9):
        found = project(data, 2, h)
        for impulse in FACTOR.T:
            error = standard_errors(found, impulse, "lag_augmented")
            assert (np.abs((found.coefficients - phi[h]) @ impulse) < 4.0 * error).all()


def test_intervals_cover_the_planted_responses(make_vector_series):
    """95 % intervals over 300 samples of 400 bars; three binomial errors are 2.2 %."""
    generator = np.random.default_rng(3)
    phi = moving_average(A, 6)
    impulse = FACTOR[:, 0]
    inside = {"hac": [], "lag_augmented": []}
    for _ in range(300):
        data = make_vector_series(generator, A, FACTOR, 400)
        for kind, lags in (("hac", 1), ("lag_augmented", 2)):
            found = project(data, lags, 6)
            error = standard_errors(found, impulse, kind)
            distance = np.abs((found.coefficients - phi[6]) @ impulse)
            inside[kind].append(distance < 1.96 * error)
    assert np.mean(inside["lag_augmented"]) == pytest.approx(0.95, abs=0.03)
    # Newey–West is known to be too narrow in short samples.
    assert 0.87 < np.mean(inside["hac"]) <= np.mean(inside["lag_augmented"]) + 0.01


def test_a_gap_is_never_bridged(make_vector_series):
    generator = np.random.default_rng(4)
    parts = [make_vector_series(generator, A, FACTOR, 200) + shift for shift in (0.0, 50.0)]
    data = np.concatenate([parts[0], [[np.nan, 0.0]], parts[1]])
    found = project(data, 1, 4)
    assert found.rows.tolist() == [*range(1, 196), *range(202, 397)]


def test_bars_of_a_regime_only(make_vector_series):
    data = make_vector_series(np.random.default_rng(5), A, FACTOR, 300)
    where = np.random.default_rng(6).random(300) < 0.5
    found = project(data, 1, 2, where)
    rows = [t for t in range(1, 298) if where[t]]
    design = np.array([[1.0, *data[t], *data[t - 1]] for t in rows])
    wanted = np.linalg.lstsq(design, data[np.array(rows) + 2], rcond=None)[0][1:3].T
    np.testing.assert_allclose(found.coefficients, wanted, atol=1e-10)


def compare(data, lag, horizon, seed):
    model = fit(data, lag)
    projections = [project(data, lag, h) for h in range(1, horizon + 1)]
    impulse = np.linalg.cholesky(model.sigma)[:, 0]
    return disagreement(model, projections, impulse, 1, seed)


def test_a_right_system_is_seldom_contradicted(make_vector_series):
    generator = np.random.default_rng(7)
    p_values = [compare(make_vector_series(generator, A, FACTOR, 600), 2, 6, seed).p_value
                for seed in range(80)]
    assert np.mean(np.array(p_values) < 0.05) < 0.05 + 3.0 * np.sqrt(0.05 * 0.95 / 80)
    assert 0.3 < np.mean(p_values) < 0.7


def test_a_system_that_is_too_short_is_contradicted(make_vector_series):
    """Variable 0 moves variable 1 five bars later; a system of order 1 cannot say so."""
    late = np.zeros((5, 2, 2))
    late[0] = [[0.2, 0.0], [0.0, 0.2]]
    late[4, 1, 0] = 0.3
    data = make_vector_series(np.random.default_rng(8), late, np.eye(2), 1_500)
    found = compare(data, 1, 8, 9)
    assert found.p_value < 0.001
    assert np.argmax(np.abs(found.difference)) == 4  # five bars after the shock
    assert found.difference[4] == pytest.approx(-0.3, abs=4.0 * found.standard_error[4])
    assert compare(data, 5, 8, 9).p_value > 0.05


def test_the_error_of_the_difference_is_its_spread_over_samples(make_vector_series):
    generator = np.random.default_rng(10)
    found = [compare(make_vector_series(generator, A, FACTOR, 500), 2, 6, 0) for _ in range(120)]
    spread = np.std([one.difference for one in found], axis=0)
    stated = np.mean([one.standard_error for one in found], axis=0)
    np.testing.assert_allclose(stated, spread, rtol=0.25)


def test_refusals():
    generator = np.random.default_rng(11)
    with pytest.raises(TooFewBarsError):
        project(generator.standard_normal((8, 2)), 2, 1)
    x = generator.standard_normal(100)
    with pytest.raises(CollinearError):
        project(np.column_stack([x, 2.0 * x]), 1, 1)
    with pytest.raises(CollinearError):
        project(np.column_stack([x, np.zeros(100)]), 1, 1)
