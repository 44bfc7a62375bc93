"""The windows that studies are run over, and the partitions of their tables that hold them.

A UTC day is partition `2024-08-08`; the windows of the last days up to a day are together in
`trailing-2024-08-08`; the whole span of the home is `all`. What is estimated is not known here.
"""

from __future__ import annotations

import datetime
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Literal

Scope = Literal["day", "trailing", "span"]

SPAN = "all"
_TRAILING = "trailing-"


def trailing(day: str) -> str:
    """Partition of the windows up to and with a day."""
    return _TRAILING + day


def scope_of(partition: str) -> Scope:
    """Kind of the windows in a partition."""
    if partition == SPAN:
        return "span"
    return "trailing" if partition.startswith(_TRAILING) else "day"


def day_of(partition: str) -> str | None:
    """The day, or the last one of the windows; None for the span."""
    return None if partition == SPAN else partition.removeprefix(_TRAILING)


def trailing_windows(
    day: str, days: Sequence[str], lengths: Sequence[int]
) -> list[tuple[str, ...]]:
    """Days of each window up to a day: those there are among the last so many of the calendar.

    Parameters
    ----------
    days : days that have features, in order.
    lengths : days of the calendar that a window reaches over.

    Returns
    -------
    Windows of two days or more, from the shortest; those that hold the same days are one.
    """
    last = datetime.date.fromisoformat(day)
    end = bisect_right(days, day)
    found: list[tuple[str, ...]] = []
    for length in sorted(lengths):
        first = (last - datetime.timedelta(days=length - 1)).isoformat()
        window = tuple(days[bisect_left(days, first) : end])
        if len(window) > 1 and window[-1] == day and window not in found:
            found.append(window)
    return found


def windows_in(
    partition: str, days: Sequence[str], lengths: Sequence[int]
) -> list[tuple[str, ...]]:
    """Days of the windows in a partition, the widest last; `days` and `lengths` as above."""
    day = day_of(partition)
    if day is None:
        return [tuple(days)]
    if scope_of(partition) == "day":
        return [(day,)]
    return trailing_windows(day, days, lengths) or [(day,)]
