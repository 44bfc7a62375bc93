"""What a run process says to whoever started it: JSON lines on the original standard output.

Lines are `{"say": "phase", …}` where the kind of work changes, `{"say": "progress", …}`, at most
ten a second, and at the end one `{"say": "result", …}`. Everything else that is printed goes to
standard error.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from multiprocessing import reduction
from typing import Any

PROGRESS_SECONDS = 0.1
FIGURES = ("bytes", "events", "files", "partitions")


class Reporter:
    """A `Progress` that writes lines to a file descriptor.

    Parameters
    ----------
    descriptor : where lines go.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._sums = dict.fromkeys(FIGURES, 0)
        self._note: str | None = None
        self._said = 0.0

    @classmethod
    def on_standard_output(cls) -> Reporter:
        """Take standard output for the lines; what others print goes to standard error."""
        descriptor = os.dup(1)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        return cls(descriptor)

    def __reduce__(self) -> tuple[Any, ...]:
        # To a process that is started: it writes to the same pipe, a line at a time.
        return _of_duplicate, (reduction.DupFd(self._descriptor),)

    def advance(
        self, *, bytes: int = 0, events: int = 0, files: int = 0, partitions: int = 0,
        note: str | None = None,
    ) -> None:
        """Gather figures; say them when the last word was long enough ago."""
        with self._lock:
            for name, value in zip(FIGURES, (bytes, events, files, partitions), strict=True):
                self._sums[name] += value
            self._note = self._note if note is None else note
            if time.monotonic() - self._said >= PROGRESS_SECONDS:
                self._flush()

    def begin(self, phase: str, partitions: int) -> None:
        """Say what kind of work begins, and how many partitions it is."""
        with self._lock:
            self._flush()
            self._say({"say": "phase", "phase": phase, "partitions": partitions})

    def flush(self) -> None:
        """Say what has been gathered."""
        with self._lock:
            self._flush()

    def result(self, document: dict[str, Any]) -> None:
        """The last line."""
        with self._lock:
            self._flush()
            self._say({"say": "result", **document})

    def _flush(self) -> None:
        self._said = time.monotonic()
        note = {} if self._note is None else {"note": self._note}
        self._say({"say": "progress", **self._sums, **note})
        self._sums = dict.fromkeys(self._sums, 0)
        self._note = None

    def _say(self, document: dict[str, Any]) -> None:
        try:
            os.write(self._descriptor, json.dumps(document).encode() + b"\n")
        except BrokenPipeError:
            # Whoever listened is gone; the watcher of standard input ends the run.
            self._descriptor = os.open(os.devnull, os.O_WRONLY)


def _of_duplicate(descriptor: Any) -> Reporter:
    return Reporter(descriptor.detach())
