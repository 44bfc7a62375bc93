"""What every decoder of a capture has: its account, its instruments, its clocks, its bad lines.

`TextDecoder` walks a capture's blocks of whole lines; how lines become events is its subclasses'
part (`recorded`, `bitstamp_log`, `tables_of_text` …). The scanner's own decoder (`decode`) keeps
the same promises. Nothing is written here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, cast

from imbalance.beside import ahead
from imbalance.captures.checkpoint import Point
from imbalance.captures.chunks import BadLine, bad_line
from imbalance.captures.clocks import NO_TIME, Clocks
from imbalance.captures.decode import FAR_NS, LAST_TIME, Account
from imbalance.captures.events import Event, Ignored, Rejected
from imbalance.captures.formats.format import bad_symbol
from imbalance.captures.framing import LONGEST_LINE, Block, CaptureReader, End
from imbalance.captures.instruments import Contracts
from imbalance.captures.kept import Keeps, from_bytes, to_bytes
from imbalance.captures.rows import Rows, Tables
from imbalance.captures.venues.venue import Instrument

OLD = "event:older_than_receipt"
"""Events which a venue sends again long after they happened, such as the last trades before a
subscription: they belong to no moment of the capture."""


@dataclass(frozen=True)
class Batch:
    """What one block of a capture came to."""

    tables: Tables
    bad: list[BadLine]
    text_bytes: int
    beyond: bool = False
    """Whether it comes after the place where a decoder of a longer version of the file would go
    on: of a last line without its end, or what was held back until there were no more lines."""


class Decoding(Protocol):
    """A capture while it is decoded: iterate once, then ask."""

    account: Account

    def __iter__(self) -> Iterator[Batch]: ...
    def go_on(self, point: Point) -> None:
        """Begin where a decoder of the first part of the capture has ended, instead of at its
        first line; ValueError where the state of that one is none of this one's.
        """

    @property
    def point(self) -> Point | None:
        """Once all has been taken: where a decoder of a longer version of the file may go on; None
        where it must begin anew.
        """

    def facts(self) -> list[Instrument]:
        """What the capture's own messages said of instruments."""

    @property
    def last_available(self) -> int | None:
        """The last `available_at` of an event, ns; None before the first."""

    @property
    def instruments(self) -> list[str]:
        """Instruments met so far."""

    @property
    def end(self) -> End:
        """How the file ended."""

    @property
    def shortcoming(self) -> str | None:
        """Why the file counts as truncated, None when it is whole."""

    @property
    def clock_skew(self) -> int | None:
        """Smallest receive − exchange time seen, ns."""

    @property
    def last_receive(self) -> int | None:
        """Latest receive time of an event, ns."""


@dataclass(frozen=True)
class Context:
    """What a decoder is told of its capture.

    Parameters
    ----------
    capture_id, path, venue : the capture.
    contracts : contract of an instrument, for sizes in base units.
    span : earliest and latest time that is believed, ns.
    clocks : what the capture's clocks begin with.
    """

    capture_id: str
    path: Path
    venue: str
    contracts: Contracts
    span: tuple[int, int] = (0, LAST_TIME)
    clocks: Clocks = field(default_factory=Clocks)


class Instruments(Keeps):
    """The instruments of a capture by symbol, numbered as they come."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._positions: dict[tuple[str, str | None], int] = {}
        self.names: list[str] = []

    def state(self) -> bytes:
        return to_bytes(self.names)

    def restore(self, state: bytes) -> None:
        self.names[:] = from_bytes(state, list[str])  # the list that others have been given

    def position(self, symbol: str, market: str | None = None) -> int:
        """Number of a symbol's instrument; `market` is its venue where it is not the capture's."""
        found = self._positions.get((symbol, market))
        if found is not None:
            return found
        name = f"{market or self._context.venue}:{symbol}"
        if name in self.names:
            return self.names.index(name)
        position = self._positions[symbol, market] = len(self.names)
        self.names.append(name)
        return position


def check_symbol(symbol: object) -> str:
    """A symbol as text; Rejected where it is none that can be kept."""
    wrong = bad_symbol(symbol)
    if wrong is not None:
        raise Rejected("bad_symbol", wrong)
    return cast("str", symbol)


def near(events: list[Event], received: int) -> tuple[list[Event], int]:
    """Events that happened near their receipt, and the number of those long before it.

    Raises
    ------
    Rejected
        If one is dated more than five minutes after its receipt.
    """
    if received == NO_TIME:
        return events, 0
    earliest, latest = received - FAR_NS, received + FAR_NS
    kept = []
    for event in events:
        sent = event.transaction_time
        if sent is None:
            sent = event.exchange_time
        if sent is None or earliest <= sent <= latest:
            kept.append(event)
        elif sent > latest:
            seconds = (sent - received) / 1e9
            raise Rejected("far_from_receipt", f"dated {seconds:+.0f} s from the receive time")
    return kept, len(events) - len(kept)


class TextDecoder(ABC, Keeps):
    """Decodes a capture of lines, a block at a time.

    Parameters
    ----------
    context : what the capture is.
    """

    account: Account
    numbered: Instruments
    _clocks: Clocks
    _last_receive: int

    def __init__(self, context: Context) -> None:
        self.context = context
        self.account = Account()
        self.point: Point | None = None
        self._clocks = context.clocks
        self.numbered = Instruments(context)
        self.rows = Rows(context.capture_id, self.numbered.names, context.contracts)
        self._reader = CaptureReader(context.path)
        self._complete = True
        self._bad: list[BadLine] = []
        self._last_receive = NO_TIME

    @property
    def instruments(self) -> list[str]:
        return self.numbered.names

    @property
    def end(self) -> End:
        return self._reader.end

    @property
    def shortcoming(self) -> str | None:
        if self.end.truncated:
            return self.end.reason
        return None if self._complete else "the last line has no end"

    @property
    def clock_skew(self) -> int | None:
        return self.context.clocks.smallest_difference

    @property
    def last_receive(self) -> int | None:
        return None if self._last_receive == NO_TIME else self._last_receive

    @property
    def last_available(self) -> int | None:
        return self.context.clocks.last_available

    def facts(self) -> list[Instrument]:
        return []

    def __iter__(self) -> Iterator[Batch]:
        return ahead(self._batches(), "decode", 4)

    def go_on(self, point: Point) -> None:
        self.restore(point.state)
        self._reader.start = point.offset

    def _batches(self) -> Iterator[Batch]:
        offset, settled = self._reader.start, False
        for block in self._reader:
            data = block.data if block.long_line is None else b""
            whole = data.rfind(b"\n") + 1
            tables = self._take(data[:whole], block.first_offset)
            offset = block.first_offset + whole
            if block.long_line is not None and block.ended:
                tables = self._rest(block, whole)
                offset += block.text_bytes
            yield self._batch(tables, offset - block.first_offset)
            if not block.ended:  # the file's last one
                settled = True
                self._settle(offset)
                yield self._batch(self._rest(block, whole), block.text_bytes - whole, beyond=True)
            self._complete = self.ends_complete(block)
        if not settled:
            self._settle(offset)
        tables = self.finish()
        if tables or self._bad:
            yield self._batch(tables, 0, beyond=True)

    def _take(self, data: bytes, offset: int) -> Tables:
        """Rows of some whole lines, which are counted."""
        first = self.account.lines_read + 1
        self.account.lines_read += data.count(b"\n") + (data[-1:] not in (b"", b"\n"))
        return self.take(data, first, offset) if data else {}

    def _rest(self, block: Block, whole: int) -> Tables:
        """Rows of what stands behind a block's whole lines."""
        if self.ends_complete(block):
            return self._take(block.data[whole:], block.first_offset + whole)
        tables = {} if block.long_line is None else self.interrupted()
        self.account.lines_read += 1
        self._unread(block, whole)
        return tables

    def _settle(self, offset: int) -> None:
        """Note where a decoder of a longer version of the file may go on."""
        lines = self.lines_settled()
        if lines is not None:
            with suppress(OverflowError, ValueError):  # of what a message said that is no data
                self.point = Point(offset, lines, self.state())

    def lines_settled(self) -> int | None:
        """Lines of which all has been made that they say; None where that cannot be told."""
        return self.account.lines_read

    def _batch(self, tables: Tables, text_bytes: int, *, beyond: bool = False) -> Batch:
        bad, self._bad = self._bad, []
        self.account.quarantined.update(item.reason for item in bad)
        self.account.text_bytes += text_bytes
        return Batch(tables, bad, text_bytes, beyond)

    def ends_complete(self, block: Block) -> bool:
        """Whether a block's last line is a whole one."""
        return block.ended

    @abstractmethod
    def take(self, data: bytes, first_line: int, offset: int) -> Tables:
        """Rows of some whole lines, the first of which has that number and place in the text."""

    def interrupted(self) -> Tables:
        """Rows of what was held back, when a line comes that is too long to be taken."""
        return {}

    def finish(self) -> Tables:
        """Rows of what was held back, when all lines have been taken."""
        return {}

    def seen(self, received: int) -> None:
        """Note a receive time."""
        self._last_receive = max(self._last_receive, received)

    def check_span(self, time: int) -> None:
        """Rejected where a time is not of the days about."""
        low, high = self.context.span
        if not low <= time <= high:
            raise Rejected("receive_time_out_of_span", f"{time} ns is not of the days about")

    def decoded(self, kind: str, count: int = 1) -> None:
        """Account for lines of a kind that became events."""
        self.account.decoded[kind] += count

    def ignored(self, found: Ignored | str, count: int = 1) -> None:
        """Account for lines left out by a rule."""
        self.account.ignored[found if isinstance(found, str) else found.rule] += count

    def quarantine(self, line: int, offset: int, text: bytes, error: Rejected) -> None:
        """Account for a line that could not be understood."""
        self._bad.append(bad_line(line, offset, text.rstrip(b"\r\n"), error.reason, error.detail))

    def _unread(self, block: Block, whole: int) -> None:
        line, long = self.account.lines_read, block.long_line
        if long is None:
            rest = block.data[whole:]
            self._bad.append(
                bad_line(line, block.first_offset + whole, rest, "incomplete_line",
                         f"{len(rest)} bytes without a newline")
            )
            return
        found = bad_line(line, block.first_offset, block.data, "line_too_long",
                         f"{long.size} bytes, more than {LONGEST_LINE}")
        self._bad.append(replace(found, byte_length=long.size, text_sha256=long.sha256))
