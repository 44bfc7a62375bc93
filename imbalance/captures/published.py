"""The registry of what venues publish of their instruments: `published.toml`, read.

Here: reading it and asking it of an instrument. What stands above it is in `instruments`.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from imbalance.captures.venues.venue import Instrument


@dataclass(frozen=True)
class Entry:
    """Facts of the symbols of some venues that match as a whole.

    `facts` has fields of `Instrument`, each a value or a table of values by symbol.
    """

    venues: tuple[str, ...]
    symbol: re.Pattern[str]
    source: str
    facts: dict[str, Any]


def published(venue: str, symbol: str) -> Instrument:
    """What the registry says of an instrument; the source of each fact is `registry: …`."""
    told: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for entry in _entries().get(venue, ()):
        found = entry.symbol.fullmatch(symbol)
        if found is None:
            continue
        for name, given in (found.groupdict() | entry.facts).items():
            value = given.get(symbol) if isinstance(given, dict) else given
            if value is not None and name not in told:
                told[name], sources[name] = value, f"registry: {entry.source}"
    return Instrument(symbol, **told, source=sources)


def venues_published() -> frozenset[str]:
    """Venues of whose instruments the registry says something."""
    return frozenset(_entries())


def sources_of(venue: str) -> tuple[str, ...]:
    """Where what the registry says of a venue's instruments is from, each source once."""
    return tuple(dict.fromkeys(entry.source for entry in _entries().get(venue, ())))


@cache
def digest_of(venue: str) -> str | None:
    """What stands for all that the registry says of a venue's instruments; None: nothing."""
    found = _entries().get(venue)
    if found is None:
        return None
    said = [(entry.symbol.pattern, entry.source, sorted(entry.facts.items())) for entry in found]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


@cache
def _entries() -> dict[str, list[Entry]]:
    """The registry by venue, entries in their order."""
    text = files(__package__).joinpath("published.toml").read_text(encoding="utf-8")
    found: dict[str, list[Entry]] = {}
    for given in tomllib.loads(text)["instrument"]:
        one = Entry(tuple(given.pop("venues")), re.compile(given.pop("symbol")),
                    given.pop("source"), given)
        for venue in one.venues:
            found.setdefault(venue, []).append(one)
    return found
