"""Events made from states and trades, and the study over what is read of them."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from imbalance.simulate.point_processes import simulate_hawkes
from imbalance.store.home import Home
from imbalance.store.store import Store
from imbalance.studies.events import Events
from imbalance.studies.hawkes.book_events import (
    KINDS,
    BookEvents,
    States,
    Trades,
    book_events,
    resolution,
)
from imbalance.studies.hawkes.build import build
from imbalance.studies.hawkes.estimate import NotConvergedError
from imbalance.studies.hawkes.reading import (
    PIECE,
    as_process,
    common_stretches,
    read_book,
    thinned,
    within,
)
from imbalance.studies.hawkes.study import HAWKES, HawkesFamily
from imbalance.studies.hawkes.system import System, SystemRows
from imbalance.studies.rows import Window, schema_of
from imbalance.studies.study_input import StudyInput
from imbalance.tasks import Task
from tests.studies.event_store import DAY, HEALTH, START, STATES, TRADES, health, rows
from tests.studies.event_store import states as book_rows

MS = 1_000_000
SPOT, PERPETUAL = "binance:BTCUSDT", "binance-futures:BTCUSDT"


def states(*rows):
    """(time in ms, bid price, bid size, ask price, ask size[, what]) of successive states."""
    count = len(rows)
    usable = np.array([len(row) < 6 or row[5] != "crossed" for row in rows])
    fresh = np.array([len(row) > 5 and row[5] == "fresh" for row in rows])
    fresh[0] = True
    columns = [np.array([float(row[number]) for row in rows]) for number in range(1, 5)]
    times = np.array([row[0] * MS for row in rows])
    assert len(times) == count
    return States(times, *columns, usable, fresh)


def trades(*rows):
    """(time in ms, size, whether it bought)."""
    return Trades(np.array([row[0] * MS for row in rows], dtype=np.int64),
                  np.array([float(row[1]) for row in rows]),
                  np.array([row[2] for row in rows], dtype=bool))


def named(events):
    order = np.lexsort((events.kinds, events.stamps))
    return [(int(events.stamps[i]) // MS, KINDS[events.kinds[i]]) for i in order]


def test_each_kind_of_event_is_told_from_the_others():
    book = states(
        (0, 100, 5, 101, 5),
        (10, 100, 7, 101, 5),   # bid grows
        (20, 100, 7, 101, 9),   # ask grows
        (30, 100, 6, 101, 9),   # bid shrinks
        (40, 100, 6, 101, 8),   # ask shrinks
        (50, 101, 2, 102, 3),   # both prices up
        (60, 100, 2, 102, 3),   # bid falls: mid down
        (70, 99, 2, 103, 3),    # spread widens, mid stays: not counted
    )
    assert named(book_events(book, trades(), 100 * MS)) == [
        (10, "limit_bid"), (20, "limit_ask"), (30, "cancel_bid"), (40, "cancel_ask"),
        (50, "price_up"), (60, "price_down"),
    ]


def test_what_was_traded_is_neither_cancelled_nor_missed():
    book = states((0, 100, 5, 101, 5), (10, 100, 5, 101, 3), (20, 100, 5, 101, 3),
                  (30, 100, 4, 101, 3))
    # 2 bought and gone; 1 bought and put back by a limit order; 0.25 of 1 gone was sold.
    done = trades((4, 1.5, True), (4, 0.5, True), (12, 1, True), (28, 0.25, False))
    assert named(book_events(book, done, 100 * MS)) == [
        (4, "trade_ask"), (12, "trade_ask"), (20, "limit_ask"), (28, "trade_bid"),
        (30, "cancel_bid"),
    ]


def test_trades_that_move_the_price_are_part_of_the_move():
    book = states((0, 100, 5, 101, 5), (10, 101, 1, 102, 5), (20, 101, 2, 102, 5))
    done = trades((9, 5, True), (10, 1, True), (15, 0.5, False), (25, 1, True))
    # The trade at 25 ms leads to no state that is known.
    assert named(book_events(book, done, 100 * MS)) == [
        (10, "price_up"), (15, "trade_bid"), (20, "limit_bid")]


def test_a_mid_that_moves_by_rounding_alone_has_not_moved():
    """Both sides step away from each other by a tick: 0.1 + 0.7 is not 0.2 + 0.6 in binary."""
    book = states((0, 0.2, 5, 0.6, 5), (10, 0.1, 5, 0.7, 5), (20, 0.2, 5, 0.6, 5))
    assert 0.1 + 0.7 != 0.2 + 0.6
    assert named(book_events(book, trades(), 100 * MS)) == []
    small = states((0, 1e-8, 5, 2e-8, 5), (10, 1e-8, 5, 3e-8, 5))
    assert named(book_events(small, trades(), 100 * MS)) == [(10, "price_up")]


def test_a_trade_of_unknown_side_is_no_sale_and_no_cancellation():
    book = states((0, 100, 5, 101, 5), (10, 100, 5, 101, 4), (20, 100, 4, 101, 4),
                  (30, 101, 4, 102, 4), (40, 101, 4, 102, 3))
    done = trades((5, 1, True))
    unsigned = np.array([6, 25]) * MS
    found = book_events(book, replace(done, unsigned=unsigned), 100 * MS)
    # What became of the ask at 10 ms cannot be said; the price has risen whoever traded.
    assert named(found) == [(5, "trade_ask"), (20, "cancel_bid"), (30, "price_up"),
                            (40, "cancel_ask")]
    assert named(book_events(book, replace(done, unsigned=np.array([15 * MS])), 100 * MS)) == [
        (5, "trade_ask"), (30, "price_up"), (40, "cancel_ask")]


def test_states_of_one_stamp_share_the_time_since_the_one_before_it():
    book = states((0, 100, 5, 101, 5), (10, 100, 6, 101, 5), (10, 100, 7, 101, 5),
                  (10, 100, 8, 101, 5), (25, 100, 9, 101, 5))
    found = book_events(book, trades(), 100 * MS)
    assert (found.earliest // MS).tolist() == [0, 0, 0, 10]
    assert (found.latest // MS).tolist() == [10, 10, 10, 25]
    drawn = as_process(found, found.kinds, 8, np.array([[0, 100 * MS]]), 1, PIECE)
    assert len(np.unique(drawn.times)) == 4


def recorded(directory, kinds, sides, delay):
    """What is read of a book whose ask is bought away by a unit a second, for four seconds."""
    second = 1_000 * MS
    times = np.arange(1, 6) * second
    made = []
    when = START + np.tile(times[:-1] + second // 2, len(kinds))
    tables = {
        TRADES: rows(TRADES, {
            "instrument": [SPOT] * len(when), "kind": np.repeat(kinds, 4),
            "trade_id": np.arange(len(when)), "event_time": when, "available_at": when + delay,
            "side": sides * len(kinds), "size_base": np.ones(len(when))}),
        STATES: book_rows(SPOT, times, [100.0] * 5, bid_sizes=[[9.0]] * 5,
                          ask_sizes=[[9.0 - n] for n in range(5)]),
        HEALTH: health(SPOT, (0, 10 * second, "valid")),
    }
    store = Store(Home.open(directory, create=True))
    partition = f"{DAY}|binance"
    Task(tuple(tables), partition, (), "1", lambda context: [
        context.writer(name).write(of) for name, of in tables.items()] and None).materialise(store)
    inputs = tuple((name, partition) for name in tables)
    Task(("studies.families",), "all", inputs, "1", lambda context: made.append(
        read_book(Events(context, inputs), SPOT, 100 * MS))).materialise(store)
    return np.bincount(made[0].events.kinds, minlength=8).tolist(), made[0].available_at - START


def test_what_is_read_of_trades(tmp_path):
    bought = [4, 0, 0, 0, 0, 0, 0, 0]
    assert recorded(tmp_path / "a", ["trade"], ["buy"] * 4, 5) == (bought, 5_000 * MS + 7)
    # Aggregates of the same trades are not traded again.
    both = recorded(tmp_path / "b", ["trade", "aggregate_trade"], ["buy"] * 4, 5)
    assert both == (bought, 5_000 * MS + 7)
    alone = recorded(tmp_path / "c", ["aggregate_trade"], ["buy"] * 4, 60_000 * MS)
    assert alone == (bought, 64_500 * MS)
    # Half of them without a side: neither sold nor cancelled.
    counts, _ = recorded(tmp_path / "d", ["trade"], ["buy", None, "buy", None], 5)
    assert counts == [2, 0, 0, 0, 0, 0, 0, 0]


def test_nothing_leads_into_a_segment_or_through_a_crossed_book():
    book = states((0, 100, 5, 101, 5), (10, 100, 9, 101, 5, "fresh"), (20, 103, 9, 101, 5,
                  "crossed"), (30, 100, 9, 101, 5), (40, 100, 9, 101, 7))
    assert named(book_events(book, trades((5, 1, True)), 100 * MS)) == [(40, "limit_ask")]


def test_stamps_leave_open_what_the_feed_and_their_unit_do():
    book = states((0, 100, 5, 101, 5), (30, 100, 6, 101, 5), (500, 100, 7, 101, 5))
    found = book_events(book, trades((20, 1, False)), 100 * MS)
    bounds = {int(stamp) // MS: (int(low) // MS, int(high) // MS) for stamp, low, high
              in zip(found.stamps, found.earliest, found.latest, strict=True)}
    assert bounds == {30: (0, 30), 500: (400, 500), 20: (20, 21)}
    assert resolution(np.array([1_000, 23_000])) == 1_000
    assert resolution(np.array([5 * MS, 7 * MS])) == MS
    assert resolution(np.array([3, 10])) == 1
    # Of the bid that was sold at 20 ms one unit came back, and one more was put there.
    assert np.bincount(found.kinds, minlength=8).tolist() == [0, 1, 0, 2, 0, 0, 0, 0]


def test_random_times_stay_within_their_units():
    book = states(*((10 * n, 100, 5 + n % 2, 101, 5) for n in range(200)))
    found = book_events(book, trades(), 100 * MS)
    stretches = np.array([[0, 2_000 * MS]])
    drawn = as_process(found, found.kinds, 8, stretches, 1, PIECE)
    stamped = as_process(found, found.kinds, 8, stretches, None, PIECE)
    assert len(drawn.times) == len(stamped.times) == 199
    np.testing.assert_allclose(stamped.times, np.arange(1, 200) / 100)
    assert (stamped.times - drawn.times > 0).all()
    assert (stamped.times - drawn.times <= 0.01).all()
    other = as_process(found, found.kinds, 8, stretches, 2, PIECE)
    assert not np.allclose(drawn.times, other.times)


def test_the_clock_of_a_process_does_not_go_over_years():
    hour = 3_600_000 * MS
    year = 8_766 * hour
    begins = np.array([0, 20 * hour, year, 2 * year])
    stretches = np.column_stack([begins, begins + hour])
    stamps = np.concatenate([[-5], begins + 6 * MS, [year - 9, 2 * year + 9]])
    found = BookEvents(stamps, stamps - 1, stamps, np.zeros(len(stamps), dtype=np.int64))
    events = as_process(found, found.kinds, 1, stretches, None, PIECE)
    # 19 hours count as they are, years as an hour; what is in no stretch is left out.
    np.testing.assert_allclose(events.begins, [0.0, 72_000.0, 79_200.0, 86_400.0])
    np.testing.assert_allclose(events.ends, events.begins + 3_600.0)
    np.testing.assert_allclose(
        events.times, np.sort(np.append(events.begins + 0.006, 86_400.0 + 9e-9)))


def test_stretches_are_cut_and_thinned():
    one, other = np.array([[0, 10], [20, 30]]), np.array([[5, 25], [29, 40]])
    assert common_stretches(one, other).tolist() == [[5, 10], [20, 25], [29, 30]]
    hour = 3_600_000_000_000
    stretches = np.array([[0, 4 * hour]])
    stamps = np.linspace(0, 4 * hour - 1, 8_000).astype(np.int64)
    assert (thinned(stretches, stamps, 8_000) == stretches).all()
    half = thinned(stretches, stamps, 4_000)
    assert half.shape == (4, 2)
    assert int(within(stamps, half).sum()) == pytest.approx(4_000, abs=10)


def test_a_short_window_of_many_events_is_thinned_to_shorter_pieces():
    hour = 3_600_000_000_000
    stamps = np.linspace(0, hour - 1, 60_000).astype(np.int64)
    for most in (20_000, 10_000, 1_000):
        found = thinned(np.array([[0, hour]]), stamps, most)
        assert 0.5 * most < within(stamps, found).sum() < 1.5 * most


WINDOW = Window("day", "events", 0, 10**12, 10**12)


def family(**changes):
    return HawkesFamily(**({"name": "book_events", "question": "Which?", "bar_sizes": (),
                            "kernels": ("exponential",), "decays": (2.0, 0.7)} | changes))


def planted(seed=0, duration=3_000.0):
    """Two kinds: the first calls forth itself and the second, which calls forth nothing."""
    norms = np.array([[[0.4], [0.0]], [[0.5], [0.0]]])
    return simulate_hawkes(np.array([[0.5], [0.2]]), norms, np.array([1.2]), duration,
                           np.random.default_rng(seed))


def test_planted_branching_becomes_rows():
    times, kinds = planted()
    stamps = (times * 1e9).astype(np.int64)
    events = BookEvents(stamps, stamps, stamps + 1, kinds)
    system = System(SPOT, (*_kinds("price_up"), *_kinds("price_down")), events,
                    np.array([[0, 3_000 * 10**9]]))
    rows = list(SystemRows(system, family(), WINDOW).rows())
    for row in rows:
        if row["estimator"] == "spectral_radius":
            assert row["interval_low"] < 0.4 < row["interval_high"]
    constant = [r for r in rows if r["baseline"] == "constant" and r["stamps"] == "randomised"]
    found = {(r["measure_x"], r["measure_y"]): r for r in constant if r["estimator"] == "branching"}
    assert abs(found["price_up", "price_down"]["estimate"] - 0.5) < 0.12
    assert found["price_up", "price_down"]["p_value"] < 1e-6
    assert found["price_down", "price_up"]["p_value"] > 0.01
    shares = {r["measure_y"]: r for r in constant if r["estimator"] == "exogenous_share"}
    # 0.5/0.6 a second of itself: rates 0.8333 and 0.2 + 0.5 · 0.8333.
    assert shares["price_up"]["interval_low"] < 0.6 < shares["price_up"]["interval_high"]
    low, high = (shares["price_down"][f"interval_{end}"] for end in ("low", "high"))
    assert low < 0.2 / 0.6167 < high
    tests = [r for r in constant if r["estimator"].startswith("residual")]
    assert len(tests) == 4
    assert min(r["p_value"] for r in tests) > 0.001
    assert {r["estimator"] for r in rows if r["estimator"].startswith("stamp")} == {"stamp_spread"}
    assert [r["stamps"] for r in rows].count("as_recorded") == 1


def test_where_the_quick_search_gives_up_the_slow_one_is_tried(monkeypatch):
    times, kinds = planted()
    stamps = (times * 1e9).astype(np.int64)
    system = System(SPOT, (*_kinds("price_up"), *_kinds("price_down")),
                    BookEvents(stamps, stamps, stamps + 1, kinds),
                    np.array([[0, 3_000 * 10**9]]))

    def radii():
        rows = SystemRows(system, family(baselines=("constant",), randomisations=1), WINDOW).rows()
        return {row["stamps"]: row for row in rows if row["estimator"] == "spectral_radius"}

    quick = radii()["randomised"]
    assert json.loads(quick["parameters"])["method"] == "L-BFGS-B"

    def gives_up(*_, **__):
        raise NotConvergedError("no")

    monkeypatch.setattr("imbalance.studies.hawkes.system.maximise", gives_up)
    slow = radii()["randomised"]
    assert json.loads(slow["parameters"])["method"] == "expectation and maximisation"
    # It ends where a step adds 1e-8 an event to the likelihood: near by what can be known.
    assert abs(slow["estimate"] - quick["estimate"]) < 0.2 * quick["standard_error"] < 0.01
    assert slow["standard_error"] == pytest.approx(quick["standard_error"], rel=0.05)
    monkeypatch.setattr("imbalance.studies.hawkes.system.MOST_STEPS", 2)
    assert {row["reason"] for row in radii().values()} == {"not_converged"}


def _kinds(name):
    from imbalance.studies.hawkes.system import Kind

    return (Kind(SPOT, name),)


class Book:
    """The reader of events over a made book: two instruments whose price follows a process."""

    def __init__(self, counts):
        self._counts = counts

    def instruments(self, table):
        return tuple(sorted(self._counts))

    def stretches(self, instrument):
        return np.array([[0, 4_000 * 10**9]], dtype=np.int64)

    def batches(self, table, instrument, columns):
        times, kinds = planted(1)
        count = self._counts[instrument]
        if not count:
            return
        stamps = (times[:count] * 1e9).astype(np.int64)
        price = 100.0 + np.cumsum(np.where(kinds[:count] == 0, 0.5, -0.5))
        yield pa.table({
            "event_time": pa.array(stamps, pa.timestamp("ns")),
            "available_at": pa.array(stamps + 5, pa.timestamp("ns")),
            "segment_start": np.arange(count) == 0, "crossed": np.zeros(count, dtype=bool),
            "bid_prices": [[p] for p in price], "ask_prices": [[p + 1.0] for p in price],
            "bid_sizes": [[1.0]] * count, "ask_sizes": [[1.0]] * count,
        })

    def read(self, table, instrument, columns):
        return {name: np.empty(0, np.int64) for name in ("event_time", *columns)}


def study(counts, **changes):
    given = StudyInput("2024-08-08", [family(**changes)], lambda *_: {}, Book(counts))
    (table,) = build(given).values()
    assert table.schema.equals(schema_of(HAWKES))
    rows = table.to_pylist()
    keys = [tuple(row[part] for part in HAWKES.key) for row in rows]
    assert len(set(keys)) == len(keys)
    assert all((row["estimate"] is None) == (row["reason"] is not None) for row in rows)
    return rows


def test_books_and_price_moves_across_them_are_studied():
    rows = study({SPOT: 1_800, PERPETUAL: 1_500}, baselines=("constant",), randomisations=1)
    models = {row["model"] for row in rows}
    assert models == {SPOT, PERPETUAL, f"across:{PERPETUAL},{SPOT}"}
    own = [r for r in rows if r["model"] == SPOT and r["estimator"] == "branching"]
    assert {(r["measure_x"], r["measure_y"]) for r in own} == {
        (x, y) for x in ("price_up", "price_down") for y in ("price_up", "price_down")}
    across = [r for r in rows if r["model"].startswith("across") and r["estimator"] == "branching"]
    assert len(across) == 16
    assert all(r["bar_size"] == "events" and r["q_value"] is not None for r in across)
    assert {r["n"] for r in own} == {1_799}
    assert max(r["available_at"].value for r in rows) > max(r["window_from"].value for r in rows)


def test_of_many_instruments_those_with_the_most_events_are_one_system():
    quiet = "binance-delivery:BTCUSD_PERP"
    rows = study({SPOT: 1_800, PERPETUAL: 1_500, quiet: 1_200}, systems=("across",),
                 most_instruments=2, baselines=("constant",), randomisations=1)
    refused = {row["model"]: row["reason"] for row in rows if row["reason"] is not None}
    assert refused == {f"across:{quiet}": "too_many_instruments"}
    assert {row["model"] for row in rows} - {*refused} == {f"across:{PERPETUAL},{SPOT}"}


@pytest.mark.parametrize(
    ("counts", "reason"),
    [({}, "no_events"), ({SPOT: 0}, "no_events"), ({SPOT: 600}, "too_few_events")],
)
def test_what_cannot_be_studied_says_why(counts, reason):
    assert {row["reason"] for row in study(counts)} == {reason}
