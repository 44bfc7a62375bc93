"""Bars in volume time and event time of books that are lost and found again: none is available
before it could be known whether its book was there.
"""

import random
from functools import cache

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from imbalance.books.health_table import TRADE_GAPS
from imbalance.books.rebuild import BookBuilder, ClosingBook, Rules
from imbalance.books.state import BREAK, CAUSES, DIFF, IMAGE, SNAPSHOT
from imbalance.books.tables import TABLES
from imbalance.captures.event_tables import TRADES
from imbalance.features.activity_bars import Inputs, Sizes, compute
from imbalance.features.activity_tables import EVENT_BARS, VOLUME_BARS
from imbalance.features.bars import Queries
from tests.books.conftest import as_arrays
from tests.books.reference_book import Message

S = 1_000_000_000
NAME = "test:X"
TIMES = ("bar_start", "bar_end", "available_at")


def told(kind, seconds, number=-1, lag=0):
    """A message of a book whose best bid grows by one with each id."""
    time = round(seconds * S)
    first = CAUSES.index("reconnected") if kind == BREAK else number if kind == DIFF else -1
    levels = [(100.0, 1.0 + number % 50)], [(101.0, 1.0)]
    return Message(kind, first, -1 if kind == BREAK else number, -1, time, time + lag,
                   *(([], []) if kind == BREAK else levels))


def rows(table, values):
    schema = pa.schema([field.with_nullable(True) for field in table.arrow_schema()])
    return pa.Table.from_pylist([{n: row.get(n) for n in schema.names} for row in values],
                                schema=schema)


@cache
def queries():
    return Queries(duckdb.connect())


def made(messages, until, trades=(), opening=(), **sizes):
    """Rows of volume bars and of event bars, times in ns, of a book that is rebuilt; `opening` are
    the closing book of the day before and when the day begins.
    """
    book = {table.name: [] for table in TABLES}
    builder = BookBuilder(NAME, Rules(), lambda name, part: book[name].append(part), *opening)
    builder.feed(as_arrays(messages))
    builder.finish(round(until * S))
    states, health, bars = (
        pa.concat_tables(book[name]) if book[name] else rows(table, ())
        for name in ("book.book_states", "book.book_health", "book.bars_100ms")
        for table in TABLES if table.name == name
    )
    tape = rows(TRADES, [
        {"instrument": NAME, "kind": "trade", "trade_id": k, "event_time": round(t * S),
         "available_at": round(t * S), "price": 100.0, "size": 1.0, "size_base": 1.0,
         "side": "buy", "capture_id": "c", "line": k} for k, t in enumerate(trades)])
    found = {VOLUME_BARS.name: [], EVENT_BARS.name: []}
    compute(
        queries(),
        Inputs(states.to_batches(), tape.to_batches(), health, rows(TRADE_GAPS, ()),
               bars.to_batches()),
        Sizes(volumes={NAME: 5.0}, **sizes),
        lambda name, part: found[name].extend(part.to_pylist()),
    )
    return [
        [row | {name: row[name].value for name in TIMES} for row in of] for of in found.values()
    ]


TEN = [told(SNAPSHOT, 0.5, 1), *(told(DIFF, 1.0 + k, k + 2) for k in range(9))]
LATE = [told(DIFF, 150, 11), told(DIFF, 151, 12)]
EACH_SECOND = [0.7 + k for k in range(150)]


def of_note(row):
    return (row["bar_end"] // S, row["available_at"] / S, row["poisoned"], row["valid"],
            row["order_flow_imbalance"])


def test_a_silence_is_known_when_the_limit_has_passed():
    """The last message at 9 s, the limit 60 s: it is known at 69 s, whatever comes at 150 s."""
    volume, _ = made([*TEN, *LATE], 152, EACH_SECOND)
    assert [of_note(row) for row in volume[1:4]] == [
        (9, 69.0, True, False, None), (14, 69.0, True, False, None), (19, 69.0, True, False, None)]
    assert of_note(volume[0]) == (4, pytest.approx(4.7), False, True, 4.0)
    before, _ = made(TEN, 40, [t for t in EACH_SECOND if t < 40])
    assert of_note(before[1]) == (9, pytest.approx(9.7), False, True, 5.0)
    assert volume[0] == before[0]
    # a bar in the silence, once that is known, is late for nothing
    assert [row["available_at"] - row["bar_end"] < S // 10 for row in volume[14:20]] == [True] * 6


@pytest.mark.parametrize(("number", "known", "seen"), [(11, 30.0, True), (20, 4.7, False)])
def test_what_the_opening_book_is_worth_is_known_with_the_message_that_proves_it(
    number, known, seen
):
    """The first change of the day comes at 30 s: of the chain, or not."""
    day = 86_400
    one = np.array([1.0])
    closing = ClosingBook((day - 1) * S, (day - 1) * S, 10, 1.0, 1000.0, 100 * one, one, 101 * one,
                          one)
    later = [told(DIFF, day + 30 + k, number + k) for k in range(5)]
    volume, _ = made(later, day + 40, [day + 0.7 + k for k in range(38)], (closing, day * S))
    for row, end in zip(volume[:2], (4.7, 9.7), strict=True):
        assert row["bar_end"] / S - day == pytest.approx(end)
        assert row["available_at"] / S - day == pytest.approx(max(known, end))
        assert (row["coverage"], row["poisoned"]) == (float(seen), not seen)


def test_a_bar_that_ends_with_the_last_message_before_a_silence_has_seen_its_book():
    """As the 100 ms before it, which end where it begins."""
    expected = (9, 9.000000001, False, True, 5.0)
    for messages, until in ((TEN, 40), ([*TEN, *LATE], 152), (TEN, 152)):
        _, events = made(messages, until, book_events=5)
        assert of_note(events[1]) == expected


@pytest.mark.parametrize("sign", [
    told(DIFF, 30, 15), told(BREAK, 30),
], ids=["gap", "break"])  # fmt: skip
def test_a_gap_is_known_with_the_message_that_shows_it(sign):
    messages = [*TEN, sign, told(SNAPSHOT, 31, 20), *(told(DIFF, 32 + k, 21 + k) for k in range(9))]
    volume, events = made(messages, 41, EACH_SECOND[:40], book_events=5)
    assert [(row["bar_end"] // S, row["poisoned"], row["available_at"] / S) for row in volume] == [
        (4, False, pytest.approx(4.7)), *((end, True, 30.0) for end in (9, 14, 19, 24, 29)),
        (34, True, pytest.approx(34.7)), (39, False, pytest.approx(39.7)),
        (40, False, pytest.approx(40.0)),
    ]
    assert of_note(events[1]) == (9, 9.000000001, False, True, 5.0)


def random_feed(chance, feed):
    """Messages with losses and pauses; of differences, of images, with breaks, or by turns."""
    messages, now, known = [], 0.0, 0
    for k in range(600):
        kind = {"images": IMAGE, "both": IMAGE if k // 70 % 2 else DIFF}.get(feed, DIFF)
        if k == 0 or (feed != "images" and messages and messages[-1].snapshot == BREAK):
            kind = SNAPSHOT
        elif feed == "breaks" and chance.random() < 0.02:
            kind = BREAK
        if chance.random() < 0.01 and feed != "images":
            continue
        now += 0.05 + (chance.choice([20, 70]) if chance.random() < 0.01 else 0)
        message = told(kind, now, k)
        known = max(known, message.event + chance.randrange(S // 10))
        message.available = known
        messages.append(message)
        if kind == DIFF and chance.random() < 0.005:
            messages.append(told(SNAPSHOT, now, k))
            messages[-1].available = known
    return messages, now


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("feed", ["differences", "images", "breaks", "both"])
def test_what_comes_later_changes_no_bar_that_was_available(seed, feed):
    chance = random.Random(seed)
    messages, last = random_feed(chance, feed)
    end = last + 100
    trades = sorted(chance.uniform(0, end) for _ in range(int(end * 3)))
    whole = made(messages, end, trades, book_events=5)
    compared = poisoned = 0
    for _ in range(25):
        cut = chance.uniform(3, end)
        part = made([one for one in messages if one.available <= cut * S], cut,
                    [t for t in trades if t <= cut], book_events=5)
        for then, later in zip(part, whole, strict=True):
            told_then = {row["bar_start"]: row for row in then}
            by_then = [row for row in later if row["available_at"] <= cut * S]
            assert by_then == [told_then[row["bar_start"]] for row in by_then]
            compared += len(by_then)
            poisoned += sum(row["poisoned"] for row in by_then)
    assert compared > 500
    assert poisoned > 20
