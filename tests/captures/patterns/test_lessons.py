"""What is learned of lines, and when no more is: a pattern that is of no use must cost little."""

import pytest

from imbalance.captures.patterns import reader
from imbalance.captures.patterns.pieces import BOOK, GRACE, READ, Book, Pattern, Piece
from tests.captures.patterns.planted import BLANK, CONNECT, START, diff, of, record

HASH = 7


def pattern(number):
    return Pattern(BOOK, (Piece(b"%d" % number),))


@pytest.mark.parametrize(("read", "pays"), [(0, False), (1_000, True)])
def test_lines_of_many_patterns_pay_if_many_of_them_are_read(read, pays):
    book = Book()
    assert all(book.add(pattern(k), HASH) for k in range(20))
    book.arrays.heads[3, READ] = read
    assert all(book.pays(HASH) for _ in range(GRACE - 1))
    assert book.pays(HASH) is pays
    assert (HASH in book.arrays.links[:, 0]) is pays


def test_a_pattern_is_linked_once():
    book = Book()
    assert [book.add(pattern(1), HASH) for _ in range(3)] == [True, False, False]
    assert book.add(pattern(1), HASH + 1)


def test_lines_are_counted_once():
    book = Book()
    book.add(Pattern(BOOK, (Piece(b"1"),), kind="depth"), HASH)
    book.arrays.heads[0, READ] = 5
    assert book.read()[0] == {"depth": 5}
    assert not book.read()[0]
    book.arrays.heads[0, READ] = 8
    assert book.read()[0] == {"depth": 3}


@pytest.fixture
def lessons(monkeypatch):
    """The lines of which a pattern was made."""
    made, pattern_of = [], reader.pattern_of

    def noted(line, *others, **more):
        made.append(line)
        return pattern_of(line, *others, **more)

    monkeypatch.setattr(reader, "pattern_of", noted)
    return made


def test_a_field_that_is_another_one_in_each_line_is_given_up(tmp_path, lessons):
    of(tmp_path, CONNECT, diff(1, kind="snapshot"), *(diff(k, more=k) for k in range(2, 2 * GRACE)))
    assert GRACE / 2 < len(lessons) <= GRACE + reader.TRIES


def test_what_is_understood_otherwise_each_time_is_given_up(tmp_path, lessons):
    def trade(k):
        at = "2023-11-14T22:13:20.5Z"
        one = {"trade_id": str(k), "product_id": "BTC-USD", "price": "1", "size": "2",
               "side": "BUY", "time": at}  # fmt: skip
        return record({"channel": "market_trades", "timestamp": at, "sequence_num": 2 * k,
                       "events": [{"type": "update", "trades": [one]}]}, START + 1)  # fmt: skip

    of(tmp_path, *map(trade, range(100)), venue="coinbase")  # a message is missing before each
    assert len(lessons) == 1 + reader.TRIES


def test_lessons_of_lines_that_are_never_alike_come_to_an_end(tmp_path, lessons, monkeypatch):
    monkeypatch.setattr(reader, "FREE_BYTES", 10_000)

    def word(k):
        return "".join(chr(71 + k // 16**place % 16) for place in range(4))

    lines = [diff(k, more=word(k)) for k in range(2, 300)]
    found = of(tmp_path, CONNECT, diff(1, kind="snapshot"), *lines)
    assert found.alone == 2 + len(lines) + BLANK
    assert sum(map(len, lessons)) <= 10_000 + 2 * len(lines[-1])
