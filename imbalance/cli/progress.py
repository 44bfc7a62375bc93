"""One progress bar over long work: what is done and left of it, what flows, what is being done.

Figures that mean nothing where the work is are not shown. It draws on standard error and only on a
terminal, so that a pipe or a log stays clean.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

DRAW_SECONDS = 0.1

RATE_SECONDS = 5.0
"""Rates are over so long: what was read minutes ago says nothing of what is done now."""


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
        self._files = self._partitions = self._left = 0
        self._flow: deque[tuple[float, int, int]] = deque()  # when, bytes, events
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

    def begin(self, phase: str, partitions: int) -> None:
        """Say what kind of work begins, and of how many partitions, 0 when it is none of them."""
        self._files, self._total = 0, None
        self._partitions, self._left = 0, partitions
        self._note = ""
        self._flow.clear()
        self._title, self._began = phase, time.monotonic()
        if self._rich is not None and self._task is not None:
            self._rich.remove_task(self._task)
            self._task = self._rich.add_task(phase, total=partitions or None, figures="", note="")

    def advance(
        self, *, bytes: int = 0, events: int = 0, files: int = 0, partitions: int = 0,
        note: str | None = None,
    ) -> None:
        """Add to the figures and draw at most ten times a second."""
        now = time.monotonic()
        if bytes or events:
            self._flow.append((now, bytes, events))
        self._files += files
        self._partitions += partitions
        self._note = self._note if note is None else note
        if self._rich is not None and now - self._drawn >= DRAW_SECONDS:
            self._drawn = now
            self._draw()

    def expect(self, files: int) -> None:
        """Say how many files there are to do."""
        self._total = files

    def figures(self) -> str:
        """What is done and left, and what flows, as far as there is any of it."""
        now = time.monotonic()
        seconds = min(RATE_SECONDS, max(now - self._began, DRAW_SECONDS))
        while self._flow and self._flow[0][0] < now - RATE_SECONDS:
            self._flow.popleft()
        read, events = (sum(one[place] for one in self._flow) for place in (1, 2))
        shown = []
        if self._left:
            # A stretch of days in which one fails is done again day by day.
            done = min(self._partitions, self._left)
            shown.append(f"{done}/{self._left} partitions, {self._left - done} left")
        elif self._files or self._total is not None:
            of = "" if self._total is None else f"/{self._total}"
            shown.append(f"{self._files}{of} files")
        if read:
            shown.append(f"{read / seconds / 1e6:,.0f} MB/s")
        if events:
            shown.append(f"{events / seconds:,.0f} events/s")
        return " · ".join(shown)

    def _draw(self) -> None:
        if self._rich is None or self._task is None:
            return
        done, total = (
            (self._partitions, self._left) if self._left else (self._files, self._total)
        )
        self._rich.update(
            self._task, completed=done, total=total, figures=self.figures(), note=self._note
        )
