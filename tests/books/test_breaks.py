"""Breaks that a recorder or decoder tells of: what is known of the time up to them, and after."""

import random
from collections import defaultdict

import pytest

from imbalance.books.rebuild import Rules
from imbalance.books.state import BREAK, CAUSES, DIFF, SNAPSHOT

BAR = 100_000_000
SECOND = 10 * BAR
RECONNECTED = CAUSES.index("reconnected")


def feed(reference, *steps):
    """Messages (kind, time in s, …available, if later); differences chain by their ids."""
    messages = []
    for k, (kind, time, *later) in enumerate(steps, 1):
        first = {BREAK: RECONNECTED, SNAPSHOT: -1, DIFF: k}[kind]
        levels = [] if kind == BREAK else [(10.0, 1.0 + k)], [] if kind == BREAK else [(11.0, 1.0)]
        # a break is no update: the ids go on over it
        messages.append(reference.Message(
            kind, first, -1 if kind == BREAK else k, -1, round(time * SECOND),
            round((later or [time])[0] * SECOND), *levels,
        ))  # fmt: skip
    return messages


def intervals(made):
    return [
        (row["valid_from"] / SECOND, row["valid_to"] / SECOND, row["state"], row["cause"])
        for row in made.rows("book.book_health")
    ]


@pytest.mark.parametrize("pause", [0.25, 50, 300])
def test_the_time_before_a_break_is_no_quiet_market(reference, rebuilt, pause):
    """Of the time after the last message nobody knows when the feed was lost: neither the health
    nor the bars call the book valid, however long the silence that is borne.
    """
    messages = feed(reference, (SNAPSHOT, 0.05), (DIFF, 0.23), (BREAK, pause),
                    (SNAPSHOT, pause + 0.5), (DIFF, pause + 0.55))
    made = rebuilt(messages, Rules(), until=round((pause + 1) * SECOND))
    assert intervals(made) == [
        (0.05, 0.23, "valid", "snapshot"),
        (0.23, pause + 0.5, "waiting", "reconnected"),
        (pause + 0.5, pause + 1, "valid", "snapshot"),
    ]
    bars = {row["bar_start"] // BAR: row for row in made.rows("book.bars_100ms")}
    before = {k: row for k, row in bars.items() if k * BAR < messages[3].event // BAR * BAR}
    assert {k: row["coverage"] for k, row in before.items()} == {0: 0.5, 1: 1.0, 2: 0.3}
    assert [k for k, row in before.items() if not row["poisoned"]] == [1]
    # what the break tells of the bar it takes the end of was known with the break
    assert before[2]["available_at"] == max(3 * BAR, messages[2].available)
    assert before[2]["order_flow_imbalance_level_1"] is None
    assert (before[2]["mid_close"], before[2]["mid_high"]) == (None, 10.5)


def test_a_break_received_after_what_follows_it_happened_turns_no_clock_back(reference, rebuilt):
    """A break has the time it was received at, the snapshot after it the exchange's."""
    messages = feed(reference, (SNAPSHOT, 0.05), (BREAK, 0.75), (SNAPSHOT, 0.15, 0.8),
                    (DIFF, 1.05, 1.1))
    made = rebuilt(messages, Rules(), until=2 * SECOND)
    assert intervals(made) == [
        (0.05, 0.15, "waiting", "reconnected"), (0.15, 2.0, "valid", "snapshot")]
    bars = {row["bar_start"] // BAR: row for row in made.rows("book.bars_100ms")}
    assert {k: row["coverage"] for k, row in bars.items()} == {
        0: 0.0, 1: 0.5, **dict.fromkeys(range(2, 20), 1.0)}
    assert [k for k, row in bars.items() if row["poisoned"]] == [0, 1]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("chunk", [5, 10**9])
def test_bars_and_health_tell_of_the_same_time(reference, rebuilt, seed, chunk):
    """Breaks, gaps and silences at random: a bar's coverage is its time in valid intervals."""
    chance = random.Random(seed)
    steps, now, broken = [(SNAPSHOT, 0.05)], 0.05, False
    for _ in range(400):
        now += chance.choice([0.01, 0.07, 0.3]) + (chance.random() < 0.01) * 70
        kind = chance.choices([DIFF, BREAK, SNAPSHOT], [0.9, 0.05, 0.5 if broken else 0.0])[0]
        broken = kind == BREAK or (broken and kind != SNAPSHOT)
        # of a break only the time of its receipt is known
        steps.append((kind, now + 0.2 * (kind == BREAK), now + 0.2))
    messages = feed(reference, *steps)
    lost = [m for m in messages if m.snapshot != DIFF or chance.random() > 0.02]
    end = messages[-1].event + 5 * SECOND
    made = rebuilt(lost, Rules(), until=end, chunk=chunk)
    valid = defaultdict(int)
    for row in made.rows("book.book_health"):
        assert row["valid_from"] <= row["valid_to"]
        for bar in range(row["valid_from"] // BAR, row["valid_to"] // BAR + 1):
            shared = min(row["valid_to"], (bar + 1) * BAR) - max(row["valid_from"], bar * BAR)
            valid[bar] += shared * (row["state"] == "valid")
    bars = {row["bar_start"] // BAR: row for row in made.rows("book.bars_100ms")}
    assert {k: row["coverage"] * BAR for k, row in bars.items() if row["coverage"]} == {
        bar: pytest.approx(time) for bar, time in valid.items() if time}
    causes = {row["cause"] for row in made.rows("book.book_health")}
    assert causes >= {"reconnected", "sequence_gap", "snapshot"}
    assert {row["poisoned"] for row in bars.values() if row["coverage"] < 1} == {True}


def test_a_break_before_the_first_message_of_a_day_drops_the_closing_book(reference, rebuilt):
    first = feed(reference, (SNAPSHOT, 0.05), (DIFF, 99.9))
    closing = rebuilt(first, Rules(), until=100 * SECOND).closing
    later = feed(reference, (SNAPSHOT, 0), (DIFF, 0), (BREAK, 101), (DIFF, 102), (SNAPSHOT, 103))
    made = rebuilt(later[2:], Rules(), opening=closing, day_start=100 * SECOND,
                   until=104 * SECOND)
    assert intervals(made) == [
        (100.0, 103.0, "waiting", "reconnected"), (103.0, 104.0, "valid", "snapshot")]
