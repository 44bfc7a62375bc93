"""Captures that follow each other: which one a capture follows, and what its clocks begin with.

A recorder that begins a new file keeps its clock. So a capture begins with the skew of the one
before it, where that one had ended. Which one it is depends on the captures there are, not on the
day that is built nor on the order in which they were registered. No capture is read here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from imbalance.captures.formats.format import Sniff
from imbalance.store.ledger import CaptureFile, Ledger
from imbalance.store.ledger_rows import days_of

FOLLOWS_NS = 3_600_000_000_000
"""A clock is believed to be the same for so long after the last line of a capture."""

Sniffed = TypeVar("Sniffed", bound=tuple[CaptureFile, object, Sniff])


class Neighbourhood:
    """The captures of a venue by day, and among which of them a capture looks for the one before.

    These are the captures that may hold events of its first day: the capture before it, if it ended
    minutes ago, is one of them. Those of a day are the ones that are in use when it is first asked
    for.
    """

    def __init__(self, ledger: Ledger, venue: str) -> None:
        self._ledger, self._venue = ledger, venue
        self._days: dict[str, list[CaptureFile]] = {}

    def of_day(self, day: str) -> list[CaptureFile]:
        """Captures that may hold events of a day, in an order that does not depend on when they
        were registered.
        """
        if day not in self._days:
            mine = [c for c in self._ledger.captures_on(day) if c.venue == self._venue]
            self._days[day] = sorted(mine, key=lambda capture: capture.capture_id)
        return self._days[day]

    def of_capture(self, capture: CaptureFile) -> list[CaptureFile]:
        """Captures among which there may be the one before, the capture itself included."""
        return self.of_day(days_of(capture)[0])

    def digest(self, captures: Sequence[CaptureFile]) -> str:
        """A text that changes with the captures the clocks of some captures may depend on."""
        days = sorted({days_of(capture)[0] for capture in captures})
        text = ";".join(",".join(c.capture_id for c in self.of_day(day)) for day in days)
        return hashlib.sha256(text.encode()).hexdigest()


def order_of(sniffed: tuple[CaptureFile, object, Sniff]) -> tuple[int, str]:
    """What captures are sorted by: their first receipt."""
    return sniffed[2].first_time or 0, sniffed[0].capture_id


def capture_before(mine: Sniffed, captures: Sequence[Sniffed]) -> Sniffed | None:
    """The last of some captures, in order of first receipt, that begins before another one and has
    a symbol in common with it.
    """
    symbols = set(mine[2].symbols)
    earlier = (one for one in reversed(captures) if order_of(one) < order_of(mine))
    return next((one for one in earlier if not symbols.isdisjoint(one[2].symbols)), None)


def follows(first_receive: int | None, last_receive: int | None) -> bool:
    """Whether a capture begins after another has ended, and within `FOLLOWS_NS`: only then is
    everything of the other one past.
    """
    if first_receive is None or last_receive is None:
        return False
    return last_receive <= first_receive <= last_receive + FOLLOWS_NS
