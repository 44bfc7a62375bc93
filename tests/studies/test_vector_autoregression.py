import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.tsa.api import VAR

from imbalance.studies.granger_causality import granger
from imbalance.studies.vector_autoregression import (
    CollinearError,
    TooFewBarsError,
    fit,
    lag_moments,
    select_lag,
    target_rows,
)

A = np.array([[[0.4, 0.15], [0.2, 0.3]], [[0.2, -0.1], [0.05, 0.15]]])
FACTOR = np.linalg.cholesky(np.array([[1.0, 0.3], [0.3, 0.5]]))


def test_equals_statsmodels(make_vector_series):
    data = 5.0 + 100.0 * make_vector_series(np.random.default_rng(0), A, FACTOR, 600)
    reference = VAR(data).fit(3, trend="c")
    model = fit(data, 3)
    np.testing.assert_allclose(model.coefficients, reference.coefs, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(model.intercept, reference.intercept, rtol=1e-8)
    np.testing.assert_allclose(model.sigma, reference.sigma_u, rtol=1e-8)
    assert model.log_likelihood == pytest.approx(reference.llf, rel=1e-10)
    theirs = reference.test_causality(0, [1], kind="f")
    ours = granger(model, [1], [0], system_degrees=True)
    assert ours.statistic == pytest.approx(theirs.test_statistic, rel=1e-8)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-6)


def test_lag_orders_equal_statsmodels(make_vector_series):
    data = make_vector_series(np.random.default_rng(1), A, FACTOR, 800)
    reference = VAR(data).select_order(6, trend="c").selected_orders
    found = select_lag(data, 6)
    assert {name: found.chosen(name) for name in ("aic", "bic", "fpe")} == {
        name: max(reference[name], 1) for name in ("aic", "bic", "fpe")
    }
    assert found.chosen("hq") == reference["hqic"]


@settings(max_examples=40)
@given(
    lag=st.integers(1, 5),
    gaps=st.sets(st.integers(0, 119), max_size=12),
    seed=st.integers(0, 2**32 - 1),
)
def test_moments_equal_the_explicit_product_on_any_gaps(lag, gaps, seed):
    data = np.random.default_rng(seed).standard_normal((120, 3))
    data[list(gaps), 1] = np.nan
    targets = target_rows(data, lag)
    wanted_targets = [t for t in range(lag, 120) if np.isfinite(data[t - lag : t + 1]).all()]
    assert targets.tolist() == wanted_targets
    if not len(targets):
        return
    rows = [np.concatenate([[1.0], *(data[t - i] for i in range(lag + 1))]) for t in targets]
    explicit = np.array(rows)
    np.testing.assert_allclose(
        lag_moments(data, targets, lag), explicit.T @ explicit, rtol=1e-9, atol=1e-9
    )


def test_a_gap_is_never_bridged(make_vector_series):
    """Two stretches fitted together equal the regression over their own rows only."""
    generator = np.random.default_rng(2)
    first = make_vector_series(generator, A, FACTOR, 300)
    second = make_vector_series(generator, A, FACTOR, 300) + 10.0
    with_gap = np.concatenate([first, [[np.nan, 1.0]], second])
    model = fit(with_gap, 2)
    assert model.n == 2 * 298
    design, target = [], []
    for part in (first, second):
        for t in range(2, len(part)):
            design.append([1.0, *part[t - 1], *part[t - 2]])
            target.append(part[t])
    beta = np.linalg.lstsq(np.array(design), np.array(target), rcond=None)[0]
    np.testing.assert_allclose(model.coefficients[0], beta[1:3].T, atol=1e-10)
    np.testing.assert_allclose(model.coefficients[1], beta[3:5].T, atol=1e-10)
    np.testing.assert_allclose(model.intercept, beta[0], atol=1e-9)
    joined = fit(np.concatenate([first, second]), 2)
    assert not np.allclose(model.coefficients, joined.coefficients, atol=1e-4)


def test_planted_system_is_recovered(make_vector_series):
    data = make_vector_series(np.random.default_rng(3), A, FACTOR, 50_000)
    assert select_lag(data, 6).chosen("bic") == 2
    model = fit(data, 2)
    errors = np.sqrt(np.diag(model.gram_inverse)[1:].reshape(2, 1, 2)
                     * np.diag(model.standardised_sigma)[:, None])
    errors = errors * model.scale[:, None] / model.scale
    assert (np.abs(model.coefficients - A) < 4.0 * errors).all()
    np.testing.assert_allclose(model.sigma, FACTOR @ FACTOR.T, atol=0.03)


def test_refusals():
    generator = np.random.default_rng(4)
    x = generator.standard_normal(200)
    with pytest.raises(CollinearError):
        fit(np.column_stack([x, 2 * x + 1]), 1)
    with pytest.raises(CollinearError, match="does not vary"):
        fit(np.column_stack([x, np.full(200, 1e6)]), 1)
    with pytest.raises(TooFewBarsError):
        fit(generator.standard_normal((8, 2)), 3)
    with pytest.raises(TooFewBarsError):
        select_lag(np.full((50, 2), np.nan), 2)
    with pytest.raises(CollinearError):
        select_lag(np.column_stack([x, -x]), 2)


def test_exogenous_terms_equal_statsmodels(make_vector_series):
    generator = np.random.default_rng(5)
    extra = np.column_stack([generator.standard_normal(500), np.arange(500.0)])
    data = make_vector_series(generator, A, FACTOR, 500) + extra @ [[0.5, -1.0], [0.01, 0.0]]
    reference = VAR(data, exog=extra).fit(2, trend="c")
    model = fit(data, 2, extra)
    np.testing.assert_allclose(model.coefficients, reference.coefs, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(model.sigma, reference.sigma_u, rtol=1e-8)
    # In original units the last rows of beta are the coefficients of the exogenous terms.
    found = model.beta[-2:] * model.scale / extra[model.targets[0] - 2 :].std(axis=0)[:, None]
    np.testing.assert_allclose(found, reference.coefs_exog[:, 1:].T, rtol=1e-6)
    np.testing.assert_allclose(model.design.T @ model.residuals, 0.0, atol=1e-8)
    alone, without = select_lag(data, 5, extra), select_lag(data, 5)
    assert alone.chosen("bic") == 2
    assert (alone.aic < without.aic).all()


def test_a_bar_without_its_exogenous_term_is_a_gap(make_vector_series):
    data = make_vector_series(np.random.default_rng(6), A, FACTOR, 200)
    extra = np.random.default_rng(7).standard_normal((200, 1))
    extra[100] = np.nan
    assert fit(data, 2, extra).n == 198 - 3
    with pytest.raises(CollinearError, match="does not vary"):
        fit(data, 1, np.ones((200, 1)))
