"""Gate.io spot and futures."""

import pytest

from imbalance.captures.events import (
    BookUpdate,
    DerivativeTick,
    Ignored,
    Quote,
    Rejected,
    Trade,
)
from imbalance.captures.venues.gateio import VENUES
from tests.captures.venues.recordings import (
    agreement,
    asked,
    check_recording,
    positions,
    received,
    recorded,
    understood,
    unnoticed,
)

SPOT, FUTURES = VENUES["gate-io"], VENUES["gate-io-futures"]
MS = 1_000_000


def told(channel, result, event="update"):
    return received({"time": 1, "channel": channel, "event": event, "result": result})


def test_a_recording_of_spot(cryptofeed):
    taken = check_recording(
        SPOT,
        recorded(cryptofeed / "v3" / "GATEIO.jsonl.zst"),
        decoded={"order_book": 10, "order_book_update": 172, "tickers": 22, "trades": 9},
        ignored={"connected": 1, "reference:instruments": 1, "sent": 22, "subscribed": 22,
                 "unused:candles": 14},
        events={"BookUpdate": 182, "Quote": 22, "Trade": 9, "book:diff": 172,
                "book:snapshot": 10},
    )  # fmt: skip
    assert agreement(taken.events) == (19, 22)


def test_a_recording_of_futures(cryptofeed):
    taken = check_recording(
        FUTURES,
        recorded(cryptofeed / "v3" / "GATEIO_FUTURES.jsonl.zst"),
        decoded={"book_ticker": 75, "order_book": 10, "order_book_update": 352},
        ignored={"connected": 1, "reference:instruments": 1, "sent": 22, "subscribed": 22,
                 "unused:candles": 1},
        events={"BookUpdate": 362, "Quote": 75, "book:diff": 352, "book:snapshot": 10},
    )  # fmt: skip
    assert agreement(taken.events) == (60, 75)
    facts = {one.symbol: one for one in taken.session.instruments()}
    assert (facts["KNC_USDT"].multiplier, facts["KNC_USDT"].inverse) == (1.0, False)


def test_a_lost_difference_breaks_the_chain(cryptofeed):
    records = recorded(cryptofeed / "v3" / "GATEIO_FUTURES.jsonl.zst")[1:]
    places = positions(records[:-40], b'"s":"RDNT_USDT"', every=6, skip=25)
    places = [p for p in places if b"order_book_update" in records[p].payload]
    assert len(places) > 2
    assert unnoticed(FUTURES, records, places) == []


def test_differences_and_snapshots():
    spot = {"t": 7, "s": "A_B", "U": 3, "u": 5, "b": [["1", "2"]], "a": []}
    expected = BookUpdate(symbol="A_B", kind="diff", bids=([1.0], [2.0]), first_id=3, last_id=5,
                          exchange_time=7 * MS)  # fmt: skip
    assert understood(SPOT, told("spot.order_book_update", spot)).events == [expected]
    rows = spot | {"b": [{"p": "1", "s": 2}]}
    assert understood(FUTURES, told("futures.order_book_update", rows)).events == [expected]
    spot_book = asked("http", "https://api.gateio.ws/api/v4/spot/order_book?currency_pair=A_B",
                      {"id": 4, "bids": [["1", "2"]], "asks": []})  # fmt: skip
    futures_book = asked(
        "http", "https://api.gateio.ws/api/v4/futures/usdt/order_book?contract=A_B",
        {"id": 4, "bids": [{"p": "1", "s": 2}], "asks": [], "current": 1.5, "update": 1.5},
    )  # fmt: skip
    for venue, answer in ((SPOT, spot_book), (FUTURES, futures_book)):
        assert understood(venue, answer).events == [
            BookUpdate(symbol="A_B", kind="snapshot", bids=([1.0], [2.0]), last_id=4)
        ]


def test_trades_quotes_and_marks():
    spot = {"id": 3, "create_time": 1, "create_time_ms": "1619093543708.2642", "side": "sell",
            "currency_pair": "A_B", "amount": "2", "price": "10"}  # fmt: skip
    assert understood(SPOT, told("spot.trades", spot)).events == [
        Trade(symbol="A_B", price=10.0, size=2.0, side="sell", trade_id=3,
              exchange_time=1_619_093_543_708_264_200)
    ]  # fmt: skip
    row = {"id": 3, "size": -2, "price": "10", "contract": "A_B", "create_time_ms": 7}
    assert understood(FUTURES, told("futures.trades", [row])).events == [
        Trade(symbol="A_B", price=10.0, size=2.0, side="sell", trade_id=3, exchange_time=7 * MS)
    ]
    best = {"t": 7, "u": 9, "s": "A_B", "b": "1", "B": 2, "a": "3", "A": 4}
    assert understood(FUTURES, told("futures.book_ticker", best)).events == [
        Quote(symbol="A_B", bid_price=1.0, bid_size=2.0, ask_price=3.0, ask_size=4.0, update_id=9,
              exchange_time=7 * MS)
    ]  # fmt: skip
    row = {"contract": "A_B", "mark_price": "1", "index_price": "2", "last": "3",
           "funding_rate": "-0.1", "total_size": "7"}  # fmt: skip
    assert understood(FUTURES, told("futures.tickers", [row])).events == [
        DerivativeTick(symbol="A_B", mark_price=1.0, index_price=2.0, last_price=3.0,
                       funding_rate=-0.1, open_interest=7.0)
    ]  # fmt: skip


def test_other_messages():
    assert understood(SPOT, told("spot.pong", None, "")) == Ignored("heartbeat")
    wrong = {"t": 7, "s": "A_B", "U": 6, "u": 5, "b": [], "a": []}
    for message, reason in (
        (told("spot.magic", {}), "unknown_message"),
        (told("options.trades", {}), "unknown_message"),
        (told("spot.order_book_update", wrong), "number_out_of_range"),
        (told("spot.trades", {}), "missing_field"),
    ):
        with pytest.raises(Rejected) as refused:
            understood(SPOT, message)
        assert refused.value.reason == reason
