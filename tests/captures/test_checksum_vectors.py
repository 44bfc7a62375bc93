"""Books of Kraken, OKX and Bitget with the checksum that came with them.

`checksum_vectors.jsonl` holds the books to which the open library `orderbook` (bmoscon) holds its
own checksums: best level first, price and size as sent. Of its thirteen one is of a venue that is
not decoded here, one is told twice, and three are the book without levels.
"""

import json
from pathlib import Path

import pytest

from imbalance.captures.checksums import (
    TextBook,
    big_decimal,
    colon,
    digits,
    interleaved,
    kraken,
    signed,
)

VECTORS = [json.loads(line) for line in
           Path(__file__).with_name("checksum_vectors.jsonl").read_text().splitlines()]


def of(venue):
    """Books of a venue with their checksums."""
    found = [one for one in VECTORS if one["venue"] == venue]
    return pytest.mark.parametrize(
        ("bids", "asks", "due"), [(one["bids"], one["asks"], one["checksum"]) for one in found],
        ids=[one["checksum"] for one in found])


def book(write, bids, asks):
    texts = TextBook(write)
    texts.update(bids, asks)
    return texts


@of("kraken")
def test_books_of_kraken(bids, asks, due):
    assert kraken(book(digits, bids, asks)) == due
    best_ask, others = asks[0], asks[1:]
    changed = book(digits, bids, [[best_ask[0], best_ask[1] + "1"], *others])
    assert kraken(changed) != due


@of("okx")
def test_books_of_okx(bids, asks, due):
    assert interleaved(book(colon, bids, asks)) == signed(due)


@of("bitget")
def test_books_of_bitget_with_prices_below_a_millionth(bids, asks, due):
    texts = book(colon, bids, asks)
    assert interleaved(texts, big_decimal) == signed(due)
    assert interleaved(texts) != signed(due)


def test_a_book_without_levels_has_a_checksum_of_nothing():
    assert kraken(TextBook(digits)) == interleaved(TextBook(colon)) == 0
