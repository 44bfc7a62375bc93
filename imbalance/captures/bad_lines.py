"""Lines of a capture that could not be understood, however many there are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import IO

import pyarrow as pa

from imbalance.captures.chunks import BadLine

MOST_HELD = 20_000
"""Lines held in memory: some 10 MB. A file of nothing else has a hundred thousand in a megabyte."""

_TYPES = {"int": pa.int64(), "str": pa.string()}
_SCHEMA = pa.schema([(field.name, _TYPES[str(field.type)]) for field in fields(BadLine)])


class BadLines:
    """Quarantined lines in their order, in a file without a name once they are many.

    Parameters
    ----------
    directory : where that file is; it is gone with this object or its process.
    lines : those to begin with.
    """

    def __init__(self, directory: Path, lines: list[BadLine]) -> None:
        self._directory = directory
        self._held = list(lines)
        self._file: IO[bytes] | None = None
        self._stream: pa.RecordBatchStreamWriter | None = None

    def extend(self, lines: list[BadLine]) -> None:
        """Take further lines."""
        self._held.extend(lines)
        if len(self._held) > MOST_HELD:
            self._spill()

    @property
    def few(self) -> list[BadLine] | None:
        """All lines; None where they are too many to be held."""
        return list(self._held) if self._file is None else None

    def tables(self, capture_id: str, path: str) -> Iterator[pa.Table]:
        """Rows of `raw.quarantine`, some at a time; nothing can be added any more."""
        if self._file is not None and self._stream is not None:
            self._stream.close()
            self._file.seek(0)
            with pa.ipc.open_stream(self._file) as kept:
                for rows in kept:
                    yield _rows_of(pa.Table.from_batches([rows]), capture_id, path)
        yield _rows_of(_table(self._held), capture_id, path)

    def _spill(self) -> None:
        if self._file is None or self._stream is None:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115
            self._stream = pa.ipc.new_stream(self._file, _SCHEMA)
        for first in range(0, len(self._held), MOST_HELD):
            self._stream.write_table(_table(self._held[first : first + MOST_HELD]))
        self._held.clear()


def _table(lines: list[BadLine]) -> pa.Table:
    return pa.Table.from_arrays(
        [pa.array([getattr(line, field.name) for line in lines], field.type) for field in _SCHEMA],
        schema=_SCHEMA,
    )


def _rows_of(lines: pa.Table, capture_id: str, path: str) -> pa.Table:
    names = ("capture_id", capture_id), ("path", path)
    for place, (name, value) in enumerate(names):
        lines = lines.add_column(place, name, pa.repeat(pa.scalar(value), len(lines)))
    return lines
