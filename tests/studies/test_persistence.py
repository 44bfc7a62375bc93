import numpy as np
import pytest
from statsmodels.regression.linear_model import burg
from statsmodels.tsa.arima_process import arma_acf
from statsmodels.tsa.stattools import adfuller

from imbalance.studies.persistence import has_unit_root, memory, variance_inflation


def test_the_autoregression_is_burgs():
    generator = np.random.default_rng(1)
    values = generator.standard_normal(500).cumsum() * 0.1 + generator.standard_normal(500)
    found = memory(values)
    assert found.order > 1
    wanted, _ = burg(values, order=found.order)
    assert found.persistence == pytest.approx(wanted.sum(), abs=1e-9)
    implied = arma_acf(np.concatenate([[1.0], -wanted]), [1.0], lags=30)
    np.testing.assert_allclose(found.autocorrelation[:30], implied, atol=1e-9)


def test_the_ends_of_a_gap_are_never_joined(make_autoregression):
    # Stretches of four bars, a minute apart: joined, every fourth pair would be of strangers.
    values = make_autoregression(np.random.default_rng(4), 0.9, (40_000,))
    values[np.arange(len(values)) % 64 >= 4] = np.nan
    assert memory(values).persistence == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize(("coefficient", "missing", "bars"), [
    (0.9, 0.1, 400), (0.9, 0.3, 3_600), (0.97, 0.1, 3_600), (0.5, 0.6, 400), (0.5, 0.8, 3_600),
])
def test_memory_does_not_explode_where_bars_are_missing_here_and_there(
    make_autoregression, coefficient, missing, bars
):
    generator = np.random.default_rng(5)
    found = []
    for values in make_autoregression(generator, coefficient, (50, bars)):
        values[generator.random(bars) < missing] = np.nan
        remembered = memory(values)
        assert np.abs(remembered.autocorrelation).max() <= 1.0
        found.append(variance_inflation(remembered, remembered, int(np.isfinite(values).sum())))
    wanted = (1 + coefficient**2) / (1 - coefficient**2)
    assert np.median(found) == pytest.approx(wanted, rel=0.12)
    assert np.max(found) < 2.5 * wanted


EXACT = {
    "alternating": np.tile([1.0, -1.0], 1_500),
    "two values": np.tile([0.3, 5.0], 1_500),
    "period of four": np.tile([0.3, -1.2, 0.9, 0.1], 750),
    "ramp": np.arange(3_000.0),
    "ramp of the smallest": np.arange(3_000.0) * 1e-12,
    "sine": np.sin(np.arange(3_000.0) * 0.1),
}


@pytest.mark.parametrize("gaps", [0.0, 0.1])
@pytest.mark.parametrize("name", EXACT)
def test_a_series_that_its_past_tells_exactly_is_worth_few_pairs(name, gaps):
    values = EXACT[name].copy()
    values[np.random.default_rng(13).random(len(values)) < gaps] = np.nan
    found = memory(values)
    assert np.abs(found.autocorrelation).max() <= 1.0
    n = int(np.isfinite(values).sum())
    assert n / variance_inflation(found, found, n) < 10.0 or has_unit_root(values, found)


def test_bars_of_which_no_two_stand_side_by_side_remember_one_another(make_autoregression):
    sparse = np.full(4_000, np.nan)
    sparse[::2] = make_autoregression(np.random.default_rng(6), 0.8, (2_000,))
    assert memory(sparse).autocorrelation[1] == pytest.approx(0.8, abs=0.05)


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
