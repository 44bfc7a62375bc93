"""Named tables of settings made into values of the types that a class declares, or refused.

What is shared by all who read such tables: the nearest name for one that is unknown, what is
allowed for a value that is not, and where in the file it stands.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

from imbalance.config import NamedSettings
from imbalance.errors import MEND_SETTINGS, UserError, nearest

_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def values_of(given: NamedSettings, hints: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Settings of the types that `hints` gives them.

    Raises
    ------
    UserError
        For a name that `hints` does not have, or a value of another type; `what` has no such
        setting then.
    """
    values = {}
    for name, value in given.values.items():
        if name not in hints:
            raise unknown(name, hints, what, given.lines[name])
        ready = tuple(value) if isinstance(value, list) else value
        if not _is(ready, hints[name]):
            raise UserError(f"{name} = {value!r} is not allowed", where=given.lines[name],
                            allowed=type_words(hints[name]), fix=MEND_SETTINGS)
        values[name] = ready
    return values


def unknown(name: str, choices: Mapping[str, Any], what: str, where: str) -> UserError:
    """The refusal of a name that is none of the choices."""
    close = nearest(name, list(choices))
    return UserError(
        f"{what} have no setting {name!r}" + (f"; did you mean {close!r}?" if close else ""),
        where=where, allowed=", ".join(choices), fix=MEND_SETTINGS,
    )


def _is(value: Any, hint: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in arguments
    if origin in (types.UnionType, Union):
        return any(_is(value, one) for one in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and all(_is(item, arguments[0]) for item in value)
    if origin is Mapping:
        return isinstance(value, dict) and all(
            _is(tuple(item) if isinstance(item, list) else item, arguments[1])
            for item in value.values()
        )
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def type_words(hint: Any) -> str:
    """What a value of a type is, in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return ", ".join(map(str, arguments))
    if origin in (types.UnionType, Union):
        return " or ".join(type_words(one) for one in arguments if one is not types.NoneType)
    if origin is tuple:
        return f"a list; each of: {type_words(arguments[0])}"
    if origin is Mapping:
        return f"a table; each of its values: {type_words(arguments[1])}"
    return _WORDS.get(hint, str(hint))
