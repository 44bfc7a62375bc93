"""HitBTC: numbered changes, snapshots sent again in mid-stream."""

import math

import pytest

from imbalance.captures.events import BookUpdate, Ignored, Rejected, Trade
from imbalance.captures.venues.hitbtc import VENUE
from tests.captures.venues.recordings import (
    Book,
    agreement,
    check_recording,
    positions,
    received,
    recorded,
    take,
    understood,
    unnoticed,
)

NAME = "HITBTC.ws.1.0"


def told(method, **params):
    return received({"jsonrpc": "2.0", "method": method, "params": params})


def test_a_recording(cryptofeed):
    taken = check_recording(
        VENUE,
        recorded(cryptofeed / "legacy" / NAME),
        decoded={"snapshotOrderbook": 20, "snapshotTrades": 10, "ticker": 203,
                 "updateOrderbook": 517},
        ignored={"connected": 1, "sent": 40, "subscribed": 40, "unused:candles": 10},
        events={"BookUpdate": 537, "Quote": 203, "Trade": 1000, "book:diff": 517,
                "book:snapshot": 20},
    )  # fmt: skip
    assert agreement(taken.events) == (190, 203)


def test_a_snapshot_sent_again_is_the_book_that_was_rebuilt(cryptofeed):
    """Same number, no gap; and the whole book is the one held."""
    books, again = {}, 0
    for event in take(VENUE, recorded(cryptofeed / "legacy" / NAME)).of(BookUpdate):
        book = books.setdefault(event.symbol, Book())
        if event.kind == "snapshot" and book.valid:
            assert book.last in (event.last_id, event.last_id - 1)
            if book.last == event.last_id:
                assert book.sides["bids"] == dict(zip(*event.bids, strict=True))
                assert book.sides["asks"] == dict(zip(*event.asks, strict=True))
                again += 1
        book.take(event)
    assert again >= 8


def test_a_lost_change_breaks_the_chain(cryptofeed):
    records = recorded(cryptofeed / "legacy" / NAME)
    after = max(i for i, r in enumerate(records) if b'"snapshotOrderbook"' in r.payload)
    places = [p for p in positions(records, b'"symbol":"VETBTC"', every=20) if p > after]
    places = [p for p in places if b'"updateOrderbook"' in records[p].payload]
    assert len(places) > 3
    assert unnoticed(VENUE, records, places) == []


def test_messages():
    at = "1970-01-01T00:00:05.5Z"
    change = told("updateOrderbook", ask=[], bid=[{"price": "1.5", "size": "0"}], sequence=7,
                  timestamp=at, symbol="ETHBTC")  # fmt: skip
    assert understood(VENUE, change).events == [
        BookUpdate(symbol="ETHBTC", kind="diff", bids=([1.5], [0.0]), first_id=7, last_id=7,
                   exchange_time=5_500_000_000)
    ]  # fmt: skip
    row = {"id": 3, "price": "1", "quantity": "2", "side": "sell", "timestamp": at}
    assert understood(VENUE, told("updateTrades", data=[row], symbol="ETHBTC")).events == [
        Trade(symbol="ETHBTC", price=1.0, size=2.0, side="sell", trade_id=3,
              exchange_time=5_500_000_000)
    ]  # fmt: skip
    (quote,) = understood(VENUE, told("ticker", ask="2", bid=None, timestamp=at, symbol="X")).events
    assert (quote.ask_price, math.isnan(quote.bid_price)) == (2.0, True)
    assert understood(VENUE, received({"result": True, "id": 1})) == Ignored("subscribed")
    for message, reason in ((told("magic"), "unknown_message"),
                            (told("ticker", symbol="X"), "missing_field")):  # fmt: skip
        with pytest.raises(Rejected) as refused:
            understood(VENUE, message)
        assert refused.value.reason == reason
