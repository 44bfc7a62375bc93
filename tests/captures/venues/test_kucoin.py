"""KuCoin: both encodings of one recording, numbered changes, snapshots by request."""

import pytest

from imbalance.captures.events import BookUpdate, Ignored, Quote, Rejected, Trade
from imbalance.captures.venues.kucoin import VENUE
from tests.captures.venues.recordings import (
    asked,
    check_recording,
    positions,
    received,
    recorded,
    same_events,
    understood,
    unnoticed,
)

MS = 1_000_000


def told(topic, data, subject="trade.l2update"):
    return received({"type": "message", "topic": topic, "subject": subject, "data": data})


def test_a_recording(cryptofeed):
    taken = check_recording(
        VENUE,
        recorded(cryptofeed / "v3" / "KUCOIN.jsonl.zst"),
        decoded={"level2": 3853, "level2_snapshot": 9, "match": 18, "ticker": 830},
        ignored={"connected": 1, "reference:instruments": 1, "sent": 13, "subscribed": 14,
                 "unused:candles": 6},
        events={"BookUpdate": 3862, "Quote": 830, "Trade": 18, "book:diff": 3853,
                "book:snapshot": 9},
    )  # fmt: skip
    facts = {one.symbol: one for one in taken.session.instruments()}
    assert (facts["BCHSV-USDT"].base, facts["BCHSV-USDT"].tick) == ("BSV", 0.001)


def test_both_encodings_give_the_same_events(cryptofeed):
    compared = same_events(VENUE, cryptofeed, "KUCOIN", "KUCOIN.http.0.0", "KUCOIN.ws.1.0")
    assert compared == 4710


def test_a_lost_change_breaks_the_chain(cryptofeed):
    records = recorded(cryptofeed / "v3" / "KUCOIN.jsonl.zst")[1:2000]
    places = positions(records[:1700], b"level2:BCHSV-USDT", every=40, skip=30)
    assert len(places) > 3
    assert unnoticed(VENUE, records, places) == []


def test_changes_of_price_0_only_count_on():
    data = {"sequenceStart": 7, "sequenceEnd": 8, "symbol": "A-B",
            "changes": {"asks": [["0", "0", "7"], ["2.5", "0", "8"]], "bids": []}}  # fmt: skip
    assert understood(VENUE, told("/market/level2:A-B", data)).events == [
        BookUpdate(symbol="A-B", kind="diff", asks=([2.5], [0.0]), first_id=7, last_id=8)
    ]
    data["symbol"] = "A-C"
    with pytest.raises(Rejected):
        understood(VENUE, told("/market/level2:A-B", data))


def test_snapshots_quotes_and_trades():
    book = {"time": 3, "sequence": "9", "bids": [["1", "2"]], "asks": []}
    answer = asked("http", "https://api.kucoin.com/api/v3/market/orderbook/level2?symbol=A-B",
                   {"code": "200000", "data": book})  # fmt: skip
    assert understood(VENUE, answer).events == [
        BookUpdate(symbol="A-B", kind="snapshot", bids=([1.0], [2.0]), last_id=9,
                   exchange_time=3 * MS)
    ]  # fmt: skip
    ticker = {"sequence": "4", "bestAsk": "2", "bestAskSize": "3", "bestBid": "1",
              "bestBidSize": "5", "time": 3, "price": "1", "size": "1"}  # fmt: skip
    assert understood(VENUE, told("/market/ticker:A-B", ticker)).events == [
        Quote(symbol="A-B", bid_price=1.0, bid_size=5.0, ask_price=2.0, ask_size=3.0, update_id=4,
              exchange_time=3 * MS)
    ]  # fmt: skip
    match = {"symbol": "A-B", "sequence": "5", "side": "sell", "size": "2", "price": "1.5",
             "time": "1619378327739050725", "tradeId": "x"}  # fmt: skip
    assert understood(VENUE, told("/market/match:A-B", match)).events == [
        Trade(symbol="A-B", price=1.5, size=2.0, side="sell", trade_key="x",
              exchange_time=1_619_378_327_739_050_725)
    ]  # fmt: skip


def test_other_messages():
    assert understood(VENUE, received({"type": "welcome", "id": "x"})) == Ignored("subscribed")
    assert understood(VENUE, received({"type": "pong", "id": "x"})) == Ignored("heartbeat")
    for message in ({"type": "magic"}, {"type": "message", "topic": "/market/magic:A"}):
        with pytest.raises(Rejected) as refused:
            understood(VENUE, received(message))
        assert refused.value.reason == "unknown_message"
