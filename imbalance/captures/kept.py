"""What an object has kept of what it has seen, as bytes, so that another one can go on from there.

A class that `Keeps` says by the annotations in its body what that is, and of what types: all else
is made anew by its constructor. The bytes are data of these types and of no others (MessagePack):
there is no code in them, and no name of a class.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from types import GenericAlias
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

import msgspec
import numpy as np

_parts = msgspec.msgpack.Decoder(dict[str, bytes]).decode


class Keeps:
    """Has a state that can be taken and given to another object of its class."""

    def state(self) -> bytes:
        """What it holds of what it has seen."""
        return to_bytes({
            name: value.state() if isinstance(value := getattr(self, name), Keeps)
            else to_bytes(value)
            for name in _kept(type(self))
        })  # fmt: skip

    def restore(self, state: bytes) -> None:
        """Go on from a state.

        Raises
        ------
        ValueError
            If it is none of this class.
        """
        parts = _parts(state)
        kept = _kept(type(self))
        if parts.keys() != kept.keys():
            raise ValueError(f"a state of {sorted(parts)} is none of {type(self).__name__}")
        for name, kind in kept.items():
            held = getattr(self, name)
            if isinstance(held, Keeps):
                held.restore(parts[name])
            else:
                setattr(self, name, from_bytes(parts[name], kind))


def to_bytes(value: object) -> bytes:
    """Data as bytes; TypeError where it is none."""
    return msgspec.msgpack.encode(value, enc_hook=_as_data)


def from_bytes(data: bytes, kind: Any) -> Any:
    """Data of a type; ValueError where the bytes are none of it."""
    return msgspec.msgpack.decode(data, type=kind, dec_hook=_of_data)


def _kept(kind: type) -> dict[str, Any]:
    """What objects of a class keep, and of what types."""
    hints = get_type_hints(kind).items()
    return {name: hint for name, hint in hints if get_origin(hint) is not ClassVar}


def _as_data(value: object) -> object:
    if isinstance(value, deque | array):
        return list(value)
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    raise TypeError(f"{type(value).__name__} is not kept")


def _of_data(kind: Any, data: Any) -> Any:
    if get_origin(kind) is deque:
        items = GenericAlias(list, get_args(kind))
        return deque(msgspec.convert(data, items, dec_hook=_of_data))
    if get_origin(kind) is Counter:
        return Counter(msgspec.convert(data, GenericAlias(dict, (*get_args(kind), int))))
    if kind is np.ndarray:
        dtype, shape, raw = data
        return np.frombuffer(raw, np.dtype(dtype)).reshape(shape).copy()
    raise TypeError(f"{kind} is not kept")
