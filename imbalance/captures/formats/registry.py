"""The formats there are, in the order in which a file is tried on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from imbalance.captures.formats.format import VENUE_NAME, Format, Sniff, bad_symbol
from imbalance.config import NamedSettings

PLACES = (
    ("binance_lines", "FORMAT"),
    ("recorded_connections", "FORMAT"),
    ("bitstamp_log", "FORMAT"),
    ("venue_messages", "FORMAT"),
    ("lobster", "FORMAT"),
    ("tables", "PARQUET"),
    ("tables", "FORMAT"),
    ("tables", "TRADES"),
    ("tables", "LIQUIDATIONS"),
)
"""Modules of this package and what they call the format, the most particular formats first."""


_TAR, _TAR_AT = b"ustar", 257
"""What a tar archive is known by, and where it stands."""

NONE: Mapping[str, NamedSettings] = MappingProxyType({})


def formats(own: Mapping[str, NamedSettings] = NONE) -> Mapping[str, Format]:
    """All formats by name: those of the settings before the program's own.

    Raises
    ------
    UserError
        For a format of the settings that is not allowed.
    """
    if not own:
        return _formats()
    from imbalance.captures.formats.own import OwnFormat
    from imbalance.captures.mapping import mappings

    return {name: OwnFormat(one) for name, one in mappings(own).items()} | _formats()


@cache
def _formats() -> dict[str, Format]:
    found = (
        getattr(import_module(f"imbalance.captures.formats.{module}"), name)
        for module, name in PLACES
    )
    return {one.name: one for one in found}


def recognise(
    head: bytes, compression: str, path: Path, form: str | None = None,
    own: Mapping[str, NamedSettings] = NONE, venue: str | None = None, unknown: str | None = None,
) -> Sniff:  # fmt: skip
    """What a file is, by the first of its text; of one format and one venue only where they are
    named. `own` are the formats of the settings, `unknown` says why a file of none is refused.
    """
    if not head:
        return Sniff(compression, reason="the file is empty")
    if head[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR and b"\0" in head[:_TAR_AT]:
        return Sniff(compression, reason="a tar archive: unpack it first")
    known = formats(own)
    refusal = None
    tried = known.values() if form is None else [known[form]]
    for one in tried:
        found = one.sniff(head, compression, path)
        if found is not None and found.format:
            return _sound(_of_venue(found, venue))
        refusal = refusal or found
    if refusal is not None:
        return refusal
    if unknown is not None:
        return Sniff(compression, reason=unknown)
    if form is not None:
        looks = known[form].example
        return Sniff(compression, reason=f"not of the format {form}, which looks like {looks}")
    listed = "; ".join(f"{one.name}: {one.example}" for one in known.values())
    return Sniff(
        compression,
        reason=f"unknown format: none of the first lines is of a known one ({listed})",
    )


def _sound(found: Sniff) -> Sniff:
    """The same, refused where its venue or a symbol is none that can be kept: both are text of the
    file, and become part of the names of instruments and partitions.
    """
    reason = next((f"symbol {wrong}" for one in found.symbols if (wrong := bad_symbol(one))), None)
    if found.venue and not VENUE_NAME.fullmatch(found.venue):
        reason = (
            f"venue {found.venue[:60]!r} is no name of one: small letters, digits and hyphens, at "
            "most 40"
        )
    return found if reason is None else Sniff(found.compression, reason=reason)


def _of_venue(found: Sniff, venue: str | None) -> Sniff:
    """The same, of the venue that is named, where the content may be of it."""
    if venue is None and not found.venue:
        return Sniff(found.compression, reason=found.reason)
    if venue is None or (venue == found.venue and not found.others):
        return found
    if venue != found.venue and found.others is not None and venue not in found.others:
        may_be = " or ".join((found.venue, *found.others))
        return Sniff(found.compression, reason=f"not of {venue}: its content is of {may_be}")
    return replace(found, venue=venue, reason=None, assumed=None)
