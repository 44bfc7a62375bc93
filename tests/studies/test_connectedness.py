import numpy as np
import pytest

from imbalance.studies.bootstrap import bias_corrected, replicate
from imbalance.studies.connectedness.frequency import band_tables
from imbalance.studies.connectedness.joint import joint_received, joint_table
from imbalance.studies.connectedness.measures import Connectedness, generalised_table
from imbalance.studies.connectedness.quantile import fit_quantile, replicate_quantile
from imbalance.studies.connectedness.time_varying import (
    Prior,
    filter_path,
    least_squares_prior,
    replicate_path,
    without_stillness,
)
from imbalance.studies.impulse_response import moving_average
from imbalance.studies.vector_autoregression import fit

A = np.array([[[0.4, 0.15, 0.0], [0.2, 0.3, -0.1], [0.0, 0.25, 0.2]],
              [[0.2, -0.1, 0.1], [0.05, 0.15, 0.0], [0.1, 0.0, -0.2]]])
SIGMA = np.array([[1.0, 0.3, 0.2], [0.3, 0.5, -0.1], [0.2, -0.1, 0.8]])


def test_measures_of_a_table_by_hand():
    found = Connectedness(np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.0, 0.1, 0.9]]))
    np.testing.assert_allclose(found.received, [0.3, 0.4, 0.1])
    np.testing.assert_allclose(found.transmitted, [0.3, 0.3, 0.2])
    np.testing.assert_allclose(found.net, [0.0, -0.1, 0.1], atol=1e-15)
    assert found.total == pytest.approx(0.8 / 3.0)
    assert found.corrected_total == pytest.approx(0.4)
    assert found.net_pairwise[0, 1] == pytest.approx(0.3 - 0.2)  # 0 moves 1 more
    assert found.pairwise_index[0, 1] == pytest.approx(2.0 * 0.5 / (0.7 + 0.6 + 0.5))


def test_a_stack_of_systems_is_each_of_them():
    lagged = np.stack([A, 0.5 * A])
    sigma = np.stack([SIGMA, np.eye(3)])
    for make in (generalised_table, joint_table,
                 lambda a, s, h: band_tables(a, s, h, (2.0, 8.0, np.inf))):
        both = make(lagged, sigma, 12)
        for number in range(2):
            np.testing.assert_allclose(
                np.take(both, number, axis=both.ndim - 3),
                make(lagged[number], sigma[number], 12), atol=1e-14)


def test_bands_share_out_all_frequencies():
    for terms in (100, 101, 120):
        whole = generalised_table(A, SIGMA, terms)
        parts = band_tables(A, SIGMA, terms, (2.0, 5.0, 20.0, np.inf))
        np.testing.assert_allclose(parts.sum(axis=0), whole, atol=1e-12)
    # White noise has the same power everywhere: a band's share is its width.
    flat = band_tables(np.zeros_like(A), SIGMA, 400, (2.0, 8.0, np.inf))
    np.testing.assert_allclose(flat.sum(axis=2), [[0.75] * 3, [0.25] * 3], atol=0.005)
    # Of 120 frequencies 15 to 60 cycles and their mirrors have periods of 2 to 8 bars.
    flat = band_tables(np.zeros_like(A), SIGMA, 120, (2.0, 8.0, np.inf))
    np.testing.assert_allclose(flat.sum(axis=2), [[91 / 120] * 3, [29 / 120] * 3])


def by_elimination(lagged, sigma, n_terms):
    """The definition of Lastrapes and Wiesen 2021, term by term."""
    phi = moving_average(lagged, n_terms - 1)
    k = len(sigma)
    found = []
    for i in range(k):
        m = np.delete(np.eye(k), i, axis=1)
        middle = sigma @ m @ np.linalg.inv(m.T @ sigma @ m) @ m.T @ sigma
        top = sum(f[i] @ middle @ f[i] for f in phi)
        found.append(top / sum(f[i] @ sigma @ f[i] for f in phi))
    return np.array(found)


def test_joint_shares_are_those_of_the_definition():
    wanted = by_elimination(A, SIGMA, 10)
    np.testing.assert_allclose(joint_received(A, SIGMA, 10), wanted, atol=1e-13)
    table = Connectedness(joint_table(A, SIGMA, 10))
    np.testing.assert_allclose(table.received, wanted, atol=1e-13)
    np.testing.assert_allclose(table.table.sum(axis=1), 1.0, atol=1e-13)


def test_joint_shares_of_uncorrelated_shocks_are_the_plain_ones():
    diagonal = np.diag([1.0, 0.5, 2.0])
    np.testing.assert_allclose(joint_table(A, diagonal, 10), generalised_table(A, diagonal, 10),
                               atol=1e-13)


def test_a_filter_that_forgets_nothing_is_a_regression_with_a_prior(make_vector_series):
    """With κ₁ = 1 and a fixed covariance the last state is the posterior mean in closed form."""
    generator = np.random.default_rng(1)
    data = make_vector_series(generator, A, np.linalg.cholesky(SIGMA), 400)
    data -= data.mean(axis=0)
    data[100:103, 1] = np.nan
    variance = 0.05 * np.eye(6) + 0.01
    last = filter_path(data, Prior(0.5 * A, variance, SIGMA), np.array([399]), forgetting=1.0,
                       decay=1.0)
    rows = [t for t in range(2, 400) if np.isfinite(data[t - 2 : t + 1]).all()]
    design = np.array([np.concatenate([data[t - 1], data[t - 2]]) for t in rows])
    weight, before = np.linalg.inv(SIGMA), np.kron(np.eye(3), np.linalg.inv(variance))
    mean = (0.5 * A).transpose(1, 0, 2).ravel()
    left = before + np.kron(weight, design.T @ design)
    right = before @ mean + (weight @ data[rows].T @ design).ravel()
    wanted = np.linalg.solve(left, right).reshape(3, 2, 3)
    np.testing.assert_allclose(last.lagged[0], wanted.transpose(1, 0, 2), atol=1e-10)
    np.testing.assert_allclose(last.sigma[0], SIGMA, atol=1e-12)


def test_the_filter_follows_a_break(make_vector_series):
    """Spillover from 0 to 1 that begins half way is seen after it and not before."""
    generator = np.random.default_rng(2)
    apart = np.array([[[0.3, 0.0], [0.0, 0.3]]])
    bound = np.array([[[0.3, 0.0], [0.6, 0.3]]])
    data = np.concatenate([make_vector_series(generator, a, np.eye(2), 2_000)
                           for a in (apart, bound)])
    prior = least_squares_prior(data, 1, 200)
    path = filter_path(data, prior, np.arange(1_000, 4_000))
    shares = generalised_table(path.lagged, path.sigma, 10)
    before, after = shares[:1_000].mean(axis=0), shares[-1_500:].mean(axis=0)
    assert before[1, 0] < 0.05
    assert after[1, 0] == pytest.approx(generalised_table(bound[0][None], np.eye(2), 10)[1, 0],
                                        abs=0.05)
    assert after[0, 1] < 0.05


def test_a_missing_bar_changes_nothing(make_vector_series):
    data = make_vector_series(np.random.default_rng(3), A[:1], np.linalg.cholesky(SIGMA), 300)
    prior = least_squares_prior(data, 1, 100)
    data[200:210, 2] = np.nan
    path = filter_path(data, prior, np.arange(199, 212))
    np.testing.assert_array_equal(path.lagged[:12], np.repeat(path.lagged[:1], 12, axis=0))
    np.testing.assert_array_equal(path.sigma[:12], np.repeat(path.sigma[:1], 12, axis=0))
    assert not np.array_equal(path.lagged[11], path.lagged[12])


def test_only_the_beginning_of_a_stretch_of_one_value_is_used():
    data = np.arange(24.0).reshape(12, 2)
    data[3:8, 1] = 50.0
    data[10] = np.nan
    left = without_stillness(data, 2)
    assert np.flatnonzero(np.isnan(left).any(axis=1)).tolist() == [5, 6, 7, 10]
    np.testing.assert_array_equal(left[[0, 3, 4, 8, 11]], data[[0, 3, 4, 8, 11]])


def test_series_that_stood_still_are_not_connected_when_they_move_again():
    """Independent series of which one, or both, have one value for 1,500 bars."""
    for still in (1, 2):
        data = np.random.default_rng(7).standard_normal((5_000, 2))
        data[2_000:3_500, :still] = 0.0
        data = without_stillness((data - data.mean(axis=0)) / data.std(axis=0), 100)
        path = filter_path(data, least_squares_prior(data, 1, 200), np.arange(3_490, 5_000))
        totals = Connectedness(generalised_table(path.lagged, path.sigma, 10)).total
        assert totals.max() < 0.12


def test_unstable_states_are_not_shown():
    growth = np.exp(0.02 * np.arange(300))[:, None] * np.array([1.0, -1.0])
    data = growth + np.random.default_rng(4).standard_normal((300, 2))
    prior = Prior(np.zeros((1, 2, 2)), 10.0 * np.eye(2), np.eye(2))
    path = filter_path(data, prior, np.arange(300))
    roots = np.abs(np.linalg.eigvals(path.lagged[:, 0])).max(axis=1)
    assert roots.max() <= 1.0
    assert roots[-1] > 0.9


def test_replications_of_a_path_have_the_spread_of_paths(make_vector_series):
    """Over 60 samples of one system the last state varies as its replications say."""
    generator, keep = np.random.default_rng(5), np.array([599])
    a, factor = A[:1], np.linalg.cholesky(SIGMA)
    prior = Prior(a, 0.001 * np.eye(3), SIGMA)
    ends, spreads = [], []
    for seed in range(60):
        data = make_vector_series(generator, a, factor, 600)
        data[300:310, 0] = np.nan
        ends.append(filter_path(data, prior, keep).lagged[0])
        spreads.append(replicate_path(data, prior, keep, 30, seed)[0].std(axis=0)[0])
    np.testing.assert_allclose(np.mean(spreads, axis=0), np.std(ends, axis=0), rtol=0.35)
    assert np.mean(spreads) == pytest.approx(np.std(ends, axis=0).mean(), rel=0.12)


def test_the_middle_quantile_of_gaussian_shocks_is_the_mean(make_vector_series):
    data = make_vector_series(np.random.default_rng(6), A, np.linalg.cholesky(SIGMA), 20_000)
    model = fit(data, 2)
    wanted = Connectedness(generalised_table(A, SIGMA, 10)).total
    for quantile in (0.05, 0.5, 0.95):
        system = fit_quantile(model, quantile)
        found = Connectedness(generalised_table(system.lagged, system.sigma, 10)).total
        assert found == pytest.approx(wanted, abs=0.02)
        assert (system.residuals < 0.0).mean(axis=0) == pytest.approx(quantile, abs=1e-3)


def test_tails_of_independent_series_are_not_connected():
    """Products about zero instead of the mean would make them so."""
    model = fit(np.random.default_rng(7).standard_normal((5_000, 3)), 1)
    system = fit_quantile(model, 0.95)
    assert Connectedness(generalised_table(system.lagged, system.sigma, 10)).total < 0.01
    raw = system.residuals.T @ system.residuals / model.n
    assert Connectedness(generalised_table(system.lagged, raw, 10)).total > 0.4


def test_connectedness_of_one_tail_only():
    """Variable 1 follows the last value of 0 where its own shock is large, and only there."""
    generator = np.random.default_rng(8)
    x, shock = generator.standard_normal((2, 8_000))
    y = shock.copy()
    y[1:] += np.where(shock[1:] > 1.0, 0.8, 0.0) * x[:-1]
    model = fit(np.column_stack([x, y]), 1)
    tables = {q: generalised_table(s.lagged, s.sigma, 10)[1, 0] for q in (0.05, 0.5, 0.95)
              for s in [fit_quantile(model, q)]}
    assert tables[0.95] > 0.2
    assert max(tables[0.05], tables[0.5]) < 0.02


def test_replications_of_quantiles_have_the_spread_of_refitting(make_vector_series):
    generator = np.random.default_rng(9)
    factor = np.linalg.cholesky(SIGMA)
    for quantile in (0.1, 0.5):
        found, stated = [], []
        for seed in range(60):
            model = fit(make_vector_series(generator, A[:1], factor, 500), 1)
            system = fit_quantile(model, quantile)
            found.append(system.lagged)
            stated.append(replicate_quantile(system, 99, seed).lagged.std(axis=0))
        assert np.mean(stated) == pytest.approx(np.std(found, axis=0).mean(), rel=0.15)


def covered(make_vector_series, runs, replications):
    generator = np.random.default_rng(10)
    inside = {}
    for seed in range(runs):
        model = fit(make_vector_series(generator, A, np.linalg.cholesky(SIGMA), 600), 2)
        drawn = replicate(model, replications, seed)
        lagged = bias_corrected(model, drawn)
        for name, make in (("plain", generalised_table), ("joint", joint_table)):
            true = Connectedness(make(A, SIGMA, 10))
            point = Connectedness(make(model.lagged, model.standardised_sigma, 10))
            found = Connectedness(make(lagged, drawn.sigma, 10))
            for measure in ("total", "received", "transmitted", "net"):
                half = 1.959964 * getattr(found, measure).std(axis=0, ddof=1)
                away = np.abs(getattr(point, measure) - getattr(true, measure))
                inside.setdefault((name, measure), []).append(away <= half)
    return {key: np.mean(values) for key, values in inside.items()}


def test_bands_cover_the_planted_connectedness(make_vector_series):
    for key, share in covered(make_vector_series, 60, 199).items():
        assert 0.88 <= share <= 1.0, key


@pytest.mark.slow
@pytest.mark.oracle("Sim2", "connectedness")
def test_bands_cover_the_planted_connectedness_in_a_thousand_samples(make_vector_series, oracle):
    for (name, measure), share in covered(make_vector_series, 1_000, 499).items():
        oracle.lies(f"coverage, {name} {measure}", share, 0.93, 0.97)
