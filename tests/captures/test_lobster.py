"""LOBSTER's archive: the rebuilt book is the one shown, and order flow from it event by event."""

import zipfile

import numpy as np
import pytest

from imbalance.books.build import by_instrument, messages_of
from imbalance.books.rebuild import BookBuilder, Rules
from imbalance.features.order_flow import order_flow_events
from tests.captures.whole import decode

NAME = "captures/lobster-20120621/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"
OPENING = 1_340_285_400_000_000_000  # 9:30 in New York, 13:30 UTC


@pytest.fixture(scope="module")
def archive(shared):
    return shared / NAME


@pytest.fixture(scope="module")
def capture(archive):
    return decode(archive)


@pytest.fixture(scope="module")
def states(capture):
    """Best bid, size, best ask, size at every change of the five best levels, with the times."""
    found = []

    def sink(table, rows):
        if table == "book.book_states":
            found.append(rows)

    builder = BookBuilder("nasdaq:AMZN", Rules(), sink)
    for batch in capture.tables["raw.book_updates"].to_batches(16_384):
        for _, rows in by_instrument(batch):
            builder.feed(messages_of(rows))
    builder.finish(OPENING + 23_400 * 10**9)
    return found


def test_every_line_is_there(capture):
    assert capture.decoded == {"message": 155_935, "order_book": 155_935}
    assert capture.ignored == {"not_a_capture_by_its_name": 140}
    times = capture.tables["raw.book_updates"]["event_time"].cast("int64").to_numpy()
    assert times[0] == OPENING + 17_459_617
    assert (np.diff(times) >= 0).all()


def test_a_deleted_order_tells_what_was_left_of_it(capture):
    """By which it is known that an order was cancelled whole."""
    orders = capture.tables["raw.orders"].select(["action", "order_key", "size"]).to_pydict()
    placed, whole, deleted = {}, 0, 0
    for action, key, size in zip(*orders.values(), strict=True):
        if action == "add":
            placed[key] = size
        elif action == "delete":
            deleted += 1
            whole += placed.get(key) == size
            assert size > 0
    assert whole > 0.8 * deleted > 10_000


@pytest.fixture(scope="module")
def shown(archive):
    """The order book file: ask, size, bid, size of five levels after each message."""
    with zipfile.ZipFile(archive) as file:
        (name,) = [n for n in file.namelist() if "orderbook" in n]
        with file.open(name) as rows:
            return np.loadtxt(rows, delimiter=",", dtype=np.int64)


def test_the_rebuilt_book_is_the_one_shown(shown, states):
    """After every message the five best levels are those of the order book file."""
    identity = np.concatenate([rows["update_id"].to_numpy() for rows in states])
    for side, at in (("ask", 0), ("bid", 2)):
        for what, step, unit in (("prices", 0, 10_000.0), ("sizes", 1, 1.0)):
            ours = [v[:5] for rows in states for v in rows[f"{side}_{what}"].to_pylist()]
            theirs = shown[identity - 1][:, at + step :: 4] / unit
            prices = shown[identity - 1][:, at::4]
            there = np.abs(prices) != 9_999_999_999
            for mine, row, known in zip(ours, theirs, there, strict=True):
                assert mine == row[known].tolist()
    # a message without a state changed none of the levels
    changed = (np.diff(shown, axis=0) != 0).any(axis=1)
    assert set(np.flatnonzero(changed) + 2) <= set(identity.tolist())


def test_order_flow_of_the_day(shown, states):
    """Event by event the flow of the file's own best prices.

    The vendor's sample of one level event by event is of another make: its best prices differ from
    these at some 2 in 100 messages, and so do its sums; O2 is held on it in the features' tests.
    """
    ask, ask_size, bid, bid_size = shown[:, :4].T.astype(float)
    direct = np.nan_to_num(order_flow_events(bid, bid_size, ask, ask_size))
    assert direct.sum() == -64_089.0
    best = {
        name: np.array([v[0] for rows in states for v in rows[name].to_pylist()])
        for name in ("bid_prices", "bid_sizes", "ask_prices", "ask_sizes")
    }
    e = np.nan_to_num(order_flow_events(*best.values()))
    identity = np.concatenate([rows["update_id"].to_numpy() for rows in states])
    assert e.sum() == direct.sum()
    ours = np.zeros(len(direct))
    ours[identity - 1] = e * 1.0
    np.testing.assert_array_equal(ours, direct)
