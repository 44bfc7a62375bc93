"""Processes that execute pieces of a run side by side.

Each has its own definitions, instance and store: what they share is on the disk, where any number
of them may work at once. They end with the process that started them, however that ended.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from imbalance.config_file import load_config
from imbalance.errors import EXIT_FAILED, EXIT_INTERRUPTED, UserError
from imbalance.machine import SideBySide
from imbalance.store.store import Store
from pipelines.instance import open_instance
from pipelines.pieces import Failure, Interruptions, Piece, Workplace
from pipelines.report import Reporter

LOOK_SECONDS = 0.25
"""How often it is looked whether this process was interrupted."""

GRACE_SECONDS = 10.0
"""How long a process may go on that was interrupted, or whose parent is gone."""


class Crew:
    """So many processes, started as there is work for them.

    Parameters
    ----------
    size : the most of them.
    home, config, run, interruptions : as of `Workplace`.
    reporter : what they tell goes where it tells.

    Raises
    ------
    OSError
        Where the system has no place for what processes share.
    """

    def __init__(
        self, size: int, home: Path, config: Path | None, run: str, reporter: Reporter,
        interruptions: Interruptions,
    ) -> None:
        self._interruptions = interruptions
        # Not by forking this process, whose threads would be missing: one without any imports what
        # all of them need, and they are forked from it.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["pipelines.pieces", "numba", "matplotlib.figure"])
        forkserver.ensure_running()
        self._pool = ProcessPoolExecutor(
            size, context, initializer=_begin, initargs=(size, home, config, run, reporter)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._interruptions.only_noted():
            if kind is None:
                self._pool.shutdown()
            else:
                self._end()

    def _end(self) -> None:
        """Interrupt the processes; those that do not end are killed, which leaves nothing half."""
        processes = multiprocessing.active_children()
        for pid in [one.pid for one in processes if one.pid is not None]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        self._pool.shutdown(wait=False, cancel_futures=True)
        until = time.monotonic() + GRACE_SECONDS
        for process in processes:
            process.join(max(0.0, until - time.monotonic()))
        for process in processes:
            process.kill()
            process.join()

    def execute(self, pieces: Sequence[Piece]) -> list[Failure]:
        """Execute pieces, begun in their order; returns what failed.

        Raises
        ------
        KeyboardInterrupt
            If this process was interrupted.
        UserError
            If one of the others was, or was killed.
        """
        failures: list[Failure] = []
        with self._interruptions.only_noted():
            try:
                left = {self._pool.submit(_execute, piece) for piece in pieces}
                while left:
                    done, left = wait(left, LOOK_SECONDS, FIRST_COMPLETED)
                    failures += [failure for one in done for failure in one.result()]
                    if self._interruptions.came():
                        raise KeyboardInterrupt
            except BrokenProcessPool:
                raise UserError(
                    "a process of the run ended before its time: it was interrupted or killed, "
                    "most often since memory was short",
                    fix="run the same command again: what was finished is kept; where memory is "
                    "short, with processes = 1 under [run] of the settings", exit_code=EXIT_FAILED,
                ) from None
        return failures


class _Worker:
    """What this process is, when it is one of a crew."""

    workplace: ClassVar[Workplace]
    reporter: ClassVar[Reporter]


def _begin(size: int, home: Path, config: Path | None, run: str, reporter: Reporter) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    interruptions = Interruptions()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    SideBySide.processes = size
    store = Store.open(home, config=load_config(config))
    _Worker.reporter = reporter
    _Worker.workplace = Workplace(
        home, config, store, open_instance(store.home), run, reporter, interruptions
    )


def _execute(piece: Piece) -> list[Failure]:
    try:
        return _Worker.workplace.execute(piece)
    except KeyboardInterrupt:
        os._exit(EXIT_INTERRUPTED)  # whoever waits for it may be gone, or have forgotten it
    finally:
        _Worker.reporter.flush()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE_SECONDS)
    os._exit(1)
