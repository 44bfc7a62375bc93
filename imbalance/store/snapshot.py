"""The ledger as it stands at one moment, read once: for who asks about every partition there is.

Asking the file costs some 30 µs a question, and a plan asks some hundreds a day. Not here: what is
written, which is decided by the ledger as it is then.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property
from typing import NoReturn

from imbalance.store.ledger import AFTER_DAY, Ledger
from imbalance.store.ledger_rows import CaptureFile, Entry, Failure, days_of


class Snapshot(Ledger):
    """A ledger's newest entries, captures and failures of one moment; nothing is written by it.

    What is asked of an earlier sequence (`at`), of the past or of what entries were made from comes
    from the file, which only ever grows.
    """

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger.path)
        with self._reading() as connection:
            connection.execute("begin")  # one moment for all of it
            self._entries: dict[str, dict[str, Entry]] = {}
            for entry in super()._newest(None):
                self._entries.setdefault(entry.table, {})[entry.partition] = entry
            self._captures = super().captures()
            self._failures = super().failures()
            self._last_sequence = super().last_sequence()
            connection.execute("commit")
        self._partitions: dict[str, list[str]] = {}

    def current(self, table: str, partition: str, at: int | None = None) -> Entry | None:
        """As `Ledger.current`."""
        if at is not None:
            return super().current(table, partition, at)
        entry = self._entries.get(table, {}).get(partition)
        return entry if entry is not None and entry.file is not None else None

    def newest(self, table: str, partition: str, at: int | None = None) -> Entry | None:
        """As `Ledger.newest`."""
        if at is not None:
            return super().newest(table, partition, at)
        return self._entries.get(table, {}).get(partition)

    def partitions_between(self, table: str, first: str, last: str) -> list[str]:
        """As `Ledger.partitions_between`."""
        if table not in self._partitions:
            self._partitions[table] = list(self.partitions(table))
        found = self._partitions[table]
        return found[bisect_left(found, first) : bisect_left(found, last + AFTER_DAY)]

    def _newest(
        self, at: int | None, table: str | None = None, days: tuple[str, str] | None = None
    ) -> Iterable[Entry]:
        if at is not None or days is not None:
            return super()._newest(at, table, days)
        of = self._entries.values() if table is None else [self._entries.get(table, {})]
        return [entry for entries in of for entry in entries.values()]

    def last_sequence(self) -> int:
        """As `Ledger.last_sequence`."""
        return self._last_sequence

    def captures(self) -> list[CaptureFile]:
        """As `Ledger.captures`."""
        return self._captures

    def captures_on(self, day: str) -> list[CaptureFile]:
        """As `Ledger.captures_on`."""
        return self._captures_by_day.get(day, [])

    @cached_property
    def _captures_by_day(self) -> dict[str, list[CaptureFile]]:
        found: dict[str, list[CaptureFile]] = {}
        for capture in self._captures:
            for day in days_of(capture):
                found.setdefault(day, []).append(capture)
        return found

    def failures(self) -> list[Failure]:
        """As `Ledger.failures`."""
        return self._failures

    def _writing(self) -> NoReturn:
        raise TypeError("a snapshot of the ledger is read only")
