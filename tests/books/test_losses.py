"""Ten thousand lost messages (F25), removals of what was never there (F30), locked books (F31)."""

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest

from imbalance.books.rebuild import BookBuilder, Rules
from imbalance.books.state import Messages
from imbalance.books.ticks import GridError

SEGMENTS, LENGTH = 10_000, 12
STEP = 10_000_000
DIFF, SNAPSHOT = 0, 1


def chain(generator, *, names_previous):
    """Ids and kinds of a feed with a snapshot before every eleven differences, all of it linked."""
    count = SEGMENTS * LENGTH
    kind = np.where(np.arange(count) % LENGTH == 0, SNAPSHOT, DIFF).astype(np.uint8)
    last = 1_000 + np.cumsum(np.where(kind == DIFF, generator.integers(1, 6, count), 0))
    before = np.concatenate([[1_000], last[:-1]])
    first = np.where(kind == DIFF, before + 1, -1)
    previous = np.where((kind == DIFF) & names_previous, before, -1)
    return kind, np.stack([first, last, previous], axis=1)


def book_of(kind, ids, event):
    """The messages as arrays: a level a side, sizes by their place in the feed."""
    count = len(kind)
    offsets, sizes = np.arange(count + 1), 1.0 + np.arange(count) % 7
    return Messages(kind, ids, event, event, offsets, offsets, np.full(count, 100.0), sizes,
                    np.full(count, 101.0), sizes)


def health_of(messages, until):
    """Columns of the health of the book, times as int64 ns."""
    tables = []
    builder = BookBuilder("test:X", Rules(), lambda name, table: tables.extend(
        [table] if name == "book.book_health" else ()))
    builder.feed(messages)
    builder.finish(until)
    rows = pa.concat_tables(tables)
    return {
        name: (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_numpy()
        for name, column in zip(rows.column_names, rows.columns, strict=True)
    }


@pytest.mark.parametrize("names_previous", [False, True], ids=["spot", "futures"])
def test_ten_thousand_lost_messages_are_all_seen_where_they_were(names_previous):
    """Of each stretch one message is lost, at random; the last has a snapshot after it, which
    begins anew in any case.
    """
    generator = np.random.default_rng(25)
    kind, ids = chain(generator, names_previous=names_previous)
    event = 10**18 + STEP * np.arange(len(kind))
    lost = np.arange(SEGMENTS) * LENGTH + generator.integers(1, LENGTH - 1, SEGMENTS)
    kept = np.delete(np.arange(len(kind)), lost)
    found = health_of(book_of(kind[kept], ids[kept], event[kept]), int(event[-1]) + STEP)
    waiting = {name: column[found["state"] == "waiting"] for name, column in found.items()}
    fresh = lost % LENGTH == 1
    assert fresh.sum() > 500
    assert waiting["valid_from"].tolist() == event[lost - 1].tolist()
    assert waiting["valid_to"].tolist() == [*event[LENGTH::LENGTH], event[-1] + STEP]
    # Of futures what was kept from before a snapshot, and reaches up to it, is what bridges it.
    first = {"sequence_gap" if names_previous else "unbridgeable_snapshot"}
    assert (set(waiting["cause"][~fresh]), set(waiting["cause"][fresh])) == (
        {"sequence_gap"}, first)
    expected = ids[lost - 1, 1] + (not names_previous)
    assert waiting["expected_update_id"].tolist() == expected.tolist()


@pytest.mark.parametrize("apart", [False, True], ids=["first", "later"])
def test_prices_that_fit_no_grid_end_the_book_where_it_was(apart):
    """What was proved until then is told of as any book that is lost."""
    second, start = 1_000_000_000, 10**18
    kind = np.array([SNAPSHOT, *[DIFF] * 9], np.uint8)
    ids = np.stack([np.arange(10), np.arange(10), np.full(10, -1)], axis=1)
    event = start + second // 4 * np.arange(10) + second // 8
    good = book_of(kind, ids, event)
    bad = book_of(kind[1:2], ids[-1:] + 1, event[-1:] + second)
    bad = bad._replace(available=bad.event + second, bid_prices=np.array([7.1e-19]),
                       ask_prices=np.array([101.5]))
    rows = defaultdict(list)
    builder = BookBuilder("test:X", Rules(), lambda name, made: rows[name].extend(
        made.to_pylist()), day_start=start)
    if apart:
        builder.feed(good)
    with pytest.raises(GridError):
        builder.feed(bad)
    until = start + 10 * second
    builder.abandon(until)
    builder.feed(good)
    assert builder.finish(until) is None
    health = [(row["valid_from"].value, row["valid_to"].value, row["state"], row["cause"],
               row["messages"]) for row in rows["book.book_health"]]
    last = int(event[-1])
    until_then = [(int(event[0]), last, "valid", "snapshot", 9)] if apart else []
    assert health == [*until_then, (last if apart else start, until, "waiting",
                                    "unusable_prices", 0)]
    assert [row["interval"] for row in rows["book.book_health"]] == [1, 2][: len(health)]
    bars = rows["book.bars_100ms"]
    assert sum(row["coverage"] for row in bars) * STEP * 10 == pytest.approx(
        sum(end - begin for begin, end, state, *_ in health if state == "valid"))
    if apart:
        assert (bars[-1]["poisoned"], bars[-1]["mid_close"]) == (True, None)
        assert bars[-1]["available_at"].value == int(bad.available[0])


def test_without_a_loss_nothing_is_suspected():
    kind, ids = chain(np.random.default_rng(26), names_previous=True)
    event = 10**18 + STEP * np.arange(len(kind))
    found = health_of(book_of(kind, ids, event), int(event[-1]) + STEP)
    assert set(found["state"]) == {"valid"}
    assert set(found["cause"]) == {"snapshot"}
    assert found["messages"].sum() == np.count_nonzero(kind == DIFF)


def test_removals_of_what_is_not_there_are_counted_and_break_nothing(market, rebuilt):
    """A tenth of the messages remove a level that nobody has: the book goes on as it was."""
    messages = market(4, futures=True)
    opened = next(k for k, message in enumerate(messages) if message.snapshot) + 5
    for message in messages[opened::10]:
        message.bids.append((1.0, 0.0))
        message.asks.append((99_999.0, 0.0))
    rules = Rules()
    whole, again = rebuilt(market(4, futures=True), rules), rebuilt(messages, rules)
    removed = 2 * len(messages[opened::10])
    counts = [sum(row["unknown_removals"] for row in one.rows("book.book_health"))
              for one in (whole, again)]
    assert counts[1] - counts[0] == removed > 50
    assert again.rows("book.book_states") == whole.rows("book.book_states")
    causes = [[(row["state"], row["cause"]) for row in one.rows("book.book_health")]
              for one in (whole, again)]
    assert causes[0] == causes[1]


def test_a_locked_book_is_flagged_and_has_its_flow(reference, rebuilt):
    bar = 100_000_000
    steps = [
        ([(10.0, 1.0)], [(11.0, 1.0)], True), ([(11.0, 2.0)], [], False),
        ([(11.0, 3.0)], [], False), ([(11.0, 0.0)], [], False),
    ]
    messages = [
        reference.Message(snapshot, -1 if snapshot else k + 1, k + 1, k, k * bar + 1, k * bar + 1,
                          bids, asks)
        for k, (bids, asks, snapshot) in enumerate(steps)
    ]  # fmt: skip
    made = rebuilt(messages, Rules(), until=4 * bar)
    states = made.rows("book.book_states")
    assert [(row["locked"], row["crossed"]) for row in states] == [
        (False, False), (True, False), (True, False), (False, False)]
    bars = {row["bar_start"] // bar: row for row in made.rows("book.bars_100ms")}
    assert [bars[k]["poisoned"] for k in (1, 2, 3)] == [False] * 3
    assert [bars[k]["order_flow_imbalance_level_1"] for k in (1, 2, 3)] == [2.0, 1.0, -3.0]
    (health,) = (row for row in made.rows("book.book_health") if row["state"] == "valid")
    assert (health["locked_messages"], health["crossed_messages"]) == (2, 0)


def test_a_market_that_comes_back_a_thousandth_as_dear_has_no_return_over_it(reference, rebuilt):
    """A symbol listed anew, or in other units (F41): nothing is glued across the pause."""
    second = 1_000_000_000
    messages = [
        reference.Message(k in (0, 5), -1 if k in (0, 5) else k + 1, k + 1, k, at, at,
                          [(price - 1.0, 1.0 + k)], [(price + 1.0, 2.0)])
        for k, (at, price) in enumerate([
            *((n * second, 100_000.0) for n in range(1, 6)),
            *(((900 + n) * second, 100.0) for n in range(1, 6)),
        ])
    ]
    made = rebuilt(messages, Rules(), until=906 * second)
    bars = made.rows("book.bars_100ms")
    first = next(k for k, row in enumerate(bars) if row["mid_close"] == 100.0)
    assert bars[first]["poisoned"]
    assert {row["mid_close"] for row in bars if not row["poisoned"]} == {100_000.0, 100.0}
    used = [row for row in bars if not row["poisoned"]]
    assert all(row["mid_open"] == row["mid_close"] for row in used)
    assert all(abs(row["order_flow_imbalance_level_1"]) <= 1.0 for row in used)
    starts = [row["bid_prices"][0] for row in made.rows("book.book_states") if row["segment_start"]]
    assert starts == [99_999.0, 99.0]


def test_a_level_that_was_left_behind_crosses_the_book_and_hides_no_other(reference, rebuilt):
    """A feed without ids loses the deletion of a bid, then the market falls by a tenth: what lies
    between, wider than the window of the ladder, is not taken for the market.
    """
    bar, old, new = 100_000_000, 1_000_000.0, 900_000.0
    asks = [(new + 1 + 1_000 * k, 1.0) for k in range(120)]
    steps = [
        ([(old, 1.0)], [(old + 1, 1.0)]),
        ([(new - k, 2.0) for k in range(20)], asks),
        *(([(new, 3.0 + k)], []) for k in range(3)),
        ([(old, 0.0)], []),
        ([(new, 7.0)], []),
    ]
    messages = [
        reference.Message(k == 0, -1, -1, -1, (10 + k) * bar, (10 + k) * bar, bids, asks)
        for k, (bids, asks) in enumerate(steps)
    ]
    made = rebuilt(messages, Rules(), until=(12 + len(steps)) * bar)
    best = [(row["bid_prices"][0], row["ask_prices"][0], row["crossed"])
            for row in made.rows("book.book_states")]
    crossed, clear = (old, new + 1, True), (new, new + 1, False)
    assert best == [(old, old + 1, False), *[crossed] * 4, *[clear] * 2]
    bars = made.rows("book.bars_100ms")
    assert [row["poisoned"] for row in bars[1:8]] == [*[True] * 5, False, False]
    assert bars[6]["order_flow_imbalance_level_1"] == 2.0
    assert bars[6]["mid_close"] == new + 0.5
