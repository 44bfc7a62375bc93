"""Silence of a book feed: by one limit where a chain proves the book, by their pace of images."""

import random
from dataclasses import replace

import pytest

from imbalance.books.rebuild import Rules
from imbalance.books.state import BREAK, DIFF, IMAGE, SNAPSHOT

BAR = 100_000_000


def test_silence_beyond_the_limit_poisons_what_it_covers_and_no_more(reference, rebuilt):
    second = 10 * BAR
    times = [0, second, 90 * second, 91 * second, 92 * second]
    messages = [
        reference.Message(k == 0, -1 if k == 0 else k + 1, k + 1, k, t, t, [(10.0, 1.0 + k)],
                          [(11.0, 1.0)])
        for k, t in enumerate(times)
    ]  # fmt: skip
    fast = rebuilt(messages, Rules(), until=93 * second)
    assert [row["state"] for row in fast.rows("book.book_health")] == ["valid", "silent", "valid"]
    bars = fast.rows("book.bars_100ms")
    poisoned = {row["bar_start"] // BAR for row in bars if row["poisoned"]}
    assert poisoned == {0, *range(10, 901)}
    assert sum(row["coverage"] for row in bars) == pytest.approx(40)
    # it is known when the limit has passed: nothing of it is available before
    known = {row["bar_start"] // BAR: row["available_at"] // BAR for row in bars}
    assert {known[k] for k in range(10, 610)} == {610}
    assert (known[9], known[610], known[700], known[900]) == (10, 611, 701, 901)
    assert {row["mid_close"] for row in bars if 10 <= row["bar_start"] // BAR < 900} == {None}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("feed", ["differences", "images", "breaks", "both"])
def test_what_comes_later_changes_nothing_that_was_available(
    market, reference, rebuilt, seed, feed
):
    """Messages lost, and pauses: cut at any moment, the rows that are available by then are what
    could be told then. What was noted afterwards of the time before is in later rows, or in none:
    a gap takes rows away that had been there.
    """
    chance = random.Random(seed)
    if feed != "differences":
        kinds = {"images": {}, "breaks": dict.fromkeys(range(600), DIFF),
                 "both": {k: DIFF for k in range(600) if k // 70 % 2}}[feed]
        if feed == "breaks":
            kinds[0] = SNAPSHOT
            for k in chance.sample(range(1, 599), 8):
                kinds |= {k: BREAK, k + 1: SNAPSHOT}
        sent = imaged(reference, [0.05 * k for k in range(600)], kinds)
    else:
        sent = [one for one in market(seed, futures=False, count=600) if chance.random() > 0.01]
    messages, moved, known = [], 0, 0
    for one in sent:
        moved += chance.choice([20, 70]) * 10 * BAR if chance.random() < 0.01 else 0
        known = max(known, one.event + moved + chance.randrange(BAR))
        messages.append(replace(one, event=one.event + moved, available=known))
    end = messages[-1].event + 100 * 10 * BAR
    whole = rebuilt(messages, Rules(), until=end).rows("book.bars_100ms")
    compared = 0
    for _ in range(25):
        cut = chance.randrange(messages[40].event, end)
        told = [one for one in messages if one.available <= cut]
        part = rebuilt(told, Rules(), until=cut).rows("book.bars_100ms")
        told_then = {row["bar_start"]: row for row in part if row["available_at"] <= cut}
        by_then = {row["bar_start"]: row for row in whole if row["available_at"] <= cut}
        assert by_then == {start: told_then[start] for start in by_then}
        compared += len(by_then)
    assert compared > 500


def imaged(reference, seconds, kinds=None):
    """A book sent whole at some times, s; `kinds` says otherwise of a message."""
    return [
        reference.Message((kinds or {}).get(k, IMAGE), -1, -1, -1, round(t * 10 * BAR),
                          round(t * 10 * BAR), [(10.0, 1.0 + k)], [(11.0, 1.0)])
        for k, t in enumerate(seconds)
    ]  # fmt: skip


def silences(rebuilt, messages, **more):
    """Silent intervals, s."""
    fast = rebuilt(messages, Rules(), **more)
    return [
        (row["valid_from"] / 1e9, row["valid_to"] / 1e9)
        for row in fast.rows("book.book_health") if row["state"] == "silent"
    ]  # fmt: skip


def paced(count, step, start=0.0):
    return [start + k * step for k in range(count)]


@pytest.mark.parametrize("chunk", [7, 10**9])
def test_a_feed_of_images_is_silent_by_its_own_pace(reference, rebuilt, chunk):
    """Half a second apart: the limit is 10 s at least, and an outage does not slacken it."""
    seconds = [*paced(100, 0.55), *paced(100, 0.55, 72.45), *paced(2, 0.55, 145)]
    messages = imaged(reference, seconds)
    found = silences(rebuilt, messages, chunk=chunk)
    assert found == [(54.45, 72.45), (126.9, 145.0)]
    fast = rebuilt(messages, Rules(), chunk=chunk)
    causes = [row["cause"] for row in fast.rows("book.book_health")]
    assert causes == ["image", "silence", "resumed", "silence", "resumed"]
    bars = [row for row in fast.rows("book.bars_100ms") if row["bar_start"] < 126 * 10 * BAR]
    poisoned = [row["bar_start"] // BAR for row in bars if row["poisoned"]]
    assert poisoned == [0, *range(544, 725)]
    assert sum(row["coverage"] for row in bars if row["poisoned"]) == 2.0


@pytest.mark.parametrize(
    ("step", "count", "pause", "silent"),
    [
        (0.55, 100, 10.0, False), (0.55, 100, 10.2, True),  # 18.4 intervals
        (0.01, 2_000, 9.9, False), (0.01, 2_000, 10.1, True),  # at least 10 s
        (2.0, 100, 36.7, False), (2.0, 100, 36.9, True),
        (30.0, 100, 59.9, False), (30.0, 100, 60.1, True),  # at most what holds for all
        (0.55, 20, 59.9, False), (0.55, 20, 60.1, True),  # too few to know a pace
        (0.55, 21, 10.2, True),
    ],
)  # fmt: skip
def test_the_limit_of_images(reference, rebuilt, step, count, pause, silent):
    seconds = paced(count, step)
    last = seconds[-1]
    found = silences(rebuilt, imaged(reference, [*seconds, last + pause]))
    assert found == ([pytest.approx((last, last + pause))] if silent else [])


@pytest.mark.parametrize("chunk", [1, 10**9])
def test_images_of_a_book_that_does_not_change_break_no_silence(reference, rebuilt, chunk):
    """Of one id for 30 s, every half second: they are stale, and the feed is there."""
    messages = imaged(reference, paced(160, 0.5))
    for k, message in enumerate(messages):
        message.last = k if k < 40 else 40 if k < 101 else k
    fast = rebuilt(messages, Rules(), chunk=chunk)
    (health,) = fast.rows("book.book_health")
    assert (health["state"], health["cause"]) == ("valid", "image")
    assert (health["stale_messages"], health["messages"]) == (60, 99)
    bars = [row for row in fast.rows("book.bars_100ms") if row["bar_start"] < 79 * 10 * BAR]
    assert [row["bar_start"] for row in bars if row["poisoned"]] == [0]
    # an outage among them is one, and ends with the first that comes again
    late = [m for m in messages if not 25 * 10 * BAR <= m.event < 40 * 10 * BAR]
    fast = rebuilt(late, Rules(), chunk=chunk)
    told = [(row["state"], row["valid_from"] / 1e9, row["stale_messages"])
            for row in fast.rows("book.book_health")]  # fmt: skip
    assert told == [("valid", 0.0, 9), ("silent", 24.5, 0), ("valid", 40.0, 21)]


def test_images_of_older_books_do_not_keep_the_book_that_is_held(reference, rebuilt):
    """A counter begins anew: what is held is of no image that comes."""
    messages = imaged(reference, paced(400, 0.5))
    for k, message in enumerate(messages):
        message.last = 1_000 + k if k < 100 else k - 99
    found = silences(rebuilt, messages, until=200 * 10 * BAR)
    assert found == [(49.5, 200.0)]


def test_images_that_end_are_silent_to_the_end_of_the_captures(reference, rebuilt):
    messages = imaged(reference, paced(100, 0.5))
    assert silences(rebuilt, messages, until=59 * 10 * BAR) == []
    assert silences(rebuilt, messages, until=60 * 10 * BAR) == [(49.5, 60.0)]


def test_a_change_of_pace_is_learned_from_what_came_before(reference, rebuilt):
    """From one a half second to one in three: no interval of the slow pace is held against it."""
    seconds = [*paced(100, 0.5), *paced(400, 3.0, 52.5), 1_290.0]
    assert silences(rebuilt, imaged(reference, seconds)) == []


def test_images_among_differences_are_no_feed_of_images(reference, rebuilt):
    seconds = [*paced(100, 0.5), 90.0]
    differences = imaged(reference, seconds, kinds=dict.fromkeys(range(50, 101), DIFF))
    assert silences(rebuilt, differences) == []
    assert silences(rebuilt, imaged(reference, seconds)) == [(49.5, 90.0)]


def test_a_feed_that_ends_is_silent_to_the_end_of_its_captures(reference, rebuilt):
    second = 10 * BAR
    messages = [
        reference.Message(k == 0, -1 if k == 0 else k + 1, k + 1, k, k * second, k * second,
                          [(10.0, 1.0 + k)], [(11.0, 1.0)])
        for k in range(4)
    ]  # fmt: skip
    fast = rebuilt(messages, Rules(), until=100 * second)
    health = fast.rows("book.book_health")
    assert [(row["state"], row["valid_from"], row["valid_to"]) for row in health] == [
        ("valid", 0, 3 * second),
        ("silent", 3 * second, 100 * second),
    ]
    bars = fast.rows("book.bars_100ms")
    assert {row["bar_start"] // BAR for row in bars if not row["poisoned"]} == set(range(1, 30))
    assert sum(row["coverage"] for row in bars) == pytest.approx(30)
    short = rebuilt(messages, Rules(), until=50 * second).rows("book.bars_100ms")
    assert sum(row["poisoned"] for row in short) == 1


@pytest.mark.parametrize("pause", [40, 80])
def test_the_silence_of_a_closing_book_is_told_from_the_days_start_on(reference, rebuilt, pause):
    """Its last message is of the day before, whose own health tells of the time until midnight."""
    second, midnight = 10 * BAR, 1_000 * BAR
    messages = [
        reference.Message(k == 0, -1 if k == 0 else k + 1, k + 1, k, t, t, [(10.0, 1.0 + k)],
                          [(11.0, 1.0)])
        for k, t in enumerate([0, 50 * second, midnight + pause * second,
                               midnight + (pause + 1) * second])
    ]  # fmt: skip
    closing = rebuilt(messages[:2], Rules(), until=midnight).closing
    made = rebuilt(messages[2:], Rules(), opening=closing, day_start=midnight)
    health = made.rows("book.book_health")
    resumed = midnight + pause * second
    assert [(row["state"], row["cause"], row["valid_from"], row["valid_to"]) for row in health] == [
        ("silent", "silence", midnight, resumed), ("valid", "resumed", resumed, resumed + second)]
    bars = made.rows("book.bars_100ms")
    assert bars[0]["bar_start"] == midnight
    silent = [row for row in bars if row["bar_start"] < resumed]
    known = {(row["coverage"], row["mid_open"], row["mid_high"], row["mid_low"], row["mid_close"])
             for row in silent}  # fmt: skip
    assert known == {(0.0, None, None, None, None)}


def test_a_feed_that_shows_itself_after_a_silence_opens_its_bars_again(reference, rebuilt):
    """By an image of the same book: its mid is that of the bar, which began without one."""
    messages = imaged(reference, [*paced(40, 0.5), 100.05, 100.12])
    for k, message in enumerate(messages):
        message.last = min(k, 39)
    bars = {row["bar_start"] // BAR: row
            for row in rebuilt(messages, Rules(), until=102 * 10 * BAR).rows("book.bars_100ms")}
    found = [tuple(bars[k][f"mid_{what}"] for what in ("open", "high", "low", "close"))
             for k in (194, 195, 999, 1000, 1001)]
    assert found == [
        (10.5,) * 4, (10.5, 10.5, 10.5, None), (None,) * 4, (None, 10.5, 10.5, 10.5), (10.5,) * 4]
