"""Coinbase: Advanced Trade and the Exchange feed."""

import pytest

from imbalance.captures.events import BookUpdate, Ignored, OrderUpdate, Quote, Rejected, Trade
from imbalance.captures.venues.coinbase import VENUE
from tests.captures.venues.recordings import (
    agreement,
    check_recording,
    positions,
    received,
    recorded,
    take,
    understood,
    unnoticed,
)

AT = "1970-01-01T00:00:05.000000007Z"
NS = 5_000_000_007


def advanced(channel, number, *groups):
    return received(
        {"channel": channel, "timestamp": AT, "sequence_num": number, "events": list(groups)}
    )


def level2(number, kind, side="bid", price="1", size="2"):
    change = {"side": side, "event_time": AT, "price_level": price, "new_quantity": size}
    return advanced("l2_data", number, {"type": kind, "product_id": "BTC-USD", "updates": [change]})


def test_a_recording_of_advanced_trade(cryptofeed):
    taken = check_recording(
        VENUE,
        recorded(cryptofeed / "v3" / "COINBASE.jsonl.zst"),
        decoded={"l2_data": 775, "market_trades": 59, "ticker": 160},
        ignored={"connected": 1, "heartbeat": 25, "reference:instruments": 1, "sent": 5,
                 "subscribed": 5, "unused:candles": 6},
        events={"BookUpdate": 775, "Quote": 160, "Trade": 279, "book:diff": 773,
                "book:snapshot": 2},
    )  # fmt: skip
    assert agreement(taken.events) == (154, 154)
    facts = {one.symbol: one for one in taken.session.instruments()}
    assert (facts["BTC-USD"].tick, facts["BTC-USD"].lot) == (0.01, 1e-8)


def test_a_recording_of_the_exchange_feed(cryptofeed):
    taken = check_recording(
        VENUE,
        recorded(cryptofeed / "legacy" / "COINBASE.ws.28.0"),
        decoded={"l2update": 9719, "last_match": 10, "match": 97, "snapshot": 10, "ticker": 107},
        ignored={"connected": 1, "sent": 3, "subscribed": 3},
        events={"BookUpdate": 9729, "Quote": 107, "Trade": 107, "book:diff": 9719,
                "book:snapshot": 10},
    )  # fmt: skip
    assert agreement(taken.events) == (100, 107)
    ids = [event.trade_id for event in taken.of(Trade) if event.symbol == "YFI-BTC"]
    assert ids == sorted(ids)


def test_the_aggressor_trades_at_the_far_side_of_the_book(cryptofeed):
    """Sides as sent are the maker's: told apart by where the last quote was."""
    events = take(VENUE, recorded(cryptofeed / "v3" / "COINBASE.jsonl.zst")).events
    quotes, right, wrong = {}, 0, 0
    for event in events:
        if isinstance(event, Quote):
            quotes[event.symbol] = event
        elif isinstance(event, Trade) and event.symbol in quotes:
            bid, ask = quotes[event.symbol].bid_price, quotes[event.symbol].ask_price
            if event.price <= bid or event.price >= ask:
                agrees = event.side == ("sell" if event.price <= bid else "buy")
                right, wrong = right + agrees, wrong + (not agrees)
    assert right >= 75
    assert wrong <= 1


def test_any_lost_message_of_a_connection_breaks_its_books(cryptofeed):
    records = recorded(cryptofeed / "v3" / "COINBASE.jsonl.zst")[1:120]
    places = positions(records, b'"sequence_num"', every=25, skip=20)
    assert unnoticed(VENUE, records, places) == []


def test_control_messages_take_part_in_the_count():
    subscriptions = advanced("subscriptions", 2, {"subscriptions": {"level2": ["BTC-USD"]}})
    records = [level2(1, "snapshot"), subscriptions, level2(3, "update")]
    assert [event.kind for event in take(VENUE, records).events] == ["snapshot", "diff"]
    lost = understood(VENUE, records[0], records[2]).events
    assert [(event.kind, event.note) for event in lost] == [
        ("break", "sequence_gap"), ("diff", None),
    ]  # fmt: skip
    assert understood(VENUE, *records, records[2]) == Ignored("duplicate")


def test_messages_of_advanced_trade():
    assert understood(VENUE, level2(1, "update", "offer", "7", "0")).events == [
        BookUpdate(symbol="BTC-USD", kind="diff", asks=([7.0], [0.0]), exchange_time=NS)
    ]
    trades = [
        {"product_id": "BTC-USD", "trade_id": str(n), "price": "10", "size": "1", "time": AT,
         "side": "SELL"}
        for n in (8, 7)
    ]  # fmt: skip
    found = understood(VENUE, advanced("market_trades", 1, {"type": "update", "trades": trades}))
    assert found.events == [
        Trade(symbol="BTC-USD", price=10.0, size=1.0, side="buy", trade_id=n, exchange_time=NS)
        for n in (7, 8)
    ]


def test_every_order():
    common = {"product_id": "BTC-USD", "order_id": "o", "side": "sell", "time": AT}
    opened = received(
        common | {"type": "open", "sequence": 4, "price": "10", "remaining_size": "3"}
    )
    assert understood(VENUE, opened).events == [
        OrderUpdate(symbol="BTC-USD", action="add", order_key="o", book_side="ask", price=10.0,
                    size=3.0, sequence=4, previous_sequence=3, exchange_time=NS)
    ]  # fmt: skip
    match = received(
        {"type": "match", "product_id": "BTC-USD", "trade_id": 1, "maker_order_id": "o",
         "side": "sell", "size": "1", "price": "10", "sequence": 5, "time": AT}
    )  # fmt: skip
    trade, fill = understood(VENUE, opened, match).events
    assert (trade.side, fill.action, fill.size, fill.book_side) == ("buy", "fill", 1.0, "ask")
    (only,) = understood(VENUE, match).events
    assert isinstance(only, Trade)


def test_what_is_not_understood_has_a_reason():
    for message, reason in (
        ({"type": "magic"}, "unknown_message"),
        ({"channel": "magic", "timestamp": AT, "sequence_num": 1, "events": []}, "unknown_message"),
        ({"channel": "l2_data", "timestamp": "noon", "events": []}, "wrong_type"),
        ({"nothing": 1}, "missing_field"),
    ):
        with pytest.raises(Rejected) as refused:
            understood(VENUE, received(message))
        assert refused.value.reason == reason
