"""Bithumb: trades in the time of Korea, changes and images of books."""

import pytest

from imbalance.captures.events import BookUpdate, Ignored, Rejected, Trade
from imbalance.captures.venues.bithumb import VENUE
from tests.captures.venues.recordings import check_recording, received, recorded, understood


def test_a_recording(cryptofeed):
    records = recorded(cryptofeed / "v3" / "BITHUMB.jsonl.zst")
    taken = check_recording(
        VENUE, records, decoded={"transaction": 4},
        ignored={"connected": 1, "reference:instruments": 2, "sent": 1, "subscribed": 2},
        events={"Trade": 7},
    )  # fmt: skip
    # nine hours ahead: with the offset taken off, trades are as old as the network is slow
    received_at = [record.receive_time for record in records if b'"list"' in record.payload]
    for trade in taken.of(Trade):
        assert 0 < max(received_at) - trade.exchange_time < 20e9
    assert len(taken.session.instruments()) == 228


def test_messages():
    row = {"buySellGb": "1", "contPrice": "10", "contQty": "2", "contAmt": "20", "symbol": "A_KRW",
           "contDtm": "1970-01-01 09:00:05.000007", "updn": "dn"}  # fmt: skip
    dealt = received({"type": "transaction", "content": {"list": [row]}})
    assert understood(VENUE, dealt).events == [
        Trade(symbol="A_KRW", price=10.0, size=2.0, side="sell", exchange_time=5_000_007_000)
    ]
    rows = [
        {"symbol": "A_KRW", "orderType": side, "price": price, "quantity": size, "total": "1"}
        for side, price, size in (("ask", "11", "0"), ("bid", "10", "3"))
    ]
    message = {"type": "orderbookdepth", "content": {"list": rows, "datetime": "5000007"}}
    assert understood(VENUE, received(message)).events == [
        BookUpdate(symbol="A_KRW", kind="diff", bids=([10.0], [3.0]), asks=([11.0], [0.0]),
                   exchange_time=5_000_007_000)
    ]  # fmt: skip
    book = {"symbol": "A_KRW", "datetime": "7", "bids": [["1", "2"]], "asks": []}
    image = received({"type": "orderbooksnapshot", "content": book})
    assert understood(VENUE, image).events == [
        BookUpdate(symbol="A_KRW", kind="image", bids=([1.0], [2.0]), exchange_time=7_000_000)
    ]
    assert understood(VENUE, image, received(message)) == Ignored("unused:second_book_channel")


def test_what_is_not_understood_has_a_reason():
    for message, reason in (
        ({"type": "magic"}, "unknown_message"),
        ({}, "unknown_message"),
        ({"type": "transaction", "content": {}}, "missing_field"),
        ({"type": "orderbooksnapshot", "content": {"symbol": "A", "datetime": "x"}}, "wrong_type"),
    ):
        with pytest.raises(Rejected) as refused:
            understood(VENUE, received(message))
        assert refused.value.reason == reason
