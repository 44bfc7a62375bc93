"""Rows of an instrument by stretches of its day, and which of them are worked on at once.

Where rows lie is told here; what is made of them in `build` and `bars`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from imbalance.features.tables import BAR_SIZES

STRETCH = 2 * 3600 * 1_000_000_000
"""Nanoseconds that are never parted from each other. A multiple of the largest bar and of the
half-hour."""

BAR = BAR_SIZES["100ms"]
"""Nanoseconds of the finest bar."""

_NEVER = -1

AT_ONCE = STRETCH // BAR
"""Bars of 100 ms worked on at once: 72,000 are some 60 MB as Arrow columns. Of much fewer a query
mostly costs its planning."""

Key = tuple[str, int]
"""An instrument and a stretch of its day."""

_TRADE_COUNTS = ("buy_count", "sell_count", "unknown_side_count")


@dataclass(frozen=True)
class Cut:
    """Rows of bars in order, with where each instrument and stretch of them lies."""

    rows: pa.Table
    parts: dict[Key, slice]

    def first(self, instrument: str) -> int | None:
        """Start of an instrument's first bar."""
        starts = [place.start for (name, _), place in self.parts.items() if name == instrument]
        return self.rows.column("bar_start")[min(starts)].value if starts else None

    def of(self, keys: Iterable[Key]) -> pa.Table:
        """Rows of some stretches, in their order."""
        places = [self.parts.get(key, slice(0, 0)) for key in keys]
        return pa.concat_tables([
            self.rows.slice(0, 0),
            *(self.rows.slice(place.start, place.stop - place.start) for place in places),
        ])

    def count(self, key: Key) -> int:
        """How many rows a stretch has."""
        place = self.parts.get(key, slice(0, 0))
        return place.stop - place.start


def cut(rows: pa.Table) -> Cut:
    """Rows in the order of instrument and bar, cut by stretches."""
    return Cut(rows, dict(runs(rows)))


class Gaps:
    """Bars of 100 ms that touch a gap in the trade feed.

    Parameters
    ----------
    rows : of book.trade_gaps.
    """

    def __init__(self, rows: pa.Table) -> None:
        self._of: dict[str, list[tuple[int, int, int]]] = {}
        begin, end, known = (rows.column(name).cast(pa.int64()).to_numpy()
                             for name in ("missing_from", "missing_to", "available_at"))
        for name, *gap in zip(
            rows.column("instrument").to_pylist(), (begin // BAR).tolist(),
            (end // BAR).tolist(), known.tolist(), strict=True,
        ):  # fmt: skip
            self._of.setdefault(name, []).append((gap[0], gap[1], gap[2]))

    def of(self, keys: Sequence[Key]) -> pa.Table:
        """Bars of some stretches that touch a gap, and those after them.

        Returns
        -------
        pa.Table
            `instrument`, `bar_start`; `touched`: false where only the bar before touches one;
            `known_at`: when the gaps could be known.
        """
        return pa.concat_tables(map(self._part, keys))

    def _part(self, key: Key) -> pa.Table:
        name, stretch = key
        base, count = stretch * STRETCH // BAR, STRETCH // BAR
        # from the bar before the stretch on: when the gaps that a bar touches are known
        known = np.full(count + 1, _NEVER, np.int64)
        for first, last, at in self._of.get(name, ()):
            mine = slice(max(first - base + 1, 0), max(last - base + 2, 0))
            known[mine] = np.maximum(known[mine], at)
        touched = known > _NEVER
        places = np.flatnonzero(touched[1:] | touched[:-1])
        return pa.table({
            "instrument": pa.repeat(name, len(places)),
            "bar_start": pa.array((base + places) * BAR).cast(pa.timestamp("ns")),
            "touched": touched[1:][places],
            "known_at": pa.array(np.maximum(known[1:], known[:-1])[places]).cast(
                pa.timestamp("ns")),
        })


def a_bar_later(traded: pa.Table) -> pa.Table:
    """Counts of trades, by the 100 ms after those they fell in."""
    import pyarrow.compute as pc

    rows = traded.select(["instrument", "bar_start", *_TRADE_COUNTS])
    later = pc.add(rows.column("bar_start").cast(pa.int64()), BAR)
    return rows.set_column(1, "bar_start", later.cast(pa.timestamp("ns")))


def together(
    stretches: Iterable[tuple[Key, pa.Table, int]],
) -> Iterator[tuple[list[Key], pa.Table]]:
    """Stretches in order that are worked on at once: as many as make `AT_ONCE` bars, or one.

    Parameters
    ----------
    stretches : of each its key, its rows and how many bars it has.
    """
    keys: list[Key] = []
    parts: list[pa.Table] = []
    held = 0
    for key, rows, bars in stretches:
        if keys and held + bars > AT_ONCE:
            yield keys, pa.concat_tables(parts)
            keys, parts, held = [], [], 0
        keys.append(key)
        parts.append(rows)
        held += bars
    if keys:
        yield keys, pa.concat_tables(parts)


def by_instrument(rows: pa.Table | pa.RecordBatch) -> list[tuple[str, slice]]:
    """Where each instrument's rows lie in rows that are in the order of instruments."""
    names, number = _instruments(rows)
    return [(names[number[first]], slice(first, last)) for first, last in _runs(number)]


def in_order(bars: pa.Table) -> pa.Table:
    """Sort by instrument and time. Mostly nothing is to do, where SQL would move every column."""
    starts = bars.column("bar_start").cast(pa.int64()).to_numpy()
    names, number = _instruments(bars)
    number = np.argsort(np.argsort(np.array(names, object)))[number]
    later, other = np.diff(starts) > 0, np.diff(number)
    if ((other > 0) | ((other == 0) & later)).all():
        return bars
    return bars.take(pa.array(np.lexsort((starts, number))))


def runs(rows: pa.Table | pa.RecordBatch) -> Iterator[tuple[Key, slice]]:
    """Instrument and stretch of each run of rows, and the rows' slice."""
    names, number = _instruments(rows)
    stretch = rows.column("bar_start").cast(pa.int64()).to_numpy() // STRETCH
    for first, last in _runs(number, stretch):
        yield (names[number[first]], int(stretch[first])), slice(first, last)


def _instruments(rows: pa.Table | pa.RecordBatch) -> tuple[list[str], NDArray[np.int64]]:
    """Names of instruments, and which of them each row is of, (n,)."""
    column = rows.column("instrument")
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    codes = column.dictionary_encode()
    return codes.dictionary.to_pylist(), codes.indices.to_numpy().astype(np.int64)


def _runs(*values: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """First and last places of rows in which all of these are the same."""
    changes = np.logical_or.reduce([np.diff(one) != 0 for one in values])
    count = len(values[0])
    return pairwise([0, *(np.flatnonzero(changes) + 1).tolist(), count] if count else [])
