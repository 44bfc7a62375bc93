"""Captures of recorded connections: records put in order of time, each given to its venue.

Requests answered over HTTP stand in such files apart from the messages they belong among (at the
head, or in a file of their own), so that a record from the future waits for its moment.
"""

from __future__ import annotations

import heapq

from imbalance.captures.checkpoint import Point
from imbalance.captures.decoding import OLD, Context, TextDecoder, near
from imbalance.captures.events import (
    BOOK_EVENTS,
    BookUpdate,
    Event,
    Ignored,
    OrderUpdate,
    Rejected,
)
from imbalance.captures.framing import Block
from imbalance.captures.gathering import Gathering
from imbalance.captures.patterns.reader import PatternReader
from imbalance.captures.records import JsonRecords, LegacyLines, Record
from imbalance.captures.rows import Tables
from imbalance.captures.venues.registry import venue
from imbalance.captures.venues.venue import Instrument, Session

Lines = JsonRecords | LegacyLines


class RecordedDecoder(TextDecoder):
    """Decodes records of a venue's connections.

    Parameters
    ----------
    context : what the capture is.
    lines : makes records of its lines.
    """

    _lines: Lines
    _session: Session
    _gathering: Gathering
    _begun: set[tuple[str, str | None]]

    def __init__(self, context: Context, lines: Lines) -> None:
        super().__init__(context)
        self._lines = lines
        self._session = venue(context.venue).session()
        self._gathering = Gathering(self.rows, context.clocks, self.numbered.position)
        self._waiting: list[tuple[int, int, int, bytes, Record]] = []
        self._begun = set()
        self._reference_told = False
        self._address = ""
        self._alike = PatternReader(
            venue(context.venue).places, self._gathering.columns, self._session.counters,
            self._session.held,
        )  # fmt: skip

    def facts(self) -> list[Instrument]:
        return self._session.instruments()

    def ends_complete(self, block: Block) -> bool:
        # these recorders end a file without a newline: JSON tells whether its last line is whole
        return block.long_line is None

    def take(self, data: bytes, first_line: int, offset: int) -> Tables:
        self._alike.begin(data)
        place, number = 0, first_line
        while True:
            place, read = self._alike.read(place, number, self._bounds())
            number += read
            if place == len(data):
                break
            end = data.find(b"\n", place)
            line = data[place:] if end < 0 else data[place:end]
            self._line(number, offset + place, line)
            place, number = min(place + len(line) + 1, len(data)), number + 1
        return self._gathered()

    def _bounds(self) -> tuple[int, int]:
        """Receive times of lines that may be read by patterns: no answer waits for a moment before
        them.
        """
        low, high = self.context.span
        return low, min(high, self._waiting[0][0] - 1) if self._waiting else high

    def go_on(self, point: Point) -> None:
        super().go_on(point)
        self._reference_told = True

    def lines_settled(self) -> int | None:
        # the moment of an answer that waits may be after lines that are not there yet
        return None if self._waiting else super().lines_settled()

    def finish(self) -> Tables:
        while self._waiting:
            self._next_waiting()
        return self._gathered()

    def _gathered(self) -> Tables:
        self._alike.account(self.account)
        self.seen(self._gathering.last_received)
        if self._reference_told:
            self.context.contracts.learn(self.context.venue, self._session.instruments())
            self._reference_told = False
        return self._gathering.take()

    def _line(self, number: int, offset: int, line: bytes) -> None:
        if not line.strip():
            self.ignored("blank_line")
            return
        address = self._lines.address
        try:
            found = self._lines.parse(line)
            if isinstance(found, Ignored):
                self.ignored(found)
                return
            self.check_span(found.receive_time)
        except Rejected as error:
            self.quarantine(number, offset, line, error)
            return
        finally:
            if self._lines.address != address:
                self._forget()
        if found.kind == "http":
            heapq.heappush(self._waiting, (found.receive_time, number, offset, line, found))
            return
        while self._waiting and self._waiting[0][0] <= found.receive_time:
            self._next_waiting()
        self._record(number, offset, line, found)

    def _next_waiting(self) -> None:
        _, number, offset, line, record = heapq.heappop(self._waiting)
        self._record(number, offset, line, record)

    def _record(self, number: int, offset: int, line: bytes, record: Record) -> None:
        if record.kind != "recv" or record.address not in ("", self._address):
            self._forget()
        self._address = record.address or self._address
        try:
            found = self._session.take(record)
            if isinstance(found, Ignored):
                self.ignored(found)
                self._reference_told |= found.rule.startswith("reference")
                if record.kind == "recv":
                    self._alike.learn(line, record, found.rule)
                return
            events, old = near(found.events, record.receive_time)
        except Rejected as error:
            self.quarantine(number, offset, line, error)
            return
        if old:
            self.account.events_left_out[OLD] += old
        if found.unknown_fields:
            self.account.unknown_fields.update(found.unknown_fields)
        self.decoded(found.kind)
        self.seen(record.receive_time)
        self._gathering.add(number, record.receive_time, self._with_starts(events))
        if record.kind == "recv" and events and not old and not found.unknown_fields:
            instrument = self.numbered.position(events[0].symbol, events[0].venue)
            self._alike.learn(line, record, found.kind, events, instrument)

    def _forget(self) -> None:
        """What messages mean may be another thing from here on."""
        self._alike.account(self.account)
        self._alike.forget()

    def _with_starts(self, events: list[Event]) -> list[Event]:
        """Events with a break before differences which nothing connects with an earlier capture."""
        begun = self._begun
        for event in events:
            if type(event) in BOOK_EVENTS and (event.symbol, event.venue) not in begun:
                return self._begin(events)
        return events

    def _begin(self, events: list[Event]) -> list[Event]:
        found: list[Event] = []
        for event in events:
            key = event.symbol, event.venue
            if isinstance(event, OrderUpdate) and event.action == "snapshot":
                self._begun.add(key)
            if isinstance(event, BookUpdate) and key not in self._begun:
                self._begun.add(key)
                if event.kind == "diff" and event.last_id is None:
                    found.append(
                        BookUpdate(symbol=event.symbol, venue=event.venue, kind="break",
                                   note="capture_start",
                                   exchange_time=event.exchange_time,
                                   transaction_time=event.transaction_time)
                    )
            found.append(event)
        return found
