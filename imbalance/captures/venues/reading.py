"""What all venues' modules read with: number types with their bounds, readers of messages, times.

A message's shape is a `msgspec.Struct`; `Reader` decodes into it in one pass and turns every
failure into a named reason. Numbers in strings are read as numbers: the text follows the grammar of
JSON numbers, so that `1_0`, `0x10`, `nan` and `1e400` are refused. Nothing here knows a venue.
"""

from __future__ import annotations

import math
import re
import time
from calendar import timegm
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from types import GenericAlias
from typing import Annotated, Any, ClassVar, Generic, TypeVar, cast, get_args, get_origin

import msgspec
from msgspec import Meta, inspect

from imbalance.captures.events import Levels, Rejected, Side
from imbalance.captures.text import levels_of_text

_EXACT = 2.0**53
LAST = 2**63 - 1
"""The greatest whole number that is kept."""

Price = Annotated[float, Meta(gt=0, le=_EXACT)]
Size = Annotated[float, Meta(ge=0, le=_EXACT)]
Signed = Annotated[float, Meta(ge=-_EXACT, le=_EXACT)]
Whole = Annotated[int, Meta(ge=0, le=LAST)]
Millis = Annotated[int, Meta(ge=0, le=LAST // 1_000_000)]
Micros = Annotated[int, Meta(ge=0, le=LAST // 1_000)]
Seconds = Annotated[int, Meta(ge=0, le=LAST // 1_000_000_000)]
Text = Annotated[str, Meta(min_length=1, max_length=100)]
"""A symbol or an id in words."""

Level = tuple[Price, Size]


class Row(msgspec.Struct, array_like=True):
    """A level after whose size more may follow."""

    price: Price
    size: Size


Shape = TypeVar("Shape")


class LevelColumns(Sequence[tuple[float, float]]):
    """Many levels, as arrays of prices and of sizes; a sequence of levels like any other."""

    def __init__(self, prices: Sequence[float], sizes: Sequence[float]) -> None:
        self.prices, self.sizes = prices, sizes

    def __len__(self) -> int:
        return len(self.prices)

    def __iter__(self) -> Iterator[tuple[float, float]]:
        return zip(self.prices, self.sizes, strict=True)

    def __getitem__(self, at: Any) -> Any:
        return list(self)[at] if isinstance(at, slice) else (self.prices[at], self.sizes[at])


MS, US, SECOND = 1_000_000, 1_000, 1_000_000_000
"""Nanoseconds in each."""

_LONG = 500
"""Bytes of a message from which its levels are read all at once sooner than one by one."""

_generic = msgspec.json.Decoder().decode
_TO_SECOND = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d", re.ASCII)
_SIDES: dict[str, Side] = {
    "buy": "buy", "Buy": "buy", "BUY": "buy", "b": "buy", "bid": "buy", "BID": "buy",
    "sell": "sell", "Sell": "sell", "SELL": "sell", "s": "sell", "ask": "sell", "ASK": "sell",
}  # fmt: skip


def names(text: str) -> frozenset[str]:
    """Names of fields, which stand in a text apart from each other."""
    return frozenset(text.split())


class Message(msgspec.Struct):
    """A message's shape. `unused` names the fields that are known and not read."""

    unused: ClassVar[frozenset[str]] = frozenset()


class Reader(Generic[Shape]):
    """Decoder of one shape of message.

    Raises
    ------
    Rejected
        `not_json`, `missing_field`, `wrong_type` or `number_out_of_range`.
    """

    def __init__(self, shape: type[Shape]) -> None:
        self._decode = msgspec.json.Decoder(shape, strict=False).decode
        self._shape = shape
        self.name = repr(shape)
        self._levels, texts = _with_texts(shape)
        self._decode_texts = msgspec.json.Decoder(texts, strict=False).decode

    def __call__(self, payload: bytes | msgspec.Raw) -> Shape:
        if self._levels and len(payload) > _LONG:
            found = self._at_once(payload)
            if found is not None:
                return found
        try:
            return self._decode(payload)
        except msgspec.ValidationError as error:
            raise refusal(str(error)) from None
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise Rejected("not_json", str(error)[:200]) from None

    def _at_once(self, payload: bytes | msgspec.Raw) -> Any:
        """The message with its levels as `LevelColumns`; None where anything is not plain, and the
        exact decoder must judge.
        """
        plain = bytes(payload)
        if b"\\" in plain:
            return None
        try:
            found = self._decode_texts(plain)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None
        messages = found if isinstance(found, list) else [found]
        for name, key, more in self._levels:
            texts = [getattr(one, name) for one in messages]
            if plain.count(key) > sum(isinstance(text, msgspec.Raw) for text in texts):
                return None  # a field may stand there twice, and the first is judged too
            for one, text in zip(messages, texts, strict=True):
                if isinstance(text, msgspec.Raw):  # no default
                    levels = levels_of_text(text, more=more)
                    if levels is None:
                        return None
                    setattr(one, name, LevelColumns(*levels))
        return found

    def unknown(self, payload: bytes | msgspec.Raw) -> tuple[str, ...]:
        """Fields of a message that its shape neither reads nor names as unused; none where one of
        them is a number beyond all that can be read.
        """
        try:
            message = _generic(payload)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return ()
        return tuple(sorted(set(_strangers(message, inspect.type_info(self._shape), ""))))


def refusal(error: str) -> Rejected:
    """The named reason of a failed validation."""
    if "missing required field" in error:
        return Rejected("missing_field", error)
    bounds = (" > ", " >= ", " < ", " <= ", "out of range", "length >= ", "length <= ")
    if any(bound in error for bound in bounds):
        return Rejected("number_out_of_range", error)
    return Rejected("wrong_type", error)


def _strangers(value: Any, kind: inspect.Type, path: str) -> Iterator[str]:
    if isinstance(kind, inspect.StructType) and isinstance(value, dict):
        fields = {field.encode_name: field.type for field in kind.fields}
        unused = kind.cls.unused if issubclass(kind.cls, Message) else frozenset()
        for name, inner in value.items():
            if name in fields:
                yield from _strangers(inner, fields[name], f"{path}{name}.")
            elif name not in unused:
                yield f"{path}{name}"[:100]
    elif isinstance(kind, inspect.ListType) and isinstance(value, list) and value:
        yield from _strangers(value[0], kind.item_type, path)
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _strangers(value, one, path)


_LEVELS: tuple[tuple[Any, bool], ...] = (
    (list[Level], False), (list[Level] | None, False), (list[Row], True), (list[Row] | None, True),
)  # fmt: skip


def _with_texts(shape: Any) -> tuple[list[tuple[str, bytes, bool]], Any]:
    """The fields of a shape that are levels, with their keys and whether more may follow in a
    level, and the shape with the texts of these fields left as they are; the same of a list.
    """
    if get_origin(shape) is list:
        found, inner = _with_texts(get_args(shape)[0])
        return found, GenericAlias(list, (inner,)) if found else shape
    if not (isinstance(shape, type) and issubclass(shape, msgspec.Struct)):
        return [], shape
    fields, field = msgspec.structs.fields(shape), cast("Any", msgspec.field)
    more = {f.name: more for f in fields for kind, more in _LEVELS if f.type == kind}
    if not more or shape.__struct_config__.array_like:
        return [], shape
    levels = [(f.name, f'"{f.encode_name}"'.encode(), more[f.name]) for f in fields
              if f.name in more]  # fmt: skip
    return levels, msgspec.defstruct(
        shape.__name__,
        [
            (f.name, msgspec.Raw if f.name in more else f.type,
             field(default=f.default, default_factory=f.default_factory, name=f.encode_name))
            for f in fields
        ],
        kw_only=True,
    )  # fmt: skip


def sides(levels: Sequence[Any]) -> Levels:
    """Prices and sizes of levels: rows, or what begins with both."""
    if isinstance(levels, LevelColumns):
        return levels.prices, levels.sizes
    if levels and isinstance(levels[0], Row):
        return [row.price for row in levels], [row.size for row in levels]
    return [level[0] for level in levels], [level[1] for level in levels]


def aggressor(text: str) -> Side:
    """The side of a trade as venues write it.

    Raises
    ------
    Rejected
        If it is neither.
    """
    side = _SIDES.get(text)
    if side is None:
        raise Rejected("wrong_type", f"side {text[:40]!r} is neither buy nor sell")
    return side


def decimal(text: str) -> float:
    """A decimal of which the text is kept too.

    Raises
    ------
    Rejected
        If the text is no decimal number of at least 0 and at most 2^53.
    """
    if text.replace(".", "", 1).replace("e-", "", 1).isdecimal() and text.isascii():
        value = float(text)
        if value <= _EXACT:
            return value
        raise Rejected("number_out_of_range", f"{text[:60]} is above 2^53")
    raise Rejected("wrong_type", f"{text[:60]!r} is not a decimal")


def empty_or(text: str) -> float | None:
    """A decimal, which may have a sign; None where the text is empty."""
    if not text:
        return None
    return -decimal(text[1:]) if text.startswith("-") else decimal(text)


def empty_or_nan(text: str) -> float:
    """A decimal; NaN where the text is empty."""
    return decimal(text) if text else math.nan


@lru_cache(maxsize=4096)
def expiry(milliseconds: int) -> str:
    """The time of an expiry in words, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(milliseconds // 1000))


@lru_cache(maxsize=4096)
def _second(text: str) -> int | None:
    """Seconds since 1970 of `2021-04-17T16:49:03`; None where the text is not so."""
    if _TO_SECOND.fullmatch(text) is None:
        return None
    try:
        found = timegm(datetime.fromisoformat(text).timetuple())
    except ValueError:
        found = -1
    if not 0 <= found <= LAST // SECOND:
        raise Rejected("number_out_of_range", f"{text!r} is no time")
    return found


def _decimals(digits: str) -> bool:
    """Whether a text is what may stand behind a point."""
    return digits.isascii() and digits.isdigit()


def iso_time(text: str, hours_ahead: int = 0) -> int:
    """Nanoseconds of `2021-04-17T16:49:03.207Z`, digit by digit; `T` may be a space.

    Parameters
    ----------
    text : the time as sent.
    hours_ahead : hours by which the venue's clock is ahead of UTC.

    Raises
    ------
    Rejected
        If the text is no such time.
    """
    rest = text[19:-1] if text.endswith("Z") else text[19:].removesuffix("+00:00")
    second = None
    if not rest or (rest[0] == "." and _decimals(rest[1:])):
        second = _second(text[:19])
    if second is None:
        raise Rejected("wrong_type", f"{text[:60]!r} is no time")
    return (second - hours_ahead * 3600) * SECOND + int(rest[1:10].ljust(9, "0"))


def point_time(text: str, unit: int) -> int:
    """Nanoseconds of a number of `unit`s with decimals, such as `1619093543708.2642` ms."""
    whole, point, fraction = text.partition(".")
    if not 9 <= len(whole) <= 19 or not _decimals(whole) or (point and not _decimals(fraction)):
        raise Rejected("wrong_type", f"{text[:60]!r} is no time")
    value = int(whole) * unit + int(fraction[:9].ljust(9, "0")) * unit // SECOND
    if value > LAST:
        raise Rejected("number_out_of_range", f"{text[:60]!r} is no time")
    return value
