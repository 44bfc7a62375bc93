"""Files that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from imbalance.errors import cannot_write


@contextmanager
def whole_file(path: Path, where: str) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of the one at `path` once it is whole. What is no
    file, such as a pipe, is written to as it is.

    Parameters
    ----------
    where : the option that has named it.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    # Of a link, what it leads to.
    target = Path(os.path.realpath(path))
    aside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        beside = path.is_file() or not path.exists()
        with (aside if beside else path).open("wb") as stream:
            yield stream
        if beside:
            aside.replace(target)
    except OSError as error:
        raise cannot_write(path, error, where) from None
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
