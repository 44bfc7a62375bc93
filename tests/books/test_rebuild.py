"""The kernel against a slow book: states, flows, bars, continuity, health."""

import math
from collections import defaultdict
from dataclasses import dataclass, replace

import pytest

from imbalance.books.rebuild import Rules

BAR = 100_000_000


@dataclass(frozen=True)
class Chained(Rules):
    """Rules, and whether the market's messages name the one before them."""

    futures: bool = False


FUTURES = Chained(futures=True)
SPOT = Chained()
INVERSE = Chained(multiplier=100.0, futures=True)


def _slow(reference, messages, rules):
    book = reference.ReferenceBook(rules.futures, rules.multiplier)
    for message in messages:
        book.take(message)
    return book


def _changes(states):
    """States at which the best levels differ from those before."""
    kept, before = [], None
    for state in states:
        levels = (state["bids"], state["asks"])
        if state["start"] or levels != before:
            kept.append(state)
        before = levels
    return kept


def _assert_states(rows, states):
    assert [row["update_id"] for row in rows] == [state["update_id"] for state in states]
    for row, state in zip(rows, states, strict=True):
        for side in ("bid", "ask"):
            expected = state[f"{side}s"]
            assert row[f"{side}_prices"] == [price for price, _ in expected]
            assert row[f"{side}_sizes"] == pytest.approx([size for _, size in expected], rel=1e-12)
        assert row["segment_start"] == state["start"]
        assert row["crossed"] == state["crossed"]


def _assert_flows(fast, slow):
    """Sums of bars are those of the slow book's events."""
    sums = defaultdict(lambda: [0.0] * 11)
    for event, levels, unmoved in slow.flows:
        for m, flow in enumerate(levels):
            sums[event // BAR][m] += math.nan if flow is None else flow
        sums[event // BAR][10] += unmoved
    bars = [row for row in fast.rows("book.bars_100ms") if not row["poisoned"]]
    assert len(bars) > 20
    for row in bars:
        expected = sums[row["bar_start"] // BAR]
        found = [row[f"order_flow_imbalance_level_{m}"] for m in range(1, 11)]
        found.append(row["order_flow_imbalance_no_price_change"])
        for value, wanted in zip(found, expected, strict=True):
            assert value == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("rules", [SPOT, FUTURES, INVERSE], ids=["spot", "futures", "inverse"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("chunk", [10**9, 7])
def test_states_and_flows_are_those_of_the_slow_book(
    reference, market, rebuilt, rules, seed, chunk
):
    messages = market(seed, futures=rules.futures)
    slow = _slow(reference, messages, rules)
    fast = rebuilt(messages, rules, chunk=chunk)

    _assert_states(fast.rows("book.book_states"), _changes(slow.states))
    _assert_flows(fast, slow)


@pytest.mark.parametrize("rules", [SPOT, INVERSE], ids=["spot", "inverse"])
def test_bars_show_the_book_at_their_end(reference, market, rebuilt, rules):
    messages = market(11, futures=rules.futures)
    fast = rebuilt(messages, rules)
    book = reference.ReferenceBook(rules.futures, rules.multiplier)
    bars = {row["bar_start"]: row for row in fast.rows("book.bars_100ms")}
    checked = 0
    for position, message in enumerate(messages):
        book.take(message)
        end = (message.event // BAR + 1) * BAR
        later = position + 1 == len(messages) or messages[position + 1].event >= end
        row = bars.get(end - BAR)
        if not later or row is None or row["mid_close"] is None:
            continue
        bids, asks = book.top(10**6)
        mid = (bids[0][0] + asks[0][0]) / 2
        assert row["mid_close"] == mid
        assert (row["bid_price"], row["ask_price"]) == (bids[0][0], asks[0][0])
        assert row["bid_depth_5"] == pytest.approx(sum(size for _, size in bids[:5]))
        assert row["ask_depth_10"] == pytest.approx(sum(size for _, size in asks[:10]))
        for bps in (5, 10, 25, 50, 100, 200):
            assert row[f"bid_depth_{bps}bps"] == pytest.approx(reference.within(bids, mid, bps))
            assert row[f"ask_depth_{bps}bps"] == pytest.approx(reference.within(asks, mid, bps))
        weighted = math.fsum(
            size * math.exp(-(mid - price) / mid * 1e3)
            for price, size in bids
            if (mid - price) / mid * 1e4 <= 100
        )
        assert row["bid_depth_weighted_10bps"] == pytest.approx(weighted, rel=1e-9)
        checked += 1
    assert checked > 20


def test_time_weighted_means(reference, rebuilt):
    def message(k, event, bid, ask, snapshot=False):
        return reference.Message(
            snapshot, -1 if snapshot else k, k, k - 1, event, event,
            [(99.0, bid)], [(101.0, ask)],
        )  # fmt: skip

    start = 10 * BAR
    messages = [
        message(1, start, 4.0, 2.0, snapshot=True),
        message(2, start + BAR, 4.0, 4.0),
        message(3, start + BAR + BAR // 4, 12.0, 4.0),
        message(4, start + 3 * BAR, 12.0, 4.0),
    ]
    bars = rebuilt(messages, FUTURES, until=start + 3 * BAR).rows("book.bars_100ms")
    second = next(row for row in bars if row["bar_start"] == start + BAR)
    assert second["queue_imbalance_mean"] == pytest.approx(0.25 * 0.0 + 0.75 * (12 - 4) / 16)
    assert second["depth_touch_mean"] == pytest.approx(0.25 * 4.0 + 0.75 * 8.0)
    assert second["spread_mean"] == 2.0
    assert second["order_flow_imbalance_level_1"] == pytest.approx((2.0 - 4.0) * 1 + 8.0)
    third = next(row for row in bars if row["bar_start"] == start + 2 * BAR)
    assert third["order_flow_imbalance_level_1"] == 0.0
    assert third["coverage"] == 1.0
    assert not third["poisoned"]


@pytest.mark.parametrize("rules", [SPOT, FUTURES], ids=["spot", "futures"])
def test_a_lost_message_closes_the_book_until_the_next_snapshot(reference, market, rebuilt, rules):
    messages = market(3, futures=rules.futures, count=300)
    lost = 120
    cut = messages[:lost] + messages[lost + 1 :]
    fast = rebuilt(cut, rules)
    health = fast.rows("book.book_health")
    assert [(row["state"], row["cause"]) for row in health] == [
        ("waiting", "no_snapshot"),
        ("valid", "snapshot"),
        ("waiting", "sequence_gap"),
    ]
    broken = health[-1]
    assert broken["valid_from"] == messages[lost - 1].event
    assert broken["expected_update_id"] == messages[lost - 1].last + (not rules.futures)
    after = [row for row in fast.rows("book.bars_100ms") if row["bar_start"] > messages[lost].event]
    assert all(row["poisoned"] for row in after)
    assert fast.closing is None

    whole = _slow(reference, messages, rules)
    resync = replace(
        messages[200],
        snapshot=True, first=-1, previous=-1,
        bids=list(_book_at(reference, messages[:201], rules).bids.items()),
        asks=list(_book_at(reference, messages[:201], rules).asks.items()),
    )  # fmt: skip
    mended = rebuilt([*cut[:200], resync, *cut[200:]], rules)
    assert mended.closing is not None
    last = mended.rows("book.book_states")[-1]
    assert last["bid_prices"] == [price for price, _ in whole.states[-1]["bids"]]
    starts = [row["update_id"] for row in mended.rows("book.book_states") if row["segment_start"]]
    assert len(starts) == 2


def _book_at(reference, messages, rules):
    return _slow(reference, messages, rules)


@pytest.mark.parametrize("rules", [SPOT, FUTURES], ids=["spot", "futures"])
def test_repeated_messages_change_nothing(market, rebuilt, rules):
    messages = market(5, futures=rules.futures)
    twice = [copy for message in messages for copy in (message, message)]
    once, again = rebuilt(messages, rules), rebuilt(twice, rules)
    assert once.rows("book.book_states") == again.rows("book.book_states")


def test_first_difference_may_continue_by_previous_id_alone(reference, rebuilt):
    messages = [
        reference.Message(True, -1, 100, -1, 1, 1, [(10.0, 1.0)], [(11.0, 1.0)]),
        reference.Message(False, 105, 110, 100, 2, 2, [(10.0, 3.0)], []),
    ]
    states = rebuilt(messages, FUTURES).rows("book.book_states")
    assert [row["update_id"] for row in states] == [100, 110]


def test_a_snapshot_that_cannot_be_bridged_opens_nothing_lasting(reference, rebuilt):
    messages = [
        reference.Message(True, -1, 100, -1, 1, 1, [(10.0, 1.0)], [(11.0, 1.0)]),
        reference.Message(False, 150, 160, 140, 2, 2, [(10.0, 3.0)], []),
    ]
    for rules in (SPOT, FUTURES):
        health = rebuilt(messages, rules).rows("book.book_health")
        assert health[-1]["state"] == "waiting"
        assert health[-1]["cause"] == "unbridgeable_snapshot"


def test_crossed_book_is_kept_flagged_and_has_no_flow(reference, rebuilt):
    steps = [
        ([(10.0, 1.0)], [(11.0, 1.0)], True),
        ([(12.0, 2.0)], [], False),
        ([(12.0, 0.0)], [], False),
        ([(10.0, 5.0)], [], False),
        ([(10.0, 6.0)], [], False),
    ]
    messages = [
        reference.Message(snapshot, -1 if snapshot else k + 1, k + 1, k, k * BAR + 1, k * BAR + 1,
                          bids, asks)
        for k, (bids, asks, snapshot) in enumerate(steps)
    ]  # fmt: skip
    fast = rebuilt(messages, FUTURES, until=5 * BAR)
    states = fast.rows("book.book_states")
    assert [row["crossed"] for row in states] == [False, True, False, False, False]
    bars = {row["bar_start"] // BAR: row for row in fast.rows("book.bars_100ms")}
    assert bars[1]["poisoned"]
    assert bars[1]["order_flow_imbalance_level_1"] is None
    assert bars[2]["poisoned"]
    assert not bars[4]["poisoned"]
    assert bars[4]["order_flow_imbalance_level_1"] == 1.0
    # covered throughout, measured while it was not crossed
    shares = [bars[k]["measured_coverage"] for k in range(5)]
    assert shares == pytest.approx([1 - 1e-8, 1e-8, 1 - 1e-8, 1.0, 1.0], abs=1e-12)
    assert [bars[k]["coverage"] for k in range(1, 5)] == [1.0] * 4
    assert bars[1]["spread_mean"] == 1.0


def test_closing_book_opens_the_next_day(market, rebuilt):
    messages = market(8, futures=True)
    cut = 250
    midnight = messages[cut].event // BAR * BAR
    first = [m for m in messages if m.event < midnight]
    second = [m for m in messages if m.event >= midnight]
    whole = rebuilt(messages, FUTURES)
    day_one = rebuilt(first, FUTURES, until=midnight)
    day_two = rebuilt(second, FUTURES, opening=day_one.closing, day_start=midnight,
                      until=messages[-1].event)  # fmt: skip
    together = day_one.rows("book.bars_100ms") + day_two.rows("book.bars_100ms")
    expected = whole.rows("book.bars_100ms")
    # A better price that stood at midnight has no known life: the first second may differ.
    for found, wanted in zip(together, expected, strict=True):
        for side in ("bid_withdrawals", "ask_withdrawals"):
            counts = found.pop(side), wanted.pop(side)
            inside = 0 <= found["bar_start"] - midnight <= 10 * BAR
            assert counts[0] <= counts[1] if inside else counts[0] == counts[1]
    assert together == expected
    assert not day_two.rows("book.bars_100ms")[0]["poisoned"]
    assert day_two.rows("book.book_health")[0]["cause"] == "closing_book"


def test_closing_book_is_dropped_when_the_chain_does_not_reach_over_midnight(market, rebuilt):
    messages = market(8, futures=True)
    midnight = messages[250].event // BAR * BAR
    closing = rebuilt([m for m in messages if m.event < midnight], FUTURES, until=midnight).closing
    late = [m for m in messages if m.event >= midnight][3:]
    day_two = rebuilt(late, FUTURES, opening=closing, day_start=midnight)
    assert day_two.rows("book.book_states") == []
    assert day_two.closing is None
    assert day_two.rows("book.book_health")[-1]["state"] == "waiting"


@pytest.mark.parametrize(("first", "lag", "known"), [
    (8.5, 2, [*[10.5] * 10, 11, 12]),
    (0.25, 0, [*[3.5] * 3, *range(4, 13)]),
])
def test_no_bar_is_available_before_its_closing_book_and_what_proves_it(
    reference, rebuilt, first, lag, known
):
    def message(k, event, lag=0):
        return reference.Message(k == 1, -1 if k == 1 else k, k, -1, event, event + lag,
                                 [(10.0, 1.0 + k)], [(11.0, 1.0)])

    midnight, late = 1_000 * BAR, 4 * BAR
    day_one = rebuilt([message(1, midnight - BAR), message(2, midnight - BAR // 2, late)], SPOT,
                      until=midnight)  # fmt: skip
    assert day_one.closing.available_at == midnight + 3.5 * BAR
    later = [message(3, midnight + int(first * BAR), lag * BAR), message(4, midnight + 9 * BAR)]
    made = rebuilt(later, SPOT, opening=day_one.closing, day_start=midnight,
                   until=midnight + 12 * BAR)  # fmt: skip
    bars = made.rows("book.bars_100ms")
    assert [row["mid_open"] for row in bars] == [10.5] * 12
    assert [(row["available_at"] - midnight) / BAR for row in bars] == known


def test_a_mid_opens_a_bar_at_its_start_alone_and_its_extremes_need_no_end(reference, rebuilt):
    """Bars: begun without a book; whole; its book lost; none; begun with the book's first moment.
    """
    def message(k, bars, ask, *, whole=False):
        event = round(bars * BAR)
        return reference.Message(whole, -1 if whole else k, k, -1, event, event,
                                 [(10.0, 1.0 + k)], [(ask, 1.0)])

    messages = [
        message(1, 0.5, 11.0, whole=True), message(2, 1.5, 11.0), message(3, 2.25, 10.5),
        message(9, 3.5, 10.25),  # some are lost before it
        message(20, 5, 11.0, whole=True), message(21, 6, 11.0),
    ]
    bars = {row["bar_start"] // BAR: row
            for row in rebuilt(messages, SPOT, until=7 * BAR).rows("book.bars_100ms")}
    found = {k: tuple(row[f"mid_{what}"] for what in ("open", "high", "low", "close"))
             for k, row in bars.items()}
    assert found == {
        0: (None, 10.5, 10.5, 10.5), 1: (10.5, 10.5, 10.5, 10.5),
        2: (10.5, 10.5, 10.25, None), 3: (None,) * 4, 5: (10.5, 10.5, 10.5, 10.5),
        6: (10.5, 10.5, 10.5, 10.5),
    }


def test_a_finer_tick_within_the_day(reference, market, rebuilt):
    messages = market(2, futures=True, tick=0.5)
    half = len(messages) // 2
    price = messages[half].bids[0][0] if messages[half].bids else 4000.0
    messages[half] = replace(messages[half], bids=[*messages[half].bids, (price - 0.125, 3.0)])
    slow = _slow(reference, messages, FUTURES)
    _assert_states(rebuilt(messages, FUTURES).rows("book.book_states"), _changes(slow.states))


@pytest.mark.parametrize("lots", [(1.0, 0.001), (0.001, 1.0), (0.1, 1e-8)],
                         ids=["finer", "coarser", "far finer"])
def test_another_lot_within_the_day(reference, market, rebuilt, lots):
    """Of the levels some are still from before: sizes of both lots stand in one book."""
    messages = market(5, futures=True)
    half = len(messages) // 2
    changed = [
        replace(message, **{
            side: [(price, round(size * 8) * lots[k >= half])
                   for price, size in getattr(message, side)]
            for side in ("bids", "asks")
        })
        for k, message in enumerate(messages)
    ]
    slow = _slow(reference, changed, FUTURES)
    fast = rebuilt(changed, FUTURES)
    _assert_states(fast.rows("book.book_states"), _changes(slow.states))
    _assert_flows(fast, slow)
    mixed = [
        state for state in slow.states
        if len({size < max(lots) / 2 for _, size in (*state["bids"], *state["asks"])}) == 2
    ]
    assert len(mixed) > 10


def test_the_market_runs_out_of_the_window(reference, rebuilt):
    messages = [
        reference.Message(True, -1, 1, -1, 1, 1, [(100.0, 1.0)], [(101.0, 1.0)]),
    ]
    for k in range(2, 60):
        low = 100.0 * 1.5 ** (k - 1)
        messages.append(
            reference.Message(
                False,
                k,
                k,
                k - 1,
                k,
                k,
                [(float(round(low)), 1.0)],
                [(price, 0.0) for price, _ in messages[-1].asks if price]
                + [(float(round(low)) + 1.0, 2.0)],
            )
        )
        if low > 1e9:
            break
    slow = _slow(reference, messages, FUTURES)
    _assert_states(rebuilt(messages, FUTURES).rows("book.book_states"), _changes(slow.states))


def test_available_at_never_falls_and_follows_the_snapshot(reference, rebuilt):
    messages = [
        reference.Message(False, 99, 100, 98, 5, 6, [(10.0, 2.0)], []),
        reference.Message(True, -1, 100, -1, 1, 900, [(10.0, 2.0)], [(11.0, 1.0)]),
        reference.Message(False, 101, 102, 100, 7, 8, [(10.0, 3.0)], []),
    ]
    states = rebuilt(messages, FUTURES).rows("book.book_states")
    assert [row["available_at"] for row in states] == [900, 900]


def test_depth_of_the_states_is_a_setting_and_changes_no_bar(market, rebuilt):
    messages = market(4, futures=True)
    ten, fifty = (rebuilt(messages, replace(FUTURES, levels=levels)) for levels in (10, 50))
    deep = fifty.rows("book.book_states")
    assert max(len(row["bid_prices"]) for row in deep) > 20
    by_update = {row["update_id"]: row for row in deep}
    for row in ten.rows("book.book_states"):
        other = by_update[row["update_id"]]
        assert other["bid_prices"][:10] == row["bid_prices"]
        assert other["ask_sizes"][:10] == row["ask_sizes"]
    assert ten.rows("book.bars_100ms") == fifty.rows("book.bars_100ms")
