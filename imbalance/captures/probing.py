"""Files looked into ahead of their registration, several at a time: inflating takes one core each.

What is found out of a file is `probe`'s matter, what becomes of it `register`'s.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

from imbalance.captures.probe import Probe, probe
from imbalance.config import NamedSettings

_MOST = 8
"""Files at a time, however many cores there are: each takes some 20 MB."""


class Probing:
    """Probes of files, begun in their order before they are asked for. A context: what is under way
    at its end is given up, archives apart.

    Parameters
    ----------
    files : those that will be asked for, in that order.
    form, venue, own : what each is taken for, as `probe` is told.
    """

    def __init__(
        self, files: Iterable[Path], form: str | None, venue: str | None,
        own: Mapping[str, NamedSettings],
    ) -> None:
        self._files = deque(files)
        self._queued = set(self._files)
        self._arguments = form, own, venue
        self._stopped = threading.Event()
        self._most = min(os.cpu_count() or 1, _MOST)
        self._pool = ThreadPoolExecutor(self._most, thread_name_prefix="probe")
        self._begun: dict[Path, Future[tuple[os.stat_result, Probe]]] = {}

    def of(self, path: Path) -> tuple[os.stat_result, Probe]:
        """What a file is, and its status before it was looked into: what it becomes meanwhile is
        told by its next one. Raises what `probe` does.
        """
        if path not in self._queued:
            return self._look(path)
        while self._files and (len(self._begun) < self._most or path not in self._begun):
            following = self._files.popleft()
            self._begun[following] = self._pool.submit(self._look, following)
        self._queued.discard(path)
        return self._begun.pop(path).result()

    def _look(self, path: Path) -> tuple[os.stat_result, Probe]:
        return path.stat(), probe(path, *self._arguments, stopped=self._stopped)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._pool.shutdown(cancel_futures=True)
