"""Phemex: scaled numbers, and snapshots again and again that prove the book between."""

import pytest

from imbalance.captures.events import BookUpdate, DerivativeTick, Ignored, Rejected, Trade
from imbalance.captures.venues.phemex import VENUE
from tests.captures.venues.recordings import (
    Book,
    asked,
    check_recording,
    received,
    recorded,
    same_events,
    understood,
)


def told(kind="incremental", symbol="BTCUSD", sequence=5, bids=(), asks=()):
    book = {"bids": list(bids), "asks": list(asks)}
    return received({"book": book, "depth": 30, "sequence": sequence, "symbol": symbol,
                     "timestamp": 77, "type": kind})  # fmt: skip


def test_a_recording(cryptofeed):
    taken = check_recording(
        VENUE,
        recorded(cryptofeed / "v3" / "PHEMEX.jsonl.zst"),
        decoded={"book": 1337, "trades": 35},
        ignored={"connected": 2, "reference:instruments": 1, "sent": 30, "subscribed": 30,
                 "unused:candles": 46},
        events={"BookUpdate": 1337, "Trade": 10025, "book:diff": 1324, "book:snapshot": 13},
    )  # fmt: skip
    facts = {one.symbol: one for one in taken.session.instruments()}
    for symbol in {event.symbol for event in taken.events}:
        told_of = VENUE.instrument(symbol)
        listed = facts[symbol]
        assert (told_of.kind, told_of.base, told_of.quote) == (
            listed.kind, listed.base, listed.quote,
        )  # fmt: skip
    assert (facts["BTCUSD"].inverse, facts["BTCUSD"].multiplier) == (True, 1.0)


def test_both_encodings_give_the_same_events(cryptofeed):
    assert same_events(VENUE, cryptofeed, "PHEMEX", "PHEMEX.ws.1.0") == 11362


def test_a_snapshot_sent_again_is_the_book_that_was_rebuilt(cryptofeed):
    """No gap, although its sequence is the one of the last change: and the same best levels."""
    session, books, again = VENUE.session(), {}, 0
    for record in recorded(cryptofeed / "v3" / "PHEMEX.jsonl.zst"):
        found = session.take(record)
        for event in getattr(found, "events", ()):
            if not isinstance(event, BookUpdate):
                continue
            book = books.setdefault(event.symbol, Book())
            if event.kind == "snapshot" and book.applied:
                sent = dict(zip(*event.bids, strict=True))
                held = dict(sorted(book.sides["bids"].items(), reverse=True)[: len(sent)])
                assert held == sent
                again += 1
            book.take(event)
    assert again == 3


def test_contracts_have_four_decimals_and_spot_pairs_eight():
    assert understood(VENUE, told(bids=[[329915000, 1559]])).events == [
        BookUpdate(symbol="BTCUSD", kind="diff", bids=([32991.5], [1559.0]), exchange_time=77)
    ]
    (spot,) = understood(VENUE, told(symbol="sBTCUSDT", asks=[[769100000, 13572800000]])).events
    assert spot.asks == ([7.691], [135.728])
    rows = [[9, "Sell", 20000, 3], [8, "Buy", 10000, 2]]
    message = {"sequence": 1, "symbol": "BTCUSD", "trades": rows, "type": "snapshot"}
    assert understood(VENUE, received(message)).events == [
        Trade(symbol="BTCUSD", price=1.0, size=2.0, side="buy", exchange_time=8),
        Trade(symbol="BTCUSD", price=2.0, size=3.0, side="sell", exchange_time=9),
    ]
    day = {"symbol": "BTCUSD", "indexPrice": 10000, "markPrice": 20000, "openInterest": 7,
           "fundingRate": -10000, "close": 1}  # fmt: skip
    assert understood(VENUE, received({"market24h": day, "timestamp": 5})).events == [
        DerivativeTick(symbol="BTCUSD", index_price=1.0, mark_price=2.0, open_interest=7.0,
                       funding_rate=-0.0001, exchange_time=5)
    ]  # fmt: skip


def test_a_change_that_came_before_changes_nothing():
    assert understood(VENUE, told(sequence=5), told(sequence=5)) == Ignored("duplicate")
    assert understood(VENUE, told("snapshot", sequence=5), told(sequence=4)) == Ignored("duplicate")


def test_what_is_not_understood_has_a_reason():
    product = {"symbol": "X", "type": "Perpetual", "quoteCurrency": "USD", "priceScale": 2}
    listing = asked("http", "https://api.phemex.com/public/products",
                    {"data": {"products": [product]}})  # fmt: skip
    for message, reason in (
        (received({"nothing": 1}), "unknown_message"),
        (told("dance"), "unknown_message"),
        (told(bids=[[0, 1]]), "number_out_of_range"),
        (told(bids=[[1.5, 1]]), "wrong_type"),
        (received({"book": {"bids": [], "asks": []}}), "missing_field"),
        (listing, "unknown_scale"),
    ):
        with pytest.raises(Rejected) as refused:
            understood(VENUE, message)
        assert refused.value.reason == reason
