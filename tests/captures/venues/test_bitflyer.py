"""bitFlyer: boards without number and time, auctions without a side."""

import pytest

from imbalance.captures.events import BookUpdate, Quote, Rejected, Trade
from imbalance.captures.venues.bitflyer import VENUE
from tests.captures.venues.recordings import (
    check_recording,
    received,
    recorded,
    understood,
)


def told(channel, message):
    params = {"channel": channel, "message": message}
    return received({"jsonrpc": "2.0", "method": "channelMessage", "params": params})


def test_a_recording(cryptofeed):
    taken = check_recording(
        VENUE,
        recorded(cryptofeed / "v3" / "BITFLYER.jsonl.zst"),
        decoded={"board": 722, "board_snapshot": 60, "executions": 72, "ticker": 249},
        ignored={"connected": 1, "reference:instruments": 6, "sent": 40},
        events={"BookUpdate": 782, "Quote": 249, "Trade": 162, "book:diff": 722,
                "book:snapshot": 60},
    )  # fmt: skip
    for listed in taken.session.instruments():
        assert VENUE.instrument(listed.symbol).kind == listed.kind


def test_symbols():
    future = VENUE.instrument("BTCJPY17DEC2021")
    assert (future.base, future.quote, future.expiry) == ("BTC", "JPY", "2021-12-17")
    assert VENUE.instrument("FX_BTC_JPY").kind == "perpetual"


def test_messages():
    board = {"mid_price": 1.0, "bids": [{"price": 10.0, "size": 2.0}],
             "asks": [{"price": 0.0, "size": 5.0}]}  # fmt: skip
    for channel, kind in (("board", "diff"), ("board_snapshot", "snapshot")):
        assert understood(VENUE, told(f"lightning_{channel}_BTC_JPY", board)).events == [
            BookUpdate(symbol="BTC_JPY", kind=kind, bids=([10.0], [2.0]))
        ]
    rows = [
        {"id": 7, "side": side, "price": 10.0, "size": 2.0,
         "exec_date": "1970-01-01T00:00:05.0000007Z"}
        for side in ("SELL", "")
    ]  # fmt: skip
    sides = [event.side for event in
             understood(VENUE, told("lightning_executions_BTC_JPY", rows)).events]  # fmt: skip
    assert sides == ["sell", None]
    assert understood(VENUE, told("lightning_executions_FX_BTC_JPY", rows[:1])).events == [
        Trade(symbol="FX_BTC_JPY", price=10.0, size=2.0, side="sell", trade_id=7,
              exchange_time=5_000_000_700)
    ]  # fmt: skip
    ticker = {"timestamp": "1970-01-01T00:00:05Z", "tick_id": 9, "best_bid": 1.0, "best_ask": 2.0,
              "best_bid_size": 3.0, "best_ask_size": 4.0}  # fmt: skip
    assert understood(VENUE, told("lightning_ticker_BTC_JPY", ticker)).events == [
        Quote(symbol="BTC_JPY", bid_price=1.0, bid_size=3.0, ask_price=2.0, ask_size=4.0,
              update_id=9, exchange_time=5_000_000_000)
    ]  # fmt: skip


def test_what_is_not_understood_has_a_reason():
    for message, reason in (
        (told("lightning_magic_X", {}), "unknown_message"),
        (received({"method": "magic"}), "unknown_message"),
        (told("lightning_board_X", {"bids": []}), "missing_field"),
        (told("lightning_executions_X", {}), "wrong_type"),
    ):
        with pytest.raises(Rejected) as refused:
            understood(VENUE, message)
        assert refused.value.reason == reason
