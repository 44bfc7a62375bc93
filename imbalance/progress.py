"""What long work tells about itself while it runs. Drawing it is the command line's business."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener of long work. All figures are increments since the last call."""

    def advance(
        self, *, bytes: int = 0, events: int = 0, files: int = 0, partitions: int = 0,
        note: str | None = None,
    ) -> None:
        """Take note of bytes read, events produced, files and partitions finished, and what is
        being done.
        """


class Silent:
    """A listener that ignores everything."""

    def advance(
        self, *, bytes: int = 0, events: int = 0, files: int = 0, partitions: int = 0,
        note: str | None = None,
    ) -> None:
        """Do nothing."""


SILENT = Silent()
