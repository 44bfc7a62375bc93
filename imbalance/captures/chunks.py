"""Chunks: the typed events of one block of a capture, as NumPy columns in the order of the lines.

Here what the scanner and the venue's parser decoded is put together. Nothing is decoded here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from imbalance.captures import scanner
from imbalance.captures.venues.binance import KIND_MARK, KIND_SNAPSHOT, Decoded


@dataclass(frozen=True)
class BadLine:
    """A line that could not be understood."""

    line: int
    byte_offset: int
    byte_length: int
    reason: str
    detail: str
    text_sha256: str
    text_start: str


def bad_line(line: int, offset: int, text: bytes, reason: str, detail: str) -> BadLine:
    """A line that could not be understood, with as much of it as is shown."""
    shown = text[:200].decode("utf-8", "replace")
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown)
    digest = hashlib.sha256(text).hexdigest()
    return BadLine(line, offset, len(text), reason, detail, digest, shown)


@dataclass(frozen=True)
class Times:
    """Columns every event has, (n,) each; times in ns, `NO_TIME` where there is none."""

    instrument: Any
    line: Any
    exchange: Any
    transaction: Any
    receive: Any
    event: Any
    source: Any
    available: Any

    def take(self, rows: Any) -> Times:
        """The same columns at some rows (mask or indices)."""
        return Times(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.line)


@dataclass(frozen=True)
class Chunk:
    """Events of one block by kind, each kind in the order of the lines.

    `books`: (times, snapshot flag, update ids (n, 3), bid offsets (n+1,), ask offsets, bid
    prices, bid sizes, ask prices, ask sizes). `quotes`: (times, update id, (n, 4) prices and
    sizes). `trades`: (times, aggregate flag, id, (n, 2) price and size, maker flag). `marks`:
    (times, (n, 5) values with NaN for missing).
    """

    books: tuple[Any, ...]
    quotes: tuple[Any, ...]
    trades: tuple[Any, ...]
    marks: tuple[Any, ...]
    bad_lines: list[BadLine]
    compressed_bytes: int
    text_bytes: int


def books_of(kind: Any, times: Times, position: Any, out: Any, extra: Any) -> tuple[Any, ...]:
    """Book messages, the scanner's and the parser's, in the order of their lines."""
    rows, where, slow = _places(kind, position, (scanner.KIND_DIFF, KIND_SNAPSHOT), extra)
    n, bids, asks = int(out.used[1]), int(out.used[4]), int(out.used[5])
    ids, heights = [], []
    for _, found in slow:
        if found.kind == KIND_SNAPSHOT:
            identity, bid, ask = found.values
            ids.append((-1, identity, -1))
        else:
            first, last, previous, bid, ask = found.values
            ids.append((first, last, -1 if previous is None else previous))
        heights.append((len(bid[0]), len(ask[0])))
    update_ids = _merge(out.update_ids[:n], where, ids)
    counts = _merge(out.level_counts[:n], where, heights)
    offsets = np.zeros((len(counts) + 1, 2), np.int64)
    np.cumsum(counts, axis=0, out=offsets[1:])
    levels = []
    for side, (used, buffers) in enumerate(
        ((bids, (out.bid_price, out.bid_size)), (asks, (out.ask_price, out.ask_size)))
    ):
        for part, buffer in enumerate(buffers):
            values = buffer[:used].copy()
            for place, (_, found) in zip(where, slow, strict=True):
                side_levels = found.values[-2 + side][part]
                values = np.insert(values, offsets[place, side], side_levels)
            levels.append(values)
    snapshot = kind[rows] == KIND_SNAPSHOT
    return (times.take(rows), snapshot, update_ids, offsets[:, 0], offsets[:, 1], *levels)


def quotes_of(kind: Any, times: Times, position: Any, out: Any, extra: Any) -> tuple[Any, ...]:
    """The same for best bids and asks."""
    rows, where, slow = _places(kind, position, (scanner.KIND_QUOTE,), extra)
    n = int(out.used[2])
    identity = _merge(out.quote_id[:n], where, [found.values[0] for _, found in slow])
    values = _merge(out.quotes[:n], where, [found.values[1:] for _, found in slow])
    return times.take(rows), identity, values


def trades_of(kind: Any, times: Times, position: Any, out: Any, extra: Any) -> tuple[Any, ...]:
    """The same for trades."""
    kinds = (scanner.KIND_TRADE, scanner.KIND_AGGREGATE)
    rows, where, slow = _places(kind, position, kinds, extra)
    n = int(out.used[3])
    identity = _merge(out.trade_id[:n], where, [found.values[0] for _, found in slow])
    values = _merge(out.trades[:n], where, [found.values[1:3] for _, found in slow])
    maker = _merge(out.maker[:n], where, [found.values[3] for _, found in slow])
    return times.take(rows), kind[rows] == scanner.KIND_AGGREGATE, identity, values, maker


def marks_of(kind: Any, times: Times, extra: Any, position: Any) -> tuple[Any, ...]:
    """The same for mark prices, which the parser alone decodes."""
    rows, _, slow = _places(kind, position, (KIND_MARK,), extra)
    values = np.array(
        [[np.nan if v is None else v for v in found.values] for _, found in slow], float
    ).reshape(-1, 5)
    return times.take(rows), values


def _places(
    kind: Any, position: Any, kinds: tuple[int, ...], extra: list[tuple[int, Decoded]]
) -> tuple[Any, Any, list[tuple[int, Decoded]]]:
    """Rows of some kinds, and where among them those come that the scanner did not decode."""
    wanted = kind == kinds[0]
    for other in kinds[1:]:
        wanted |= kind == other
    rows = np.flatnonzero(wanted)
    slow = [(k, found) for k, found in extra if found.kind in kinds]
    where = np.searchsorted(position[rows], [k for k, _ in slow]) if slow else np.empty(0, int)
    return rows, where, slow


def _merge(fast: Any, where: Any, slow: list[Any]) -> Any:
    """Rows of the scanner with the others inserted so that they come to stand at `where`."""
    if not slow:
        return fast.copy()
    return np.insert(fast, where - np.arange(len(where)), np.asarray(slow, fast.dtype), axis=0)
