"""Rows of the ledger as values. How they are kept is in `ledger`."""

from __future__ import annotations

import datetime
from dataclasses import dataclass


@dataclass(frozen=True)
class NewEntry:
    """A partition's new file, or its removal (`file` None). `file` is relative to the home."""

    table: str
    partition: str
    file: str | None
    sha256: str | None
    rows_hash: str | None
    row_count: int
    inputs_hash: str
    definition_version: str
    schema_hash: str = ""


@dataclass(frozen=True)
class Entry(NewEntry):
    """An entry as committed: its number, by which run, when.

    `recorded_at` is in ns since the epoch, UTC; no two entries have the same, and later ones have
    later ones, even if the clock steps back.
    """

    sequence: int = 0
    run: str = ""
    recorded_at: int = 0


@dataclass(frozen=True)
class CaptureFile:
    """A capture file by its bytes. Days are its first and last UTC day, None when not known yet."""

    capture_id: str
    sha256: str
    path: str
    size: int
    mtime_ns: int
    format: str
    venue: str
    first_day: str | None = None
    last_day: str | None = None
    registered_at: int = 0


def days_of(capture: CaptureFile) -> list[str]:
    """The UTC days a capture may hold events of."""
    if capture.first_day is None or capture.last_day is None:
        return []
    first = datetime.date.fromisoformat(capture.first_day)
    last = datetime.date.fromisoformat(capture.last_day)
    return [
        (first + datetime.timedelta(days=k)).isoformat() for k in range((last - first).days + 1)
    ]


@dataclass(frozen=True)
class Choice:
    """How the format of a capture was chosen.

    Parameters
    ----------
    named : whether the user named it.
    mapping : what stands for the mapping of a format of the user's own.
    """

    named: bool = False
    mapping: str | None = None


@dataclass(frozen=True)
class Failure:
    """A task that failed on a partition, and why; `recorded_at` in ns since the epoch."""

    table: str
    partition: str
    run: str
    message: str
    recorded_at: int
