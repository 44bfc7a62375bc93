"""Bars of some stretches of time: the queries over them, and what needs the past.

Belongs here: running the queries over Arrow tables and adding the columns which depend on earlier
bars. Not here: where the rows come from and go to (`build`), and the mathematics of each measure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from imbalance.books.tables import FLOW_LEVELS
from imbalance.features.chains import Chains, States
from imbalance.features.integrated import Moments, Training, Weights, moments_of, windows
from imbalance.features.rows import chain_rows, moment_rows, weight_rows
from imbalance.features.sides import bulk_volume
from imbalance.features.stretches import by_instrument, in_order
from imbalance.features.tables import BAR_SIZES, BARS, CHAINS, MOMENTS, WEIGHTS
from imbalance.features.trailing import Trailing
from imbalance.store.sqlfiles import read_sql

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

    from imbalance.contracts import Table

_LEVELS = tuple(f"order_flow_imbalance_level_{m}" for m in range(1, FLOW_LEVELS + 1))
_SIZES = {table.name: size for table, size in zip(BARS, BAR_SIZES, strict=True)}
_LENGTHS = {name: BAR_SIZES[size] for name, size in _SIZES.items()}

_COARSE_AT_ONCE = 28_800
"""Bars of a second that are worked on at once: some 30 MB. Of much fewer a query mostly costs its
planning."""


class Queries:
    """The queries of `sql/features` over Arrow tables, on one DuckDB connection.

    One thread a query: the order in which doubles are added, and so their last bits, must not
    depend on the machine's load.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        connection.execute("set threads = 1")
        connection.execute("set TimeZone = 'UTC'")
        # Give back what a stretch has used: kept for later it doubles the memory of a long day.
        connection.execute("set allocator_flush_threshold = '1MB'")
        connection.execute("set allocator_bulk_deallocation_flush_threshold = '1MB'")

    def beside(self) -> Queries:
        """Queries which another thread may run at the same time."""
        return Queries(self._connection.cursor())

    def run(
        self, name: str, parameters: dict[str, Any] | None = None, **tables: Any
    ) -> pa.Table:
        """Result of `sql/features/<name>.sql` over the given Arrow tables or readers."""
        for table, rows in tables.items():
            self._connection.register(table, rows)
        try:
            text = read_sql(f"features/{name}.sql")
            # Not .sql(text, params=…): DuckDB turns a result with parameters into literals there.
            return self._connection.execute(text, parameters or {}).to_arrow_table()
        finally:
            for table in tables:
                self._connection.unregister(table)


def nanoseconds(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """A TIMESTAMP_NS column as integers."""
    return column.cast(pa.int64()).to_numpy()


def doubles(table: pa.Table, name: str) -> NDArray[np.float64]:
    """A DOUBLE column, nulls as NaN."""
    return table.column(name).to_numpy()


def closing_states(bars: pa.Table) -> States:
    """States at the end of 100 ms bars, those of poisoned ones left out."""
    # Copied: states are kept, and a view of one column would keep all columns of a DuckDB result.
    return States.of(
        nanoseconds(bars.column("bar_start")).copy(),
        nanoseconds(bars.column("available_at")).copy(),
        ~bars.column("poisoned").to_numpy(),
        *(doubles(bars, name) for name in ("bid_price", "bid_size", "ask_price", "ask_size")),
    )


@dataclass(frozen=True)
class Feed:
    """When a feed is known to be there, in nanoseconds; None: never.

    Attributes
    ----------
    known_from : start of the day's first bar with a message.
    known_until : how long the last message of the day before vouches for the feed.
    """

    known_from: int | None = None
    known_until: int | None = None


@dataclass(frozen=True)
class Feeds:
    """An instrument's feeds of trades, quotes and single orders."""

    trades: Feed
    quotes: Feed
    orders: Feed


def joined_bars(
    queries: Queries, feeds: Mapping[str, Feeds], *, book: pa.Table, traded: pa.Table,
    quoted: pa.Table, inferred: pa.Table, earlier: pa.Table, fleeting: pa.Table, missing: pa.Table,
) -> pa.Table:
    """The 100 ms bars of some stretches, in the order of instrument and bar, of which all measures
    are made.

    Parameters
    ----------
    feeds : by instrument; of every one of the stretches.
    book : rows of book.bars_100ms
    traded, quoted, inferred, fleeting : rows of `trades_100ms.sql`, `quotes_100ms.sql`,
        `inferred_100ms.sql` and `fleeting_100ms.sql`
    earlier : those of `traded` by the bar after theirs
    missing : bars that touch a gap in the trade feed, as `stretches.Gaps` tells them
        All of these stretches alone.
    """
    return in_order(queries.run(
        "bars_100ms", feeds=_feed_rows(feeds), book=book, traded=traded, quoted=quoted,
        inferred=inferred, earlier=earlier, fleeting=fleeting, missing=missing,
    ))  # fmt: skip


def _feed_rows(feeds: Mapping[str, Feeds]) -> pa.Table:
    times = {
        "trades_from": [one.trades.known_from for one in feeds.values()],
        "trades_until": [one.trades.known_until for one in feeds.values()],
        "quotes_from": [one.quotes.known_from for one in feeds.values()],
        "quotes_until": [one.quotes.known_until for one in feeds.values()],
        "orders_from": [one.orders.known_from for one in feeds.values()],
    }
    return pa.table({
        "instrument": pa.array(list(feeds), pa.string()),
        **{name: pa.array(column, pa.int64()) for name, column in times.items()},
    })


class _Size:
    """What one instrument's bars of one size remember of their past."""

    def __init__(self) -> None:
        self.training = Training()
        self.flow = Trailing()
        self.trades = Trailing()
        self.returns = Trailing()


@dataclass(frozen=True)
class Past:
    """What the day before has left of an instrument.

    Attributes
    ----------
    states : closing states of its 100 ms bars, for the microprice.
    moments : (bar size, moments), in the order of time.
    """

    states: States
    moments: list[tuple[str, Moments]]


class _Instrument:
    """What an instrument's bars remember, and what has been trained of them."""

    def __init__(self, past: Past) -> None:
        # filled where bars are measured, read when none is any more
        self.moments: list[tuple[str, Moments]] = []
        self.weights: list[tuple[str, int, Weights]] = []
        self.sizes = {size: _Size() for size in BAR_SIZES}
        self.chains = Chains()
        self.available_at = 0
        if len(past.states.bar_start):
            self.chains.learn(past.states)
            self.available_at = int(past.states.available_at.max())
        for size, moments in past.moments:
            self.sizes[size].training.add(moments)
            self.available_at = max(self.available_at, moments.available_at)


class Bars:
    """Makes the bars of a day, some stretches at a time.

    Stretches come in the order of instrument and time, each a whole number of half-hours, and are
    aligned to the largest bar size; how the day is cut into them, and how many come together,
    changes no bit of the result.

    Parameters
    ----------
    measuring : one thread, in which bars are measured while coarser and later ones are made.
    past : what the day before has left of an instrument.
    """

    def __init__(
        self, queries: Queries, measuring: ThreadPoolExecutor, past: Callable[[str], Past]
    ) -> None:
        self._queries = queries
        self._beside = queries.beside()
        self._measuring = measuring
        self._past = past
        self._measured: deque[Future[list[tuple[str, pa.Table]]]] = deque()
        self._held: list[pa.Table] = []
        self._instruments: dict[str, _Instrument] = {}

    def add(self, bars: pa.Table) -> Iterator[tuple[str, pa.Table]]:
        """Rows of feature tables, each table's bars in the order of instrument and time: those of
        the stretches before, and of these what is ready; to be taken to the end. `finish` has the
        rest.

        Parameters
        ----------
        bars : what `joined_bars` made of the next stretches.
        """
        # what waits to be measured is bounded by this: the stretches before and these
        yield from self._handed_out()
        places = by_instrument(bars)
        if not self._held:
            yield from self._of_finished({name for name, _ in places})
        arrived = nanoseconds(bars.column("available_at")).copy()
        microprice = np.empty(len(bars))
        states = closing_states(bars)
        for name, mine in places:
            if name not in self._instruments:
                self._instruments[name] = _Instrument(self._past(name))
            one = self._instruments[name]
            # A trailing measure knows every earlier bar of the day: no row is available before
            # those.
            arrived[mine] = np.maximum.accumulate(np.maximum(arrived[mine], one.available_at))
            one.available_at = int(arrived[mine][-1])
            microprice[mine] = one.chains.microprice(replace(
                states[mine], available_at=arrived[mine]))
            yield CHAINS.name, chain_rows(name, one.chains.take())
        bars = bars.set_column(
            bars.schema.get_field_index("available_at"), "available_at",
            pa.array(arrived).cast(pa.timestamp("ns")),
        )
        bars = bars.append_column("microprice", pa.array(microprice, from_pandas=True))
        finest, finer = BARS[0], BARS[1]
        self._measure_later([(finest, bars)])
        self._held.append(self._coarser(bars, finest, finer))
        yield from self._handed_out(ready=True)
        if sum(map(len, self._held)) >= _COARSE_AT_ONCE:
            yield from self._of_held()

    def finish(self) -> Iterator[tuple[str, pa.Table]]:
        """Rows of what was added and has not been handed out yet."""
        yield from self._of_held()
        yield from self._handed_out()
        yield from self._of_finished(set())

    def _of_finished(self, unfinished: set[str]) -> Iterator[tuple[str, pa.Table]]:
        """What has been trained of instruments whose bars are all measured; they are forgotten."""
        for name in [name for name in self._instruments if name not in unfinished]:
            one = self._instruments.pop(name)
            yield MOMENTS.name, moment_rows(name, one.moments)
            yield WEIGHTS.name, weight_rows(name, one.weights)

    def _of_held(self) -> Iterator[tuple[str, pa.Table]]:
        """The bars of a second of the stretches that are held, and coarser ones."""
        if not self._held:
            return
        coarser = [(BARS[1], pa.concat_tables(self._held))]
        self._held = []
        for table in BARS[2:]:
            finer, bars = coarser[-1]
            coarser.append((table, self._coarser(bars, finer, table)))
        self._measure_later(coarser)
        yield from self._handed_out(ready=True)

    def _coarser(self, bars: pa.Table, finer: Table, table: Table) -> pa.Table:
        lengths = {
            "finer_nanoseconds": _LENGTHS[finer.name], "bar_nanoseconds": _LENGTHS[table.name]
        }
        return in_order(self._queries.run("coarser_bars", lengths, bars=bars))

    def _measure_later(self, bars: list[tuple[Table, pa.Table]]) -> None:
        """What is measured of some bars and the coarser bars made of them do not wait for each
        other.
        """
        self._measured.append(self._measuring.submit(self._measure, bars))

    def _handed_out(self, *, ready: bool = False) -> Iterator[tuple[str, pa.Table]]:
        """What is measured, or of it what does not have to be waited for."""
        while self._measured and (not ready or self._measured[0].done()):
            yield from self._measured.popleft().result()

    def _measure(self, bars: list[tuple[Table, pa.Table]]) -> list[tuple[str, pa.Table]]:
        # of all sizes at once: of few rows a query mostly costs its planning
        rows = self._beside.run("measures", bars=pa.concat_tables(
            of.append_column("bar_nanoseconds", pa.array(np.full(len(of), _LENGTHS[table.name])))
            .select([*bars[0][1].column_names, "bar_nanoseconds"])
            for table, of in bars
        ))
        made, first = [], 0
        for table, of in bars:
            mine = self._with_past(_SIZES[table.name], rows.slice(first, len(of)))
            made.append((table.name, mine.select(table.column_names).cast(table.arrow_schema())))
            first += len(of)
        return made

    def _with_past(self, size: str, rows: pa.Table) -> pa.Table:
        """Add trailing and integrated columns; note down moments and weights on the way."""
        places = by_instrument(rows)
        valid = rows.column("valid").to_numpy()
        new: dict[str, Any] = {}

        def normalised(measure: str, of: str) -> tuple[Any, Any]:
            values = np.where(valid, doubles(rows, measure), np.nan)
            scaled, rank = np.empty(len(rows)), np.empty(len(rows))
            for name, mine in places:
                trailing = getattr(self._instruments[name].sizes[size], of)
                scaled[mine], rank[mine] = trailing.normalise(values[mine])
            return scaled, rank

        for measure, of in (("order_flow_imbalance", "flow"), ("trade_imbalance", "trades")):
            scaled, rank = normalised(measure, of)
            new[f"{measure}_volatility_scaled"] = pa.array(scaled, from_pandas=True)
            new[f"{measure}_rank"] = pa.array(rank, from_pandas=True)
        scaled, _ = normalised("return_bps", "returns")
        for side, sign in (("buy", 1.0), ("sell", -1.0)):
            bulk = bulk_volume(doubles(rows, "traded_volume"), sign * scaled)
            new[f"bulk_{side}_volume"] = pa.array(bulk, from_pandas=True)

        depth = doubles(rows, "level_depth_mean")
        eventful = depth > 0.0
        levels = np.column_stack([doubles(rows, name) for name in _LEVELS])
        with np.errstate(invalid="ignore", divide="ignore"):
            levels /= depth[:, None]
        usable = valid & eventful & np.isfinite(levels).all(axis=1)
        poisoned = rows.column("poisoned").to_numpy()
        arrived = nanoseconds(rows.column("available_at"))
        starts = nanoseconds(rows.column("bar_start"))
        integrated = np.full(len(rows), np.nan)
        trained = np.zeros(len(rows), dtype=bool)
        for name, mine in places:
            one = self._instruments[name]
            training = one.sizes[size].training
            for start, within in windows(starts[mine]):
                part = slice(mine.start + within.start, mine.start + within.stop)
                found = training.weights_for(start)
                chosen = levels[part][usable[part]]
                if found is not None:
                    one.weights.append((size, start, found))
                    trained[part] = True
                    integrated[part][usable[part]] = (chosen * found.weights).sum(axis=1)
                if len(chosen):
                    seen = moments_of(chosen, start, int(arrived[part][usable[part]].max()))
                    one.moments.append((size, seen))
                    training.add(seen)
        reason = np.select(
            [poisoned, ~eventful, ~usable, ~trained],
            ["poisoned", "no_events", "missing_levels", "no_past_weights"],
            default="",
        )
        new["order_flow_imbalance_integrated"] = pa.array(integrated, from_pandas=True)
        new["order_flow_imbalance_integrated_reason"] = pa.array(
            reason, pa.string(), mask=reason == ""
        )
        for name, column in new.items():
            rows = rows.append_column(name, column)
        return rows
