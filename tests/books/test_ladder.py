"""Levels of a book against a dictionary."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance.books.ladder import (
    ASK,
    BASE,
    BID,
    furthest,
    levels_of,
    new_ladder,
    put_levels,
    recentre,
    settle,
    take_best,
)
from imbalance.books.ticks import GridError, common_tick, find_tick

CENTRE = 100_000

changes = st.lists(
    st.tuples(
        st.sampled_from([BID, ASK]),
        st.one_of(
            st.integers(CENTRE - 60, CENTRE + 60),
            st.integers(CENTRE - 9_000, CENTRE + 9_000),
            st.integers(1, 10 * CENTRE),
        ),
        st.sampled_from([0.0, 1.0, 2.5, 7.0]),
    ),
    max_size=120,
)


def _apply(steps):
    ladder = new_ladder(CENTRE)
    held = ({}, {})
    for side, tick, size in steps:
        put_levels(ladder, side, np.array([tick]), np.array([size]))
        if size:
            held[side][tick] = size
        else:
            held[side].pop(tick, None)
    return ladder, held


@given(changes)
@settings(max_examples=150)
def test_holds_what_a_dictionary_holds(steps):
    ladder, held = _apply(steps)
    for side in (BID, ASK):
        ticks, sizes = levels_of(ladder, side)
        expected = sorted(held[side].items(), reverse=bool(side == BID))
        assert list(zip(ticks.tolist(), sizes.tolist(), strict=True)) == expected
        assert furthest(ladder, side) == (expected[-1][0] if expected else -1)


@given(changes, st.integers(1, 5 * CENTRE))
@settings(max_examples=100)
def test_recentring_loses_nothing(steps, centre):
    ladder, held = _apply(steps)
    recentre(ladder, centre)
    assert 0 <= centre - ladder.meta[1] // 2 - ladder.meta[BASE] < 64
    for side in (BID, ASK):
        ticks, sizes = levels_of(ladder, side)
        assert dict(zip(ticks.tolist(), sizes.tolist(), strict=True)) == held[side]


@given(changes)
@settings(max_examples=100)
def test_best_levels_come_best_first(steps):
    near = [(side, tick, size) for side, tick, size in steps if abs(tick - CENTRE) < 8_000]
    ladder, held = _apply(near)
    ticks, sizes = np.zeros(10, np.int64), np.zeros(10)
    for side in (BID, ASK):
        expected = sorted(held[side].items(), reverse=bool(side == BID))[:10]
        count = take_best(ladder, side, 10, ticks, sizes)
        assert list(zip(ticks[:count].tolist(), sizes[:count].tolist(), strict=True)) == expected


@given(changes, st.integers(1, 12))
@settings(max_examples=200)
def test_the_best_of_a_settled_ladder_are_the_best_wherever_they_lie(steps, wanted):
    ladder, held = _apply(steps)
    settle(ladder)
    ticks, sizes = np.zeros(wanted, np.int64), np.zeros(wanted)
    for side in (BID, ASK):
        expected = sorted(held[side].items(), reverse=bool(side == BID))[:wanted]
        count = take_best(ladder, side, wanted, ticks, sizes)
        assert list(zip(ticks[:count].tolist(), sizes[:count].tolist(), strict=True)) == expected


def test_sides_that_cross_by_more_than_the_window_is_wide_have_their_best_levels():
    """The window lies between them, on levels that are not the best."""
    between = 2 * CENTRE - np.arange(12)
    ladder = new_ladder(CENTRE)
    for side in (BID, ASK):
        put_levels(ladder, side, between, np.ones(12))
    put_levels(ladder, BID, np.array([3 * CENTRE]), np.array([5.0]))
    put_levels(ladder, ASK, np.array([CENTRE]), np.array([7.0]))
    ticks, sizes = np.zeros(10, np.int64), np.zeros(10)

    def best(side):
        settle(ladder)
        assert take_best(ladder, side, 10, ticks, sizes) == 10
        return [(ticks[0], sizes[0]), ticks[1]]

    assert best(BID) == [(3 * CENTRE, 5.0), 2 * CENTRE]
    assert best(ASK) == [(CENTRE, 7.0), 2 * CENTRE - 11]
    put_levels(ladder, BID, np.array([3 * CENTRE]), np.array([0.0]))
    put_levels(ladder, ASK, np.array([CENTRE]), np.array([0.0]))
    assert best(BID) == [(2 * CENTRE, 1.0), 2 * CENTRE - 1]
    assert best(ASK) == [(2 * CENTRE - 11, 1.0), 2 * CENTRE - 10]


def test_thin_book_is_completed_from_outside_the_window():
    ladder = new_ladder(CENTRE)
    put_levels(ladder, BID, np.array([CENTRE - 1, 10]), np.array([1.0, 2.0]))
    ticks, sizes = np.zeros(10, np.int64), np.zeros(10)
    assert take_best(ladder, BID, 10, ticks, sizes) == 2
    assert ticks[:2].tolist() == [CENTRE - 1, 10]


@pytest.mark.parametrize(
    ("prices", "tick"),
    [
        ([61800.1, 61800.2, 61803.7], (1, 10)),
        ([61800.5, 61801.0], (5, 10)),
        ([0.00001234, 0.0000124], (2, 100_000_000)),
        ([100.0, 300.0], (100, 1)),
    ],
)
def test_tick_is_the_coarsest_grid(prices, tick):
    assert find_tick(np.array(prices)) == tick


def test_tick_of_no_prices_is_refused():
    with pytest.raises(ValueError, match="no prices"):
        find_tick(np.array([]))


def test_prices_on_no_common_grid_are_refused():
    assert find_tick(np.array([7.1e-7, 7.2e-7])) == (1, 10**8)
    for prices in ([60000.1, 1e-14], [1e20], [1e-17]):
        with pytest.raises(GridError):
            find_tick(np.array(prices))
    with pytest.raises(GridError):
        common_tick((1, 10**15), (10**9, 1))


def test_common_tick_holds_both():
    assert common_tick((5, 10), (2, 100)) == (2, 100)
    assert common_tick((1, 1), (25, 100)) == (25, 100)
