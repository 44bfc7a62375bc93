"""Bitstamp: differences that wait for a book which is older than they are."""

import pytest

from imbalance.captures.events import BookUpdate, Ignored, OrderUpdate, Rejected, Trade
from imbalance.captures.venues.bitstamp import VENUE
from tests.captures.venues.recordings import (
    asked,
    check_recording,
    rebuilt,
    received,
    recorded,
    take,
    understood,
)

US = 1_000
ADDRESS = "https://www.bitstamp.net/api/v2/order_book/ethusd"


def difference(at, price="10", size="1"):
    data = {"timestamp": "1", "microtimestamp": str(at), "bids": [[price, size]], "asks": []}
    return received({"event": "data", "channel": "diff_order_book_ethusd", "data": data})


def whole(at, *prices):
    bids = [[price, "1"] for price in prices]
    return asked("http", ADDRESS, {"microtimestamp": str(at), "bids": bids, "asks": []})


def test_a_recording(cryptofeed):
    records = recorded(cryptofeed / "v3" / "BITSTAMP.jsonl.zst")
    taken = check_recording(
        VENUE, records,
        decoded={"diff_order_book": 615, "live_trades": 10, "order_book": 10},
        ignored={"connected": 1, "older_than_snapshot": 102, "reference:instruments": 1,
                 "sent": 20, "subscribed": 20},
        events={"BookUpdate": 625, "Trade": 10, "book:diff": 615, "book:snapshot": 10},
    )  # fmt: skip
    # in whatever order requests and messages are told, the books end the same
    ws = [record for record in records if record.kind != "http"]
    half = next(i for i, r in enumerate(ws) if r.receive_time > 1641343698 * 10**9)
    answers = [record for record in records if record.kind == "http"]
    timely = take(VENUE, ws[:half] + answers + ws[half:])
    assert timely.ignored["waiting_for_snapshot"] > 100
    ends = [{key: book.sides for key, book in rebuilt(t.events).items()} for t in (taken, timely)]
    assert ends[0] == ends[1]
    assert sum(event.kind == "diff" for event in timely.of(BookUpdate)) == 615


def test_what_came_before_the_book_and_is_newer_follows_it():
    old, new, later = difference(5), difference(7, "11"), difference(9, "12")
    assert understood(VENUE, old) == Ignored("waiting_for_snapshot")
    found = understood(VENUE, old, new, whole(6, "10"))
    assert [(e.kind, e.bids[0], e.exchange_time) for e in found.events] == [
        ("snapshot", [10.0], 6 * US), ("diff", [11.0], 7 * US),
    ]  # fmt: skip
    assert understood(VENUE, whole(6, "10"), old) == Ignored("older_than_snapshot")
    assert understood(VENUE, whole(6, "10"), later).events == [
        BookUpdate(symbol="ethusd", kind="diff", bids=([12.0], [1.0]), exchange_time=9 * US)
    ]


def test_trades_and_orders():
    data = {"id": 7, "amount_str": "2", "price_str": "10", "type": 1, "microtimestamp": "5"}
    message = {"event": "trade", "channel": "live_trades_ethusd", "data": data}
    assert understood(VENUE, received(message)).events == [
        Trade(symbol="ethusd", price=10.0, size=2.0, side="sell", trade_id=7, exchange_time=5 * US)
    ]
    order = {"id_str": "8", "order_type": 0, "amount_str": "0.5", "price_str": "10",
             "microtimestamp": "5", "event_id": 4, "pre_event_id": 3}  # fmt: skip
    message = {"event": "order_changed", "channel": "live_orders_ethusd", "data": order}
    assert understood(VENUE, received(message)).events == [
        OrderUpdate(symbol="ethusd", action="change", order_key="8", book_side="bid", price=10.0,
                    size=0.5, sequence=4, previous_sequence=3, exchange_time=5 * US)
    ]  # fmt: skip
    book = {"microtimestamp": "5", "bids": [["1", "2"]], "asks": []}
    message = {"event": "data", "channel": "order_book_ethusd", "data": book}
    assert understood(VENUE, received(message)).events[0].kind == "image"


def test_what_is_not_understood_has_a_reason():
    trade = {"id": 7, "amount_str": "2", "price_str": "10", "type": 2, "microtimestamp": "5"}
    for message, reason in (
        ({"event": "data", "channel": "magic_x", "data": {}}, "unknown_message"),
        ({"event": "bts:magic"}, "unknown_message"),
        ({"event": "trade", "channel": "live_trades_x", "data": trade}, "wrong_type"),
        ({"event": "trade", "channel": "live_trades_x", "data": {}}, "missing_field"),
    ):
        with pytest.raises(Rejected) as refused:
            understood(VENUE, received(message))
        assert refused.value.reason == reason
