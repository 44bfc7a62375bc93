"""What a format module offers: to tell its files by their first bytes, and to decode them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from imbalance.captures.decoding import Context, Decoding

SNIFFED_BYTES = 1 << 20
SNIFFED_LINES = 2_000
TIMED_LINES = 50
DAY_NS = 86_400_000_000_000

UNITS = {"ns": (19, 1), "us": (16, 1_000), "ms": (13, 1_000_000), "s": (10, 1_000_000_000)}
"""Units of time: digits of a present-day time, and nanoseconds per unit."""

_PARTS = 6
"""Parts of a path that may say what a file is: `futures/um/daily/trades/BTCUSDT/<file>`."""

VENUE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
"""What a venue may be called, by whoever names it: it becomes part of instruments and partitions.
"""

_LONGEST_SYMBOL = 100
_NO_TEXT = "\N{REPLACEMENT CHARACTER}"

NO_UNIT = "none"
"""Stands for the unit of receive times where a capture has none."""


@dataclass(frozen=True)
class Sniff:
    """What the first lines of a file say.

    `format` and `venue` are empty where they are not known; then `reason` says why. `symbols` are
    those of the first lines; others may follow. `first_time` is a receive time in ns (exchange
    time where the file has no other); `first_difference` is receive − exchange time and receive
    time of the first of these lines that carries both, ns. `layout` tells formats of one family
    apart. `others` are venues that the content may as well be of, None where it may be of any, and
    `venue` is empty where nothing speaks for one. `assumed` says what was taken for granted, and
    how to say otherwise.
    """

    compression: str
    format: str = ""
    venue: str = ""
    unit: str = ""
    symbols: tuple[str, ...] = ()
    reason: str | None = None
    first_time: int | None = None
    first_difference: tuple[int, int] | None = None
    layout: str = ""
    others: tuple[str, ...] | None = ()
    assumed: str | None = None


class Format(Protocol):
    """A format. Modules of this package hold one each in `FORMAT`."""

    name: str
    example: str
    """What a line looks like, for those who meet a file that is not understood."""
    needs_last_newline: bool
    """Whether a last line without its newline is one cut short."""

    def sniff(self, head: bytes, compression: str, path: Path) -> Sniff | None:
        """What the first text of a file says; None where it is of another format. A `Sniff`
        without a format but with a reason where it is of this one and cannot be used.
        """

    def times(self, lines: Iterable[bytes], found: Sniff, path: Path) -> list[int]:
        """Times in ns of some lines that stand at the end of the file."""

    def decoder(self, context: Context, found: Sniff) -> Decoding:
        """A decoder of the capture."""


def named_in(path: Path, meanings: Mapping[str, str]) -> str | None:
    """What a path's words say, those of the file before those of its folders; None where they say
    nothing, or two things at once.
    """
    for part in reversed(path.parts[-_PARTS:]):
        words = re.split(r"[^a-z]+", part.lower())
        found = {meanings[word] for word in words if word in meanings}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def taken_for(venue: str, others: Sequence[str]) -> str:
    """What to say of a venue that is assumed."""
    return (
        f"taken for {venue}: neither content nor path tell it from {', '.join(others)} "
        "(imbalance ingest --venue says which)"
    )


def likely(times: Sequence[int]) -> list[int]:
    """Times without those that are days off most others."""
    middle = sorted(times)[len(times) // 2] if times else 0
    near = [time for time in times if abs(time - middle) < DAY_NS]
    return near if 2 * len(near) > len(times) else list(times)


def bad_symbol(symbol: object) -> str | None:
    """What is wrong with a symbol that cannot be kept, None where nothing is."""
    if not isinstance(symbol, str) or not symbol or not symbol.isprintable():
        return f"{str(symbol)[:60]!r} is not printable text"
    if _NO_TEXT in symbol:
        return f"{symbol[:60]!r} was no UTF-8 text"
    if len(symbol) > _LONGEST_SYMBOL:
        return f"{symbol[:60]!r}…: at most {_LONGEST_SYMBOL} characters"
    return None


def head_lines(head: bytes) -> list[bytes]:
    """The same first lines, however much of a file is at hand."""
    return head[:SNIFFED_BYTES].split(b"\n", SNIFFED_LINES)[:SNIFFED_LINES]
