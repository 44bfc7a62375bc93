"""Steps which layouts share: rows of levels into book messages, plain rows into trades and quotes.

Belongs here: putting columns together. What a column is called is each layout's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from imbalance.captures.frames import Frame, interleaved
from imbalance.captures.rows import BOOK_KINDS, NO_ID, Tables, number_column
from imbalance.captures.tabular import Table

IMAGE, SNAPSHOT, DIFF = (BOOK_KINDS.index(name) for name in ("image", "snapshot", "diff"))


def images(
    frame: Frame, table: Table, instruments: Any, sides: Sequence[tuple[list[str], list[str]]], *,
    receive: Any, exchange: Any, ids: Any | None = None,
) -> Tables:  # fmt: skip
    """A row is the whole visible book.

    Parameters
    ----------
    sides : of the bids and of the asks, names of the price columns and of the size columns, best
        level first.
    ids : growing ids of the images, int64 (n,).
    """
    found = []
    for prices, sizes in sides:  # one side may be shown deeper than the other
        depth = min(len(prices), len(sizes))
        found.append(levels(frame, prices[:depth], sizes[:depth]))
    return image_rows(
        frame, table, instruments, [*found[0], *found[1]], receive=receive, exchange=exchange,
        ids=ids,
    )


def levels(frame: Frame, prices: Sequence[str], sizes: Sequence[str]) -> tuple[Any, Any]:
    """Prices and sizes (n, levels), NaN where there is none; a price without a size, or the other
    way about, marks its row.
    """
    price, size = (
        np.stack([frame.number(name, optional=True) for name in names], axis=1)
        for names in (prices, sizes)
    )
    for row, place in np.argwhere(np.isnan(price) != np.isnan(size)).tolist():
        frame.bad.setdefault(row, ("missing_field", f"{prices[place]} or its size is missing"))
    return price, size


def image_rows(
    frame: Frame, table: Table, instruments: Any, sides: Sequence[Any], *, receive: Any,
    exchange: Any, ids: Any | None = None,
) -> Tables:  # fmt: skip
    """`images` of what has been read: bid prices, bid sizes, ask prices, ask sizes, each
    (n, levels), best level first, NaN where there is none.
    """
    when, rows = table.when(frame, instruments, receive=receive, exchange=exchange)
    mask = np.zeros(len(frame), bool)
    mask[rows] = True
    found = [interleaved(values, mask) for values in sides]
    number = np.full((len(rows), 3), NO_ID, np.int64)
    if ids is not None:
        number[:, 1] = ids[rows]
    return {
        "raw.book_updates": table.rows.books(
            when, np.full(len(rows), IMAGE, np.uint8), number, (found[0][1], found[2][1]),
            [values for values, _ in found],
        )
    }  # fmt: skip


def numbered(frame: Frame, begins: Any) -> Any:
    """Which message each row is of, int64 (n,), from 0; `begins` are the first rows of each."""
    message = np.zeros(len(frame), np.int64)
    message[begins] = 1
    return np.cumsum(message) - 1


def mark_parts(frame: Frame, message: Any) -> None:
    """Mark the other rows of messages that have a bad one."""
    broken = np.isin(message, message[list(frame.bad)])
    for row in np.flatnonzero(broken & frame.good).tolist():
        frame.bad.setdefault(row, ("part_of_a_bad_message", "another row of the message is bad"))


def messages(
    frame: Frame, table: Table, instruments: Any, begins: Any, *, kind: Any, side: Any,
    price: Any, size: Any, receive: Any, exchange: Any, ids: Any | None = None,
) -> Tables:  # fmt: skip
    """Rows are levels, and those from one of `begins` to the next one make a message.

    A message with a bad row is quarantined whole: half of it would be a wrong book.

    Parameters
    ----------
    begins : first row of each message.
    kind : per row, index into `BOOK_KINDS`.
    side : per row, 0 bid and 1 ask.
    ids : int64 (n, 3) per row, of the message.
    """
    message = numbered(frame, begins)
    mark_parts(frame, message)
    when, rows = table.when(frame, instruments, receive=receive, exchange=exchange, at=begins)
    kept = np.zeros(len(begins), bool)
    kept[message[rows]] = True
    used = kept[message] & frame.good
    place = np.cumsum(kept)[message] - 1
    levels: list[Any] = []
    offsets = []
    for code in (0, 1):
        mine = used & (side == code)
        offset = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(np.bincount(place[mine], minlength=len(rows)), out=offset[1:])
        offsets.append(offset)
        levels += [price[mine], size[mine]]
    number = np.full((len(rows), 3), NO_ID, np.int64) if ids is None else ids[rows]
    return {
        "raw.book_updates": table.rows.books(
            when, kind[rows].astype(np.uint8), number, (offsets[0], offsets[1]), levels
        )
    }


def trades(
    frame: Frame, table: Table, instruments: Any, *, price: Any, size: Any, side: Any,
    receive: Any = None, exchange: Any = None, ids: Any | None = None,
    keys: Sequence[str | None] | None = None, aggregate: bool = False,
) -> Tables:  # fmt: skip
    """A row is a trade; `side` is an index into `rows.SIDES`, `NO_SIDE` where not told."""
    when, rows = table.when(frame, instruments, receive=receive, exchange=exchange)
    number = np.full(len(frame), NO_ID, np.int64) if ids is None else ids
    return {
        "raw.trades": table.rows.trades(
            when, np.full(len(rows), aggregate), number[rows],
            None if keys is None else [keys[row] for row in rows.tolist()],
            price[rows], size[rows], side[rows],
        )
    }  # fmt: skip


def identities(words: Sequence[str | None]) -> tuple[Any, list[str | None]]:
    """Ids that are whole numbers, int64 (n,), and those that are text."""
    whole = [
        int(w) if w is not None and w.isdecimal() and len(w) < 19 else NO_ID for w in words
    ]
    keys = [w if n == NO_ID else None for w, n in zip(words, whole, strict=True)]
    return np.array(whole, np.int64), keys


def quotes(
    frame: Frame, table: Table, instruments: Any, values: Sequence[Any], *,
    receive: Any = None, exchange: Any = None, ids: Any | None = None, at: Any = None,
) -> Tables:  # fmt: skip
    """A row (or each of the rows `at`) is a quote: bid, its size, ask, its size."""
    when, rows = table.when(frame, instruments, receive=receive, exchange=exchange, at=at)
    number = np.full(len(frame), NO_ID, np.int64) if ids is None else ids
    return {
        "raw.quotes": table.rows.quotes(
            when, number[rows], np.stack([column[rows] for column in values], axis=1)
        )
    }


def plain(
    name: str, frame: Frame, table: Table, instruments: Any, columns: Mapping[str, Any], *,
    all_numbers: Sequence[str], receive: Any = None, exchange: Any = None,
    more: Mapping[str, pa.Array] | None = None,
) -> Tables:  # fmt: skip
    """Rows of a table of numbers; those of `all_numbers` which are not given are null."""
    when, rows = table.when(frame, instruments, receive=receive, exchange=exchange)
    empty = np.full(len(rows), np.nan)
    numbers = {
        column: number_column(columns[column][rows] if column in columns else empty)
        for column in all_numbers
    }
    others = {key: value.take(pa.array(rows)) for key, value in (more or {}).items()}
    return {name: table.rows.plain(when, {**numbers, **others})}
