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
from imbalance.books.rebuild import BookBuilder, Rules
from imbalance.captures.order_levels import ACTIONS as CODES
from imbalance.captures.order_levels import BOOK_SIDES, OrderLevels, Orders, names_of
from imbalance.features.bars import Queries
from imbalance.features.sides import ORDER_COLUMNS, TRADE_COLUMNS, classified
from tests.books.conftest import as_arrays
from tests.books.reference_book import Message
from tests.captures.whole import decode

pytestmark = pytest.mark.oracle("B1", "book")

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


def test_events_and_what_they_filled(events, expected, oracle):
    theirs = table(expected / "bitstamp_events_expected.csv.gz")
    order = np.argsort(whole(theirs["event_id"]))
    oracle.agrees("events", [len(events), len(order)], [50_393, 50_393])
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


def test_trades_with_maker_and_taker(events, expected, oracle):
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
    oracle.agrees("trades; bought and sold, in 1e-8",
                  [len(met.size), met.size[bought].sum(), met.size[~bought].sum()],
                  [482, 32_104_855_926, 31_732_745_209])


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


def resting(theirs):
    """Orders that rest, in the order in which they were told: those they call market or pacman
    orders are left out, as are those of which neither the beginning nor a change was seen.
    """
    rows = [dict(zip(theirs, row, strict=True)) for row in zip(*theirs.values(), strict=True)]
    rows = [row for row in rows if row["type"] not in {"market", "pacman"}]
    seen = {row["id"] for row in rows if row["action"] == "created"
            or (row["action"] == "changed" and float(row["fill"]) == 0)}  # fmt: skip
    return sorted(
        (row for row in rows if row["id"] in seen),
        # what is told in one moment: bids first, by price, as in the file of levels
        key=lambda row: (float(row["ts_ms"]), row["direction"] == "ask", float(row["price"])),
    )


def levels(rows):
    """What each event makes of the level of its price: (time in ms, side, price, size)."""
    actions = ["snapshot", *(ACTIONS[row["action"]] for row in rows[1:])]
    changes = OrderLevels().take(Orders(
        np.zeros(len(rows), np.int32), np.arange(len(rows)),
        np.array([CODES[action] for action in actions]),
        np.array([BOOK_SIDES[row["direction"]] for row in rows]),
        names_of(pa.array([row["id"] for row in rows])),
        np.array([float(row["price"]) for row in rows]),
        whole([row["volume_sat"] for row in rows]) / 1e8,
    ))
    offsets, (bid_prices, bid_sizes, ask_prices, ask_sizes) = changes.offsets, changes.levels
    told = {"bid": (offsets[0], bid_prices, bid_sizes), "ask": (offsets[1], ask_prices, ask_sizes)}
    for k, row in enumerate(rows):
        assert sum(of[k + 1] - of[k] for of in offsets) == 1
        of, prices, sizes = told[row["direction"]]
        yield int(row["ts_ms"]), row["direction"], float(prices[of[k]]), float(sizes[of[k]])


def test_what_rests_at_each_price_after_each_event(expected, oracle):
    ours = Counter(
        (time, side, price, round(size * 1e8))
        for time, side, price, size in levels(
            resting(table(expected / "bitstamp_events_expected.csv.gz"))
        )
    )
    depth = table(expected / "bitstamp_depth_expected.csv.gz")
    wanted = Counter(zip(
        map(int, depth["ts_ms"]), depth["side"], map(float, depth["price"]),
        (int(float(size)) for size in depth["volume_sat"]), strict=True,
    ))  # fmt: skip
    assert ours == wanted
    oracle.agrees("sizes of levels that are the same", (ours & wanted).total(), 49_376)


def test_best_quotes_after_each_event(expected, oracle):
    """Theirs are a book into which no level comes that would cross it, told from its first minute
    on. The size of their best bid stays what it was when a better one comes, until that level
    changes: it is told here as well.
    """
    bids, asks, messages, changes = {}, {}, [], []
    for k, (time, side, price, size) in enumerate(
        levels(resting(table(expected / "bitstamp_events_expected.csv.gz")))
    ):
        crosses = price >= min(asks, default=np.inf) if side == "bid" else (
            price <= max(bids, default=0)
        )  # fmt: skip
        if not crosses:
            (bids if side == "bid" else asks)[price] = size
            if size == 0:
                del (bids if side == "bid" else asks)[price]
        level = [] if crosses else [(price, size)]
        changes.append((side, price, size > 0 and not crosses))
        messages.append(Message(
            k == 0, k, k, k - 1, time * 1_000_000, time * 1_000_000,
            level if side == "bid" else [], level if side == "ask" else [],
        ))  # fmt: skip
    states = []
    builder = BookBuilder(
        "bitstamp:BTCUSD", Rules(silence_ns=10**18),
        lambda name, rows: states.append(rows) if name == "book.book_states" else None,
    )
    builder.feed(as_arrays(messages))
    builder.finish(messages[-1].event)
    rows = iter(pa.concat_tables(states).select(
        ["update_id", "crossed", "bid_prices", "bid_sizes", "ask_prices", "ask_sizes"]
    ).to_pylist())  # fmt: skip
    best, stale, ours = None, None, []
    following = next(rows)
    for k, (message, (side, price, put)) in enumerate(zip(messages, changes, strict=True)):
        before = best
        if following and following["update_id"] == k:
            assert not following["crossed"]
            best = [(following[f"{one}_prices"] or [0])[0] for one in ("bid", "ask")]
            sizes = [round((following[f"{one}_sizes"] or [0])[0] * 1e8) for one in ("bid", "ask")]
            following = next(rows, None)
        if not (side == "bid" and put and price == best[0] and before and price > before[0]):
            at_best = side == "bid" and price == best[0]
            stale = sizes[0] if at_best or not before or best[0] < before[0] else stale
        ours.append((message.event // 1_000_000, best[0], stale, best[1], sizes[1]))
    assert following is None
    theirs = table(expected / "bitstamp_bbo_expected.csv.gz")
    wanted = [
        (int(time), float(bid), int(float(bid_size)), float(ask), int(float(ask_size)))
        for time, bid, bid_size, ask, ask_size in zip(
            *(theirs[name] for name in ("ts_ms", "bid", "bid_vol", "ask", "ask_vol")), strict=True)
    ]  # fmt: skip
    begin = ours[0][0] + 60_000
    told = [row for row in ours if row[0] >= begin]
    assert told == wanted
    same = sum(one == other for one, other in zip(told, wanted, strict=True))
    oracle.agrees("best quotes that are the same", same, 49_216)
