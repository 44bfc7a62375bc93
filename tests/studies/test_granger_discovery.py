"""Sim7 of causality: false discoveries over independent panels, with the HAC test in both ways."""

import numpy as np
import pytest

from imbalance.studies.granger_causality import granger
from imbalance.studies.multiple_testing import benjamini_hochberg
from imbalance.studies.vector_autoregression import fit


def p_values(make_autoregression, seed, pairs, length):
    generator = np.random.default_rng(seed)
    coefficients = generator.uniform(0.0, 0.9, (2 * pairs, 1))
    series = make_autoregression(generator, coefficients[:, 0], (2 * pairs, length))
    found = []
    for number in range(pairs):
        model = fit(series[2 * number : 2 * number + 2].T, 1)
        found += [granger(model, [0], [1], "hac").p_value, granger(model, [1], [0], "hac").p_value]
    return np.array(found)


def test_no_discovery_in_most_of_a_few_independent_panels(make_autoregression):
    p = p_values(make_autoregression, 0, 150, 1_000)
    # Three binomial standard errors of 300 tests above 5 %.
    assert np.mean(p < 0.05) < 0.088
    assert (benjamini_hochberg(p) <= 0.05).sum() <= 1


@pytest.mark.slow
@pytest.mark.oracle("Sim7", "feedback")
def test_false_discoveries_in_ten_thousand_tests(make_autoregression, oracle):
    # With no effect anywhere, the rate is the share of panels in which anything is called.
    p = p_values(make_autoregression, 1, 5_000, 3_600)
    panels = p.reshape(100, 100)
    called = [(benjamini_hochberg(panel) <= 0.05).any() for panel in panels]
    oracle.lies("false discovery rate of Granger causality", np.mean(called), 0.0,
                0.05 + 3.0 * np.sqrt(0.05 * 0.95 / 100))
    oracle.lies("size of Granger causality", np.mean(p < 0.05), 0.0,
                0.05 + 3.0 * np.sqrt(0.05 * 0.95 / 10_000))
