"""Bars in volume time and event time: when they end, what they hold, what makes them null."""

from functools import cache

import duckdb
import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings

from imbalance.books.health_table import BOOK_HEALTH, TRADE_GAPS
from imbalance.books.tables import BARS_100MS, BOOK_STATES
from imbalance.captures.event_tables import TRADES
from imbalance.features.activity_bars import Inputs, Sizes, compute
from imbalance.features.activity_tables import EVENT_BARS, VOLUME_BARS
from imbalance.features.bars import Queries
from imbalance.features.order_flow import order_flow_events

DAY = 1_723_075_200_000_000_000
SECOND = 1_000_000_000


def table(kind, rows):
    schema = pa.schema([field.with_nullable(True) for field in kind.arrow_schema()])
    return pa.Table.from_pylist([{n: row.get(n) for n in schema.names} for row in rows],
                                schema=schema)


def state(second, bid, bid_size, ask, ask_size, *, start=False, instrument="binance:A", lag=0):
    time = DAY + int(second * SECOND)
    return {
        "instrument": instrument, "event_time": time, "available_at": time + lag,
        "segment_start": start, "crossed": False, "locked": False,
        "bid_prices": [bid] if bid else [], "bid_sizes": [bid_size] if bid else [],
        "ask_prices": [ask] if ask else [], "ask_sizes": [ask_size] if ask else [],
    }


def trade(second, side, price, size, *, kind="trade", instrument="binance:A", lag=0):
    time = DAY + int(second * SECOND)
    return {"instrument": instrument, "kind": kind, "event_time": time, "available_at": time + lag,
            "price": price, "size": size, "size_base": size, "side": side}


def valid(first=0.0, last=86_400.0, *, state="valid", cause="snapshot", instrument="binance:A"):
    return {"instrument": instrument, "valid_from": DAY + int(first * SECOND),
            "valid_to": DAY + int(last * SECOND), "state": state, "cause": cause}


@cache
def queries():
    return Queries(duckdb.connect())


def grid(second, feed="events", *, poisoned=False, known=None, instrument="binance:A"):
    """A bar of 100 ms, by its start; when it is known, s."""
    return {"instrument": instrument, "bar_start": DAY + int(second * SECOND),
            "available_at": DAY + int((second + 0.1 if known is None else known) * SECOND),
            "poisoned": poisoned, "book_feed": feed}


LATE = 0.25
"""A gap is known so many seconds after its end."""


def made(states, tape=(), health=None, *, gaps=(), bars=(), previous=(), rows=65_536, **sizes):
    found = {VOLUME_BARS.name: [], EVENT_BARS.name: []}
    states, trades = table(BOOK_STATES, states), table(TRADES, tape)
    inputs = Inputs(
        states.to_batches(max_chunksize=rows), trades.to_batches(max_chunksize=rows),
        table(BOOK_HEALTH, [valid()] if health is None else health),
        table(TRADE_GAPS, [
            {"instrument": "binance:A", "missing_from": DAY + int(first * SECOND),
             "missing_to": DAY + int(last * SECOND),
             "available_at": DAY + int((last + LATE) * SECOND)} for first, last in gaps]),
        table(BARS_100MS, bars).to_batches(max_chunksize=rows),
        table(TRADES, previous).select(["instrument", "kind", "size_base"]).to_batches(),
    )
    compute(queries(), inputs, Sizes(**sizes), lambda name, part: found[name].append(part))
    return [
        pa.concat_tables([kind.arrow_schema().empty_table(), *found[kind.name]])
        for kind in (VOLUME_BARS, EVENT_BARS)
    ]


def seconds(times):
    return [(t.value - DAY) / SECOND for t in times]


BOOK = (
    state(0, 100.0, 5.0, 101.0, 5.0, start=True),
    state(1, 100.0, 7.0, 101.0, 5.0),  # e = 2
    state(2, 100.5, 1.0, 101.0, 5.0),  # e = 1
    state(3, 100.5, 1.0, 101.5, 4.0),  # e = 5
    state(4, 100.0, 6.0, 101.5, 4.0),  # e = -1
)
TAPE = (
    trade(0.5, "buy", 101.0, 2.0), trade(1.5, "sell", 100.0, 1.0), trade(2.5, "buy", 101.0, 4.0),
    trade(3.5, "buy", 101.5, 1.0),
)


def test_volume_bars_by_hand():
    bars, _ = made(BOOK, TAPE, volumes={"binance:A": 3.0})
    assert seconds(bars["bar_start"]) == [0.5, 1.500000001, 2.500000001]
    assert seconds(bars["bar_end"]) == [1.500000001, 2.500000001, 4.000000001]
    assert bars["complete"].to_pylist() == [True, True, False]
    assert bars["valid"].to_pylist() == [True, True, False]
    assert bars["traded_volume"].to_pylist() == [3.0, 4.0, 1.0]
    assert bars["trade_imbalance"].to_pylist() == [1.0, 4.0, 1.0]
    assert bars["trade_imbalance_normalised"].to_pylist() == [1 / 3, 1.0, 1.0]
    assert bars["vwap"].to_pylist() == [302 / 3, 101.0, 101.5]
    assert bars["order_flow_imbalance"].to_pylist() == [2.0, 1.0, 4.0]
    assert bars["order_flow_imbalance_no_price_change"].to_pylist() == [2.0, 0.0, 0.0]
    assert bars["mid_open"].to_pylist() == [100.5, 100.5, 100.75]
    assert bars["mid_close"].to_pylist() == [100.5, 100.75, 100.75]
    assert bars["mid_high"].to_pylist() == [100.5, 100.75, 101.0]
    assert bars["return_bps"][1].as_py() == pytest.approx(1e4 * np.log(100.75 / 100.5))
    assert bars["spread"].to_pylist() == [1.0, 0.5, 1.5]
    assert bars["coverage"].to_pylist() == [1.0, 1.0, 1.0]


def test_event_bars_by_hand():
    _, bars = made(BOOK, TAPE, book_events=2)
    assert seconds(bars["bar_end"]) == [1.000000001, 3.000000001, 4.000000001]
    assert bars["book_event_count"].to_pylist() == [2, 2, 1]
    assert bars["order_flow_imbalance"].to_pylist() == [2.0, 6.0, -1.0]
    # the first begins before the day's first trade: what was traded in it is not known
    assert bars["traded_volume"].to_pylist() == [None, 5.0, 1.0]
    assert bars["trade_count"].to_pylist() == [None, 2, 1]


def test_bars_that_touch_missing_trades_have_no_trade_measures():
    """Of bars in volume time all is lost: where they end rests on the trades."""
    volume, _ = made(BOOK, TAPE, gaps=[(1.2, 1.4)], volumes={"binance:A": 3.0})
    assert volume["poisoned"].to_pylist() == [True, False, False]
    assert volume["valid"].to_pylist() == [False, True, False]
    assert volume["traded_volume"].to_pylist() == [None, 4.0, 1.0]
    assert volume["order_flow_imbalance"].to_pylist() == [None, 1.0, 4.0]
    _, events = made(BOOK, TAPE, gaps=[(3.2, 3.2)], book_events=2)
    assert events["poisoned"].to_pylist() == [False, False, False]
    assert events["traded_volume"].to_pylist() == [None, 5.0, None]
    assert events["trade_count"].to_pylist() == [None, 2, None]
    assert events["order_flow_imbalance"].to_pylist() == [2.0, 6.0, -1.0]
    # what touches the gap is available when that is known, and what comes after it not before
    _, late = made(BOOK, TAPE, gaps=[(1.0, 4.5 - LATE)], book_events=2)
    assert late["trade_count"].to_pylist() == [None, None, None]
    assert seconds(late["available_at"].to_pylist()) == [4.5, 4.5, 4.5]
    assert seconds(events["available_at"].to_pylist())[1] < 4.0
    # a gap ends with the first trade after it: a bar that begins later has all of them
    _, events = made(BOOK, TAPE, gaps=[(0.2, 1.0)], book_events=2)
    assert events["trade_count"].to_pylist() == [None, 2, 1]


def test_a_bar_takes_all_events_of_the_moment_that_fills_it():
    tape = (trade(1, "buy", 101.0, 5.0), trade(1, "sell", 101.0, 2.0), trade(2, "buy", 101.0, 3.0))
    bars, _ = made(BOOK, tape, volumes={"binance:A": 5.0})
    assert bars["traded_volume"].to_pylist() == [7.0, 3.0]
    assert bars["complete"].to_pylist() == [True, False]


def test_a_size_nobody_gave_is_the_first_bar_s_volume_or_that_of_the_day_before():
    tape = [trade(k + 0.5, "buy", 101.0, 1.0 + (k >= 3)) for k in range(9)]
    bars, _ = made(BOOK, tape, trades=3)
    assert bars["bar_size"].to_pylist() == [None, 3.0, 3.0, 3.0]
    assert bars["traded_volume"].to_pylist() == [3.0, 4.0, 4.0, 4.0]
    before = [trade(-k, "buy", 101.0, 2.0) for k in range(1, 5)]
    aggregate = [trade(-1, "buy", 101.0, 90.0, kind="aggregate_trade")]
    bars, _ = made(BOOK, tape, trades=3, previous=[*aggregate, *before])
    assert bars["bar_size"].to_pylist() == [6.0, 6.0, 6.0]
    bars, _ = made(BOOK, tape, trades=3, previous=before[:2])
    assert bars["bar_size"][0].as_py() is None
    # of a trade of unknown size, the mean is not known, and not what the others come to
    unknown = trade(-5, "buy", 101.0, 2.0) | {"size_base": None}
    for previous in ([*before, unknown], [*aggregate * 3, *before, unknown]):
        bars, _ = made(BOOK, tape, trades=3, previous=previous)
        assert bars["bar_size"].to_pylist() == [None, 3.0, 3.0, 3.0]


def test_a_gap_poisons_the_bars_it_touches_and_no_other():
    book = [state(k, 100.0, 5.0 + k, 101.0, 5.0, start=k in (0, 12)) for k in range(20)]
    for row in book[:12]:  # the price moves while nobody sees it
        row |= {"bid_prices": [90.0], "ask_prices": [91.0]}
    health = [valid(0, 8.5), valid(8.5, 12, state="waiting", cause="sequence_gap"),
              valid(12, 19)]
    _, bars = made(book, (), health, book_events=4)
    assert bars["poisoned"].to_pylist() == [False, False, True, True, False]
    assert bars["order_flow_imbalance"].to_pylist() == [3.0, 4.0, None, None, 4.0]
    assert bars["book_event_count"].to_pylist() == [4, 4, None, None, 4]
    assert bars["mid_close"].to_pylist() == [90.5, 90.5, None, 100.5, 100.5]
    assert bars["mid_open"].to_pylist() == [90.5, 90.5, 90.5, None, 100.5]
    assert bars["mid_low"].to_pylist() == [90.5, 90.5, 90.5, None, 100.5]
    assert bars["coverage"][2].as_py() == pytest.approx(1.5 / 4.0, abs=1e-6)
    assert bars["return_bps"].to_pylist() == [0.0, 0.0, None, None, 0.0]


@pytest.mark.parametrize("odd", [
    state(5, 102.0, 1.0, 101.0, 5.0), state(5, None, 0.0, 101.0, 5.0),
    state(5, 100.0, 5.0, 101.0, 5.0, start=True),
], ids=["crossed", "one-sided", "snapshot"])  # fmt: skip
def test_what_has_no_flow_poisons_its_bar(odd):
    book = [state(k, 100.0, 5.0 + k, 101.0, 5.0, start=k == 0) for k in range(12)]
    book[5] = odd
    _, bars = made(book, book_events=4)
    assert bars["poisoned"].to_pylist() == [False, True, False]
    assert bars["order_flow_imbalance"].to_pylist() == [3.0, None, 4.0]


def test_a_crossed_book_poisons_the_next_bar_too_while_it_lasts():
    book = [state(k, 100.0, 5.0 + k, 101.0, 5.0, start=k == 0) for k in range(12)]
    book[7] = state(7, 102.0, 1.0, 101.0, 5.0)
    _, bars = made(book, book_events=4)
    assert bars["poisoned"].to_pylist() == [False, True, True]


def test_images_of_a_book_have_no_flow_of_events():
    images = [grid(0.1 * k, "images") for k in range(41)]
    other = [grid(1.5, "images", poisoned=True, instrument=name) for name in ("A", "binance:B")]
    _, bars = made(BOOK, TAPE, [valid(cause="image")], bars=[other[0], *images, other[1]],
                   book_events=2)
    assert bars["order_flow_imbalance"].null_count == 3
    assert bars["book_event_count"].to_pylist() == [2, 2, 1]
    assert bars["poisoned"].to_pylist() == [False, False, False]


def test_of_a_day_of_differences_and_images_the_flow_is_null_where_it_was_not_measured():
    bars = [grid(0.1 * k, "events" if k < 28 else "images") for k in range(41)]
    _, bars = made(BOOK, TAPE, bars=bars, book_events=2)
    assert bars["order_flow_imbalance"].to_pylist() == [2.0, None, None]
    assert bars["order_flow_imbalance_no_price_change"].to_pylist() == [2.0, None, None]
    assert bars["return_bps"].null_count == 0
    # that there are images is told by the bar of 100 ms in which a bar ends
    assert seconds(bars["available_at"]) == pytest.approx([1.000000001, 3.1, 4.1], abs=2e-9)
    # one that ends in the 100 ms before the first image has seen none
    _, bars = made(BOOK, TAPE, bars=[grid(1.0), grid(1.1, "images"), grid(3.1)], book_events=2)
    assert bars["order_flow_imbalance"].to_pylist() == [2.0, None, -1.0]


@pytest.mark.parametrize("trades", [4, 1])
def test_a_trade_of_unknown_size_costs_its_bar_and_no_more(trades):
    tape = [trade(k + 0.5, "buy", 101.0, 1.0) for k in range(20)]
    book = [state(k, 100.0, 5.0, 101.0, 5.0 + k, start=k == 0) for k in range(21)]
    for k in (6, 7):
        tape[k] |= {"size_base": None}
    sizes = {"volumes": {"binance:A": 4.0}} if trades == 4 else {"trades": 4}
    bars, _ = made(book, tape, **sizes)
    assert bars["trade_count"].to_pylist() == [4, 5, 4, 4, 3]
    assert bars["traded_volume"].to_pylist() == [4.0, None, 4.0, 4.0, 3.0]
    assert bars["complete"].to_pylist() == [True, False, True, True, False]
    assert bars["valid"].to_pylist() == [True, False, True, True, False]
    assert bars["poisoned"].to_pylist() == [False] * 5
    assert bars["vwap"][1].as_py() is bars["trade_imbalance"][1].as_py() is None
    assert bars["order_flow_imbalance"].to_pylist() == [-3.0, -5.0, -4.0, -4.0, -4.0]
    # of an instrument whose sizes nobody knows there is one bar
    nothing = [row | {"size_base": None} for row in tape]
    bars, _ = made(book, nothing, **sizes)
    assert bars["trade_count"].to_pylist() == [20]
    assert bars["complete"].to_pylist() == [False]


def test_the_first_bar_of_known_volume_tells_the_size():
    tape = [trade(k + 0.5, "buy", 101.0, 1.0) for k in range(12)]
    tape[1] |= {"size_base": None}
    bars, _ = made(BOOK, tape, trades=3)
    assert bars["trade_count"].to_pylist()[:2] == [3, 3]
    assert bars["bar_size"].to_pylist() == [None, None, 3.0, 3.0]


def test_a_trade_without_a_side_leaves_the_sides_of_its_bar_unknown():
    bars, _ = made(BOOK, [*TAPE[:3], trade(3.5, None, 101.0, 1.0)], volumes={"binance:A": 3.0})
    assert bars["buy_volume"].to_pylist() == [2.0, 4.0, None]
    assert bars["traded_volume"].to_pylist() == [3.0, 4.0, 1.0]


def test_without_a_book_volume_bars_are_poisoned_and_without_trades_there_are_none():
    volume, events = made((), TAPE, (), volumes={"binance:A": 3.0})
    assert volume["poisoned"].to_pylist() == [True, True, True]
    assert volume["traded_volume"].null_count == 3
    assert len(events) == 0
    volume, events = made(BOOK, ())
    assert (len(volume), len(events)) == (0, 1)


def random_market(seed, events=400, instrument="binance:A"):
    random = np.random.default_rng(seed)
    times = np.sort(random.integers(0, 4 * events, events)) / 4.0  # several of one moment
    bids = 100.0 + np.cumsum(random.choice([-0.5, 0.0, 0.5], events, p=[0.1, 0.8, 0.1]))
    sizes = random.integers(1, 30, (2, events)).astype(float)
    book = [state(t, b, q, b + 0.5, r, start=k == 0, lag=int(random.integers(0, SECOND)),
                  instrument=instrument)
            for k, (t, b, q, r) in enumerate(zip(times, bids, *sizes, strict=True))]
    tape = [trade(t, side, 100.0, float(size), instrument=instrument)
            for t, side, size in zip(np.sort(random.integers(0, 4 * events, events // 2)) / 4.0,
                                     random.choice(["buy", "sell"], events // 2),
                                     random.integers(1, 9, events // 2), strict=True)]
    return book, tape


def test_bars_hold_all_events_and_each_once():
    book, tape = random_market(3)
    first = next(k for k, row in enumerate(book) if row["event_time"] >= tape[0]["event_time"])
    volume, events = made(book, tape, volumes={"binance:A": 40.0}, book_events=25)
    flow = order_flow_events(*(
        np.array([row[name][0] for row in book])
        for name in ("bid_prices", "bid_sizes", "ask_prices", "ask_sizes")
    ))
    assert sum(events["book_event_count"].to_pylist()) == len(book)
    assert sum(events["order_flow_imbalance"].to_pylist()) == pytest.approx(np.nansum(flow))
    assert sum(volume["order_flow_imbalance"].to_pylist()) == pytest.approx(
        np.nansum(flow[first:]))
    signed = [r["size"] * (1 if r["side"] == "buy" else -1) for r in tape]
    assert sum(volume["trade_imbalance"].to_pylist()) == pytest.approx(sum(signed))
    assert sum(volume["trade_count"].to_pylist()) == len(tape)
    for bars in (volume, events):
        assert bars["bar_start"].to_pylist()[1:] == bars["bar_end"].to_pylist()[:-1]
        assert all(known >= end for known, end in
                   zip(bars["available_at"].to_pylist(), bars["bar_end"].to_pylist(), strict=True))
    full = volume.filter(volume["complete"])["traded_volume"].to_pylist()
    assert all(held >= 40.0 for held in full)


@settings(max_examples=12)
@given(st.integers(0, 10_000), st.integers(1, 60), st.sampled_from([None, 30.0]))
def test_no_cut_of_the_input_changes_a_bar(seed, rows, size):
    book, tape = random_market(seed, 60)
    other, tape_of_other = random_market(seed + 1, 20, "binance:B")
    arguments = {"volumes": {"binance:A": size} if size else {}, "book_events": 7, "trades": 5,
                 "health": [valid(), valid(instrument="binance:B")]}
    # trades stand as they came, whatever the instrument
    book = [*book, *other]
    tape = sorted([*tape, *tape_of_other], key=lambda row: row["event_time"])
    whole, parts = made(book, tape, **arguments), made(book, tape, rows=rows, **arguments)
    assert all(a.equals(b) for a, b in zip(whole, parts, strict=True))
    alone = made(other, tape_of_other, **arguments)
    for bars, of_one in zip(whole, alone, strict=True):
        mine = pc.equal(bars["instrument"], "binance:B")
        assert bars.filter(mine).equals(of_one.combine_chunks())


def test_no_bar_knows_what_comes_after_it():
    book, tape = random_market(5)
    whole = made(book, tape, trades=10, book_events=25)
    moment = book[len(book) // 2]["event_time"]
    part = made([r for r in book if r["event_time"] <= moment],
                [r for r in tape if r["event_time"] <= moment], trades=10, book_events=25)
    for known, later in zip(part, whole, strict=True):
        done = known.filter(known["complete"])
        assert len(done) > 3
        assert done.slice(0, len(done) - 1).equals(later.slice(0, len(done) - 1))


def test_a_clock_that_steps_back_makes_no_bar_end_before_it_starts():
    book = [state(t, 100.0, 5.0 + t, 101.0, 5.0, start=k == 0)
            for k, t in enumerate([0, 3, 2, 1, 4, 5, 6])]
    _, bars = made(book, book_events=2)
    starts, ends = bars["bar_start"].to_pylist(), bars["bar_end"].to_pylist()
    assert all(start < end for start, end in zip(starts, ends, strict=True))
    assert sum(bars["book_event_count"].to_pylist()) == 7
