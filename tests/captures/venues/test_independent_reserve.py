"""Independent Reserve: orders of a coin in the prices of several currencies."""

import math

import pytest

from imbalance.captures.events import BookUpdate, Ignored, OrderUpdate, Rejected, Trade
from imbalance.captures.venues.independent_reserve import VENUE
from tests.captures.venues.recordings import (
    asked,
    check_recording,
    received,
    recorded,
    take,
    understood,
)

MS = 1_000_000
ADDRESS = "https://api.independentreserve.com/Public/GetAllOrders?primaryCurrencyCode=dot"


def told(nonce, event="NewOrder", at=10_000, guid="g", **data):
    order = {"OrderType": "LimitBid", "OrderGuid": guid} | data
    return received({"Channel": "orderbook-dot", "Nonce": nonce, "Data": order, "Time": at,
                     "Event": event})  # fmt: skip


def new(nonce, at=10_000, guid="g"):
    return told(nonce, at=at, guid=guid, Price={"aud": 31.5, "nzd": 34.25}, Volume=2.0)


def opening(second=5, *orders):
    rows = [{"Guid": guid, "Price": price, "Volume": 1.0} for guid, price in orders]
    return asked("http", ADDRESS, {
        "BuyOrders": rows, "SellOrders": [], "PrimaryCurrencyCode": "Dot",
        "SecondaryCurrencyCode": "Nzd", "CreatedTimestampUtc": f"1970-01-01T00:00:0{second}.5Z",
    })  # fmt: skip


def resting(events):
    """Orders by pair and side that are left after all events."""
    books = {}
    for event in events:
        book = books.setdefault((event.symbol, event.book_side), {})
        if event.action == "delete":
            book.pop(event.order_key, None)
        else:
            book[event.order_key] = event.price
    return books


def test_a_recording(cryptofeed):
    records = recorded(cryptofeed / "v3" / "INDEPENDENT_RESERVE.jsonl.zst")
    taken = check_recording(
        VENUE, records,
        decoded={"all_orders": 5, "orderbook": 1478},
        ignored={"connected": 1, "heartbeat": 1, "older_than_snapshot": 185,
                 "reference:instruments": 2, "sent": 1, "subscribed": 1},
        events={"OrderUpdate": 3261},
    )  # fmt: skip
    books = resting(taken.events)
    for pair in {symbol for symbol, _ in books}:
        assert max(books[pair, "bid"].values()) < min(books[pair, "ask"].values())
    # in whatever order requests and messages are told, the books end the same
    ws = [record for record in records if record.kind != "http"]
    answers = [record for record in records if record.kind == "http"]
    timely = take(VENUE, ws[:900] + answers + ws[900:])
    assert timely.ignored["waiting_for_snapshot"] > 100
    assert resting(timely.events) == books


def test_a_lost_message_breaks_the_books_of_the_coin(cryptofeed):
    records = recorded(cryptofeed / "v3" / "INDEPENDENT_RESERVE.jsonl.zst")
    places = [i for i, r in enumerate(records) if b'"orderbook-eth"' in r.payload][50:-1:150]
    for lost in places:
        events = take(VENUE, records[:lost] + records[lost + 1 :]).of(BookUpdate)
        assert [(event.symbol, event.note) for event in events] == [("eth-aud", "sequence_gap")]


def test_orders_are_told_from_the_opening_book_on():
    assert understood(VENUE, new(1)) == Ignored("waiting_for_snapshot")
    found = understood(VENUE, new(1, at=5_000, guid="old"), new(2), opening(5, ("a", 33.5)))
    assert found.events == [
        OrderUpdate(symbol="dot-nzd", action="snapshot", order_key="a", book_side="bid",
                    price=33.5, size=1.0, exchange_time=5_500_000_000),
        OrderUpdate(symbol="dot-nzd", action="add", order_key="g", book_side="bid", price=34.25,
                    size=2.0, sequence=2, exchange_time=10_000 * MS),
    ]  # fmt: skip
    cancelled = understood(VENUE, opening(5, ("a", 33.5)), told(1, "OrderCanceled", guid="a"))
    assert cancelled.events == [
        OrderUpdate(symbol="dot-nzd", action="delete", order_key="a", book_side="bid", price=33.5,
                    size=0.0, sequence=1, exchange_time=10_000 * MS)
    ]  # fmt: skip
    (unknown,) = understood(VENUE, opening(), told(1, "OrderCanceled", guid="z")).events
    assert math.isnan(unknown.price)
    changed = told(1, "OrderChanged", guid="a", Volume=0.25)
    (event,) = understood(VENUE, opening(5, ("a", 33.5)), changed).events
    assert (event.action, event.size) == ("change", 0.25)
    assert understood(VENUE, opening(), new(1, at=5_000)) == Ignored("older_than_snapshot")
    assert understood(VENUE, opening(), new(1), new(1)) == Ignored("duplicate")


def test_a_cancelled_order_tells_what_was_left_of_it():
    whole = understood(VENUE, opening(), new(1), told(2, "OrderCanceled", at=10_001))
    assert [(event.action, event.size) for event in whole.events] == [("delete", 2.0)]
    part = understood(VENUE, opening(), new(1), told(2, "OrderChanged", at=10_001, Volume=0.5),
                      told(3, "OrderCanceled", at=10_002))
    assert [(event.action, event.size) for event in part.events] == [("delete", 0.5)]
    filled = understood(VENUE, opening(), new(1), told(2, "OrderChanged", at=10_001, Volume=0.0))
    assert [(event.action, event.size) for event in filled.events] == [("delete", 0.0)]


def test_trades():
    data = {"TradeGuid": "t", "Pair": "Dot-Nzd", "TradeDate": "1970-01-01T10:00:05+10:00",
            "Price": 33.0, "Volume": 2.0, "Side": "Sell", "BidGuid": "b", "OfferGuid": "o",
            }  # fmt: skip
    message = {"Channel": "ticker-dot-nzd", "Nonce": 1, "Time": 5, "Event": "Trade", "Data": data}
    assert understood(VENUE, received(message)).events == [
        Trade(symbol="dot-nzd", price=33.0, size=2.0, side="sell", trade_key="t",
              exchange_time=5_000_000_000)
    ]  # fmt: skip


def test_what_is_not_understood_has_a_reason():
    for message, reason in (
        (received({"Event": "Magic"}), "unknown_message"),
        (received({"Event": "NewOrder", "Channel": "orderbook-dot"}), "missing_field"),
        (told(1), "missing_field"),
        (told(1, OrderType="LimitDance"), "wrong_type"),
    ):
        with pytest.raises(Rejected) as refused:
            understood(VENUE, message)
        assert refused.value.reason == reason
