"""Bitget: both encodings, checksums, spot and futures of the same symbols."""

import math

import pytest

from imbalance.captures.checksums import TextBook, big_decimal, colon, interleaved
from imbalance.captures.events import BookUpdate, DerivativeTick, Rejected, Trade
from imbalance.captures.venues.bitget import FUTURES, VENUES
from tests.captures.venues.recordings import (
    check_recording,
    positions,
    received,
    recorded,
    same_events,
    take,
    understood,
    unnoticed,
)

VENUE = VENUES["bitget"]
MS = 1_000_000


def told(channel, data, action="update", kind="sp", symbol="BTCUSDT"):
    argument = {"instType": kind, "channel": channel, "instId": symbol}
    return received({"action": action, "arg": argument, "data": data})


def test_a_recording(cryptofeed):
    taken = check_recording(
        VENUE,
        recorded(cryptofeed / "v3" / "BITGET.jsonl.zst"),
        decoded={"books": 637, "ticker": 345, "trade": 65},
        ignored={"connected": 2, "reference:instruments": 3, "sent": 2, "subscribed": 40,
                 "unused:candles": 70},
        events={"BookUpdate": 637, "DerivativeTick": 217, "Quote": 345, "Trade": 555,
                "book:diff": 627, "book:snapshot": 10},
    )  # fmt: skip
    markets = {(event.venue, event.symbol) for event in taken.of(BookUpdate)}
    assert (FUTURES, "UNIUSDT") in markets
    assert (None, "EOSUSDT") in markets
    facts = {(one.venue, one.symbol): one for one in taken.session.instruments()}
    assert facts[None, "UNIUSDT"].kind == "spot"
    future = facts[FUTURES, "UNIUSDT"]
    assert (future.kind, future.tick, future.lot) == ("perpetual", 0.001, 1.0)
    assert future.inverse is False
    assert facts[FUTURES, "BTCUSD"].inverse


def test_both_encodings_give_the_same_events(cryptofeed):
    assert same_events(VENUE, cryptofeed, "BITGET", "BITGET.ws.1.0") == 1001


def test_a_lost_message_fails_the_checksum(cryptofeed):
    records = [r for r in recorded(cryptofeed / "legacy" / "BITGET.ws.1.0") if r.kind == "recv"]
    places = positions(records[:500], b'"channel":"books","instId":"AVAXUSDT"', every=12, skip=2)
    assert len(places) > 2
    assert unnoticed(VENUE, records, places) == []


def test_checksums_over_either_way_of_writing_small_numbers():
    bids, asks = [("0.000000001461", "10")], [("0.000000001462", "20")]
    texts = TextBook(colon)
    texts.update(bids, asks)
    start = told("books", [{"bids": bids, "asks": [], "ts": "5"}], "snapshot")
    for due in (interleaved(texts), interleaved(texts, big_decimal)):
        update = told("books", [{"bids": [], "asks": asks, "checksum": due, "ts": "6"}])
        assert [event.kind for event in take(VENUE, [start, update]).events] == ["snapshot", "diff"]
    wrong = told("books", [{"bids": [], "asks": asks, "checksum": 5, "ts": "6"}])
    broken = understood(VENUE, start, wrong).events[1]
    assert (broken.kind, broken.note) == ("break", "checksum_mismatch")


def test_the_unified_account_is_chained():
    argument = {"instType": "usdt-futures", "topic": "books", "symbol": "BTCUSDT"}
    row = {"a": [["2", "1"]], "b": [], "seq": 9, "pseq": 7, "ts": "5"}
    update = received({"action": "update", "arg": argument, "data": [row]})
    (event,) = understood(VENUE, update).events
    assert event == BookUpdate(
        symbol="BTCUSDT", venue=FUTURES, kind="diff", asks=([2.0], [1.0]), last_id=9,
        previous_id=7, exchange_time=5 * MS,
    )  # fmt: skip


def test_trades_of_both_versions():
    first = told("trade", [["6", "10", "2", "sell"], ["5", "9", "1", "buy"]], "snapshot")
    assert understood(VENUE, first).events == [
        Trade(symbol="BTCUSDT", price=9.0, size=1.0, side="buy", exchange_time=5 * MS),
        Trade(symbol="BTCUSDT", price=10.0, size=2.0, side="sell", exchange_time=6 * MS),
    ]
    row = {"ts": "6", "price": "10", "size": "2", "side": "sell", "tradeId": "77"}
    (trade,) = understood(VENUE, told("trade", [row], kind="SPOT")).events
    assert (trade.trade_key, trade.side, trade.venue) == ("77", "sell", None)


def test_tickers_of_futures():
    row = {"instId": "BTCUSDT", "bestBid": "1", "bestAsk": "2", "markPrice": "1.5",
           "indexPrice": "1.4", "capitalRate": "-0.0001", "nextSettleTime": 9, "holding": "7",
           "systemTime": 5}  # fmt: skip
    quote, tick = understood(VENUE, told("ticker", [row], kind="mc")).events
    assert (quote.bid_price, quote.ask_price) == (1.0, 2.0)
    assert math.isnan(quote.bid_size)
    assert tick == DerivativeTick(
        symbol="BTCUSDT", venue=FUTURES, mark_price=1.5, index_price=1.4, funding_rate=-0.0001,
        next_funding_time=9 * MS, open_interest=7.0, exchange_time=5 * MS,
    )  # fmt: skip


def test_what_is_not_understood_has_a_reason():
    for message, reason in (
        (told("magic", []), "unknown_message"),
        (told("books", [{"bids": [], "asks": []}], "dance"), "unknown_message"),
        (told("books", [{"bids": []}]), "missing_field"),
        (told("trade", [{"ts": "6"}]), "missing_field"),
        (received({"data": []}), "missing_field"),
        (told("trade", [["6", "10", "2", "up"]]), "wrong_type"),
    ):
        with pytest.raises(Rejected) as refused:
            understood(VENUE, message)
        assert refused.value.reason == reason
