"""Recordings with messages repeated or out of place: nothing is stitched together.

Only venues whose messages are numbered are here; what the others cannot notice is in
docs/venues.md.
"""

import random

import pytest

from imbalance.captures.venues.registry import venue
from tests.captures.venues.recordings import rebuilt, recorded, take

NUMBERED = {
    "v3/BINANCE_FUTURES.jsonl.zst": ("binance-futures", b'"depthUpdate"', 900),
    "v3/BITFINEX.jsonl.zst": ("bitfinex", b"[", 700),
    "v3/BYBIT.jsonl.zst": ("bybit", b'"topic":"orderbook', 1200),
    "v3/COINBASE.jsonl.zst": ("coinbase", b'"l2_data"', 120),
    "v3/DERIBIT.jsonl.zst": ("deribit", b'"change_id"', 150),
    "v3/GATEIO_FUTURES.jsonl.zst": ("gate-io-futures", b"order_book_update", 500),
    "v3/KRAKEN_FUTURES.jsonl.zst": ("cryptofacilities", b'"feed":"book"', 1200),
    "v3/KUCOIN.jsonl.zst": ("kucoin", b"level2:", 900),
    "v3/POLONIEX.jsonl.zst": ("poloniex", b'"lastId"', 400),
    "legacy/DYDX.ws.1.0": ("dydx", b"v3_orderbook", 900),
    "legacy/HITBTC.ws.1.0": ("hitbtc", b"updateOrderbook", 900),
}


def recording(cryptofeed, name):
    """The venue, the head of its recording, and where its book messages stand."""
    which, text, length = NUMBERED[name]
    records = recorded(cryptofeed / name)[:length]
    if records[0].kind == "http" and "depth" not in records[0].address:
        records = records[1:]
    places = [i for i, r in enumerate(records) if r.kind == "recv" and text in r.payload]
    return venue(which), records, places


def ends(one, records):
    """Levels at the end, and how often a chain broke on the way or a book never began."""
    books = rebuilt(take(one, records).events)
    broken = sum(book.gaps + book.breaks + (not book.valid) for book in books.values())
    return {key: book.sides for key, book in books.items()}, broken


@pytest.mark.parametrize("name", NUMBERED)
@pytest.mark.parametrize("count", [1, 50])
def test_repeated_messages_change_nothing(cryptofeed, name, count):
    one, records, places = recording(cryptofeed, name)
    stop = places[3 * len(places) // 4] + 1
    start = max(0, stop - count)
    again = [record for record in records[start:stop] if record.kind == "recv"]
    assert ends(one, records[:stop] + again + records[stop:]) == (ends(one, records)[0], 0)


def near(records, places, within=50_000_000):
    """Pairs of book messages received so close to each other, in ns, as to trade places."""
    return [
        (one, other) for k, one in enumerate(places) for other in places[k + 1 :]
        if records[other].receive_time - records[one].receive_time <= within
    ]


@pytest.mark.parametrize("name", NUMBERED)
@pytest.mark.parametrize("count", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_messages_out_of_place_are_put_right_or_noticed(cryptofeed, name, count):
    one, records, places = recording(cryptofeed, name)
    right, broken = ends(one, records)
    assert broken == 0
    pairs = near(records, places)
    assert len(pairs) > 50
    for first, second in random.Random(27).sample(pairs, min(count, len(pairs))):
        swapped = list(records)
        swapped[first], swapped[second] = swapped[second], swapped[first]
        books, broken = ends(one, swapped)
        assert broken > 0 or books == right, (first, second)
