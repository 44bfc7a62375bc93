"""Lines of a capture read by patterns that are learned as they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from imbalance.captures.decode import Account
from imbalance.captures.event_columns import EventColumns
from imbalance.captures.events import Event
from imbalance.captures.patterns.counters import Counters
from imbalance.captures.patterns.held import Held
from imbalance.captures.patterns.learning import LONGEST, NotAlike, comes_to, fits, pattern_of
from imbalance.captures.patterns.likeness import hash_of
from imbalance.captures.patterns.pieces import Book
from imbalance.captures.patterns.places import Places
from imbalance.captures.records import Record
from imbalance.captures.text import LOOKED_BEYOND

MOST_PATTERNS = 20_000

TRIES = 5
FREE_BYTES, SHARE = 2_000_000, 25
"""A lesson costs what understanding 25 lines by themselves does: lines of which nothing was learned
so many times are given up, and lessons are of so many bytes, and of one in so many that have been
read by patterns."""


class PatternReader:
    """Reads what is like lines understood before.

    Parameters
    ----------
    places : by kind of message, where values stand in it; the first that fits is taken.
    columns : where to read to.
    counters, held : of the capture's connections.
    """

    def __init__(
        self, places: Mapping[str, Sequence[Places]], columns: EventColumns, counters: Counters,
        held: Held,
    ) -> None:  # fmt: skip
        self._places = places
        self._columns = columns
        self._counters, self._held = counters, held
        self._book = Book()
        self._failed: Counter[int] = Counter()
        self._text: Any = None
        self._settled = 0
        self._read = self._taught = 0

    def begin(self, data: bytes) -> None:
        """Take a text of whole lines."""
        self._settled = 0
        if self._places:
            self._text = self._columns.begin(data)
            self._settled = data.rfind(b"\n", 0, max(len(data) - LOOKED_BEYOND, 0)) + 1

    def read(self, place: int, line: int, bounds: tuple[int, int]) -> tuple[int, int]:
        """Read lines from a place on, as long as each is like one that is known.

        Parameters
        ----------
        line : number of the line at that place.
        bounds : earliest and latest receive time that is read, ns.

        Returns
        -------
        place, lines : where the first line begins that was not read, and how many were.
        """
        if place >= self._settled or not self._book.numbers:
            return place, 0
        end, lines = self._columns.read(
            self._text, place, self._settled, self._book.arrays, self._counters.last,
            self._held, bounds, line,
        )
        self._read += end - place
        return end, lines

    def account(self, account: Account) -> None:
        """Account for the lines that have been read since this was last called."""
        decoded, ignored = self._book.read()
        account.decoded.update(decoded)
        account.ignored.update(ignored)

    def forget(self) -> None:
        """Know nothing any more: what messages mean may have changed."""
        if self._book.numbers:
            self._book.clear()
        self._failed.clear()

    def learn(
        self, line: bytes, record: Record, kind: str, events: Sequence[Event] = (),
        instrument: int = 0,
    ) -> None:
        """Learn of a line that was understood by itself.

        Parameters
        ----------
        line, record : the line, and what it says.
        kind, events : what it was understood to be, or the rule by which it is ignored, and none.
        instrument : number of the instrument of these events.
        """
        if kind not in self._places or len(line) > LONGEST:
            return
        line_hash = int(hash_of(np.frombuffer(line + b"\n" + bytes(8), np.uint8), 0))
        if not self._book.pays(line_hash):
            self._failed[line_hash] = TRIES
        if self._failed.get(line_hash, 0) >= TRIES:
            return
        if self._taught > FREE_BYTES + self._read // SHARE:
            return
        self._taught += len(line)
        for places in self._places[kind]:
            if fits(places, events) and len(self._book.numbers) < MOST_PATTERNS:
                try:
                    pattern = pattern_of(
                        line, record.payload, places, events,
                        partial(self._counters.place, record.connection, ""),
                        partial(self._held.known, record.connection),
                        instrument=instrument, kind=kind,
                    )  # fmt: skip
                except NotAlike:
                    continue
                if comes_to(
                    line, pattern, line_hash, record.receive_time, events, self._held
                ):
                    if self._book.add(pattern, line_hash):
                        self._failed.pop(line_hash, None)
                        return
                    break
        self._failed[line_hash] += 1
