"""Recordings with messages repeated or out of place: nothing is stitched together.

Only venues whose messages are numbered are here; what the others cannot notice is in
docs/venues.md.
"""

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
    """The venue, the head of its recording, and where its book messages stand after the middle."""
    which, text, length = NUMBERED[name]
    records = recorded(cryptofeed / name)[:length]
    if records[0].kind == "http" and "depth" not in records[0].address:
        records = records[1:]
    places = [i for i, r in enumerate(records) if r.kind == "recv" and text in r.payload]
    return venue(which), records, places[len(places) // 2 :]


def ends(one, records):
    """Levels at the end, and how many chains broke on the way."""
    books = rebuilt(take(one, records).events)
    broken = sum(book.gaps + book.breaks for book in books.values())
    return {key: book.sides for key, book in books.items()}, broken


@pytest.mark.parametrize("name", NUMBERED)
@pytest.mark.parametrize("count", [1, 50])
def test_repeated_messages_change_nothing(cryptofeed, name, count):
    one, records, places = recording(cryptofeed, name)
    stop = places[len(places) // 2] + 1
    start = max(0, stop - count)
    again = [record for record in records[start:stop] if record.kind == "recv"]
    assert ends(one, records[:stop] + again + records[stop:]) == (ends(one, records)[0], 0)


@pytest.mark.parametrize("name", NUMBERED)
def test_messages_out_of_place_are_put_right_or_noticed(cryptofeed, name):
    one, records, places = recording(cryptofeed, name)
    right = ends(one, records)[0]
    seen = 0
    for place in places[:-1:max(1, len(places) // 3)]:
        after = next((p for p in places if p > place), None)
        if after is None:
            continue
        swapped = list(records)
        swapped[place], swapped[after] = swapped[after], swapped[place]
        books, broken = ends(one, swapped)
        assert broken > 0 or books == right
        seen += 1
    assert seen > 1
