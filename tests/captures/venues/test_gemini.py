"""Gemini: a snapshot with the last trades, changes without a number."""

import pytest

from imbalance.captures.events import BookUpdate, Ignored, Rejected, Trade
from imbalance.captures.venues.gemini import VENUE
from tests.captures.venues.recordings import (
    check_recording,
    received,
    recorded,
    take,
    understood,
)

MS = 1_000_000
TRADE = {"type": "trade", "symbol": "BTCUSD", "event_id": 7, "price": "10", "quantity": "2",
         "side": "sell", "tid": 1, "timestamp": 5}  # fmt: skip
DEALT = Trade(symbol="BTCUSD", price=10.0, size=2.0, side="sell", trade_id=7, exchange_time=5 * MS)


def changes(*rows, **fields):
    return received({"type": "l2_updates", "symbol": "BTCUSD", "changes": list(rows)} | fields)


def test_a_recording(cryptofeed):
    taken = check_recording(
        VENUE,
        recorded(cryptofeed / "v3" / "GEMINI.jsonl.zst"),
        decoded={"l2_updates": 559, "trade": 2},
        ignored={"connected": 1, "heartbeat": 2, "reference:instruments": 348, "sent": 1},
        events={"BookUpdate": 559, "Trade": 812, "book:diff": 549, "book:snapshot": 10},
    )
    facts = {one.symbol: one for one in taken.session.instruments()}
    assert (facts["BTCUSD"].tick, facts["BTCUSD"].lot) == (0.01, 1e-8)
    for listed in facts.values():
        told = VENUE.instrument(listed.symbol)
        assert told.kind in (None, listed.kind)
        assert told.base in (None, listed.base)


def test_the_first_message_is_the_book_with_the_trades_before_it():
    first = changes(["buy", "9", "1"], ["sell", "11", "2"], trades=[TRADE], auction_events=[])
    assert understood(VENUE, first).events == [
        DEALT,
        BookUpdate(symbol="BTCUSD", kind="snapshot", bids=([9.0], [1.0]), asks=([11.0], [2.0])),
    ]
    assert understood(VENUE, first, changes(["buy", "9", "0"])).events == [
        BookUpdate(symbol="BTCUSD", kind="diff", bids=([9.0], [0.0]))
    ]
    assert understood(VENUE, received(TRADE)).events == [DEALT]


def test_numbers_of_the_socket_are_counted_where_they_are_sent():
    first = changes(["buy", "9", "1"], trades=[], socket_sequence=0)
    beat = received({"type": "heartbeat", "timestamp": 5, "socket_sequence": 1})
    later = changes(["buy", "9", "2"], socket_sequence=2)
    assert [e.kind for e in take(VENUE, [first, beat, later]).events] == ["snapshot", "diff"]
    assert [e.kind for e in take(VENUE, [first, later]).events] == ["snapshot", "break", "diff"]
    assert understood(VENUE, first, beat, beat) == Ignored("duplicate")


def test_what_is_not_understood_has_a_reason():
    for message, reason in (
        (received({"type": "magic"}), "unknown_message"),
        (received({"type": "l2_updates", "symbol": "X"}), "missing_field"),
        (changes(["up", "1", "1"]), "wrong_type"),
        (changes(["buy", "0", "1"]), "number_out_of_range"),
    ):
        with pytest.raises(Rejected) as refused:
            understood(VENUE, message)
        assert refused.value.reason == reason
