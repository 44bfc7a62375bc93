"""Binance, Binance US and the futures as recorded connections."""

import pytest

from imbalance.captures.events import (
    BookUpdate,
    Decoded,
    DerivativeTick,
    Liquidation,
    Quote,
    Rejected,
)
from imbalance.captures.venues.binance_family import VENUES
from tests.captures.venues.recordings import (
    asked,
    check_recording,
    positions,
    received,
    recorded,
    understood,
    unnoticed,
)

MS = 1_000_000
KLINES = {"connected": 1, "reference:instruments": 1}

RECORDINGS = {
    "BINANCE": (
        "binance",
        {"aggTrade": 2, "bookTicker": 84, "depth": 4, "depthUpdate": 177},
        KLINES | {"unused:kline": 2},
        {"BookUpdate": 181, "Quote": 84, "Trade": 2, "book:diff": 177, "book:snapshot": 4},
    ),
    "BINANCE_US": (
        "binance-us",
        {"aggTrade": 11, "bookTicker": 128, "depth": 4, "depthUpdate": 336},
        KLINES | {"unused:kline": 5},
        {"BookUpdate": 340, "Quote": 128, "Trade": 11, "book:diff": 336, "book:snapshot": 4},
    ),
    "BINANCE_FUTURES": (
        "binance-futures",
        {"aggTrade": 91, "bookTicker": 613, "depth": 4, "depthUpdate": 764},
        KLINES | {"unused:kline": 67},
        {"BookUpdate": 768, "Quote": 613, "Trade": 91, "book:diff": 764, "book:snapshot": 4},
    ),
    "BINANCE_DELIVERY": (
        "binance-delivery",
        {"aggTrade": 51, "bookTicker": 2240, "depth": 10, "depthUpdate": 2047},
        KLINES | {"unused:kline": 33},
        {"BookUpdate": 2057, "Quote": 2240, "Trade": 51, "book:diff": 2047, "book:snapshot": 10},
    ),
}
OLDER = {
    ("BINANCE_FUTURES.http.4.0", "BINANCE_FUTURES.ws.5.0"): (
        "binance-futures",
        {"aggTrade": 185, "bookTicker": 1959, "depth": 4, "depthUpdate": 1016},
        {"connected": 1, "unused:kline": 99},
        {"BookUpdate": 1020, "Quote": 1959, "Trade": 185, "book:diff": 1016, "book:snapshot": 4},
    ),
    ("BINANCE_DELIVERY.http.6.0", "BINANCE_DELIVERY.ws.7.0"): (
        "binance-delivery",
        {"aggTrade": 131, "bookTicker": 7082, "depth": 10, "depthUpdate": 2429},
        {"connected": 1},
        {"BookUpdate": 2439, "Quote": 7082, "Trade": 131, "book:diff": 2429, "book:snapshot": 10},
    ),
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_recordings(cryptofeed, name):
    venue, decoded, ignored, events = RECORDINGS[name]
    records = recorded(cryptofeed / "v3" / f"{name}.jsonl.zst")
    taken = check_recording(
        VENUES[venue], records, decoded=decoded, ignored=ignored, events=events
    )
    assert same_update(taken.events) > 0


@pytest.mark.parametrize("names", OLDER)
def test_recordings_of_the_older_encoding(cryptofeed, names):
    venue, decoded, ignored, events = OLDER[names]
    records = [r for name in names for r in recorded(cryptofeed / "legacy" / name)]
    check_recording(VENUES[venue], records, decoded=decoded, ignored=ignored, events=events)


def same_update(events):
    """Quotes whose update is the last of a difference; each must equal the rebuilt book."""
    from tests.captures.venues.recordings import Book

    books, agreed = {}, 0
    quotes = {(e.symbol, e.update_id): e for e in events if isinstance(e, Quote)}
    for event in events:
        if isinstance(event, BookUpdate):
            book = books.setdefault(event.symbol, Book())
            book.take(event)
            quote = quotes.get((event.symbol, event.last_id))
            if quote and book.valid and book.last == event.last_id:
                assert book.best() == (quote.bid_price, quote.ask_price)
                agreed += 1
    return agreed


def test_a_lost_difference_breaks_the_chain(cryptofeed):
    records = recorded(cryptofeed / "v3" / "BINANCE_FUTURES.jsonl.zst")[1:]
    places = positions(records[:-200], b'"depthUpdate"', every=130, skip=100)
    assert len(places) > 3
    assert unnoticed(VENUES["binance-futures"], records, places) == []


def test_differences_have_the_ids_of_the_market():
    message = {"e": "depthUpdate", "E": 5, "T": 4, "s": "BTCUSDT", "U": 7, "u": 9, "pu": 6,
               "b": [["1.5", "2"]], "a": []}  # fmt: skip
    assert understood(VENUES["binance-futures"], received(message)) == Decoded("depthUpdate", [
        BookUpdate(
            symbol="BTCUSDT", kind="diff", bids=([1.5], [2.0]), first_id=7, last_id=9,
            previous_id=6, exchange_time=5 * MS, transaction_time=4 * MS,
        )
    ])  # fmt: skip


def test_a_snapshot_takes_its_symbol_from_the_request():
    address = "https://api.binance.com/api/v3/depth?symbol=NKNUSDT&limit=1000"
    answer = asked("http", address, {"lastUpdateId": 4, "bids": [["1", "2"]], "asks": []})
    (event,) = understood(VENUES["binance"], answer).events
    assert (event.symbol, event.kind, event.last_id) == ("NKNUSDT", "snapshot", 4)


def test_liquidations_and_open_interest():
    order = {"e": "forceOrder", "E": 9, "o": {"s": "BTCUSDT", "S": "SELL", "q": "0.5", "p": "99",
             "ap": "98", "T": 8}}  # fmt: skip
    expected = Liquidation(
        symbol="BTCUSDT", price=99.0, size=0.5, side="sell", exchange_time=9 * MS,
        transaction_time=8 * MS,
    )  # fmt: skip
    for message in (order, {"stream": "btcusdt@forceOrder", "data": order}):
        assert understood(VENUES["binance-futures"], received(message)).events == [expected]
    interest = asked(
        "http", "https://fapi.binance.com/fapi/v1/openInterest?symbol=BTCUSDT",
        {"symbol": "BTCUSDT", "openInterest": "7.5", "time": 3},
    )  # fmt: skip
    assert understood(VENUES["binance-futures"], interest).events == [
        DerivativeTick(symbol="BTCUSDT", open_interest=7.5, exchange_time=3 * MS)
    ]


def test_messages_of_another_market_are_refused():
    message = {"e": "depthUpdate", "E": 5, "s": "BTCUSDT", "U": 7, "u": 9, "b": [], "a": []}
    with pytest.raises(Rejected) as refused:
        understood(VENUES["binance-futures"], received(message))
    assert refused.value.reason == "wrong_market"
