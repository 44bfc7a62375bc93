"""Checksums over the best levels of a book, from the decimal text as the venue sends it.

A `TextBook` keeps the texts of an instrument's levels; the functions hash its best levels as each
venue does. All are CRC-32 (ISO-HDLC). When a checksum is due is the business of `venues`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from zlib import crc32

from imbalance.captures.kept import Keeps, from_bytes, to_bytes

TextLevel = Sequence[str]
"""Price and size as sent; what follows is left alone."""

Write = Callable[[str, str], str]
"""How a level stands in what is hashed."""


class _Side:
    """What is hashed of the levels of one side, best first: by price, or by minus it for bids."""

    def __init__(self, sign: float, write: Write) -> None:
        self._sign = sign
        self._write = write
        self._ranks: list[float] = []
        self._texts: dict[float, str] = {}

    def put(self, levels: Iterable[TextLevel]) -> None:
        sign, write, ranks, texts = self._sign, self._write, self._ranks, self._texts
        fresh = not ranks  # a whole side is sorted once
        for level in levels:
            price, size = level[0], level[1]
            rank = sign * float(price)
            if float(size) == 0.0:
                if texts.pop(rank, None) is not None and not fresh:
                    del ranks[bisect_left(ranks, rank)]
            else:
                if not fresh and rank not in texts:
                    insort(ranks, rank)
                texts[rank] = write(price, size)
        if fresh:
            ranks.extend(sorted(texts))

    def cut(self, depth: int) -> None:
        if len(self._ranks) > depth:
            for rank in self._ranks[depth:]:
                del self._texts[rank]
            del self._ranks[depth:]

    def best(self, count: int) -> list[str]:
        return list(map(self._texts.__getitem__, self._ranks[:count]))

    @property
    def texts(self) -> dict[float, str]:
        return self._texts

    @texts.setter
    def texts(self, texts: dict[float, str]) -> None:
        self._texts, self._ranks = texts, sorted(texts)


class TextBook:
    """The levels of a book as the texts that are hashed.

    Parameters
    ----------
    write : how a level stands in what is hashed.
    depth : levels a side is cut to after every update; None: none is cut off.
    """

    def __init__(self, write: Write, depth: int | None = None) -> None:
        self.depth = depth
        self._bids, self._asks = _Side(-1.0, write), _Side(1.0, write)

    def update(self, bids: Iterable[TextLevel], asks: Iterable[TextLevel]) -> None:
        """Take over new sizes at some prices; 0 removes the level."""
        for side, levels in ((self._bids, bids), (self._asks, asks)):
            side.put(levels)
            if self.depth is not None:
                side.cut(self.depth)

    @property
    def texts(self) -> tuple[dict[float, str], dict[float, str]]:
        """What is hashed of all bids, by minus their prices, and of all asks, by theirs."""
        return self._bids.texts, self._asks.texts

    @texts.setter
    def texts(self, texts: tuple[dict[float, str], dict[float, str]]) -> None:
        self._bids.texts, self._asks.texts = texts

    def bids(self, count: int) -> list[str]:
        """The highest bids."""
        return self._bids.best(count)

    def asks(self, count: int) -> list[str]:
        """The lowest asks."""
        return self._asks.best(count)


_Key = str | tuple[str | None, str]
_Texts = tuple[int | None, tuple[dict[float, str], dict[float, str]]]


class Checked(Keeps):
    """The texts of many books, each held against the checksums that come with its messages.

    Parameters
    ----------
    agrees : whether a book has the checksum sent.
    write : how a level stands in what is hashed.
    """

    def __init__(self, agrees: Callable[[TextBook, int], bool], write: Write) -> None:
        self._agrees = agrees
        self._write = write
        self._books: dict[_Key, TextBook] = {}

    def state(self) -> bytes:
        return to_bytes({key: (book.depth, book.texts) for key, book in self._books.items()})

    def restore(self, state: bytes) -> None:
        for key, (depth, texts) in from_bytes(state, dict[_Key, _Texts]).items():
            self.start(key, depth)
            self._books[key].texts = texts

    def start(self, key: _Key, depth: int | None = None) -> None:
        """A snapshot comes: begin the book anew."""
        self._books[key] = TextBook(self._write, depth)

    def proved(
        self, key: _Key, bids: Iterable[TextLevel], asks: Iterable[TextLevel], due: int | None
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


def digits(price: str, size: str) -> str:
    """A level in Kraken's way: without points and leading zeros."""
    return price.replace(".", "").lstrip("0") + size.replace(".", "").lstrip("0")


def kraken(book: TextBook) -> int:
    """Kraken's, v1 and v2, over `digits`: ten asks, then ten bids.

    Source: docs.kraken.com, "Book checksums". Unsigned. Blind below the tenth level.
    """
    return crc32("".join(book.asks(10) + book.bids(10)).encode())


def colon(price: str, size: str) -> str:
    """A level in the way of OKX, Bitget and Bitfinex."""
    return f"{price}:{size}"


def interleaved(book: TextBook, rewrite: Callable[[str], str] | None = None) -> int:
    """Of OKX, Bitget and Bitfinex, over `colon`: 25 levels, bid and ask by turns. Signed.

    The shorter side just stops. Bitfinex gives sizes of asks a minus, and writes numbers as
    `javascript` does. Source: OKX API guide v5, "Checksum"; docs.bitfinex.com, "WebSocket
    checksum". Blind below level 25.

    Parameters
    ----------
    book : the book.
    rewrite : changes a level before it is hashed; see `big_decimal`.
    """
    bids, asks = book.bids(25), book.asks(25)
    both = min(len(bids), len(asks))
    parts = [level for pair in zip(bids, asks, strict=False) for level in pair]
    parts += bids[both:] + asks[both:]
    if rewrite is not None:
        parts = list(map(rewrite, parts))
    return signed(crc32(":".join(parts).encode()))


def big_decimal(level: str) -> str:
    """A level whose numbers are as Java's `BigDecimal` writes them: `1.461E-9:5`."""
    return ":".join(str(Decimal(number)) for number in level.split(":"))


def javascript(number: float) -> str:
    """A number as JavaScript writes it: `0.000001`, but `1e-7`; `5` for 5.0."""
    text = repr(number)
    if "e" not in text:
        return text.removesuffix(".0")
    if abs(number) >= 1e-6 or number == 0.0:
        text = format(Decimal(repr(number)), "f")
        return text.removesuffix(".0")
    digits, _, exponent = format(Decimal(repr(number)).normalize(), "e").partition("e")
    return f"{digits}e{int(exponent)}"


def signed(number: int) -> int:
    """A sum of 32 bits as a signed number."""
    return number - (1 << 32) if number >= 1 << 31 else number
