"""Sim5 and the parts: derivatives by differences, residuals, gaps, ties, baselines that move."""

import dataclasses
import tracemalloc

import numpy as np
import pytest

from imbalance.simulate.point_processes import simulate_hawkes
from imbalance.studies.hawkes.estimate import (
    HawkesFit,
    expect_and_maximise,
    log_likelihood,
    maximise,
    start,
)
from imbalance.studies.hawkes.kernels import information
from imbalance.studies.hawkes.process import Events, Hawkes, knots_over
from imbalance.studies.hawkes.residuals import goodness_of_fit, residuals

# The bivariate process of K1: norms 0.25 0.0833 / 0.1667 0.3333, spectral radius 0.4167.
NORMS = np.array([[0.3, 0.1], [0.2, 0.4]])[:, :, None] / 1.2
BASELINE = np.array([[0.2], [0.2]])
DECAYS = np.array([1.2])
RATE = 0.3085714 + 0.3771429
CONSTANT = np.array([0.0])


def planted(seed, count, baseline=BASELINE, norms=NORMS, decays=DECAYS):
    duration = count / RATE * 0.2 / baseline.mean()
    times, kinds = simulate_hawkes(baseline, norms, decays, duration, np.random.default_rng(seed))
    return Events.within(times, kinds, len(baseline), [(0.0, duration)])


def test_planted_branching_comes_back():
    events = planted(0, 20_000)
    found = maximise(events, np.array([0.5]), CONSTANT)
    deviation = np.abs(found.process.branching - NORMS[:, :, 0]) / found.branching_error
    assert deviation.max() < 3.5
    assert abs(found.process.spectral_radius - 0.41667) < 3.0 * found.radius_error
    assert found.radius_error < 0.02
    np.testing.assert_allclose(found.process.exogenous_share(events), [0.648, 0.530], atol=0.05)
    for kind in (0, 1):
        fit = goodness_of_fit(residuals(events, found.process)[events.kinds == kind])
        assert fit.distance_p_value > 0.01
        assert fit.dependence_p_value > 0.01


def test_errors_are_those_of_the_whole_information():
    """Inverted row by row, with what the decays share, as if all were inverted at once."""
    norms = np.array([[[0.3, 0.1], [0.0, 0.0]], [[0.3, 0.2], [0.1, 0.0]]])
    times, kinds = simulate_hawkes(np.array([[0.5], [0.2]]), norms, np.array([10.0, 1.0]), 2_000.0,
                                   np.random.default_rng(4))
    # The third kind has no event.
    events = Events.within(times, kinds, 3, [(0.0, 900.0), (1_000.0, 2_000.0)])
    found = maximise(events, np.array([20.0, 2.0]), knots_over(0.0, 2_000.0, 500.0))
    process = found.process
    points, row = 5, 5 + 6
    part = np.zeros((3, row + 2, row + 2))
    information(events.times, events.kinds, events.bounds, process.decays, process.knots,
                process.baseline, process.norms, part)
    whole = np.zeros((3 * row + 2,) * 2)
    for i in range(3):
        place = np.append(np.arange(i * row, (i + 1) * row), [3 * row, 3 * row + 1])
        whole[np.ix_(place, place)] += part[i]
    lowest = 1e-4 * np.maximum(events.counts, 1) / events.duration
    inside = np.column_stack([
        process.baseline > 1.01 * lowest[:, None] + 1e-9,
        process.norms.reshape(3, -1) > 1e-9])
    free = np.flatnonzero(np.append(inside.ravel(), [True, True]) & (np.diag(whole) > 0.0))
    covariance = np.zeros_like(whole)
    covariance[np.ix_(free, free)] = np.linalg.inv(whole[np.ix_(free, free)])
    norm = (np.arange(3)[:, None] * row + points + np.arange(6)).ravel()
    np.testing.assert_allclose(found.norm_covariance, covariance[np.ix_(norm, norm)], rtol=1e-6,
                               atol=1e-12)


def test_errors_of_a_baseline_of_many_knots_take_the_memory_of_one_row():
    """20 days: 961 knots for each of eight kinds, of which one matrix would take half a gigabyte.
    """
    duration = 20 * 86_400.0
    generator = np.random.default_rng(5)
    events = Events.within(np.sort(generator.uniform(0.0, duration, 4_000)),
                           generator.integers(0, 8, 4_000), 8, [(0.0, duration)])
    knots, decays = knots_over(0.0, duration, 1_800.0), np.array([1.0])
    fit = HawkesFit(start(events, decays, knots), events, 0.0, 0, "none")
    tracemalloc.start()
    assert np.isfinite(fit.branching_error).all()
    assert tracemalloc.get_traced_memory()[1] < 3e8
    tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.oracle("Sim5", "hawkes")
def test_branching_error_at_a_hundred_thousand_events(oracle):
    events = planted(1, 100_000)
    found = maximise(events, np.array([0.5]), CONSTANT)
    oracle.agrees("norms at 1e5 events", found.process.branching, NORMS[:, :, 0], atol=0.05)


@pytest.mark.slow
@pytest.mark.oracle("Sim5", "hawkes")
def test_intervals_of_the_spectral_radius_cover_as_often_as_they_say(oracle):
    inside = []
    for seed in range(200):
        found = maximise(planted(seed, 2_500), np.array([1.0]), CONSTANT)
        inside.append(abs(found.process.spectral_radius - 0.41667) < 1.96 * found.radius_error)
    # Three binomial standard errors around 0.95.
    oracle.lies("coverage of the spectral radius", np.mean(inside), 0.90, 0.995)


@pytest.mark.oracle("Sim5", "hawkes")
def test_the_shape_of_a_day_is_not_taken_for_criticality(oracle):
    # A U: five times as many events at both ends as in the middle, and no excitation beyond K1's.
    shape = np.array([5.0, 1.0, 1.0, 1.0, 5.0])
    events = planted(2, 12_000, BASELINE * shape / shape.mean())
    still = maximise(events, np.array([1.0]), CONSTANT)
    moving = maximise(events, np.array([1.0]), knots_over(0.0, float(events.ends[0]),
                                                          float(events.ends[0]) / 4.0))
    # The constant baseline puts the day's shape down to excitation; the moving one does not.
    assert still.process.spectral_radius > 0.60
    oracle.agrees("spectral radius under a U-shaped rate, 3 errors", moving.process.spectral_radius,
                  0.41667, atol=3.0 * moving.radius_error)
    assert moving.bic < still.bic
    np.testing.assert_allclose(moving.process.baseline[0] / moving.process.baseline[0].mean(),
                               shape / shape.mean(), rtol=0.35)


def test_independent_events_have_no_branching():
    generator = np.random.default_rng(3)
    times = np.sort(generator.uniform(0, 2_000, 4_000))
    events = Events.within(times, np.zeros(4_000, dtype=int), 1, [(0.0, 2_000.0)])
    found = maximise(events, np.array([1.0]), CONSTANT, fixed_decays=True)
    assert found.process.spectral_radius < 0.06
    assert found.process.baseline[0, 0] == pytest.approx(2.0, rel=0.06)


def test_two_decays_tell_fast_from_slow():
    norms = np.array([[[0.3, 0.4]]])
    decays = np.array([20.0, 0.5])
    events = planted(4, 25_000, np.array([[0.5]]), norms, decays)
    one = maximise(events, np.array([2.0]), CONSTANT)
    two = maximise(events, np.array([10.0, 1.0]), CONSTANT)
    assert two.bic < one.bic
    np.testing.assert_allclose(two.process.norms.ravel(), [0.3, 0.4], atol=0.08)
    np.testing.assert_allclose(two.process.decays, decays, rtol=0.5)


def test_expectation_and_maximisation_ends_where_the_gradient_does():
    events = planted(5, 4_000)
    found = maximise(events, np.array([1.0]), CONSTANT)
    steps = [expect_and_maximise(events, np.array([1.0]), CONSTANT, steps=n, tolerance=-np.inf)
             for n in (1, 5, 25, 400)]
    values = [step.log_likelihood for step in steps]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(found.log_likelihood, abs=0.01)
    np.testing.assert_allclose(steps[-1].process.branching, found.process.branching, atol=0.01)


@pytest.fixture(scope="module")
def broken():
    """Events with a gap, and a process of all features."""
    whole = planted(6, 1_500)
    end = float(whole.ends[0])
    events = Events.within(whole.times, whole.kinds, 2, [(0.0, 0.4 * end), (0.55 * end, end)])
    generator = np.random.default_rng(7)
    process = Hawkes(np.array([0.5, 5.0]), np.linspace(0.0, end, 5),
                     generator.uniform(0.05, 0.3, (2, 5)), generator.uniform(0.05, 0.2, (2, 2, 2)))
    return events, process


@pytest.mark.parametrize("name", ["baseline", "norms", "decays"])
def test_derivatives_are_those_of_the_likelihood(broken, name):
    events, process = broken
    values = getattr(process, name)
    found = getattr(log_likelihood(events, process), name)
    for cell in np.ndindex(values.shape):
        sides = []
        for step in (1e-5, -1e-5):
            moved = values.copy()
            moved[cell] += step
            sides.append(log_likelihood(events, dataclasses.replace(process, **{name: moved})))
        slope = (sides[0].value - sides[1].value) / 2e-5
        assert found[cell] == pytest.approx(slope, rel=1e-5, abs=1e-4)


def test_likelihood_and_residuals_equal_the_plain_sums(broken):
    events, process = broken
    rates, since = [], []
    for stretch, (begin, end) in enumerate(zip(events.begins, events.ends, strict=True)):
        inside = slice(*events.bounds[stretch : stretch + 2])
        times, kinds = events.times[inside], events.kinds[inside]
        fine = np.linspace(begin, end, 20_001)
        for time, kind in zip(times, kinds, strict=True):
            past = times < time
            rate = np.interp(time, process.knots, process.baseline[kind])
            for m, decay in enumerate(process.decays):
                rate += decay * (process.norms[kind, kinds[past], m]
                                 * np.exp(-decay * (time - times[past]))).sum()
            rates.append(rate)
            same = times[past & (kinds == kind)]
            start = same[-1] if len(same) else begin
            total = 0.0
            for m, decay in enumerate(process.decays):
                norm = process.norms[kind, kinds[past], m]
                before = np.maximum(start - times[past], 0.0)
                total += (norm * (np.exp(-decay * before)
                                  - np.exp(-decay * (time - times[past])))).sum()
            inner = np.concatenate([[start], fine[(fine > start) & (fine < time)], [time]])
            since.append(total + np.trapezoid(
                np.interp(inner, process.knots, process.baseline[kind]), inner))
    np.testing.assert_allclose(residuals(events, process), since, rtol=1e-6, atol=1e-9)
    mass = process.norms * events.mass(process.decays)[0]
    exposure = process.baseline @ events.exposure(process.knots)
    wanted = np.log(rates).sum() - exposure.sum() - mass.sum()
    assert log_likelihood(events, process).value == pytest.approx(wanted, rel=1e-10)


def test_information_is_the_curvature_of_the_likelihood():
    events = planted(8, 3_000)
    found = maximise(events, np.array([1.2]), CONSTANT, fixed_decays=True)
    process, curvature = found.process, np.empty((4, 4))
    for number, cell in enumerate(np.ndindex(2, 2, 1)):
        sides = []
        for step in (1e-5, -1e-5):
            norms = process.norms.copy()
            norms[cell] += step
            sides.append(log_likelihood(events, dataclasses.replace(process, norms=norms)))
        curvature[number] = ((sides[0].norms - sides[1].norms) / 2e-5).ravel()
    # q = one knot, two norms, one decay.
    blocks = np.zeros((2, 4, 4))
    information(events.times, events.kinds, events.bounds, process.decays, process.knots,
                process.baseline, process.norms, blocks)
    for effect in (0, 1):
        own = slice(2 * effect, 2 * effect + 2)
        np.testing.assert_allclose(blocks[effect, 1:3, 1:3], -curvature[own, own], rtol=1e-4)
    # The rest is not known: errors are above what they would be if it were.
    assert (np.diag(found.norm_covariance) > np.diag(np.linalg.inv(-curvature))).all()


def test_events_of_one_time_stamp_do_not_excite_each_other():
    process = Hawkes(np.array([1.0]), CONSTANT, np.array([[0.5]]), np.array([[[0.5]]]))
    events = Events.within(np.array([1.0, 1.0, 1.0]), np.zeros(3, dtype=int), 1, [(0.0, 2.0)])
    wanted = 3 * np.log(0.5) - 1.0 - 3 * 0.5 * (1.0 - np.exp(-1.0))
    assert log_likelihood(events, process).value == pytest.approx(wanted)


def test_events_outside_the_stretches_are_left_out():
    times = np.array([5.0, 0.5, 2.5, 9.0, 1.0, 3.0])
    events = Events.within(times, np.arange(6), 7, [(0.5, 1.0), (2.0, 3.5), (4.0, 6.0)])
    assert events.times.tolist() == [0.5, 2.5, 3.0, 5.0]
    assert events.kinds.tolist() == [1, 2, 5, 0]
    assert events.bounds.tolist() == [0, 1, 3, 4]
    assert events.counts.tolist() == [1, 1, 1, 0, 0, 1, 0]
    assert events.duration == pytest.approx(4.0)
    assert events.left.tolist() == [0.5, 1.0, 0.5, 1.0]


def test_exposure_of_the_baseline_is_the_area_under_its_hats():
    events = Events(np.array([]), np.array([], dtype=np.int64), 1,
                    np.array([0.0, 7.0]), np.array([3.0, 10.0]))
    knots = np.linspace(0.0, 10.0, 5)
    fine = np.concatenate([np.linspace(0, 3, 30_001), np.linspace(7, 10, 30_001)])
    for number in range(5):
        hat = np.interp(fine, knots, np.eye(5)[number])
        area = np.trapezoid(hat[:30_001], fine[:30_001])
        area += np.trapezoid(hat[30_001:], fine[30_001:])
        assert events.exposure(knots)[number] == pytest.approx(area, abs=1e-6)
    assert len(knots_over(0.0, 100.0, 30.0)) == 4
    assert len(knots_over(0.0, 10.0, 300.0)) == 2


def test_an_explosive_process_is_not_simulated():
    with pytest.raises(ValueError, match="explodes"):
        simulate_hawkes(BASELINE, NORMS * 3.0, DECAYS, 10.0, np.random.default_rng(0))


def test_too_few_residuals_are_not_tested():
    assert goodness_of_fit(np.ones(49)) is None
    assert goodness_of_fit(np.ones(500)) is None
    wrong = goodness_of_fit(np.random.default_rng(9).exponential(0.5, 500))
    assert wrong.distance_p_value < 1e-10
