"""Orders of Bitstamp matched into trades: obAnalytics 0.1.1 on the day of 2015-05-01 (B1)."""

import csv
import gzip
import lzma
from collections import Counter

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from imbalance.books.order_matching import events_of, pairs, trades_of
from imbalance.features.bars import Queries
from imbalance.features.sides import ORDER_COLUMNS, TRADE_COLUMNS, classified
from tests.captures.whole import decode

ACTIONS = {"created": "add", "changed": "change", "deleted": "delete"}


def table(path, opened=gzip.open):
    with opened(path, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


def whole(values):
    return np.array([int(float(value)) for value in values], np.int64)


@pytest.fixture(scope="module")
def expected(shared):
    return shared / "oracles/book"


@pytest.fixture(scope="module")
def orders(expected):
    raw = table(expected / "orders.csv.xz", lzma.open)
    times = pa.array(whole(raw["timestamp"]) * 1_000_000).cast(pa.timestamp("ns"))
    return pa.table({
        "action": [ACTIONS[action] for action in raw["action"]], "order_key": raw["id"],
        "book_side": raw["direction"], "price": [float(price) for price in raw["price"]],
        "size": [int(volume) / 1e8 for volume in raw["volume"]], "available_at": times,
    })  # fmt: skip


@pytest.fixture(scope="module")
def events(orders):
    return events_of(orders)


@pytest.fixture(scope="module")
def recorded(shared):
    """The same day's rows by our own decoder."""
    return decode(shared / "captures/bitstamp-20150501/2015-05-01.log.xz").tables


def test_events_and_what_they_filled(events, expected):
    theirs = table(expected / "bitstamp_events_expected.csv.gz")
    order = np.argsort(whole(theirs["event_id"]))
    assert len(events) == len(order) == 50_393
    for ours, name, scale in (
        (events.order, "id", 1), (events.time, "ts_ms", 1_000_000)
    ):
        np.testing.assert_array_equal(ours, whole(theirs[name])[order] * scale)
    for ours, name in ((events.size, "volume_sat"), (events.filled, "fill")):
        np.testing.assert_array_equal(ours, whole(theirs[name])[order])
    np.testing.assert_array_equal(events.price, np.array(theirs["price"], float)[order])
    np.testing.assert_array_equal(events.bid, np.array(theirs["direction"])[order] == "bid")
    np.testing.assert_array_equal(
        events.action, np.array([list(ACTIONS).index(a) for a in theirs["action"]])[order]
    )


def test_which_fills_belong_together(events, expected):
    theirs = table(expected / "bitstamp_events_expected.csv.gz")
    place = {int(number): k for k, number in enumerate(
        sorted(map(int, theirs["event_id"])))}  # fmt: skip
    wanted = {
        (place[int(number)], place[int(other)])
        for number, other, side in zip(
            theirs["event_id"], theirs["matching_event"], theirs["direction"], strict=True)
        if side == "bid" and other != "NA"
    }  # fmt: skip
    bid, ask = pairs(events)
    assert set(zip(bid.tolist(), ask.tolist(), strict=True)) == wanted
    assert len(wanted) == 482


def test_trades_with_maker_and_taker(events, expected):
    theirs = table(expected / "bitstamp_trades_expected.csv.gz")
    met = trades_of(events, *pairs(events))
    ours = np.array([met.time, met.maker, met.taker, met.side, np.rint(met.price * 100)], np.int64)
    wanted = np.array([
        whole(theirs["ts_ms"]) * 1_000_000, whole(theirs["maker"]), whole(theirs["taker"]),
        [0 if side == "buy" else 1 for side in theirs["direction"]],
        np.rint(np.array(theirs["price"], float) * 100),
    ], np.int64)  # fmt: skip
    ours_by, theirs_by = np.lexsort(ours), np.lexsort(wanted)
    np.testing.assert_array_equal(ours[:, ours_by], wanted[:, theirs_by])
    np.testing.assert_array_equal(met.size[ours_by], whole(theirs["volume_sat"])[theirs_by])
    bought = met.side == 0
    assert (met.size[bought].sum(), met.size[~bought].sum()) == (32_104_855_926, 31_732_745_209)


def test_the_capture_holds_them_all_and_those_whose_sizes_the_file_cut_apart(recorded, expected):
    """The file cuts sizes off at 1e-8 where they are rounded here: pairs that differ by one there
    are equal, and found too.
    """
    place = recorded["raw.orders"].schema.get_field_index("available_at")
    held = recorded["raw.orders"].set_column(
        place, "available_at", recorded["raw.orders"].column("receive_time")
    )
    events = events_of(held)
    met = trades_of(events, *pairs(events))
    theirs = table(expected / "bitstamp_trades_expected.csv.gz")
    ours = set(zip(met.time.tolist(), met.maker.tolist(), met.taker.tolist(), strict=True))
    wanted = set(zip((whole(theirs["ts_ms"]) * 1_000_000).tolist(), whole(theirs["maker"]).tolist(),
                     whole(theirs["taker"]).tolist(), strict=True))
    assert wanted <= ours
    assert len(ours) == 546


def test_the_orders_that_met_tell_the_sides_of_the_trades(recorded):
    trades = recorded["raw.trades"]
    with duckdb.connect() as connection:
        rows = classified(
            Queries(connection), {"bitstamp:BTCUSD"}, trades.select(TRADE_COLUMNS).to_batches(),
            (), (), recorded["raw.orders"].select(ORDER_COLUMNS).to_batches(),
        )
    assert len(rows) == len(trades) == 575
    assert Counter(rows.column("method").to_pylist()) == {"orders": 546, "tick": 28, None: 1}
