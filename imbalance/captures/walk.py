"""Which files a path stands for: itself, or all in and below a directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from imbalance.errors import UserError
from imbalance.store.home import LEDGER_NAME


def check_there(given: str | os.PathLike[str]) -> None:
    """Refuse a path at which there is nothing, or nothing that may be looked at."""
    try:
        there = Path(given).exists()
    except OSError as error:
        raise unreadable(error, given) from None
    if not there:
        raise UserError(
            f"there is no file or directory {str(given)!r}",
            allowed="capture files, or directories that hold some",
        )


def unreadable(error: OSError, path: str | os.PathLike[str]) -> UserError:
    """That a file or directory may not be looked at."""
    return UserError(
        f"the file or directory cannot be read: {error.strerror}", where=str(path),
        fix="check the permissions, or name only what may be read",
    )


def files_of(path: Path, skipped: dict[Path, str] | None = None) -> Iterator[Path]:
    """A file, or all in and below a directory; `skipped` gets what is left out, with the reason."""
    if path.is_file():
        yield path
        return
    try:
        children = sorted(path.iterdir())
    except OSError as error:
        raise unreadable(error, path) from None
    for child in children:
        try:
            why = _why_skipped(child)
        except OSError as error:
            raise unreadable(error, child) from None
        if why is None:
            yield from files_of(child, skipped)
        elif skipped is not None:
            skipped[child] = why


def _why_skipped(path: Path) -> str | None:
    if path.is_dir():
        if path.is_symlink():
            return "a link to a directory"  # to one above it would never end
        return "a home" if (path / LEDGER_NAME).is_file() else None
    if path.is_file():
        return None
    return "a link to nothing" if path.is_symlink() else "no regular file"
