import tracemalloc

import numpy as np
import pytest

from imbalance.studies.bootstrap import (
    block_length,
    pope_bias,
    reduced_form_bands,
    replicate,
    replicate_wild,
    response_bands,
)
from imbalance.studies.impulse_response import (
    generalised,
    generalised_variance_shares,
    moving_average,
    orthogonal,
    variance_shares,
)
from imbalance.studies.vector_autoregression import CollinearError, fit

A = np.array([[[0.4, 0.15], [0.2, 0.3]], [[0.2, -0.1], [0.05, 0.15]]])
SIGMA = np.array([[1.0, 0.3], [0.3, 0.5]])
FACTOR = np.linalg.cholesky(SIGMA)
HORIZON = 10


def truth():
    phi = moving_average(A, HORIZON)
    found = {"orthogonal": orthogonal(phi, SIGMA), "generalised": generalised(phi, SIGMA)}
    for name in ("orthogonal", "generalised"):
        found[f"{name}_cumulative"] = np.cumsum(found[name], axis=0)
    found["variance_share"] = variance_shares(found["orthogonal"])[:-1]
    found["generalised_variance_share"] = generalised_variance_shares(phi, SIGMA)[:-1]
    return found


@pytest.mark.parametrize("scheme", ["moving_block", "iid"])
def test_a_seed_gives_one_result(make_vector_series, scheme):
    model = fit(make_vector_series(np.random.default_rng(0), A, FACTOR, 300), 2)
    first, second, other = (replicate(model, 50, seed, scheme) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.lagged, second.lagged)
    np.testing.assert_array_equal(first.sigma, second.sigma)
    assert not np.array_equal(first.lagged, other.lagged)
    assert first.block_length == (1 if scheme == "iid" else block_length(model.n))


def test_replications_equal_refitting_the_same_draw(make_vector_series):
    """The batched algebra against the definition: y* = XB + u*, fitted again by least squares."""
    model = fit(make_vector_series(np.random.default_rng(1), A, FACTOR, 200), 2)
    drawn = replicate(model, 3, 7)
    generator = np.random.default_rng(7)
    length, n = block_length(model.n), model.n
    scaled = model.residuals * np.sqrt(n / model.degrees)
    for r in range(3):
        starts = generator.integers(0, n, -(-n // length))
        rows = np.concatenate([(start + np.arange(length)) % n for start in starts])[:n]
        y = model.design @ model.beta + scaled[rows]
        beta, *_ = np.linalg.lstsq(model.design, y, rcond=None)
        left = y - model.design @ beta
        np.testing.assert_allclose(drawn.lagged[r, 0], beta[1:3].T, atol=1e-10)
        np.testing.assert_allclose(drawn.sigma[r], left.T @ left / model.degrees, atol=1e-10)


def test_replications_are_centred_on_the_estimates(make_vector_series):
    model = fit(make_vector_series(np.random.default_rng(2), A, FACTOR, 500), 2)
    drawn = replicate(model, 4_000, 3)
    spread = drawn.lagged.std(axis=0) / np.sqrt(4_000)
    assert (np.abs(drawn.lagged.mean(axis=0) - model.lagged) < 4.5 * spread).all()
    np.testing.assert_allclose(drawn.sigma.mean(axis=0), model.standardised_sigma, rtol=0.02,
                               atol=0.01)


def test_spread_of_iid_replications_is_the_classical_standard_error(make_vector_series):
    model = fit(make_vector_series(np.random.default_rng(3), A, FACTOR, 2_000), 1)
    found = replicate(model, 2_000, 4, "iid").lagged[:, 0].std(axis=0)
    wanted = np.sqrt(np.outer(np.diag(model.standardised_sigma), np.diag(model.gram_inverse)[1:]))
    np.testing.assert_allclose(found, wanted, rtol=0.08)


def test_bias_of_the_coefficients(make_vector_series, make_autoregression):
    """Against the mean error of fits to 3,000 short samples of two independent series."""
    roots = np.array([0.6, 0.3])
    long = make_vector_series(np.random.default_rng(5), np.diag(roots)[None], np.eye(2), 20_000)
    model = fit(long, 1)
    found = np.diag(pope_bias(model)[0]) * model.n
    samples = make_autoregression(np.random.default_rng(6), roots, (3_000, 2, 60))
    errors = [np.diag(fit(sample.T, 1).coefficients[0]) - roots for sample in samples]
    # In units of 1/n; one standard error of the mean is 0.11. What is left is of order 1/n².
    np.testing.assert_allclose(found, np.mean(errors, axis=0) * 59, atol=0.45)
    assert (found < -1.0).all()


def test_bias_is_refused_for_unstable_systems():
    model = fit(np.exp(0.05 * np.arange(60))[:, None] * [1.0, 0.5]
                + np.random.default_rng(7).standard_normal((60, 2)), 1)
    assert model.root_moduli[0] > 1.0
    with pytest.raises(ValueError, match="stable"):
        pope_bias(model)


def coverage(make_vector_series, runs, replications, seed):
    generator = np.random.default_rng(seed)
    wanted = truth()
    inside = {name: [] for name in wanted}
    joint = {name: [] for name in wanted}
    for run in range(runs):
        model = fit(make_vector_series(generator, A, FACTOR, 1_000), 2)
        bands = response_bands(model, replicate(model, replications, run), HORIZON)
        for name, true in wanted.items():
            band, slack = bands[name], 1e-12
            inside[name].append((band.low - slack <= true) & (true <= band.high + slack))
            joint[name].append(((band.joint_low - slack <= true)
                                & (true <= band.joint_high + slack)).all(axis=0))
    return ({name: np.mean(values) for name, values in inside.items()},
            {name: np.mean(values) for name, values in joint.items()})


def test_bands_cover_the_planted_responses(make_vector_series):
    inside, joint = coverage(make_vector_series, 60, 199, 8)
    for name in inside:
        assert 0.90 <= inside[name] <= 0.99, name
        assert 0.86 <= joint[name] <= 1.0, name


@pytest.mark.slow
@pytest.mark.oracle("Sim2", "feedback")
def test_bands_cover_the_planted_responses_in_a_thousand_samples(make_vector_series, oracle):
    inside, joint = coverage(make_vector_series, 1_000, 999, 9)
    for name in inside:
        oracle.lies(f"coverage, {name}", inside[name], 0.93, 0.97)
        oracle.lies(f"joint coverage, {name}", joint[name], 0.92, 0.98)


@pytest.mark.oracle("Sim2", "feedback")
def test_generalised_decomposition_of_a_long_series(make_vector_series, oracle):
    model = fit(make_vector_series(np.random.default_rng(10), A, FACTOR, 100_000), 2)
    found = generalised_variance_shares(moving_average(model.coefficients, 9), model.sigma)
    wanted = generalised_variance_shares(moving_average(A, 9), SIGMA)
    oracle.agrees("generalised variance shares at T = 1e5", found, wanted, atol=1e-2)


def test_bands_are_in_original_units(make_vector_series):
    data = make_vector_series(np.random.default_rng(11), A, FACTOR, 400)
    scaled = data * [1_000.0, 0.01] + [5.0, -3.0]
    plain, changed = (
        response_bands(model, replicate(model, 99, 1), 5)
        for model in (fit(data, 2), fit(scaled, 2))
    )
    factor = np.array([1_000.0, 0.01])[None, :, None]
    np.testing.assert_allclose(changed["orthogonal"].high, plain["orthogonal"].high * factor,
                               rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(changed["variance_share"].low, plain["variance_share"].low,
                               rtol=1e-6, atol=1e-12)


def test_wild_replications_have_the_spread_that_heteroskedasticity_asks_for(make_vector_series):
    """Shocks are larger after large values: the classical error is too small."""
    generator = np.random.default_rng(12)
    data = np.zeros((20_000, 1))
    shock = generator.standard_normal(20_000)
    for t in range(1, 20_000):
        data[t] = 0.3 * data[t - 1] + shock[t] * (0.3 + np.minimum(np.abs(data[t - 1]), 2.0))
    model = fit(np.column_stack([data, generator.standard_normal(20_000)]), 1)
    found = replicate_wild(model, 2_000, 1)[:, 0].std(axis=0)
    classical = np.sqrt(np.outer(np.diag(model.standardised_sigma),
                                 np.diag(model.gram_inverse)[1:]))
    projected = model.design @ model.gram_inverse
    robust = np.sqrt((projected**2).T @ model.residuals**2)[1:].T
    np.testing.assert_allclose(found, robust, rtol=0.12)
    assert found[0, 0] > 1.25 * classical[0, 0]


def test_wild_replications_hold_no_more_products_than_there_is_room_for(monkeypatch):
    """Ten variables at five lags: all products of a design and residuals would take 41 MB."""
    model = fit(np.random.default_rng(14).standard_normal((10_000, 10)), 5)
    whole = replicate_wild(model, 9, 1)
    monkeypatch.setattr("imbalance.studies.bootstrap._BATCH_VALUES", 100_000)
    tracemalloc.start()
    found = replicate_wild(model, 9, 1)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(found, whole)
    assert most < 8_000_000


def test_reduced_form_bands_cover_planted_responses(make_vector_series):
    generator, wanted, inside = np.random.default_rng(13), moving_average(A, HORIZON), []
    for run in range(60):
        model = fit(make_vector_series(generator, A, FACTOR, 1_000), 2)
        band = reduced_form_bands(model, replicate_wild(model, 299, run), HORIZON)
        inside.append((band.low[1:] <= wanted[1:]) & (wanted[1:] <= band.high[1:]))
    assert 0.90 <= np.mean(inside) <= 0.99


def test_residuals_that_mostly_stand_still_have_no_bands():
    """Blocks without one of the few moves have a singular covariance: shocks cannot be parted."""
    random = np.random.default_rng(1)
    data = np.zeros((60, 2))
    for column in data.T:
        column[random.choice(60, 2, replace=False)] = random.standard_normal(2)
    model = fit(data, 1)
    with pytest.raises(CollinearError, match="singular"):
        response_bands(model, replicate(model, 199, 1), 5, 0.05)
