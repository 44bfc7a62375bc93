"""Kraken Futures: both encodings of one recording, and its numbered changes."""

import pytest

from imbalance.captures.events import (
    BookUpdate,
    DerivativeTick,
    Liquidation,
    Quote,
    Rejected,
    Trade,
)
from imbalance.captures.venues.cryptofacilities import VENUE
from tests.captures.venues.recordings import (
    agreement,
    check_recording,
    positions,
    received,
    recorded,
    same_events,
    understood,
    unnoticed,
)

MS = 1_000_000


def test_a_recording(cryptofeed):
    taken = check_recording(
        VENUE,
        recorded(cryptofeed / "v3" / "KRAKEN_FUTURES.jsonl.zst"),
        decoded={"book": 7014, "book_snapshot": 10, "ticker_lite": 107, "trade": 3,
                 "trade_snapshot": 10},
        ignored={"connected": 1, "info": 1, "reference:instruments": 1, "sent": 3,
                 "subscribed": 30},
        events={"BookUpdate": 7024, "Quote": 107, "Trade": 1003, "book:diff": 7014,
                "book:snapshot": 10},
    )  # fmt: skip
    assert agreement(taken.events) == (107, 107)
    facts = {one.symbol: one for one in taken.session.instruments()}
    for symbol in {event.symbol for event in taken.events}:
        told = VENUE.instrument(symbol)
        listed = facts[symbol]
        assert (told.kind, told.inverse, told.multiplier) == (
            listed.kind, listed.inverse, listed.multiplier,
        )  # fmt: skip
        # the hour is 16:00 in London, summer and winter: the symbol has the day alone
        assert (listed.expiry or "").startswith(told.expiry or "")


def test_both_encodings_give_the_same_events(cryptofeed):
    assert same_events(VENUE, cryptofeed, "KRAKEN_FUTURES", "KRAKEN_FUTURES.ws.1.0") == 8134


def test_a_lost_change_breaks_the_chain(cryptofeed):
    records = recorded(cryptofeed / "v3" / "KRAKEN_FUTURES.jsonl.zst")[1:1500]
    places = positions(records[:1300], b'"feed":"book","product_id":"PI_ETHUSD"', every=150)
    assert len(places) > 3
    assert unnoticed(VENUE, records, places) == []


def test_messages():
    change = {"feed": "book", "product_id": "PI_XBTUSD", "side": "sell", "seq": 7, "price": 10.5,
              "qty": 0.0, "timestamp": 3}  # fmt: skip
    assert understood(VENUE, received(change)).events == [
        BookUpdate(symbol="PI_XBTUSD", kind="diff", asks=([10.5], [0.0]), first_id=7, last_id=7,
                   exchange_time=3 * MS)
    ]  # fmt: skip
    trade = {"feed": "trade", "product_id": "PI_XBTUSD", "uid": "u", "side": "sell",
             "type": "liquidation", "seq": 5, "time": 3, "qty": 2.0, "price": 10.0}  # fmt: skip
    assert understood(VENUE, received(trade)).events == [
        Trade(symbol="PI_XBTUSD", price=10.0, size=2.0, side="sell", trade_id=5, trade_key="u",
              exchange_time=3 * MS),
        Liquidation(symbol="PI_XBTUSD", price=10.0, size=2.0, side="sell", liquidation_key="u",
                    exchange_time=3 * MS),
    ]  # fmt: skip
    ticker = {"feed": "ticker", "product_id": "PI_XBTUSD", "bid": 1.0, "ask": 2.0, "bid_size": 3.0,
              "ask_size": 4.0, "markPrice": 1.5, "index": 1.4, "openInterest": 9.0, "last": 1.0,
              "relative_funding_rate": -1e-4, "next_funding_rate_time": 8, "time": 3}  # fmt: skip
    assert understood(VENUE, received(ticker)).events == [
        Quote(symbol="PI_XBTUSD", bid_price=1.0, bid_size=3.0, ask_price=2.0, ask_size=4.0,
              exchange_time=3 * MS),
        DerivativeTick(symbol="PI_XBTUSD", mark_price=1.5, index_price=1.4, last_price=1.0,
                       open_interest=9.0, funding_rate=-1e-4, next_funding_time=8 * MS,
                       exchange_time=3 * MS),
    ]  # fmt: skip


def test_what_is_not_understood_has_a_reason():
    for message, reason in (
        ({"feed": "magic"}, "unknown_message"),
        ({"event": "magic"}, "unknown_message"),
        ({"feed": "book", "product_id": "X"}, "missing_field"),
        ({"feed": "trade_snapshot", "trades": 5}, "wrong_type"),
    ):
        with pytest.raises(Rejected) as refused:
            understood(VENUE, received(message))
        assert refused.value.reason == reason
