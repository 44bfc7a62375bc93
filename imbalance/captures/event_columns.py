"""Events as columns, whether they come one by one or are read many at once by patterns.

A row is an event, in the order in which they came. Buffers are kept from block to block: what is
asked of them is a copy.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from imbalance.captures.clocks import NO_TIME
from imbalance.captures.events import (
    BookUpdate,
    DerivativeTick,
    Event,
    Liquidation,
    OptionTick,
    OrderUpdate,
    Quote,
    Trade,
)
from imbalance.captures.patterns.held import Held
from imbalance.captures.patterns.kernel import ASK_LEVELS, BID_LEVELS, EVENTS, LINES, read_lines
from imbalance.captures.patterns.pieces import BOOK, QUOTE, TICK, TRADE, Patterns
from imbalance.captures.patterns.rows import CODE, KIND, ROW, TICKED, VALUES, A, B, C, D, E
from imbalance.captures.rows import BOOK_KINDS, NO_ID, NO_SIDE, SIDES

KINDS = BookUpdate, Trade, Quote, DerivativeTick, Liquidation, OptionTick, OrderUpdate
"""Kinds of events by their code; the first four are those of `pieces.BOOK` to `pieces.TICK`."""

CODES: dict[type, int] = {kind: code for code, kind in enumerate(KINDS)}

_SHORTEST = 6
"""Bytes that a level or a trade takes at least in a text."""

_KEPT = -2
"""Length of a trade's key that is kept by itself, and does not stand in the text."""

_BOOK_CODES = {kind: code for code, kind in enumerate(BOOK_KINDS)}
_SIDE_CODES: dict[str | None, int] = {None: NO_SIDE} | {s: code for code, s in enumerate(SIDES)}


class EventColumns:
    """Rows of events; of the commonest kinds with all they say."""

    def __init__(self) -> None:
        self._numbers, self._reals = np.empty((256, ROW), np.int64), np.empty((256, VALUES))
        self._levels = np.empty((4, 1024))
        self._counts, self._bounds = np.zeros(4, np.int64), np.zeros(2, np.int64)
        self._rows = self._bids = self._asks = 0
        self._text = b""
        self._keys: list[str] = []
        self._notes: dict[int, str] = {}

    def __len__(self) -> int:
        return self._rows

    def clear(self) -> None:
        """Forget all rows."""
        self._rows = self._bids = self._asks = 0
        self._keys.clear()
        self._notes.clear()

    def add(self, code: int, event: Event, line: int, received: int, instrument: int) -> None:
        """Take an event of a kind, of a line and received at a time in ns (`NO_TIME`: unknown)."""
        row = self._rows
        told: tuple[int, ...] = (0, NO_ID, NO_ID, NO_ID, 0, 0)
        if row == len(self._numbers):
            self._make_room(1, 0)
        if code == BOOK:
            told = self._told(cast("BookUpdate", event))
        elif code == TRADE:
            told = self._dealt(cast("Trade", event))
        elif code == QUOTE:
            told = self._quoted(cast("Quote", event))
        elif code == TICK:
            told = self._ticked(cast("DerivativeTick", event))
        sent, done = event.exchange_time, event.transaction_time
        self._numbers[row] = (
            line, received, NO_TIME if sent is None else sent, NO_TIME if done is None else done,
            code, instrument, *told,
        )  # fmt: skip
        self._rows += 1

    def _told(self, event: BookUpdate) -> tuple[int, ...]:
        bids, asks = len(event.bids[0]), len(event.asks[0])
        if max(self._bids + bids, self._asks + asks) > self._levels.shape[1]:
            self._make_room(0, max(bids, asks))
        if bids:
            self._levels[:2, self._bids : self._bids + bids] = event.bids
        if asks:
            self._levels[2:, self._asks : self._asks + asks] = event.asks
        self._bids += bids
        self._asks += asks
        if event.note is not None:
            self._notes[self._rows] = event.note
        return (_BOOK_CODES[event.kind], _number(event.first_id), _number(event.last_id),
                _number(event.previous_id), bids, asks)  # fmt: skip

    def _dealt(self, event: Trade) -> tuple[int, ...]:
        self._reals[self._rows, :2] = event.price, event.size
        place, size = NO_ID, 0
        if event.trade_key is not None:
            place, size = len(self._keys), _KEPT
            self._keys.append(event.trade_key)
        return (event.aggregate, _number(event.trade_id), _SIDE_CODES[event.side], place, size, 0)

    def _quoted(self, event: Quote) -> tuple[int, ...]:
        self._reals[self._rows, :4] = (
            event.bid_price, event.bid_size, event.ask_price, event.ask_size
        )  # fmt: skip
        return 0, _number(event.update_id), NO_ID, NO_ID, 0, 0

    def _ticked(self, event: DerivativeTick) -> tuple[int, ...]:
        for k, name in enumerate(TICKED):
            value = getattr(event, name)
            self._reals[self._rows, k] = np.nan if value is None else value
        due = event.next_funding_time
        return 0, NO_TIME if due is None else due, NO_ID, NO_ID, 0, 0

    def begin(self, text: bytes) -> Any:
        """Take a text, which is held; the text as an array."""
        self._text = text
        return np.frombuffer(text, np.uint8)

    def read(
        self, text: Any, start: int, stop: int, patterns: Patterns, counters: Any,
        held: Held, bounds: tuple[int, int], line: int,
    ) -> tuple[int, int]:  # fmt: skip
        """Read lines by patterns, see `read_lines`.

        Returns
        -------
        place, lines : the first byte not read, and how many lines were read.
        """
        # a line that is understood by itself may have come to any number of events
        most = (stop - start) // _SHORTEST + 2
        self._make_room(most, most)
        counts = self._counts
        counts[:] = self._rows, self._bids, self._asks, line
        self._bounds[:] = bounds
        place = read_lines(
            text, start, stop, self._bounds, counters, held.values, held.due, *patterns, counts,
            self._numbers, self._reals, self._levels,
        )  # fmt: skip
        self._rows, self._bids = int(counts[EVENTS]), int(counts[BID_LEVELS])
        self._asks = int(counts[ASK_LEVELS])
        return int(place), int(counts[LINES]) - line

    def _make_room(self, rows: int, levels: int) -> None:
        if self._rows + rows > len(self._numbers):
            room = max(self._rows + rows, 2 * len(self._numbers))
            numbers, reals = self._numbers, self._reals
            self._numbers, self._reals = np.empty((room, ROW), np.int64), np.empty((room, VALUES))
            self._numbers[: self._rows], self._reals[: self._rows] = (
                numbers[: self._rows], reals[: self._rows]
            )  # fmt: skip
        used = max(self._bids, self._asks)
        if used + levels > self._levels.shape[1]:
            held = self._levels
            self._levels = np.empty((4, max(used + levels, 2 * held.shape[1])))
            self._levels[:, :used] = held[:, :used]

    @property
    def numbers(self) -> Any:
        """Whole numbers of the rows, (n, 12), see `rows.LINE`; no copy."""
        return self._numbers[: self._rows]

    def books(self, rows: Any) -> tuple[Any, ...]:
        """The messages about the book, which stand in these rows, as `Rows.books` takes them."""
        numbers = self._numbers[rows]
        offsets = np.zeros((2, len(rows) + 1), np.int64)
        np.cumsum(numbers[:, [D, E]].T, axis=1, out=offsets[:, 1:])
        notes = [self._notes.get(row) for row in rows.tolist()] if self._notes else None
        used = self._bids, self._bids, self._asks, self._asks
        return (
            numbers[:, KIND].astype(np.uint8), numbers[:, A : C + 1], (offsets[0], offsets[1]),
            [self._levels[k, :end].copy() for k, end in enumerate(used)], notes,
        )  # fmt: skip

    def trades(self, rows: Any) -> tuple[Any, ...]:
        """The trades, which stand in these rows, as `Rows.trades` takes them."""
        numbers, reals = self._numbers[rows], self._reals[rows]
        keys = [self._key(place, size) for place, size in numbers[:, [C, D]].tolist()]
        return (numbers[:, KIND], numbers[:, A], keys, reals[:, 0].copy(), reals[:, 1].copy(),
                numbers[:, B])  # fmt: skip

    def _key(self, place: int, size: int) -> str | None:
        if place == NO_ID:
            return None
        if size == _KEPT:
            return self._keys[place]
        return self._text[place : place + size].decode("ascii")

    def quotes(self, rows: Any) -> tuple[Any, Any]:
        """The quotes, which stand in these rows, as `Rows.quotes` takes them."""
        return self._numbers[rows, A], self._reals[rows, :4]

    def ticks(self, rows: Any) -> tuple[dict[str, Any], Any]:
        """What is told of derivatives, in these rows: the columns of `TICKED`, NaN where nothing
        is, and the times of the next funding.
        """
        reals = self._reals[rows]
        return {name: reals[:, k].copy() for k, name in enumerate(TICKED)}, self._numbers[rows, A]

    def same(self, other: EventColumns) -> bool:
        """Whether another one holds the same events, of the kinds that are kept whole."""
        mine, theirs = self.numbers, other.numbers
        if not np.array_equal(mine[:, : KIND + 1], theirs[:, : KIND + 1]):
            return False
        return all(
            _same(getattr(self, columns)(rows), getattr(other, columns)(rows))
            for code, columns in ((BOOK, "books"), (TRADE, "trades"), (QUOTE, "quotes"),
                                  (TICK, "ticks"))
            if len(rows := np.flatnonzero(mine[:, CODE] == code))
        )  # fmt: skip


def _same(one: Any, other: Any) -> bool:
    """Whether columns are equal; what is NaN in both is."""
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, dict):
        return _same(list(one.values()), list(other.values()))
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _number(value: int | None) -> int:
    return NO_ID if value is None else value

