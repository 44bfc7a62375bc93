"""Whether a home holds what a generation holds: the hash of the rows of each partition.

Not here: filling the home (`imbalance reproduce` runs the application for that).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imbalance.contracts import Table
from imbalance.errors import EXIT_FAILED, UserError
from imbalance.store.files import sha256_file
from imbalance.store.ledger import Ledger
from imbalance.store.manifest import Manifest


@dataclass(frozen=True)
class Mismatch:
    """A partition whose rows are not those of the generation; `found` None: it was not made."""

    table: str
    partition: str
    expected: str
    found: str | None


@dataclass(frozen=True)
class Reproduction:
    """How many partitions were compared, which differ, and the tables defined otherwise today."""

    partitions: int
    mismatches: tuple[Mismatch, ...]
    redefined: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether all rows are those of the generation."""
        return not self.mismatches


def capture_files(ledger: Ledger, manifest: Manifest) -> list[Path]:
    """Where the captures of a generation are now.

    Raises
    ------
    UserError
        If one is no longer there under any of its names.
    """
    found = []
    for capture in manifest.captures:
        paths = [Path(path) for path in ledger.capture_paths(capture)]
        # A file may have taken the name of another: the id is how the hash of the bytes begins.
        there = next((path for path in paths
                      if path.is_file() and sha256_file(path).startswith(capture)), None)
        if there is None:
            raise UserError(
                f"the capture {capture} is no longer there",
                where=", ".join(map(str, paths)) or "the ledger does not know it",
                fix="get it back from where it came from, and give its place to imbalance run",
                exit_code=EXIT_FAILED,
            )
        found.append(there)
    return found


def days(manifest: Manifest) -> tuple[str, str]:
    """First and last day of the partitions of venues in a generation."""
    found = sorted({key.partition("|")[0] for keys in manifest.tables.values()
                    for key in keys if "|" in key})
    return found[0], found[-1]


def compare_rows(
    manifest: Manifest, ledger: Ledger, tables: Mapping[str, Table]
) -> Reproduction:
    """The current partitions of a ledger beside those of a generation, by the hash of the rows."""
    current = ledger.all_partitions()
    mismatches = []
    for table, partitions in manifest.tables.items():
        for partition, released in partitions.items():
            entry = current.get(table, {}).get(partition)
            rows_hash = None if entry is None else entry.rows_hash
            if rows_hash != released.rows_hash:
                mismatches.append(Mismatch(table, partition, released.rows_hash, rows_hash))
    redefined = tuple(
        name for name, digest in manifest.definitions.items()
        if name not in tables or tables[name].definition_hash() != digest
    )
    return Reproduction(sum(map(len, manifest.tables.values())), tuple(mismatches), redefined)
