"""Where in a venue's message the values of an event stand, as its module declares it.

Places are names of fields apart by points, and numbers of elements of a list counted from 0. What
is declared must be exactly what the venue's session reads: a line is read by places only after the
session has understood one like it and both have come to the same (`learning`). Every value that
neither is declared nor named as unused is part of the text, and must be the same in each line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from imbalance.captures.patterns.pieces import (
    ACTION,
    ANY_SIDE,
    AS_SENT,
    ASK,
    ASK_SIZE,
    ASKS,
    BID,
    BID_SIZE,
    BIDS,
    BOOK,
    CHANGES,
    CHECKED,
    DECIMAL,
    DUE,
    EXCHANGE,
    FIRST,
    FUNDING,
    IDENTITY,
    IGNORED,
    INDEX,
    INTEGER,
    INTEREST,
    ISO_TIME,
    KEY_AT,
    LAST,
    LAST_PRICE,
    MARK,
    POINT_TIME,
    POSITIVE,
    PREVIOUS,
    PRICE,
    QUOTE,
    QUOTE_AND_TICK,
    SETTLEMENT,
    SIDE,
    SIGNED,
    SIZE,
    TAKER,
    TICK,
    TRADE,
    TRADES,
    TRANSACTION,
    TRUTH,
    WORD,
    ZERO_IS_NONE,
)  # fmt: skip


@dataclass(frozen=True)
class Value:
    """What stands at a place and what it means; see `pieces`."""

    what: int
    meaning: int
    scale: int = 0


@dataclass(frozen=True)
class Time:
    """A place of a time, how it is written, and ns per unit where it is a number."""

    place: str
    what: int
    scale: int

    def value(self, meaning: int) -> Value:
        """What stands there."""
        return Value(self.what, meaning, self.scale)


def milliseconds(place: str) -> Time:
    """Whole milliseconds since 1970."""
    return Time(place, INTEGER, 1_000_000)


def microseconds(place: str) -> Time:
    """Whole microseconds since 1970."""
    return Time(place, INTEGER, 1_000)


def nanoseconds(place: str) -> Time:
    """Whole nanoseconds since 1970."""
    return Time(place, INTEGER, 1)


def point_seconds(place: str) -> Time:
    """Seconds since 1970 with decimals."""
    return Time(place, POINT_TIME, 1_000_000_000)


def point_milliseconds(place: str) -> Time:
    """Milliseconds since 1970 with decimals."""
    return Time(place, POINT_TIME, 1_000_000)


def iso_time(place: str) -> Time:
    """A time such as `2021-04-17T16:49:03.207Z`."""
    return Time(place, ISO_TIME, 0)


@dataclass(frozen=True)
class Items:
    """A list: what its items are, and what stands where in one."""

    kind: int
    values: Mapping[str, Value]
    unused: frozenset[str]
    order: int = AS_SENT
    none_at_zero: bool = False


@dataclass(frozen=True)
class Places:
    """Where the values of a message stand that is one event, or a list of trades.

    `held_by` is the place of the symbol by whose ticker all is held that is not said anew, in
    messages that have a word at a place, both of which are `goes_on`; others say all.
    `counter` is the place of the number that counts the messages of the connection. Of a message
    that is ignored `unused` are the places of all that is no value, or `within` those of all that
    is one.
    """

    event: int
    values: Mapping[str, Value]
    lists: Mapping[str, Items] = field(default_factory=dict)
    unused: frozenset[str] = frozenset()
    counter: str | None = None
    held_by: str | None = None
    goes_on: tuple[str, bytes] = ("", b"")
    single: bool = False
    first_is_last: bool = False
    within: frozenset[str] = frozenset()

    def leaves(self, place: str) -> bool:
        """Whether what stands at a place is not used, whatever it is."""
        if self.within:
            parts = place.split(".")
            return any(".".join(parts[:k]) in self.within for k in range(1, len(parts) + 1))
        whatever = self.event == IGNORED and self.held_by is None
        return (place in self.unused) != whatever


def _times(exchange: Time | None, transaction: Time | None) -> dict[str, Value]:
    given = ((exchange, EXCHANGE), (transaction, TRANSACTION))
    return {time.place: time.value(meaning) for time, meaning in given if time is not None}


def _given(*values: tuple[str | None, Value]) -> dict[str, Value]:
    return {place: value for place, value in values if place is not None}


def _side(
    side: str | None, maker_side: str | None, buyer_is_maker: str | None
) -> dict[str, Value]:
    return _given(
        (side, Value(SIDE, TAKER)), (maker_side, Value(SIDE, TAKER, 1)),
        (buyer_is_maker, Value(TRUTH, TAKER)),
    )  # fmt: skip


def _checked(time: Time | None) -> dict[str, Value]:
    return {} if time is None else {time.place: time.value(CHECKED)}


def book(
    *, bids: str | None = None, asks: str | None = None, changes: str | None = None,
    price: str = "0", size: str = "1", side: str | None = None, written: int = ANY_SIDE,
    action: str | None = None, counter: str | None = None,
    first_id: str | None = None, last_id: str | None = None, previous_id: str | None = None,
    exchange: Time | None = None, transaction: Time | None = None, unused: str = "",
    level_unused: str = "", level_checked: Time | None = None, none_at_zero: bool = False,
) -> Places:  # fmt: skip
    """A message about the book.

    Parameters
    ----------
    bids, asks, changes : lists of levels; those of `changes` say their side. Where none is given,
        the message is of one level, whose price, size and side stand at places of the message.
    price, size, side, action : places in a level; `action` is `new`, `change` or `delete`.
    written : how sides are written (`pieces.ANY_SIDE`).
    counter : a number that goes up by one with each message of the connection (`Feed.hole`).
    first_id, last_id, previous_id, exchange, transaction : as in `events.BookUpdate`.
    unused, level_unused : places that are not used, in the message and in a level.
    level_checked : a whole number in a level that the session reads and does not use.
    none_at_zero : whether a level whose price is 0 is none.
    """
    level = _given(
        (price, Value(DECIMAL, PRICE)), (size, Value(DECIMAL, SIZE)),
        (side, Value(SIDE, TAKER, 2 * written)), (action, Value(ACTION, 0)),
    )  # fmt: skip
    level |= _checked(level_checked)
    lists = {
        place: Items(kind, level, frozenset(level_unused.split()), none_at_zero=none_at_zero)
        for place, kind in ((bids, BIDS), (asks, ASKS), (changes, CHANGES)) if place is not None
    }  # fmt: skip
    same = first_id is not None and first_id == last_id
    values = _given(
        (None if same else first_id, Value(INTEGER, FIRST, 1)), (last_id, Value(INTEGER, LAST, 1)),
        (previous_id, Value(INTEGER, PREVIOUS, 1)),
    )  # fmt: skip
    return Places(
        BOOK, values | _times(exchange, transaction) | ({} if lists else level), lists,
        frozenset(unused.split()), counter, single=not lists, first_is_last=same,
    )  # fmt: skip


def trades(
    *, each: str | None = None, price: str, size: str, side: str | None = None,
    maker_side: str | None = None, buyer_is_maker: str | None = None, trade_id: str | None = None,
    trade_key: str | None = None, exchange: Time | None = None, transaction: Time | None = None,
    unused: str = "", trade_unused: str = "", counter: str | None = None,
    order: int = AS_SENT, checked: Time | None = None,
) -> Places:  # fmt: skip
    """A trade, or a list of them at `each`; then all but `unused` are places in an item of it.

    Parameters
    ----------
    side, maker_side, buyer_is_maker : the aggressor's side, the maker's, or whether it bought.
    trade_id, trade_key : a whole number, or a word.
    counter : as of a book.
    order : of the trades in a list (`pieces.AS_SENT`).
    checked : a time that the session reads and does not use.
    """
    one = _given(
        (price, Value(DECIMAL, PRICE)), (size, Value(DECIMAL, SIZE)),
        (trade_id, Value(INTEGER, IDENTITY, 1)), (trade_key, Value(WORD, KEY_AT)),
    )  # fmt: skip
    one |= _side(side, maker_side, buyer_is_maker) | _times(exchange, transaction)
    others, beside = frozenset(unused.split()), _checked(checked)
    if each is None:
        return Places(TRADE, one | beside, unused=others, counter=counter, single=True)
    items = Items(TRADES, one, frozenset(trade_unused.split()), order)
    return Places(TRADE, beside, {each: items}, others, counter)


def quote(
    *, bid_price: str, ask_price: str, bid_size: str | None = None, ask_size: str | None = None,
    update_id: str | None = None, exchange: Time | None = None, transaction: Time | None = None,
    unused: str = "", counter: str | None = None,
) -> Places:  # fmt: skip
    """Best bid and ask; sizes that are not sent are not known."""
    values = _given(
        (bid_price, Value(DECIMAL, BID)), (bid_size, Value(DECIMAL, BID_SIZE)),
        (ask_price, Value(DECIMAL, ASK)), (ask_size, Value(DECIMAL, ASK_SIZE)),
        (update_id, Value(INTEGER, LAST, 1)),
    )  # fmt: skip
    return Places(
        QUOTE, values | _times(exchange, transaction), unused=frozenset(unused.split()),
        counter=counter,
    )  # fmt: skip


_TOLD = {"mark": MARK, "index": INDEX, "settlement": SETTLEMENT, "funding": FUNDING,
         "last": LAST_PRICE, "interest": INTEREST}  # fmt: skip


def quote_and_tick(
    best: Places, *, due: Time | None = None, unused: str = "", signed: str = "funding",
    zero_is_none: str = "", positive: str = "", **told: str,
) -> Places:
    """A quote, and what is told of a derivative in the same message, which comes after it.

    Parameters
    ----------
    best : the quote, whose times are those of both.
    told : places of its `mark`, `index`, `settlement` and `last` price, of its `funding` rate and
        open `interest`, those that messages of the kind have.
    due : the time of its next funding.
    signed, zero_is_none, positive : which of these may be below 0, say nothing by a 0, or must be
        above 0.
    """
    scales = {
        name: scale
        for names, scale in ((signed, SIGNED), (zero_is_none, ZERO_IS_NONE), (positive, POSITIVE))
        for name in names.split()
    }  # fmt: skip
    values = {
        place: Value(DECIMAL, _TOLD[name], scales.get(name, 0)) for name, place in told.items()
    }
    if due is not None:
        values[due.place] = due.value(DUE)
    return replace(
        best, event=QUOTE_AND_TICK, values={**best.values, **values},
        unused=best.unused | frozenset(unused.split()),
    )  # fmt: skip


def changes(
    by: str, goes_on: tuple[str, bytes], *, bid_price: str, bid_size: str, ask_price: str,
    ask_size: str, due: Time, exchange: Time, unused: str, signed: str, **told: Any,
) -> tuple[tuple[Places, ...], Places]:
    """What has changed of a ticker, whose symbol stands at `by`; all else is held (`held.Held`).

    Parameters
    ----------
    goes_on : a place and the word there by which a message says only what has changed.
    bid_price, due, told, and so on : as of a quote and a tick.

    Returns
    -------
    Of messages that make a quote, a tick or both; and of those that make neither.
    """
    best = quote(bid_price=bid_price, bid_size=bid_size, ask_price=ask_price, ask_size=ask_size,
                 exchange=exchange)  # fmt: skip
    whole = quote_and_tick(best, due=due, unused=unused, signed=signed, **told)
    quoted, ticked, both, neither = (
        replace(whole, event=event, held_by=by, goes_on=goes_on)
        for event in (QUOTE, TICK, QUOTE_AND_TICK, IGNORED)
    )
    return (quoted, ticked, both), neither


def ignored(
    told_by: str = "", *checked: Time, within: str = "", counter: str | None = None
) -> Places:
    """A message that is ignored whatever its values are, but those at the places `told_by`, or
    those at and inside of the places `within`; times `checked` the session reads all the same.
    """
    return Places(
        IGNORED, {time.place: time.value(CHECKED) for time in checked},
        unused=frozenset(told_by.split()), counter=counter,
        within=frozenset(within.split()),
    )  # fmt: skip
