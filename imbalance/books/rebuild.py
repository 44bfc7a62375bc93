"""Rebuild one instrument's book from its messages, chunk by chunk, with bounded memory.

Drives the kernel: finds the tick, gives the ladder room, empties the buffers into Arrow tables.
Reading partitions and writing them is `build.py`'s part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.books import continuity as rule
from imbalance.books import kernel
from imbalance.books.flow import show
from imbalance.books.ladder import ASK, BID, levels_of, new_ladder, put_levels, settle
from imbalance.books.state import (
    BAR_AVAILABLE,
    BAR_COLUMNS,
    BAR_NS,
    CAUSES,
    CLOCK,
    COUNT_COLUMNS,
    DIFF,
    FAR_AWAY,
    FEEDS,
    HEALTH_CAUSE,
    HEALTH_FROM,
    HEALTH_STATE,
    HEALTH_STATES,
    KNOWN_HIGH,
    KNOWN_LOW,
    LAST_AVAILABLE,
    LAST_EVENT,
    LAST_ID,
    NO_ID,
    OPENED,
    PENDING_ASKS,
    PENDING_BIDS,
    SEGMENT_START,
    SIZE_COLUMNS,
    STATUS,
    TICK_PARTS,
    TICK_SCALE,
    VALID,
    Book,
    Messages,
    as_compiled,
    new_book,
    new_output,
)  # fmt: skip
from imbalance.books.ticks import common_tick, find_tick
from imbalance.books.withdrawals import Withdrawals

Sink = Callable[[str, pa.Table], None]
"""Takes rows of a table of the book layer."""


@dataclass(frozen=True)
class ClosingBook:
    """A whole book at the end of a day; times in ns, sizes in the unit of its messages."""

    event_time: int
    available_at: int
    update_id: int | None
    known_low: float
    known_high: float
    bid_prices: Any
    bid_sizes: Any
    ask_prices: Any
    ask_sizes: Any


@dataclass(frozen=True)
class Rules:
    """What differs between instruments and deployments.

    `multiplier`: quote units per contract of inverse instruments, None where sizes are in base
    units; `sized`: whether it is known what a unit of size is, else sizes and flows are null;
    `levels`: levels a side of `book.book_states`; `silence_ns`: longest silence that is borne.
    """

    multiplier: float | None = None
    sized: bool = True
    levels: int = 10
    silence_ns: int = 60_000_000_000


class BookBuilder:
    """Rebuilds one instrument over one UTC day.

    Parameters
    ----------
    instrument : its name, written into every row.
    rules : how its messages chain and what its sizes mean.
    sink : takes the rows of `book.bars_100ms`, `book.book_states` and `book.book_health`.
    opening : the closing book of the day before; held to be true only once the first difference
        of the day continues it.
    day_start : first moment of the day, ns.
    """

    def __init__(
        self,
        instrument: str,
        rules: Rules,
        sink: Sink,
        opening: ClosingBook | None = None,
        day_start: int = 0,
    ) -> None:
        self._instrument = instrument
        self._rules = rules
        self._sink = sink
        self._opening = opening
        self._day_start = day_start
        self._book: Book | None = None
        self._out = new_output(rules.levels)
        self._abandoned = False
        self._finer_at = 0  # when the last message was known that asked for a finer grid
        self._state_rows = 0
        self._health_rows = 0
        self._proofs: list[tuple[Any, Any]] = []
        self._withdrawals = Withdrawals(BAR_NS)

    def feed(self, messages: Messages) -> None:
        """Take the next messages of the instrument, in order.

        Raises
        ------
        GridError
            If its prices cannot be kept as a book; `abandon` it then.
        """
        if self._abandoned or not len(messages.event):
            return
        if self._book is None:
            self._book = self._start(messages)
        messages = as_compiled(messages)
        position = 0
        while True:
            why, position = kernel.run(self._book, messages, self._out, position)
            if why == kernel.DONE:
                return
            if why == kernel.BUFFERS_FULL:
                self._flush()
            elif why == kernel.FAR_FULL:
                wanted = _levels_at(messages, position)
                self._book = _more_room(self._book, wanted)
            else:
                self._finer_at = int(messages.available[position])
                self._book = _finer(self._book, _prices_at(messages, position))

    def finish(self, until: int) -> ClosingBook | None:
        """Close the day: `until` is the last moment its captures tell of, ns.

        Returns the closing book, None when there is no valid one.
        """
        if self._book is None:
            return None
        while not kernel.finish(self._book, self._out, until):
            self._flush()
        self._flush()
        return _closing(self._book) if self._book.whole[STATUS] == VALID else None

    def abandon(self, at: int) -> None:
        """Give the instrument up for the day: its prices cannot be kept as a book any more."""
        if self._book is None:
            self._book = self._new_book((1, 1), 1)
            self._book.whole[[CLOCK, HEALTH_FROM]] = self._day_start
        rule.break_off(self._book, self._out, rule.UNUSABLE)
        rule.known_from(self._book.whole, self._finer_at)
        self.finish(at)
        self._book = None
        self._abandoned = True

    def take_proofs(self) -> tuple[Any, Any]:
        """Update ids int64 (n,) and best bid, size, ask, size as sent (n, 4) after the messages
        since the last call, for comparison with quotes.
        """
        self._keep_proofs()
        ids = np.concatenate([ids for ids, _ in self._proofs] or [np.empty(0, np.int64)])
        best = np.concatenate([best for _, best in self._proofs] or [np.empty((0, 4))])
        self._proofs = []
        return ids, best

    def _start(self, messages: Messages) -> Book:
        prices = [messages.bid_prices, messages.ask_prices]
        opening = self._opening
        if opening is not None:
            prices += [opening.bid_prices, opening.ask_prices]
        everything = np.concatenate(prices)
        tick = find_tick(everything) if len(everything) else (1, 1)
        middle = _middle(messages, opening, everything)
        book = self._new_book(tick, int(middle * tick[1] / tick[0]))
        if opening is not None:
            while len(opening.bid_prices) + len(opening.ask_prices) > len(book.ladder.far_key) // 2:
                book = _more_room(book, len(book.ladder.far_key))
            self._open(book, opening)
        return book

    def _new_book(self, tick: tuple[int, int], centre: int, far_room: int = 1 << 12) -> Book:
        rules = self._rules
        return new_book(
            tick=tick, centre=centre, multiplier=rules.multiplier,
            levels=rules.levels, silence_ns=rules.silence_ns, far_room=far_room,
        )  # fmt: skip

    def _open(self, book: Book, opening: ClosingBook) -> None:
        whole = book.whole
        unit = book.real[TICK_SCALE] / whole[TICK_PARTS]
        for side, prices, sizes in (
            (BID, opening.bid_prices, opening.bid_sizes),
            (ASK, opening.ask_prices, opening.ask_sizes),
        ):
            put_levels(book.ladder, side, np.rint(prices * unit).astype(np.int64), sizes)
        kernel.begin(book, NO_ID if opening.update_id is None else opening.update_id)
        show(book)
        whole[KNOWN_LOW] = round(opening.known_low * unit)
        whole[KNOWN_HIGH] = round(opening.known_high * unit)
        whole[STATUS] = OPENED
        whole[SEGMENT_START] = 0
        whole[CLOCK] = whole[HEALTH_FROM] = self._day_start
        whole[LAST_EVENT] = opening.event_time
        # no bar that shows this book was known before it was
        whole[LAST_AVAILABLE] = whole[BAR_AVAILABLE] = opening.available_at
        whole[HEALTH_STATE] = HEALTH_STATES.index("valid")
        whole[HEALTH_CAUSE] = CAUSES.index("closing_book")

    def _keep_proofs(self) -> None:
        count = int(self._out.used[5])
        known = self._out.proof_id[:count] != NO_ID
        if known.any():
            proofs = self._out.proofs[:count][known]
            self._proofs.append((self._out.proof_id[:count][known], proofs))
        self._out.used[5] = 0

    def _flush(self) -> None:
        self._keep_proofs()
        out, used = self._out, self._out.used
        self._withdrawals.take_states(out, int(used[1]))
        if used[0]:
            self._sink("book.bars_100ms", self._bars(int(used[0])))
        if used[1]:
            self._sink("book.book_states", self._states(int(used[1])))
        if used[4]:
            self._sink("book.book_health", self._health(int(used[4])))
        out.used[:] = 0

    def _bars(self, count: int) -> pa.Table:
        out = self._out
        columns = {
            "instrument": pa.repeat(self._instrument, count),
            "bar_start": _time(out.bar_times[:count, 0]),
            "available_at": _time(out.bar_times[:count, 1]),
            "poisoned": pa.array(out.bar_times[:count, 2] != 0),
            "book_feed": pa.array(FEEDS).take(pa.array(out.bar_times[:count, 3])),
        }
        for k, name in enumerate(BAR_COLUMNS):
            columns[name] = pa.array(np.ascontiguousarray(out.bars[:count, k]), from_pandas=True)
        for k, name in enumerate(COUNT_COLUMNS):
            columns[name] = pa.array(np.ascontiguousarray(out.bar_counts[:count, k]))
        columns |= self._withdrawals.columns(out.bar_times[:count, 0])
        if not self._rules.sized:
            columns |= dict.fromkeys(SIZE_COLUMNS, pa.nulls(count, pa.float64()))
        return pa.table(columns)

    def _states(self, count: int) -> pa.Table:
        out = self._out
        first = self._state_rows + 1
        self._state_rows += count
        columns = {
            "instrument": pa.repeat(self._instrument, count),
            "sequence": pa.array(np.arange(first, first + count)),
            "event_time": _time(out.states[:count, 0]),
            "available_at": _time(out.states[:count, 1]),
            "update_id": _identity(np.ascontiguousarray(out.states[:count, 2])),
        }
        for k, name in enumerate(("segment_start", "crossed", "locked"), 3):
            columns[name] = pa.array(out.states[:count, k] != 0)
        for side, name in ((BID, "bid"), (ASK, "ask")):
            offsets = np.zeros(count + 1, np.int32)
            np.cumsum(out.state_counts[:count, side], out=offsets[1:])
            for what, values in (("prices", out.state_prices), ("sizes", out.state_sizes)):
                levels = pa.array(values[side, : offsets[-1]].copy())
                if what == "sizes" and not self._rules.sized:
                    levels = pa.nulls(len(levels), pa.float64())
                columns[f"{name}_{what}"] = pa.ListArray.from_arrays(pa.array(offsets), levels)
        return pa.table(columns)

    def _health(self, count: int) -> pa.Table:
        rows = self._out.health[:count]
        first = self._health_rows + 1
        self._health_rows += count
        counts = ("messages", "stale_messages", "crossed_messages", "locked_messages",
                  "unknown_removals")  # fmt: skip
        return pa.table(
            {
                "instrument": pa.repeat(self._instrument, count),
                "interval": pa.array(np.arange(first, first + count), pa.int32()),
                "valid_from": _time(rows[:, 0]),
                "valid_to": _time(rows[:, 1]),
                "state": pa.array([HEALTH_STATES[code] for code in rows[:, 2]]),
                "cause": pa.array([CAUSES[code] for code in rows[:, 3]]),
                "expected_update_id": _identity(rows[:, 4]),
                "found_update_id": _identity(rows[:, 5]),
                **{
                    name: pa.array(np.ascontiguousarray(rows[:, 6 + k]))
                    for k, name in enumerate(counts)
                },
            }
        )


def _closing(book: Book) -> ClosingBook:
    whole = book.whole
    sides = []
    for side in (BID, ASK):
        ticks, sizes = levels_of(book.ladder, side)
        sides += [_prices(book, ticks), sizes]
    low, high = _prices(book, np.array([whole[KNOWN_LOW], whole[KNOWN_HIGH]]))
    return ClosingBook(
        int(whole[LAST_EVENT]), int(whole[LAST_AVAILABLE]),
        None if whole[LAST_ID] == NO_ID else int(whole[LAST_ID]),
        float(low), float(high), *sides,
    )  # fmt: skip


def _prices(book: Book, ticks: Any) -> Any:
    return (ticks * book.whole[TICK_PARTS]) / book.real[TICK_SCALE]


def _middle(messages: Messages, opening: ClosingBook | None, everything: Any) -> float:
    """A price near the market: the middle of a whole book where there is one."""
    if opening is not None and len(opening.bid_prices) and len(opening.ask_prices):
        return float(opening.bid_prices[0] + opening.ask_prices[0]) / 2
    for k in np.flatnonzero(messages.kind != DIFF):
        bids, asks = _sides_at(messages, int(k))
        if len(bids) and len(asks):
            return float(bids.max() + asks.min()) / 2
    return float(np.median(everything)) if len(everything) else 1.0


def _sides_at(messages: Messages, k: int) -> tuple[Any, Any]:
    return (
        messages.bid_prices[messages.bid_offsets[k] : messages.bid_offsets[k + 1]],
        messages.ask_prices[messages.ask_offsets[k] : messages.ask_offsets[k + 1]],
    )


def _prices_at(messages: Messages, k: int) -> Any:
    return np.concatenate(_sides_at(messages, k))


def _levels_at(messages: Messages, k: int) -> int:
    return len(_prices_at(messages, k))


def _more_room(book: Book, wanted: int) -> Book:
    """The same book with far levels that are gone dropped, and room for some more."""
    return _moved(book, (int(book.whole[TICK_PARTS]), int(book.real[TICK_SCALE])), wanted)


def _finer(book: Book, prices: Any) -> Book:
    """The same book on a grid that holds some new prices as well."""
    tick = (int(book.whole[TICK_PARTS]), int(book.real[TICK_SCALE]))
    return _moved(book, common_tick(tick, find_tick(prices)), 0)


def _moved(book: Book, tick: tuple[int, int], wanted: int) -> Book:
    """The same book with its levels put into a new ladder on a grid at least as fine."""
    whole = book.whole
    factor = tick[1] * int(whole[TICK_PARTS]) // (int(book.real[TICK_SCALE]) * tick[0])
    sides = [levels_of(book.ladder, side) for side in (BID, ASK)]
    live = sum(len(ticks) for ticks, _ in sides)
    room = 1 << 12
    while room < 4 * (live + wanted + int(whole[PENDING_BIDS] + whole[PENDING_ASKS])):
        room *= 2
    meta = book.ladder.meta
    centre = (int(meta[0]) + int(meta[1]) // 2) * factor
    ladder = new_ladder(centre, room)
    for side, (ticks, sizes) in zip((BID, ASK), sides, strict=True):
        put_levels(ladder, side, ticks * factor, sizes)
    settle(ladder)
    whole[TICK_PARTS] = tick[0]
    book.real[TICK_SCALE] = tick[1]
    for name in (KNOWN_LOW, KNOWN_HIGH):
        whole[name] = min(int(whole[name]) * factor, FAR_AWAY)
    book.top_ticks[:] *= factor
    return book._replace(ladder=ladder)


def _time(values: Any) -> pa.Array:
    return pa.array(np.ascontiguousarray(values)).view(pa.timestamp("ns"))


def _identity(values: Any) -> pa.Array:
    return pa.array(np.ascontiguousarray(values), mask=values < 0)
