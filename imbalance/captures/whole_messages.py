"""Messages that several rows of a table make: where they end, and which are too long.

Of the last message of a block nobody knows whether it goes on, so its rows are held back until
another one begins. A file whose rows are all of one time would be held as a whole, so a message has
a limit. The rows of a longer one are quarantined, each by itself, as they come; one row of it is
kept, by which the next ones are known.

What a message takes is counted from its first row to the first row of the next one, with all that
stands between, such as a line that is too long by itself: so it does not depend on where blocks are
cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from imbalance.captures.events import Rejected
from imbalance.captures.frames import Frame
from imbalance.captures.framing import LONGEST_LINE

LONGEST_MESSAGE = LONGEST_LINE
"""Bytes of text: a message of many rows may be as long as one of one line."""

MOST_ROWS = 1 << 18
"""Rows of a message where they are no text, about as many as are in so much text."""

TOO_LONG = "message_too_long"


@dataclass(frozen=True)
class Limit:
    """The most that a message may be, in some unit."""

    most: int
    unit: str

    @property
    def passed(self) -> Rejected:
        """Why a row of a longer one is quarantined."""
        return Rejected(TOO_LONG, f"its message is of more than {self.most:,} {self.unit}")


@dataclass(frozen=True)
class Cut:
    """Where some rows are cut, so that what is before is whole.

    Parameters
    ----------
    until : rows from here on are held back.
    kept : the first row of the last message, to go on from; None where nothing goes on.
    over : whether that message is too long already, and `kept` all that is held of it.
    long : mask (n,) of the rows of messages too long.
    """

    until: int
    kept: int | None
    over: bool
    long: Any


def cut(
    frame: Frame, message: tuple[str, ...], places: Any, limit: Limit, *, over: bool, last: bool
) -> Cut:
    """Cut some rows before the last message, unless they are the last ones or too many.

    Parameters
    ----------
    message : columns that are the same in all rows of one.
    places : int64 (n+1,), where each row begins, in the unit of the limit, and where all ends.
    over : whether the message of the first row is known to be too long.
    """
    count = len(frame)
    if not message or not count:
        return Cut(count, None, False, np.zeros(count, bool))
    first = frame.changes(*message)
    too_long = np.diff(places[np.append(first, count)]) > limit.most
    too_long[0] |= over
    long = np.repeat(too_long, np.diff(np.append(first, count)))
    if last:
        return Cut(count, None, False, long)
    begins, goes_over = int(first[-1]), bool(too_long[-1])
    return Cut(count if goes_over else begins, begins, goes_over, long)
