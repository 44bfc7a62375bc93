"""Where answers go, and a query may come from: standard output and input. Not here: what an answer
looks like (`output`), files (`whole_file`).
"""

from __future__ import annotations

import codecs
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TextIO, cast

from imbalance.errors import EXIT_FAILED, UserError

_OUTPUT, _INPUT = "standard output", "standard input"

_HELD_BYTES = 16 << 20
"""Of an answer that is handed out whole, what is held in memory; the rest in a file."""


class _Marked(io.FileIO):
    """Standard output whose errors name it: a disk that is full need not be that of the home."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = _OUTPUT
            raise


def marked(stream: TextIO) -> TextIO:
    """Standard output in place of Python's own: what its encoding cannot show is replaced, and of
    an error `refusal_of_output` can tell that it is of this stream.
    """
    return io.TextIOWrapper(
        io.BufferedWriter(_Marked(stream.fileno(), "wb", closefd=False)),
        encoding=stream.encoding, errors="replace", line_buffering=stream.isatty(),
    )


def output_is_utf8() -> bool:
    """Whether standard output has all characters."""
    encoding = None if sys.stdout is None else sys.stdout.encoding
    return encoding is None or codecs.lookup(encoding).name == "utf-8"


def refusal_of_output(error: BaseException) -> UserError | None:
    """That standard output takes no more, if that is what was raised; None for any other error.

    What waits to be written is given up, lest Python tries again as it ends.
    """
    if not isinstance(error, OSError) or error.filename != _OUTPUT:
        return None
    give_up_output()
    return UserError(
        f"the output cannot be written: {error.strerror}", where=_OUTPUT,
        fix="make room there, or write to another place", exit_code=EXIT_FAILED,
    )


def give_up_output() -> None:
    """Have nothing more written to standard output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def whole_output() -> Iterator[BinaryIO]:
    """Standard output, which is given nothing before all is there."""
    with tempfile.SpooledTemporaryFile(max_size=_HELD_BYTES) as held:
        yield cast("BinaryIO", held)
        held.seek(0)
        shutil.copyfileobj(held, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def read_input() -> str:
    """All of standard input.

    Raises
    ------
    UserError
        If it is closed, or no text in UTF-8.
    """
    if sys.stdin is None:
        raise UserError("there is no standard input", where=_INPUT, fix="give it a file or a pipe")
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise UserError(f"byte {error.start + 1} is not UTF-8 text", where=_INPUT) from None
