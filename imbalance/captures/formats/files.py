"""What can be read of a venue from files that are no connection of it, and what loss shows in them.

Here: putting together what layouts and formats declare of themselves. Nothing is declared here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from imbalance.captures.formats import bitstamp_log, lobster
from imbalance.captures.formats.tables import formats_of, layouts
from imbalance.captures.published import venues_published
from imbalance.captures.venues.registry import venues
from imbalance.captures.venues.venue import Contents


@dataclass(frozen=True)
class Files:
    """Files of one kind: the name of their layout, or of the format where it has no layouts; the
    formats in which they come; what they hold.
    """

    name: str
    formats: tuple[str, ...]
    holds: Contents


def files_of(venue: str) -> tuple[Files, ...]:
    """Files that are published or collected of a venue."""
    return tuple(one for one in all_files() if venue in one.holds.venues)


def files_of_any() -> tuple[Files, ...]:
    """Files of any venue, which their rows name."""
    return tuple(one for one in all_files() if not one.holds.venues)


@cache
def all_files() -> tuple[Files, ...]:
    """All of them, in the order in which a file is tried on its layout."""
    tables = [
        Files(layout.name, formats_of(layout), layout.contents)
        for layout in layouts().values() if layout.contents is not None
    ]
    others = [Files(one.name, (one.name,), one.contents)
              for one in (lobster.FORMAT, bitstamp_log.FORMAT)]
    return (*tables, *others)


@cache
def venues_of_files() -> tuple[str, ...]:
    """Venues that have no module and are read from files alone, in alphabetical order: those that
    files are declared to be of, and those whose instruments the registry knows.
    """
    named = {venue for one in all_files() for venue in one.holds.venues}
    return tuple(sorted((named | venues_published()) - venues().keys()))
