"""The windows that studies are run over, and the partitions of their tables that hold them.

A UTC day is partition `2024-08-08`; the windows of the last days up to a day are together in
`trailing-2024-08-08`; the whole span of the home is `all`. What is estimated is not known here.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
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
    day: str, days: Iterable[str], lengths: Sequence[int]
) -> list[tuple[str, ...]]:
    """Days of each window up to a day: those there are among the last so many of the calendar.

    Parameters
    ----------
    days : days that have features.
    lengths : days of the calendar that a window reaches over.

    Returns
    -------
    Windows of two days or more, from the shortest; those that hold the same days are one.
    """
    there = sorted(days)
    last = datetime.date.fromisoformat(day)
    found = []
    for length in sorted(lengths):
        first = (last - datetime.timedelta(days=length - 1)).isoformat()
        window = tuple(one for one in there if first <= one <= day)
        if len(window) > 1 and window[-1] == day and window not in found:
            found.append(window)
    return found
