"""LOBSTER: an archive of a message file and the order book after each of its messages.

Prices are in units of 0.0001; times in seconds after midnight in New York. The book file is the
book: its first row begins it, each later row changes it. Levels that leave the visible window are
taken out, so that the rebuilt book is the one shown.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from imbalance.captures.clocks import NO_TIME
from imbalance.captures.compression import ChecksumError, zip_members, zip_text
from imbalance.captures.decoding import Batch, Context, TextDecoder
from imbalance.captures.events import Rejected
from imbalance.captures.formats.format import NO_UNIT, Sniff
from imbalance.captures.framing import CaptureReader, End
from imbalance.captures.rows import BOOK_KINDS, NO_ID, Tables, When, id_column, word_column

_MEMBER = re.compile(
    r"^([A-Z.]{1,10})_(\d{4}-\d\d-\d\d)_(\d+)_(\d+)_(message|orderbook)_(\d+)\.csv$"
)
_NEW_YORK = ZoneInfo("America/New_York")
_UNITS = 10_000.0
_SECONDS, _NANOSECONDS = pa.decimal128(38, 20), pa.decimal128(18, 9)
_EMPTY = 9_999_999_999
_ACTIONS = ("add", "reduce", "delete", "fill")
HIDDEN, CROSS, HALT = 5, 6, 7


class Lobster:
    """The format; see `Format`."""

    name = "lobster"
    example = "a LOBSTER archive of message and order book files"
    needs_last_newline = False

    def sniff(self, head: bytes, compression: str, path: Path) -> Sniff | None:  # noqa: ARG002
        if compression != "zip":
            return None
        try:
            found = _members(path)
        except ChecksumError:
            return None
        if found is None:
            return None
        match = _MEMBER.match(Path(found[0]).name)
        assert match is not None  # noqa: S101 - it was found by this pattern
        try:
            midnight = _midnight(match[2])
        except (ValueError, OverflowError):
            return Sniff(compression, reason=f"{match[2]} is no day")
        first = midnight + int(match[3]) * 1_000_000
        return Sniff(
            compression, self.name, "nasdaq", NO_UNIT, (match[1],), None, first, None, match[2]
        )

    def times(self, lines: Iterable[bytes], found: Sniff, path: Path) -> list[int]:  # noqa: ARG002
        names = _members(path)
        match = None if names is None else _MEMBER.match(Path(names[0]).name)
        if found.first_time is None or match is None:
            return []
        return [found.first_time, _midnight(found.layout) + int(match[4]) * 1_000_000]

    def decoder(self, context: Context, found: Sniff) -> LobsterDecoder:
        return LobsterDecoder(context, found.symbols[0], _midnight(found.layout))


def _midnight(day: str) -> int:
    """Midnight of a day in New York, ns since 1970 UTC."""
    moment = datetime.datetime.fromisoformat(day).replace(tzinfo=_NEW_YORK)
    return int(moment.timestamp()) * 10**9


def _members(path: Path) -> tuple[str, str] | None:
    """Names of the message and the order book file in an archive."""
    found: dict[str, str] = {}
    for name in zip_members(path):
        match = _MEMBER.match(Path(name).name)
        if match is not None:
            found[match[5]] = name
    return (found["message"], found["orderbook"]) if len(found) == 2 else None


class LobsterDecoder(TextDecoder):
    """Decodes the two files in step; a message and the book after it count as two lines."""

    def __init__(self, context: Context, symbol: str, midnight: int) -> None:
        super().__init__(context)
        self._position = self.numbered.position(symbol)
        self._midnight = midnight
        self._held: np.ndarray | None = None
        self._ended: End | None = None

    @property
    def end(self) -> End:
        if self._ended is None:
            raise RuntimeError("the capture has not been read to its end")
        return self._ended

    def take(self, data: bytes, first_line: int, offset: int) -> Tables:  # noqa: ARG002
        return {}

    def _batches(self) -> Iterator[Batch]:
        import hashlib

        with self.context.path.open("rb") as file:
            self._ended = End(hashlib.file_digest(file, "sha256").hexdigest(), False, None)
        names = _members(self.context.path)
        if names is None:
            raise ChecksumError("the archive has no message and order book file any more")
        self._other_members(names)
        first = 1
        for messages, books, size in _in_step(self.context.path, names):
            self.account.lines_read += 2 * len(messages)
            self.account.text_bytes += size
            yield self._batch(self._rows(messages, books, first), size)
            first += len(messages)

    def _other_members(self, names: tuple[str, str]) -> None:
        """Account for what else is in the archive."""
        for name in zip_members(self.context.path):
            if name not in names:
                lines = sum(t.count(b"\n") for t, _ in zip_text(self.context.path, name))
                self.account.lines_read += lines
                self.ignored("not_a_capture_by_its_name", lines)

    def _rows(self, messages: np.ndarray, books: np.ndarray, first: int) -> Tables:
        n = len(messages)
        time = self._midnight + messages[:, 0].astype(np.int64)
        kind = messages[:, 1].astype(np.int64)
        good = (kind >= 1) & (kind <= HALT)
        for row in np.flatnonzero(~good).tolist():
            text = repr(messages[row].tolist()).encode()
            self.quarantine(first + row, 0, text, Rejected("unknown_message", f"type {kind[row]}"))
            self.quarantine(first + row, 0, text, Rejected("unknown_message", "its book"))
        self.decoded("message", int(good.sum()))
        self.decoded("order_book", int(good.sum()))
        line = np.arange(first, first + n, dtype=np.int64)
        nothing = np.full(n, NO_TIME, np.int64)
        when = When.read(
            self.context.clocks, np.full(n, self._position, np.int32), line, time, nothing, nothing
        )
        tables: Tables = {}
        orders = np.flatnonzero(good & (kind <= 4))
        if len(orders):
            tables["raw.orders"] = self._orders(when.take(orders), messages[orders], kind[orders])
        traded = np.flatnonzero(good & ((kind == 4) | (kind == HIDDEN)))
        if len(traded):
            tables["raw.trades"] = self._trades(when.take(traded), messages[traded])
        tables["raw.book_updates"] = self._books(when.take(np.flatnonzero(good)), books[good])
        return tables

    def _orders(
        self, when: When, rows: np.ndarray, kind: np.ndarray
    ) -> tuple[np.ndarray, pa.Table]:
        ids = rows[:, 2].astype(np.int64)
        missing = np.full(len(ids), NO_ID, np.int64)
        return self.rows.plain(
            when,
            {
                "action": word_column(_ACTIONS, kind - 1),
                "order_key": pa.array(ids).cast(pa.string()),
                "book_side": word_column(("bid", "ask"), rows[:, 5] <= 0),
                "price": pa.array(rows[:, 4] / _UNITS),
                "size": pa.array(rows[:, 3].astype(float)),
                "sequence": id_column(when.line), "previous_sequence": id_column(missing),
            },
        )  # fmt: skip

    def _trades(self, when: When, rows: np.ndarray) -> tuple[np.ndarray, pa.Table]:
        # the message names the resting order's side: the aggressor is on the other
        side = np.where(rows[:, 5] > 0, 1, 0)
        return self.rows.trades(
            when, np.zeros(len(rows), bool), when.line, None, rows[:, 4] / _UNITS, rows[:, 3], side
        )

    def _books(self, when: When, books: np.ndarray) -> tuple[np.ndarray, pa.Table]:
        before = np.vstack([books[:1] if self._held is None else self._held[None], books[:-1]])
        kind = np.full(len(books), BOOK_KINDS.index("diff"), np.uint8)
        begins = self._held is None and len(books) > 0
        if len(books):
            self._held = books[-1]
        levels: list[np.ndarray] = []
        offsets = []
        for ask in (False, True):
            at = 0 if ask else 2
            now, then = (
                (rows[:, at::4], rows[:, at + 1 :: 4]) for rows in (books, before)
            )
            prices, sizes, counts = _changes(now, then)
            if begins:
                opening = np.abs(now[0][0]) != _EMPTY
                cut = counts[0]
                prices = np.concatenate([now[0][0][opening], prices[cut:]])
                sizes = np.concatenate([now[1][0][opening], sizes[cut:]])
                counts[0] = int(opening.sum())
            offset = np.zeros(len(books) + 1, np.int64)
            np.cumsum(counts, out=offset[1:])
            offsets.append(offset)
            levels += [prices / _UNITS, sizes.astype(float)]
        if begins:
            kind[0] = BOOK_KINDS.index("snapshot")
        ids = np.full((len(books), 3), NO_ID, np.int64)
        ids[:, 1] = when.line
        ids[:, 0] = when.line
        if begins:
            ids[0, 0] = NO_ID
        bids, asks = offsets
        return self.rows.books(when, kind, ids, (bids, asks), levels)


def _changes(
    now: tuple[np.ndarray, np.ndarray], then: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Levels that differ from the row before: prices, new sizes (0: gone), number per row."""
    (price, size), (old_price, old_size) = now, then
    there = np.abs(price) != _EMPTY
    was = np.abs(old_price) != _EMPTY
    same = (price[:, :, None] == old_price[:, None, :]) & was[:, None, :] & there[:, :, None]
    unchanged = (same & (size[:, :, None] == old_size[:, None, :])).any(axis=2)
    gone = was & ~same.any(axis=1)
    new = there & ~unchanged
    prices = np.concatenate([price, old_price], axis=1)
    sizes = np.concatenate([size, np.zeros_like(old_size)], axis=1)
    chosen = np.concatenate([new, gone], axis=1)
    return prices[chosen], sizes[chosen], chosen.sum(axis=1)


def _in_step(path: Path, names: tuple[str, str]) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Messages (n, 6) with the time in ns, and the books after them, a stretch at a time."""
    streams = [_parsed(path, name, time=name == names[0]) for name in names]
    held: list[np.ndarray] = [np.empty((0, 0)), np.empty((0, 0))]
    ended = [False, False]
    size = 0
    while True:
        for k in (0, 1):
            while not ended[k] and len(held[k]) < (1 << 15):
                piece = next(streams[k], None)
                if piece is None:
                    ended[k] = True
                    break
                rows, read = piece
                size += read
                held[k] = rows if not held[k].size else np.vstack([held[k], rows])
        n = min(len(held[0]), len(held[1]))
        if not n:
            break
        yield held[0][:n], held[1][:n], size
        size = 0
        held = [rows[n:] for rows in held]
    if len(held[0]) or len(held[1]):
        raise ChecksumError("the message and the order book file differ in length")


def _parsed(path: Path, name: str, *, time: bool) -> Iterator[tuple[np.ndarray, int]]:
    match = _MEMBER.match(Path(name).name)
    width = 6 if time or match is None else 4 * int(match[6])
    for block in CaptureReader(path, threaded=False, member=name):
        data = block.data
        names = [str(k) for k in range(width)]
        types = dict.fromkeys(names, pa.int64()) | ({"0": _SECONDS} if time else {})
        try:
            table = pa_csv.read_csv(
                pa.BufferReader(data),
                read_options=pa_csv.ReadOptions(column_names=names, block_size=len(data) + 1),
                convert_options=pa_csv.ConvertOptions(column_types=types),
            )
            if any(table[n].null_count for n in names):
                raise ChecksumError(f"{name} has empty fields")
            columns = [
                _in_ns(table[n]) if time and n == "0" else table[n].to_numpy() for n in names
            ]
        except (pa.ArrowInvalid, ValueError, OverflowError) as error:
            raise ChecksumError(f"{name} is no LOBSTER file: {error}") from None
        yield np.stack(columns, axis=1), len(data)


def _in_ns(seconds: pa.ChunkedArray) -> np.ndarray:
    """Seconds without what is less than a ns: of a decimal with nine places, the lower 64 bits."""
    pieces = seconds.cast(_NANOSECONDS, safe=False).chunks
    return np.concatenate([np.frombuffer(one.buffers()[1], np.int64)[::2] for one in pieces])


FORMAT = Lobster()
