"""Flow between images of a book: levels swept, the event's own flow where one level moved."""

from itertools import pairwise

import numpy as np
import pytest

from imbalance.books.image_flow import ImageFlow, generalised_flows
from imbalance.books.rebuild import BookBuilder, Rules
from imbalance.books.state import IMAGE, Messages
from imbalance.features.order_flow import order_flow_events


def flows(books):
    """Flows of books given as ({price: size} of bids, of asks)."""
    sides = []
    for side in (0, 1):
        ordered = [sorted(book[side].items(), reverse=side == 0) for book in books]
        offsets = np.concatenate([[0], np.cumsum([len(o) for o in ordered])])
        prices = np.array([p for o in ordered for p, _ in o], float)
        sizes = np.array([s for o in ordered for _, s in o], float)
        sides += [offsets, prices, sizes]
    return generalised_flows(np.zeros(len(books), bool), *sides)


def test_every_level_that_was_passed_is_credited():
    still = {10: 4.0}
    bids = [{8: 5.0, 7: 6.0}, {9.5: 1.0, 9: 2.0, 8: 5.0}, {7: 6.0, 6: 1.0}]
    found = flows([(one, still) for one in bids])
    assert np.isnan(found[0])
    # up from 8 to 9.5: 1 and 2 came; down to 7: 1, 2 and 5 went
    assert found[1:].tolist() == [3.0, -8.0]
    asks = [{12: 5.0, 13: 6.0}, {11: 1.0, 11.5: 2.0, 12: 5.0}, {13: 6.0}]
    assert flows([({9: 1.0}, one) for one in asks])[1:].tolist() == [-3.0, 8.0]


def test_one_level_at_a_time_it_is_the_flow_of_events():
    rng = np.random.default_rng(5)
    books, bid, ask = [], 100, 101
    for _ in range(400):
        step = int(rng.integers(-1, 2))
        bid, ask = bid + step, ask + step
        books.append(({bid: float(rng.integers(1, 9))}, {ask: float(rng.integers(1, 9))}))
    best = np.array([[*b.items(), *a.items()] for b, a in books])
    e = order_flow_events(best[:, 0, 0], best[:, 0, 1], best[:, 1, 0], best[:, 1, 1])
    np.testing.assert_array_equal(flows(books), e)


def test_states_handed_over_in_parts_add_up_to_the_same():
    rng = np.random.default_rng(6)
    n = 50
    offsets = np.arange(0, 2 * n + 1, 2)
    bid = np.sort(rng.integers(90, 100, (n, 2)), axis=1)[:, ::-1].astype(float)
    ask = np.sort(rng.integers(101, 110, (n, 2)), axis=1).astype(float)
    size = rng.integers(1, 9, (n, 2)).astype(float)
    event = np.arange(n) * 30

    def summed(cuts):
        flow = ImageFlow(100)
        for a, b in pairwise(cuts):
            part = offsets[a : b + 1] - offsets[a]
            flow.take(event[a:b], np.zeros(b - a, bool), (
                (part, bid[a:b].ravel(), size[a:b].ravel()),
                (part, ask[a:b].ravel(), size[a:b].ravel()),
            ))
        return flow.of_bars(np.arange(0, n * 30, 100))

    whole, parts = summed([0, n]), summed([0, 1, 7, 30, n])
    assert np.isnan(whole[0])  # no flow leads into the first image
    np.testing.assert_array_equal(whole, parts)


def test_bars_of_images_have_no_flow_of_events():
    start, step = 1_700_000_000_000_000_000, 50_000_000
    books = [([99.0, 98.0], [5.0, 5.0]), ([99.0, 98.0], [7.0, 5.0]), ([100.0, 99.0], [2.0, 7.0])]
    n = 41
    chosen = [books[k % 3] for k in range(n)]
    offsets = np.arange(0, 2 * n + 1, 2)
    messages = Messages(
        np.full(n, IMAGE, np.uint8), np.full((n, 3), -1, np.int64),
        start + np.arange(n) * step, start + np.arange(n) * step, offsets, offsets,
        np.array([p for prices, _ in chosen for p in prices]),
        np.array([s for _, sizes in chosen for s in sizes]),
        np.tile([101.0, 102.0], n), np.tile([3.0, 4.0], n),
    )  # fmt: skip
    rows = {}
    builder = BookBuilder("hyperliquid:X", Rules(), lambda t, r: rows.setdefault(t, []).append(r))
    builder.feed(messages)
    builder.finish(start + n * step)
    bars = rows["book.bars_100ms"][0].to_pylist()
    health = rows["book.book_health"][0].to_pylist()
    assert [row["cause"] for row in health] == ["image"]
    sound = [bar for bar in bars if not bar["poisoned"]]
    assert len(sound) == 19
    for bar in sound:
        assert bar["book_feed"] == "images"
        assert bar["order_flow_imbalance_level_1"] is None
        assert bar["order_flow_imbalance_no_price_change"] is None
    # per image: 7 after 5; a new best of 2; the best of 2 gone. Two images a bar
    steps = {1: 2.0, 2: 2.0, 0: -2.0}
    for bar in sound:
        k = round((bar["bar_start"].value - start) / step)
        expected = steps[k % 3] + steps[(k + 1) % 3]
        assert bar["generalised_order_flow_imbalance"] == pytest.approx(expected)
