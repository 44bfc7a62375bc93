"""What has been made and may be wanted again, as long as there is room for it.

A day of 200 instruments does not fit in memory with all that is made from it: what was not asked
for the longest goes first, and is made again if it is asked for. A few values are held however
large they are, so that many days of a few instruments are not read again for every pair.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

FEW = 8
"""Instruments whose bars and events are held however many days there are of them."""


class Held(Generic[Key, Value]):
    """Values by key, with room for so many bytes; so many of them are held however large they are.

    Threads may ask at once; a value that two ask for first may be made twice.
    """

    def __init__(self, room: int, size: Callable[[Value], int], least: int) -> None:
        self._room, self._size, self._least = room, size, least
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: Key, make: Callable[[Key], Value]) -> Value:
        """The value of a key, made if it is not held."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make(key)
        with self._lock:
            if key not in self._values:
                self._values[key] = value
                self._bytes += self._size(value)
            while self._bytes > self._room and len(self._values) > self._least:
                _, gone = self._values.popitem(last=False)
                self._bytes -= self._size(gone)
        return value


class ReadByNeed(Mapping[str, Value]):
    """What is read of each instrument, when it is asked for and again where not all has room."""

    def __init__(
        self, names: Sequence[str], read: Callable[[str], Value], room: int,
        size: Callable[[Value], int],
    ) -> None:
        self._names, self._read = dict.fromkeys(names), read
        self._held: Held[str, Value] = Held(room, size, FEW)

    def __getitem__(self, name: str) -> Value:
        if name not in self._names:
            raise KeyError(name)
        return self._held.get(name, self._read)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
