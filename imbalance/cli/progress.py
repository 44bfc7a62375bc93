"""One progress bar over long work: files, MB/s, events/s and what is being done.

It draws on standard error and only on a terminal, so that a pipe or a log stays clean.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

DRAW_SECONDS = 0.1


class ProgressBar:
    """A `Progress` drawn by rich; silent when standard error is no terminal.

    Parameters
    ----------
    title : what the bar begins with.
    files : files to be done, None when not known.
    """

    def __init__(self, title: str, files: int | None = None) -> None:
        self._title = title
        self._total = files
        self._rich: RichProgress | None = None
        self._task: TaskID | None = None
        self._bytes = self._events = self._files = 0
        self._note = ""
        self._began = self._drawn = time.monotonic()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._rich = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[figures]}"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[note]}", markup=False),
                console=Console(stderr=True),
                transient=True,
            )
            self._rich.start()
            self._task = self._rich.add_task(self._title, total=self._total, figures="", note="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._rich is not None:
            self._draw()
            self._rich.stop()

    def advance(
        self, *, bytes: int = 0, events: int = 0, files: int = 0,
        note: str | None = None,
    ) -> None:
        """Add to the figures and draw at most ten times a second."""
        self._bytes += bytes
        self._events += events
        self._files += files
        self._note = self._note if note is None else note
        now = time.monotonic()
        if self._rich is not None and now - self._drawn >= DRAW_SECONDS:
            self._drawn = now
            self._draw()

    def expect(self, files: int) -> None:
        """Say how many files there are to do."""
        self._total = files

    def _draw(self) -> None:
        if self._rich is None or self._task is None:
            return
        seconds = max(time.monotonic() - self._began, 1e-3)
        of = f"/{self._total}" if self._total is not None else ""
        figures = (
            f"{self._files}{of} files · {self._bytes / seconds / 1e6:,.0f} MB/s · "
            f"{self._events / seconds:,.0f} events/s"
        )
        self._rich.update(
            self._task, completed=self._files, total=self._total, figures=figures, note=self._note
        )
