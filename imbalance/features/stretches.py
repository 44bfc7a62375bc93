"""Rows of an instrument by stretches of its day: what is worked on at once.

Where rows lie is told here; what is made of them in `build` and `bars`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

STRETCH = 2 * 3600 * 1_000_000_000
"""Nanoseconds worked on at once: 72,000 bars of 100 ms are some 60 MB as Arrow columns. A
multiple of the largest bar and of the half-hour."""

_BAR = 100_000_000
_NEVER = -1

_TRADE_COUNTS = ("buy_count", "sell_count", "unknown_side_count")


@dataclass(frozen=True)
class Cut:
    """Rows of bars in order, with where each instrument and stretch of them lies."""

    rows: pa.Table
    parts: dict[tuple[str, int], slice]

    def first(self, instrument: str) -> int | None:
        """Start of an instrument's first bar."""
        starts = [place.start for (name, _), place in self.parts.items() if name == instrument]
        return self.rows.column("bar_start")[min(starts)].value if starts else None

    def part(self, key: tuple[str, int]) -> pa.Table:
        place = self.parts.get(key, slice(0, 0))
        return self.rows.slice(place.start, place.stop - place.start)


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
            rows.column("instrument").to_pylist(), (begin // _BAR).tolist(),
            (end // _BAR).tolist(), known.tolist(), strict=True,
        ):  # fmt: skip
            self._of.setdefault(name, []).append((gap[0], gap[1], gap[2]))

    def part(self, key: tuple[str, int]) -> pa.Table:
        """Bars of an instrument and stretch that touch a gap, and those after them.

        Returns
        -------
        pa.Table
            `instrument`, `bar_start`; `touched`: false where only the bar before touches one;
            `known_at`: when the gaps could be known.
        """
        name, stretch = key
        base, count = stretch * STRETCH // _BAR, STRETCH // _BAR
        # from the bar before the stretch on: when the gaps that a bar touches are known
        known = np.full(count + 1, _NEVER, np.int64)
        for first, last, at in self._of.get(name, ()):
            mine = slice(max(first - base + 1, 0), max(last - base + 2, 0))
            known[mine] = np.maximum(known[mine], at)
        touched = known > _NEVER
        places = np.flatnonzero(touched[1:] | touched[:-1])
        return pa.table({
            "instrument": pa.repeat(name, len(places)),
            "bar_start": pa.array((base + places) * _BAR).cast(pa.timestamp("ns")),
            "touched": touched[1:][places],
            "known_at": pa.array(np.maximum(known[1:], known[:-1])[places]).cast(
                pa.timestamp("ns")),
        })


def a_bar_later(traded: pa.Table) -> pa.Table:
    """Counts of trades, by the 100 ms after those they fell in."""
    import pyarrow.compute as pc

    rows = traded.select(["instrument", "bar_start", *_TRADE_COUNTS])
    later = pc.add(rows.column("bar_start").cast(pa.int64()), _BAR)
    return rows.set_column(1, "bar_start", later.cast(pa.timestamp("ns")))


def runs(rows: pa.Table | pa.RecordBatch) -> Iterator[tuple[tuple[str, int], slice]]:
    """Instrument and stretch of each run of rows, and the rows' slice."""
    if len(rows) == 0:
        return
    instrument = rows.column("instrument")
    bar_start = rows.column("bar_start").cast(pa.int64())
    if isinstance(instrument, pa.ChunkedArray):
        instrument, bar_start = instrument.combine_chunks(), bar_start.combine_chunks()
    codes = instrument.dictionary_encode()
    number, stretch = codes.indices.to_numpy(), bar_start.to_numpy() // STRETCH
    cuts = np.flatnonzero((np.diff(number) != 0) | (np.diff(stretch) != 0)) + 1
    first = 0
    for last in [*cuts.tolist(), len(rows)]:
        name = codes.dictionary[int(number[first])].as_py()
        yield (name, int(stretch[first])), slice(first, last)
        first = last
