"""Matrices: planted structure comes back, other implementations agree, degenerate input is safe."""

import numpy as np
import pytest
from scipy.sparse.csgraph import minimum_spanning_tree
from sklearn.covariance import OAS, LedoitWolf

from imbalance.studies.correlation_matrix.shrinkage import (
    ledoit_wolf,
    oracle_approximating,
    sample_covariance,
    to_correlation,
)
from imbalance.studies.correlation_matrix.spectrum import (
    absorption_ratio,
    clip,
    effective_observations,
    marchenko_pastur_edges,
    spectrum,
)
from imbalance.studies.correlation_matrix.structure import (
    average_linkage,
    clusters,
    distances,
    spanning_tree,
)
from imbalance.studies.persistence import memory


def two_groups(generator, rows=2_000):
    """Six series in two groups that share a factor each."""
    factors = generator.normal(size=(rows, 2))
    return np.repeat(factors, 3, axis=1) + 0.7 * generator.normal(size=(rows, 6))


def autoregression(generator, phi, rows, columns):
    found = np.zeros((rows, columns))
    for t in range(1, rows):
        found[t] = phi * found[t - 1] + generator.normal(size=columns)
    return found


@pytest.mark.parametrize(("n", "p"), [(30, 40), (200, 5), (12, 3)])
def test_shrinkage_as_scikit_learn_has_it(n, p):
    rows = np.random.default_rng(n).normal(size=(n, p)) @ np.diag(np.linspace(1, 3, p))
    for ours, theirs in ((ledoit_wolf(rows), LedoitWolf().fit(rows)),
                         (oracle_approximating(rows), OAS().fit(rows))):
        assert ours.intensity == pytest.approx(theirs.shrinkage_, rel=1e-10)
        np.testing.assert_allclose(ours.covariance, theirs.covariance_, rtol=1e-10, atol=1e-14)


def test_shrinkage_lessens_the_error_where_rows_are_few():
    generator = np.random.default_rng(2)
    truth = np.eye(30)
    rows = generator.normal(size=(40, 30))
    error = np.square(sample_covariance(rows) - truth).sum()
    assert np.square(ledoit_wolf(rows).covariance - truth).sum() < 0.2 * error


def test_shrinkage_of_degenerate_rows():
    for rows in (np.zeros((10, 3)), np.ones((2, 2))):
        assert ledoit_wolf(rows).intensity == 1.0
        assert oracle_approximating(rows).intensity == 1.0
        assert not ledoit_wolf(rows).covariance.any()
    one = np.random.default_rng(1).normal(size=(50, 1))
    assert ledoit_wolf(one).covariance[0, 0] == pytest.approx(one.var())
    twice = np.repeat(one, 2, axis=1)
    shrunk = ledoit_wolf(twice)
    assert 0.0 < shrunk.intensity < 0.2
    assert 0.8 < to_correlation(shrunk.covariance)[0, 1] < 1.0


def test_noise_is_clipped_away_and_a_factor_kept():
    generator = np.random.default_rng(4)
    noise = np.corrcoef(generator.normal(size=(500, 40)).T)
    upper = marchenko_pastur_edges(40, 500)[1]
    assert spectrum(noise).values[0] < 1.1 * upper
    np.testing.assert_allclose(clip(noise, 1.1 * upper), np.eye(40), atol=1e-10)
    market = generator.normal(size=(500, 1)) + generator.normal(size=(500, 40))
    raw = np.corrcoef(market.T)
    cleaned = clip(raw, upper)
    off = ~np.eye(40, dtype=bool)
    assert np.abs(cleaned - 0.5)[off].mean() < 0.85 * np.abs(raw - 0.5)[off].mean()
    np.testing.assert_allclose(np.diag(cleaned), 1.0, atol=1e-12)
    assert absorption_ratio(spectrum(raw).values) == pytest.approx((0.5 * 39 + 1) / 40, abs=0.03)


def test_nothing_is_clipped_above_the_edge():
    correlation = np.array([[1.0, 0.3], [0.3, 1.0]])
    np.testing.assert_allclose(clip(correlation, 0.0), correlation, atol=1e-14)


def test_edges_and_ratio_of_collinear_series():
    same = np.ones((3, 3))
    values = spectrum(same).values
    np.testing.assert_allclose(values, [3.0, 0.0, 0.0], atol=1e-12)
    assert absorption_ratio(values) == pytest.approx(1.0)
    assert absorption_ratio(np.array([1.0, 2.0, 1.0]), top=2) == pytest.approx(0.75)


def test_persistence_makes_rows_worth_less():
    """AR(1): 1 + 2 Σ φ^{2k} = (1 + φ²)/(1 − φ²)."""
    generator = np.random.default_rng(3)
    rows = autoregression(generator, 0.8, 20_000, 3)
    found = effective_observations([memory(column) for column in rows.T], len(rows))
    assert found == pytest.approx(20_000 * (1 - 0.64) / (1 + 0.64), rel=0.1)
    white = generator.normal(size=(2_000, 3))
    full = effective_observations([memory(column) for column in white.T], 2_000)
    assert 1_800 <= full <= 2_000
    assert effective_observations([memory(white[:, 0])], 2_000) == 2_000


def test_the_edge_with_effective_rows_holds_persistent_noise():
    """With T = 400 rows of AR(0.9) noise the nominal edge is broken in every run."""
    generator = np.random.default_rng(9)
    nominal = kept = 0
    for _ in range(20):
        rows = autoregression(generator, 0.9, 500, 10)[100:]
        largest = spectrum(np.corrcoef(rows.T)).values[0]
        effective = effective_observations([memory(column) for column in rows.T], len(rows))
        nominal += largest <= marchenko_pastur_edges(10, len(rows))[1]
        kept += largest <= marchenko_pastur_edges(10, effective)[1]
    assert nominal == 0
    assert kept >= 14


def test_groups_come_back():
    correlation = np.corrcoef(two_groups(np.random.default_rng(1)).T)
    distance = distances(correlation)
    edges = spanning_tree(distance)
    assert len(edges) == 5
    assert sum(edge.first // 3 != edge.second // 3 for edge in edges) == 1
    merges = average_linkage(distance)
    assert clusters(merges, 6, 1.2).tolist() == [0, 0, 0, 1, 1, 1]
    assert clusters(merges, 6, 2.0).tolist() == [0] * 6
    assert clusters(merges, 6, 0.0).tolist() == list(range(6))


def test_the_tree_is_the_shortest():
    distance = distances(np.corrcoef(np.random.default_rng(6).normal(size=(30, 15)).T))
    ours = sum(edge.distance for edge in spanning_tree(distance))
    assert ours == pytest.approx(minimum_spanning_tree(distance).sum(), rel=1e-12)


def test_structure_of_one_series_and_of_the_same_twice():
    assert spanning_tree(np.zeros((1, 1))) == []
    assert average_linkage(np.zeros((1, 1))) == []
    assert clusters([], 1, 1.0).tolist() == [0]
    same = distances(np.ones((2, 2)))
    assert spanning_tree(same)[0].distance == 0.0
    np.testing.assert_allclose(distances(-np.ones((2, 2)))[0, 1], 2.0)
