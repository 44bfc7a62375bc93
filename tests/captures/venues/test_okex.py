"""OKX: API v5 and v3, checksums with their dates, the chain of sequence numbers."""

import pytest

from imbalance.captures.checksums import TextBook, colon, interleaved
from imbalance.captures.events import (
    BookUpdate,
    Decoded,
    DerivativeTick,
    Ignored,
    Liquidation,
    OptionTick,
    Quote,
    Rejected,
    Trade,
)
from imbalance.captures.venues.okex import VENUE
from tests.captures.venues.recordings import (
    asked,
    check_recording,
    positions,
    received,
    recorded,
    take,
    understood,
    unnoticed,
)

MS = 1_000_000
LAST_DAY = 1_782_259_199_000  # 2026-06-23 23:59:59 UTC


def channel(name, data, action=None, symbol="BTC-USDT"):
    message = {"arg": {"channel": name, "instId": symbol}, "data": data}
    return received(message | ({"action": action} if action else {}))


def book(bids=(), asks=(), at=1_652_459_225_464, **ids):
    levels = {
        name: [[price, size, "0", "1"] for price, size in side]
        for name, side in (("bids", bids), ("asks", asks))
    }
    return [levels | {"ts": str(at)} | ids]


def checksum(bids, asks):
    texts = TextBook(colon)
    texts.update(bids, asks)
    return interleaved(texts)


def test_a_recording_of_v5(cryptofeed):
    taken = check_recording(
        VENUE,
        recorded(cryptofeed / "v3" / "OKX.jsonl.zst"),
        decoded={"books": 290, "tickers": 28, "trades": 74},
        ignored={"connected": 1, "reference:instruments": 25, "sent": 3, "subscribed": 18},
        events={"BookUpdate": 290, "Quote": 28, "Trade": 74, "book:diff": 287, "book:snapshot": 3},
    )
    facts = {one.symbol: one for one in taken.session.instruments()}
    assert len(facts) == 1479
    swap = facts["UNI-USD-SWAP"]
    assert (swap.kind, swap.base, swap.quote, swap.inverse) == ("perpetual", "UNI", "USD", True)
    assert (swap.multiplier, swap.tick, swap.lot) == (10.0, 0.001, 1.0)
    assert swap.source["multiplier"] == "capture"
    future = facts["BTC-USD-220527"]
    assert (future.kind, future.expiry) == ("future", "2022-05-27T08:00:00Z")
    assert future.expiry == VENUE.instrument("BTC-USD-220527").expiry


@pytest.mark.parametrize(
    ("name", "decoded", "ignored", "events"),
    [
        (
            "OKX.ws.1.0",
            {"books-l2-tbt": 3679, "tickers": 19, "trades": 19},
            {"connected": 1, "sent": 3, "subscribed": 60},
            {"BookUpdate": 3679, "Quote": 19, "Trade": 19, "book:diff": 3659, "book:snapshot": 20},
        ),
        (
            "OKEX.ws.56.0",
            {"depth_l2_tbt": 2398, "ticker": 33, "trade": 25},
            {"connected": 1, "sent": 1, "subscribed": 30},
            {"BookUpdate": 2398, "DerivativeTick": 25, "Quote": 33, "Trade": 25,
             "book:diff": 2388, "book:snapshot": 10},
        ),
    ],
)  # fmt: skip
def test_recordings_of_the_older_encoding(cryptofeed, name, decoded, ignored, events):
    records = recorded(cryptofeed / "legacy" / name)
    check_recording(VENUE, records, decoded=decoded, ignored=ignored, events=events)


def test_a_lost_message_fails_the_checksum(cryptofeed):
    records = [r for r in recorded(cryptofeed / "v3" / "OKX.jsonl.zst") if r.kind == "recv"]
    places = positions(records, b'"update"', every=60)
    assert len(places) == 5
    assert unnoticed(VENUE, records, places) == []


def test_levels_trades_and_quotes():
    asks, bids = [("3366.8", "9"), ("3368", "8")], [("3366.1", "7")]
    update = book(bids, asks, checksum=checksum(bids, asks))
    assert understood(VENUE, channel("books", update, "snapshot")) == Decoded("books", [
        BookUpdate(
            symbol="BTC-USDT", kind="snapshot", bids=([3366.1], [7.0]),
            asks=([3366.8, 3368.0], [9.0, 8.0]), exchange_time=1_652_459_225_464 * MS,
        )
    ])  # fmt: skip
    trade = {"instId": "BTC-USDT", "tradeId": "7849", "px": "30218.8", "sz": "1", "side": "sell",
             "ts": "1652459199958"}  # fmt: skip
    assert understood(VENUE, channel("trades", [trade])).events == [
        Trade(symbol="BTC-USDT", price=30218.8, size=1.0, side="sell", trade_id=7849,
              exchange_time=1_652_459_199_958 * MS)
    ]  # fmt: skip
    best = {"instId": "BTC-USDT", "askPx": "2", "askSz": "3", "bidPx": "1", "bidSz": "4", "ts": "5"}
    assert understood(VENUE, channel("tickers", [best])).events == [
        Quote(symbol="BTC-USDT", bid_price=1.0, bid_size=4.0, ask_price=2.0, ask_size=3.0,
              exchange_time=5 * MS)
    ]  # fmt: skip


def test_derivatives():
    symbol = "BTC-USDT-SWAP"
    rows = {
        "funding-rate": (
            {"fundingRate": "-0.0001", "fundingTime": "9", "ts": "7"},
            DerivativeTick(symbol=symbol, funding_rate=-0.0001, next_funding_time=9 * MS,
                           exchange_time=7 * MS),
        ),
        "mark-price": (
            {"markPx": "2.5", "ts": "7"},
            DerivativeTick(symbol=symbol, mark_price=2.5, exchange_time=7 * MS),
        ),
        "index-tickers": (
            {"idxPx": "2.5", "ts": "7"},
            DerivativeTick(symbol=symbol, index_price=2.5, exchange_time=7 * MS),
        ),
        "open-interest": (
            {"oi": "250", "ts": "7"},
            DerivativeTick(symbol=symbol, open_interest=250.0, exchange_time=7 * MS),
        ),
        "liquidation-orders": (
            {"details": [{"side": "sell", "bkPx": "2", "sz": "3", "ts": "7", "posSide": "long"}]},
            Liquidation(symbol=symbol, price=2.0, size=3.0, side="sell", exchange_time=7 * MS),
        ),
        "opt-summary": (
            {"uly": "BTC-USD", "markVol": "0.8", "bidVol": "", "deltaBS": "-0.25", "ts": "7"},
            OptionTick(symbol=symbol, underlying="BTC-USD", mark_volatility=0.8, delta=-0.25,
                       exchange_time=7 * MS),
        ),
    }  # fmt: skip
    for name, (row, event) in rows.items():
        found = understood(VENUE, channel(name, [{"instId": symbol} | row], symbol=symbol))
        assert found == Decoded(name, [event])


def test_the_chain_of_sequence_numbers():
    """-1 begins a chain; a repeated id is an idle message; ids may go back after maintenance."""
    first = channel("books", book([("1", "1")], seqId=10, prevSeqId=-1), "snapshot")
    idle = channel("books", book(seqId=10, prevSeqId=10), "update")
    back = channel("books", book([("1", "2")], seqId=3, prevSeqId=10), "update")
    ids = [(e.previous_id, e.last_id) for e in take(VENUE, [first, idle, back]).events]
    assert ids == [(None, 10), (10, 10), (10, 3)]


def test_checksums_of_zero_fail_until_the_last_day_and_say_nothing_after():
    start = channel("books", book([("1", "1")], at=LAST_DAY), "snapshot")
    for at, kinds in ((LAST_DAY, ["diff", "break"]), (LAST_DAY + 1000, ["diff"])):
        update = channel("books", book([("1", "2")], at=at, checksum=0), "update")
        assert [event.kind for event in understood(VENUE, start, update).events] == kinds
    wrong = channel("books", book([("1", "2")], at=1, checksum=5), "update")
    assert understood(VENUE, start, wrong).events[1].note == "checksum_mismatch"


def test_one_failure_is_told_once_and_a_snapshot_begins_anew():
    start = channel("books", book([("1", "1")]), "snapshot")
    wrong = channel("books", book([("1", "2")], checksum=5), "update")
    kinds = [e.kind for e in take(VENUE, [start, wrong, wrong, start, wrong]).events]
    assert kinds == ["snapshot", "diff", "break", "diff", "snapshot", "diff", "break"]


def test_a_second_channel_does_not_mix_into_the_book():
    first = channel("books", book([("1", "1")]), "snapshot")
    assert understood(VENUE, first, channel("books5", book([("1", "1")]))) == Ignored(
        "unused:second_book_channel"
    )


def test_a_reconnection_breaks_the_books():
    connect = asked("connect", "wss://ws.okx.com:8443/ws/v5/public")
    first = channel("books", book([("1", "1")]), "snapshot")
    assert understood(VENUE, connect, first, connect) == Decoded(
        "connect", [BookUpdate(symbol="BTC-USDT", kind="break", note="reconnected")]
    )


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"arg": {"channel": "magic"}, "data": []}, "unknown_message"),
        ({"data": []}, "missing_field"),
        (b'{"arg":', "not_json"),
        (b'{"arg":{"channel":"\xff"}}', "not_json"),
        ({"arg": {"channel": "trades"}, "data": [{"instId": "A"}]}, "missing_field"),
        ({"arg": {"channel": "mark-price"}, "data": [{"instId": "A", "markPx": "0", "ts": "1"}]},
         "number_out_of_range"),
        ({"arg": {"channel": "mark-price"}, "data": [{"instId": "A", "markPx": "1_0", "ts": "1"}]},
         "wrong_type"),
        ({"arg": {"channel": "books", "instId": "A"}, "action": "dance",
          "data": [{"bids": [], "asks": [], "ts": "1"}]}, "unknown_message"),
        ({"arg": {"channel": "books", "instId": "A"}, "action": "update",
          "data": [{"bids": [], "asks": [], "ts": "1", "seqId": 2**63}]}, "number_out_of_range"),
        ({"arg": {"channel": "books", "instId": "A"}, "action": "update",
          "data": [{"bids": [], "asks": [], "ts": "1", "prevSeqId": -2}]}, "number_out_of_range"),
    ],
)  # fmt: skip
def test_what_is_not_understood_has_a_reason(message, reason):
    with pytest.raises(Rejected) as refused:
        understood(VENUE, received(message))
    assert refused.value.reason == reason


def test_symbols():
    option = VENUE.instrument("BTC-USD-220325-40000-C")
    assert (option.kind, option.underlying, option.expiry) == (
        "option", "BTC-USD", "2022-03-25T08:00:00Z",
    )  # fmt: skip
    spot = VENUE.instrument("BTC-USDT")
    assert (spot.kind, spot.base, spot.quote, spot.inverse) == ("spot", "BTC", "USDT", None)
