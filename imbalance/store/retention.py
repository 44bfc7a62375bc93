"""Which generations stay: pins, what is being read, and removing the others.

Removing one gives back what only it holds: its DuckDB file, and partition files that neither the
tables nor another generation share with it. Not here: leftovers of killed processes (`sweep`).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import struct
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance.store.generations import Generation, find_generation, list_generations
from imbalance.store.home import Home
from imbalance.store.publishing import only_publisher, reindex

if TYPE_CHECKING:
    from imbalance.store.store import Store

_DAY = 86_400.0
_FLOCK = "hhqqi4x"  # struct flock of Linux on 64 bits


@dataclass(frozen=True)
class Pin:
    """A generation that is to stay, why, and since when (seconds since the epoch)."""

    generation: str
    because: str
    since: float


@dataclass(frozen=True)
class Pruned:
    """What was removed (or would be), the bytes it gave back, and why each other one stays."""

    removed: tuple[str, ...]
    bytes: int
    kept: Mapping[str, str]


def pin(home: Home, generation: str, because: str) -> Pin:
    """Keep a generation until it is unpinned; a second pin replaces the reason.

    Raises
    ------
    UserError
        If there is no such generation, or the home may only be read.
    """
    home.check_writable()
    found = Pin(find_generation(home, generation).id, because, time.time())
    home.pins_dir.mkdir(exist_ok=True)
    aside = home.pins_dir / f".{uuid.uuid4().hex}"
    aside.write_text(json.dumps({"because": found.because, "since": found.since}), encoding="utf-8")
    aside.replace(home.pins_dir / found.generation)
    return found


def unpin(home: Home, generation: str) -> bool:
    """Let a generation go; False when it was not pinned."""
    home.check_writable()
    name = find_generation(home, generation).id
    try:
        (home.pins_dir / name).unlink()
    except FileNotFoundError:
        return False
    return True


def pins(home: Home) -> dict[str, Pin]:
    """All pins by generation. One that cannot be read pins all the same."""
    found = {}
    if home.pins_dir.is_dir():
        for path in sorted(home.pins_dir.iterdir()):
            if path.name.startswith("."):
                continue
            data: dict[str, object] = {}
            with suppress(OSError, ValueError):
                data = json.loads(path.read_text(encoding="utf-8"))
            since = data.get("since")
            found[path.name] = Pin(path.name, str(data.get("because", "")),
                                   since if isinstance(since, float) else 0.0)
    return found


def is_read(database: Path) -> bool:
    """Whether another process has the file open in DuckDB, which holds a read lock on it."""
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        descriptor = os.open(database, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, asked)
    finally:
        os.close(descriptor)
    return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)


def prune(
    store: Store, *, keep: int, older_than_days: float = 0.0, dry_run: bool = False
) -> Pruned:
    """Remove generations but the newest `keep`, the current, the pinned and those being read.

    Parameters
    ----------
    keep : how many of the newest stay.
    older_than_days : younger ones stay as well.
    dry_run : say only what would be removed.

    Raises
    ------
    UserError
        If a publisher is at work for long.
    """
    home = store.home
    with only_publisher(store):
        pinned = pins(home)
        found = list_generations(home)
        newest = {one.id for one in found[len(found) - keep:]} if keep else set()
        removed, kept, freed = [], {}, 0
        for generation in found:
            reason = _reason_to_stay(generation, newest, pinned, older_than_days)
            if reason:
                kept[generation.id] = reason
                continue
            own = _own_bytes(generation.path)
            if (home.pins_dir / generation.id).exists():  # since the pins were read
                kept[generation.id] = "pinned meanwhile"
                continue
            freed += own
            removed.append(generation.id)
            if not dry_run:
                _remove(home, generation.path)
        if removed and not dry_run:
            reindex(home)
    return Pruned(tuple(removed), freed, kept)


def _reason_to_stay(
    generation: Generation, newest: set[str], pinned: Mapping[str, Pin], days: float
) -> str:
    if generation.current:
        return "current"
    if generation.id in pinned:
        return f"pinned: {pinned[generation.id].because}"
    if generation.id in newest:
        return "one of the newest"
    if time.time() - generation.path.stat().st_mtime < days * _DAY:
        return f"younger than {days:g} days"
    return "being read" if is_read(generation.database) else ""


def _own_bytes(directory: Path) -> int:
    statuses = [path.stat() for path in directory.rglob("*") if path.is_file()]
    return sum(status.st_size for status in statuses if status.st_nlink == 1)


def _remove(home: Home, directory: Path) -> None:
    # First out of sight as a whole, so that nobody finds half of it; what dies here is swept.
    aside = home.staging_dir / f"removed-{uuid.uuid4().hex}"
    directory.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
