"""What was seen of the book and the trades in bars of volume and event time, and when that could be
known.

Intervals of `book.book_health` are dated back to the last message before them. When they could be
known is told by the bars of 100 ms that they poison: those are not available before. That the book
with which a day begins was there is told by the day's first bar of 100 ms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from imbalance.captures.formats.format import DAY_NS
from imbalance.features.stretches import BAR


def with_health(
    name: str, columns: Mapping[str, Any], health: pa.Table, grid: pa.Table,
    first_trade: int | None, missing: Any,
) -> pa.Table:  # fmt: skip
    """The bars of an instrument as a table, with what is known of the book and the trades in them.

    Parameters
    ----------
    columns : what `activity_kernel` sums.
    health : rows of book.book_health.
    grid : rows of book.bars_100ms in the order of time: all that are poisoned or of images, and the
        day's first.
    first_trade : time of the day's first trade, ns.
    missing : which bars touch a gap in the trade feed.
    """
    start, last = columns["bar_start"], columns["bar_end"] - 1
    valid = health.filter(pc.equal(health.column("state"), "valid"))
    begin, end = (valid.column(side).cast(pa.int64()).to_numpy() for side in
                  ("valid_from", "valid_to"))
    order = np.argsort(begin, kind="stable")
    begin, end = begin[order], end[order]
    length = last - start
    at_start = _within(start, begin, end, health)
    at_end = _reached(last, begin, end)
    covered = _covered(last, begin, end) - _covered(start, begin, end)
    share = np.where(length > 0, covered / np.maximum(length, 1), at_start)
    images = _images(start, last, grid)
    unsure = images | (share < 1) | ~at_start | ~at_end
    opened = grid.filter(pa.array(begins_day(grid))).column("available_at").cast(pa.int64())
    proved = max(opened.to_pylist(), default=0)
    available = np.where(unsure, _told(last, grid), columns["available_at"])
    available = np.maximum(available, np.where(start < proved, proved, 0))
    table: dict[str, Any] = {
        key: pa.array(values, from_pandas=True) for key, values in columns.items()
    }
    table["available_at"] = pa.array(
        np.maximum.accumulate(np.maximum(available, columns["available_at"])))
    for key in ("bar_start", "bar_end", "available_at"):
        table[key] = table[key].cast(pa.timestamp("ns"))
    for key in ("complete", "broken"):
        table[key] = pa.array(columns[key] != 0)
    return pa.table({
        "instrument": pa.repeat(name, len(start)), **table, "coverage": share,
        "valid_at_start": at_start, "valid_at_end": at_end, "images": images,
        "trades_known": ~missing & (
            start >= (np.iinfo(np.int64).max if first_trade is None else first_trade)),
    })


def begins_day(bars: pa.Table | pa.RecordBatch) -> Any:
    """Which bars begin at midnight, before any message of their day."""
    return bars.column("bar_start").cast(pa.int64()).to_numpy() % DAY_NS == 0


def touch_gaps(columns: dict[str, Any], gaps: pa.Table) -> Any:
    """Which bars touch a gap in the trade feed; they are available once it is known."""
    found = np.zeros(len(columns["bar_start"]), bool)
    available = columns["available_at"].copy()
    begin, end, known = (gaps.column(side).cast(pa.int64()).to_pylist()
                         for side in ("missing_from", "missing_to", "available_at"))
    for first, last, at in zip(begin, end, known, strict=True):
        touched = (columns["bar_start"] <= last) & (columns["bar_end"] > first)
        available[touched] = np.maximum(available[touched], at)
        found |= touched
    columns["available_at"] = np.maximum.accumulate(available)
    return found


def _images(start: Any, last: Any, grid: pa.Table) -> Any:
    """Which bars touch a bar of 100 ms whose book was of images."""
    of_images = grid.filter(pc.equal(grid.column("book_feed"), "images"))
    begin = of_images.column("bar_start").cast(pa.int64()).to_numpy()
    # a bar of 100 ms that begins as long before is over
    before = np.searchsorted(begin, start - BAR, side="right")
    return np.searchsorted(begin, last, side="right") > before


def _told(last: Any, grid: pa.Table) -> Any:
    """When the last of the noted bars of 100 ms that begin by each moment was available, ns. Where
    there is no book there are none: then the one in which it was lost tells of it.
    """
    begin, available = (grid.column(name).cast(pa.int64()).to_numpy()
                        for name in ("bar_start", "available_at"))
    place = np.searchsorted(begin, last, side="right")
    return np.concatenate([[0], available])[place]


def _covered(times: Any, begin: Any, end: Any) -> Any:
    """Time within the intervals up to each moment, ns."""
    if not len(begin):
        return np.zeros(len(times), np.int64)
    before = np.concatenate([[0], np.cumsum(end - begin)])
    place = np.searchsorted(begin, times, side="right") - 1
    inside = np.maximum(place, 0)
    part = np.minimum(times - begin[inside], end[inside] - begin[inside])
    return np.where(place < 0, 0, before[inside] + part)


def _within(times: Any, begin: Any, end: Any, health: pa.Table) -> Any:
    """Which times are in one of the intervals [begin, end); the end of all counts as in it."""
    if not len(begin):
        return np.zeros(len(times), bool)
    over = pc.max(health.column("valid_to")).value
    place = np.searchsorted(begin, times, side="right") - 1
    inside = np.maximum(place, 0)
    return (place >= 0) & ((times < end[inside]) | ((times == end[inside]) & (times == over)))


def _reached(times: Any, begin: Any, end: Any) -> Any:
    """Which times are in one of the intervals or end it: what ends with the last message that was
    proved has seen all of the book, and what was lost after it is of the bar that follows. So it is
    with bars of 100 ms: one that ends where an interval begins does not touch it.
    """
    if not len(begin):
        return np.zeros(len(times), bool)
    place = np.searchsorted(begin, times, side="right") - 1
    return (place >= 0) & (times <= end[np.maximum(place, 0)])
