"""Trailing normalisations against their definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imbalance.features.trailing import Trailing


def by_definition(values, bars, least):
    scaled, rank = np.full(len(values), np.nan), np.full(len(values), np.nan)
    past = []
    for i, x in enumerate(values):
        if np.isnan(x):
            continue
        window = np.array(past[-bars:])
        if len(window) >= least:
            deviation = window.std(ddof=1)
            if np.ptp(window) > 0:
                scaled[i] = x / deviation
            rank[i] = ((window < x).sum() + 0.5 * (window == x).sum()) / len(window)
        past.append(x)
    return scaled, rank


def test_default_window_against_definition():
    values = np.random.default_rng(1).normal(5, 2, 1000)
    values[::7] = np.nan
    scaled, rank = Trailing().normalise(values)
    expected = by_definition(values, 300, 20)
    np.testing.assert_allclose(scaled, expected[0], rtol=1e-12)
    np.testing.assert_array_equal(rank, expected[1])
    first = np.flatnonzero(~np.isnan(rank))[0]
    assert np.count_nonzero(~np.isnan(values[:first])) == 20


@given(
    hnp.arrays(np.float64, st.integers(0, 60),
               elements=st.sampled_from([np.nan, 0.0, 1.0, 2.0, -3.0])),
    st.integers(0, 60),
)
def test_cutting_the_series_changes_no_bit(values, cut):
    whole = Trailing(8, 3).normalise(values)
    expected = by_definition(values, 8, 3)
    np.testing.assert_allclose(whole[0], expected[0], rtol=1e-9)
    np.testing.assert_array_equal(whole[1], expected[1])
    assert np.all((whole[1] >= 0) & (whole[1] <= 1) | np.isnan(whole[1]))
    pieces = Trailing(8, 3)
    parts = [pieces.normalise(values[:cut]), pieces.normalise(values[cut:])]
    for k in (0, 1):
        np.testing.assert_array_equal(np.r_[parts[0][k], parts[1][k]], whole[k])


def test_values_that_do_not_vary_have_no_scale_but_a_rank():
    scaled, rank = Trailing(4, 2).normalise(np.full(4, 0.1))
    assert np.isnan(scaled).all()
    assert rank[2:].tolist() == [0.5, 0.5]


def test_window_must_fit():
    with pytest.raises(ValueError, match="multiple of 4"):
        Trailing(6)


@pytest.mark.parametrize("unit", [1e-5, 0.1])
def test_sums_in_another_order_rank_alike(unit):
    """Flows of lots, of which many cancel out: what is left is 0, or nearly, by the order of the
    sum; their ranks are those of the whole numbers of lots."""
    rng = np.random.default_rng(7)
    lots = rng.integers(-300, 301, 400) * rng.integers(0, 2, 400)
    sizes = unit * rng.integers(1, 10**4, (6, 400))
    there = (sizes.sum(axis=0) + unit * lots) - sizes[::-1].sum(axis=0)
    back = (unit * lots + sizes[3]) - sizes[3]
    assert len(np.unique(there)) > len(np.unique(lots))
    assert (there != back).any()
    ranks = [Trailing().normalise(values)[1] for values in (there, back, lots.astype(float))]
    np.testing.assert_array_equal(ranks[0], ranks[2])
    np.testing.assert_array_equal(ranks[1], ranks[2])
