"""Bars of one instrument and stretch of time: the queries over them, and what needs the past.

Belongs here: running the queries over Arrow tables and adding the columns which depend on earlier
bars. Not here: where the rows come from and go to (`build`), and the mathematics of each measure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from imbalance.books.tables import FLOW_LEVELS
from imbalance.features.chains import Chains, States
from imbalance.features.integrated import Moments, Training, Weights, moments_of, windows
from imbalance.features.rows import chain_rows, moment_rows, weight_rows
from imbalance.features.sides import bulk_volume
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

_STRETCHES_TOGETHER = 4
"""Stretches whose bars above a second are made together. Of so few rows a query mostly costs its
planning; bars of a second of this many stretches are some 30 MB."""


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


def _in_order(bars: pa.Table) -> pa.Table:
    """Sort by time. Mostly nothing is to be done, where SQL would move every column."""
    starts = nanoseconds(bars.column("bar_start"))
    if (np.diff(starts) > 0).all():
        return bars
    return bars.take(pa.array(np.argsort(starts)))


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
    queries: Queries, feeds: Feeds, *, book: pa.Table, traded: pa.Table, quoted: pa.Table,
    inferred: pa.Table, earlier: pa.Table, fleeting: pa.Table, missing: pa.Table,
) -> pa.Table:
    """The 100 ms bars of one instrument and stretch, ascending, of which all measures are made.

    Parameters
    ----------
    book : rows of book.bars_100ms
    traded, quoted, inferred, fleeting : rows of `trades_100ms.sql`, `quotes_100ms.sql`,
        `inferred_100ms.sql` and `fleeting_100ms.sql`
    earlier : those of `traded` by the bar after theirs
    missing : bars that touch a gap in the trade feed, as `stretches.Gaps` tells them
        All of this instrument, ascending in `bar_start`.
    """
    known = {
        "trades_from": feeds.trades.known_from, "trades_until": feeds.trades.known_until,
        "quotes_from": feeds.quotes.known_from, "quotes_until": feeds.quotes.known_until,
        "orders_from": feeds.orders.known_from,
    }
    return _in_order(queries.run(
        "bars_100ms", known, book=book, traded=traded, quoted=quoted, inferred=inferred,
        earlier=earlier, fleeting=fleeting, missing=missing,
    ))  # fmt: skip


class _Size:
    """What one instrument's bars of one size remember of their past."""

    def __init__(self) -> None:
        self.training = Training()
        self.flow = Trailing()
        self.trades = Trailing()
        self.returns = Trailing()


class InstrumentBars:
    """Makes the bars of one instrument and day, stretch by stretch.

    Stretches come in the order of time, each a whole number of half-hours, and are aligned to the
    largest bar size; how the day is cut into them changes no bit of the result.

    Parameters
    ----------
    measuring : one thread, in which bars are measured while coarser and later ones are made.
    previous_states : closing states of the previous day's 100 ms bars, for the microprice.
    previous_moments : (bar size, moments) of the previous day, in the order of time.
    """

    def __init__(
        self,
        instrument: str,
        queries: Queries,
        measuring: ThreadPoolExecutor,
        *,
        previous_states: States | None = None,
        previous_moments: list[tuple[str, Moments]] | None = None,
    ) -> None:
        self._instrument = instrument
        self._queries = queries
        self._beside = queries.beside()
        self._measuring = measuring
        self._measured: deque[tuple[str, Future[pa.Table]]] = deque()
        self._held: list[pa.Table] = []
        # filled where bars are measured, read when none is any more
        self._moments: list[tuple[str, Moments]] = []
        self._weights: list[tuple[str, int, Weights]] = []
        self._sizes = {size: _Size() for size in BAR_SIZES}
        self._chains = Chains()
        self._available_at = 0
        if previous_states is not None and len(previous_states.bar_start):
            self._chains.learn(previous_states)
            self._available_at = int(previous_states.available_at.max())
        for size, moments in previous_moments or []:
            self._sizes[size].training.add(moments)
            self._available_at = max(self._available_at, moments.available_at)

    def add(self, bars: pa.Table) -> Iterator[tuple[str, pa.Table]]:
        """Rows of all feature tables, each table's in the order of time: those of the stretch
        before, and of this one what is ready; to be taken to the end. `finish` has the rest.

        Parameters
        ----------
        bars : what `joined_bars` made of the stretch.
        """
        # A trailing measure knows every earlier bar of the day: no row is available before those.
        arrived = np.maximum.accumulate(
            np.maximum(nanoseconds(bars.column("available_at")), self._available_at)
        )
        self._available_at = int(arrived[-1])
        bars = bars.set_column(
            bars.schema.get_field_index("available_at"), "available_at",
            pa.array(arrived).cast(pa.timestamp("ns")),
        )
        bars = bars.append_column("microprice", self._microprice(bars))
        yield CHAINS.name, chain_rows(self._instrument, self._chains.take())
        # what waits to be measured is bounded by this: one stretch and this one
        yield from self._handed_out()
        finest, finer = BARS[0], BARS[1]
        self._measure_later(finest, bars)
        bars = self._coarser(bars, finest, finer)
        self._measure_later(finer, bars)
        self._held.append(bars)
        yield from self._handed_out(ready=True)
        if len(self._held) == _STRETCHES_TOGETHER:
            yield from self._of_held()

    def finish(self) -> Iterator[tuple[str, pa.Table]]:
        """Rows of what was added and has not been handed out yet."""
        yield from self._of_held()
        yield from self._handed_out()
        yield MOMENTS.name, moment_rows(self._instrument, self._moments)
        yield WEIGHTS.name, weight_rows(self._instrument, self._weights)

    def _of_held(self) -> Iterator[tuple[str, pa.Table]]:
        """The coarser bars of the stretches that are held."""
        if not self._held:
            return
        bars, self._held = pa.concat_tables(self._held), []
        for finer, table in pairwise(BARS[1:]):
            bars = self._coarser(bars, finer, table)
            self._measure_later(table, bars)
            yield from self._handed_out(ready=True)

    def _coarser(self, bars: pa.Table, finer: Table, table: Table) -> pa.Table:
        lengths = {
            "finer_nanoseconds": _LENGTHS[finer.name], "bar_nanoseconds": _LENGTHS[table.name]
        }
        return _in_order(self._queries.run("coarser_bars", lengths, bars=bars))

    def _measure_later(self, table: Table, bars: pa.Table) -> None:
        """What is measured of some bars and the coarser bars made of them do not wait for each
        other.
        """
        self._measured.append((table.name, self._measuring.submit(self._measure, table, bars)))

    def _handed_out(self, *, ready: bool = False) -> Iterator[tuple[str, pa.Table]]:
        """What is measured, or of it what does not have to be waited for."""
        while self._measured and (not ready or self._measured[0][1].done()):
            name, rows = self._measured.popleft()
            yield name, rows.result()

    def _measure(self, table: Table, bars: pa.Table) -> pa.Table:
        length = {"bar_nanoseconds": _LENGTHS[table.name]}
        rows = self._with_past(_SIZES[table.name], self._beside.run("measures", length, bars=bars))
        return rows.select(table.column_names).cast(table.arrow_schema())

    def _microprice(self, bars: pa.Table) -> pa.Array:
        return pa.array(self._chains.microprice(closing_states(bars)), from_pandas=True)

    def _with_past(self, size: str, rows: pa.Table) -> pa.Table:
        """Add trailing and integrated columns; note down moments and weights on the way."""
        state = self._sizes[size]
        valid = rows.column("valid").to_numpy()
        new: dict[str, Any] = {}
        for measure, trailing in (
            ("order_flow_imbalance", state.flow), ("trade_imbalance", state.trades)
        ):
            scaled, rank = trailing.normalise(np.where(valid, doubles(rows, measure), np.nan))
            new[f"{measure}_volatility_scaled"] = pa.array(scaled, from_pandas=True)
            new[f"{measure}_rank"] = pa.array(rank, from_pandas=True)
        scaled, _ = state.returns.normalise(np.where(valid, doubles(rows, "return_bps"), np.nan))
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
        integrated = np.full(len(rows), np.nan)
        trained = np.zeros(len(rows), dtype=bool)
        for start, part in windows(nanoseconds(rows.column("bar_start"))):
            found = state.training.weights_for(start)
            chosen = levels[part][usable[part]]
            if found is not None:
                self._weights.append((size, start, found))
                trained[part] = True
                integrated[part][usable[part]] = (chosen * found.weights).sum(axis=1)
            if len(chosen):
                seen = moments_of(chosen, start, int(arrived[part][usable[part]].max()))
                self._moments.append((size, seen))
                state.training.add(seen)
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
