"""Rolling, conditional and broken correlations, and regimes: planted, against pandas, and bad."""

import numpy as np
import pandas as pd
import pytest

from imbalance.studies.dynamics.change_points import change_points, constancy, correlation
from imbalance.studies.dynamics.garch import fit_dcc, fit_garch
from imbalance.studies.dynamics.hidden_markov import fit_regimes
from imbalance.studies.dynamics.moving import (
    RESUMMED,
    fisher_band,
    rolling_correlation,
    weighted_correlation,
)


def correlated(generator, rho):
    x, noise = generator.standard_normal((2, len(rho)))
    return x, rho * x + np.sqrt(1.0 - rho**2) * noise


def test_rolling_equals_pandas_over_gaps_and_where_sums_are_made_anew():
    generator = np.random.default_rng(1)
    x, y = correlated(generator, np.full(2 * RESUMMED + 500, 0.5))
    x[100:150] = np.nan
    y[RESUMMED - 3 : RESUMMED + 2] = np.nan
    found, count = rolling_correlation(x, y, 300, 200)
    both = pd.Series(np.where(np.isfinite(y), x, np.nan))
    wanted = both.rolling(300, 200).corr(pd.Series(y))
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert count[160] == 111
    assert np.isnan(rolling_correlation(x, y, 300)[0][150:350]).all()


def test_rounding_does_not_add_up_after_a_huge_value():
    generator = np.random.default_rng(2)
    x, y = correlated(generator, np.full(3 * RESUMMED, 0.5))
    x[50], y[50] = 1e9, -1e9
    found, _ = rolling_correlation(x, y, 100)
    for t in (150, 2_000, RESUMMED):
        wanted = np.corrcoef(x[t - 99 : t + 1], y[t - 99 : t + 1])[0, 1]
        assert found[t] == pytest.approx(wanted, abs=1e-9)


def test_weighted_equals_pandas():
    generator = np.random.default_rng(3)
    x, y = correlated(generator, np.full(3_000, -0.4))
    x[500:700] = np.nan
    found, worth = weighted_correlation(x, y, 60.0)
    both = pd.Series(np.where(np.isfinite(x), y, np.nan))
    wanted = pd.Series(x).ewm(halflife=60, ignore_na=False).corr(both)
    ok = np.isfinite(found)
    np.testing.assert_allclose(found[ok], wanted[ok], atol=1e-12)
    # (1 + λ)/(1 − λ) pairs in the long run.
    decay = 0.5 ** (1 / 60)
    assert worth[-1] == pytest.approx((1 + decay) / (1 - decay), rel=1e-3)


@pytest.mark.parametrize("x", [np.zeros(400), np.full(400, 0.1), np.full(400, np.nan)])
def test_what_does_not_vary_has_no_moving_correlation(x):
    y = np.random.default_rng(4).standard_normal(400)
    assert np.isnan(rolling_correlation(x, y, 50)[0]).all()
    assert np.isnan(weighted_correlation(x, y, 50.0)[0]).all()


def test_bands_cover():
    generator = np.random.default_rng(5)
    inside = []
    for _ in range(300):
        x, y = correlated(generator, np.full(120, 0.6))
        r, n = rolling_correlation(x, y, 120)
        _, low, high = fisher_band(r[-1:], n[-1:], 1.0, 0.05)
        inside.append(low[0] <= 0.6 <= high[0])
    assert 0.92 <= np.mean(inside) <= 0.98


def garch_path(generator, n, alpha=0.1, beta=0.85):
    z = generator.standard_normal(n)
    returns, h = np.empty(n), 1.0
    for t in range(n):
        returns[t] = np.sqrt(h) * z[t]
        h = (1 - alpha - beta) + alpha * returns[t] ** 2 + beta * h
    return returns


def test_garch_goes_on_over_gaps():
    returns = garch_path(np.random.default_rng(6), 6_000)
    returns[2_000:2_300] = np.nan
    found = fit_garch(returns)
    assert found.alpha == pytest.approx(0.1, abs=0.03)
    assert found.beta == pytest.approx(0.85, abs=0.05)
    assert np.isnan(found.standardised[2_100])
    assert np.nanstd(found.standardised) == pytest.approx(1.0, abs=0.02)
    scaled = fit_garch(1e-4 * returns)
    assert scaled.alpha == pytest.approx(found.alpha, rel=1e-4)
    assert scaled.omega == pytest.approx(1e-8 * found.omega, rel=1e-3)


def test_dcc_follows_a_correlation_that_moves():
    generator = np.random.default_rng(7)
    rho = 0.5 + 0.4 * np.sin(np.arange(4_000) / 200.0)
    z = np.column_stack(correlated(generator, rho))
    z[1_000:1_050, 0] = np.nan
    found = fit_dcc(z)
    assert np.corrcoef(found.path[:, 0, 1], rho)[0, 1] > 0.85
    assert 0.9 < found.a + found.b < 1.0
    assert np.isfinite(found.path).all()
    assert found.path.shape == found.path_error.shape == (4_000, 2, 2)


def test_dcc_refuses_the_same_series_twice():
    z = np.random.default_rng(8).standard_normal(500)
    assert fit_dcc(np.column_stack([z, z])) is None


def test_the_constancy_test_keeps_its_level_with_memory_and_finds_no_break(make_autoregression):
    generator = np.random.default_rng(9)
    p_values = [constancy(*make_autoregression(generator, 0.5, (2, 400))).p_value
                for _ in range(300)]
    assert np.mean(np.array(p_values) < 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert np.mean(np.array(p_values) < 0.5) > 0.3


def test_breaks_are_found_where_they_are():
    generator = np.random.default_rng(10)
    x, y = correlated(generator, np.repeat([0.1, 0.7, 0.2], 1_000))
    x[200:260] = np.nan
    found = change_points(x, y, 0.05, 50)
    assert [round(one.at, -2) for one in found] == [1_000, 2_000]
    for one, (before, after) in zip(found, [(0.1, 0.7), (0.7, 0.2)], strict=True):
        assert abs((one.after - one.before) - (after - before)) < 3.0 * one.standard_error < 0.15
    whole, error, n = correlation(x, y)
    assert n == 2_940
    assert 0.2 < whole < 0.5
    assert 0.01 < error < 0.05


def test_regimes_are_found_and_decoded_from_the_past_alone():
    generator = np.random.default_rng(11)
    state = np.zeros(3_000, dtype=int)
    for t in range(1, 3_000):
        state[t] = state[t - 1] if generator.random() < 0.98 else 1 - state[t - 1]
    x, y = correlated(generator, np.where(state == 0, 0.1, 0.8))
    values = np.column_stack([x, y]) * np.where(state == 0, 0.6, 1.6)[:, None]
    values[500:530] = np.nan
    fits = [fit_regimes(values, k, seed=1) for k in (1, 2)]
    assert fits[1].bic < fits[0].bic - 100.0
    found = fits[1]
    assert found.correlation(0) == pytest.approx(0.1, abs=0.08)
    assert found.correlation(1) == pytest.approx(0.8, abs=0.05)
    assert np.diag(found.transition) == pytest.approx([0.98, 0.98], abs=0.015)
    assert ((found.filtered[:, 1] > 0.5) == state).mean() > 0.9
    assert found.weight.sum() == pytest.approx(2_970)
    # Nothing after t moves the filter at t: with the parameters held, cut the series.
    from imbalance.studies.dynamics import hidden_markov

    density = hidden_markov._log_density(
        np.nan_to_num(values), np.isfinite(values).all(axis=1), found.mean, found.covariance)
    whole, cut = np.empty((3_000, 2)), np.empty((1_000, 2))
    for part, length in ((whole, 3_000), (cut, 1_000)):
        hidden_markov._forward_backward(
            np.ascontiguousarray(density[:length]), np.full(2, 0.5), found.transition, part,
            np.empty((length, 2)), np.empty((2, 2)))
    np.testing.assert_array_equal(whole[:1_000], cut)


@pytest.mark.parametrize("kind", ["tied", "duplicated", "constant"])
def test_regimes_do_not_shrink_onto_a_point(kind):
    generator = np.random.default_rng(12)
    x = generator.standard_normal(400)
    second = {"tied": np.round(x), "duplicated": x, "constant": np.zeros(400)}[kind]
    found = fit_regimes(np.column_stack([x, second]), 2, seed=1)
    assert np.isfinite(found.log_likelihood)
    assert np.isfinite(found.filtered).all()
    assert (np.linalg.eigvalsh(found.covariance) > 0.0).all()
