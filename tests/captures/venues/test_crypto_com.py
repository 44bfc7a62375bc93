"""Crypto.com: images of v2, differences of v1."""

import pytest

from imbalance.captures.events import BookUpdate, DerivativeTick, Ignored, Rejected, Trade
from imbalance.captures.venues.crypto_com import VENUE
from tests.captures.venues.recordings import (
    agreement,
    asked,
    check_recording,
    received,
    recorded,
    take,
    understood,
)

MS = 1_000_000


def told(channel, *data, symbol="BTC_USDT", subscription="x"):
    result = {"instrument_name": symbol, "subscription": subscription, "channel": channel,
              "data": list(data)}  # fmt: skip
    return received({"code": 0, "method": "subscribe", "result": result})


def test_a_recording(cryptofeed):
    taken = check_recording(
        VENUE,
        recorded(cryptofeed / "v3" / "CRYPTO.COM.jsonl.zst"),
        decoded={"book": 1525, "ticker": 1484, "trade": 139},
        ignored={"connected": 1, "heartbeat": 1, "reference:instruments": 1, "sent": 5,
                 "subscribed": 4, "unused:candles": 10},
        events={"BookUpdate": 1525, "Quote": 1484, "Trade": 1143, "book:image": 1525},
    )  # fmt: skip
    assert agreement(taken.events) == (1400, 1421)
    facts = {one.symbol: one for one in taken.session.instruments()}
    assert (facts["RSR_USDT"].tick, facts["RSR_USDT"].lot) == (1e-5, 0.1)


def test_images_and_differences():
    book = {"bids": [["1", "2", "3"]], "asks": [], "t": 7, "u": 9}
    image = BookUpdate(symbol="BTC_USDT", kind="image", bids=([1.0], [2.0]), last_id=9,
                       exchange_time=7 * MS)  # fmt: skip
    assert understood(VENUE, told("book", book)).events == [image]
    both = asked("send", "wss://x", b'{"book_subscription_type":"SNAPSHOT_AND_UPDATE"}')
    change = {"update": {"bids": [["1", "0", "0"]], "asks": []}, "t": 8, "u": 12, "pu": 9}
    events = take(VENUE, [both, told("book", book), told("book.update", change)]).events
    assert [(e.kind, e.last_id, e.previous_id) for e in events] == [
        ("snapshot", 9, None), ("diff", 12, 9),
    ]  # fmt: skip
    assert understood(VENUE, told("book", book), told("book", book, subscription="y")) == Ignored(
        "unused:second_book_channel"
    )


def test_trades_and_values():
    long = 2**64
    rows = [{"d": long, "s": "SELL", "p": 2.0, "q": 1.0, "t": 8, "i": "BTC_USDT"},
            {"d": "7", "s": "BUY", "p": "1", "q": "2", "t": 7, "i": "BTC_USDT"}]  # fmt: skip
    assert understood(VENUE, told("trade", *rows)).events == [
        Trade(symbol="BTC_USDT", price=1.0, size=2.0, side="buy", trade_id=7, exchange_time=7 * MS),
        Trade(symbol="BTC_USDT", price=2.0, size=1.0, side="sell", trade_key=str(long),
              exchange_time=8 * MS),
    ]  # fmt: skip
    assert understood(VENUE, told("funding", {"v": "-0.0001", "t": 7})).events == [
        DerivativeTick(symbol="BTC_USDT", funding_rate=-0.0001, exchange_time=7 * MS)
    ]


def test_what_is_not_understood_has_a_reason():
    for message, reason in (
        (received({"method": "magic"}), "unknown_message"),
        (told("magic", {}), "unknown_message"),
        (told("book", {"bids": []}), "missing_field"),
        (told("book.update", {"update": {}}), "missing_field"),
    ):
        with pytest.raises(Rejected) as refused:
            understood(VENUE, message)
        assert refused.value.reason == reason
