"""What ticks and estimators make of time that nobody saw."""

import numpy as np
import pytest

from imbalance.studies.asynchrony.realised import robust_two_scales
from imbalance.studies.asynchrony.sampling import observation_rate
from imbalance.studies.asynchrony.ticks import make_ticks
from tests.studies.ticking import SECOND, noisy_pair


def test_a_rate_is_of_the_time_that_was_seen():
    """Two ticks a second over twice five seconds, an hour apart."""
    times = np.concatenate([np.arange(11), 7_200 + np.arange(11)]) * (SECOND // 2)
    parted = make_ticks(times, 1.0 + np.arange(22) % 2, np.arange(22) == 11)
    assert observation_rate(parted) == pytest.approx(2.0)


def test_what_ticks_while_the_other_is_not_seen_is_in_no_rate():
    ticks = make_ticks(np.arange(41) * (SECOND // 2), 1.0 + np.arange(41) % 2)
    assert observation_rate(ticks) == 2.0
    unseen = np.array([[4 * SECOND, 9 * SECOND], [8 * SECOND, 14 * SECOND]])
    assert observation_rate(ticks.without(unseen)) == pytest.approx(2.0)
    assert np.isnan(observation_rate(ticks.without(np.array([[0, 20 * SECOND]]))))


def test_hours_that_nobody_saw_cut_off_no_jumps():
    """The variance of a return is held against its share of the time that was seen."""
    ticks, _ = noisy_pair(7, n=20_000, correlation=0.6, variance=4e-4, noise=2e-4)
    later = np.arange(len(ticks)) >= 9_000
    times = ticks.times + later * 10 * (ticks.times[-1] - ticks.times[0])
    parted = make_ticks(times, np.exp(ticks.log_prices), np.diff(later, prepend=False))
    waits = np.diff(ticks.times)
    assert parted.waits.sum() == waits.sum() - waits[8_999]
    assert robust_two_scales(parted) == pytest.approx(robust_two_scales(ticks), rel=0.01)
