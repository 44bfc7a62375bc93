"""Depth weighted by its distance from the mid."""

import math

import pytest

from imbalance.books.rebuild import Rules

BAR = 100_000_000


@pytest.mark.parametrize("multiplier", [None, 100.0], ids=["linear", "inverse"])
@pytest.mark.parametrize("ticks", [20, 50, 55, 63, 64, 90, 99, 100, 127, 128, 150, 1_000])
def test_a_price_of_few_ticks_has_its_weighted_depth(reference, rebuilt, ticks, multiplier):
    """From 50 to 64 ticks the weights of the places of a word leave the range of a double."""
    tick = 1e-8
    bids = [(round((ticks - k) * tick, 8), 3.0 + k) for k in range(10)]
    asks = [(round((ticks + 1 + k) * tick, 8), 5.0 + k) for k in range(10)]
    messages = [reference.Message(True, -1, -1, -1, 10 * BAR, 10 * BAR, bids, asks)]
    made = rebuilt(messages, Rules(multiplier=multiplier), until=12 * BAR)
    (bar, *_) = made.rows("book.bars_100ms")
    mid = (ticks + 0.5) * tick
    for side, levels in (("bid", bids), ("ask", asks)):
        near = [(abs(price / mid - 1) * 1e4, size if multiplier is None else size * 100.0 / price)
                for price, size in levels]
        expected = math.fsum(q * math.exp(-d / 10) for d, q in near if d <= 100)
        assert bar[f"{side}_depth_weighted_10bps"] == pytest.approx(expected, rel=1e-9)
