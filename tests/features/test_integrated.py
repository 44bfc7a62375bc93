"""Weights of the integrated order flow: first principal component of the past."""

import numpy as np

from imbalance.features.integrated import (
    WINDOW,
    Training,
    moments_of,
    principal_weights,
    windows,
)


def sample(n, seed):
    random = np.random.default_rng(seed)
    return (random.normal(size=(n, 1)) * np.linspace(1, 0.3, 10)
            + 0.2 * random.normal(size=(n, 10)) + 0.5)


def test_weights_are_the_first_principal_vector():
    x = sample(500, 1)
    m = moments_of(x, 0, 7)
    weights, share = principal_weights(m.n, m.sums, m.products)
    values, vectors = np.linalg.eigh(np.cov(x.T))
    w = vectors[:, -1] * np.sign(vectors[:, -1].sum())
    np.testing.assert_allclose(weights, w / np.abs(w).sum(), rtol=1e-9)
    np.testing.assert_allclose(share, values[-1] / values.sum(), rtol=1e-9)
    assert weights.sum() > 0
    np.testing.assert_allclose(np.abs(weights).sum(), 1.0)


def test_flows_that_do_not_vary_have_no_weights():
    x = np.ones((50, 10))
    m = moments_of(x, 0, 0)
    assert principal_weights(m.n, m.sums, m.products) is None


def test_only_the_48_half_hours_before_are_used():
    training = Training()
    parts = {k: sample(15, k) for k in range(60)}
    for k, x in parts.items():
        training.add(moments_of(x, k * WINDOW, k * WINDOW + 3))
    assert training.weights_for(0) is None
    found = training.weights_for(55 * WINDOW)
    pooled = moments_of(np.concatenate([parts[k] for k in range(7, 55)]), 0, 0)
    np.testing.assert_allclose(
        found.weights, principal_weights(pooled.n, pooled.sums, pooled.products)[0], rtol=1e-9
    )
    assert (found.trained_from, found.trained_to) == (7 * WINDOW, 55 * WINDOW)
    assert found.n == 48 * 15


def test_twenty_bars_are_needed():
    training = Training()
    training.add(moments_of(sample(19, 1), 0, 0))
    assert training.weights_for(WINDOW) is None
    training.add(moments_of(sample(1, 2), WINDOW, 2 * WINDOW + 5))
    found = training.weights_for(2 * WINDOW)
    assert found.n == 20
    assert found.available_at == 2 * WINDOW + 5


def test_windows():
    start = np.array([5, WINDOW - 1, WINDOW, 3 * WINDOW + 1])
    assert windows(start) == [(0, slice(0, 2)), (WINDOW, slice(2, 3)), (3 * WINDOW, slice(3, 4))]
    assert windows(np.array([], dtype=np.int64)) == []
