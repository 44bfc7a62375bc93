"""What a list of generations shows of each, in one file: reading 10,000 manifests takes minutes.

A convenience and no authority: a line holds only while the manifest it was made from is the same
file, and what has none is read from its manifest.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from imbalance.store.home import Home
from imbalance.store.manifest import MANIFEST_NAME

_INDEX_NAME = "index.jsonl"


class Line(msgspec.Struct, frozen=True, gc=False):
    """One generation; `stamp` is the size and the time of change (ns) of its manifest."""

    id: str
    number: int
    created_at: str
    ledger_sequence: int
    stamp: tuple[int, int]
    row_counts: msgspec.Raw = msgspec.field(name="rows")


def names(home: Home) -> list[str]:
    """The names of all generations, readable or not, oldest first."""
    try:
        with os.scandir(home.generations_dir) as entries:
            return sorted(
                entry.name for entry in entries
                if entry.name.partition("-")[0].isdigit() and entry.is_dir(follow_symlinks=False)
            )
    except FileNotFoundError:
        return []


def stamps(home: Home) -> dict[str, tuple[int, int] | None]:
    """Of each generation the size and time of change of its manifest, None without one.

    Looked up from the directory above, opened once: whole paths take twice as long.
    """
    found: dict[str, tuple[int, int] | None] = {}
    known = names(home)
    if not known:
        return found
    above = os.open(home.generations_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in known:
            try:
                status = os.stat(f"{name}/{MANIFEST_NAME}", dir_fd=above)
                found[name] = status.st_size, status.st_mtime_ns
            except OSError:
                found[name] = None
    finally:
        os.close(above)
    return found


def read_lines(home: Home) -> dict[str, Line]:
    """The lines by generation; a damaged index is as good as none."""
    try:
        data = (home.generations_dir / _INDEX_NAME).read_bytes()
    except FileNotFoundError:
        return {}
    decoder = msgspec.json.Decoder(Line)
    try:
        lines = decoder.decode_lines(data)
    except msgspec.MsgspecError:
        lines = []
        for text in data.splitlines():
            with suppress(msgspec.MsgspecError, ValueError):
                lines.append(decoder.decode(text))
    return {line.id: line for line in lines}


def write_lines(home: Home, lines: Iterable[Line]) -> None:
    """Put the whole index in place; only for the one publisher."""
    path = home.generations_dir / _INDEX_NAME
    aside = path.with_suffix(".part")
    aside.write_bytes(msgspec.json.Encoder().encode_lines(list(lines)))
    aside.replace(path)
