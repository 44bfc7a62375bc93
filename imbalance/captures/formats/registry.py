"""The formats there are, in the order in which a file is tried on them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

from imbalance.captures.formats.format import Format, Sniff

PLACES = (
    ("binance_lines", "FORMAT"),
    ("recorded_connections", "FORMAT"),
    ("bitstamp_log", "FORMAT"),
    ("venue_messages", "FORMAT"),
    ("lobster", "FORMAT"),
    ("tables", "PARQUET"),
    ("tables", "FORMAT"),
)
"""Modules of this package and what they call the format, the most particular formats first."""


@cache
def formats() -> Mapping[str, Format]:
    """All formats by name."""
    found = (
        getattr(import_module(f"imbalance.captures.formats.{module}"), name)
        for module, name in PLACES
    )
    return {one.name: one for one in found}


def recognise(head: bytes, compression: str, path: Path, form: str | None = None) -> Sniff:
    """What a file is, by the first of its text; of one format only where it is named."""
    if not head:
        return Sniff(compression, reason="the file is empty")
    refusal = None
    tried = formats().values() if form is None else [formats()[form]]
    for one in tried:
        found = one.sniff(head, compression, path)
        if found is not None and found.format:
            return found
        refusal = refusal or found
    if refusal is not None:
        return refusal
    if form is not None:
        looks = formats()[form].example
        return Sniff(compression, reason=f"not of the format {form}, which looks like {looks}")
    known = "; ".join(f"{one.name}: {one.example}" for one in formats().values())
    return Sniff(
        compression,
        reason=f"unknown format: none of the first lines is of a known one ({known})",
    )
