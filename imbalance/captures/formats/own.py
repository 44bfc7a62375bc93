"""Formats of the user's own: delimited text, JSON lines or Parquet, by a mapping of columns.

A file is of such a format when all the columns that the mapping names are in it; which of the
three it is is told by its first bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from imbalance.captures.clocks import NO_TIME
from imbalance.captures.compression import ChecksumError
from imbalance.captures.decoding import Context, Decoding
from imbalance.captures.delimited import DelimitedDecoder
from imbalance.captures.events import Rejected
from imbalance.captures.formats.format import TIMED_LINES, Sniff, head_lines, likely
from imbalance.captures.formats.tables import first_line, frame_of
from imbalance.captures.frames import Frame
from imbalance.captures.json_rows import JsonRowsDecoder, json_frame, parsed
from imbalance.captures.layouts.mapped import layout_of
from imbalance.captures.mapping import COLUMNS, Mapped
from imbalance.captures.tabular import (
    PARQUET_MAGIC,
    ParquetDecoder,
    damage_told,
    parquet_file,
)
from imbalance.captures.venues.venue import Instrument

PARQUET, JSON, TEXT = "parquet", "json_lines", "delimited"
_YEAR = 366 * 86_400 * 10**9
_BELIEVED = (30 * _YEAR, 130 * _YEAR)
"""Times from 2000 to 2100 or so: others are of another unit."""


class OwnFormat:
    """One mapping as a format; see `Format`."""

    needs_last_newline = False

    def __init__(self, mapped: Mapped) -> None:
        self._mapped = mapped
        self._layout = layout_of(mapped)
        self.name = mapped.name
        self.example = f"{mapped.table} of {mapped.venue} with columns {', '.join(mapped.wanted)}"

    def sniff(self, head: bytes, compression: str, path: Path) -> Sniff | None:
        if head.startswith(PARQUET_MAGIC):
            kind, frame = PARQUET, self._parquet(path, first=True)
        elif head.lstrip().startswith(b"{"):
            kind, frame = JSON, self._json(head_lines(head))
        else:
            kind, frame = TEXT, self._text(head_lines(head))
        if frame is None:
            return None
        symbol = self._symbol(path)
        if symbol is None and self._mapped.symbol_column is None:
            return Sniff(compression, reason=f"{self.name}: symbol_pattern finds none in the "
                         f"file's name: {self._mapped.symbol_pattern}")
        times = self._times(frame)
        wrong = self._wrong_times(times)
        if wrong is not None:
            return Sniff(compression, reason=f"{self.name}: {wrong}")
        return Sniff(
            compression, self.name, self._mapped.venue, self._layout.unit,
            () if symbol is None else (symbol,), None, min(times), self._difference(frame), kind,
        )  # fmt: skip

    def _wrong_times(self, times: Sequence[int]) -> str | None:
        column, unit = self._layout.times
        if not times or not _BELIEVED[0] <= min(times) <= max(times) <= _BELIEVED[1]:
            return f"times of column {column} are none, or not of these days when read as {unit}"
        return None

    def _symbol(self, path: Path) -> str | None:
        if self._mapped.symbol_pattern is None:
            return self._mapped.symbol
        found = re.search(self._mapped.symbol_pattern, path.name)
        return found[1] if found else None

    def _text(self, lines: Sequence[bytes]) -> Frame | None:
        """First rows of delimited text; None where the columns are others."""
        names = self._names(lines[0])
        if names is None:
            return None
        body = lines if self._mapped.header else lines[1:]
        frame = frame_of(body[:TIMED_LINES], names, self._layout.delimiter)
        return frame if len(frame) or not self._mapped.header else None

    def _names(self, line: bytes) -> tuple[str, ...] | None:
        names = self._mapped.header
        if not names:
            words = line.rstrip(b"\r").decode("utf-8", "replace").split(self._layout.delimiter)
            names = tuple(words)
        fits = set(self._mapped.wanted) <= set(names) and len(set(names)) == len(names)
        return names if fits else None

    def _json(self, lines: Sequence[bytes]) -> Frame | None:
        objects = []
        for line in lines[:TIMED_LINES]:
            try:
                objects.append(parsed(line))
            except Rejected:
                continue
        frame = json_frame(objects, np.arange(len(objects)), self._mapped.wanted)
        there = all(column.null_count < len(column) for column in frame.columns.values())
        return frame if objects and there else None

    def _parquet(self, path: Path, *, first: bool) -> Frame | None:
        try:
            with damage_told(), parquet_file(path) as file:
                names = set(file.schema_arrow.names)
                if not set(self._mapped.wanted) <= names or not file.num_row_groups:
                    return None
                group = 0 if first else file.num_row_groups - 1
                rows = file.read_row_group(group, columns=list(self._mapped.wanted))
        except ChecksumError:
            return None
        rows = rows.slice(0, TIMED_LINES) if first else rows.slice(max(len(rows) - TIMED_LINES, 0))
        return Frame({name: rows[name].combine_chunks() for name in rows.column_names},
                     np.arange(len(rows)))

    def _times(self, frame: Frame) -> list[int]:
        found = frame.time(*self._layout.times, optional=True)
        return likely([int(time) for time in found if time != NO_TIME])

    def _difference(self, frame: Frame) -> tuple[int, int] | None:
        mapped = self._mapped
        if mapped.receive_time is None or mapped.exchange_time is None:
            return None
        receive = frame.time(mapped.receive_time, mapped.receive_unit, optional=True)
        exchange = frame.time(mapped.exchange_time, mapped.exchange_unit, optional=True)
        both = np.flatnonzero((receive != NO_TIME) & (exchange != NO_TIME))
        if not len(both):
            return None
        first = both[0]
        return int(receive[first] - exchange[first]), int(receive[first])

    def times(self, lines: Iterable[bytes], found: Sniff, path: Path) -> list[int]:
        if found.layout == PARQUET:
            frame = self._parquet(path, first=False)
            return [] if frame is None else self._times(frame)
        taken = [line for line, _ in zip(lines, range(TIMED_LINES), strict=False)]
        if found.layout == JSON:
            last = self._json(taken)
            return [] if last is None else self._times(last)
        names = self._mapped.header or self._names(first_line(path)) or ()
        return self._times(frame_of(taken, names, self._layout.delimiter))

    def decoder(self, context: Context, found: Sniff) -> Decoding:
        mapped = self._mapped
        symbol = found.symbols[0] if found.symbols else None
        if mapped.multiplier is not None:
            context.contracts.settle(
                Instrument("", multiplier=mapped.multiplier, inverse=mapped.inverse,
                           source={"multiplier": "configuration", "inverse": "configuration"})
            )
        if found.layout == PARQUET:
            return ParquetDecoder(context, self._layout, symbol)
        if found.layout == JSON:
            return JsonRowsDecoder(context, self._layout, symbol, self._columns())
        names = mapped.header or self._names(first_line(context.path)) or ()
        return DelimitedDecoder(
            context, self._layout, names, symbol, skip_header=not mapped.header
        )

    def _columns(self) -> list[str]:
        """All places of JSON lines that are asked for."""
        mapped = self._mapped
        if mapped.table != "book_images":
            return list(mapped.wanted)
        levels = range(mapped.first_level, mapped.first_level + mapped.levels)
        named = [mapped.level(what, k) for what in COLUMNS[mapped.table][0] for k in levels]
        return list(dict.fromkeys([*mapped.wanted, *named]))
