"""What series are like before they are correlated: the memory of ranks and of sums."""

import numpy as np
import pytest

from imbalance.studies.alignment import align
from imbalance.studies.bars import TableBars
from imbalance.studies.persistence import Memory
from imbalance.studies.prepared_series import SeriesPool, summed_memory


def pool_of(make_bars, values):
    panel = align(TableBars(make_bars({"A": {"x": values}})), "1s", ("x",), 1)
    return SeriesPool(panel, 20, ranked=True)


def test_ranks_of_noise_with_ties_remember_nothing(make_bars):
    """Nine in ten are 0, as returns of a quiet book: told apart by their time they would trend."""
    generator = np.random.default_rng(20)
    values = np.where(generator.random(3_600) < 0.9, 0.0, generator.standard_normal(3_600))
    memory = pool_of(make_bars, values).get(("A", "x")).rank_memory
    assert abs(memory.persistence) < 0.1


@pytest.mark.parametrize("horizon", [10, 30])
def test_sums_of_a_persistent_series_do_not_explode(make_bars, make_autoregression, horizon):
    for seed in range(12):
        pool = pool_of(make_bars, make_autoregression(np.random.default_rng(seed), 0.9, (3_600,)))
        found = pool.get(("A", "x"), horizon).memory.autocorrelation
        i, j = np.ogrid[:horizon, :horizon]
        wanted = [(0.9 ** np.abs(k + i - j)).sum() for k in range(60)]
        assert np.abs(found).max() == 1.0
        np.testing.assert_allclose(found[:60], np.array(wanted) / wanted[0], atol=0.2)


@pytest.mark.parametrize("horizon", [2, 10, 30])
def test_the_memory_of_sums_follows_from_that_of_what_is_summed(horizon):
    """A moving average of order h − 1 for noise; for φ^k the sums of covariances by hand."""
    noise = summed_memory(Memory(np.ones(1), 0, 0.0), horizon).autocorrelation
    np.testing.assert_allclose(noise, 1.0 - np.arange(horizon) / horizon)
    rho = 0.8 ** np.arange(200)
    found = summed_memory(Memory(rho, 1, 0.8), horizon).autocorrelation
    i, j = np.ogrid[:horizon, :horizon]
    wanted = np.array([(0.8 ** np.abs(k + i - j)).sum() for k in range(50)])
    np.testing.assert_allclose(found[:50], wanted / wanted[0], atol=1e-12)
