import numpy as np
import pytest
from scipy.optimize import linprog

from imbalance.studies.quantile_regression import quantile_regression


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.9])
def test_equals_the_linear_program(quantile):
    generator = np.random.default_rng(0)
    n, m = 200, 5
    design = np.column_stack([np.ones(n), 1e3 * generator.standard_normal((n, m - 1))])
    noise = generator.standard_t(3, n) * (1.0 + 1e-3 * np.abs(design[:, 1]))
    target = 100.0 + design @ generator.standard_normal(m) + noise
    cost = np.concatenate([np.zeros(2 * m), np.full(n, quantile), np.full(n, 1.0 - quantile)])
    equal = np.hstack([design, -design, np.eye(n), -np.eye(n)])
    solved = linprog(cost, A_eq=equal, b_eq=target, method="highs").x
    wanted = solved[:m] - solved[m : 2 * m]
    np.testing.assert_allclose(quantile_regression(design, target, quantile), wanted, rtol=1e-7,
                               atol=1e-7)


def test_a_constant_alone_is_the_sample_quantile():
    values = np.random.default_rng(1).standard_normal(1_001)
    for quantile in (0.1, 0.5, 0.75):
        found = quantile_regression(np.ones((1_001, 1)), values, quantile)[0]
        assert found == pytest.approx(np.sort(values)[int(1_001 * quantile)], abs=1e-8)


def test_targets_with_many_ties():
    """Returns on a tick grid: half of all targets are the same value."""
    generator = np.random.default_rng(2)
    design = np.column_stack([np.ones(2_000), generator.standard_normal((2_000, 2))])
    target = np.round(0.7 * generator.standard_normal(2_000))
    coefficients = quantile_regression(design, target, 0.5)
    np.testing.assert_allclose(coefficients, 0.0, atol=1e-6)


def test_bars_that_the_first_fit_meets_exactly_stay_where_they_are():
    values = np.concatenate([-np.ones(40), np.zeros(21), np.ones(40)])
    assert quantile_regression(np.ones((101, 1)), values, 0.5)[0] == pytest.approx(0.0, abs=1e-12)
    slope = np.random.default_rng(3).standard_normal(300)
    design = np.column_stack([np.ones(300), slope])
    for quantile in (0.05, 0.5, 0.95):
        found = quantile_regression(design, 1.0 + 2.0 * slope, quantile)
        np.testing.assert_allclose(found, [1.0, 2.0], atol=1e-9)
