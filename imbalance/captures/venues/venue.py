"""What a venue module declares: where it speaks, what its messages mean, what it can prove.

One module per venue holds a `VENUE` of this class and the session that turns its records into
events. Adding a venue means adding its module, a line in `registry` and a test file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from imbalance.captures.events import Decoded, Ignored
from imbalance.captures.patterns.counters import Counters
from imbalance.captures.patterns.held import Held
from imbalance.captures.patterns.places import Places
from imbalance.captures.records import Record

Proof = Literal["chained_ids", "counter", "checksum", "nothing"]

PROOFS: dict[Proof, str] = {
    "chained_ids": "each message names the one before it: a loss is noticed at the next message",
    "counter": "messages are counted without holes: a loss is noticed at the next message",
    "checksum": "messages carry a checksum over the best levels of the book",
    "nothing": "a lost message is not noticed",
}
"""How a lost message shows."""

IN_MESSAGES = ("binance-lines", "recorded-connections", "venue-messages")
"""Formats that hold a venue's own messages."""

IN_ALL = (*IN_MESSAGES, "tables", "parquet")
"""Those, and tables, which give the same ids of trades for most venues; but not Tardis's trades, a
format of their own: it leaves out those off the book, whose ids are then missing."""

InstrumentKind = Literal["spot", "perpetual", "future", "option", "equity", "index"]


@dataclass(frozen=True)
class Continuity:
    """What can be proved of a channel, and from which day to which (UTC, inclusive; None: open).

    `blind` says in words what loss cannot be noticed.
    """

    channel: str
    proof: Proof
    blind: str
    since: str | None = None
    until: str | None = None
    source: str = ""


@dataclass(frozen=True)
class Contents:
    """What files of one kind hold that are no connection of a venue: tables, archives, logs.

    Parameters
    ----------
    made : what is made of them, in words.
    venues : venues they are published or collected of; empty: of any, which their rows name.
    proof : how lost rows show; `counter` where the `trades_counted` of all these venues say so.
    blind : what loss cannot be noticed.
    """

    made: str
    venues: tuple[str, ...] = ()
    proof: Proof = "nothing"
    blind: str = "any loss: rows carry no number"


@dataclass(frozen=True)
class Instrument:
    """What is known of an instrument without asking the venue; None where it is not known.

    `multiplier` is base units per contract, or for inverse instruments quote units per contract.
    `expiry` is a time, `2021-09-24T08:00:00Z`, or the day alone where no more is known.
    `source` says where each fact is from: `symbol` (the way the venue writes symbols), `capture`
    (a message of the venue), `venue` (the venue's published rules). `venue` is the id of the market
    where a capture holds several, as in events.
    """

    symbol: str
    kind: InstrumentKind | None = None
    base: str | None = None
    quote: str | None = None
    underlying: str | None = None
    tick: float | None = None
    lot: float | None = None
    multiplier: float | None = None
    inverse: bool | None = None
    expiry: str | None = None
    asset_class: Literal["crypto", "equity"] | None = None
    venue: str | None = None
    source: dict[str, str] = field(default_factory=dict)


class Session(Protocol):
    """What is carried from one record of a capture to the next: subscriptions, symbols, books.

    One that `Keeps` it can be gone on from when a capture has grown.
    """

    counters: Counters
    held: Held
    """What its connections have counted to, and what their tickers have said."""

    def take(self, record: Record) -> Decoded | Ignored:
        """Understand one record.

        Records `send` and `connect` are given too; they are usually ignored by the rules `sent`
        and `connected`, but for what they say about later messages. A second `connect` of a
        connection gives a `break` with note `reconnected` for each book that came over it.

        Raises
        ------
        Rejected
            With a named reason.
        """

    def instruments(self) -> list[Instrument]:
        """What the capture's own messages said of instruments."""


@dataclass(frozen=True)
class Venue:
    """A venue as its module declares it.

    Parameters
    ----------
    name : id, as in the names of its instruments.
    title : its name in words.
    hosts : hosts (with the start of the path where a host serves several venues) of its sockets
        and requests, which tell a recorded connection's venue.
    recorders : names by which recorders call it, upper case.
    session : makes a fresh session.
    channels : kind of message to what is made of it, for the page of venues.
    continuity : what can be proved.
    instrument : what a symbol says of its instrument.
    places : by kind of message, where the values of its event stand; only of kinds whose messages
        depend on nothing but themselves and on what a connection began with.
    silent_after_seconds : silence of its feed that counts as an outage; None: the configured one.
    trades_counted : formats whose trade ids go up by one for each instrument and kind of trade, so
        that a hole in them is a loss.
    """

    name: str
    title: str
    hosts: tuple[str, ...]
    recorders: tuple[str, ...]
    session: Callable[[], Session]
    channels: dict[str, str]
    continuity: tuple[Continuity, ...]
    instrument: Callable[[str], Instrument]
    places: Mapping[str, tuple[Places, ...]] = field(default_factory=dict)
    silent_after_seconds: float | None = None
    trades_counted: tuple[str, ...] = ()
