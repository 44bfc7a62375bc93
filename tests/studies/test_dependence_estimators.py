"""Distance correlation, information, tails, copulas and surrogates on planted and on bad input."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.special import digamma

from imbalance.studies.dependence.copulas import fit_copulas
from imbalance.studies.dependence.distance_correlation import (
    distance_correlation,
    margin,
    shifted,
    squared_correlation,
)
from imbalance.studies.dependence.information import (
    embed,
    gaussian_transfer_entropy,
    mutual_information,
    transfer_entropy,
)
from imbalance.studies.dependence.nearest_neighbours import Cloud, counts
from imbalance.studies.dependence.ranks import normal_scores, tied_share, uniform_scores
from imbalance.studies.dependence.tails import quantilogram, tail_dependence
from imbalance.studies.inference.surrogates import draw_shifts, upper_tail


def centred(values):
    a = np.abs(values[:, None] - values)
    return a - a.mean(axis=0) - a.mean(axis=1)[:, None] + a.mean()


def series(kind, generator, n=500):
    return {
        "normal": lambda: generator.standard_normal(n),
        "heavy": lambda: generator.standard_t(1.5, n),
        "tied": lambda: np.round(generator.standard_normal(n)),
        "mostly_zero": lambda: np.where(generator.random(n) < 0.6, 0.0, generator.random(n)),
        "two_values": lambda: np.sign(generator.standard_normal(n)),
    }[kind]()


KINDS = ("normal", "heavy", "tied", "mostly_zero", "two_values")


@pytest.mark.parametrize("kind", KINDS)
def test_distance_correlation_equals_its_definition(kind):
    generator = np.random.default_rng(1)
    x = series(kind, generator)
    y = np.abs(x) + 0.5 * series("normal", generator)
    a, b = centred(x), centred(y)
    wanted = np.sqrt((a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean()))
    found = distance_correlation(margin(x), margin(y))
    assert found.correlation == pytest.approx(wanted, abs=1e-12)
    h = 2.0 * (a * b).mean(axis=1) / np.sqrt((a * a).mean() * (b * b).mean())
    h -= wanted**2 * ((a * a).mean(axis=1) / (a * a).mean() + (b * b).mean(axis=1) / (b * b).mean())
    np.testing.assert_allclose(found.influence, h, atol=1e-10)


def test_distance_correlation_of_a_series_with_itself_and_with_a_shift_of_it():
    x = np.random.default_rng(2).standard_normal(300)
    y = np.random.default_rng(3).standard_normal(300)
    assert distance_correlation(margin(x), margin(-3.0 * x + 7.0)).correlation == pytest.approx(1.0)
    moved = squared_correlation(shifted(margin(x), 17), margin(y))
    assert moved == pytest.approx(squared_correlation(margin(np.roll(x, 17)), margin(y)), abs=1e-14)


def test_the_standard_error_of_distance_correlation_is_that_of_repetitions():
    generator = np.random.default_rng(4)
    squared, errors = [], []
    for _ in range(200):
        x = generator.standard_normal(400)
        found = distance_correlation(margin(x), margin(x**2 + generator.standard_normal(400)))
        squared.append(found.correlation**2)
        errors.append(found.influence.std() / np.sqrt(400))
    assert np.mean(errors) == pytest.approx(np.std(squared), rel=0.15)


@pytest.mark.parametrize("n", [100, 198, 2_000])
@pytest.mark.parametrize("others", [(1.0,), (-1.0, 1.0)])
def test_a_series_of_one_value_and_hardly_another_has_no_unbiased_variance(n, others):
    """It is nothing by algebra; by rounding a little more or a little less than that."""
    generator = np.random.default_rng(n)
    tied = np.zeros(n)
    tied[generator.permutation(n)[:len(others)]] = others
    found = distance_correlation(margin(tied), margin(generator.standard_normal(n)))
    assert np.isnan(found.bias_corrected)
    assert 0.0 < found.correlation < 1.0
    tied[:3] = (1.0, 2.0, 3.0)
    assert np.isfinite(distance_correlation(margin(tied), margin(tied)).bias_corrected)


def test_a_constant_series_has_no_margin():
    assert margin(np.full(50, 3.3)) is None
    assert margin(np.zeros(50)) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dimensions", [2, 3])
def test_neighbours_equal_those_of_a_tree(kind, dimensions):
    generator = np.random.default_rng(6)
    points = np.column_stack([series(kind, generator) for _ in range(dimensions)])
    cloud = Cloud.of(points)
    radius = cloud.nearest(4)[0][cloud.which]
    wanted = cKDTree(points).query(points, 5, p=np.inf)[0][:, 4]
    np.testing.assert_array_equal(radius, wanted)
    away = np.abs(points[:, None] - points).max(axis=2)
    r = radius[:, None]
    np.testing.assert_array_equal(counts(points, radius), ((away < r) | (away == 0)).sum(axis=1))
    np.testing.assert_array_equal(counts(points, radius, closed=True), (away <= r).sum(axis=1))
    away = np.abs(points[:, :1] - points[:, 0])
    np.testing.assert_array_equal(
        counts(points[:, :1], radius), ((away < r) | (away == 0)).sum(axis=1)
    )


def test_information_of_two_discrete_series_is_counted():
    """All neighbours are at distance 0: what is left is the sum over the table of counts."""
    generator = np.random.default_rng(7)
    x = generator.integers(0, 3, 4_000).astype(float)
    y = np.where(generator.random(4_000) < 0.5, x, generator.integers(0, 3, 4_000))
    pairs = np.array([[np.sum((x == i) & (y == j)) for j in range(3)] for i in range(3)])
    share = pairs / pairs.sum()
    table = share * (
        digamma(pairs) + digamma(4_000)
        - digamma(pairs.sum(axis=1))[:, None] - digamma(pairs.sum(axis=0))
    )
    found = mutual_information(x[:, None], y[:, None])
    assert found.value == pytest.approx(table.sum(), abs=1e-12)
    assert found.value == pytest.approx(0.231, abs=0.02)  # ln 3 + ⅔ ln ⅔ + ⅓ ln ⅙


def test_duplicated_columns_share_without_bound_and_finitely():
    x = normal_scores(np.random.default_rng(8).standard_normal(1_000))
    found = mutual_information(x[:, None], x[:, None])
    assert 4.0 < found.value < np.log(1_000)


@pytest.mark.oracle("Sim6", "dependence")
@pytest.mark.parametrize("name", ["y = x²", "a copula that turns its sign"])
def test_dependence_is_found_where_correlation_is_none(oracle, name):
    generator = np.random.default_rng(9)
    x, noise = generator.standard_normal((2, 600))
    y = x**2 + 0.5 * noise
    if name != "y = x²":
        # ρ is 0.8, −0.8, 0.8 and −0.8 in turn.
        y = 0.8 * np.repeat([1.0, -1.0, 1.0, -1.0], [200, 200, 100, 100]) * x + 0.6 * noise
    oracle.lies(f"correlation, {name}", np.corrcoef(x, y)[0, 1], -0.1, 0.1)
    left, right = normal_scores(x), normal_scores(y)
    shifts = draw_shifts(600, 100, seed=1, least=30)
    by_distance, other = margin(left), margin(right)
    by_shift = np.array([squared_correlation(shifted(by_distance, s), other) for s in shifts])
    found = upper_tail(squared_correlation(by_distance, other), by_shift, 600.0)
    oracle.lies(f"p of distance correlation, {name}", found.p_value, 0.0, 1e-3)
    by_shift = np.array([mutual_information(np.roll(left, s)[:, None], right[:, None]).value
                         for s in shifts])
    found = upper_tail(mutual_information(left[:, None], right[:, None]).value, by_shift, 600.0)
    oracle.lies(f"p of information (KSG), {name}", found.p_value, 0.0, 1e-3)
    assert found.p_value <= 1e-3


def test_transfer_entropy_has_a_direction_and_reaches_over_no_gap():
    generator = np.random.default_rng(10)
    x = generator.standard_normal(2_000)
    y = np.zeros(2_000)
    y[1:] = x[:-1] ** 2 + 0.5 * generator.standard_normal(1_999)
    x[500:520] = np.nan
    y[900] = np.nan
    rows = embed(x, y)
    # Bars 501 … 520 lack the past of x, 900 and 901 a value of y.
    assert len(rows.now) == 1_999 - 20 - 2
    assert transfer_entropy(rows).value > 0.2
    assert abs(transfer_entropy(embed(y, x)).value) < 0.05
    assert gaussian_transfer_entropy(rows).value < 0.05


def test_no_tail_is_fitted_to_repetitions():
    values = np.random.default_rng(12).exponential(size=199)
    assert upper_tail(9.0, values, 1e4).tail_fitted
    counted = upper_tail(9.0, values, 300.0)
    assert not counted.tail_fitted
    assert counted.p_value == pytest.approx(1.0 / 200.0)


def test_p_values_of_independent_persistent_series_are_honest(make_autoregression):
    generator = np.random.default_rng(13)
    p_values = []
    for seed in range(100):
        x, y = make_autoregression(generator, 0.8, (2, 400))
        left, right = margin(x), margin(y)
        shifts = draw_shifts(400, 100, seed, least=20)
        p_values.append(upper_tail(
            squared_correlation(left, right),
            np.array([squared_correlation(shifted(left, s), right) for s in shifts]), 90.0,
        ).p_value)
    # Nominal plus three binomial standard errors.
    for level in (0.05, 0.2):
        limit = level + 3.0 * np.sqrt(level * (1.0 - level) / 100)
        assert np.mean(np.array(p_values) <= level) <= limit


@pytest.mark.parametrize(("family", "lower", "upper"), [
    ("clayton", 0.7071, 0.0), ("gumbel", 0.0, 0.5858), ("student", 0.2532, 0.2532)])
def test_copulas_are_told_apart_and_their_tails_found(family, lower, upper):
    generator = np.random.default_rng(14)
    n = 4_000
    if family == "student":
        z = generator.standard_normal((n, 2))
        z[:, 1] = 0.5 * z[:, 0] + np.sqrt(0.75) * z[:, 1]
        pair = z / np.sqrt(generator.chisquare(4, n) / 4)[:, None]
    elif family == "clayton":
        pair = (1 + generator.exponential(1, (n, 2)) / generator.gamma(0.5, 1, n)[:, None]) ** -0.5
    else:
        # Positive stable frailty of index ½ (θ = 2).
        angle, wait = generator.uniform(0, np.pi, n), generator.exponential(1, n)
        stable = (np.sin(angle / 2) / np.sin(angle) ** 2) * np.sin(angle / 2) / wait
        pair = np.exp(-np.sqrt(generator.exponential(1, (n, 2)) / stable[:, None]))
    best = fit_copulas(uniform_scores(pair[:, 0]), uniform_scores(pair[:, 1]))[0]
    assert best.name == family
    assert abs(best.lower - lower) <= (4.0 * best.error if lower else 0.0)
    assert abs(best.upper - upper) <= (4.0 * best.error if upper else 0.0)
    assert 0.0 < best.error < 0.03


def test_copulas_of_negative_dependence_end_at_independence():
    generator = np.random.default_rng(15)
    x = generator.standard_normal(1_000)
    fits = fit_copulas(uniform_scores(x), uniform_scores(generator.standard_normal(1_000) - x))
    assert fits[0].name == "student"
    assert fits[0].parameters["rho"] < -0.6
    assert {fit.name for fit in fits if np.isnan(fit.error)} >= {"clayton", "gumbel"}


def test_tail_dependence_with_its_interval():
    generator = np.random.default_rng(16)
    covered = []
    for _ in range(100):
        z = generator.standard_normal((2_000, 2))
        u, v = uniform_scores(z[:, 0]), uniform_scores(z[:, 1])
        found = tail_dependence(u, v, 0.05, "lower", 0.05)
        covered.append(found.low <= 0.05 <= found.high)
    assert np.mean(covered) >= 0.93
    both = tail_dependence(u, u, 0.05, "upper", 0.05)
    assert (both.value, both.high) == (1.0, 1.0)
    none = tail_dependence(u, -u + 1.0, 0.05, "lower", 0.05)
    assert (none.value, none.low) == (0.0, 0.0)
    assert 0.0 < none.high < 0.06


def test_quantilogram_covers_nothing_and_finds_the_middle():
    generator = np.random.default_rng(17)
    covered = []
    for _ in range(200):
        z = generator.standard_normal((500, 2))
        found = quantilogram(uniform_scores(z[:, 0]), uniform_scores(z[:, 1]), 0.25, 0.05)
        covered.append(found.low <= 0.0 <= found.high)
    assert 0.90 <= np.mean(covered) <= 0.99
    x = generator.standard_normal(2_000)
    y = x + generator.standard_normal(2_000)
    # 2 arcsin(ρ)/π with ρ = √½: the closed form at the median.
    assert quantilogram(uniform_scores(x), uniform_scores(y), 0.5, 0.05).value == pytest.approx(
        0.5, abs=0.06
    )


def test_ranks_of_ties():
    values = np.array([3.0, 1.0, 3.0, 2.0])
    np.testing.assert_allclose(uniform_scores(values), [0.7, 0.2, 0.7, 0.4])
    assert tied_share(values) == 0.5
    assert tied_share(np.arange(5.0)) == 0.0
