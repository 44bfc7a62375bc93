"""Checksums: what is hashed, spelt out. Whole books are in `test_checksum_vectors`."""

import zlib

import pytest

from imbalance.captures.checksums import (
    Checked,
    TextBook,
    big_decimal,
    colon,
    interleaved,
    javascript,
    signed,
)


def book(bids, asks, depth=None, write=colon):
    texts = TextBook(write, depth)
    texts.update(bids, asks)
    return texts


def test_numbers_written_as_java_does():
    assert big_decimal("0.000000001461:0.000001") == "1.461E-9:0.000001"
    texts = book([("0.000000001461", "10")], [])
    crc = zlib.crc32(b"1.461E-9:10")
    assert interleaved(texts, big_decimal) == signed(crc)
    assert interleaved(texts) != signed(crc)


def test_levels_are_hashed_by_turns_and_the_longer_side_follows():
    texts = book([("10", "2"), ("9", "1")], [("11", "-4")])
    assert interleaved(texts) == signed(zlib.crc32(b"10:2:11:-4:9:1"))
    texts.update([], [("11", "-0")])
    assert interleaved(texts) == signed(zlib.crc32(b"10:2:9:1"))


@pytest.mark.parametrize(
    ("number", "text"),
    [(5.0, "5"), (0.000001, "0.000001"), (1e-7, "1e-7"), (1.5e-7, "1.5e-7"), (60000.5, "60000.5"),
     (0.1 + 0.2, "0.30000000000000004"), (123456789012.0, "123456789012"), (100.0, "100")],
)  # fmt: skip
def test_numbers_written_as_javascript_does(number, text):
    assert javascript(number) == text


def test_only_25_levels_count_and_zero_removes():
    bids = [(str(price), "1") for price in range(100, 130)]
    before = interleaved(book(bids, []))
    texts = book(bids, [])
    texts.update([("104", "7")], [])
    assert interleaved(texts) == before
    texts.update([("129", "0"), ("50", "0")], [])
    assert interleaved(texts) != before
    assert texts.bids(1) == ["128:1"]


def test_a_cut_book_forgets_what_falls_below():
    texts = book([], [("1", "1"), ("2", "1"), ("3", "1")], depth=2)
    assert texts.asks(9) == ["1:1", "2:1"]
    texts.update([], [("1", "0")])
    assert texts.asks(9) == ["2:1"]


def test_a_book_that_failed_is_silent_until_it_starts_anew():
    checked = Checked(lambda texts, due: len(texts.bids(9)) == due, colon)
    assert checked.proved("a", [("1", "1")], [], 5)  # nothing is known yet
    checked.start("a")
    assert checked.proved("a", [("1", "1")], [], 1)
    assert not checked.proved("a", [("2", "1")], [], 1)
    assert checked.proved("a", [("3", "1")], [], 1)
    checked.start("a")
    assert not checked.proved("a", [], [], 1)


def test_signs():
    assert signed(0xFFFFFFFF) == -1
    assert signed(0x7FFFFFFF) == 2**31 - 1
