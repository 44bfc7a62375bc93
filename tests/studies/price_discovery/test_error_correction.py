import numpy as np
import pytest
from statsmodels.tsa.vector_ar.vecm import VECM, coint_johansen

from imbalance.studies.price_discovery.error_correction import correct, johansen, select_lag
from imbalance.studies.price_discovery.information_shares import (
    information_shares,
    orderings,
    spectral_factor,
)
from imbalance.studies.price_discovery.rank_test import trace_limits, trace_p_value
from imbalance.studies.vector_autoregression import CollinearError, TooFewBarsError

# The two markets of A1: the first follows the second with speed 0.2, the second the first with
# 0.05; the information share of the first is between 0.0270 and 0.1367.
ALPHA = np.array([[0.2], [-0.05]])
OMEGA = np.array([[1.0, 0.3], [0.3, 2.0]])
SHARE_BOUNDS = (0.02697740112994351, 0.13672316384180788)


def markets(seed, length, alpha=ALPHA, omega=OMEGA, gamma=0.0):
    """Prices of an error correction whose relations are the differences from the first price."""
    n = len(omega)
    shocks = np.random.default_rng(seed).standard_normal((length, n)) @ np.linalg.cholesky(omega).T
    prices = np.zeros((length, n))
    change = np.zeros(n)
    for t in range(1, length):
        relation = prices[t - 1, 1:] - prices[t - 1, 0]
        change = alpha @ relation + gamma * change + shocks[t]
        prices[t] = prices[t - 1] + change
    return prices


@pytest.mark.oracle("Sim8", "price_discovery")
def test_planted_bounds_come_back_within_their_intervals(oracle):
    fitted = correct(markets(0, 40_000), 1)
    found = information_shares(fitted.alpha, fitted.omega)
    drawn = information_shares(*fitted.replicate(499, 1))
    for name, true in (("hasbrouck_low", SHARE_BOUNDS[0]), ("hasbrouck_high", SHARE_BOUNDS[1]),
                       ("gonzalo_granger", 0.2), ("modified", 0.07211198527086587)):
        low, high = np.quantile(getattr(drawn, name)[:, 0], [0.005, 0.995])
        oracle.lies(f"{name} of {true:.6g}, 99 % interval", true, low, high)
        oracle.lies(f"{name}, estimate in it", getattr(found, name)[0], low, high)
        assert high - low < 0.1


@pytest.mark.slow
@pytest.mark.oracle("Sim8", "price_discovery")
def test_intervals_of_the_shares_cover_as_often_as_they_say(oracle):
    inside = []
    for seed in range(300):
        fitted = correct(markets(seed, 2_000), 1)
        drawn = information_shares(*fitted.replicate(199, seed)).gonzalo_granger[:, 0]
        low, high = np.quantile(drawn, [0.025, 0.975])
        inside.append(low < 0.2 < high)
    # Three binomial standard errors around 0.95.
    oracle.lies("coverage of the share of Gonzalo and Granger", np.mean(inside), 0.91, 0.99)


def test_coefficients_equal_statsmodels_with_the_same_relation():
    prices = markets(1, 1_500, gamma=0.2)
    fitted = correct(prices, 2)
    theirs = VECM(prices, k_ar_diff=2, coint_rank=1, deterministic="co").fit()
    spread = theirs.beta[1, 0]
    # They estimate the relation (near −1): with it imposed the speeds differ by little.
    assert spread == pytest.approx(-1.0, abs=0.05)
    np.testing.assert_allclose(fitted.alpha[:, 0], -theirs.alpha[:, 0], atol=0.02)


@pytest.mark.parametrize("lag", [1, 3])
def test_johansen_equals_statsmodels(lag):
    alpha = np.array([[0.1, 0.0], [-0.1, 0.1], [0.0, -0.2]])
    prices = markets(2, 800, alpha, np.eye(3) + 0.3)
    theirs = coint_johansen(prices, 0, lag)
    found = johansen(prices, lag)
    np.testing.assert_allclose(found.eigenvalues, theirs.eig, rtol=1e-7)
    np.testing.assert_allclose(found.trace, theirs.lr1, rtol=1e-7)
    np.testing.assert_allclose(found.largest_root, theirs.lr2, rtol=1e-7)
    assert trace_p_value(found.trace[0], 3) < 0.001
    assert trace_p_value(found.trace[1], 2) < 0.001
    assert trace_p_value(found.trace[2], 1) > 0.01


@pytest.mark.parametrize(("trends", "table"), [
    (1, (6.50, 8.18)), (2, (15.66, 17.95)), (3, (28.71, 31.52)), (4, (45.23, 48.28)),
    (5, (66.49, 70.60)),
])  # fmt: skip
def test_limits_of_the_trace_statistic_are_those_of_the_tables(trends, table):
    """Osterwald-Lenum 1992, a constant left free and no drift, at 90 and 95 %."""
    np.testing.assert_allclose(np.quantile(trace_limits(trends), [0.90, 0.95]), table, rtol=0.05)


def test_unrelated_walks_are_seldom_called_one_price():
    """At 5 %, of 300; by the limit for prices that drift 13 of 100 are."""
    called = [trace_p_value(johansen(np.cumsum(
        np.random.default_rng(seed).standard_normal((1_000, 2)), axis=0), 1).trace[0], 2) <= 0.05
        for seed in range(300)]
    # Three binomial standard errors above 0.05.
    assert np.mean(called) <= 0.088


def test_lag_with_the_least_bic_is_the_planted_one():
    assert select_lag(markets(3, 20_000, gamma=0.0), 5) == 1
    prices = np.cumsum(np.random.default_rng(4).standard_normal((6_000, 2)), axis=0)
    # Changes that follow those of three bars ago.
    changes = np.diff(prices, axis=0)
    for t in range(3, len(changes)):
        changes[t] += 0.4 * changes[t - 3]
    assert select_lag(np.cumsum(changes, axis=0), 6) == 3


def test_no_change_reaches_over_a_gap():
    prices = markets(5, 3_000)
    whole = correct(prices, 1)
    jumped = prices.copy()
    jumped[1_500:] += 1_000.0
    jumped[1_500] = np.nan
    broken = correct(jumped, 1)
    assert broken.n == whole.n - 3
    np.testing.assert_allclose(broken.omega, whole.omega, rtol=0.05)


def test_fit_does_not_depend_on_the_size_of_chunks(monkeypatch):
    prices = markets(6, 5_000)
    whole = correct(prices, 2)
    monkeypatch.setattr(
        "imbalance.studies.price_discovery.error_correction._ROWS_AT_ONCE", 300
    )
    parts = correct(prices, 2)
    np.testing.assert_allclose(parts.beta, whole.beta, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(parts.sums.scores, whole.sums.scores, atol=1e-7)


def test_a_copy_of_a_price_and_too_few_rows_are_refused():
    prices = markets(7, 500)
    with pytest.raises(CollinearError):
        correct(np.column_stack([prices, prices[:, 0]]), 1)
    with pytest.raises(TooFewBarsError):
        correct(prices[:6], 2)
    with pytest.raises(TooFewBarsError):
        correct(np.full((50, 2), np.nan), 1)


def test_shares_sum_to_one_and_do_not_depend_on_order():
    generator = np.random.default_rng(8)
    alpha = generator.standard_normal((5, 3, 2))
    root = generator.standard_normal((5, 3, 3))
    omega = root @ root.transpose(0, 2, 1)
    found = information_shares(alpha, omega)
    np.testing.assert_allclose(found.modified.sum(axis=1), 1.0)
    np.testing.assert_allclose(found.gonzalo_granger.sum(axis=1), 1.0)
    assert np.isnan(found.leadership).all()
    assert (found.hasbrouck_low.sum(axis=1) <= 1.0 + 1e-12).all()
    assert (found.hasbrouck_high.sum(axis=1) >= 1.0 - 1e-12).all()
    factor = spectral_factor(omega)
    np.testing.assert_allclose(factor @ factor.transpose(0, 2, 1), omega, atol=1e-12)


def test_uncorrelated_shocks_leave_no_room_for_the_order():
    found = information_shares(ALPHA, np.diag([1.0, 2.0]))
    np.testing.assert_allclose(found.hasbrouck_low, found.hasbrouck_high)
    np.testing.assert_allclose(found.hasbrouck_mid, found.modified)
    # ψ = (.2, .8): shares .04·1 : .64·2.
    np.testing.assert_allclose(found.hasbrouck_mid, [0.04 / 1.32, 1.28 / 1.32])
    lead = found.hasbrouck_mid * [0.8, 0.2]
    np.testing.assert_allclose(found.leadership, lead**2 / np.sum(lead**2))


def test_beyond_four_markets_each_is_first_and_last():
    assert len(orderings(4)) == 24
    five = orderings(5)
    assert len(five) == 10
    assert {order[0] for order in five} == {order[-1] for order in five} == set(range(5))
