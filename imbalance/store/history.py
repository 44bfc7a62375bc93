"""What each partition has held and when: the ledger's entries as intervals of time.

A partition committed again with the same file holds the same rows, known since the first time. Not
here: SQL over these files (`session`), and what may be removed (`retention`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from imbalance.store.ledger import Entry, Ledger

SUFFIX = "_history"
"""What the view of a table's versions is called after the table."""


@dataclass(frozen=True)
class Version:
    """A file of a partition from `recorded_at` until `superseded_at` (ns, UTC; None: until now)."""

    partition: str
    file: str
    schema_hash: str
    recorded_at: int
    superseded_at: int | None

    @property
    def is_current(self) -> bool:
        """Whether nothing has replaced it."""
        return self.superseded_at is None


def versions(
    ledger: Ledger, at: int | None = None, table: str | None = None
) -> dict[str, list[Version]]:
    """All versions of all partitions by table (of one table) as of ledger sequence `at`, by
    partition and time.
    """
    entries: dict[tuple[str, str], list[Entry]] = {}
    for entry in ledger.history(table, at=at):
        entries.setdefault((entry.table, entry.partition), []).append(entry)
    found: dict[str, list[Version]] = {}
    for (name, _), of_partition in sorted(entries.items()):
        found.setdefault(name, []).extend(_intervals(of_partition))
    return found


def current_files(ledger: Ledger) -> set[str]:
    """The files whose rows are current; the others are those of superseded versions."""
    partitions = ledger.all_partitions().values()
    return {entry.file for of in partitions for entry in of.values() if entry.file is not None}


def _intervals(entries: Iterable[Entry]) -> list[Version]:
    changes: list[Entry] = []
    for entry in entries:
        if not changes or (changes[-1].file, changes[-1].schema_hash) != (
            entry.file, entry.schema_hash
        ):
            changes.append(entry)
    ends = [entry.recorded_at for entry in changes[1:]]
    return [
        Version(one.partition, one.file, one.schema_hash, one.recorded_at, end)
        for one, end in zip(changes, [*ends, None], strict=True)
        if one.file is not None
    ]
