"""Sides of trades whose venue does not say who the aggressor was.

Trade by trade: where a feed shows single orders, by the two that met (`books.order_matching`); else
by the rule of Lee and Ready (1991): above the mid as known before the trade a buyer paid, below it
a seller did, at the mid the last change of price tells. Bar by bar by bulk volume classification
(Easley, López de Prado, O'Hara 2012): the bought share of a bar's volume is Φ(r/σ).
A venue's own word is never replaced. The query is `sql/features/classified_trades.sql`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from imbalance.books.order_matching import UNITS, WITHIN, clusters, events_of, pairs, trades_of
from imbalance.books.tables import BOOK_STATES
from imbalance.captures.event_tables import ORDERS, QUOTES, TRADES
from imbalance.features.columns import FEED_SILENCE
from imbalance.features.side_tables import CLASSIFIED
from imbalance.kernels import jit

if TYPE_CHECKING:
    from imbalance.features.bars import Queries

TRADE_COLUMNS = ("instrument", "kind", "trade_id", "trade_key", "event_time", "available_at",
                 "side", "price", "size", "size_base", "capture_id", "line")
STATE_COLUMNS = ("instrument", "sequence", "available_at", "bid_prices", "ask_prices")
QUOTE_COLUMNS = ("instrument", "available_at", "line", "bid_price", "ask_price")
ORDER_COLUMNS = ("instrument", "action", "order_key", "book_side", "price", "size",
                 "available_at")

Floats = NDArray[np.float64]


class Sideless:
    """Passes trades on and notes the instruments of those without a side."""

    def __init__(self) -> None:
        self.instruments: set[str] = set()

    def watch(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same batches."""
        for batch in batches:
            side = batch.column("side")
            if side.null_count:
                without = batch.column("instrument").filter(pc.is_null(side))
                self.instruments.update(without.unique().to_pylist())
            yield batch


def classified(
    queries: Queries,
    instruments: set[str],
    trades: Iterable[pa.RecordBatch],
    states: Iterable[pa.RecordBatch],
    quotes: Iterable[pa.RecordBatch],
    orders: Iterable[pa.RecordBatch],
) -> pa.Table:
    """Rows of features.classified_trades: the trades of some instruments that have no side.

    Parameters
    ----------
    instruments : those with such trades; without any, nothing is read.
    trades, states, quotes, orders : rows of raw.trades, book.book_states, raw.quotes and
        raw.orders with the columns named above.
    """
    if not instruments:
        return CLASSIFIED.arrow_schema().empty_table()
    mine = pa.array(sorted(instruments), pa.string())
    matched, settled, shown = _matched(
        _rows(orders, ORDERS.arrow_schema(), ORDER_COLUMNS, mine).read_all())
    return queries.run(
        "classified_trades", {"oldest": FEED_SILENCE, "within": WITHIN},
        trades=_rows(trades, TRADES.arrow_schema(), TRADE_COLUMNS, mine),
        states=_rows(states, BOOK_STATES.arrow_schema(), STATE_COLUMNS, mine),
        quotes=_rows(quotes, QUOTES.arrow_schema(), QUOTE_COLUMNS, mine),
        matched=matched, settled=settled, shown=shown,
    )


_MATCHED = pa.schema([
    ("instrument", pa.string()), ("sequence", pa.int64()), ("told_at", pa.timestamp("ns")),
    ("price", pa.float64()), ("size", pa.float64()), ("book_side", pa.string()),
])  # fmt: skip
_SETTLED = pa.schema([
    ("instrument", pa.string()), ("size", pa.float64()), ("told_from", pa.timestamp("ns")),
    ("settled_at", pa.timestamp("ns")),
])  # fmt: skip


def _matched(orders: pa.Table) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Pairs of orders that met: the maker's book side, and when both were told; from when on the
    fills among which they were found were told, and when it was settled which belong together; and
    the instruments whose orders are shown.
    """
    found, settled = [_MATCHED.empty_table()], [_SETTLED.empty_table()]
    names = orders.column("instrument").unique()
    for name in names.to_pylist():
        events = events_of(orders.filter(pc.equal(orders.column("instrument"), name)))
        met = trades_of(events, *pairs(events))
        found.append(pa.table([
            pa.repeat(name, len(met.time)), np.arange(len(met.time)),
            pa.array(met.known).cast(pa.timestamp("ns")), met.price, met.size / UNITS,
            pa.array(["ask", "bid"]).take(pa.array(met.side)),
        ], schema=_MATCHED))  # fmt: skip
        size, first, last = clusters(events)
        settled.append(pa.table([
            pa.repeat(name, len(size)), size / UNITS, pa.array(first).cast(pa.timestamp("ns")),
            pa.array(last + WITHIN).cast(pa.timestamp("ns")),
        ], schema=_SETTLED))  # fmt: skip
    return pa.concat_tables(found), pa.concat_tables(settled), pa.table({"instrument": names})


def _rows(
    batches: Iterable[pa.RecordBatch], whole: pa.Schema, columns: tuple[str, ...],
    instruments: pa.Array,
) -> pa.RecordBatchReader:  # fmt: skip
    schema = pa.schema([whole.field(name).with_nullable(True) for name in columns])

    def chosen() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = batch.cast(schema)
            yield rows.filter(pc.is_in(rows.column("instrument"), value_set=instruments))

    return pa.RecordBatchReader.from_batches(schema, chosen())


def bulk_volume(volume: Floats, scaled_return: Floats) -> Floats:
    """The bought part of each bar's volume by bulk volume classification; of −r/σ the sold one.

    Parameters
    ----------
    volume : array, shape (n,)
        Volume of the bars.
    scaled_return : array, shape (n,)
        r/σ, the return of the bar by the standard deviation of those before it.

    Returns
    -------
    array, shape (n,)
        V·Φ(r/σ); NaN where either is.
    """
    return volume * _normal_distribution(np.ascontiguousarray(scaled_return, np.float64))


@jit
def _normal_distribution(values: Floats) -> Floats:
    found = np.empty_like(values)
    for i in range(len(values)):
        found[i] = 0.5 * math.erfc(-values[i] / math.sqrt(2.0))
    return found
