"""Bars in volume time and event time of a venue's day: what is read, how big bars are, the task.

Not here: when a bar ends and what is summed in it (`activity_kernel`), what was seen in it and when
that was known (`activity_health`), what the measures are (`sql/features/activity_measures.sql`).
Memory holds the day's trades, a batch of states and an instrument's 100 ms bars of note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from imbalance.books.health_table import BOOK_HEALTH, TRADE_GAPS
from imbalance.books.tables import BARS_100MS, BOOK_STATES
from imbalance.captures.event_tables import TRADES
from imbalance.features.activity_health import begins_day, touch_gaps, with_health
from imbalance.features.activity_tables import EVENT_BARS, TABLES, VOLUME_BARS
from imbalance.features.build import previous_partition
from imbalance.features.stretches import by_instrument
from imbalance.features.version import version_of
from imbalance.progress import SILENT, Progress
from imbalance.tasks import Task

if TYPE_CHECKING:
    from imbalance.features.activity_kernel import States, Trades
    from imbalance.features.bars import Queries
    from imbalance.store.store import Store
    from imbalance.store.task import TaskContext

OUTPUTS = tuple(table.name for table in TABLES)

_STATES = ("instrument", "event_time", "available_at", "segment_start", "bid_prices", "bid_sizes",
           "ask_prices", "ask_sizes")
_TRADES = ("instrument", "kind", "trade_id", "trade_key", "event_time", "available_at", "price",
           "size_base", "side", "capture_id", "line")
_SIZES = ("instrument", "kind", "size_base")
_HEALTH = ("instrument", "valid_from", "valid_to", "state")
_GAPS = ("instrument", "missing_from", "missing_to", "available_at")
_BARS = ("instrument", "bar_start", "available_at", "poisoned", "book_feed")
_NOTHING = pa.schema([BARS_100MS.arrow_schema().field(name) for name in _BARS])
_QUERIES = ("activity_measures", "mean_trade_sizes", "trades_in_order")
_MODULES = ("activity_bars", "activity_health", "activity_kernel", "stretches")


@dataclass(frozen=True)
class Sizes:
    """How much a bar holds.

    Parameters
    ----------
    book_events : of an event bar.
    trades : a volume bar holds what so many trades have on average.
    volumes : base units of a volume bar, by instrument; the word of the settings.
    """

    book_events: int = 500
    trades: int = 500
    volumes: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Inputs:
    """What the bars of a venue's day are made from: rows of the tables, of `states` by instrument
    and in their sequence, of `bars` (book.bars_100ms) by instrument and time.
    """

    states: Iterable[pa.RecordBatch]
    trades: Iterable[pa.RecordBatch]
    health: pa.Table
    gaps: pa.Table
    bars: Iterable[pa.RecordBatch]
    previous_trades: Iterable[pa.RecordBatch] = ()


@cache
def definition_version() -> str:
    """Version of the computation: changes with the registry, a query or the code."""
    return version_of(TABLES, _QUERIES, _MODULES)


def activity_task(store: Store, venue: str, day: str, progress: Progress = SILENT) -> Task:
    """The volume and event bars of a venue's day."""
    key = f"{day}|{venue}"
    previous = previous_partition(day, venue)
    features = store.config.features
    mine = {name: size for name, size in sorted(store.config.volume_bars.items())
            if name.startswith(venue + ":")}
    sizes = Sizes(features.book_events_per_bar, features.trades_per_volume_bar, mine)

    def build(ctx: TaskContext) -> Mapping[str, Any]:
        progress.advance(note=f"volume and event bars {day} {venue}")
        inputs = Inputs(
            ctx.batches(BOOK_STATES.name, key, _STATES), ctx.batches(TRADES.name, key, _TRADES),
            ctx.read(BOOK_HEALTH.name, key, _HEALTH), ctx.read(TRADE_GAPS.name, key, _GAPS),
            ctx.batches(BARS_100MS.name, key, _BARS), ctx.batches(TRADES.name, previous, _SIZES),
        )
        from imbalance.features.bars import Queries

        queries = Queries(ctx.connect())
        return compute(queries, inputs, sizes, lambda name, rows: ctx.writer(name).write(rows))

    return Task(
        OUTPUTS, key,
        ((BOOK_STATES.name, key), (TRADES.name, key), (BOOK_HEALTH.name, key),
         (TRADE_GAPS.name, key), (BARS_100MS.name, key), (TRADES.name, previous)),
        definition_version(), build,
        {"book_events": sizes.book_events, "trades": sizes.trades, "volumes": mine},
    )


def compute(
    queries: Queries, inputs: Inputs, sizes: Sizes, write: Callable[[str, pa.Table], None]
) -> dict[str, Any]:
    """Make both tables, instrument by instrument; returns the number of bars by table."""
    means = _mean_sizes(queries, inputs.previous_trades, sizes.trades)
    made = dict.fromkeys(OUTPUTS, 0)
    traded = queries.run("trades_in_order", trades=_reader(inputs.trades, _TRADES))
    noted = _Noted(inputs.bars)
    for name, states, trades in _instruments(inputs.states, traded.to_batches()):
        health, gaps = (rows.filter(pc.equal(rows.column("instrument"), name))
                        for rows in (inputs.health, inputs.gaps))
        grid = noted.of(name)
        volume = (sizes.volumes or {}).get(name, means.get(name, np.nan) * sizes.trades)
        found = _bars(states, trades, (volume, float(sizes.book_events)), sizes.trades)
        for table, columns in zip((VOLUME_BARS, EVENT_BARS), found, strict=True):
            if not len(columns["bar_start"]):
                continue
            first = trades.time[0] if len(trades.time) else None
            missing = touch_gaps(columns, gaps)
            if table is VOLUME_BARS:
                # where it ends rests on the trades that are not there
                columns["broken"] |= missing
            bars = with_health(name, columns, health, grid, first, missing)
            rows = queries.run("activity_measures", bars=bars).cast(table.arrow_schema())
            write(table.name, rows)
            made[table.name] += len(rows)
    return made


def _bars(
    states: Iterable[States], trades: Trades, sizes: tuple[float, float], first_trades: int
) -> list[dict[str, Any]]:
    """What is summed in the volume bars and in the event bars of an instrument."""
    from imbalance.features.activity_kernel import ActivityBars

    makers = [ActivityBars(by_volume, size, first_trades, trades)
              for by_volume, size in zip((True, False), sizes, strict=True)]
    parts = [[maker.add(piece, last=False) for maker in makers] for piece in states]
    parts.append([maker.add(_no_states(), last=True) for maker in makers])
    return [
        {name: np.concatenate([part[k][name] for part in parts]) for name in parts[0][k]}
        for k in range(len(makers))
    ]


def _mean_sizes(
    queries: Queries, batches: Iterable[pa.RecordBatch], least: int
) -> dict[str, float]:
    rows = queries.run("mean_trade_sizes", {"least": least}, trades=_reader(batches, _SIZES))
    return dict(zip(rows.column("instrument").to_pylist(), rows.column("mean_size").to_pylist(),
                    strict=True))


def _reader(
    batches: Iterable[pa.RecordBatch], columns: tuple[str, ...]
) -> pa.RecordBatchReader:
    """Trades as a query reads them."""
    schema = pa.schema([pa.field(n, TRADES.arrow_schema().field(n).type) for n in columns])
    rows = (batch.select(columns).cast(schema) for batch in batches)
    return pa.RecordBatchReader.from_batches(schema, rows)


Piece = tuple[str, pa.RecordBatch]


def _instruments(
    states: Iterable[pa.RecordBatch], trades: Iterable[pa.RecordBatch]
) -> Iterator[tuple[str, Iterator[States], Trades]]:
    """Each instrument with its states, batch by batch, and its trades; both are by instrument."""
    traded = groupby(_pieces(trades), key=lambda piece: piece[0])
    waiting = _next_trades(traded)
    last = ""
    for name, pieces in groupby(_pieces(states), key=lambda piece: piece[0]):
        if name < last:
            raise ValueError(f"states out of order: {name} after {last}")
        last = name
        while waiting is not None and waiting[0] < name:
            yield waiting[0], iter(()), waiting[1]
            waiting = _next_trades(traded)
        mine = _no_trades()
        if waiting is not None and waiting[0] == name:
            mine = waiting[1]
            waiting = _next_trades(traded)
        yield name, (_states(batch) for _, batch in pieces), mine
    while waiting is not None:
        yield waiting[0], iter(()), waiting[1]
        waiting = _next_trades(traded)


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[Piece]:
    """Batches cut where the instrument changes."""
    for batch in batches:
        for name, place in by_instrument(batch):
            yield name, batch.slice(place.start, place.stop - place.start)


class _Noted:
    """Bars of 100 ms that are poisoned or of images, and the day's first, by instrument."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        noted = (
            rows.filter(pc.or_kleene(
                pc.or_kleene(rows.column("poisoned"), pa.array(begins_day(rows))),
                pc.equal(rows.column("book_feed"), "images")))
            for rows in (batch.select(_BARS) for batch in batches)
        )
        self._groups = groupby(_pieces(noted), key=lambda piece: piece[0])
        self._waiting = next(self._groups, None)

    def of(self, name: str) -> pa.Table:
        """Those of an instrument, to be asked for in their order."""
        while self._waiting is not None and self._waiting[0] < name:
            self._waiting = next(self._groups, None)
        rows = []
        if self._waiting is not None and self._waiting[0] == name:
            rows = [batch for _, batch in self._waiting[1]]
        return pa.Table.from_batches(rows, None if rows else _NOTHING)


def _next_trades(groups: Iterator[tuple[str, Iterator[Piece]]]) -> tuple[str, Trades] | None:
    found = next(groups, None)
    if found is None:
        return None
    return found[0], _trades(pa.Table.from_batches([batch for _, batch in found[1]]))


def _trades(rows: pa.Table) -> Trades:
    from imbalance.features.activity_kernel import Trades

    # Copied: an array that may not be written to is another type to the compiler.
    return Trades(
        rows.column("event_time").cast(pa.int64()).to_numpy().copy(),
        rows.column("available_at").cast(pa.int64()).to_numpy().copy(),
        *(rows.column(name).to_numpy().copy() for name in ("price", "size_base", "sign")),
    )


def _no_trades() -> Trades:
    from imbalance.features.activity_kernel import Trades

    whole, real = np.empty(0, np.int64), np.empty(0)
    return Trades(whole, whole, real, real, whole)


def _states(batch: pa.RecordBatch) -> States:
    from imbalance.features.activity_kernel import States

    return States(
        batch.column("event_time").cast(pa.int64()).to_numpy().copy(),
        batch.column("available_at").cast(pa.int64()).to_numpy().copy(),
        batch.column("segment_start").to_numpy(zero_copy_only=False),
        *(_best(batch.column(name)) for name in _STATES[4:]),
    )


def _no_states() -> States:
    from imbalance.features.activity_kernel import States

    whole, real = np.empty(0, np.int64), np.empty(0)
    return States(whole, whole, np.empty(0, bool), real, real, real, real)


def _best(levels: pa.ListArray) -> Any:
    """The first of each list; NaN of an empty one."""
    offsets = levels.offsets.to_numpy()
    values = levels.values.to_numpy(zero_copy_only=False)
    there = offsets[1:] > offsets[:-1]
    found = np.full(len(levels), np.nan)
    found[there] = values[offsets[:-1][there]]
    return found
