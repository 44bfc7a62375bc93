"""`<receive ms> <event> <json>`: Bitstamp's channels of orders, trades and books in 2015.

Orders are kept one by one. `datetime` is when an order was made, in whole seconds, not when the
event happened: times are the recorder's. The book is shown whole every few seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from imbalance.captures.decoding import Context, TextDecoder
from imbalance.captures.events import (
    BookUpdate,
    Event,
    OrderAction,
    OrderUpdate,
    Rejected,
    Trade,
)
from imbalance.captures.formats.format import TIMED_LINES, Sniff, head_lines, likely
from imbalance.captures.framing import Block
from imbalance.captures.gathering import Gathering
from imbalance.captures.rows import Tables
from imbalance.captures.venues.reading import (
    Level,
    Message,
    Price,
    Reader,
    Size,
    Whole,
    names,
    sides,
)
from imbalance.captures.venues.venue import Contents

SYMBOL = "BTCUSD"
_LINE = re.compile(
    rb"^(\d{13}) (order_created|order_changed|order_deleted|order_book|trade) (\{.*\})\s*$"
)
_ACTIONS: dict[str, OrderAction] = {
    "order_created": "add", "order_changed": "change", "order_deleted": "delete",
}


class BitstampLog:
    """The format; see `Format`."""

    name = "bitstamp-log"
    example = "`<receive ms> order_created {…}` of Bitstamp"
    needs_last_newline = True
    contents = Contents("orders, trades, book images", ("bitstamp",))

    def sniff(self, head: bytes, compression: str, path: Path) -> Sniff | None:  # noqa: ARG002
        times = self._times(head_lines(head)[:200])
        if not times:
            return None
        return Sniff(compression, self.name, "bitstamp", "ms", (SYMBOL,), None, min(times))

    def times(self, lines: Iterable[bytes], found: Sniff, path: Path) -> list[int]:  # noqa: ARG002
        return self._times(line for line, _ in zip(lines, range(TIMED_LINES), strict=False))

    @staticmethod
    def _times(lines: Iterable[bytes]) -> list[int]:
        matches = (_LINE.match(line) for line in lines)
        return likely([int(match[1]) * 1_000_000 for match in matches if match])

    def decoder(self, context: Context, found: Sniff) -> BitstampDecoder:  # noqa: ARG002
        return BitstampDecoder(context)


class BitstampDecoder(TextDecoder):
    """Decodes the log, a line an event."""

    _gathering: Gathering

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._gathering = Gathering(self.rows, context.clocks, self.numbered.position)

    def ends_complete(self, block: Block) -> bool:
        return block.ended

    def take(self, data: bytes, first_line: int, offset: int) -> Tables:
        for number, line in enumerate(data.split(b"\n")[:-1], first_line):
            try:
                self._line(number, line)
            except Rejected as error:
                self.quarantine(number, offset, line, error)
            offset += len(line) + 1
        return self._gathering.take()

    def _line(self, number: int, line: bytes) -> None:
        if not line.strip():
            self.ignored("blank_line")
            return
        match = _LINE.match(line)
        if match is None:
            raise Rejected("unknown_message", f"the line begins with {line[:40]!r}")
        received = int(match[1]) * 1_000_000
        self.check_span(received)
        kind = match[2].decode()
        event = _event(kind, match[3])
        self.decoded(kind)
        self.seen(received)
        self._gathering.add(number, received, [event])


class _Order(Message):
    unused = names("datetime")
    id: Whole
    price: Price
    amount: Size
    order_type: Literal[0, 1]


class _Trade(Message):
    id: Whole
    price: Price
    amount: Size


class _Book(Message):
    bids: list[Level]
    asks: list[Level]


_order, _trade, _book = Reader(_Order), Reader(_Trade), Reader(_Book)


def _event(kind: str, payload: bytes) -> Event:
    if kind == "order_book":
        book = _book(payload)
        return BookUpdate(
            symbol=SYMBOL, kind="image", bids=sides(book.bids), asks=sides(book.asks)
        )
    if kind == "trade":
        trade = _trade(payload)
        return Trade(
            symbol=SYMBOL, price=trade.price, size=trade.amount, side=None, trade_id=trade.id
        )
    order = _order(payload)
    return OrderUpdate(
        symbol=SYMBOL, action=_ACTIONS[kind], order_key=str(order.id),
        book_side="ask" if order.order_type else "bid", price=order.price, size=order.amount,
    )


FORMAT = BitstampLog()
