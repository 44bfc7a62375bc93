"""Kraken spot: checksums of v1 in the recording and of v2 by hand."""

import pytest

from imbalance.captures.checksums import TextBook, digits, kraken
from imbalance.captures.events import BookUpdate, Quote, Rejected, Trade
from imbalance.captures.venues.kraken import VENUE
from tests.captures.venues.recordings import (
    asked,
    check_recording,
    positions,
    received,
    recorded,
    take,
    understood,
    unnoticed,
)

SECOND = 1_000_000_000


def test_a_recording(cryptofeed):
    records = recorded(cryptofeed / "v3" / "KRAKEN.jsonl.zst")
    taken = check_recording(
        VENUE, records,
        decoded={"book": 4279, "ticker": 18, "trade": 8},
        ignored={"connected": 3, "heartbeat": 92, "reference:instruments": 1, "sent": 3,
                 "status": 3, "subscribed": 30},
        events={"BookUpdate": 4279, "Quote": 18, "Trade": 10, "book:diff": 4269,
                "book:snapshot": 10},
    )  # fmt: skip
    assert sum(b'"c":"' in r.payload for r in records if b'"book-' in r.payload) == 4269
    pair = next(one for one in taken.session.instruments() if one.symbol == "XBT/CHF")
    assert (pair.base, pair.quote, pair.tick, pair.lot) == ("XBT", "CHF", 0.1, 1e-8)


def test_a_lost_message_near_the_best_prices_fails_the_checksum(cryptofeed):
    """Changes below the tenth level are not in what is hashed: those losses stay unseen."""
    records = recorded(cryptofeed / "v3" / "KRAKEN.jsonl.zst")[-500:]
    opening = [r for r in recorded(cryptofeed / "v3" / "KRAKEN.jsonl.zst") if b'"as":' in r.payload]
    records = opening + records
    places = positions(records, b'"book-1000","SC/EUR"', every=60, skip=20)
    missed = unnoticed(VENUE, records, places)
    assert len(missed) < len(places)


def test_messages_of_v1():
    levels = {"as": [["5541.3", "2.5", "1534614248.123456"]], "bs": []}
    assert understood(VENUE, received([0, levels, "book-10", "XBT/USD"])).events == [
        BookUpdate(symbol="XBT/USD", kind="snapshot", asks=([5541.3], [2.5]),
                   exchange_time=1_534_614_248_123_456_000)
    ]  # fmt: skip
    trades = [["5541.2", "0.158", "1534614057.321597", "s", "l", ""]]
    assert understood(VENUE, received([0, trades, "trade", "XBT/USD"])).events == [
        Trade(symbol="XBT/USD", price=5541.2, size=0.158, side="sell",
              exchange_time=1_534_614_057_321_597_000)
    ]  # fmt: skip
    ticker = {"a": ["2", 1, "1.5"], "b": ["1", 0, "0.5"]}
    assert understood(VENUE, received([0, ticker, "ticker", "XBT/USD"])).events == [
        Quote(symbol="XBT/USD", bid_price=1.0, bid_size=0.5, ask_price=2.0, ask_size=1.5)
    ]
    spread = ["1", "2", "1542057299.5", "3", "4"]
    assert understood(VENUE, received([0, spread, "spread", "XBT/USD"])).events == [
        Quote(symbol="XBT/USD", bid_price=1.0, bid_size=3.0, ask_price=2.0, ask_size=4.0,
              exchange_time=1_542_057_299_500_000_000)
    ]  # fmt: skip


def test_an_empty_book_is_a_snapshot():
    (event,) = understood(VENUE, received([0, {"as": [], "bs": []}, "book-10", "A/B"])).events
    assert event.kind == "snapshot"


def test_a_level_that_falls_out_of_the_depth_is_forgotten():
    """Depth 10: an eleventh ask is cut off and must not come back when one above it goes."""
    asks = [[f"{price}.0", "1.0", "1.0000000001"] for price in range(1, 11)]
    asks = [[price, size, "1534614248.1"] for price, size, _ in asks]
    opening = received([0, {"as": asks, "bs": []}, "book-10", "A/B"])
    better = received([0, {"a": [["0.5", "1.0", "1534614248.2"]]}, "book-10", "A/B"])
    gone = received([0, {"a": [["0.5", "0.0", "1534614248.3"]]}, "book-10", "A/B"])
    back = ["10.0", "1.0", "1534614248.1", "r"]
    told = received([0, {"a": [back], "c": "0"}, "book-10", "A/B"])
    kinds = [event.kind for event in take(VENUE, [opening, better, gone, told]).events]
    assert kinds == ["snapshot", "diff", "diff", "diff", "break"]


def test_a_loss_at_level_400_is_not_seen_and_one_at_the_best_is():
    """As docs/venues.md says of the checksum (F32): ten levels are in what is hashed."""
    def opening():
        return [[f"{price}.0", "1.0", "1534614248.1"] for price in range(1, 1001)]

    texts = TextBook(digits, 1000)
    texts.update([], [level[:2] for level in opening()])
    messages = [received([0, {"as": opening(), "bs": []}, "book-1000", "A/B"])]
    for price in ("400.0", "1.0", "2.0"):
        texts.update([], [[price, "2.0"]])
        change = {"a": [[price, "2.0", "1534614248.2"]], "c": str(kraken(texts))}
        messages.append(received([0, change, "book-1000", "A/B"]))
    whole, far, near = (
        [event.kind for event in take(VENUE, messages[:lost] + messages[lost + 1 :]).events]
        for lost in (9, 1, 2)
    )
    assert whole == ["snapshot", "diff", "diff", "diff"]
    assert far == ["snapshot", "diff", "diff"]
    assert near == ["snapshot", "diff", "diff", "break"]


def levels(side, prices):
    return [{"price": price, "qty": 0.000005} for price in prices]


def test_checksums_of_v2_need_the_precision():
    """The vector of the venue's guide, as JSON numbers without their zeros."""
    book = {
        "symbol": "A/B", "checksum": 974947235, "timestamp": "1970-01-01T00:00:05Z",
        "asks": levels("a", [0.05005, 0.0501, 0.05015, 0.0502, 0.05025, 0.0503, 0.05035, 0.0504,
                             0.05045, 0.0505]),
        "bids": levels("b", [0.05, 0.04995, 0.0499, 0.0498, 0.04975, 0.0497, 0.04965, 0.0496,
                             0.04955, 0.0495]),
    }  # fmt: skip
    pairs = [{"symbol": "A/B", "base": "A", "quote": "B", "price_precision": 5, "qty_precision": 8}]
    told = received({"channel": "instrument", "type": "snapshot", "data": {"pairs": pairs}})
    right = received({"channel": "book", "type": "snapshot", "data": [book]})
    wrong = received({"channel": "book", "type": "snapshot", "data": [book | {"checksum": 1}]})
    assert [e.kind for e in understood(VENUE, told, right).events] == ["snapshot"]
    assert [e.kind for e in understood(VENUE, told, wrong).events] == ["snapshot", "break"]
    assert [e.kind for e in understood(VENUE, wrong).events] == ["snapshot"]
    assert understood(VENUE, right).events[0].exchange_time == 5 * SECOND


def test_what_is_not_understood_has_a_reason():
    for message, reason in (
        ([1, 2], "unknown_message"),
        ([0, {}, "magic", "A/B"], "unknown_message"),
        ({"event": "magic"}, "unknown_message"),
        ([0, [["x", "1", "1534614248.1", "b", "l", ""]], "trade", "A/B"], "wrong_type"),
        ([0, {"a": [["1", "1"]]}, "book-10", "A/B"], "wrong_type"),
    ):
        with pytest.raises(Rejected) as refused:
            understood(VENUE, received(message))
        assert refused.value.reason == reason
    assert understood(VENUE, asked("send", "wss://ws.kraken.com", b"\xff")).rule == "sent"
