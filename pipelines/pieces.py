"""Pieces of a run, each a run of Dagster over a range of partitions, and what executes them.

A range that fails is done again partition by partition, so that one bad day stops only what depends
on it. What is computed is the assets' business, and which pieces there are that of `run`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from imbalance.progress import Progress
from imbalance.store.store import Store
from imbalance.studies.windows import SPAN
from imbalance.warehouse import PlainWarehouse
from pipelines.definitions import build_definitions
from pipelines.failures import failure_of
from pipelines.instance import RUN_TAG, process_tag
from pipelines.jobs import range_tags

STUDY_TAG = "imbalance/study"
"""Tag by which the runs of the studies are told from one another."""

_INTERRUPTING = frozenset({signal.SIGINT, signal.SIGTERM})
"""Signals that Dagster makes an interruption of while it executes."""


@dataclass(frozen=True)
class Piece:
    """Something that is executed by itself.

    Parameters
    ----------
    job : name of the job.
    partitions : a range of them, in order; none for what has no partitions.
    assets : those it is limited to; empty: all of the job.
    study : whose they are; empty: of none.
    """

    job: str
    partitions: tuple[str, ...] = ()
    assets: tuple[dg.AssetKey, ...] = ()
    study: str = ""


@dataclass(frozen=True)
class Failure:
    """A step that failed on a partition, or on a range of them."""

    step: str
    partition: str
    message: str


class Interruptions:
    """Whether this process has been interrupted, whoever's handler of the signal was in place and
    whatever has become of what it raised.
    """

    def __init__(self) -> None:
        self._signals, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        self._came = False

    def came(self) -> bool:
        """Whether it has, since this was made."""
        with contextlib.suppress(BlockingIOError):
            self._came |= not _INTERRUPTING.isdisjoint(os.read(self._signals, 4096))
        return self._came

    @contextlib.contextmanager
    def only_noted(self) -> Iterator[None]:
        """Where they raise nothing: an exception in the midst of code that was not made for it may
        leave a lock taken for ever.
        """
        before = {one: signal.signal(one, lambda *_: None) for one in _INTERRUPTING}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


class Workplace:
    """What a process needs to execute pieces: the definitions of a home and an open instance.

    Parameters
    ----------
    home, config : as in the environment of the definitions.
    run : what the pieces are tagged with.
    """

    def __init__(
        self, home: Path, config: Path | None, store: Store, instance: dg.DagsterInstance,
        run: str, progress: Progress, interruptions: Interruptions,
    ) -> None:
        self._definitions = build_definitions(home, config, PlainWarehouse(store, progress))
        self._instance, self._run, self._interruptions = instance, run, interruptions

    def job(self, name: str) -> dg.JobDefinition:
        """A job of the definitions."""
        return self._definitions.resolve_job_def(name)

    def execute(self, piece: Piece) -> list[Failure]:
        """One Dagster run for the piece; where it fails, one for each partition, which tells the
        good from the bad.

        Raises
        ------
        KeyboardInterrupt
            If this process was interrupted.
        """
        of = piece.partitions
        failures = self._execute(piece, of)
        if failures and len(of) > 1:
            failures = [one for partition in of for one in self._execute(piece, (partition,))]
        return failures

    def launch(
        self, job: str, tags: Mapping[str, str] | None = None,
        assets: Sequence[dg.AssetKey] = (), *, raise_on_error: bool = False,
    ) -> dg.ExecuteInProcessResult:
        """A run of Dagster in this process, known as its own and as part of the `imbalance run`."""
        run_id = str(uuid.uuid4())
        return self.job(job).execute_in_process(
            instance=self._instance, run_id=run_id, raise_on_error=raise_on_error,
            asset_selection=list(assets) or None,
            tags={RUN_TAG: self._run, **process_tag(run_id), **(tags or {})},
        )

    def _execute(self, piece: Piece, partitions: Sequence[str]) -> list[Failure]:
        tags = range_tags(partitions[0], partitions[-1]) if partitions else {}
        if piece.study:
            tags[STUDY_TAG] = piece.study
        where = " … ".join(dict.fromkeys((*partitions[:1], *partitions[-1:]))) or SPAN
        result = self.launch(piece.job, tags, piece.assets)
        if self._interruptions.came():
            raise KeyboardInterrupt
        return [
            Failure(event.step_key or piece.job, where, failure_of(event) or "failed")
            for event in result.all_events if event.is_step_failure
        ]
