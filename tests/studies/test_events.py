"""Events come from valid stretches only, instrument by instrument, day after day."""

import uuid

import numpy as np
import pyarrow as pa
import pytest

from imbalance import catalog
from imbalance.store.home import Home
from imbalance.store.store import Store
from imbalance.studies.events import Events, _outside
from imbalance.tasks import Task

START = 1_723_161_600_000_000_000
SECOND = 1_000_000_000
TRADES, HEALTH, GAPS = "raw.trades", "book.book_health", "book.trade_gaps"
BLANK = {"VARCHAR": "", "BIGINT": 0, "INTEGER": 1, "BOOLEAN": False, "DOUBLE": 1.0,
         "TIMESTAMP_NS": START, "UTINYINT": 0}


def rows(name, given):
    table = catalog.table(name)
    blank = {c.name: (c.allowed[0] if c.allowed else None if c.nullable else BLANK[c.type])
             for c in table.columns}
    return pa.Table.from_pylist([blank | row for row in given], table.arrow_schema())


def trades(instrument, seconds, price):
    return [{"instrument": instrument, "trade_id": i, "event_time": START + int(s * SECOND),
             "price": price + i} for i, s in enumerate(seconds)]


def health(instrument, *stretches):
    return [{"instrument": instrument, "interval": i, "valid_from": START + a * SECOND,
             "valid_to": START + b * SECOND, "state": state}
            for i, (a, b, state) in enumerate(stretches, start=1)]


@pytest.fixture
def store(tmp_path):
    """Two days of one venue; A has a gap from 2 s to 4 s on the first day."""
    store = Store(Home.open(tmp_path / "home", create=True))
    day = 86_400
    contents = {
        "2024-08-09|binance": {
            TRADES: trades("A", [0, 1, 2, 3, 4, 5], 100.0) + trades("B", [1, 2], 10.0),
            HEALTH: health("A", (0, 2, "valid"), (2, 4, "waiting"), (4, 5, "valid"))
            + health("B", (0, 9, "silent")),
        },
        "2024-08-10|binance": {
            TRADES: trades("A", [day + 1], 200.0),
            HEALTH: health("A", (day, day + 9, "valid")),
        },
    }
    for partition, tables in contents.items():
        def build(context, tables=tables):
            for name, given in tables.items():
                context.writer(name).write(rows(name, given))

        Task(tuple(tables), partition, (), "1", build).materialise(store)
    return store


def with_events(store, call):
    """What a task makes of the events."""
    found = []
    inputs = tuple((t, p) for t in (TRADES, HEALTH, GAPS) for p in store.ledger.partitions(t))
    # A version of its own, or the second call would find everything unchanged.
    Task(("studies.families",), "all", inputs, uuid.uuid4().hex,
         lambda context: found.append(call(Events(context, inputs)))).materialise(store)
    return found[0]


def test_events_outside_of_valid_stretches_are_left_out(store):
    read = with_events(store, lambda events: events.read(TRADES, "A", ["price"]))
    seconds = (read["event_time"] - START) // SECOND
    assert seconds.tolist() == [0, 1, 4, 86_401]
    assert read["price"].tolist() == [100.0, 101.0, 104.0, 200.0]


def test_stretches_end_where_trades_are_missing(store):
    """Gaps within a stretch, over its end, over all of another one, and of another instrument."""
    def gaps(context):
        context.writer(GAPS).write(rows(GAPS, [
            {"instrument": name, "gap": k, "missing_from": START + int(a * SECOND),
             "missing_to": START + int(b * SECOND), "cause": "id_hole"}
            for k, (name, a, b) in enumerate(
                [("A", 0.25, 0.5), ("A", 1.5, 3), ("A", 3.5, 9), ("B", 0, 9)], start=1)
        ]))

    Task((GAPS,), "2024-08-09|binance", (), "1", gaps).materialise(store)
    stretches = with_events(store, lambda events: events.stretches("A"))
    assert ((stretches - START) / SECOND).tolist() == [
        [0, 0.25], [0.5, 1.5], [86_400, 86_409]]
    read = with_events(store, lambda events: events.read(TRADES, "A", ["price"]))
    assert read["price"].tolist() == [100.0, 101.0, 200.0]


def test_overlapping_gaps_and_one_without_length():
    cut = [(0, 10), (10, 12), (20, 30)]
    assert _outside(cut, []) == cut
    assert _outside(cut, [(2, 2)]) == [(0, 2), (2, 10), (10, 12), (20, 30)]
    assert _outside(cut, [(1, 8), (2, 3), (7, 11), (25, 40)]) == [(0, 1), (11, 12), (20, 25)]
    assert _outside(cut, [(0, 30)]) == []


def test_an_instrument_without_a_valid_book_has_no_events(store):
    read = with_events(store, lambda events: events.read(TRADES, "B", ["price"]))
    assert {name: len(values) for name, values in read.items()} == {"event_time": 0, "price": 0}


def test_instruments_and_stretches_are_over_all_days(store):
    assert with_events(store, lambda events: events.instruments(TRADES)) == ("A", "B")
    stretches = with_events(store, lambda events: events.stretches("A"))
    assert ((stretches - START) // SECOND).tolist() == [[0, 2], [4, 5], [86_400, 86_409]]
    assert np.array_equal(with_events(store, lambda events: events.stretches("C")),
                          np.empty((0, 2)))
