"""Prices that tick at random times, with what was planted in them known."""

import numpy as np

from imbalance.studies.asynchrony.ticks import Ticks

SECOND = 1_000_000_000


def poisson_times(generator, rate, seconds):
    """Times in s of a Poisson process."""
    return np.sort(generator.uniform(0.0, seconds, generator.poisson(rate * seconds)))


def lead_lag_pair(seed, *, seconds, lag, correlation, rates, volatility=1e-4):
    """Bachelier prices, the second of which follows the first by `lag` s, seen at Poisson times."""
    generator = np.random.default_rng(seed)
    x_times, y_times = (poisson_times(generator, rate, seconds) for rate in rates)
    # One path of the leader, at its own times and at those that the follower looks back to.
    moments = np.concatenate([x_times, y_times - lag])
    order = np.argsort(moments)
    steps = np.diff(moments[order], prepend=moments[order][0])
    path = np.empty(len(moments))
    path[order] = np.cumsum(generator.normal(size=len(moments)) * np.sqrt(steps))
    own = np.cumsum(
        generator.normal(size=len(y_times)) * np.sqrt(np.diff(y_times, prepend=y_times[0]))
    )
    x = path[: len(x_times)]
    y = correlation * path[len(x_times) :] + np.sqrt(1.0 - correlation**2) * own
    return tuple(
        Ticks((times * SECOND).astype(np.int64), prices * volatility)
        for times, prices in ((x_times, x), (y_times, y))
    )


def noisy_pair(seed, *, n, correlation, variance, noise):
    """Synchronous ticks a second apart: random walks of known covariance, with noise added."""
    generator = np.random.default_rng(seed)
    root = np.linalg.cholesky(np.array([[1.0, correlation], [correlation, 1.0]]))
    steps = generator.normal(size=(n, 2)) @ root.T * np.sqrt(variance / n)
    prices = np.cumsum(steps, axis=0) + noise * generator.normal(size=(n, 2))
    times = np.arange(n, dtype=np.int64) * SECOND
    return Ticks(times, prices[:, 0]), Ticks(times, prices[:, 1])
