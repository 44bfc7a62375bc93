"""Making a pattern of a line that a venue's session has understood.

The line's values are found where the venue's module says they stand (`places`); all else is text.
The pattern is believed only if the line read by it comes to what the session made of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from imbalance.captures.event_columns import CODES, EventColumns
from imbalance.captures.events import BookUpdate, DerivativeTick, Event, Quote, Trade
from imbalance.captures.patterns.held import Held
from imbalance.captures.patterns.pieces import (
    BOOK,
    COUNT,
    COUNTER,
    IGNORED,
    INTEGER,
    ISO_TIME,
    ITEMS,
    POINT_TIME,
    QUOTE,
    QUOTE_AND_TICK,
    RECEIVE,
    TICK,
    TRADE,
    UNKNOWN_COUNT,
    UNUSED_NUMBER,
    UNUSED_WORD,
    Book,
    Pattern,
    Piece,
)  # fmt: skip
from imbalance.captures.patterns.places import Items, Places, Value
from imbalance.captures.rows import BOOK_KINDS
from imbalance.captures.text import LOOKED_BEYOND

LONGEST = 1 << 18
"""Bytes of a message from which nothing is learned: lists of all instruments, and such."""

_TOKEN = re.compile(
    rb'\s*(?:("[^"\\]*")|(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|(true|false|null)|([][{}:,]))'
)
_SECONDS = re.compile(rb"\d{9,11}(?:\.\d+)?")
_DATA = re.compile(rb'"data":"')
_OLD_LINE = re.compile(rb"(\d{9,11}(?:\.\d+)?): ")
_KINDS: dict[int, tuple[type, ...]] = {
    BOOK: (BookUpdate,), TRADE: (Trade,), QUOTE: (Quote,), TICK: (DerivativeTick,),
    QUOTE_AND_TICK: (Quote, DerivativeTick),
}


class NotAlike(Exception):
    """No pattern can be made of a line."""


@dataclass
class Tokens:
    """Values of a message by their places: where they stand, quotes not counted, and whether they
    are words; where lists stand, brackets not counted.
    """

    values: dict[str, tuple[int, int, bool]] = field(default_factory=dict)
    lists: dict[str, tuple[int, int]] = field(default_factory=dict)


def tokens_of(text: bytes) -> Tokens:
    """Where the values of a message stand; NotAlike where it has escapes or is no JSON."""
    found = Tokens()
    _Scan(text).value("", found)
    return found


class _Scan:
    def __init__(self, text: bytes) -> None:
        self._matches: Iterator[re.Match[bytes]] = _TOKEN.finditer(text)
        self._at = 0

    def _next(self) -> re.Match[bytes]:
        match = next(self._matches, None)
        if match is None or match.start() != self._at:
            raise NotAlike("no JSON without escapes")
        self._at = match.end()
        return match

    def value(self, place: str, found: Tokens, match: re.Match[bytes] | None = None) -> None:
        match = self._next() if match is None else match
        if match[1] is not None:
            found.values[place] = match.start(1) + 1, match.end(1) - 1, True
        elif match[4] is None:
            found.values[place] = (*match.span(match.lastindex or 0), False)
        elif match[4] == b"{":
            self._members(place, found)
        elif match[4] == b"[":
            start = match.end()
            found.lists[place] = start, self._elements(place, found)
        else:
            raise NotAlike("no JSON")

    def _members(self, place: str, found: Tokens) -> None:
        match, names = self._next(), set[str]()
        while match[4] != b"}":
            if match[1] is None or self._next()[4] != b":":
                raise NotAlike("no JSON")
            name = match[1][1:-1].decode("utf-8", "replace")
            if not name or "." in name:
                raise NotAlike("a name that could be taken for a place in another object")
            if name in names:
                raise NotAlike("a name that stands there twice")
            names.add(name)
            self.value(_inner(place, name), found)
            match = self._next_of(b"}")

    def _elements(self, place: str, found: Tokens) -> int:
        match, number = self._next(), 0
        while match[4] != b"]":
            self.value(_inner(place, str(number)), found, match)
            number += 1
            match = self._next_of(b"]")
        return match.start(4)

    def _next_of(self, end: bytes) -> re.Match[bytes]:
        """The end of an object or list, or what stands behind a comma."""
        match = self._next()
        if match[4] == b",":
            return self._next()
        if match[4] != end:
            raise NotAlike("no JSON")
        return match


def _inner(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


@dataclass(frozen=True)
class _Framed:
    """A message within its line: where it begins, whether its quotes are escaped, and where the
    receive time stands.
    """

    message: bytes
    at: int
    escaped: bool
    receive: tuple[int, int]

    def place(self, at: int) -> int:
        """Place in the line of one in the message."""
        return self.at + at + (self.message.count(b'"', 0, at) if self.escaped else 0)


def _framed(line: bytes, message: bytes) -> _Framed:
    """The message where it stands in a line of either encoding of recorded connections."""
    old = _OLD_LINE.match(line)
    if old is not None:
        if line[old.end() :] != message:
            raise NotAlike("the message does not stand in the line as it is")
        return _Framed(message, old.end(), False, old.span(1))
    data = _DATA.search(line)
    if data is None:
        raise NotAlike("a line without a message")
    escaped = message.replace(b'"', b'\\"')
    if line[data.end() : data.end() + len(escaped)] != escaped:
        raise NotAlike("other escapes than of quotes")
    around = tokens_of(line[: data.end()] + line[data.end() + len(escaped) :]).values
    start, end, _ = around.get("ts", (0, 0, False))
    if around.get("data", (0, 0, False))[0] != data.end() or start > data.start():
        raise NotAlike("the message is another one, or its receive time stands behind it")
    if _SECONDS.fullmatch(line, start, end) is None:
        raise NotAlike("no receive time")
    return _Framed(message, data.end(), True, (start, end))


@dataclass(frozen=True)
class _Found:
    """A value of a line: from where to where, and what of it a pattern reads."""

    start: int
    end: int
    piece: Piece


def pattern_of(
    line: bytes, message: bytes, places: Places, events: Sequence[Event],
    counter: Callable[[], int], held: Callable[[str], int], **of: Any
) -> Pattern:  # fmt: skip
    """A pattern of a line.

    Parameters
    ----------
    line, message : the line without its end, and the message that was taken from it.
    places : where values stand.
    events : what the message was understood to be.
    counter, held : places of the counter of the message's connection, and of a symbol's ticker.
    of : what all lines of the pattern are of.

    Raises
    ------
    NotAlike
        If it is no line of which one can be made by these places.
    """
    if len(message) > LONGEST or b"\\" in message:
        raise NotAlike("too long, or with escapes")
    framed, tokens = _framed(line, message), tokens_of(message)
    start, end = framed.receive
    found = [_Found(start, end, Piece(b"", POINT_TIME, RECEIVE, 1_000_000_000))]
    given = tokens.values.keys()
    if not (places.values.keys() - _optional(places) <= given and
            places.lists.keys() <= tokens.lists.keys()):  # fmt: skip
        raise NotAlike("a value is not there")
    inside = tuple(tokens.lists[place] for place in places.lists)
    for place, (start, end, word) in tokens.values.items():
        if any(low <= start < high for low, high in inside):
            continue
        piece = _piece(message[start:end], word, places.values.get(place), places.leaves(place))
        if place == places.counter and message[start:end] != b"null":
            piece = Piece(b"", COUNTER, COUNT, counter())
        if piece is not None:
            found.append(_placed(framed, start, end, piece))
    items = {place: _items(framed, tokens, place, one) for place, one in places.lists.items()}
    for place, one in places.lists.items():
        pieces = items[place] or next(filter(None, items.values()), ())
        if not pieces:
            raise NotAlike("lists without items")
        start, end = tokens.lists[place]
        piece = Piece(b"", ITEMS, one.kind, one.order or int(one.none_at_zero), pieces)
        found.append(_Found(framed.place(start), framed.place(end) + 1, piece))
    if places.held_by is not None:
        start, end, _ = tokens.values.get(places.held_by, (0, 0, True))
        of["held"] = held(framed.message[start:end].decode())
        if of["held"] < 0:
            raise NotAlike("nothing is held")
        start, end, _ = tokens.values.get(places.goes_on[0], (0, 0, True))
        of["anew"] = message[start:end] != places.goes_on[1]
    return Pattern(
        places.event, _joined(line, found), _line_kind(events), places.single,
        len(events) > 1, places.first_is_last, **of,
    )  # fmt: skip


def _optional(places: Places) -> set[str]:
    """Places of times, which older messages may lack; what that means the session has said. Where
    the rest is held, all.
    """
    if places.held_by is not None:
        return set(places.values)
    return {place for place, value in places.values.items()
            if value.what in (INTEGER, POINT_TIME, ISO_TIME)}  # fmt: skip


def _piece(text: bytes, word: bool, value: Value | None, unused: bool) -> Piece | None:
    """What a pattern reads of a value; None where it is text."""
    if value is not None:
        return Piece(b"", value.what, value.meaning, value.scale)
    if unused and text and text not in (b"true", b"false", b"null"):
        return Piece(b"", UNUSED_WORD if word else UNUSED_NUMBER)
    return None


def _placed(framed: _Framed, start: int, end: int, piece: Piece) -> _Found:
    text = framed.message[start:end]
    if piece.what == ISO_TIME:  # what tells the zone is text
        end -= len(text) - len(text.removesuffix(b"Z").removesuffix(b"+00:00"))
    return _Found(framed.place(start), framed.place(end), piece)


def _items(framed: _Framed, tokens: Tokens, place: str, items: Items) -> tuple[Piece, ...]:
    """Pieces of an item of a list, as the first is; none where it has none."""
    start, end = tokens.lists[place]
    if not framed.message[start:end].strip():
        return ()
    prefix = place + ".0"
    inner = {
        name.removeprefix(prefix).removeprefix("."): span for name, span in tokens.values.items()
        if name == prefix or name.startswith(prefix + ".")
    }  # fmt: skip
    if not items.values.keys() <= inner.keys():
        raise NotAlike("a value of an item is not there")
    found = []
    for name, (low, high, word) in inner.items():
        piece = _piece(
            framed.message[low:high], word, items.values.get(name), name in items.unused
        )
        if piece is not None:
            found.append(_placed(framed, low, high, piece))
    last = max(high for _, high, _ in inner.values())
    close = _end_of_item(framed.message, start, last)
    line_start = framed.place(start)
    text = framed.message[start:close]
    raw = text.replace(b'"', b'\\"') if framed.escaped else text
    return _joined(
        raw, [_Found(one.start - line_start, one.end - line_start, one.piece) for one in found]
    )


def _end_of_item(message: bytes, start: int, last: int) -> int:
    """Where the item of a list ends that begins at a place and whose last value ends at another."""
    depth, place = 0, start
    quoted = False
    while True:
        byte = message[place : place + 1]
        if byte == b'"':
            quoted = not quoted
        elif not quoted and byte in (b"[", b"{"):
            depth += 1
        elif not quoted and byte in (b"]", b"}"):
            depth -= 1
        place += 1
        if depth == 0 and place > last:
            return place


def _joined(line: bytes, found: Sequence[_Found]) -> tuple[Piece, ...]:
    """Pieces with the text before each of their values."""
    pieces, place = [], 0
    for one in sorted(found, key=lambda one: one.start):
        pieces.append(Piece(line[place : one.start], one.piece.what, one.piece.meaning,
                            one.piece.scale, one.piece.items))  # fmt: skip
        place = one.end
    if len(line) > place:
        pieces.append(Piece(line[place:]))
    return tuple(pieces)


def comes_to(
    line: bytes, pattern: Pattern, line_hash: int, received: int, events: Sequence[Event],
    held: Held,
) -> bool:  # fmt: skip
    """Whether a line read by its pattern comes to what has been made of it, received at that time,
    and leaves what is held as it is now.
    """
    alone, columns = Book(), EventColumns()
    text = columns.begin(line + b"\n" + bytes(LOOKED_BEYOND))
    before, after = held.row(pattern.held), held.row(pattern.held)
    alone.add(replace(pattern, held=min(pattern.held, 0)), line_hash)
    counted = [piece.scale for piece in pattern.pieces if piece.what == COUNTER]
    uncounted = np.full(max(counted, default=0) + 1, UNKNOWN_COUNT, np.int64)
    place, _ = columns.read(
        text, 0, len(line) + 1, alone.arrays, uncounted, after, (0, 2**63 - 1), 0
    )
    if place != len(line) + 1 or not after.same(before):
        return False
    expected = EventColumns()
    for event in events:
        expected.add(CODES[type(event)], event, 0, received, pattern.instrument)
    return columns.same(expected)


def fits(places: Places, events: Sequence[Event]) -> bool:
    """Whether events are of one instrument and of the kinds that places tell of; whether there are
    none, where they tell of nothing.
    """
    if places.event == IGNORED:
        return not events
    kinds = _KINDS[places.event]
    if places.event == TRADE:
        kinds *= len(events)
    return bool(events) and tuple(map(type, events)) == kinds and all(
        (event.symbol, event.venue) == (events[0].symbol, events[0].venue) for event in events
    )


def _line_kind(events: Sequence[Event]) -> int:
    """Kind of a book's message, whether trades are aggregate ones."""
    for event in events:
        if isinstance(event, BookUpdate):
            return BOOK_KINDS.index(event.kind)
        if isinstance(event, Trade):
            return int(event.aggregate)
    return 0
