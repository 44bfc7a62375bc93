"""Leftovers of killed tasks and publishers: finding them, and removing those that are old enough.

A leftover is what nothing names: a file below `tables/` that no entry of the ledger has ever named,
a checkpoint of a capture that is no more in use, anything in `staging/`. Younger ones may belong to
somebody who is still at work.
"""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imbalance.processes import is_there
from imbalance.store.home import Home
from imbalance.store.ledger import Ledger
from imbalance.store.locks import hold, is_held

OLD_SECONDS = 3600.0
"""Age from which a leftover is nobody's any more: nothing that runs leaves its files untouched for
an hour."""

_LOCK_PATIENCE = 10.0


@dataclass(frozen=True)
class Leftover:
    """A leftover: path relative to the home, size in bytes, seconds since it was last written."""

    path: str
    bytes: int
    age: float


def find_leftovers(home: Home, ledger: Ledger) -> list[Leftover]:
    """Everything that nothing names, oldest first."""
    named = set(ledger.files())
    paths = [
        path for path in home.tables_dir.rglob("*")
        if path.is_file() and str(path.relative_to(home.root)) not in named
    ]
    if home.checkpoints_dir.is_dir():
        used = {capture.capture_id for capture in ledger.captures()}
        paths += [path for path in home.checkpoints_dir.iterdir() if path.name not in used]
    publishing = is_held(home.publish_lock)
    if home.staging_dir.is_dir():
        paths += [
            path for path in home.staging_dir.iterdir()
            if not ((publishing and path.name.startswith("generation-")) or _is_in_use(path))
        ]
    found = []
    for path in paths:
        with suppress(FileNotFoundError):  # it has been put in its place in the meantime
            found.append(_measure(home, path))
    return sorted(found, key=lambda leftover: (-leftover.age, leftover.path))


def _is_in_use(path: Path) -> bool:
    """Whether a process that is there has its queries put aside in it: a session may rest for hours
    between two of them, and the second fails where the directory is gone.
    """
    kind, _, rest = path.name.partition("-")
    pid, _, rest = rest.partition("-")
    return kind == "spill" and pid.isdigit() and is_there(int(pid), rest.rpartition("-")[0])


def _measure(home: Home, path: Path) -> Leftover:
    inside = [path, *path.rglob("*")] if path.is_dir() else [path]
    status = [one.stat() for one in inside]
    size = sum(s.st_size for s, one in zip(status, inside, strict=True) if one.is_file())
    age = time.time() - max(s.st_mtime for s in status)
    return Leftover(str(path.relative_to(home.root)), size, age)


def sweep(home: Home, ledger: Ledger, older_than: float = OLD_SECONDS) -> list[Leftover]:
    """Remove the leftovers older than `older_than` seconds and return them.

    Raises
    ------
    TimeoutError
        If tasks have been committing for so long that there was no moment for it.
    """
    # No task may take a file for its own between our look into the ledger and the removal.
    with hold(home.sweep_lock, doing="sweeping", patience=_LOCK_PATIENCE):
        old = [one for one in find_leftovers(home, ledger) if one.age >= older_than]
        for leftover in old:
            path = home.file(leftover.path)
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    return old
