"""Improvements of a best price that are taken back, against a plain reading of the rule."""

from itertools import pairwise

import numpy as np
import pytest

from imbalance.books.rebuild import BookBuilder, Rules
from imbalance.books.state import DIFF, SNAPSHOT, Messages, new_output
from imbalance.books.withdrawals import LIFE, Withdrawals, withdrawn

MS = 1_000_000
BAR = 100 * MS


def marked(best, event=None, broken=None, held=(np.nan, -1), life=LIFE):
    best = np.array(best, float)
    event = np.arange(len(best)) * MS if event is None else np.array(event)
    broken = np.zeros(len(best), bool) if broken is None else np.array(broken)
    found, price, since = withdrawn(event, broken, best, *held, life)
    return found.tolist(), (price, since)


def test_a_better_price_taken_back_is_one():
    assert marked([10, 11, 10])[0] == [False, False, True]
    # It fell without having risen; it rose twice, and the first step is no new level any more.
    assert marked([10, 9, 8])[0] == [False] * 3
    assert marked([10, 11, 12, 11, 10])[0] == [False, False, False, True, False]
    # Below where it came from, it was taken back all the same.
    assert marked([10, 11, 9, 10, 9])[0] == [False, False, True, False, True]


@pytest.mark.parametrize(
    ("after", "found"), [(LIFE, True), (LIFE + 1, False), (0, True), (-1, False)]
)
def test_only_within_a_second(after, found):
    # A clock that runs backwards tells no life.
    assert marked([10, 11, 10], [0, 5, 5 + after])[0][2] is found


def test_nothing_leads_into_a_break_or_over_an_empty_side():
    assert marked([10, 11, 10, 11], broken=[False, False, True, False])[0] == [False] * 4
    assert marked([10, 11, np.nan, 10])[0] == [False] * 4
    # After the break the first rise is a new one.
    assert marked([10, 11, 12, 11], broken=[False, True, False, False])[0] == [
        False, False, False, True]


def plainly(event, broken, best):
    """Every rise, and whether the next move is a fall within a second."""
    found = np.zeros(len(best), bool)
    for k in range(1, len(best)):
        if broken[k] or not best[k] > best[k - 1]:
            continue
        for later in range(k + 1, len(best)):
            if broken[later] or np.isnan(best[later]) or best[later] > best[k]:
                break
            if best[later] < best[k]:
                found[later] = event[later] - event[k] <= LIFE
                break
    return found


def test_states_of_a_random_walk_in_parts():
    generator = np.random.default_rng(1)
    n = 3_000
    event = np.cumsum(generator.integers(1, 600 * MS, n))
    best = 100.0 + np.cumsum(generator.choice([-1, 0, 1], n))
    best[generator.random(n) < 0.01] = np.nan
    broken = generator.random(n) < 0.01
    expected = plainly(event, broken, best)
    assert expected.sum() > 200
    whole, _ = marked(best, event, broken)
    assert whole == expected.tolist()
    held, parts = (np.nan, -1), []
    for a, b in pairwise([0, 7, 1_000, 1_001, n]):
        found, held = marked(best[a:b], event[a:b], broken[a:b], held)
        parts += found
    assert parts == expected.tolist()


def test_counts_of_both_sides_by_bar():
    out = new_output(2, states=8)
    bids = [[10.0, 9.0], [10.5, 10.0], [10.0, 9.0], [], [10.0, 9.0]]
    asks = [[12.0], [12.0], [11.5, 12.0], [12.0], [12.0]]
    for side, prices in ((0, bids), (1, asks)):
        out.state_counts[:5, side] = [len(levels) for levels in prices]
        flat = [price for levels in prices for price in levels]
        out.state_prices[side, : len(flat)] = flat
    out.states[:5, 0] = np.array([0, 50, 90, 120, 150]) * MS
    counter = Withdrawals(BAR)
    counter.take_states(out, 5)
    found = counter.columns(np.array([0, BAR, 2 * BAR]))
    assert found["bid_withdrawals"].to_pylist() == [1, 0, 0]
    assert found["ask_withdrawals"].to_pylist() == [0, 1, 0]
    # Each bar is asked for once, so that nothing is kept of it.
    assert counter.columns(np.array([0]))["bid_withdrawals"].to_pylist() == [0]


def messages(rows):
    """Of (kind, event, bids, asks), levels as (price, size)."""
    sides = []
    for side in (2, 3):
        levels = [level for row in rows for level in row[side]]
        offsets = np.concatenate([[0], np.cumsum([len(row[side]) for row in rows])])
        sides.append((offsets, *np.array(levels, float).reshape(-1, 2).T))
    ids = np.array([[k, k, k - 1] for k in range(1, len(rows) + 1)])
    event = np.array([row[1] for row in rows])
    (bid_at, bid_prices, bid_sizes), (ask_at, ask_prices, ask_sizes) = sides
    return Messages(np.array([row[0] for row in rows]), ids, event, event, bid_at, ask_at,
                    bid_prices, bid_sizes, ask_prices, ask_sizes)


def test_a_rebuilt_book_tells_of_them():
    """A bid of 100.5 lives for 300 ms, one of 101 for 1.2 s."""
    rows = {}
    builder = BookBuilder("x:X", Rules(), lambda t, r: rows.setdefault(t, []).append(r))
    change = [(SNAPSHOT, 0, [(100.0, 1.0), (99.0, 1.0)], [(102.0, 1.0)]),
              (DIFF, 1_050, [(100.5, 2.0)], []), (DIFF, 1_350, [(100.5, 0.0)], []),
              (DIFF, 2_050, [(101.0, 2.0)], []), (DIFF, 3_250, [(101.0, 0.0)], []),
              (DIFF, 3_950, [(99.0, 3.0)], [])]
    builder.feed(messages([(kind, at * MS, bids, asks) for kind, at, bids, asks in change]))
    builder.finish(4_000 * MS)
    bars = rows["book.bars_100ms"][0].to_pylist()
    assert {k: bar["bid_withdrawals"] for k, bar in enumerate(bars) if bar["bid_withdrawals"]} == {
        13: 1}
    assert sum(bar["ask_withdrawals"] for bar in bars) == 0
