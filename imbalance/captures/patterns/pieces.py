"""What a pattern is made of, as arrays that a kernel reads: text, and what stands between it.

A pattern is the text of one line of a capture without its values. Each of its pieces is a stretch
of text and the value behind it; the last piece has none. Where a list stands that may be of any
length, the pieces of one of its items are kept apart.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from imbalance.captures.swar import ONE_DIGIT
from imbalance.captures.text import LOOKED_BEYOND

(
    NOTHING, INTEGER, COUNTER, DECIMAL, POINT_TIME, ISO_TIME, SIDE, ACTION, TRUTH, WORD,
    UNUSED_NUMBER, UNUSED_WORD, ITEMS,
) = range(13)  # fmt: skip
"""What stands behind the text of a piece: a whole number, one that goes up by one from message to
message, a decimal, a time with decimals, a time in words, a side, what is done with a level, a
truth, a word, a number or word that is not used, a list."""

(
    RECEIVE, EXCHANGE, TRANSACTION, FIRST, LAST, PREVIOUS, IDENTITY, TAKER, DELETED, KEY_AT,
    KEY_LENGTH, COUNT, COUNTED_AT, DUE, CHECKED,
) = range(15)  # fmt: skip
"""What whole numbers mean; `CHECKED` is one that must be right and is not used."""
WHOLES = 15

ANY_SIDE, BID_OFFER = range(2)
"""How sides are written: as `venues.reading.aggressor` knows them; or `bid` and `offer`."""

NOT_COUNTED, UNKNOWN_COUNT = -1, -2
"""In the place of the last number of a counter: it has none yet; whatever comes is right."""

(
    BID, BID_SIZE, ASK, ASK_SIZE, MARK, INDEX, SETTLEMENT, FUNDING, LAST_PRICE, INTEREST,
) = range(10)  # fmt: skip
PRICE, SIZE = BID, BID_SIZE
"""What decimals mean; of a trade or of one level the first two. What a derivative's message tells
stands from `MARK` on in the order of `rows.TICKED`."""
REALS = 10

SIGNED, ZERO_IS_NONE, POSITIVE = 1, 2, 3
"""A decimal that may be below 0; one whose 0 says nothing; one that must be above 0."""

BIDS, ASKS, CHANGES, TRADES = range(4)
"""What the items of a list are; `CHANGES` are levels which say their side."""

AS_SENT, BY_ID, NEWEST_FIRST = range(3)
"""The order of trades in a list: that in which they happened, or the session puts them in that of
their ids, or turns it round."""

BOOK, TRADE, QUOTE, TICK, QUOTE_AND_TICK, IGNORED = range(6)
"""What a line tells of; `TICK`: of a derivative, `IGNORED`: nothing that is used."""

LITERAL_AT, LITERAL_LENGTH, WHAT, MEANING, SCALE, ITEM_FIRST, ITEM_COUNT, PLAIN, SHAPE = range(9)
COLUMNS = 9
"""Columns of `Patterns.pieces`. `SCALE` is ns per unit of a time, what a decimal may be, how a side
is written, doubled, and one more where it is the maker's, the place of a counter; of a list of
levels 1 if a price of 0 is none, of trades their order. `PLAIN` says whether items are a price and
a size and nothing else, which are read many at a time, and `SHAPE` how wide these were last
(`swar`)."""

(
    FIRST_PIECE, PIECES, EVENT, LINE_KIND, SINGLE, SEVERAL, FIRST_IS_LAST, INSTRUMENT, HELD, ANEW,
    READ, NEXT,
) = range(12)  # fmt: skip
HEADS = 12
"""Columns of `Patterns.heads`. `LINE_KIND` is the kind of a book's message, or 1 for aggregate
trades; `SINGLE` whether it is of one level or trade that stands in no list; `SEVERAL` whether a
list of trades may have more than one; `HELD` the row of what a ticker has said before, which it
goes on from, −1 for none; `ANEW` whether it says all, and what it does not say is held no more;
`READ` how many lines have been read by it; `NEXT` the pattern of the line behind the last of
them."""

BUCKETS = 1024
NO_HASH = -1

GRACE, TRIES_OF_A_LINE = 200, 50
"""Whether patterns pay is asked each time that so many lines were like none of them; to understand
a line costs as much as to try so many patterns on it."""


class Patterns(NamedTuple):
    """Arrays of all patterns of a capture.

    `buckets` has by the lowest bits of a line's hash the first link, `links` the hash, the pattern
    and the next link (−1: no more).
    """

    heads: Any
    pieces: Any
    literals: Any
    buckets: Any
    links: Any


@dataclass(frozen=True)
class Piece:
    """Text, and what stands behind it."""

    text: bytes
    what: int = NOTHING
    meaning: int = 0
    scale: int = 0
    items: tuple[Piece, ...] = ()


@dataclass(frozen=True)
class Pattern:
    """One line without its values."""

    event: int
    pieces: tuple[Piece, ...]
    line_kind: int = 0
    single: bool = False
    several: bool = False
    first_is_last: bool = False
    instrument: int = 0
    held: int = -1
    anew: bool = False
    kind: str = ""
    """Kind of its messages, or the rule by which they are ignored: as they are accounted for."""


class Book:
    """The patterns of a capture, and their arrays, which grow with them."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self.numbers: dict[Pattern, int] = {}
        self._of: dict[int, list[int]] = {}
        self._alone: Counter[int] = Counter()
        self._told: list[int] = []
        self._links, self._rows, self._bytes = 0, 0, 0
        self.arrays = Patterns(
            np.zeros((16, HEADS), np.int64), np.zeros((128, COLUMNS), np.int64),
            np.zeros(4096, np.uint8), np.full(BUCKETS, -1, np.int64), np.zeros((32, 3), np.int64),
        )  # fmt: skip

    def add(self, pattern: Pattern, line_hash: int) -> bool:
        """Take a pattern of lines with this hash; whether it is a new one of them."""
        number = self.numbers.get(pattern)
        if number is None:
            number = self.numbers[pattern] = len(self.numbers)
            first = self._laid(pattern.pieces)
            heads = _with_room(self.arrays.heads, number + 1)
            heads[number] = (
                first, len(pattern.pieces), pattern.event, pattern.line_kind, pattern.single,
                pattern.several, pattern.first_is_last, pattern.instrument, pattern.held,
                pattern.anew, 0, number,
            )  # fmt: skip
            self.arrays = self.arrays._replace(heads=heads)
        of = self._of.setdefault(line_hash, [])
        if number in of:
            return False
        of.append(number)
        self._link(line_hash, number)
        return True

    def pays(self, line_hash: int) -> bool:
        """Whether to try patterns on lines with a hash spares more than it costs, when one more of
        them had to be understood by itself after all had been tried. If not, none is tried again.
        """
        of = self._of.get(line_hash)
        if of is None:
            return True
        self._alone[line_hash] += 1
        alone = self._alone[line_hash]
        spared = TRIES_OF_A_LINE * self.arrays.heads[of, READ].sum() if alone % GRACE == 0 else None
        if spared is None or alone * len(of) <= spared:
            return True
        links = self.arrays.links
        links[links[:, 0] == line_hash, 0] = NO_HASH
        del self._of[line_hash]
        return False

    def read(self) -> tuple[Counter[str], Counter[str]]:
        """By kind, how many lines have been read since this was last asked, and by rule how many
        of them are ignored.
        """
        counts = self.arrays.heads[: len(self.numbers), READ].tolist()
        told = self._told + [0] * (len(counts) - len(self._told))
        read: Counter[str] = Counter()
        ignored: Counter[str] = Counter()
        for pattern, count, before in zip(self.numbers, counts, told, strict=True):
            if count > before:
                (ignored if pattern.event == IGNORED else read)[pattern.kind] += count - before
        self._told = counts
        return read, ignored

    def _link(self, line_hash: int, number: int) -> None:
        """Lines with this hash may be of a pattern."""
        links = _with_room(self.arrays.links, self._links + 1)
        bucket = line_hash % BUCKETS
        links[self._links] = line_hash, number, self.arrays.buckets[bucket]
        self.arrays.buckets[bucket] = self._links
        self._links += 1
        self.arrays = self.arrays._replace(links=links)

    def _laid(self, pieces: tuple[Piece, ...]) -> int:
        """Put pieces one after the other, behind those of their items; the first one's row."""
        inner = [self._laid(piece.items) if piece.items else 0 for piece in pieces]
        first = self._rows
        for piece, items in zip(pieces, inner, strict=True):
            size = len(piece.text)
            literals = _with_room(self.arrays.literals, self._bytes + size + LOOKED_BEYOND)
            literals[self._bytes : self._bytes + size] = np.frombuffer(piece.text, np.uint8)
            rows = _with_room(self.arrays.pieces, self._rows + 1)
            rows[self._rows] = (self._bytes, size, piece.what, piece.meaning, piece.scale, items,
                                len(piece.items), _plain(piece), ONE_DIGIT)
            self._bytes += size
            self._rows += 1
            self.arrays = self.arrays._replace(literals=literals, pieces=rows)
        return first


def _plain(piece: Piece) -> bool:
    """Whether the items of a list are a price and a size that can be read at once."""
    if len(piece.items) != 3 or piece.meaning not in (BIDS, ASKS) or piece.scale:
        return False
    price, size, end = piece.items
    wanted = ((DECIMAL, PRICE), (DECIMAL, SIZE), (NOTHING, 0))
    around = len(end.text) + 1 + len(price.text)
    return (
        all((one.what, one.meaning) == what for one, what in zip(piece.items, wanted, strict=True))
        and max(around, len(size.text)) <= 8 and min(len(end.text), len(size.text)) > 0
    )  # fmt: skip


def _with_room(array: Any, rows: int) -> Any:
    """The array, or a longer one with the same at its start."""
    if rows <= len(array):
        return array
    longer = np.zeros((max(rows, 2 * len(array)), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
