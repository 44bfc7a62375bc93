import numpy as np
import pytest
from statsmodels.tsa.stattools import acf, adfuller

from imbalance.studies.persistence import (
    autocorrelations,
    has_unit_root,
    memory,
    variance_inflation,
)


def test_autocorrelations_equal_statsmodels_adjusted_for_the_number_of_pairs():
    values = np.random.default_rng(1).standard_normal(500).cumsum() * 0.1
    values += np.random.default_rng(2).standard_normal(500)
    np.testing.assert_allclose(
        autocorrelations(values, 20), acf(values, nlags=20, adjusted=True), atol=1e-10
    )


def test_autocorrelations_never_join_the_ends_of_a_gap():
    # +1 before the gap, −1 after: joining the ends would see −1 at lag 1.
    values = np.concatenate([np.ones(50), [np.nan], -np.ones(50)])
    assert autocorrelations(values, 1)[1] == pytest.approx(1.0)


@pytest.mark.parametrize("coefficient", [0.0, 0.5, 0.9])
def test_variance_inflation_of_first_order_autoregressions(make_autoregression, coefficient):
    generator = np.random.default_rng(7)
    found = []
    for x, y in make_autoregression(generator, coefficient, (20, 2, 3_600)):
        found.append(variance_inflation(memory(x), memory(y), 3_600))
    wanted = (1 + coefficient**2) / (1 - coefficient**2)
    assert np.mean(found) == pytest.approx(wanted, rel=0.05)


def test_gaps_do_not_change_the_memory_much(make_autoregression):
    values = make_autoregression(np.random.default_rng(8), 0.8, (20_000,))
    with_gaps = values.copy()
    with_gaps[np.random.default_rng(9).random(len(values)) < 0.1] = np.nan
    assert memory(with_gaps).persistence == pytest.approx(memory(values).persistence, abs=0.05)


def test_unit_roots_are_told_from_persistence(make_autoregression):
    generator = np.random.default_rng(10)
    walks = generator.standard_normal((50, 2_000)).cumsum(axis=1)
    stationary = make_autoregression(generator, 0.95, (50, 2_000))
    refused = [has_unit_root(series, memory(series)) for series in walks]
    passed = [not has_unit_root(series, memory(series)) for series in stationary]
    # The test rejects 5 % of true unit roots; 9 of 50 is beyond three standard errors of that.
    assert sum(refused) >= 42
    assert sum(passed) >= 49


def test_unit_root_test_agrees_with_statsmodels():
    generator = np.random.default_rng(11)
    for coefficient in (0.97, 0.99, 1.0):
        noise = generator.standard_normal(800)
        values = np.zeros(800)
        for t in range(1, 800):
            values[t] = coefficient * values[t - 1] + noise[t]
        found = memory(values)
        wanted = adfuller(values, maxlag=found.order - 1, autolag=None, result_object=True)
        refused = found.persistence >= 0.95 and wanted.statistic > wanted.critical_values["5%"]
        assert has_unit_root(values, found) == refused
