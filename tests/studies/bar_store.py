"""A store that holds bars of some days."""

import numpy as np
import pyarrow as pa

from imbalance import catalog
from imbalance.tasks import Task


def features(table, day, generator, seconds, instruments=("binance:A", "binance:B"), **more):
    """Bars of instruments, every column filled; `more` gives columns a value a bar."""
    start = np.datetime64(day, "ns").astype(np.int64)
    blanks = {"DOUBLE": 1.0, "BIGINT": 1, "INTEGER": 1, "BOOLEAN": False, "VARCHAR": "",
              "TIMESTAMP_NS": start, "DOUBLE[]": [], "UTINYINT": 0}
    rows = []
    for name in instruments:
        for t in range(seconds):
            begin = int(start) + t * 10**9
            row = {c.name: None if c.nullable else c.allowed[0] if c.allowed else blanks[c.type]
                   for c in table.columns}
            rows.append(row | {
                "instrument": name, "bar_start": begin, "bar_end": begin + 10**9,
                "available_at": begin + 10**9, "valid": True, "poisoned": False,
                "order_flow_imbalance": generator.standard_normal(),
                "return_bps": generator.standard_normal(),
            } | {column: values[t] for column, values in more.items()})
    # What the table has not is left behind.
    return pa.Table.from_pylist(rows, table.arrow_schema())


def write_day(store, day, seed, seconds=900):
    name = "features.bars_1s"
    rows = features(catalog.table(name), day, np.random.default_rng(seed), seconds)
    Task((name,), f"{day}|binance", (), str(seed),
         lambda context: context.writer(name).write(rows)).materialise(store)


def write_derivatives(store, day, instrument, **columns):
    """Derivative bars of one instrument, with a value a bar for each column given."""
    name = "features.derivative_bars_1s"
    seconds = len(next(iter(columns.values())))
    rows = features(catalog.table(name), day, np.random.default_rng(0), seconds, (instrument,),
                    **columns)
    Task((name,), day, (), "1",
         lambda context: context.writer(name).write(rows)).materialise(store)
