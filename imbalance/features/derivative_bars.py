"""Derivative bars of a day over all venues: which spot a derivative is measured against, the task.

The measures are in `sql/features/derivative_bars.sql`. Memory holds the bars of one size of a few
derivatives and their spots.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from imbalance.captures.event_tables import DERIVATIVE_TICKS, LIQUIDATIONS
from imbalance.captures.instruments import Contracts, facts_from
from imbalance.captures.tables import INSTRUMENTS
from imbalance.features.derivative_tables import SIZES, TABLES
from imbalance.features.tables import BARS
from imbalance.features.version import version_of
from imbalance.progress import SILENT, Progress
from imbalance.tasks import Task

if TYPE_CHECKING:
    from imbalance.captures.venues.venue import Instrument
    from imbalance.features.bars import Queries
    from imbalance.store.store import Store
    from imbalance.store.task import TaskContext

OUTPUTS = tuple(table.name for table in TABLES)

SPOT_MARKETS: dict[str, str] = {
    "binance-futures": "binance",
    "binance-delivery": "binance",
    "bybit": "bybit-spot",
    "cryptofacilities": "kraken",
    "gate-io-futures": "gate-io",
    "bitget-futures": "bitget",
    "huobi-dm-swap": "huobi",
}
"""Venue of derivatives to the spot market of the same operator, where that is another venue."""

AT_ONCE = 32
"""Derivatives whose bars are made together: what memory holds of a day of hundreds."""

_DERIVATIVES = ("perpetual", "future")
_BARS = ("instrument", "bar_start", "available_at", "poisoned", "coverage", "spread", "mid_close")
_TICKS = ("instrument", "mark_price", "index_price", "funding_rate", "next_funding_time",
          "open_interest", "event_time", "available_at", "capture_id", "line")
_LIQUIDATIONS = ("instrument", "event_time", "available_at", "side", "size_base")


@cache
def definition_version() -> str:
    """Version of the computation: changes with the registry, the query or the code."""
    return version_of(TABLES, ["derivative_bars"], ["derivative_bars"])


def spot_of(facts: Mapping[str, Instrument], with_bars: Iterable[str]) -> dict[str, str | None]:
    """Each derivative with the spot instrument it is measured against, or None.

    Parameters
    ----------
    facts : what is known of the instruments of a day.
    with_bars : those that have bars: the others are no spot to measure against.

    Notes
    -----
    A spot is of the same base and the same quote (USD is not USDT), on the venue itself or on the
    spot market of its operator; of several the first by name.
    """
    spots: dict[tuple[str, str, str], str] = {}
    for name in sorted(with_bars, reverse=True):
        known = facts.get(name)
        if known is not None and known.kind == "spot" and known.base and known.quote:
            spots[name.partition(":")[0], known.base, known.quote] = name
    found: dict[str, str | None] = {}
    for name, known in sorted(facts.items()):
        if known.kind not in _DERIVATIVES:
            continue
        venue = name.partition(":")[0]
        places = [(at, known.base or "", known.quote or "")
                  for at in (venue, SPOT_MARKETS.get(venue, venue))]
        found[name] = next((spots[place] for place in places if place in spots), None)
    return found


def derivatives_task(store: Store, day: str, progress: Progress = SILENT) -> Task:
    """The derivative bars of a day over all venues."""
    captures = sorted(c.capture_id for c in store.ledger.captures_on(day))
    inputs = tuple(
        (table, partition)
        for table in (*(f"features.bars_{size}" for size in SIZES), DERIVATIVE_TICKS.name,
                      LIQUIDATIONS.name)
        for partition in store.ledger.partitions_between(table, day, day)
    ) + tuple((INSTRUMENTS.name, capture) for capture in captures)

    def build(ctx: TaskContext) -> Mapping[str, Any]:
        from imbalance.features.bars import Queries

        progress.advance(note=f"derivative bars {day}")
        rows = [r for c in captures for r in ctx.read(INSTRUMENTS.name, c).to_pylist()]

        def read(table: str, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
            for name, partition in inputs:
                if name == table:
                    yield from ctx.batches(name, partition, columns)

        return compute(
            Queries(ctx.connect()), day, Contracts(store.config, facts_from(rows)), read,
            lambda name, made: ctx.writer(name).write(made),
        )

    return Task(OUTPUTS, day, inputs, definition_version(), build)


def compute(
    queries: Queries,
    day: str,
    contracts: Contracts,
    read: Callable[[str, tuple[str, ...]], Iterator[pa.RecordBatch]],
    write: Callable[[str, pa.Table], None],
) -> dict[str, Any]:
    """Make the tables of all sizes; returns how many derivatives there are, and with a spot.

    Parameters
    ----------
    contracts : what is known of instruments.
    read : rows of a table of the day: its name, columns.
    """
    start = (datetime.date.fromisoformat(day) - datetime.date(1970, 1, 1)).days * 86_400 * 10**9
    with_bars = _names(read(f"features.bars_{max(SIZES, key=SIZES.__getitem__)}", ("instrument",)))
    known = with_bars.union(*(_names(read(table.name, ("instrument",)))
                              for table in (DERIVATIVE_TICKS, LIQUIDATIONS)))
    spots = spot_of({name: contracts.facts(name) for name in sorted(known)}, with_bars)
    for first in range(0, len(spots), AT_ONCE):
        few = dict(list(spots.items())[first : first + AT_ONCE])
        derivatives = pa.array(few, pa.string())
        pairs = pa.table({"instrument": derivatives,
                          "spot_instrument": pa.array(few.values(), pa.string())})
        used = pa.array(sorted({*few, *(name for name in few.values() if name)}), pa.string())
        ticks, forced = (
            _whole(read(table.name, columns), table.arrow_schema(), columns, derivatives)
            for table, columns in ((DERIVATIVE_TICKS, _TICKS), (LIQUIDATIONS, _LIQUIDATIONS))
        )
        for table, (size, length) in zip(TABLES, SIZES.items(), strict=True):
            bars = _whole(
                read(f"features.bars_{size}", _BARS), BARS[0].arrow_schema(), _BARS, used)
            rows = queries.run(
                "derivative_bars", {"bar_nanoseconds": length, "day_start": start},
                pairs=pairs, bars=bars, ticks=ticks, liquidations=forced,
            )
            write(table.name, rows.cast(table.arrow_schema()))
    return {"derivatives": len(spots), "with_spot": sum(s is not None for s in spots.values())}


def _names(batches: Iterable[pa.RecordBatch]) -> set[str]:
    import pyarrow.compute as pc

    return {n for batch in batches for n in pc.unique(batch.column("instrument")).to_pylist()}


def _whole(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, columns: tuple[str, ...],
    instruments: pa.Array,
) -> pa.Table:  # fmt: skip
    """Rows of some instruments."""
    import pyarrow.compute as pc

    wanted = pa.schema([schema.field(name) for name in columns])
    found = []
    for batch in batches:
        mine = pc.is_in(batch.column("instrument").cast(pa.string()), value_set=instruments)
        rows = batch.filter(mine)
        if len(rows):
            found.append(rows.cast(wanted))
    return pa.Table.from_batches(found, wanted)
