"""LOBSTER: an archive of a message file and the order book after each of its messages.

Prices are in units of 0.0001; times in seconds after midnight in New York. The book file is the
book: its first row begins it, each later row changes it. Levels that leave the visible window are
taken out, so that the rebuilt book is the one shown.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from imbalance.captures.chunks import bad_line
from imbalance.captures.clocks import NO_TIME
from imbalance.captures.compression import ChecksumError, zip_members, zip_text
from imbalance.captures.decoding import Batch, Context, TextDecoder
from imbalance.captures.events import Rejected
from imbalance.captures.formats.format import DAY_NS, NO_UNIT, Sniff
from imbalance.captures.formats.lobster_lines import Lines, in_step, read_lines
from imbalance.captures.framing import End
from imbalance.captures.rows import BOOK_KINDS, NO_ID, Tables, When, id_column, word_column
from imbalance.captures.venues.venue import Contents
from imbalance.store.files import sha256_file

_MEMBER = re.compile(
    r"^([A-Z.]{1,10})_(\d{4}-\d\d-\d\d)_(\d{1,8})_(\d{1,8})_(message|orderbook)_(\d{1,3})\.csv$"
)
_NEW_YORK = ZoneInfo("America/New_York")
_UNITS = 10_000.0
_EMPTY = 9_999_999_999
_ACTIONS = ("add", "reduce", "delete", "fill")
_FILES = ("message", "order book")
_KINDS = ("message", "orderbook")
"""The same, as names of files call them."""
_SHOWN = 3
"""Captures of an archive of several which are named when it is refused."""
HIDDEN, CROSS, HALT = 5, 6, 7


class Lobster:
    """The format; see `Format`."""

    name = "lobster"
    example = "a LOBSTER archive of message and order book files"
    needs_last_newline = False
    contents = Contents(
        "orders, trades, book: snapshot, then differences", ("nasdaq",),
        blind="any loss: rows carry no number; that one file is shorter than the other is told",
    )

    def sniff(self, head: bytes, compression: str, path: Path) -> Sniff | None:  # noqa: ARG002
        if compression != "zip":
            return None
        try:
            found, wrong = _members(path), _no_capture(path)
        except ChecksumError:
            return None
        if found is None:
            return None if wrong is None else Sniff(compression, reason=wrong)
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
        names = _members(context.path)
        match = None if names is None else _MEMBER.match(Path(names[1]).name)
        levels = 1 if match is None else int(match[6])
        return LobsterDecoder(context, found.symbols[0], _midnight(found.layout), levels)


def _midnight(day: str) -> int:
    """Midnight of a day in New York, ns since 1970 UTC."""
    moment = datetime.datetime.fromisoformat(day).replace(tzinfo=_NEW_YORK)
    return int(moment.timestamp()) * 10**9


def _named(path: Path) -> dict[tuple[str, ...], dict[str, list[str]]]:
    """Files of an archive by what they are of (symbol, day, start, end, levels) and of what kind,
    without those whose names say neither.
    """
    found: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for name in zip_members(path):
        match = _MEMBER.match(Path(name).name)
        if match is not None:
            *what, kind, levels = match.groups()
            kinds = found.setdefault((*what, levels), {word: [] for word in _KINDS})
            kinds[kind].append(name)
    return found


def _members(path: Path) -> tuple[str, str] | None:
    """Names of the message and the order book file in an archive; None where it does not hold one
    of each, of the same capture, and no other.
    """
    found = [names for kinds in _named(path).values() for names in kinds.values()]
    if [len(names) for names in found] != [1, 1]:
        return None
    ((message,), (book,)) = found
    return message, book


def _no_capture(path: Path) -> str | None:
    """Why an archive of LOBSTER's files is no capture; None where it is one, or holds none."""
    found = _named(path)
    if not found or _members(path) is not None:
        return None
    shown = [
        f"{symbol} of {day} from {start} to {end} ms, levels {levels} "
        f"({' and '.join(f'{len(names)} {kind}' for kind, names in kinds.items())})"
        for (symbol, day, start, end, levels), kinds in sorted(found.items())
    ]
    more = f"; and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return (
        f"a LOBSTER archive of {'; '.join(shown[:_SHOWN])}{more}: split it, an archive holds one "
        "message and one orderbook file, both of the same symbol, day, times and levels"
    )


class LobsterDecoder(TextDecoder):
    """Decodes the two files in step; a message and the book after it count as two lines."""

    def __init__(self, context: Context, symbol: str, midnight: int, levels: int) -> None:
        super().__init__(context)
        self._position = self.numbered.position(symbol)
        self._midnight = midnight
        self._levels = levels
        self._pairs = 0
        self._held: np.ndarray | None = None
        self._last: int | None = None
        self._after_hole = True
        self._short: str | None = None
        self._ended: End | None = None

    @property
    def end(self) -> End:
        if self._ended is None:
            raise RuntimeError("the capture has not been read to its end")
        return self._ended

    @property
    def shortcoming(self) -> str | None:
        return self._short

    def take(self, data: bytes, first_line: int, offset: int) -> Tables:  # noqa: ARG002
        return {}

    def _batches(self) -> Iterator[Batch]:
        path = self.context.path
        self._ended = End(sha256_file(path), False, None)
        names = _members(path)
        if names is None:
            raise ChecksumError("the archive has no message and order book file any more")
        self._other_members(names)
        beyond = [0, 0]
        for messages, books, blank, size in in_step(
            read_lines(path, names[0], 6, timed=True),
            read_lines(path, names[1], 4 * self._levels, timed=False),
        ):
            self.account.lines_read += len(messages or ()) + len(books or ()) + blank
            self.account.text_bytes += size
            if blank:
                self.ignored("blank_line", blank)
            if messages is not None and books is not None:
                tables = self._rows(messages, books)
            else:
                tables = {}
                for k, rest in enumerate((messages, books)):
                    self._without_pair(rest, _FILES[k], _FILES[1 - k])
                    beyond[k] += len(rest or ())
            yield self._batch(tables, size)
        for k in (0, 1):
            if beyond[k]:
                lines = f"{beyond[k]} line{'s' * (beyond[k] > 1)} more"
                self._short = f"the {_FILES[k]} file has {lines} than the {_FILES[1 - k]} file"

    def _other_members(self, names: tuple[str, str]) -> None:
        """Account for what else is in the archive."""
        for name in zip_members(self.context.path):
            if name not in names:
                lines = sum(t.count(b"\n") for t, _ in zip_text(self.context.path, name))
                self.account.lines_read += lines
                self.ignored("not_a_capture_by_its_name", lines)

    def _rows(self, messages: Lines, books: Lines) -> Tables:
        bad = self._not_allowed(messages, books)
        for row, (place, why) in sorted(bad.items()):
            for k, lines in enumerate((messages, books)):
                self._refuse(lines, row, _FILES[k], why if k == place else Rejected(
                    "unpaired", f"the {_FILES[1 - k]} line of its pair cannot be used"
                ))
        good = np.ones(len(messages), bool)
        good[list(bad)] = False
        first, self._pairs = self._pairs + 1, self._pairs + len(messages)
        if not good.any():
            return {}
        line = np.arange(first, first + len(messages), dtype=np.int64)[good]
        values, shown = messages.values[good], books.values[good]
        kind = values[:, 1]
        self.decoded("message", len(values))
        self.decoded("order_book", len(values))
        nothing = np.full(len(values), NO_TIME, np.int64)
        when = When.read(
            self.context.clocks, np.full(len(values), self._position, np.int32), line,
            self._midnight + values[:, 0], nothing, nothing,
        )  # fmt: skip
        tables: Tables = {}
        orders = np.flatnonzero(kind <= 4)
        if len(orders):
            tables["raw.orders"] = self._orders(when.take(orders), values[orders], kind[orders])
        traded = np.flatnonzero((kind == 4) | (kind == HIDDEN))
        if len(traded):
            tables["raw.trades"] = self._trades(when.take(traded), values[traded])
        tables["raw.book_updates"] = self._books(when, shown)
        return tables

    def _not_allowed(self, messages: Lines, books: Lines) -> dict[int, tuple[int, Rejected]]:
        """Pairs that cannot be used, by their row: which of the two lines is to blame, and why."""
        bad = {row: (0, why) for row, why in messages.bad.items()}
        for row, why in books.bad.items():
            bad.setdefault(row, (1, why))

        def note(wrong: np.ndarray, place: int, reason: str, detail: str) -> None:
            for row in np.flatnonzero(wrong).tolist():
                bad.setdefault(row, (place, Rejected(reason, detail)))

        values, shown = messages.values, books.values
        time, kind = values[:, 0], values[:, 1]
        for row in np.flatnonzero((kind < 1) | (kind > HALT)).tolist():
            bad.setdefault(row, (0, Rejected("unknown_message", f"type {kind[row]}")))
        low, high = self.context.span
        at = self._midnight + time
        note((time < 0) | (time >= DAY_NS) | (at < low) | (at > high), 0,
             "receive_time_out_of_span", "not of the day")
        order = kind <= HIDDEN
        note(order & ((values[:, 3] <= 0) | (values[:, 4] <= 0)), 0, "number_out_of_range",
             "a size or price that is not above 0")
        note(order & (np.abs(values[:, 5]) != 1), 0, "unknown_message", "a side other than 1, -1")
        prices, sizes = shown[:, ::2], shown[:, 1::2]
        there = np.abs(prices) != _EMPTY
        note((there & ((prices <= 0) | (sizes <= 0))).any(axis=1), 1, "number_out_of_range",
             "a size or price that is not above 0")
        return bad

    def _without_pair(self, lines: Lines | None, mine: str, other: str) -> None:
        """Put into quarantine what one file has beyond the other."""
        for row in range(len(lines or ())):
            assert lines is not None  # noqa: S101 - it has rows
            why = lines.bad.get(row, Rejected("unpaired", f"the {other} file has ended"))
            self._refuse(lines, row, mine, why)

    def _refuse(self, lines: Lines, row: int, file: str, why: Rejected) -> None:
        offset, text = lines.text(row)
        number = int(lines.numbers[row])
        # both files in one numbering: the book after message k is the line after it
        found = bad_line(
            2 * number - (file == _FILES[0]), offset, text, why.reason,
            f"{file} file, line {number}: {why.detail}",
        )  # fmt: skip
        long = lines.long
        if long is not None:
            found = replace(found, byte_length=long.size, text_sha256=long.sha256)
        self._bad.append(found)

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
        whole = self._whole(when.line)
        self._held = books[-1]
        levels: list[np.ndarray] = []
        offsets = []
        for ask in (False, True):
            at = 0 if ask else 2
            now, then = (
                (rows[:, at::4], rows[:, at + 1 :: 4]) for rows in (books, before)
            )
            prices, sizes, counts = _changes(now, then, whole)
            offset = np.zeros(len(books) + 1, np.int64)
            np.cumsum(counts, out=offset[1:])
            offsets.append(offset)
            levels += [prices / _UNITS, sizes.astype(float)]
        kind[whole] = BOOK_KINDS.index("snapshot")
        ids = np.full((len(books), 3), NO_ID, np.int64)
        ids[:, 1] = when.line
        ids[:, 0] = np.where(whole, NO_ID, when.line)
        bids, asks = offsets
        return self.rows.books(when, kind, ids, (bids, asks), levels)

    def _whole(self, line: np.ndarray) -> np.ndarray:
        """Which rows show the whole book, (n,): the first, and the second after a hole. The first
        after a hole is a change whose id does not follow, by which it is known that one is missing.
        """
        before = line[0] - 1 if self._last is None else self._last
        hole = np.diff(line, prepend=before) != 1
        whole = np.concatenate([[self._after_hole], hole[:-1]])
        self._last, self._after_hole = int(line[-1]), bool(hole[-1])
        return whole


def _changes(
    now: tuple[np.ndarray, np.ndarray], then: tuple[np.ndarray, np.ndarray], whole: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Levels that differ from the row before: prices, new sizes (0: gone), number per row; all
    levels of the rows that are shown `whole` (n,).
    """
    (price, size), (old_price, old_size) = now, then
    there = np.abs(price) != _EMPTY
    was = np.abs(old_price) != _EMPTY
    same = (price[:, :, None] == old_price[:, None, :]) & was[:, None, :] & there[:, :, None]
    unchanged = (same & (size[:, :, None] == old_size[:, None, :])).any(axis=2)
    gone = was & ~same.any(axis=1) & ~whole[:, None]
    new = there & (whole[:, None] | ~unchanged)
    prices = np.concatenate([price, old_price], axis=1)
    sizes = np.concatenate([size, np.zeros_like(old_size)], axis=1)
    chosen = np.concatenate([new, gone], axis=1)
    return prices[chosen], sizes[chosen], chosen.sum(axis=1)


FORMAT = Lobster()
