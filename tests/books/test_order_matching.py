"""Fills of orders that belong together: by time, and by what is near of the day alone."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from imbalance.books.order_matching import WITHIN, Events, clusters, pairs

S = 1_000_000_000


def fills(rows, size=10**8):
    """Events of fills (seconds, whether a bid) of one size."""
    n = len(rows)
    return Events(
        np.arange(n), np.array([round(t * S) for t, _ in rows], np.int64), np.ones(n),
        np.zeros(n, np.int64), np.ones(n, np.int64), np.array([bid for _, bid in rows], bool),
        np.full(n, size, np.int64),
    )


def times(rows):
    """Times of the bids and asks that belong together, s."""
    events = fills(rows)
    return sorted((events.time[i] / S, events.time[j] / S)
                  for i, j in zip(*pairs(events), strict=True))


def by_matrix(rows):
    """The rule with all bids against all asks: for fills of one cluster."""
    bids = sorted(round(t * S) for t, bid in rows if bid)
    asks = sorted(round(t * S) for t, bid in rows if not bid)
    if not bids or not asks:
        return []
    apart = np.abs(np.subtract.outer(bids, asks))
    taken = [int(row.argmin()) for row in apart if row.min() <= WITHIN]
    if len(set(taken)) == len(taken):
        near = [i for i, row in enumerate(apart) if row.min() <= WITHIN]
        return sorted((bids[i] / S, asks[j] / S) for i, j in zip(near, taken, strict=True))
    best = np.zeros((len(bids) + 1, len(asks) + 1), int)
    for i in range(len(bids)):
        for j in range(len(asks)):
            best[i + 1, j + 1] = max(best[i, j + 1], best[i + 1, j],
                                     best[i, j] + (apart[i, j] <= WITHIN))
    i, j, found = len(bids), len(asks), []
    while i and j:
        if apart[i - 1, j - 1] <= WITHIN:
            i, j = i - 1, j - 1
            found.append((bids[i] / S, asks[j] / S))
        elif best[i, j] == best[i - 1, j]:
            i -= 1
        else:
            j -= 1
    return sorted(found)


MORNING = [(12.0, False), (13.0, True), (14.5, False)]


def test_a_conflict_later_in_the_day_changes_no_pair_of_the_morning():
    later = [(50_000.0, True), (50_001.0, False), (50_002.0, True)]
    assert times(MORNING) == [(13.0, 12.0)]
    assert times([*MORNING, *later]) == [(13.0, 12.0), (50_002.0, 50_001.0)]
    assert times([*later, *MORNING]) == times([*MORNING, *later])


def test_fills_further_apart_than_the_limit_are_of_two_clusters():
    size, first, last = clusters(fills(
        [*MORNING, (19.5, True), (24.6, True), (24.7, False), (40.0, True), (41.0, True)]))
    assert (first / S).tolist() == [12.0, 24.6], "one without asks has no pairs"
    assert (last / S).tolist() == [19.5, 24.7]
    assert size.tolist() == [10**8] * 2
    for nothing in ([], [(1.0, True)], [(1.0, True), (7.0, False)]):
        assert times(nothing) == []
        assert len(clusters(fills(nothing))[0]) == 0


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 10), st.booleans()), max_size=24))
def test_the_pairs_are_those_of_the_whole_matrix(steps):
    """Up to the limit from one to the next: one cluster."""
    now, rows = 0.0, []
    for step, bid in steps:
        now += step / 2
        rows.append((now, bid))
    assert times(rows) == by_matrix(rows)


@pytest.mark.parametrize("step", [0.01, 1.0, 6.0])
def test_many_fills_of_one_size_cost_no_more_than_there_are(step):
    """Of 200,000 a matrix would hold ten thousand million cells."""
    random = np.random.default_rng(1)
    rows = list(zip(np.arange(200_000) * step, random.random(200_000) < 0.5, strict=True))
    bid, ask = pairs(fills(rows))
    assert (len(bid) > 80_000) == (step < 5)
    assert len(set(bid.tolist())) == len(bid) == len(set(ask.tolist()))
