"""Locks between processes, held by the kernel: a process that dies lets go of them.

The text in a lock file only names the holder for people; whether the lock is held is never read
from it. Not here: locking of the ledger, which SQLite does itself.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from imbalance.store.home import only_readable

_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: process, machine, start in seconds since the epoch, and what it does."""

    pid: int
    host: str
    since: float
    doing: str

    def __str__(self) -> str:
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self.since))
        return f"{self.doing}, process {self.pid} on {self.host}, since {started} UTC"


def read_holder(path: Path) -> Holder | None:
    """The holder named in a lock file, or None where there is no name in it."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def is_held(path: Path) -> bool:
    """Whether some process holds the lock for itself alone now.

    A shared lock is tried, for which it is enough to be allowed to read the file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def hold(
    path: Path, *, doing: str = "", shared: bool = False, patience: float | None = None
) -> Iterator[None]:
    """Hold the lock for the length of a `with` block.

    Parameters
    ----------
    path : the lock file; made when missing, never removed.
    doing : what the holder is doing, written into an exclusive lock for others to read.
    shared : many may hold a shared lock at once, none beside an exclusive one.
    patience : seconds to wait; None waits for ever.

    Raises
    ------
    TimeoutError
        When patience has run out.
    UserError
        When the home it is in may only be read.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise
        raise only_readable(path) from error
    try:
        _acquire(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, path, patience)
        if not shared:
            holder = Holder(os.getpid(), socket.gethostname(), time.time(), doing)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)
        try:
            yield
        finally:
            if not shared:  # a name that stays tells of a holder who was killed
                os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)  # which lets go of the lock


def _acquire(descriptor: int, kind: int, path: Path, patience: float | None) -> None:
    if patience is None:
        fcntl.flock(descriptor, kind)
        return
    deadline = time.monotonic() + patience
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return
        if time.monotonic() >= deadline:
            raise TimeoutError(str(path))
        time.sleep(_POLL_SECONDS)
