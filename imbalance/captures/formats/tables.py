"""Tables as captures: delimited text with or without a header, and Parquet, of known layouts.

A layout is told by its columns. What the rows do not say, the venue or the instrument, is looked
for in the names of the file and its folder, and the file is refused where it is not there and not
named by the user.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.captures.clocks import NO_TIME
from imbalance.captures.compression import ChecksumError
from imbalance.captures.decoding import Context, Decoding
from imbalance.captures.delimited import DelimitedDecoder
from imbalance.captures.formats import binance_dumps
from imbalance.captures.formats.format import TIMED_LINES, Sniff, head_lines, likely, named_in
from imbalance.captures.formats.markets import Market
from imbalance.captures.frames import Frame
from imbalance.captures.layouts import coinbase_full, collectors, dumps, tardis
from imbalance.captures.siblings import symbol_beside, time_beside
from imbalance.captures.tabular import (
    EXCHANGE,
    PARQUET_MAGIC,
    Layout,
    ParquetDecoder,
    damage_told,
    parquet_file,
)

_HEADER = re.compile(rb"^[A-Za-z_][\w\[\]. ]*(,[\w\[\]. ]*)+$")
_SYMBOL = re.compile(r"(?:^|_)([A-Z][A-Z0-9]{1,14}(?:[-_](?:USDT?|USDC|PERP))?)(?=[_.-]|$)")
_TRADES, _LIQUIDATIONS = "tardis-trades", tardis.LIQUIDATIONS.name
_WORDS = {"trades": _TRADES, "liquidations": _LIQUIDATIONS}
_ASSUMED = (
    "taken for trades: neither columns nor path tell them from liquidations "
    f"(imbalance ingest --format says which: {_TRADES}, {_LIQUIDATIONS})"
)


@cache
def layouts() -> dict[str, Layout]:
    """All layouts by name, in the order in which a header is tried on them."""
    every = (
        *tardis.LAYOUTS, tardis.LIQUIDATIONS, *collectors.LAYOUTS, *coinbase_full.LAYOUTS,
        *dumps.LAYOUTS,
    )  # fmt: skip
    return {layout.name: layout for layout in every}


@cache
def _named_by_path() -> tuple[str, ...]:
    """Venues which the names of folders and files tell where the columns do not."""
    named = (layout for layout in layouts().values() if not _tells_venue(layout))
    return tuple(dict.fromkeys(venue for layout in named for venue in _venues(layout)))


def _tells_venue(layout: Layout) -> bool:
    """Whether columns, or rows, tell of which venue a table is."""
    return EXCHANGE in layout.columns or layout.name.startswith(("binance-", "coinbase-"))


def _venues(layout: Layout) -> tuple[str, ...]:
    return () if layout.contents is None else layout.contents.venues


def formats_of(layout: Layout) -> tuple[str, ...]:
    """Names of the formats in which tables of a layout come."""
    if layout.name in ALIKE:
        return (layout.name,)
    return ("tables", "parquet") if _fits_parquet(layout, tuple(layout.columns)) else ("tables",)


class Tables:
    """The format; see `Format`. Its layouts are those of `layouts`.

    Tardis's trades and liquidations have the same columns. They are formats of their own, so that
    which of them a file was taken for stays with it, wherever it is moved.
    """

    name = "tables"
    example = "CSV of Tardis, Binance's dumps and some collectors, told by their columns"
    needs_last_newline = False

    def sniff(self, head: bytes, compression: str, path: Path) -> Sniff | None:
        names, layout = _layout_of(_lines(head)[0])
        if layout is not None and layout.name == _TRADES:
            told = named_in(path, _WORDS)
            found = ALIKE[told or _TRADES].sniff(head, compression, path)
            return found if told or found is None else replace(found, assumed=_ASSUMED)
        if layout is None:
            return None if not names else Sniff(
                compression, reason=f"a table of no known layout: columns {', '.join(names[:12])}"
            )
        return self._sniff(_lines(head), names, layout, compression, path)

    def _sniff(
        self, lines: Sequence[bytes], names: tuple[str, ...], layout: Layout, compression: str,
        path: Path,
    ) -> Sniff:  # fmt: skip
        """What the first lines of a file of a layout say."""
        body = lines[1:] if _HEADER.match(lines[0]) else lines
        frame = frame_of(body[:TIMED_LINES * 4], names)
        market = _market(layout, frame, path)
        if market is None:
            return Sniff(compression, reason=f"{layout.name}: the rows name no venue")
        symbol = _symbol(layout, path)
        if symbol is None and not _has_symbols(layout):
            return Sniff(
                compression, reason=f"{layout.name}: neither rows nor the file's name have a symbol"
            )
        times = self._times(layout, frame, path)
        difference = _difference(frame)
        return Sniff(
            compression, self.name, market.venue, layout.unit,
            () if symbol is None else (symbol,), _unnamed(layout, market),
            min(times, default=None), difference, layout.name, market.others, market.assumed,
        )  # fmt: skip

    def times(self, lines: Iterable[bytes], found: Sniff, path: Path) -> list[int]:
        layout = layouts()[found.layout]
        taken = [line for line, _ in zip(lines, range(TIMED_LINES), strict=False)]
        names = _names(path)
        return likely(self._times(layout, frame_of(taken, names), path))

    @staticmethod
    def _times(layout: Layout, frame: Frame, path: Path) -> list[int]:
        if layout.name == "coinbase-snapshot":
            # the bids begin the book: the asks are read after them
            beside = time_beside(path)
            return [] if beside is None else [beside + ("asks" in path.name)]
        found = frame.time(layout.times[0], _unit_of(layout, frame), optional=True)
        return likely([int(time) for time in found if time != NO_TIME])

    def decoder(self, context: Context, found: Sniff) -> Decoding:
        layout = layouts()[found.layout]
        names = _names(context.path)
        first = first_line(context.path)
        return DelimitedDecoder(
            context, layout, names, found.symbols[0] if found.symbols else None,
            skip_header=bool(_HEADER.match(first)),
        )


class Alike(Tables):
    """Tables of one layout that shares its columns with another; see `Format`."""

    def __init__(self, layout: str, what: str) -> None:
        self.name, self.example = layout, f"CSV of Tardis: {what}"

    def sniff(self, head: bytes, compression: str, path: Path) -> Sniff | None:
        lines = _lines(head)
        names, layout = _layout_of(lines[0])
        if layout is None or layout.name != _TRADES:
            return None
        return self._sniff(lines, names, layouts()[self.name], compression, path)


def _unit_of(layout: Layout, frame: Frame) -> str:
    """The unit, told by the digits where a dump has had both ms and µs."""
    name, unit = layout.times
    if unit == "ms":
        texts = [v for v in frame.words(name) if v]
        return "us" if texts and len(texts[0]) >= 16 else "ms"
    return unit


def _lines(head: bytes) -> list[bytes]:
    """The first lines of a file; how the first one ends does not matter."""
    first, *rest = head_lines(head)
    return [first.rstrip(b"\r"), *rest]


def _layout_of(line: bytes) -> tuple[tuple[str, ...], Layout | None]:
    """Columns and layout by the first line of a file."""
    headless = binance_dumps.headless(line)
    if headless is not None:
        return headless[1], layouts()[headless[0]]
    if not _HEADER.match(line):
        return (), None
    names = tuple(line.decode("ascii").split(","))
    if len(set(names)) < len(names):
        return names, None
    found = (
        one for one in layouts().values()
        if one.columns == set(names) or (one.columns < set(names) and not one.exact)
    )
    return names, next(found, None)


def first_line(path: Path) -> bytes:
    """The first line of a file, without its end."""
    from imbalance.captures.framing import CaptureReader

    block = next(iter(CaptureReader(path, threaded=False)))
    return block.data.split(b"\n", 1)[0].rstrip(b"\r")


def _names(path: Path) -> tuple[str, ...]:
    names, _ = _layout_of(first_line(path))
    return names


def frame_of(lines: Sequence[bytes], names: Sequence[str], delimiter: str = ",") -> Frame:
    """Some lines of text as a frame, without those that lack columns."""
    rows = [line.rstrip(b"\r\n").decode("utf-8", "replace").split(delimiter) for line in lines]
    rows = [row for row in rows if len(row) == len(names)]
    columns = {
        name: pa.array([row[k] for row in rows], pa.string()) for k, name in enumerate(names)
    }
    return Frame(columns, np.arange(len(rows)))


def _has_symbols(layout: Layout) -> bool:
    return bool(layout.columns & {"symbol", "product_id"})


def _unnamed(layout: Layout, market: Market) -> str | None:
    """Why a table cannot be used as long as nobody names its venue."""
    if market.venue:
        return None
    return (
        f"{layout.name}: neither rows nor folder name the venue (imbalance ingest --venue says "
        "which)"
    )


def _market(layout: Layout, frame: Frame, path: Path) -> Market | None:
    """Where a table is from; None where its rows should say and do not."""
    if "exchange" in layout.columns:
        # rows of another are quarantined when they are decoded
        words = Counter(word for word in frame.words("exchange") if word)
        return Market(words.most_common(1)[0][0]) if words else None
    if layout.name.startswith("binance-"):
        symbols = [w for w in frame.words("symbol") if w] if _has_symbols(layout) else []
        named = symbols[0] if symbols else _symbol(layout, path) or ""
        return binance_dumps.market(layout.name, _venues(layout), frame, named, path)
    if _tells_venue(layout):
        (venue,) = _venues(layout)
        return Market(venue)
    text = "/".join(path.parts[-3:]).lower()
    return Market(next((venue for venue in _named_by_path() if venue in text), ""), None)


def _symbol(layout: Layout, path: Path) -> str | None:
    if _has_symbols(layout):
        return None
    if layout.name.startswith("coinbase-"):
        return symbol_beside(path)
    stem = path.name.split(".", 1)[0]
    if layout.name.startswith("binance-"):
        return binance_dumps.symbol(stem)
    if layout.name == "last-prices":
        venue = next((v for v in _named_by_path() if stem.lower().startswith(v)), None)
        return None if venue is None else f"BTC{stem[len(venue):].split('_')[0]}"
    found: list[str] = _SYMBOL.findall(stem)
    return found[0] if found else None


def _difference(frame: Frame) -> tuple[int, int] | None:
    """Receive − exchange time of the first row that has both, and its receipt."""
    if {"local_timestamp", "timestamp"} <= set(frame.columns):
        receive, exchange = frame.time("local_timestamp", "us"), frame.time("timestamp", "us")
    elif {"timestamp", "exchange_timestamp"} <= set(frame.columns):
        receive = frame.time("timestamp", "s")
        exchange = frame.time("exchange_timestamp", "ms", optional=True)
    else:
        return None
    for row in range(len(frame)):
        if receive[row] != NO_TIME and exchange[row] != NO_TIME:
            return int(receive[row] - exchange[row]), int(receive[row])
    return None


class ParquetTables:
    """Parquet files of the same layouts; a row counts as a line."""

    name = "parquet"
    example = "Parquet of known collectors, told by its columns"
    needs_last_newline = False

    def sniff(self, head: bytes, compression: str, path: Path) -> Sniff | None:
        if not head.startswith(PARQUET_MAGIC):
            return None
        try:
            with damage_told(), parquet_file(path) as file:
                names = tuple(file.schema_arrow.names)
                layout = next((x for x in layouts().values() if _fits_parquet(x, names)), None)
                if layout is None:
                    shown = ", ".join(names[:12])
                    return Sniff(compression, reason=f"Parquet of no known layout: columns {shown}")
                times = _column_times(file, layout, 0)
        except ChecksumError as error:
            return Sniff(compression, reason=f"a Parquet file that cannot be read: {error}")
        market = _market(layout, _empty(names), path)
        if market is None:
            return Sniff(compression, reason=f"{layout.name}: the rows name no venue")
        symbol = _symbol(layout, path)
        if symbol is None and not _has_symbols(layout):
            return Sniff(
                compression, reason=f"{layout.name}: neither rows nor the file's name have a symbol"
            )
        return Sniff(
            compression, self.name, market.venue, layout.unit,
            () if symbol is None else (symbol,), _unnamed(layout, market),
            min(times, default=None), None, layout.name, market.others, market.assumed,
        )  # fmt: skip

    def times(self, lines: Iterable[bytes], found: Sniff, path: Path) -> list[int]:  # noqa: ARG002
        try:
            with damage_told(), parquet_file(path) as file:
                last = file.num_row_groups - 1
                return likely(_column_times(file, layouts()[found.layout], last))
        except ChecksumError:
            return []

    def decoder(self, context: Context, found: Sniff) -> Decoding:
        symbol = found.symbols[0] if found.symbols else None
        return ParquetDecoder(context, layouts()[found.layout], symbol)


def _empty(names: Sequence[str]) -> Frame:
    """The columns of a file without its rows."""
    return Frame({name: pa.nulls(0, pa.string()) for name in names}, np.empty(0))


def _fits_parquet(layout: Layout, names: Sequence[str]) -> bool:
    """Whether a Parquet file is of a layout; those whose rows name the venue are text only."""
    return layout.columns <= set(names) and not layout.exact and EXCHANGE not in layout.columns


def _column_times(file: Any, layout: Layout, group: int) -> list[int]:
    """Times of the rows of a row group."""
    name, unit = layout.times
    if file.num_row_groups == 0:
        return []
    column = file.read_row_group(group, columns=[name])[name].combine_chunks()
    frame = Frame({name: column}, np.arange(len(column)))
    found = frame.time(name, unit, optional=True)
    return [int(time) for time in found if time != NO_TIME]


ALIKE = {
    _TRADES: Alike(_TRADES, "trades"),
    _LIQUIDATIONS: Alike(
        _LIQUIDATIONS, "liquidations, which have the columns of trades (told by their path)"
    ),
}
FORMAT = Tables()
TRADES, LIQUIDATIONS = ALIKE[_TRADES], ALIKE[_LIQUIDATIONS]
PARQUET = ParquetTables()
