"""Poloniex: a chain of ids."""

import pytest

from imbalance.captures.events import BookUpdate, Rejected, Trade
from imbalance.captures.venues.poloniex import VENUE
from tests.captures.venues.recordings import (
    check_recording,
    positions,
    received,
    recorded,
    understood,
    unnoticed,
)

MS = 1_000_000


def told(channel, row, action="update"):
    return received({"channel": channel, "data": [row], "action": action})


def test_a_recording(cryptofeed):
    taken = check_recording(
        VENUE,
        recorded(cryptofeed / "v3" / "POLONIEX.jsonl.zst"),
        decoded={"book_lv2": 294, "trades": 6},
        ignored={"connected": 1, "reference:instruments": 1, "sent": 2, "subscribed": 2},
        events={"BookUpdate": 294, "Trade": 6, "book:diff": 283, "book:snapshot": 11},
    )
    facts = {one.symbol: one for one in taken.session.instruments()}
    assert (facts["BTS_BTC"].tick, facts["BTS_BTC"].lot) == (1e-10, 1.0)


def test_a_lost_difference_breaks_the_chain(cryptofeed):
    records = recorded(cryptofeed / "v3" / "POLONIEX.jsonl.zst")[1:]
    places = positions(records[:-20], b'{"symbol":"BTC_USDT"', every=10, skip=3)
    places = [place for place in places if b"book_lv2" in records[place].payload]
    assert len(places) > 3
    assert unnoticed(VENUE, records, places) == []


def test_messages():
    row = {"symbol": "A_B", "createTime": 5, "asks": [["2", "1"]], "bids": [], "lastId": 8,
           "id": 9, "ts": 6}  # fmt: skip
    update = BookUpdate(symbol="A_B", kind="diff", asks=([2.0], [1.0]), last_id=9, previous_id=8,
                        exchange_time=6 * MS, transaction_time=5 * MS)  # fmt: skip
    assert understood(VENUE, told("book_lv2", row)).events == [update]
    (whole,) = understood(VENUE, told("book_lv2", row, "snapshot")).events
    assert (whole.kind, whole.last_id, whole.previous_id) == ("snapshot", 9, None)
    row = {"symbol": "A_B", "amount": "20", "quantity": "2", "takerSide": "sell", "createTime": 5,
           "price": "10", "id": "7", "ts": 6}  # fmt: skip
    assert understood(VENUE, told("trades", row)).events == [
        Trade(symbol="A_B", price=10.0, size=2.0, side="sell", trade_id=7, exchange_time=6 * MS,
              transaction_time=5 * MS)
    ]  # fmt: skip


def test_what_is_not_understood_has_a_reason():
    row = {"symbol": "A_B", "createTime": 5, "asks": [], "bids": [], "id": 9, "ts": 6}
    for message, reason in (
        (told("magic", {}), "unknown_message"),
        (told("book_lv2", row, "dance"), "unknown_message"),
        (told("book_lv2", row), "missing_field"),
        (told("trades", {}), "missing_field"),
    ):
        with pytest.raises(Rejected) as refused:
            understood(VENUE, message)
        assert refused.value.reason == reason
