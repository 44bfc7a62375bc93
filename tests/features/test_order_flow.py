"""Order flow from events: the hand tape (O1), the LOBSTER day (O2), invariants."""

import gzip
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imbalance.features.order_flow import order_flow_events, without_price_changes
from imbalance.features.price_impact import price_impact


@pytest.fixture(scope="module")
def expected(shared):
    return json.loads((shared / "oracles/ofi/ofi_expected.json").read_text())


def test_hand_tape(expected):
    rows = expected["hand_tape"]["rows"]
    quotes = np.array([[row[0], row[1], row[2], row[3]] for row in rows], dtype=float)
    e = order_flow_events(*quotes.T)
    assert np.isnan(e[0])
    assert e[1:].tolist() == [row[5] for row in rows[1:]]
    assert e[1:].sum() == expected["hand_tape"]["OFI_total"] == 13.0


@pytest.fixture(scope="module")
def lobster(shared):
    def read(kind):
        path = shared / f"oracles/ofi/AMZN_2012-06-21_{kind}_1.csv.gz"
        delimiter = ";" if kind == "orderbook" else ","
        with gzip.open(path, "rt") as file:
            return np.loadtxt(file, delimiter=delimiter)

    return read("message"), read("orderbook")


@pytest.fixture(scope="module")
def lobster_bars(lobster):
    """Bar sums as the reference's: right-closed bars from 9:30, the last mid carried forward."""
    message, book = lobster
    time, kind, size, direction = message[:, 0], message[:, 1], message[:, 3], message[:, 5]
    ask, ask_size, bid, bid_size = book.T
    e = order_flow_events(bid, bid_size, ask, ask_size)
    flows = {
        "flow": np.nan_to_num(e),
        "no_price_change": np.nan_to_num(without_price_changes(e, bid, ask)),
        # A visible execution against a resting sell order was bought by the aggressor.
        "trades": np.where(kind == 4, -direction * size, 0.0),
    }

    def bars(seconds, measure):
        count = int(23400 / seconds)
        index = np.clip(np.ceil((time - 34200) / seconds).astype(int) - 1, 0, count - 1)
        total = np.bincount(index, weights=flows[measure], minlength=count)
        mid = np.full(count, np.nan)
        mid[index] = (ask + bid) / 2 / 100
        for k in range(1, count):
            if np.isnan(mid[k]):
                mid[k] = mid[k - 1]
        change = np.diff(mid, prepend=np.nan)
        return total, change, (np.arange(count) * seconds // 1800).astype(int)

    return e, bars


def test_lobster_events(lobster_bars, expected):
    e, _ = lobster_bars
    reference = expected["lobster_AMZN_2012-06-21_L1"]
    assert len(e) == reference["n_messages"] == 57515
    assert np.nansum(e) == reference["sum_en"] == -98009.0
    assert np.count_nonzero(np.nan_to_num(e)) == reference["n_nonzero"]
    assert e[1:11].tolist() == reference["first_en"]


@pytest.mark.parametrize(
    ("name", "seconds", "measure", "r_squared"),
    [
        ("bar_1s", 1, "flow", 0.4382),
        ("bar_5s", 5, "flow", 0.5409),
        ("bar_10s", 10, "flow", 0.5751),
        ("bar_30s", 30, "flow", 0.5738),
        ("bar_10s_excl_price_changing", 10, "no_price_change", 0.2931),
        ("bar_10s_TI_visible", 10, "trades", 0.3524),
    ],
)
def test_lobster_price_impact(lobster_bars, expected, name, seconds, measure, r_squared):
    reference = expected["lobster_AMZN_2012-06-21_L1"]["results"][name]
    fit = price_impact(*lobster_bars[1](seconds, measure))
    assert abs(fit.r_squared.mean() - r_squared) < 1e-4
    assert len(fit.window) == reference["n_windows"] == 13
    assert (fit.t_value > 1.96).all()
    table = np.array(reference["per_window"])
    np.testing.assert_array_equal(fit.n, table[:, 1])
    np.testing.assert_allclose(fit.intercept, table[:, 2], atol=1e-9)
    np.testing.assert_allclose(fit.slope, table[:, 3], atol=1e-9)
    np.testing.assert_allclose(fit.r_squared, table[:, 5], atol=1e-9)
    np.testing.assert_allclose(fit.t_value, table[:, 4], rtol=1e-8)


def test_levels_are_independent_and_a_missing_level_is_missing():
    bid = np.array([[100.0, 99.0], [101.0, 100.0], [101.0, np.nan], [101.0, 100.0]])
    ask = np.array([[102.0, 103.0]] * 4)
    size = np.ones((4, 2)) * [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]
    e = order_flow_events(bid, size, ask, np.ones((4, 2)))
    # Level 2 "improves" only because a new best shifted it: flow by design.
    assert e[1].tolist() == [3.0, 4.0]
    assert e[2, 0] == 2.0
    assert np.isnan(e[2, 1])
    assert np.isnan(e[3, 1])


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="four arrays"):
        order_flow_events([1.0], [1.0, 2.0], [1.0], [1.0])


def test_price_impact_leaves_out_small_windows_and_missing_bars():
    x = np.arange(30.0)
    y = 2 * x + 1
    y[3] = np.nan
    fit = price_impact(x, y, np.r_[np.zeros(25), np.ones(5)])
    assert fit.window.tolist() == [0]
    assert fit.n.tolist() == [24]
    np.testing.assert_allclose([fit.slope[0], fit.intercept[0], fit.r_squared[0]], [2, 1, 1])
    assert len(price_impact([1.0], [1.0], [0]).window) == 0


prices = hnp.arrays(np.int64, st.integers(2, 40), elements=st.integers(90, 110))


@given(prices, st.integers(0, 2**32 - 1))
def test_mirrored_books_have_opposite_flow(bid, seed):
    random = np.random.default_rng(seed)
    ask = bid + random.integers(1, 5, len(bid))
    q, r = random.integers(1, 9, (2, len(bid)))
    e = order_flow_events(bid, q, ask, r)
    mirrored = order_flow_events(-ask, r, -bid, q)
    np.testing.assert_array_equal(e, -mirrored)


def test_price_impact_leaves_out_windows_without_a_price_move():
    x = np.random.default_rng(0).standard_normal(90)
    y = 2.0 * x + np.random.default_rng(1).standard_normal(90)
    y[30:60] = 0.0
    fit = price_impact(x, y, np.repeat([0, 1, 2], 30))
    assert fit.window.tolist() == [0, 2]
    assert np.isfinite(fit.t_value).all()
