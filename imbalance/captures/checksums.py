"""Checksums over the best levels of a book, from the decimal text as the venue sends it.

A `TextBook` keeps the texts of an instrument's levels; the functions hash its best levels as each
venue does. All are CRC-32 (ISO-HDLC). When a checksum is due is the business of `venues`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import zip_longest
from zlib import crc32

TextLevel = tuple[str, str]
"""Price and size as sent."""


class _Side:
    """Levels of one side, best first: by price, or by minus the price for bids."""

    def __init__(self, sign: float) -> None:
        self._sign = sign
        self.ranks: list[float] = []
        self.texts: dict[float, TextLevel] = {}

    def put(self, price: str, size: str) -> None:
        rank = self._sign * float(price)
        if float(size) == 0.0:
            if self.texts.pop(rank, None) is not None:
                del self.ranks[bisect_left(self.ranks, rank)]
        else:
            if rank not in self.texts:
                insort(self.ranks, rank)
            self.texts[rank] = (price, size)

    def cut(self, depth: int) -> None:
        for rank in self.ranks[depth:]:
            del self.texts[rank]
        del self.ranks[depth:]

    def best(self, count: int) -> list[TextLevel]:
        return [self.texts[rank] for rank in self.ranks[:count]]


class TextBook:
    """The levels of a book as texts.

    Parameters
    ----------
    depth : levels a side is cut to after every update; None: none is cut off.
    """

    def __init__(self, depth: int | None = None) -> None:
        self.depth = depth
        self._bids, self._asks = _Side(-1.0), _Side(1.0)

    def update(self, bids: Iterable[TextLevel], asks: Iterable[TextLevel]) -> None:
        """Take over new sizes at some prices; 0 removes the level."""
        for side, levels in ((self._bids, bids), (self._asks, asks)):
            for price, size in levels:
                side.put(price, size)
            if self.depth is not None:
                side.cut(self.depth)

    def bids(self, count: int) -> list[TextLevel]:
        """The highest bids."""
        return self._bids.best(count)

    def asks(self, count: int) -> list[TextLevel]:
        """The lowest asks."""
        return self._asks.best(count)


class Checked:
    """The texts of many books, each held against the checksums that come with its messages.

    Parameters
    ----------
    agrees : whether a book has the checksum sent.
    """

    def __init__(self, agrees: Callable[[TextBook, int], bool]) -> None:
        self._agrees = agrees
        self._books: dict[object, TextBook] = {}

    def start(self, key: object, depth: int | None = None) -> None:
        """A snapshot comes: begin the book anew."""
        self._books[key] = TextBook(depth)

    def proved(
        self, key: object, bids: Iterable[TextLevel], asks: Iterable[TextLevel], due: int | None
    ) -> bool:
        """Take over changes; False where the book is not the one that was hashed.

        After that the book is unknown until it starts anew, and what comes is not held against
        anything: one failure is told once.
        """
        book = self._books.get(key)
        if book is None:
            return True
        book.update(bids, asks)
        if due is None or self._agrees(book, due):
            return True
        del self._books[key]
        return False

    def clear(self) -> None:
        """Forget all books."""
        self._books.clear()


def kraken(book: TextBook) -> int:
    """Kraken's, v1 and v2: ten asks, then ten bids, digits without point and leading zeros.

    Source: docs.kraken.com, "Book checksums". Unsigned. Blind below the tenth level.
    """
    levels = book.asks(10) + book.bids(10)
    return crc32("".join(_digits(p) + _digits(s) for p, s in levels).encode())


def _digits(text: str) -> str:
    return text.replace(".", "").lstrip("0")


def interleaved(book: TextBook, text: Callable[[str], str] = str) -> int:
    """OKX's and Bitget's: 25 levels, bid and ask by turns, all parts joined by colons. Signed.

    The shorter side just stops. Source: OKX API guide v5, "Checksum". Blind below level 25.

    Parameters
    ----------
    book : the book.
    text : how a number is written in what is hashed; as sent, or `big_decimal`.
    """
    parts = []
    for bid, ask in zip_longest(book.bids(25), book.asks(25)):
        for level in (bid, ask):
            if level is not None:
                parts += [text(level[0]), text(level[1])]
    return signed(crc32(":".join(parts).encode()))


def big_decimal(text: str) -> str:
    """A number as Java's `BigDecimal` writes it: `1.461E-9` for 0.000000001461."""
    return str(Decimal(text))


def bitfinex(book: TextBook) -> int:
    """Bitfinex's: 25 levels, bid and ask by turns, amounts of asks negative. Signed.

    Numbers are written as JavaScript does. Source: docs.bitfinex.com, "WebSocket checksum".
    """
    parts = []
    for bid, ask in zip_longest(book.bids(25), book.asks(25)):
        if bid is not None:
            parts += [bid[0], bid[1]]
        if ask is not None:
            parts += [ask[0], "-" + ask[1]]
    return signed(crc32(":".join(parts).encode()))


def javascript(number: float) -> str:
    """A number as JavaScript writes it: `0.000001`, but `1e-7`; `5` for 5.0."""
    if abs(number) >= 1e-6 or number == 0.0:
        text = format(Decimal(repr(number)), "f")
        return text.removesuffix(".0")
    digits, _, exponent = format(Decimal(repr(number)).normalize(), "e").partition("e")
    return f"{digits}e{int(exponent)}"


def signed(number: int) -> int:
    """A sum of 32 bits as a signed number."""
    return number - (1 << 32) if number >= 1 << 31 else number
