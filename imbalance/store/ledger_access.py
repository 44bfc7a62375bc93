"""Connections to the ledger file, and what a user is told when one fails.

Who may write to a home has a connection that stays and keeps SQLite's write-ahead log; who may only
read it has one for each question, which writes nothing. Not here: what is asked (`ledger`).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from imbalance.errors import EXIT_BUSY, EXIT_FAILED, UserError

_BUSY_SECONDS = 60.0
"""A commit takes milliseconds: whoever waits this long waits for something that is stuck."""


def may_write(path: Path) -> bool:
    """Whether this process may write to the ledger, and beside it, where SQLite keeps its log."""
    return os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def connect(path: Path) -> sqlite3.Connection:
    """A connection to read and to write, to a file that is made when missing."""
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    _keep_a_log(connection)
    connection.execute("pragma synchronous = full")
    return connection


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """Write-ahead logging, so that readers and the writer do not wait for one another.

    SQLite itself waits for nobody here, and two processes may make the same home at once: another
    one is waited for.
    """
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= until:
                raise
            time.sleep(0.01)
        else:
            return


@contextmanager
def connected_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that writes nothing, not even the files which SQLite shares between processes.

    Where nobody has the log open there is none, or an empty one that a copy left behind, and the
    file is all of it: SQLite would make a log to read it, unless it is told that nobody changes the
    file. Somebody may begin to within the milliseconds that this connection is there for, but then
    to the log first: the file itself is written to when the log is taken into it, as that process
    ends or after 4 MB.
    """
    alone = "" if _logged(path) else "&immutable=1"
    address = f"file:{quote(str(path))}?mode=ro{alone}"
    with closing(
        sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
    ) as connection:
        yield connection


def _logged(path: Path) -> bool:
    """Whether there is anything in the ledger's log."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


@contextmanager
def errors_told(path: Path) -> Iterator[None]:
    """What SQLite says of the ledger at `path` as the error a user meets."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise UserError(
                f"the ledger has been locked for {_BUSY_SECONDS:g} s",
                where=str(path),
                fix="see who holds it with `imbalance doctor`, then try again",
                exit_code=EXIT_BUSY,
            ) from error
        shared = path.with_name(path.name + "-shm")  # which SQLite makes of a log to read it
        if "unable to open" in str(error) and _logged(path) and not shared.exists():
            raise UserError(
                "the ledger's log has not been taken into its file, and this user may not do so",
                where=str(path),
                fix="imbalance status once, by one who may write to the home",
                exit_code=EXIT_FAILED,
            ) from error
        raise UserError(
            f"the ledger cannot be used: {error}", where=str(path),
            fix="imbalance doctor", exit_code=EXIT_FAILED,
        ) from error
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.IntegrityError):
            raise
        raise UserError(
            f"the ledger is damaged: {error}",
            where=str(path),
            fix="put it back from a copy; nothing has been deleted, and the partition files "
            "in tables/ are whole. See `imbalance doctor`",
            exit_code=EXIT_FAILED,
        ) from error
