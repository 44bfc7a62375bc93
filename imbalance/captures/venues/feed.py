"""The session that venues' modules build on: which record goes where, connections, counters, facts.

A venue's module says what its messages mean by `received`, `answered` and `sent`. What every venue
has in common is here: breaks after a reconnection, holes in a counter of a connection or channel,
symbols fit to be kept, fields no rule knows, facts of instruments.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from imbalance.captures.events import (
    BOOK_EVENTS,
    BookUpdate,
    Decoded,
    Event,
    Ignored,
    Rejected,
)
from imbalance.captures.kept import Keeps
from imbalance.captures.patterns.counters import Counters
from imbalance.captures.patterns.held import Held
from imbalance.captures.patterns.pieces import NOT_COUNTED
from imbalance.captures.records import Record
from imbalance.captures.venues.reading import LAST, Reader
from imbalance.captures.venues.venue import Instrument

SENT, HEARTBEAT, SUBSCRIBED = Ignored("sent"), Ignored("heartbeat"), Ignored("subscribed")
CONNECTED, DUPLICATE = Ignored("connected"), Ignored("duplicate")
INSTRUMENTS = Ignored("reference:instruments")
SECOND_BOOK = Ignored("unused:second_book_channel")
CANDLES = Ignored("unused:candles")

Shape = TypeVar("Shape")


class Feed(Keeps):
    """Session of one capture. A venue's session says what records of each kind mean, and by the
    annotations in its body what of the records so far the later ones depend on.
    """

    _books: dict[str, dict[tuple[str | None, str], None]]
    counters: Counters
    held: Held
    _symbols: set[str]
    _owners: dict[str, str]
    _looked_through: set[str]
    _facts: dict[tuple[str | None, str], Instrument]

    def __init__(self) -> None:
        self._books, self.counters, self._symbols, self._owners = {}, Counters(), set(), {}
        self.held = Held()
        self._looked_through, self._facts = set(), {}
        self._unknown: list[str] = []

    def received(self, record: Record) -> Decoded | Ignored:
        """A message of a socket."""
        raise NotImplementedError

    def answered(self, record: Record) -> Decoded | Ignored:
        """The answer to a request."""
        raise Rejected("unknown_message", f"an answer of {record.address[:100]}")

    def sent(self, record: Record) -> Ignored:  # noqa: ARG002
        """A message to the venue; what it asks for may tell what comes."""
        return SENT

    def take(self, record: Record) -> Decoded | Ignored:
        """One record; see `Session`."""
        self._unknown.clear()
        if record.kind == "recv":
            found = self.received(record)
        elif record.kind == "http":
            found = self.answered(record)
        elif record.kind == "send":
            return self.sent(record)
        else:
            return self._connected(record.connection)
        if isinstance(found, Ignored):
            return found
        symbols, received = self._symbols, record.kind == "recv"
        books = self._books.setdefault(record.connection, {})
        for event in found.events:
            if event.symbol not in symbols:
                symbols.add(_fit(event.symbol))
            if received and type(event) in BOOK_EVENTS:
                books[event.venue, event.symbol] = None
        if self._unknown:
            return msgspec.structs.replace(found, unknown_fields=tuple(self._unknown))
        return found

    def instruments(self) -> list[Instrument]:
        """What the capture's messages said of instruments."""
        return list(self._facts.values())

    def read(self, reader: Reader[Shape], payload: bytes | msgspec.Raw) -> Shape:
        """Read a message; the first of a shape is looked through for fields no rule knows."""
        found = reader(payload)
        if reader.name not in self._looked_through:
            self._looked_through.add(reader.name)
            self._unknown += reader.unknown(payload)
        return found

    def fact(self, symbol: str, **facts: Any) -> None:
        """Note what a message of the venue says of an instrument."""
        self._facts[facts.get("venue"), symbol] = known(symbol, "capture", **facts)

    def breaks(self, connection: str, note: str) -> list[Event]:
        """A break of every book that came over a connection."""
        return [
            BookUpdate(symbol=symbol, venue=venue, kind="break", note=note)
            for venue, symbol in self._books.get(connection, ())
        ]

    def hole(self, connection: str, number: int, name: str = "") -> int | None:
        """Messages missing before this one of a counter that goes up by one.

        Returns
        -------
        How many are missing, 0 for the first and for the next one; None where the number has been
        seen or passed before: the message is a duplicate or came late.

        Raises
        ------
        Rejected
            If the number has no room in 64 bits.
        """
        if not 0 <= number <= LAST:
            raise Rejected("number_out_of_range", f"a message numbered {number}")
        place = self.counters.place(connection, name)
        last = int(self.counters.last[place])
        if number <= last:
            return None
        self.counters.last[place] = number
        return 0 if last == NOT_COUNTED else number - last - 1

    def owns(self, symbol: str, channel: str) -> bool:
        """Whether this channel makes the book of a symbol: the first that came does, no other."""
        return self._owners.setdefault(symbol, channel) == channel

    def reset(self, connection: str) -> None:
        """A connection begins anew: a venue's session forgets what it held of the old one."""
        self.counters.reset(connection)

    def _connected(self, connection: str) -> Decoded | Ignored:
        if connection not in self._books:
            self._books[connection] = {}
            return CONNECTED
        events = self.breaks(connection, "reconnected")
        self._books[connection] = {}
        self.reset(connection)
        return Decoded("connect", events) if events else CONNECTED


def known(
    symbol: str, source: str, rules: dict[str, Any] | None = None, **facts: Any
) -> Instrument:
    """An instrument of which these facts are known from one source; None says nothing.

    Parameters
    ----------
    symbol : as in the venue's market data.
    source : where the facts are from.
    rules : facts from the venue's published rules.
    facts : fields of `Instrument`.
    """
    told = {name: value for name, value in facts.items() if value is not None}
    sources = dict.fromkeys(told, source)
    sources.pop("venue", None)
    for name, value in (rules or {}).items():
        if value is not None:
            told[name], sources[name] = value, "venue"
    return Instrument(symbol, **told, source=sources)


def split_pair(symbol: str, quotes: str) -> tuple[str | None, str | None]:
    """Base and quote currency of a symbol that joins them.

    Parameters
    ----------
    symbol : such as `BTCUSDT`.
    quotes : the quote currencies of the venue, apart from each other.

    Returns
    -------
    Both, or None twice where no quote currency fits or several do: `BNBUSD` may be of BNB or BN.
    """
    fitting = [quote for quote in quotes.split() if symbol.endswith(quote) and symbol != quote]
    if len(fitting) != 1:
        return None, None
    return symbol.removesuffix(fitting[0]), fitting[0]


def parameter(address: str, name: str) -> str:
    """A parameter of a request's URL.

    Raises
    ------
    Rejected
        If it has none of that name.
    """
    for pair in address.partition("?")[2].split("&"):
        key, _, value = pair.partition("=")
        if key == name and value:
            return value
    raise Rejected("missing_field", f"no {name} in the address {address[:100]!r}")


def _fit(symbol: str) -> str:
    if not symbol or len(symbol) > 100 or not symbol.isprintable():
        raise Rejected("bad_symbol", f"{symbol[:60]!r}: 1 to 100 printable characters wanted")
    return symbol
