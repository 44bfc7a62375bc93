"""Recorded connections in the raw layer: markets apart, encodings counted once, orders summed."""

import math
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from imbalance.captures.build import RAW_TABLES
from imbalance.captures.clocks import Clocks
from imbalance.captures.events import BookUpdate, OrderUpdate
from imbalance.captures.gathering import Gathering
from imbalance.captures.order_levels import ACTIONS, BOOK_SIDES, OrderLevels, Orders, names_of
from imbalance.captures.register import register
from imbalance.captures.rows import Rows
from tests.captures.building import build_all, rows
from tests.captures.whole import decode

BOTH = {
    "HUOBI": ("HUOBI.ws.44.0", "huobi", "2021-04-17"),
    "KRAKEN_FUTURES": ("KRAKEN_FUTURES.ws.1.0", "cryptofacilities", "2021-07-22"),
    "BITGET": ("BITGET.ws.1.0", "bitget", "2022-04-07"),
}


@pytest.mark.parametrize("name", sorted(BOTH))
def test_both_encodings_of_a_recording_are_counted_once(shared, store, tmp_path, name):
    from imbalance.store import Store

    legacy, venue, day = BOTH[name]
    folder = shared / "captures/cryptofeed"
    register(store, [folder / f"v3/{name}.jsonl.zst"])
    build_all(store)
    both = Store.open(tmp_path / "both", create=True)
    register(both, [folder / f"v3/{name}.jsonl.zst", folder / f"legacy/{legacy}"])
    build_all(both)
    for table in RAW_TABLES:
        assert len(rows(both, table, venue, day)) == len(rows(store, table, venue, day)), table


def test_two_markets_of_one_symbol_are_two_instruments(shared):
    found = decode(shared / "captures/cryptofeed/v3/BYBIT.jsonl.zst")
    assert {"bybit:BTCUSDT", "bybit-spot:BTCUSDT"} <= set(found.instruments)
    books = found.tables["raw.book_updates"]
    snapshots = [
        row["instrument"] for row in books.select(["instrument", "kind"]).to_pylist()
        if row["kind"] == "snapshot"
    ]
    assert len(snapshots) == len(set(snapshots)) == 6


def orders(*events, line=None):
    """Events `(action, key, price, size)` of bids, or with `"ask"` behind; each its own message."""
    actions, keys, prices, sizes, sides = zip(
        *((*event, "bid")[:5] for event in events), strict=True
    )
    n = len(events)
    return Orders(
        np.zeros(n, np.int32), np.arange(n) if line is None else np.full(n, line),
        np.array([ACTIONS[one] for one in actions]), np.array([BOOK_SIDES[one] for one in sides]),
        names_of(pa.array(keys)), np.array(prices), np.array(sizes),
    )


def levels(changes):
    """By message, what is told of each side as (price, size)."""
    found = []
    for (start, end), (first, last) in zip(*map(pairwise, changes.offsets), strict=True):
        bid_prices, bid_sizes, ask_prices, ask_sizes = changes.levels
        bids = zip(bid_prices[start:end], bid_sizes[start:end], strict=True)
        asks = zip(ask_prices[first:last], ask_sizes[first:last], strict=True)
        found.append((list(bids), list(asks)))
    return found


def test_orders_become_levels():
    book = OrderLevels()
    assert not len(book.take(orders(("add", "early", 9.0, 1.0))).first)  # no opening book
    opening = book.take(orders(
        ("snapshot", "a", 10.0, 1.0), ("snapshot", "b", 10.0, 2.0),
        ("snapshot", "c", 11.0, 5.0, "ask"), line=1,
    ))  # fmt: skip
    assert opening.opening.tolist() == [True]
    assert (opening.first.tolist(), opening.last.tolist()) == ([0], [2])
    assert levels(opening) == [([(10.0, 3.0)], [(11.0, 5.0)])]
    later = book.take(orders(
        ("add", "d", 10.0, 4.0), ("fill", "a", 10.0, 0.25), ("change", "d", 9.5, 4.0),
        ("reduce", "b", 10.0, 2.0), ("delete", "a", 10.0, 0.0), ("delete", "never", 8.0, 0.0),
    ))  # fmt: skip
    assert not later.opening.any()
    assert [bids for bids, _ in levels(later)] == [
        [(10.0, 7.0)], [(10.0, 6.75)], [(9.5, 4.0), (10.0, 2.75)], [(10.0, 0.75)], [(10.0, 0.0)],
        [(8.0, 0.0)],
    ]  # fmt: skip


def test_an_order_may_end_without_a_price():
    book = OrderLevels()
    opening = ("snapshot", "a", 10.0, 1.0), ("snapshot", "c", 11.0, 5.0, "ask")
    book.take(orders(*opening, line=1))
    found = book.take(orders(("delete", "a", np.nan, 0.0), ("delete", "never", np.nan, 0.0)))
    assert levels(found) == [([(10.0, 0.0)], []), ([], [])]


def test_levels_are_the_exact_sums_of_many_orders_however_they_come_and_go():
    generator = np.random.default_rng(11)
    book, held = OrderLevels(), {}
    book.take(orders(("snapshot", "first", 100.0, 1.0), line=1))
    held["first"] = (100.0, 1.0)
    for _ in range(4):
        told, expected = [], []
        for _ in range(700):
            key = f"{generator.integers(900):036d}" if generator.random() < 0.7 else "first"
            price, size = 100.0 + generator.integers(4) / 10, round(generator.lognormal(), 8)
            action = "delete" if generator.random() < 0.3 else "change"
            told.append((action, key, price, size))
            touched = {price, held.pop(key, (price,))[0]}
            if action == "change":
                held[key] = (price, size)
            expected.append([
                (p, math.fsum(size for at, size in held.values() if at == p))
                for p in sorted(touched)
            ])  # fmt: skip
        assert [bids for bids, _ in levels(book.take(orders(*told)))] == expected


@pytest.mark.parametrize("most", [3, 60])
def test_a_message_of_many_orders_tells_each_level_once_as_it_is_after_all_of_them(most):
    """Of both sides, with orders that are moved, cut and end without a price, more and more."""
    generator = np.random.default_rng(most)
    book, held = OrderLevels(), {}
    keys = 200
    for block in range(6):
        told, lines, expected = [], [], []
        for message in range(40):
            touched = set()
            for _ in range(generator.integers(1, most)):
                begins = block == message == 0
                side, key = ("bid", "ask")[generator.integers(2)], f"{generator.integers(keys)}"
                price, size = 100.0 + generator.integers(30), float(generator.integers(1, 9))
                action = "snapshot" if begins else tuple(ACTIONS)[generator.integers(5)]
                before, rested = held.pop((side, key), (None, 0.0))
                if action == "delete" and generator.random() < 0.5:
                    price = np.nan
                told.append((action, key, price, size, side))
                lines.append(block * 40 + message)
                if np.isnan(price):
                    price = before
                touched |= {(side, at) for at in (price, before) if at is not None}
                left = {"delete": 0.0, "fill": max(0.0, rested - size),
                        "reduce": max(0.0, rested - size)}.get(action, size)
                if left:
                    held[side, key] = (price, left)
            expected.append(tuple(
                [(price, math.fsum(s for (d, _), (p, s) in held.items() if (d, p) == (of, price)))
                 for _, price in sorted(one for one in touched if one[0] == of)]
                for of in ("bid", "ask")
            ))  # fmt: skip
        keys *= 2
        assert levels(book.take(orders(*told, line=lines))) == expected


def test_orders_of_an_instrument_are_told_among_its_breaks_as_they_became_known():
    made = Rows("c", ["v:a", "v:b"], {})
    gathering = Gathering(made, Clocks(None, None), lambda symbol, _: "ab".index(symbol))

    def order(action, key, symbol, size):
        return OrderUpdate(symbol=symbol, action=action, order_key=key, book_side="ask", price=3.0,
                           size=size, sequence=7, previous_sequence=6)

    gathering.add(9, 1_000, [order("snapshot", "x", "b", 1.0), order("add", "y", "b", 2.0)])
    gathering.add(4, 2_000, [BookUpdate(symbol="a", kind="break", note="sequence_gap")])
    gathering.add(5, 3_000, [order("fill", "y", "b", 0.5), order("add", "z", "a", 2.0)])
    books = gathering.take()["raw.book_updates"][1]
    chosen = books.select(["instrument", "line", "kind", "last_update_id", "previous_update_id",
                           "ask_prices", "ask_sizes"])
    assert [tuple(row.values()) for row in chosen.to_pylist()] == [
        ("v:b", 9, "snapshot", 7, None, [3.0], [3.0]),
        ("v:a", 4, "break", None, None, [], []),
        ("v:b", 5, "diff", 7, 6, [3.0], [2.5]),
    ]


def test_a_message_of_orders_is_known_when_its_last_event_is():
    """The exchange's clock is ahead of the recorder's, by how much the last event tells first."""
    made = Rows("c", ["v:a"], {})
    gathering = Gathering(made, Clocks(None, None), lambda *_: 0)
    gathering.add(1, 2_000, [
        OrderUpdate(symbol="a", action=action, order_key=key, book_side="bid", price=3.0, size=1.0,
                    exchange_time=sent)
        for action, key, sent in (("snapshot", "x", 1_000), ("add", "y", 5_000))
    ])  # fmt: skip
    tables = gathering.take()
    orders, books = (tables[name][1]["available_at"].cast(pa.int64()).to_pylist()
                     for name in ("raw.orders", "raw.book_updates"))
    assert orders == [2_000, 5_000]
    assert books == [5_000]
