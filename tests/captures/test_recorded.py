"""Recorded connections in the raw layer: markets apart, encodings counted once, orders summed."""

import pytest

from imbalance.captures.build import RAW_TABLES
from imbalance.captures.events import OrderUpdate
from imbalance.captures.order_levels import OrderLevels
from imbalance.captures.register import register
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


def order(action, key, price, size, side="bid"):
    return OrderUpdate(
        symbol="X", action=action, order_key=key, book_side=side, price=price, size=size
    )


def test_orders_become_levels():
    book = OrderLevels()
    assert book.take([order("add", "early", 9.0, 1.0)]) is None  # no opening book
    opening = book.take([
        order("snapshot", "a", 10.0, 1.0), order("snapshot", "b", 10.0, 2.0),
        order("snapshot", "c", 11.0, 5.0, "ask"),
    ])  # fmt: skip
    assert opening.kind == "snapshot"
    assert opening.bids == ([10.0], [3.0])
    assert opening.asks == ([11.0], [5.0])
    assert book.take([order("add", "d", 10.0, 4.0)]).bids == ([10.0], [7.0])
    assert book.take([order("fill", "a", 10.0, 0.25)]).bids == ([10.0], [6.75])
    assert book.take([order("change", "d", 9.5, 4.0)]).bids == ([9.5, 10.0], [4.0, 2.75])
    assert book.take([order("reduce", "b", 10.0, 2.0)]).bids == ([10.0], [0.75])
    assert book.take([order("delete", "a", 10.0, 0.0)]).bids == ([10.0], [0.0])
    assert book.take([order("delete", "never", 8.0, 0.0)]).bids == ([8.0], [0.0])


def test_an_order_may_end_without_a_price():
    book = OrderLevels()
    book.take([order("snapshot", "a", 10.0, 1.0), order("snapshot", "c", 11.0, 5.0, "ask")])
    assert book.take([order("delete", "a", float("nan"), 0.0)]).bids == ([10.0], [0.0])
    assert book.take([order("delete", "never", float("nan"), 0.0)]).bids == ([], [])
