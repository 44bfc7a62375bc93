"""Bybit: v5 with spot and derivatives side by side, and the v2 sockets."""

import math

import pytest

from imbalance.captures.events import (
    BookUpdate,
    Decoded,
    DerivativeTick,
    Ignored,
    Liquidation,
    Quote,
    Rejected,
    Trade,
)
from imbalance.captures.venues.bybit import SPOT, VENUES
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

VENUE = VENUES["bybit"]
MS = 1_000_000


def test_a_recording_of_v5(cryptofeed):
    taken = check_recording(
        VENUE,
        recorded(cryptofeed / "v3" / "BYBIT.jsonl.zst"),
        decoded={"orderbook": 2148, "publicTrade": 120, "tickers": 740},
        ignored={"connected": 2, "reference:instruments": 2, "sent": 24, "subscribed": 24,
                 "unused:candles": 96, "unused:ticker_fields": 99},
        events={"BookUpdate": 2148, "DerivativeTick": 156, "Quote": 638, "Trade": 347,
                "book:diff": 2142, "book:snapshot": 6},
    )  # fmt: skip
    assert agreement(taken.events) == (620, 620)
    markets = {(event.venue, event.symbol) for event in taken.of(BookUpdate)}
    assert {(None, "BTCUSDT"), (SPOT, "BTCUSDT")} < markets
    facts = {(one.venue, one.symbol): one for one in taken.session.instruments()}
    assert facts[None, "BTCUSDT"].kind == "perpetual"
    assert facts[SPOT, "BTCUSDT"].kind == "spot"
    assert (facts[SPOT, "BTCUSDT"].tick, facts[SPOT, "BTCUSDT"].lot) == (0.1, 0.000001)


@pytest.mark.parametrize(
    ("name", "decoded", "ignored", "events"),
    [
        (
            "BYBIT.ws.25.0", {"orderBookL2_25": 3260, "trade": 66},
            {"connected": 1, "sent": 16, "subscribed": 16},
            {"BookUpdate": 3260, "Trade": 101, "book:diff": 3252, "book:snapshot": 8},
        ),
        (
            "BYBIT.ws.26.0", {"orderBookL2_25": 1018, "trade": 76},
            {"connected": 1, "sent": 4, "subscribed": 4},
            {"BookUpdate": 1018, "Trade": 150, "book:diff": 1016, "book:snapshot": 2},
        ),
    ],
)  # fmt: skip
def test_recordings_of_v2(cryptofeed, name, decoded, ignored, events):
    records = recorded(cryptofeed / "legacy" / name)
    check_recording(VENUE, records, decoded=decoded, ignored=ignored, events=events)


def test_a_lost_difference_breaks_the_chain(cryptofeed):
    records = recorded(cryptofeed / "v3" / "BYBIT.jsonl.zst")[2:1200]
    places = positions(records[:-200], b'"topic":"orderbook', every=150)
    assert unnoticed(VENUE, records, places) == []


def test_a_restart_of_the_service_is_a_snapshot():
    """`u` begins at 1 again, with a message that says `snapshot`."""
    data = {"s": "BTCUSDT", "b": [["2", "1"]], "a": [["3", "0.5"]], "u": 1, "seq": 9}
    message = {
        "topic": "orderbook.200.BTCUSDT", "type": "snapshot", "ts": 7, "data": data, "cts": 6,
    }  # fmt: skip
    assert understood(VENUE, received(message)).events == [
        BookUpdate(
            symbol="BTCUSDT", kind="snapshot", bids=([2.0], [1.0]), asks=([3.0], [0.5]), last_id=1,
            exchange_time=7 * MS, transaction_time=6 * MS,
        )
    ]  # fmt: skip


def test_the_best_level_alone_is_a_quote():
    data = {"s": "BTCUSDT", "b": [["2", "1"]], "a": [], "u": 4}
    message = {"topic": "orderbook.1.BTCUSDT", "type": "snapshot", "ts": 7, "data": data}
    (quote,) = understood(VENUE, received(message)).events
    assert (quote.bid_price, quote.bid_size, quote.update_id) == (2.0, 1.0, 4)
    assert math.isnan(quote.ask_price)


def test_the_side_of_a_liquidation_is_that_of_the_order():
    """The venue sends the position's: a long one that was liquidated is `Buy`."""
    data = [{"T": 5, "s": "BTCUSDT", "S": "Buy", "v": "2", "p": "10"}]
    message = {"topic": "allLiquidation.BTCUSDT", "type": "snapshot", "ts": 6, "data": data}
    assert understood(VENUE, received(message)).events == [
        Liquidation(symbol="BTCUSDT", price=10.0, size=2.0, side="sell", exchange_time=5 * MS)
    ]


def test_tickers_are_differences():
    def ticker(kind, **fields):
        data = {"symbol": "BTCUSDT"} | fields
        return received({"topic": "tickers.BTCUSDT", "type": kind, "ts": 3, "data": data})

    first = ticker(
        "snapshot", bid1Price="1", bid1Size="2", ask1Price="3", ask1Size="4", markPrice="2.5",
        fundingRate="0.0001", nextFundingTime="1786320000000",
    )  # fmt: skip
    assert understood(VENUE, first, ticker("delta", ask1Price="3.5", ask1Size="9")).events == [
        Quote(symbol="BTCUSDT", bid_price=1.0, bid_size=2.0, ask_price=3.5, ask_size=9.0,
              exchange_time=3 * MS)
    ]  # fmt: skip
    assert understood(VENUE, first, ticker("delta", openInterest="7")).events == [
        DerivativeTick(
            symbol="BTCUSDT", mark_price=2.5, funding_rate=0.0001, open_interest=7.0,
            next_funding_time=1_786_320_000_000 * MS, exchange_time=3 * MS,
        )
    ]  # fmt: skip
    assert understood(VENUE, ticker("delta", markPrice="1")) == Ignored("before_snapshot")


def test_trades_of_both_versions_and_markets():
    linear = asked("connect", "wss://stream.bybit.com/v5/public/linear", connection="a")
    spot = asked("connect", "wss://stream.bybit.com/v5/public/spot", connection="b")
    data = [{"T": 5, "s": "BTCUSDT", "S": "Sell", "v": "2", "p": "10", "i": "x"}]
    message = {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 6, "data": data}
    trade = Trade(symbol="BTCUSDT", price=10.0, size=2.0, side="sell", trade_key="x",
                  exchange_time=5 * MS)  # fmt: skip
    for connection, market in (("a", None), ("b", SPOT)):
        (event,) = understood(VENUE, linear, spot, received(message, connection=connection)).events
        assert event.venue == market
        assert (event.symbol, event.side) == (trade.symbol, trade.side)
    old = [{"symbol": "BTCUSDT", "price": "10", "size": 2, "side": "Sell", "trade_id": "x",
            "trade_time_ms": "5"}]  # fmt: skip
    assert understood(VENUE, received({"topic": "trade.BTCUSDT", "data": old})) == Decoded(
        "trade", [trade]
    )


def test_what_is_not_understood_has_a_reason():
    for message, reason in (
        ({"topic": "magic.X", "data": {}}, "unknown_message"),
        ({"hello": 1}, "unknown_message"),
        ({"topic": "publicTrade.X", "data": [{"T": 5}]}, "missing_field"),
        ({"topic": "orderbook.50.X", "type": "delta",
          "data": {"s": "X", "b": [["-1", "1"]], "a": [], "u": 1}}, "number_out_of_range"),
    ):  # fmt: skip
        with pytest.raises(Rejected) as refused:
            understood(VENUE, received(message))
        assert refused.value.reason == reason
