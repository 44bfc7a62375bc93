"""A store that holds events, and a study run over it."""

import uuid

import numpy as np
import pyarrow as pa

from imbalance import catalog
from imbalance.store.home import Home
from imbalance.store.store import Store
from imbalance.studies.bars import TableBars
from imbalance.studies.events import Events
from imbalance.studies.study import load
from imbalance.studies.study_input import StudyInput
from imbalance.tasks import Task

START = int(np.datetime64("2024-08-08", "ns").astype(np.int64))
DAY = "2024-08-08"
TRADES, STATES, HEALTH = "raw.trades", "book.book_states", "book.book_health"
BLANK = {"VARCHAR": "", "BIGINT": 0, "INTEGER": 1, "BOOLEAN": False, "DOUBLE": 1.0,
         "TIMESTAMP_NS": START, "UTINYINT": 0, "DOUBLE[]": [1.0]}


def rows(name, columns):
    """A table of its schema from some columns of equal length; the others hold a blank value."""
    table = catalog.table(name)
    count = len(next(iter(columns.values())))
    arrays = []
    for column, field in zip(table.columns, table.arrow_schema(), strict=True):
        blank = column.allowed[0] if column.allowed else None if column.nullable else (
            BLANK[column.type])
        arrays.append(pa.array(columns.get(column.name, [blank] * count)).cast(field.type))
    return pa.Table.from_arrays(arrays, schema=table.arrow_schema())


def trades(instrument, times, prices, *, delay=None):
    """Trades at times in ns from the start of the day; received `delay` ns later."""
    when = START + np.asarray(times, np.int64)
    columns = {"instrument": [instrument] * len(when), "trade_id": np.arange(len(when)),
               "price": prices, "size_base": np.ones(len(when)), "event_time": when,
               "available_at": when + 5}
    if delay is not None:
        columns |= {"exchange_time": when, "receive_time": when + delay}
    return rows(TRADES, columns)


def states(instrument, times, mids, **more):
    """States of a book with a spread of 2."""
    when = START + np.asarray(times, np.int64)
    mid = np.asarray(mids, dtype=float)
    return rows(STATES, {
        "instrument": [instrument] * len(when), "sequence": np.arange(len(when)) + 1,
        "event_time": when, "available_at": when + 7,
        "bid_prices": [[p - 1.0] for p in mid], "ask_prices": [[p + 1.0] for p in mid], **more,
    })


def health(instrument, *stretches):
    """Intervals (from, to, state), ns from the start of the day."""
    return rows(HEALTH, {
        "instrument": [instrument] * len(stretches),
        "interval": np.arange(len(stretches)) + 1,
        "valid_from": [START + a for a, _, _ in stretches],
        "valid_to": [START + b for _, b, _ in stretches],
        "state": [state for _, _, state in stretches],
    })


def run_study(directory, study, families, tables, partition=DAY, bars=None):
    """Tables that a study makes of one day of events; `tables` maps names to lists of tables.

    `bars` is a table of bars of whatever size is asked for.
    """
    store = Store(Home.open(directory, create=True))
    if tables:
        Task(tuple(tables), f"{DAY}|binance", (), "1", lambda context: [
            context.writer(name).write(pa.concat_tables(parts)) for name, parts in tables.items()
        ] and None).materialise(store)
    inputs = tuple((name, f"{DAY}|binance") for name in tables)
    made = []

    def build(context):
        given = StudyInput(partition, families, lambda *_: {} if bars is None else TableBars(bars),
                           Events(context, inputs))
        made.append(load(study.build)(given))

    Task(("studies.families",), "all", inputs, uuid.uuid4().hex, build).materialise(store)
    return made[0]
