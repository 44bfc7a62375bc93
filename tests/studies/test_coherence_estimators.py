"""Multitaper and wavelet coherence: level, planted delay, gaps."""

import numpy as np
import pytest

from imbalance.studies.coherence.multitaper import coherence, segment_length, segments
from imbalance.studies.coherence.wavelet import (
    mean_over_time,
    surrogate_coherence,
    wavelet_coherence,
)

PERIODS = (4.0, 8.0, 16.0, 32.0)


def test_stretches_have_no_gap_and_grow_shorter_where_gaps_are_many():
    there = np.ones(1_000, dtype=bool)
    there[[100, 500]] = False
    assert segments(there, 128) == [101, 229, 357, 501, 629, 757]
    assert segment_length(there, 1_024, 32) == 64
    assert segment_length(np.ones(300, dtype=bool), 1_024, 64) == 256
    assert segment_length(np.zeros(300, dtype=bool), 1_024, 64) == 0


def test_independent_series_keep_the_level():
    generator = np.random.default_rng(1)
    p_values, covered = [], []
    for _ in range(300):
        x, y = generator.standard_normal((2, 1_024))
        for one in coherence(x, y, list(range(0, 1_024, 128)), 128, PERIODS, 0.05):
            p_values.append(one.p_value)
            covered.append(one.low)
    for level in (0.05, 0.01):
        limit = level + 3.0 * np.sqrt(level * (1 - level) / len(p_values))
        assert 0.3 * level < np.mean(np.array(p_values) < level) < limit
    assert np.mean(np.array(covered) == 0.0) > 0.2


def test_a_delay_is_a_phase_that_grows_with_frequency():
    generator = np.random.default_rng(2)
    x = generator.standard_normal(4_096)
    y = np.roll(x, 2) + 0.5 * generator.standard_normal(4_096)
    found = coherence(x, y, list(range(0, 4_096, 256)), 256, (8.0, 16.0, 32.0), 0.05)
    assert [one.period for one in found] == [32.0, 16.0, 8.0]
    for one in found:
        assert one.phase == pytest.approx(2.0 * np.pi * 2.0 / one.period, abs=4 * one.phase_error)
        # 1/(1 + σ²) with σ = ½.
        assert one.low < 0.8 < one.high or abs(one.value - 0.8) < 3 * one.standard_error
        assert one.p_value < 1e-6


def test_periods_that_the_band_mixes_with_the_mean_are_left_out():
    x, y = np.random.default_rng(3).standard_normal((2, 256))
    found = coherence(x, y, [0], 256, (4.0, 500.0), 0.05)
    assert [one.period for one in found] == [4.0]
    # Near two bars a cycle spectra are real: independent series gave p < 0.001 ten times too often.
    found = coherence(x, y, [0], 256, (2.0, 2.05, 2.1), 0.05)
    assert [one.period for one in found] == [256 / 122]
    assert coherence(np.zeros(256), y, [0], 256, (4.0,), 0.05) == []


def test_wavelet_surrogates_keep_the_level():
    generator = np.random.default_rng(4)
    drawn = surrogate_coherence(0.3, 0.3, 256, 4.0, 32.0, 4, count=99, seed=1)
    again = surrogate_coherence(0.3, 0.3, 256, 4.0, 32.0, 4, count=99, seed=1)
    np.testing.assert_array_equal(drawn, again)
    limit = np.nanquantile(drawn, 0.95, axis=0)
    above = []
    for _ in range(60):
        x, y = generator.standard_normal((2, 256))
        above.append(mean_over_time(wavelet_coherence(x, y, 4.0, 32.0, 4))[0] > limit)
    assert np.mean(above) < 0.12


def test_a_series_is_coherent_with_itself_at_every_period():
    x = np.random.default_rng(5).standard_normal(256)
    found = wavelet_coherence(x, -x, 4.0, 64.0)
    np.testing.assert_allclose(found.coherence, 1.0, atol=1e-9)
    np.testing.assert_allclose(np.abs(found.phase), np.pi, atol=1e-6)
