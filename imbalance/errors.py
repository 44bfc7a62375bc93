"""The errors a user meets. Each says what is wrong, where, what is allowed and what to do.

Anything raised here is printed without a traceback by the command line. Errors of programming
(a broken invariant of our own) are ordinary exceptions and do not belong here.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
EXIT_BUSY = 4
EXIT_QUARANTINE = 5
EXIT_INTERRUPTED = 130


class UserError(Exception):
    """A problem that the user can understand and mend.

    Parameters
    ----------
    what : what is wrong, with the offending value.
    where : file, line or option in which it is wrong.
    allowed : what would have been accepted.
    fix : the command or the edit that mends it.
    exit_code : exit status of the command line (see DESIGN of exit codes in docs/operations.md).
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        allowed: str | None = None,
        fix: str | None = None,
        exit_code: int = EXIT_USAGE,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.allowed = allowed
        self.fix = fix
        self.exit_code = exit_code

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where:   {self.where}")
        if self.allowed:
            lines.append(f"  allowed: {self.allowed}")
        if self.fix:
            lines.append(f"  to do:   {self.fix}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The same for machines (`--json`)."""
        return {
            "error": self.what,
            "where": self.where,
            "allowed": self.allowed,
            "fix": self.fix,
            "exit_code": self.exit_code,
        }


MEND_SETTINGS = "mend that line; docs/settings.md lists what there is and what it may be"
"""What to do about a setting that is wrong."""


def in_a_line(error: Exception) -> str:
    """An error as it is noted and listed: of a `UserError` what, where and what to do."""
    if not isinstance(error, UserError):
        return f"{type(error).__name__}: {error}"
    where = f": {error.where}" if error.where else ""
    return f"{error.what}{where}" + (f"; to do: {error.fix}" if error.fix else "")


_PASSING = frozenset({
    errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.ESTALE, errno.ETIMEDOUT,
    errno.ECONNABORTED, errno.ECONNRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN,
    errno.ENETRESET, errno.ENETUNREACH, errno.ENOTCONN,
})


def may_pass(error: OSError) -> bool:
    """Whether trying again may help: a share that is away, a disk or a line that is busy."""
    return error.errno in _PASSING


_FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT), "database or disk is full")
"""What a full disk is called by the system, where a quota is used up, and by SQLite."""

_FULL_OR_BROKEN = "disk I/O error"
"""What SQLite says of a broken disk, and of a full one where the index of its journal must grow."""


def full_disk(error: BaseException | None, where: str) -> UserError | None:
    """The error a user meets when the disk is full, if that is what was raised, or what it was
    raised from; None for any other.
    """
    return next(filter(None, (full_disk_said(str(one), where) for one in _chain(error))), None)


def full_disk_said(text: str, where: str) -> UserError | None:
    """The same where a text, such as a log, says so; None for any other."""
    full = any(said in text for said in _FULL)
    if not full and _FULL_OR_BROKEN not in text:
        return None
    return UserError(
        "the disk is full" if full else "the disk is full or broken",
        where=where, exit_code=EXIT_FAILED,
        fix="make room (imbalance generations prune gives back old generations), then the "
        "same command again: what was begun is removed, what was finished is kept",
    )


def cannot_write(path: Path, error: OSError, where: str) -> UserError:
    """That nothing can be written where the user has said; wrong usage, unless no room is left."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    # Arrow's own words name the file that is written beside.
    why = os.strerror(error.errno) if error.errno else str(error)
    return UserError(
        f"cannot write {str(path)!r}: {why}", where=where,
        allowed="a place that this user may write to",
        fix="make room there, or name another place" if full else None,
        exit_code=EXIT_FAILED if full else EXIT_USAGE,
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it was raised from or meanwhile."""
    seen: set[int] = set()  # chains of exceptions can be circles
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def is_interruption(error: BaseException) -> bool:
    """Whether an error is an interruption by the user, or was made of one: see
    `raise_interruption`.
    """
    return any(isinstance(one, KeyboardInterrupt) for one in _chain(error))


def raise_interruption(error: BaseException) -> None:
    """Raise anew the interruption that an error was made of, if it was made of one.

    DuckDB tells that a query was interrupted by a RuntimeError whose cause is the interruption;
    it would else pass for a failure of the task, and the next one would begin.

    Raises
    ------
    BaseException
        The same kind of interruption as was raised first: a KeyboardInterrupt, or that of whatever
        executes the task.
    """
    cause = error.__cause__
    if cause is not None and not isinstance(cause, Exception):
        raise type(cause)(*cause.args) from error


def nearest(value: str, choices: list[str]) -> str | None:
    """The choice that `value` is the beginning of, the shortest and first of several, else the one
    most like it; None when nothing is close.
    """
    import difflib

    begun = [choice for choice in choices if value and choice.startswith(value)]
    if begun:
        return min(begun, key=len)
    found = difflib.get_close_matches(value, choices, n=1, cutoff=0.6)
    return found[0] if found else None
