"""Upbit: images and trades, with short names and long ones."""

import pytest

from imbalance.captures.events import BookUpdate, Ignored, Rejected, Trade
from imbalance.captures.venues.upbit import VENUE
from tests.captures.venues.recordings import check_recording, received, recorded, understood

MS = 1_000_000


def test_a_recording(cryptofeed):
    taken = check_recording(
        VENUE,
        recorded(cryptofeed / "v3" / "UPBIT.jsonl.zst"),
        decoded={"orderbook": 145, "trade": 304},
        ignored={"connected": 1, "reference:instruments": 1, "sent": 1},
        events={"BookUpdate": 145, "Trade": 304, "book:image": 145},
    )
    assert {len(event.bids[0]) for event in taken.of(BookUpdate)} == {15}
    pair = VENUE.instrument("KRW-LAMB")
    assert (pair.base, pair.quote) == ("LAMB", "KRW")


def test_short_names_and_long_ones_say_the_same():
    trade = Trade(symbol="KRW-BTC", price=10.0, size=2.0, side="sell", trade_id=7,
                  exchange_time=6 * MS, transaction_time=5 * MS)  # fmt: skip
    short = {"ty": "trade", "cd": "KRW-BTC", "tms": 6, "ttms": 5, "tp": 10.0, "tv": 2.0,
             "ab": "ASK", "sid": 7}  # fmt: skip
    long = {"type": "trade", "code": "KRW-BTC", "timestamp": 6, "trade_timestamp": 5,
            "trade_price": 10.0, "trade_volume": 2.0, "ask_bid": "ASK", "sequential_id": 7,
            }  # fmt: skip
    book = BookUpdate(symbol="KRW-BTC", kind="image", bids=([1.0], [2.0]), asks=([], []),
                      exchange_time=6 * MS)  # fmt: skip
    short_book = {"ty": "orderbook", "cd": "KRW-BTC", "tms": 6,
                  "obu": [{"ap": 0, "as": 0, "bp": 1.0, "bs": 2.0}]}  # fmt: skip
    long_book = {"type": "orderbook", "code": "KRW-BTC", "timestamp": 6, "orderbook_units": [
        {"ask_price": 0, "ask_size": 0, "bid_price": 1.0, "bid_size": 2.0}]}  # fmt: skip
    for message, event in ((short, trade), (long, trade), (short_book, book), (long_book, book)):
        assert understood(VENUE, received(message)).events == [event]


def test_other_messages():
    assert understood(VENUE, received({"status": "UP"})) == Ignored("heartbeat")
    assert understood(VENUE, received({"type": "ticker"})) == Ignored("unused:ticker")
    for message, reason in (
        ({"ty": "magic"}, "unknown_message"),
        ({}, "unknown_message"),
        ({"ty": "trade", "cd": "KRW-BTC"}, "missing_field"),
    ):
        with pytest.raises(Rejected) as refused:
            understood(VENUE, received(message))
        assert refused.value.reason == reason
