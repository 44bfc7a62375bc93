"""Sim10 and closed forms: the index against planted loops."""

import numpy as np
import pytest

from imbalance.studies.feedback_index.estimate import estimate_loop
from imbalance.studies.feedback_index.loop import measure_loop
from imbalance.studies.feedback_index.stability import difference, find_break
from imbalance.studies.vector_autoregression import CollinearError, TooFewBarsError, select_lag

OWN_RETURN, OWN_FLOW = -0.1, 0.3
# Planted gains by (b₀, c₁): Σb/(1 + 0.1) · Σc/(1 − 0.3).
PLANTED = {"no impact": (0.0, 0.3), "no feedback": (0.6, 0.0), "neither": (0.0, 0.0),
           "loop": (0.6, 0.4 * 1.1 * 0.7 / 0.6)}


def planted(seed, length, impact, feedback, break_at=None):
    """Flow and return of a loop; from `break_at` on the return calls forth no flow."""
    noise = np.random.default_rng(seed).standard_normal((length + 100, 2))
    flow, returns = np.zeros(length + 100), np.zeros(length + 100)
    for t in range(1, length + 100):
        c = 0.0 if break_at is not None and t >= break_at + 100 else feedback
        flow[t] = c * returns[t - 1] + OWN_FLOW * flow[t - 1] + noise[t, 0]
        returns[t] = OWN_RETURN * returns[t - 1] + impact * flow[t] + noise[t, 1]
    return np.column_stack([flow, returns])[100:]


def no_loop(estimate):
    return max(estimate.flow_to_return_test(), estimate.return_to_flow_test())


def sized(runs, length, name):
    impact, feedback = PLANTED[name]
    rejected, covered = [], []
    for seed in range(runs):
        data = planted(seed, length, impact, feedback)
        estimate = estimate_loop(data, select_lag(data, 4).chosen("bic"), 20)
        rejected.append(no_loop(estimate) <= 0.05)
        low, high = np.quantile(estimate.replicate(499, seed).gain, [0.025, 0.975])
        covered.append(low <= impact / 1.1 * feedback / 0.7 <= high)
    return np.mean(rejected), np.mean(covered)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_loop_is_found_and_an_absent_one_is_not(name):
    rejected, covered = sized(20, 1_000, name)
    # One wrong rejection in twenty is within three binomial deviations of 5 %.
    assert rejected == 1.0 if name == "loop" else rejected <= 0.15
    assert covered >= 0.80


@pytest.mark.slow
@pytest.mark.oracle("Sim10", "feedback_index")
@pytest.mark.parametrize("name", PLANTED)
def test_size_power_and_coverage_at_full_length(oracle, name):
    rejected, covered = sized(1_000, 2_000, name)
    if name == "loop":
        oracle.lies("power, gain 0.4", rejected, 0.9, 1.0)
        oracle.lies("coverage, gain 0.4", covered, 0.93, 0.97)
    else:
        # 6 % and three binomial deviations of a thousand runs at 5 % are the same to a tenth.
        oracle.lies(f"size, {name}", rejected, 0.0, 0.06)
        # A gain of 0 is a product with a factor of 0: covered in 92 % and more of the samples.
        oracle.lies(f"coverage, {name}", covered, 0.92, 1.0)


def test_figures_in_closed_form():
    # r = −0.1 r₋₁ + 0.6 x, x = 0.3 x₋₁ + c r₋₁: reduced form with b₀ = 0.6 and σ_xx = 4.
    c, variance = PLANTED["loop"][1], 4.0
    lagged = np.array([[[0.3, c], [0.6 * 0.3, -0.1 + 0.6 * c]]])
    sigma = variance * np.array([[1.0, 0.6], [0.6, 0.36 + 0.25]])
    loop = measure_loop(lagged, sigma, 200)
    assert loop.flow_to_return == pytest.approx(0.6 / 1.1)
    assert loop.return_to_flow == pytest.approx(c / 0.7)
    assert loop.gain == pytest.approx(0.4)
    # A lasting unit of flow becomes 1/(1 − d), and the loop makes 1/(1 − gain) of it.
    assert loop.impact == pytest.approx(0.6 / 1.1 * 2.0 / 0.7 / 0.6)
    phi = np.linalg.inv(np.eye(2) - lagged[0]) @ [2.0, 0.6 * 2.0]
    assert loop.impact == pytest.approx(phi[1])


def test_half_life_is_counted_from_the_flow_that_returns():
    # No memory but the loop's: x_t = c r_{t−1} + v₂, r_t = x_t. Flow returned by bar h is
    # c + … + c^h of c/(1 − c).
    c = 0.5
    lagged = np.array([[[0.0, c], [0.0, c]]])
    sigma = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-9]])
    loop = measure_loop(lagged, sigma, 50)
    assert loop.gain == pytest.approx(c)
    assert loop.half_life == pytest.approx(1.0)
    # Impact by bar h is (1 − c^{h+1})/(1 − c): nine tenths between bars 2 (0.875) and 3 (0.9375).
    assert loop.impact_time == pytest.approx(2.0 + 0.025 / 0.0625)
    slow = measure_loop(np.array([[[0.0, 0.99], [0.0, 0.99]]]), sigma, 5)
    assert np.isnan(slow.half_life)


def test_gain_has_no_unit_and_shares_follow_the_order():
    data = planted(3, 4_000, *PLANTED["loop"])
    plain = estimate_loop(data, 1, 20)
    scaled = estimate_loop(data * [1e4, 1e-3] + [7.0, 5.0], 1, 20)
    for name in ("gain", "half_life", "impact", "flow_explained", "return_explained"):
        assert getattr(scaled.loop, name) == pytest.approx(getattr(plain.loop, name), rel=1e-6)
    no_flow = estimate_loop(planted(3, 4_000, 0.6, 0.0), 1, 20).loop
    assert no_flow.flow_explained < 0.01
    assert no_flow.return_explained > 0.2
    no_impact = estimate_loop(planted(3, 4_000, 0.0, 0.3), 1, 20).loop
    assert no_impact.return_explained < 0.01
    assert no_impact.flow_explained > 0.05


def test_influence_gives_the_variance_of_replications():
    estimate = estimate_loop(planted(4, 6_000, *PLANTED["loop"]), 1, 20)
    influence = estimate.influence()
    assert abs(influence.sum()) < 1e-6 * np.abs(influence).sum()
    assert np.sqrt(influence @ influence) / len(influence) == pytest.approx(
        estimate.replicate(999, 1).gain.std(), rel=0.15)


def test_influence_is_what_leaving_bars_out_changes():
    data = planted(5, 3_000, *PLANTED["loop"])
    whole = estimate_loop(data, 1, 20)
    where = np.ones(len(data), dtype=bool)
    where[1_000:1_010] = False
    without = estimate_loop(data, 1, 20, where)
    left_out = whole.influence()[999:1_009].sum() / whole.model.n
    assert without.loop.gain - whole.loop.gain == pytest.approx(-left_out, rel=0.1)


def test_a_break_is_found_where_it_is():
    broken = estimate_loop(planted(6, 6_000, *PLANTED["loop"], break_at=4_000), 1, 20)
    found = find_break(broken.influence(), broken.model.targets)
    assert found.p_value < 1e-4
    assert abs(broken.model.targets[found.row] - 4_000) < 400
    p_values = []
    for seed in range(40):
        whole = estimate_loop(planted(seed, 1_500, *PLANTED["loop"]), 1, 20)
        p_values.append(find_break(whole.influence(), whole.model.targets).p_value)
    assert np.mean(np.array(p_values) < 0.05) <= 0.15


def test_difference_of_two_sets_of_bars():
    data = planted(7, 8_000, *PLANTED["loop"], break_at=4_000)
    where = np.arange(len(data)) < 4_000
    first, second = estimate_loop(data, 1, 20, where), estimate_loop(data, 1, 20, ~where)
    assert first.loop.gain == pytest.approx(0.4, abs=0.06)
    assert second.loop.gain == pytest.approx(0.0, abs=0.06)
    found = difference(float(first.loop.gain), float(second.loop.gain),
                       first.replicate(299, 0).gain, second.replicate(299, 1).gain, 0.05)
    assert found.p_value < 1e-6
    assert found.low < 0.4 < found.high


def test_no_lag_reaches_over_a_gap():
    data = planted(8, 2_000, *PLANTED["loop"])
    data[1_000] = np.nan
    estimate = estimate_loop(data, 2, 20)
    assert set(estimate.model.targets) == set(range(2, 2_000)) - {1_000, 1_001, 1_002}


def test_too_few_bars_and_constant_flow_are_refused():
    data = planted(9, 100, *PLANTED["loop"])
    with pytest.raises(TooFewBarsError):
        estimate_loop(data[:15], 2, 20)
    with pytest.raises(CollinearError):
        estimate_loop(np.column_stack([np.ones(100), data[:, 1]]), 1, 20)
