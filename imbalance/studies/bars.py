"""Bars of a window, instrument by instrument: a study holds those that it works on, and not all.

Both forms map an instrument to an Arrow table of its bars. Putting them on a grid is `alignment`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from imbalance.studies.events import groups_of
from imbalance.studies.measures import beside

if TYPE_CHECKING:
    from imbalance.store.task import TaskContext

_KEY = ("instrument", "bar_start")
_WHOLE = 1 << 27
"""Bytes of columns up to which bars are read at once: each look into a file has its price."""


class TableBars(Mapping[str, Any]):
    """Bars that are one Arrow table of all instruments, in any order."""

    def __init__(self, table: Any) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        codes = pc.dictionary_encode(table.column("instrument").combine_chunks())
        if isinstance(codes, pa.ChunkedArray):
            codes = codes.combine_chunks()
        which = codes.indices.to_numpy()
        self._table = table
        self._order = np.argsort(which, kind="stable")
        counts = np.bincount(which, minlength=len(codes.dictionary))
        ends = np.cumsum(counts)
        self._places = {
            name: (int(end - count), int(end))
            for name, count, end in zip(codes.dictionary.to_pylist(), counts, ends, strict=True)
            if count
        }

    def __getitem__(self, instrument: str) -> Any:
        start, end = self._places[instrument]
        rows = self._order[start:end]
        if rows[-1] - rows[0] == len(rows) - 1:
            return self._table.slice(rows[0], len(rows))
        return self._table.take(rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def stored_bars(
    context: TaskContext, inputs: Iterable[tuple[str, str]], size: str, columns: Sequence[str]
) -> Mapping[str, Any]:
    """Bars of one size: one table where they are few, by instrument where they are many.

    Parameters are those of `StoredBars`.
    """
    bars = StoredBars(context, inputs, size, columns)
    few = 8 * bars.rows * len(columns) <= _WHOLE
    return TableBars(bars.whole()) if few and bars.rows else bars


class StoredBars(Mapping[str, Any]):
    """Bars of one size, of all venues and days: the columns asked for that there are.

    Columns of the derivative bars stand beside those of the same instrument and bar, which is known
    when both are.

    Parameters
    ----------
    context : of the running task.
    inputs : (table, partition) of what it may read.
    """

    def __init__(
        self, context: TaskContext, inputs: Iterable[tuple[str, str]], size: str,
        columns: Sequence[str],
    ) -> None:
        from imbalance import catalog

        inputs = tuple(inputs)
        name = f"features.bars_{size}"
        held = catalog.table(name).column_names
        self._context = context
        self._wanted = [column for column in columns if column in held]
        self._beside = beside(size, columns)
        self._others = [one for one in inputs
                        if self._beside and one[0] == f"features.derivative_bars_{size}"]
        self._bars = [one for one in inputs if one[0] == name]

    @property
    def rows(self) -> int:
        """How many bars there are."""
        return sum(self._context.row_count(*one) for one in self._bars)

    def whole(self) -> Any:
        """All of them in one table."""
        return self._read(self._bars, lambda one, columns: self._context.read(*one, columns))

    def __getitem__(self, instrument: str) -> Any:
        parts = [one for one, names in self._parts.items() if instrument in names]
        if not parts:
            raise KeyError(instrument)
        return self._read(parts, lambda one, columns: _of(self._context, one, columns, instrument))

    def _read(
        self, parts: Sequence[tuple[str, str]],
        read: Callable[[tuple[str, str], Sequence[str]], Any],
    ) -> Any:
        import pyarrow as pa

        bars = pa.concat_tables(read(one, self._wanted) for one in parts)
        if not self._others:
            return bars
        beside = [*_KEY, "available_at", *self._beside]
        return _joined(bars, pa.concat_tables(read(one, beside) for one in self._others))

    @cached_property
    def _parts(self) -> dict[tuple[str, str], set[str]]:
        return {one: _instruments(self._context, one) for one in self._bars}

    @cached_property
    def _names(self) -> list[str]:
        return sorted(set().union(*self._parts.values()))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _instruments(context: TaskContext, part: tuple[str, str]) -> set[str]:
    import pyarrow.compute as pc

    found: set[str] = set()
    for batch in context.batches(*part, ["instrument"], dictionaries=True):
        found.update(pc.unique(batch.column("instrument")).to_pylist())
    return found


def _of(
    context: TaskContext, part: tuple[str, str], columns: Sequence[str], instrument: str
) -> Any:
    """Rows of an instrument in a file, of whose groups only those are read that may hold it."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = context.path(*part)
    if path is None:
        return context.read(*part, columns)
    with pq.ParquetFile(path) as file:
        rows = file.read_row_groups(groups_of(file, instrument), columns=list(columns))
    return rows.filter(pc.equal(rows.column("instrument"), instrument))


def _joined(bars: Any, others: Any) -> Any:
    """Bars with the columns of others, in any order; available when both are."""
    import pyarrow.compute as pc

    both = bars.join(others, list(_KEY), right_suffix="_of_others")
    known = pc.max_element_wise(both.column("available_at"), both.column("available_at_of_others"))
    place = both.schema.get_field_index("available_at")
    return both.set_column(place, "available_at", known).drop_columns("available_at_of_others")
