"""Rows of instruments that are rebuilt side by side, written one instrument after the other.

Partition files are sorted by instrument, so that readers find one without reading the others.
Messages of a venue come interleaved; what is not the first instrument's turn yet waits on disk.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa

from imbalance.books.rebuild import Sink


class Spool:
    """Hands rows on in the order of instruments.

    Parameters
    ----------
    directory : where waiting rows are put; removed by `close`.
    sink : takes the rows in order.
    """

    def __init__(self, directory: Path, sink: Sink) -> None:
        self._directory = directory / f"book-{uuid.uuid4().hex}"
        self._sink = sink
        self._turn: str | None = None
        self._writers: dict[tuple[str, str], Any] = {}
        self._paths: dict[tuple[str, str], Path] = {}

    def begin(self, instrument: str) -> None:
        """From now on it is an instrument's turn: its waiting rows go first."""
        self._turn = instrument
        for (name, table), path in list(self._paths.items()):
            if name != instrument:
                continue
            self._writers.pop((name, table)).close()
            with pa.memory_map(str(path)) as source:
                for batch in pa.ipc.open_stream(source):
                    self._sink(table, pa.Table.from_batches([batch]))
            path.unlink()
            del self._paths[name, table]

    def sink_of(self, instrument: str) -> Sink:
        """The sink of one instrument's rebuild."""

        def take(table: str, rows: pa.Table) -> None:
            if instrument == self._turn:
                self._sink(table, rows)
            else:
                self._wait(instrument, table, rows)

        return take

    def close(self) -> None:
        """Remove whatever still waits."""
        for writer in self._writers.values():
            writer.close()
        for path in self._paths.values():
            path.unlink(missing_ok=True)
        if self._directory.exists():
            self._directory.rmdir()

    def _wait(self, instrument: str, table: str, rows: pa.Table) -> None:
        key = (instrument, table)
        if key not in self._writers:
            self._directory.mkdir(parents=True, exist_ok=True)
            # numbered: a symbol may hold what no file name may
            path = self._directory / f"{len(self._paths)}-{uuid.uuid4().hex}.arrows"
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._paths[key] = path
            self._writers[key] = pa.ipc.new_stream(str(path), rows.schema, options=options)
        self._writers[key].write_table(rows)
