"""What becomes of feature rows once they are made: their order, and what is counted of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

from imbalance.features.stretches import by_instrument
from imbalance.features.tables import BARS, CHAINS, MOMENTS, WEIGHTS


class Made:
    """Rows of the instruments, one after the other: bars are written at once, what was trained when
    all is there, in the order of its table's key.

    Parameters
    ----------
    write : takes rows by table.
    """

    _BAR_NAMES = frozenset(table.name for table in BARS)
    _TRAINED = (WEIGHTS, MOMENTS, CHAINS)

    def __init__(self, write: Callable[[str, pa.Table], None]) -> None:
        self._write = write
        self._trained: dict[str, list[pa.Table]] = {}
        self._coverage: dict[str, float] = {}
        self._poisoned: dict[str, int] = {}
        self._count: dict[str, int] = {}

    def take(self, made: Iterable[tuple[str, pa.Table]]) -> None:
        """Take rows by table."""
        for name, rows in made:
            if name not in self._BAR_NAMES:
                self._trained.setdefault(name, []).append(rows)
                continue
            self._write(name, rows)
            if name == BARS[0].name:
                self._sum_up(rows)

    def summary(self) -> dict[str, Any]:
        """By instrument: mean coverage and poisoned bars of 100 ms; nothing more is taken."""
        self._write_trained()
        return {
            "instruments": list(self._count),
            "coverage": {
                name: float(self._coverage[name] / count) for name, count in self._count.items()
            },
            "poisoned": self._poisoned,
        }

    def _sum_up(self, rows: pa.Table) -> None:
        coverage = rows.column("coverage").to_numpy()
        poisoned = rows.column("poisoned").to_numpy()
        for name, mine in by_instrument(rows):
            self._coverage[name] = self._coverage.get(name, 0.0) + coverage[mine].sum()
            self._poisoned[name] = self._poisoned.get(name, 0) + int(poisoned[mine].sum())
            self._count[name] = self._count.get(name, 0) + mine.stop - mine.start

    def _write_trained(self) -> None:
        for table in self._TRAINED:
            rows = self._trained.pop(table.name, None)
            if rows:
                order = [(name, "ascending") for name in table.order]
                self._write(table.name, pa.concat_tables(rows).sort_by(order))
