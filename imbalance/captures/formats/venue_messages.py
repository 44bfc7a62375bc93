"""Messages of a venue saved without receive times: JSON lines (Bybit's dumps) and JSON arrays.

An array counts a line per element; a book asked for over HTTP is one. Where a Binance book names
neither symbol nor time, folder and file do (`ETHBTC/2020-11-01T09-00-00_snapshot.json`).
What tells the markets of a venue apart is in `markets`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from imbalance.captures.clocks import NO_TIME
from imbalance.captures.decoding import Context, TextDecoder, check_symbol
from imbalance.captures.events import BookUpdate, Decoded, Event, Ignored, Rejected
from imbalance.captures.formats.arrays import complete_elements
from imbalance.captures.formats.format import NO_UNIT, Sniff, head_lines, likely
from imbalance.captures.formats.markets import binance_array, binance_book, bybit_market
from imbalance.captures.framing import Block
from imbalance.captures.gathering import Gathering
from imbalance.captures.records import Record
from imbalance.captures.rows import Tables
from imbalance.captures.venues.registry import venue
from imbalance.captures.venues.venue import Session

_BYBIT = re.compile(rb'^\{"topic":"(orderbook|publicTrade|tickers)\.')
_TIME_BYBIT = re.compile(rb'"ts":(\d{13})')
_ARRAY = re.compile(rb'^\[\s*\{\s*"e"\s*:\s*"(depthUpdate|aggTrade|trade)"')
_BOOK = re.compile(rb'^\{\s*"lastUpdateId"\s*:\s*\d+\s*,')
_TIME_ARRAY = re.compile(rb'"E"\s*:\s*(\d{13})')
_NAMED_TIME = re.compile(r"^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)_")
_NAMED_SYMBOL = re.compile(r"^[A-Z0-9]{5,20}(_(PERP|\d{6}))?$")

LINES, ARRAY, BOOK = "lines", "array", "book"


class VenueMessages:
    """The format; see `Format`. Its layouts are `lines`, `array` and `book`."""

    name = "venue-messages"
    example = '`{"topic":…}` of Bybit a line, or a JSON array of Binance messages'
    needs_last_newline = False

    def sniff(self, head: bytes, compression: str, path: Path) -> Sniff | None:
        if _BYBIT.match(head):
            lines = head_lines(head)
            return Sniff(
                compression, self.name, unit=NO_UNIT, layout=LINES,
                first_time=min(self._line_times(lines), default=None),
                **bybit_market(lines, path)._asdict(),
            )  # fmt: skip
        if _ARRAY.match(head):
            found = _TIME_ARRAY.search(head)
            first = None if found is None else int(found[1]) * 1_000_000
            return Sniff(
                compression, self.name, unit=NO_UNIT, layout=ARRAY, first_time=first,
                **binance_array(head)._asdict(),
            )  # fmt: skip
        if _BOOK.match(head):
            time, symbol = _named_time(path), path.parent.name
            if time is None or not _NAMED_SYMBOL.match(symbol):
                return Sniff(compression, reason="a Binance book whose path has no symbol or time")
            return Sniff(
                compression, self.name, unit=NO_UNIT, layout=BOOK, symbols=(symbol,),
                first_time=time, **binance_book(head)._asdict(),
            )  # fmt: skip
        return None

    def times(self, lines: Iterable[bytes], found: Sniff, path: Path) -> list[int]:  # noqa: ARG002
        if found.layout == LINES:
            return self._line_times(line for line, _ in zip(lines, range(50), strict=False))
        last = next(iter(lines), b"")[-4096:]
        return [int(time) * 1_000_000 for time in _TIME_ARRAY.findall(last)][-1:]

    @staticmethod
    def _line_times(lines: Iterable[bytes]) -> list[int]:
        found = (_TIME_BYBIT.search(line[:400]) for line in lines)
        return likely([int(match[1]) * 1_000_000 for match in found if match])

    def decoder(self, context: Context, found: Sniff) -> MessagesDecoder:
        kind = MessagesDecoder if found.layout == LINES else ArrayDecoder
        return kind(context, found.symbols[0] if found.symbols else None)


def _named_time(path: Path) -> int | None:
    found = _NAMED_TIME.match(path.name)
    if found is None:
        return None
    text = f"{found[1]}T{found[2]}:{found[3]}:{found[4]}+00:00"
    try:
        return int(datetime.datetime.fromisoformat(text).timestamp()) * 10**9
    except ValueError:
        return None


class MessagesDecoder(TextDecoder):
    """Decodes a venue's messages, a line each; they have no receive time.

    Parameters
    ----------
    symbol : of books that name none.
    """

    _session: Session
    _gathering: Gathering

    def __init__(self, context: Context, symbol: str | None) -> None:
        super().__init__(context)
        self._session = venue(context.venue).session()
        self._gathering = Gathering(self.rows, context.clocks, self.numbered.position)
        self._symbol = symbol

    def ends_complete(self, block: Block) -> bool:
        return block.long_line is None

    def take(self, data: bytes, first_line: int, offset: int) -> Tables:
        lines = data.split(b"\n")
        if not lines[-1]:
            del lines[-1]
        for number, line in enumerate(lines, first_line):
            self.message(number, offset, line)
            offset += len(line) + 1
        return self._gathering.take()

    def message(self, number: int, offset: int, text: bytes) -> None:
        """Take one message."""
        if not text.strip():
            self.ignored("blank_line")
            return
        try:
            found = self._session.take(self._record(text))
            if isinstance(found, Ignored):
                self.ignored(found)
                return
            events = self._dated(found)
        except Rejected as error:
            self.quarantine(number, offset, text, error)
            return
        self.account.unknown_fields.update(found.unknown_fields)
        self.decoded(found.kind)
        self._gathering.add(number, NO_TIME, events)

    def _record(self, text: bytes) -> Record:
        if self._symbol is None:
            return Record("recv", "", "", 0, text)
        address = f"https://api.binance.com/api/v3/depth?symbol={self._symbol}"
        return Record("http", "", address, 0, text)

    def _dated(self, found: Decoded) -> list[Event]:
        dated: list[Event] = []
        asked = _named_time(self.context.path)
        for event in found.events:
            check_symbol(event.symbol)
            if event.exchange_time is None and event.transaction_time is None:
                if asked is None or not isinstance(event, BookUpdate):
                    raise Rejected("no_time", "neither the message nor the file's name has a time")
                event = msgspec.structs.replace(event, exchange_time=asked)
            time = event.transaction_time or event.exchange_time or 0
            self.check_span(time)
            dated.append(event)
        return dated


class ArrayDecoder(MessagesDecoder):
    """Decodes a JSON array of messages, an element a line; the whole of it is held."""

    def __init__(self, context: Context, symbol: str | None) -> None:
        super().__init__(context, symbol)
        self._whole: list[tuple[bytes, int]] = []
        self._short: str | None = None

    def lines_settled(self) -> int | None:
        return None  # elements are known when the last one is there

    @property
    def shortcoming(self) -> str | None:
        return super().shortcoming or self._short

    def take(self, data: bytes, first_line: int, offset: int) -> Tables:  # noqa: ARG002
        self.account.lines_read -= data.count(b"\n") + (not data.endswith(b"\n"))
        self._whole.append((data, offset))
        return {}

    def finish(self) -> Tables:
        text = b"".join(data for data, _ in self._whole)
        if not text.strip():
            return {}
        try:
            elements = (
                [text.strip()] if self._symbol is not None
                else [bytes(raw) for raw in msgspec.json.decode(text, type=list[msgspec.Raw])]
            )
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            elements, end = complete_elements(text)
            self.account.lines_read += 1
            self.quarantine(
                len(elements) + 1, self._whole[0][1] + end, text[end:],
                Rejected("not_json", str(error)),
            )
            self._short = f"the array can be read up to element {len(elements)}: {error}"
        place = 0
        for number, element in enumerate(elements, 1):
            self.account.lines_read += 1
            place = text.find(element, place)
            self.message(number, self._whole[0][1] + place, element)
            place += len(element)
        return self._gathering.take()


FORMAT = VenueMessages()
