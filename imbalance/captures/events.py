"""Typed events: what a venue's message means, in one vocabulary for all venues.

A venue's session turns a record into events of these kinds, or names the rule by which it ignores
it, or rejects it with a reason. Times are nanoseconds since 1970 UTC, prices and sizes are as the
venue sends them. Nothing is decoded here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

Side = Literal["buy", "sell"]

BookKind = Literal["diff", "snapshot", "image", "break"]
"""`diff`: new sizes at some prices, 0 removes. `snapshot`: the whole book, from which a chain of
differences starts. `image`: the whole visible book again and again, of a feed that sends nothing
else. `break`: the book cannot be trusted until the next snapshot, and `note` says why."""

Levels = tuple[Sequence[float], Sequence[float]]
"""Prices and sizes of one side, in the order sent; of many levels as arrays of doubles."""


class Rejected(Exception):
    """A line that could not be understood: a named reason and what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Ignored(msgspec.Struct, frozen=True):
    """A record left out by a named rule, such as `heartbeat` or `unused:candles`."""

    rule: str


class _Of(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an event is about: the symbol as the venue writes it in its market data.

    `venue` is the id of the venue's market where a capture holds several of them which use the
    same symbols (spot and perpetual `BTCUSDT`); None: the capture's venue.
    """

    symbol: str
    venue: str | None = None


class BookUpdate(_Of, frozen=True, kw_only=True):
    """A message about the book of an instrument.

    `first_id`, `last_id` and `previous_id` carry the venue's chain, None where it sends none: a
    difference continues the book when `previous_id` is the last id held, or else when `first_id`
    is the one after it; where both are None nothing can be proved and it is taken as it comes.
    """

    kind: BookKind
    bids: Levels = ([], [])
    asks: Levels = ([], [])
    first_id: int | None = None
    last_id: int | None = None
    previous_id: int | None = None
    exchange_time: int | None = None
    transaction_time: int | None = None
    note: str | None = None


class Trade(_Of, frozen=True, kw_only=True):
    """A trade. `trade_id` where the venue's id is a whole number, else `trade_key`, its text.

    `side` is the aggressor's, None where the venue does not say.
    """

    price: float
    size: float
    side: Side | None
    trade_id: int | None = None
    trade_key: str | None = None
    aggregate: bool = False
    exchange_time: int | None = None
    transaction_time: int | None = None


class Quote(_Of, frozen=True, kw_only=True):
    """Best bid and ask as sent; NaN for a side that is empty or not sent."""

    bid_price: float
    bid_size: float
    ask_price: float
    ask_size: float
    update_id: int | None = None
    exchange_time: int | None = None
    transaction_time: int | None = None


class DerivativeTick(_Of, frozen=True, kw_only=True):
    """What a venue says of a derivative's mark, index, funding and open interest."""

    mark_price: float | None = None
    index_price: float | None = None
    settlement_price: float | None = None
    last_price: float | None = None
    funding_rate: float | None = None
    next_funding_time: int | None = None
    open_interest: float | None = None
    exchange_time: int | None = None
    transaction_time: int | None = None


class Liquidation(_Of, frozen=True, kw_only=True):
    """A forced order. `side` is that of the order: `sell` closes a long position."""

    price: float
    size: float
    side: Side
    liquidation_key: str | None = None
    exchange_time: int | None = None
    transaction_time: int | None = None


class OptionTick(_Of, frozen=True, kw_only=True):
    """What a venue says of an option: quotes, mark and volatilities (fractions) as sent."""

    underlying: str | None = None
    underlying_price: float | None = None
    mark_price: float | None = None
    mark_volatility: float | None = None
    bid_price: float | None = None
    bid_size: float | None = None
    bid_volatility: float | None = None
    ask_price: float | None = None
    ask_size: float | None = None
    ask_volatility: float | None = None
    last_price: float | None = None
    open_interest: float | None = None
    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None
    rho: float | None = None
    exchange_time: int | None = None
    transaction_time: int | None = None


OrderAction = Literal["add", "change", "delete", "fill", "reduce", "snapshot"]
"""`snapshot` adds an order of the opening book; `fill` takes `size` off an order that is traded;
`change` gives an order a new size (and price)."""


class OrderUpdate(_Of, frozen=True, kw_only=True):
    """One order of a feed that shows every order (L3). `book_side` is where it rests.

    `size` is what is left after the event, but for `fill`, where it is what was filled.
    """

    action: OrderAction
    order_key: str
    book_side: Literal["bid", "ask"]
    price: float
    size: float
    sequence: int | None = None
    previous_sequence: int | None = None
    exchange_time: int | None = None
    transaction_time: int | None = None


BOOK_EVENTS = frozenset({BookUpdate, OrderUpdate})
"""Events that tell of a book."""

Event = BookUpdate | Trade | Quote | DerivativeTick | Liquidation | OptionTick | OrderUpdate


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """A record understood: the name of its kind of message, its events, fields no rule knows."""

    kind: str
    events: list[Event]
    unknown_fields: tuple[str, ...] = ()
