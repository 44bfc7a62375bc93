"""dYdX v3: messages that change places, levels with offsets, numbers that never come."""

import pytest

from imbalance.captures.events import BookUpdate, Ignored, Liquidation, Rejected, Trade
from imbalance.captures.venues.dydx import PATIENCE, VENUE
from tests.captures.venues.recordings import (
    check_recording,
    received,
    recorded,
    take,
    understood,
)


def told(number, offset, bids=(), asks=(), kind="channel_data"):
    contents = {"offset": str(offset), "bids": list(bids), "asks": list(asks)}
    return received({"type": kind, "message_id": number, "id": "ETH-USD",
                     "channel": "v3_orderbook", "contents": contents})  # fmt: skip


def opening(number, *bids):
    rows = [{"price": p, "size": s, "offset": str(o)} for p, s, o in bids]
    return received({
        "type": "subscribed", "message_id": number, "id": "ETH-USD", "channel": "v3_orderbook",
        "contents": {"bids": rows, "asks": []},
    })  # fmt: skip


def test_a_recording(cryptofeed):
    """Three groups of messages came out of order in it: none of them is a loss."""
    check_recording(
        VENUE,
        recorded(cryptofeed / "legacy" / "DYDX.ws.1.0"),
        decoded={"v3_orderbook": 4697, "v3_trades": 35},
        ignored={"connected": 1, "sent": 20, "subscribed": 1},
        events={"BookUpdate": 4697, "Trade": 1026, "book:diff": 4687, "book:snapshot": 10},
    )


def test_a_lost_message_breaks_the_books_of_the_connection(cryptofeed):
    records = recorded(cryptofeed / "legacy" / "DYDX.ws.1.0")[:900]
    for lost in (300, 500, 700):
        events = take(VENUE, records[:lost] + records[lost + 1 :]).of(BookUpdate)
        broken = {event.symbol for event in events if event.kind == "break"}
        assert len(broken) == 10
        assert {event.note for event in events if event.kind == "break"} == {"sequence_gap"}


def test_an_older_offset_does_not_change_a_level():
    first = opening(1, ("10", "1", 5), ("9", "0", 4))
    records = [first, told(2, 8, bids=[["10", "3"]]), told(3, 7, bids=[["10", "2"], ["11", "1"]])]
    assert take(VENUE, records).events == [
        BookUpdate(symbol="ETH-USD", kind="snapshot", bids=([10.0], [1.0])),
        BookUpdate(symbol="ETH-USD", kind="diff", bids=([10.0], [3.0])),
        BookUpdate(symbol="ETH-USD", kind="diff", bids=([11.0], [1.0])),
    ]


def test_an_older_offset_changes_no_level_of_a_long_message():
    levels = [[f"{100 + k}.5", "3"] for k in range(80)]
    records = [opening(1, ("120.5", "1", 9)), told(2, 8, bids=levels)]
    update = take(VENUE, records).events[1]
    expected = [100.5 + k for k in range(80) if k != 20]
    assert [list(side) for side in update.bids] == [expected, [3.0] * 79]


def test_late_messages_are_taken_and_seen_ones_are_not():
    late = [opening(1, ("10", "1", 5)), told(3, 8, bids=[["9", "1"]])]
    late.append(told(2, 7, bids=[["8", "1"]]))
    assert [event.kind for event in take(VENUE, late).events] == ["snapshot", "diff", "diff"]
    assert understood(VENUE, *late, late[2]) == Ignored("duplicate")
    patient = [opening(1)] + [told(n, n) for n in range(3, PATIENCE + 3)]
    assert "break" not in [event.kind for event in take(VENUE, patient).events]
    told_late = take(VENUE, [*patient, told(PATIENCE + 3, 99)]).events
    assert [event.kind for event in told_late].count("break") == 1


def test_trades_and_reasons():
    row = {"side": "SELL", "size": "2", "price": "10", "createdAt": "1970-01-01T00:00:05.000Z",
           "liquidation": True}  # fmt: skip
    message = {"type": "channel_data", "message_id": 1, "id": "ETH-USD", "channel": "v3_trades",
               "contents": {"trades": [row]}}  # fmt: skip
    assert understood(VENUE, received(message)).events == [
        Trade(symbol="ETH-USD", price=10.0, size=2.0, side="sell", exchange_time=5_000_000_000),
        Liquidation(symbol="ETH-USD", price=10.0, size=2.0, side="sell",
                    exchange_time=5_000_000_000),
    ]  # fmt: skip
    for wrong, reason in (
        ({"type": "magic", "message_id": 1, "id": "X"}, "unknown_message"),
        ({"type": "channel_data", "message_id": 1}, "missing_field"),
        ({"type": "connected"}, "missing_field"),
    ):
        with pytest.raises(Rejected) as refused:
            understood(VENUE, received(wrong))
        assert refused.value.reason == reason
