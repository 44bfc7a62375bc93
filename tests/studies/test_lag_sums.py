import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.tsa.stattools import ccf

from imbalance.studies.lag_sums import lag_sums


def naive(x, y, lag):
    """Correlation and count over common valid pairs (x_t, y_{t+lag}), by a loop."""
    pairs = [
        (x[t], y[t + lag])
        for t in range(len(x))
        if 0 <= t + lag < len(y) and np.isfinite(x[t]) and np.isfinite(y[t + lag])
    ]
    if len(pairs) < 2:
        return np.nan, len(pairs)
    a, b = np.array(pairs).T
    if a.std() < 1e-6 or b.std() < 1e-6:
        return np.nan, len(pairs)
    return np.corrcoef(a, b)[0, 1], len(pairs)


@settings(max_examples=30)
@given(
    length=st.integers(2, 1300),
    max_lag=st.integers(1, 40),
    missing=st.sampled_from([0.0, 0.1, 0.9]),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_the_loop(length, max_lag, missing, seed):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((2, length))
    y = generator.standard_normal((2, length))
    y[0, 1:] += x[0, :-1]
    x[generator.random(x.shape) < missing] = np.nan
    y[generator.random(y.shape) < missing] = np.nan
    found = lag_sums(x, y, max_lag)
    correlation = found.correlation()
    for i in range(2):
        for j in range(2):
            for lag in (-max_lag, -1, 0, 1, max_lag):
                wanted, count = naive(x[i], y[j], lag)
                assert found.n[i, j, lag + max_lag] == count
                if np.isfinite(wanted):
                    assert correlation[i, j, lag + max_lag] == pytest.approx(wanted, abs=1e-8)


def test_more_series_than_a_tile_and_more_bars_than_a_batch():
    generator = np.random.default_rng(7)
    x, y = generator.standard_normal((53, 9_001)), generator.standard_normal((3, 9_001))
    x[generator.random(53) < 0.5, 4_000:4_500] = np.nan
    found = lag_sums(x, y, 15)
    there, filled = np.isfinite(x).astype(float), np.nan_to_num(x)
    for lag in (-15, 0, 7):
        ahead, behind = max(lag, 0), max(-lag, 0)
        a, c = filled[:, behind : 9_001 - ahead], there[:, behind : 9_001 - ahead]
        b = y[:, ahead : 9_001 - behind]
        at = lag + 15
        np.testing.assert_allclose(found.xy[..., at], a @ b.T, atol=1e-9)
        np.testing.assert_allclose(found.yy[..., at], c @ np.square(b).T, atol=1e-9)
        np.testing.assert_array_equal(found.n[..., at], np.tile(c.sum(axis=1)[:, None], 3))


def test_equals_statsmodels_at_lag_zero_and_in_shape():
    generator = np.random.default_rng(3)
    x, y = generator.standard_normal((2, 5_000))
    y[3:] += x[:-3]
    found = lag_sums(x[None], y[None], 5).correlation()[0, 0]
    # statsmodels divides by the whole-sample moments: equal at 0, to O(lag/n) elsewhere.
    reference = ccf(y, x, nlags=6)
    assert found[5] == pytest.approx(reference[0], abs=1e-12)
    np.testing.assert_allclose(found[5:], reference[:6], atol=5e-3)
    assert np.argmax(found) == 5 + 3


def test_a_side_that_is_constant_over_the_pairs_has_no_correlation():
    x = np.ones((1, 100))
    y = np.random.default_rng(0).standard_normal((1, 100))
    assert np.isnan(lag_sums(x, y, 3).correlation()).all()
