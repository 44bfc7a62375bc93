"""The microprice: oracle P1, counting a chain, what it does with states it has not seen."""

import json

import numpy as np
import pytest

from imbalance.features.chains import Chains, States
from imbalance.features.integrated import WINDOW
from imbalance.features.microprice import (
    BUCKETS,
    apply_chain,
    count_chain,
    solve_chain,
    symmetrise,
)

EDGES = np.arange(1, BUCKETS) / BUCKETS
STEP = 100_000_000


@pytest.fixture(scope="module")
def oracle(shared):
    return json.loads((shared / "oracles/microprice/microprice_expected.json").read_text())


def test_chain_of_the_oracle(oracle):
    Q, R1, R2, K = (np.array(oracle[name]) for name in ("Q", "R1", "R2", "K_ticks"))
    solved = solve_chain(Q, R1, R2, K)
    exact = {"rtol": 0, "atol": 1e-12}
    np.testing.assert_allclose(solved.first, oracle["G1"], **exact)
    np.testing.assert_allclose(solved.terms(6), oracle["G_cum"], **exact)
    np.testing.assert_allclose(solved.limit, oracle["G_star"], **exact)
    np.testing.assert_allclose(solved.limit, [-8 / 63, 0, 8 / 63], **exact)
    np.testing.assert_allclose(solved.transition.sum(axis=1), 1.0, **exact)
    # The oracle's row: where B settles.
    settled = np.linalg.matrix_power(solved.transition, 200)
    np.testing.assert_allclose(settled, np.tile(oracle["stationary_B"], (3, 1)), **exact)


def test_states_that_never_move_the_mid_adjust_nothing():
    Q = np.array([[1.0, 0.0], [0.5, 0.0]])
    R1 = np.array([[0.0, 0, 0, 0], [0.0, 0, 0.5, 0]])
    R2 = np.array([[0.0, 0.0], [0.5, 0.0]])
    solved = solve_chain(Q, R1, R2)
    assert solved.limit.tolist() == [0.0, 0.25]


def test_a_sum_that_does_not_converge_is_refused():
    # Two states apart, each drifting for ever.
    R1 = np.array([[0.0, 0, 0, 1], [1.0, 0, 0, 0]])
    assert solve_chain(np.zeros((2, 2)), R1, np.eye(2)).limit is None


def test_counting():
    #            state: bucket 9, spread 1 | same | mid +1 tick, bucket 0 | gap | wide | narrow
    imbalance = np.array([0.95, 0.95, 0.05, 0.05, 0.05, 0.05])
    spread = np.array([0.1, 0.1, 0.1, 0.1, 0.9, 0.1])
    mid = np.array([1.05, 1.05, 1.15, 1.15, 1.15, 1.15])
    follows = np.array([False, True, True, False, True, True])
    Q, R1, R2 = count_chain(imbalance, spread, mid, follows, EDGES, 0.1)
    assert Q[9, 9] == Q.sum() == 1
    assert R1[9].tolist() == [0, 0, 0, 1]
    assert R1.sum() == R2[9, 0] == R2.sum() == 1


def test_a_jump_of_more_than_a_tick_is_left_out():
    mid = np.array([1.0, 1.2, 1.15, 1.05])
    same = np.full(4, 0.5)
    Q, R1, _ = count_chain(same, np.full(4, 0.1), mid, np.ones(4, bool), EDGES, 0.1)
    assert Q.sum() == 0
    assert R1.sum(axis=0).tolist() == [1, 1, 0, 0]  # −1 tick and −½ tick


def test_mirror():
    random = np.random.default_rng(5)
    S = 2 * BUCKETS
    Q, R1, R2 = random.integers(0, 9, (S, S)), random.integers(0, 9, (S, 4)), np.eye(S, dtype=int)
    Q2, R12, _ = symmetrise(Q, R1, R2)
    assert Q2.sum() == 2 * Q.sum()
    # Spread 1, bucket 0 to spread 2, bucket 3 is as frequent as bucket 9 to bucket 6.
    assert Q2[0, 13] == Q2[9, 16] == Q[0, 13] + Q[9, 16]
    assert R12[3].tolist() == R12[6][::-1].tolist()


def test_applied_to_states():
    ticks = np.full(4 * BUCKETS, np.nan)
    ticks[[9, 15]] = 0.4, 0.1
    out = apply_chain(
        np.array([0.95, 0.55, 0.05, np.nan, 0.95]), np.array([0.1, 0.2, 0.1, 0.1, 0.5]),
        np.full(5, 10.0), EDGES, 0.1, ticks,
    )
    np.testing.assert_allclose(out, [10.04, 10.01, np.nan, np.nan, np.nan], atol=1e-12)


def test_recovers_a_planted_push():
    """The next move of the mid goes with the queue: G¹ = ±1 tick times its chance, and no more."""
    random = np.random.default_rng(3)
    n = 4 * 18_000
    bid_size, ask_size = random.integers(1, 100, (2, n)).astype(float)
    towards = np.r_[0, np.sign(bid_size - ask_size)[:-1]]
    bid = 100 + 0.1 * np.cumsum(np.where(random.random(n) < 0.5, towards, 0))
    start = np.arange(n) * STEP
    states = States.of(start, start + STEP, np.ones(n, bool), bid, bid_size, bid + 0.1, ask_size)
    chains = Chains()
    micro = chains.microprice(states)
    assert np.isnan(micro[:18_000]).all()
    trained = chains.take()
    assert [chain.valid_from for chain in trained] == [WINDOW, 2 * WINDOW, 3 * WINDOW]
    chain = trained[-1]
    assert (chain.trained_from, chain.trained_to, chain.n) == (0, 3 * WINDOW, 3 * 18_000 - 1)
    assert chain.tick == 0.1
    # Each step moves a tick with chance ½; from the state of the next step on nothing is known.
    expected = np.where(np.arange(BUCKETS) < 5, -0.5, 0.5)
    np.testing.assert_allclose(chain.adjustment[:BUCKETS][[0, 1, 8, 9]],
                               expected[[0, 1, 8, 9]], atol=0.03)
    np.testing.assert_allclose(chain.adjustment[:BUCKETS], -chain.adjustment[:BUCKETS][::-1],
                               atol=1e-12)
    assert np.isnan(chain.adjustment[BUCKETS:]).all()


def test_too_little_past_gives_no_chain():
    n = 900
    start = np.r_[np.arange(n), 18_000 + np.arange(n)] * STEP
    one = np.ones(2 * n)
    chains = Chains()
    micro = chains.microprice(
        States.of(start, start, one > 0, one, one, one + 0.1, one)
    )
    assert np.isnan(micro).all()
    assert chains.take() == []
