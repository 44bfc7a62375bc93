"""Bitfinex: channels by number, the sequence of a connection, the checksum of a book."""

import math
import zlib

import pytest

from imbalance.captures.events import (
    BookUpdate,
    DerivativeTick,
    Ignored,
    Liquidation,
    Quote,
    Rejected,
    Trade,
)
from imbalance.captures.venues.bitfinex import VENUE
from tests.captures.venues.recordings import (
    check_recording,
    positions,
    received,
    recorded,
    take,
    understood,
    unnoticed,
)

MS = 1_000_000


def subscribed(number, channel, **fields):
    return received({"event": "subscribed", "chanId": number, "channel": channel} | fields)


BOOK = subscribed(5, "book", symbol="tBTCUSD", prec="P0")


def test_a_recording(cryptofeed):
    taken = check_recording(
        VENUE,
        recorded(cryptofeed / "v3" / "BITFINEX.jsonl.zst"),
        decoded={"book": 1600, "ticker": 21, "trades": 7},
        ignored={"connected": 1, "heartbeat": 42, "info": 1, "reference:instruments": 3,
                 "sent": 22, "subscribed": 22},
        events={"BookUpdate": 1600, "Quote": 21, "Trade": 210, "book:diff": 1593,
                "book:snapshot": 7},
    )  # fmt: skip
    pair = VENUE.instrument("tTESTBTC:TESTUSD")
    assert (pair.base, pair.quote) == ("TESTBTC", "TESTUSD")
    for symbol in {event.symbol for event in taken.of(Trade)}:
        ids = [event.trade_id for event in taken.of(Trade) if event.symbol == symbol]
        assert ids == sorted(ids)


def test_any_lost_message_breaks_the_books(cryptofeed):
    """Heartbeats too: the sequence does not say what was lost."""
    records = recorded(cryptofeed / "v3" / "BITFINEX.jsonl.zst")[3:700]
    places = positions(records, b"[", every=120, skip=80)
    assert len(places) > 3
    assert unnoticed(VENUE, records, places) == []


def test_levels_and_duplicates():
    flags = received({"event": "conf", "status": "OK", "flags": 65536})
    opening = received([5, [[10, 1, 2], [11, 3, -4]], 1])
    change = received([5, [10, 0, 1], 2])
    events = take(VENUE, [flags, BOOK, opening, change, change]).events
    assert events == [
        BookUpdate(symbol="tBTCUSD", kind="snapshot", bids=([10.0], [2.0]), asks=([11.0], [4.0])),
        BookUpdate(symbol="tBTCUSD", kind="diff", bids=([10.0], [0.0])),
    ]
    assert understood(VENUE, flags, BOOK, opening, change, change) == Ignored("duplicate")
    late = understood(VENUE, flags, BOOK, opening, received([5, [10, 0, 1], 4]))
    assert [(event.kind, event.note) for event in late.events] == [
        ("break", "sequence_gap"), ("diff", None),
    ]  # fmt: skip


def test_the_checksum_of_a_book():
    """The text is spelt out here: bid, ask by turns, JavaScript's numbers, amounts of asks < 0."""
    opening = received([5, [[10, 1, 2], [9.5, 1, 0.0000005], [11, 3, -4]]])
    crc = zlib.crc32(b"10:2:11:-4:9.5:5e-7")
    due = crc - (1 << 32) if crc >= 1 << 31 else crc
    assert understood(VENUE, BOOK, opening, received([5, "cs", due])).events == []
    (broken,) = understood(VENUE, BOOK, opening, received([5, "cs", due + 1])).events
    assert (broken.kind, broken.note) == ("break", "checksum_mismatch")


def test_trades_quotes_and_status():
    trades = subscribed(6, "trades", symbol="tBTCUSD")
    assert understood(VENUE, trades, received([6, "te", [77, 3, -2, 10]])).events == [
        Trade(symbol="tBTCUSD", price=10.0, size=2.0, side="sell", trade_id=77,
              exchange_time=3 * MS)
    ]  # fmt: skip
    assert understood(VENUE, trades, received([6, "tu", [77, 3, -2, 10]])).rule.startswith("unused")
    ticker = subscribed(7, "ticker", symbol="tBTCUSD")
    (quote,) = understood(VENUE, ticker, received([7, [1, 50, 2, 60, 0, 0, 1, 5, 3, 1]])).events
    assert isinstance(quote, Quote)
    assert (quote.bid_price, quote.ask_price) == (1.0, 2.0)
    assert math.isnan(quote.bid_size)
    status = subscribed(8, "status", key="deriv:tBTCF0:USTF0")
    numbers = [3, None, 10, 11, None, 5, None, 9, 0, 0, None, 1e-4, None, None, 10.5, None, None, 7]
    assert understood(VENUE, status, received([8, numbers])).events == [
        DerivativeTick(
            symbol="tBTCF0:USTF0", last_price=10.0, index_price=11.0, funding_rate=1e-4,
            mark_price=10.5, open_interest=7.0, next_funding_time=9 * MS, exchange_time=3 * MS,
        )
    ]  # fmt: skip
    forced = subscribed(9, "status", key="liq:global")
    closed = ["pos", 44, 3, None, "tBTCF0:USTF0", 2, 10, None, 1, 1, None, 9]
    assert understood(VENUE, forced, received([9, [closed]])).events == [
        Liquidation(symbol="tBTCF0:USTF0", price=9.0, size=2.0, side="sell", liquidation_key="44",
                    exchange_time=3 * MS)
    ]  # fmt: skip


def test_what_is_not_understood_has_a_reason():
    for message, reason in (
        ([99, [1, 1, 1]], "unknown_channel"),
        ([5], "unknown_message"),
        ([5, [1, 1]], "wrong_type"),
        ({"event": "magic"}, "unknown_message"),
        ([5, [-1, 1, 1]], "number_out_of_range"),
    ):
        with pytest.raises(Rejected) as refused:
            understood(VENUE, BOOK, received(message))
        assert refused.value.reason == reason
