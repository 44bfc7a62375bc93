import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imbalance.studies.multiple_testing import benjamini_hochberg, benjamini_yekutieli

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=50)


@given(P_VALUES, st.floats(0.001, 0.5))
def test_called_rows_are_those_of_the_step_up_rule(p_values, level):
    p = np.array(p_values)
    ordered = np.sort(p)
    m = len(p)
    # The rule in the paper's words: the largest i with p(i) <= i q / m, and all below it.
    below = [i for i in range(1, m + 1) if ordered[i - 1] * m / i <= level]
    wanted = p <= ordered[max(below) - 1] if below else np.zeros(m, dtype=bool)
    np.testing.assert_array_equal(benjamini_hochberg(p) <= level, wanted)


@given(P_VALUES)
def test_order_of_p_values_is_kept_and_arbitrary_dependence_costs_more(p_values):
    p = np.array(p_values)
    q = benjamini_hochberg(p)
    assert (np.diff(q[np.argsort(p, kind="stable")]) >= 0).all()
    assert (q >= p - 1e-15).all()
    assert (benjamini_yekutieli(p) >= q - 1e-15).all()


def test_tests_not_made_do_not_count():
    p = np.array([0.01, np.nan, 0.04])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.02, np.nan, 0.04])
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()
