"""All feature tables of a day and venue: what is read, in what pieces it is worked on, its version.

Two ways in: `build_bars` within a task, from and to partition files; `bars_in_memory` from Arrow
tables to Arrow tables. Not here: what a bar is made of (`bars`).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from imbalance.beside import ahead
from imbalance.books.health_table import TRADE_GAPS
from imbalance.books.tables import BARS_100MS, BOOK_STATES
from imbalance.books.withdrawals import LIFE
from imbalance.captures.event_tables import ORDERS, QUOTES, TRADES
from imbalance.contracts import Table
from imbalance.features import sides
from imbalance.features.columns import FEED_SILENCE
from imbalance.features.made import Made
from imbalance.features.side_tables import CLASSIFIED
from imbalance.features.stretches import (
    BAR,
    Cut,
    Gaps,
    Key,
    a_bar_later,
    cut,
    runs,
    together,
)
from imbalance.features.tables import MOMENTS, TABLES
from imbalance.features.version import version_of
from imbalance.store.texts import with_dictionaries

if TYPE_CHECKING:
    import duckdb

    from imbalance.features.bars import Feed, Queries
    from imbalance.features.chains import States
    from imbalance.store.task import TaskContext

FEATURE_OUTPUTS = tuple(table.name for table in TABLES)
"""Tables which `build_bars` writes."""

_TRADE_COLUMNS = ("instrument", "kind", "event_time", "available_at", "side", "price", "size_base")
_QUOTE_COLUMNS = ("instrument", "event_time", "available_at")
_LAST_COLUMNS = ("instrument", "event_time")
_GAP_COLUMNS = ("instrument", "missing_from", "missing_to", "available_at")
_LIFE_COLUMNS = ("instrument", "action", "order_key", "size", "event_time", "available_at")
_STATE_COLUMNS = (
    "instrument", "bar_start", "available_at", "poisoned",
    "bid_price", "bid_size", "ask_price", "ask_size",
)
_QUERIES = (
    "trades_100ms", "quotes_100ms", "last_messages", "classified_trades", "inferred_100ms",
    "fleeting_100ms", "bars_100ms", "coarser_bars", "measures",
)
_MODULES = ("bars", "build", "chains", "integrated", "microprice", "rows", "sides",
            "stretches", "trailing", "../books/order_matching")


@cache
def definition_version() -> str:
    """Version of the computation: changes with the registry, a query or the code of a measure."""
    return version_of(TABLES, _QUERIES, _MODULES)


def feature_inputs(day: str, venue: str) -> list[tuple[str, str]]:
    """(table, partition) pairs which `build_bars` reads, those of the previous day included."""
    partition, previous = f"{day}|{venue}", previous_partition(day, venue)
    return [
        (BARS_100MS.name, partition),
        (TRADES.name, partition),
        (QUOTES.name, partition),
        (BOOK_STATES.name, partition),
        (ORDERS.name, partition),
        (TRADE_GAPS.name, partition),
        (BARS_100MS.name, previous),
        (TRADES.name, previous),
        (QUOTES.name, previous),
        (MOMENTS.name, previous),
    ]


def previous_partition(day: str, venue: str) -> str:
    """Partition of a venue's day before."""
    before = datetime.date.fromisoformat(day) - datetime.timedelta(days=1)
    return f"{before.isoformat()}|{venue}"


@dataclass(frozen=True)
class Inputs:
    """What the bars of one day and venue are made from.

    `book` is in the order of instrument and bar. The previous day's tables may be empty.
    `whole_trades` to `orders` are read only where trades have no side: by them one is found.
    """

    book: Iterable[pa.RecordBatch]
    trades: Iterable[pa.RecordBatch]
    quotes: Iterable[pa.RecordBatch]
    previous_trades: Iterable[pa.RecordBatch] = ()
    previous_quotes: Iterable[pa.RecordBatch] = ()
    previous_states: pa.Table = field(
        default_factory=lambda: _schema(BARS_100MS, _STATE_COLUMNS).empty_table()
    )
    previous_moments: pa.Table = field(default_factory=lambda: _schema(MOMENTS).empty_table())
    whole_trades: Iterable[pa.RecordBatch] = ()
    best_states: Iterable[pa.RecordBatch] = ()
    best_quotes: Iterable[pa.RecordBatch] = ()
    orders: Iterable[pa.RecordBatch] = ()
    order_lives: Iterable[pa.RecordBatch] = ()
    trade_gaps: pa.Table = field(
        default_factory=lambda: _schema(TRADE_GAPS, _GAP_COLUMNS).empty_table()
    )


def build_bars(ctx: TaskContext, day: str, venue: str) -> dict[str, Any]:
    """Write every feature table of a day and venue.

    Parameters
    ----------
    ctx : the task, with the inputs of `feature_inputs` and the outputs `FEATURE_OUTPUTS`.

    Returns
    -------
    dict
        `instruments`; `coverage`: mean coverage of the 100 ms bars by instrument; `poisoned`: how
        many of them are poisoned by instrument.
    """
    partition, previous = f"{day}|{venue}", previous_partition(day, venue)
    inputs = Inputs(
        book=ctx.batches(BARS_100MS.name, partition),
        trades=ctx.batches(TRADES.name, partition, _TRADE_COLUMNS, dictionaries=True),
        quotes=ctx.batches(QUOTES.name, partition, _QUOTE_COLUMNS, dictionaries=True),
        previous_trades=ctx.batches(TRADES.name, previous, _LAST_COLUMNS, dictionaries=True),
        previous_quotes=ctx.batches(QUOTES.name, previous, _LAST_COLUMNS, dictionaries=True),
        previous_states=ctx.read(BARS_100MS.name, previous, _STATE_COLUMNS),
        previous_moments=ctx.read(MOMENTS.name, previous),
        whole_trades=ctx.batches(TRADES.name, partition, sides.TRADE_COLUMNS),
        best_states=ctx.batches(BOOK_STATES.name, partition, sides.STATE_COLUMNS),
        best_quotes=ctx.batches(QUOTES.name, partition, sides.QUOTE_COLUMNS),
        orders=ctx.batches(ORDERS.name, partition, sides.ORDER_COLUMNS),
        order_lives=ctx.batches(ORDERS.name, partition, _LIFE_COLUMNS),
        trade_gaps=ctx.read(TRADE_GAPS.name, partition, _GAP_COLUMNS),
    )
    return compute(ctx.connect(), inputs, lambda name, rows: ctx.writer(name).write(rows))


def bars_in_memory(
    book: pa.Table,
    trades: pa.Table,
    quotes: pa.Table,
    *,
    states: pa.Table | None = None,
    orders: pa.Table | None = None,
    trade_gaps: pa.Table | None = None,
    previous_trades: pa.Table | None = None,
    previous_quotes: pa.Table | None = None,
    previous_states: pa.Table | None = None,
    previous_moments: pa.Table | None = None,
) -> dict[str, pa.Table]:
    """Every feature table of one day and venue from tables in memory, without files.

    Parameters
    ----------
    book, trades, quotes : rows of book.bars_100ms (by instrument and bar), raw.trades, raw.quotes.
    states : rows of book.book_states, by which trades without a side find one.
    orders : rows of raw.orders.
    trade_gaps : rows of book.trade_gaps.
    previous_trades, previous_quotes, previous_states, previous_moments : the previous day's
        raw.trades, raw.quotes, book.bars_100ms and features.order_flow_moments.
    """
    import duckdb

    more: dict[str, Any] = {}
    if trade_gaps is not None:
        more["trade_gaps"] = trade_gaps.select(_GAP_COLUMNS)
    if previous_trades is not None:
        more["previous_trades"] = previous_trades.select(_LAST_COLUMNS).to_batches()
    if previous_quotes is not None:
        more["previous_quotes"] = previous_quotes.select(_LAST_COLUMNS).to_batches()
    if previous_states is not None:
        more["previous_states"] = previous_states
    if previous_moments is not None:
        more["previous_moments"] = previous_moments
    inputs = Inputs(
        book.to_batches(),
        trades.select(_TRADE_COLUMNS).to_batches(),
        quotes.select(_QUOTE_COLUMNS).to_batches(),
        **more,
        whole_trades=trades.select(sides.TRADE_COLUMNS).to_batches(),
        best_states=() if states is None else states.select(sides.STATE_COLUMNS).to_batches(),
        best_quotes=quotes.select(sides.QUOTE_COLUMNS).to_batches(),
        orders=() if orders is None else orders.select(sides.ORDER_COLUMNS).to_batches(),
        order_lives=() if orders is None else orders.select(_LIFE_COLUMNS).to_batches(),
    )
    made: dict[str, list[pa.Table]] = {name: [] for name in FEATURE_OUTPUTS}
    with duckdb.connect() as connection:
        compute(connection, inputs, lambda name, rows: made[name].append(rows))
    return {
        table.name: pa.concat_tables([table.arrow_schema().empty_table(), *made[table.name]])
        for table in TABLES
    }


def compute(
    connection: duckdb.DuckDBPyConnection,
    inputs: Inputs,
    write: Callable[[str, pa.Table], None],
) -> dict[str, Any]:
    """Make all feature tables, some stretches of the instruments' days at a time.

    Raises
    ------
    ValueError
        If the book's bars are not in the order of instrument and bar.
    """
    from imbalance.features.bars import Bars, Feeds, Past, Queries, joined_bars

    queries = Queries(connection)
    sideless = sides.Sideless()
    trades = sideless.watch(inputs.trades)
    with ThreadPoolExecutor(1, thread_name_prefix="quotes") as beside:
        quotes_summed = beside.submit(
            _sums, queries.beside(), "quotes_100ms", "quotes", inputs.quotes, QUOTES, _QUOTE_COLUMNS
        )
        traded = _sums(queries, "trades_100ms", "trades", trades, TRADES, _TRADE_COLUMNS)
        quoted = quotes_summed.result()
    found = sides.classified(
        queries, sideless.instruments, inputs.whole_trades, inputs.best_states,
        inputs.best_quotes, inputs.orders,
    )
    write(CLASSIFIED.name, found.cast(CLASSIFIED.arrow_schema()))
    inferred = cut(queries.run("inferred_100ms", classified=found, traded=traded.rows))
    earlier = cut(a_bar_later(traded.rows))
    gaps = Gaps(inputs.trade_gaps)
    fleeting = cut(queries.run("fleeting_100ms", {"life": LIFE}, orders=_reader(
        inputs.order_lives, ORDERS, _LIFE_COLUMNS)))
    traded_before = _last_messages(queries, inputs.previous_trades, TRADES)
    quoted_before = _last_messages(queries, inputs.previous_quotes, QUOTES)

    def joined() -> Iterator[pa.Table]:
        beside = queries.beside()
        for keys, book in together(_stretches(inputs.book, traded)):
            feeds = {
                name: Feeds(
                    trades=_feed(traded, traded_before, name),
                    quotes=_feed(quoted, quoted_before, name),
                    orders=_lives(fleeting, name),
                )
                for name, _ in keys
            }
            yield joined_bars(
                beside, feeds, book=book, traded=traded.of(keys), quoted=quoted.of(keys),
                inferred=inferred.of(keys), earlier=earlier.of(keys), fleeting=fleeting.of(keys),
                missing=gaps.of(keys),
            )  # fmt: skip

    def past(instrument: str) -> Past:
        return Past(
            _states(inputs.previous_states, instrument),
            _moments(inputs.previous_moments, instrument),
        )

    made = Made(write)
    with ThreadPoolExecutor(1, thread_name_prefix="measure") as measuring:
        maker = Bars(queries, measuring, past)
        # besides the stretches that are measured, some are ready and some are being joined
        for bars in ahead(joined(), "join", 1):
            made.take(maker.add(bars))
        made.take(maker.finish())
    return made.summary()


def _schema(table: Table, columns: Iterable[str] | None = None) -> pa.Schema:
    schema = table.arrow_schema()
    names = schema.names if columns is None else columns
    return pa.schema([schema.field(name).with_nullable(True) for name in names])


def _sums(
    queries: Queries,
    query: str,
    name: str,
    batches: Iterable[pa.RecordBatch],
    table: Table,
    columns: tuple[str, ...],
) -> Cut:
    return cut(queries.run(query, **{name: _reader(batches, table, columns)}))


def _reader(
    batches: Iterable[pa.RecordBatch], table: Table, columns: tuple[str, ...]
) -> pa.RecordBatchReader:
    schema = with_dictionaries(_schema(table, columns))
    return pa.RecordBatchReader.from_batches(schema, (b.cast(schema) for b in batches))


def _last_messages(
    queries: Queries, batches: Iterable[pa.RecordBatch], table: Table
) -> dict[str, int]:
    """Time of each instrument's last message."""
    rows = queries.run("last_messages", messages=_reader(batches, table, _LAST_COLUMNS))
    times = rows.column("event_time").cast(pa.int64()).to_pylist()
    return dict(zip(rows.column("instrument").to_pylist(), times, strict=True))


def _feed(rows: Cut, before: dict[str, int], instrument: str) -> Feed:
    from imbalance.features.bars import Feed

    last = before.get(instrument)
    return Feed(rows.first(instrument), None if last is None else last + FEED_SILENCE)


def _lives(rows: Cut, instrument: str) -> Feed:
    """When the lives of cancelled orders are known: a life after the day's first event, which is
    somewhere in the first bar.
    """
    from imbalance.features.bars import Feed

    first = rows.first(instrument)
    return Feed(None if first is None else first + BAR + LIFE)


def _stretches(
    book: Iterable[pa.RecordBatch], traded: Cut
) -> Iterator[tuple[Key, pa.Table, int]]:
    """Book bars by instrument and stretch, in order, and how many bars there are with a book or
    with trades, whichever are more; also where there is no book.
    """
    waiting = sorted(traded.parts)
    empty = _schema(BARS_100MS).empty_table()
    for key, rows in _book_stretches(book):
        while waiting and waiting[0] < key:
            alone = waiting.pop(0)
            yield alone, empty, traded.count(alone)
        if waiting and waiting[0] == key:
            waiting.pop(0)
        yield key, rows, max(len(rows), traded.count(key))
    for alone in waiting:
        yield alone, empty, traded.count(alone)


def _book_stretches(
    batches: Iterable[pa.RecordBatch],
) -> Iterator[tuple[Key, pa.Table]]:
    key: Key | None = None
    parts: list[pa.RecordBatch] = []
    for batch in batches:
        for found, place in runs(batch):
            if key is not None and found != key:
                if found < key:
                    raise ValueError(f"book bars out of order: {found} after {key}")
                yield key, pa.Table.from_batches(parts)
                parts = []
            key = found
            parts.append(batch.slice(place.start, place.stop - place.start))
    if key is not None:
        yield key, pa.Table.from_batches(parts)


def _of(rows: pa.Table, instrument: str) -> pa.Table:
    import pyarrow.compute as pc

    return rows.filter(pc.equal(rows.column("instrument"), instrument))


def _states(rows: pa.Table, instrument: str) -> States:
    from imbalance.features.bars import closing_states

    return closing_states(_of(rows.select(_STATE_COLUMNS), instrument))


def _moments(rows: pa.Table, instrument: str) -> list[Any]:
    from imbalance.features.rows import read_moments

    return read_moments(_of(rows, instrument))
