"""Flow between images of a book: levels swept, the event's own flow where one level moved."""

import numpy as np
import pytest

from imbalance.books.rebuild import BookBuilder, Rules
from imbalance.books.state import DIFF, IMAGE, SNAPSHOT, Messages
from imbalance.features.order_flow import order_flow_events

STEP = 100_000_000
START = 1_700_000_000 * 10 * STEP


def flows(books, *, levels=10, multiplier=None):
    """Flows of books given as ({price: size} of bids, of asks), an image and a bar each."""
    sides = []
    for side in (0, 1):
        # in no order: venues send their images as they please
        ordered = [sorted(book[side].items(), key=hash) for book in books]
        offsets = np.concatenate([[0], np.cumsum([len(o) for o in ordered])])
        prices = np.array([p for o in ordered for p, _ in o], float)
        sizes = np.array([s for o in ordered for _, s in o], float)
        sides += [offsets, prices, sizes]
    n = len(books)
    event = START + np.arange(n) * STEP
    messages = Messages(
        np.full(n, IMAGE, np.uint8), np.full((n, 3), -1, np.int64), event, event,
        sides[0], sides[3], sides[1], sides[2], sides[4], sides[5],
    )  # fmt: skip
    found = []
    builder = BookBuilder(
        "venue:X", Rules(multiplier, levels=levels),
        lambda table, rows: found.append(rows) if table == "book.bars_100ms" else None,
    )
    for cut in range(n):  # handed over one by one
        builder.feed(Messages(
            messages.kind[cut : cut + 1], messages.ids[cut : cut + 1], event[cut : cut + 1],
            event[cut : cut + 1],
            *(offsets[cut : cut + 2] - offsets[cut] for offsets in (sides[0], sides[3])),
            *(values[offsets[cut] : offsets[cut + 1]]
              for offsets, *both in (sides[:3], sides[3:]) for values in both),
        ))  # fmt: skip
    builder.finish(int(event[-1]) + STEP)
    rows = [row for part in found for row in part.to_pylist()]
    assert [row["bar_start"].value for row in rows] == event.tolist()
    assert rows[0]["poisoned"]  # no flow leads into the first image
    return [row["generalised_order_flow_imbalance"] for row in rows]


def test_every_level_that_was_passed_is_credited():
    still = {10: 4.0}
    bids = [{8: 5.0, 7: 6.0}, {9.5: 1.0, 9: 2.0, 8: 5.0}, {7: 6.0, 6: 1.0}]
    found = flows([(one, still) for one in bids])
    # up from 8 to 9.5: 1 and 2 came; down to 7: 1, 2 and 5 went
    assert found == [None, 3.0, -8.0]
    asks = [{12: 5.0, 13: 6.0}, {11: 1.0, 11.5: 2.0, 12: 5.0}, {13: 6.0}]
    assert flows([({9: 1.0}, one) for one in asks]) == [None, -3.0, 8.0]


@pytest.mark.parametrize("levels", [1, 2, 10, 50])
def test_more_levels_are_passed_than_states_show(levels):
    """Forty levels go and come again; how many of them are shown is another matter."""
    deep = {1_000 - k: 1.0 + k for k in range(60)}
    thin = {price: size for price, size in deep.items() if price <= 960}
    still = {2_000: 1.0}
    gone = sum(size for price, size in deep.items() if price > 960)
    assert flows([(deep, still), (thin, still), (deep, still)], levels=levels) == [
        None, -gone, gone,
    ]
    mirrored = [({1: 1.0}, {2_000 - p: s for p, s in book.items()}) for book in (deep, thin, deep)]
    assert flows(mirrored, levels=levels) == [None, gone, -gone]


def test_contracts_of_inverse_instruments_are_credited_in_base_units():
    still = {400: 1.0}
    found = flows([({100: 3.0}, still), ({200: 4.0, 100: 3.0}, still), ({100: 3.0}, still)],
                  multiplier=10.0)  # fmt: skip
    assert found == [None, 4.0 * 10.0 / 200.0, -4.0 * 10.0 / 200.0]


def test_an_empty_side_tells_of_no_flow():
    still = {10: 4.0}
    books = [({8: 5.0}, still), ({}, still), ({8: 5.0}, still), ({8: 6.0}, still)]
    assert flows(books) == [None, None, None, 1.0]


def test_one_level_at_a_time_it_is_the_flow_of_events():
    rng = np.random.default_rng(5)
    books, bid, ask = [], 100, 101
    for _ in range(400):
        step = int(rng.integers(-1, 2))
        bid, ask = bid + step, ask + step
        books.append(({bid: float(rng.integers(1, 9))}, {ask: float(rng.integers(1, 9))}))
    best = np.array([[*b.items(), *a.items()] for b, a in books])
    e = order_flow_events(best[:, 0, 0], best[:, 0, 1], best[:, 1, 0], best[:, 1, 1])
    assert flows(books)[1:] == e[1:].tolist()


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


@pytest.mark.parametrize("chunk", [1, 3, 10**9])
def test_each_bar_has_the_flow_of_the_feed_it_was_made_of(reference, rebuilt, chunk):
    """Differences, then images, then differences: where one follows the other nobody knows what
    happened in between; an older bar does not change with what comes hours later.
    """
    kinds = [SNAPSHOT, DIFF, DIFF, IMAGE, IMAGE, IMAGE, DIFF, DIFF, SNAPSHOT, DIFF]
    messages = [
        reference.Message(kind, -1, -1, -1, START + 2 * k * STEP, START + 2 * k * STEP,
                          [(8.0, 1.0 + k * k)], [(10.0, 4.0)])
        for k, kind in enumerate(kinds)
    ]
    made = rebuilt(messages, Rules(), chunk=chunk, until=START + 2 * len(kinds) * STEP)
    bars = made.rows("book.bars_100ms")
    assert [row["bar_start"] for row in bars] == [START + k * STEP for k in range(20)]
    feeds = ["events"] * 6 + ["images"] * 7 + ["events"] * 7
    assert [row["book_feed"] for row in bars] == feeds
    nothing = [None] * 2
    assert [row["order_flow_imbalance_level_1"] for row in bars] == [
        None, 0.0, 1.0, 0.0, 3.0, 0.0, *nothing, *nothing, *nothing, None, 0.0, 13.0, 0.0,
        None, 0.0, 17.0, 0.0,
    ]
    assert [row["order_flow_imbalance_no_price_change"] for row in bars] == [
        row["order_flow_imbalance_level_1"] for row in bars]
    assert [row["generalised_order_flow_imbalance"] for row in bars] == [
        *nothing * 3, None, 0.0, 7.0, 0.0, 9.0, 0.0, None, *nothing * 3, None,
    ]
    assert [k for k, row in enumerate(bars) if row["poisoned"]] == [0, 16]


def test_a_snapshot_among_images_begins_no_other_feed(reference, rebuilt):
    kinds = [IMAGE, IMAGE, SNAPSHOT, IMAGE]
    messages = [
        reference.Message(kind, -1, -1, -1, START + 2 * k * STEP, START + 2 * k * STEP,
                          [(8.0, 1.0 + k * k)], [(10.0, 4.0)])
        for k, kind in enumerate(kinds)
    ]
    bars = rebuilt(messages, Rules(), until=START + 8 * STEP).rows("book.bars_100ms")
    assert {row["book_feed"] for row in bars} == {"images"}
    assert [row["generalised_order_flow_imbalance"] for row in bars] == [
        None, 0.0, 1.0, 0.0, None, 0.0, 5.0, 0.0]
