from itertools import permutations

import numpy as np
import pytest

from imbalance.studies.connectedness.measures import Connectedness
from imbalance.studies.impulse_response import (
    moving_average,
    orthogonal,
    permanent,
    variance_shares,
)
from imbalance.studies.orderings import response_range, shocks, total_range

GENERATOR = np.random.default_rng(0)
A = GENERATOR.uniform(-0.25, 0.25, (2, 4, 4))
ROOT = GENERATOR.standard_normal((4, 4))
SIGMA = ROOT @ ROOT.T + np.eye(4)
PHI = moving_average(A, 6)


def by_order(order):
    """Orthogonal responses under an order of the variables, put back in their places."""
    order = list(order)
    back = np.argsort(order)
    found = orthogonal(PHI[:, order][:, :, order], SIGMA[np.ix_(order, order)])
    return found[:, back][:, :, back]


def test_ranges_are_those_of_trying_every_order():
    tried = [by_order(order) for order in permutations(range(4))]
    low, high = response_range(PHI, SIGMA)
    np.testing.assert_allclose(low, np.min(tried, axis=0), atol=1e-12)
    np.testing.assert_allclose(high, np.max(tried, axis=0), atol=1e-12)
    totals = [Connectedness(variance_shares(one)[-1]).total for one in tried]
    assert total_range(PHI, SIGMA) == pytest.approx((min(totals), max(totals)), abs=1e-12)


def test_first_and_last_place():
    found = shocks(SIGMA, 1)
    np.testing.assert_allclose(found[0], SIGMA[:, 1] / np.sqrt(SIGMA[1, 1]))
    alone = 1.0 / np.linalg.inv(SIGMA)[1, 1]
    np.testing.assert_allclose(found[-1], [0.0, np.sqrt(alone), 0.0, 0.0], atol=1e-12)


def test_permanent_is_where_the_sum_of_responses_ends():
    factor = np.linalg.cholesky(SIGMA)
    wanted = (moving_average(A, 400) @ factor).sum(axis=0)
    np.testing.assert_allclose(permanent(A, factor), wanted, atol=1e-9)
