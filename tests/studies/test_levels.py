"""Comparisons of levels whatever is estimated: intervals, size with few observations, counts."""

import numpy as np
import pytest

from imbalance.studies.difference_tables import HIGH_LESS_LOW
from imbalance.studies.dynamics.regimes import mean_at
from imbalance.studies.dynamics.study import DYNAMICS, DYNAMICS_DIFFERENCE
from imbalance.studies.levels import at_levels, difference_rows, level_rows
from imbalance.studies.stretches import counts_in, tiles

NAMES = ("depth_low", "depth_middle", "depth_high")


def levels_of(generator, sizes, **more):
    labels = generator.permutation(np.repeat(np.arange(3), sizes))
    masks = {name: labels == place for place, name in enumerate(NAMES)}
    values = generator.standard_normal(len(labels))
    return at_levels("depth", masks, np.ones(len(labels), bool), mean_at(values), bandwidth=0.0,
                     **more)


def test_intervals_are_students_with_the_observations_of_the_smaller_level():
    from scipy.stats import t

    found = levels_of(np.random.default_rng(1), (6, 20, 9))
    low, _, high = level_rows(found, 0.05, tested=True)
    for row, size in ((low, 6), (high, 9)):
        ends = t.interval(0.95, size - 1, row["estimate"], row["standard_error"])
        assert (row["interval_low"], row["interval_high"]) == pytest.approx(ends, rel=1e-10)
        assert row["p_value"] == pytest.approx(
            2 * t.sf(abs(row["estimate"]) / row["standard_error"], size - 1), rel=1e-10)
    _, ends = difference_rows(found, 40, 0.05)
    assert (ends["estimator"], ends["n"], ends["n_left_out"]) == (HIGH_LESS_LOW, 35, 5)
    assert ends["estimate"] == high["estimate"] - low["estimate"]
    assert (ends["interval_low"], ends["interval_high"]) == pytest.approx(
        t.interval(0.95, 5, ends["estimate"], ends["standard_error"]), rel=1e-10)
    (told,) = difference_rows(found, 40, 0.05, refused="unequal_levels")
    assert (told["estimator"], told["reason"]) == ("equality", "unequal_levels")


def test_six_observations_a_level_keep_the_level_of_the_test():
    """Against a normal distribution the ends would be told apart in 10 %."""
    generator, called = np.random.default_rng(2), []
    for _ in range(1_000):
        rows = difference_rows(levels_of(generator, (6, 6, 6)), 18, 0.05)
        called.append([row["p_value"] <= 0.05 for row in rows])
    assert (np.mean(called, axis=0) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1_000)).all()


def test_bars_of_stretches_are_counted_one_by_one():
    found = levels_of(np.random.default_rng(3), (6, 6, 6), bars=np.full(18, 40))
    assert {(row["n"], row["n_left_out"]) for row in level_rows(found, 0.05)} == {(240, 0)}
    edges, places = tiles([3, 7, 16], 4, 21)
    assert edges.tolist() == [0, 3, 7, 11, 15, 16, 20, 21]
    assert edges[places].tolist() == [3, 7, 16]
    there = np.arange(21) != 12
    assert counts_in(there, edges[:-1], np.diff(edges)).tolist() == [3, 4, 4, 3, 1, 4, 1]


def test_the_formula_of_q_values_is_that_of_their_source():
    formulas = {table.name: next(c.formula for c in table.columns if c.name == "q_value")
                for table in (DYNAMICS, DYNAMICS_DIFFERENCE)}
    assert formulas[DYNAMICS.name] == "min over larger p of m·p(i)/i"
    assert formulas[DYNAMICS_DIFFERENCE.name].endswith("m·p(i)/i, times the sum of 1/i to m")
