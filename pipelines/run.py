"""`python -m pipelines.run`: everything out of date in a home, in one process.

The definitions are loaded once, the ledger says what is stale, and each stretch of stale days is
one Dagster run over a range of partitions. A range that fails is done again day by day, so that one
bad day stops only what depends on it. What is computed is the assets' business.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from assets.studies import FAMILIES
from imbalance.config_file import load_config
from imbalance.errors import EXIT_FAILED, UserError, full_disk
from imbalance.outcome import outcome
from imbalance.plan import Plan, Step, check_range, due_study_days, make_plan, span_is_due
from imbalance.store.publishing import is_published
from imbalance.store.store import Store
from imbalance.studies.windows import SPAN
from imbalance.summary import has_bars
from imbalance.warehouse import PlainWarehouse
from pipelines.definitions import build_definitions, home_and_config
from pipelines.failures import failure_of, names_checks
from pipelines.instance import add_venues, fail_orphans, open_instance, process_tag
from pipelines.jobs import (
    PUBLICATION,
    SPAN_STUDIES,
    STUDIES,
    VENUE_DAYS,
    range_tags,
    stretches,
)
from pipelines.reconcile import reconcile
from pipelines.report import Reporter

EXIT_INTERRUPTED = 130


_INTERRUPTING = frozenset({signal.SIGINT, signal.SIGTERM})
"""Signals that Dagster makes an interruption of while it executes."""


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


class Run:
    """One run over a home.

    Parameters
    ----------
    home, config : as in the environment of the definitions.
    first, last, venue : limits of what is worked on; None for all.
    reporter : who is told.
    """

    def __init__(
        self, home: Path, config: Path | None, limits: dict[str, str | None], reporter: Reporter
    ) -> None:
        self.store = Store.open(home, config=load_config(config))
        self.limits = limits
        self.reporter = reporter
        self.home, self.config = home, config
        self.failures: list[dict[str, str]] = []
        self.interruptions = Interruptions()
        self.instance: dg.DagsterInstance
        self.definitions: dg.Definitions

    def execute(self) -> dict[str, Any]:
        """Bring everything up to date and publish; returns the summary.

        Raises
        ------
        KeyboardInterrupt
            If it was interrupted. Dagster tells that as a failure like any other, with the error
            that the interrupted thing made of it: DuckDB's is a RuntimeError.
        """
        try:
            return self._bring_up_to_date()
        except Exception as error:
            if self.interruptions.came():
                raise KeyboardInterrupt from error
            raise

    def _bring_up_to_date(self) -> dict[str, Any]:
        began = time.monotonic()
        plan = make_plan(self.store, **self.limits)
        first, last = self.limits["first"], self.limits["last"]
        check_range(plan, first, last, self.store.config.first_day)
        before = standing(self.store, plan.due())
        self.reporter.begin("starting Dagster", 0)
        with open_instance(self.store.home) as self.instance:
            add_venues(self.instance, plan.venue_days)
            fail_orphans(self.instance)
            warehouse = PlainWarehouse(self.store, self.reporter)
            self.definitions = build_definitions(self.home, self.config, warehouse)
            due = {venue: plan.due_days(venue) for venue in plan.venue_days}
            self._begin("captures to features", {VENUE_DAYS.name: sum(map(len, due.values()))})
            for venue, of_venue in due.items():
                for days in stretches(of_venue):
                    self._range(VENUE_DAYS.name, [f"{day}|{venue}" for day in days])
            self._studies()
            refusal = self._publish()
            reconcile(self.store, self.instance)
        after = make_plan(self.store, **self.limits)
        current = [step for step in after.steps if step.is_current]
        built = len(made(current, before, standing(self.store)))
        failures = _failures(after, self.failures)
        return {**outcome(self.store, "done", after, built, failures, began), **refusal}

    def _studies(self) -> None:
        # What the features have become decides which studies and derivative bars are due.
        plan = make_plan(self.store, **self.limits)
        days, span = due_study_days(self.store, plan), span_is_due(plan)
        self._begin("studies", {STUDIES.name: len(days), SPAN_STUDIES.name: span})
        for stretch in stretches(days):
            self._range(STUDIES.name, stretch)
        if span:
            self.failures += self._execute(SPAN_STUDIES.name, SPAN)

    def _begin(self, phase: str, partitions: Mapping[str, int]) -> None:
        """Say what begins: jobs with so many partitions for each of their steps that have some."""
        self.reporter.begin(phase, sum(
            count * sum(node.name != FAMILIES.to_python_identifier()
                        for node in self.definitions.resolve_job_def(job).nodes)
            for job, count in partitions.items() if count
        ))

    def _range(self, job: str, partitions: Sequence[str]) -> None:
        """One run for all; when it fails, one for each, which tells the good from the bad."""
        several = len(partitions) > 1
        whole = f"{partitions[0]} … {partitions[-1]}" if several else partitions[0]
        failures = self._execute(job, whole, range_tags(partitions[0], partitions[-1]))
        if failures and several:
            failures = []
            for partition in partitions:
                failures += self._execute(job, partition, range_tags(partition, partition))
        self.failures += failures

    def _execute(
        self, name: str, partition: str, tags: dict[str, str] | None = None
    ) -> list[dict[str, str]]:
        """Run a job; returns its failures."""
        job = self.definitions.resolve_job_def(name)
        run_id = str(uuid.uuid4())
        result = job.execute_in_process(
            instance=self.instance, run_id=run_id, raise_on_error=False,
            tags={**process_tag(run_id), **(tags or {})},
        )
        if self.interruptions.came():
            raise KeyboardInterrupt
        return [
            {"step": event.step_key or name, "partition": partition,
             "message": failure_of(event) or "failed"}
            for event in result.all_events if event.is_step_failure
        ]

    def _publish(self) -> dict[str, Any]:
        """Publish; a refusal is part of the summary, since everything else is done and kept."""
        if is_published(self.store) or not has_bars(self.store):
            return {}  # a home in which all failed has its own message
        self.reporter.begin("publishing", 0)
        job = self.definitions.resolve_job_def(PUBLICATION.name)
        try:
            run_id = str(uuid.uuid4())
            job.execute_in_process(
                instance=self.instance, run_id=run_id, tags=process_tag(run_id)
            )
        except Exception as error:
            refusal = _user_error(error)
            if refusal is None or self.interruptions.came():
                raise
            return refusal.as_dict()
        return {}


def standing(store: Store, due: Sequence[Step] = ()) -> dict[tuple[str, str], int]:
    """Sequence of every current partition by table and partition; of those that are due only where
    the file is there: a lost one that is made anew, with the same bytes, has the same entry.
    """
    doubtful = {(table, step.partition) for step in due for table in step.tables}
    return {
        (entry.table, entry.partition): entry.sequence
        for entries in store.ledger.all_partitions().values() for entry in entries.values()
        if (entry.table, entry.partition) not in doubtful
        or (entry.file and store.home.file(entry.file).is_file())
    }


def made(
    steps: Sequence[Step], before: Mapping[tuple[str, str], int],
    after: Mapping[tuple[str, str], int],
) -> list[Step]:
    """Steps that were made: not those that were due and found themselves unchanged, since their
    input came out the same.
    """
    new = {key for key, sequence in after.items() if before.get(key) != sequence}
    return [s for s in steps if any((table, s.partition) in new for table in s.tables)]


def _user_error(error: BaseException | None) -> UserError | None:
    """The refusal that a step raised, below what Dagster wraps around it."""
    seen: set[int] = set()  # Dagster's chains of exceptions can be circles
    while error is not None and id(error) not in seen:
        if isinstance(error, UserError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def _failures(plan: Plan, told: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """What this run has told, and what else stands in the ledger: failures of earlier runs, and
    what a failed check said, where Dagster has told only which.
    """
    standing = [{"step": step.layer, "partition": step.partition, "message": step.message}
                for step in plan.steps if step.state == "failed"]
    partitions = {one["partition"] for one in standing}
    kept = [one for one in told
            if one["partition"] not in partitions or not names_checks(one["message"])]
    spoken = {one["partition"] for one in kept}
    return [*kept, *(one for one in standing if one["partition"] not in spoken)]


def end_with_parent() -> None:
    """Interrupt this process when its standard input closes: whoever started it is gone."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the options of the command line; everything is told on standard output."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.run", description=__doc__)
    parser.add_argument("--from", dest="first", metavar="DAY")
    parser.add_argument("--to", dest="last", metavar="DAY")
    parser.add_argument("--venue")
    parser.add_argument("--end-with-parent", action="store_true",
                        help="stop when standard input closes")
    options = parser.parse_args(arguments)
    reporter = Reporter.on_standard_output()
    if options.end_with_parent:
        end_with_parent()
    home, config = home_and_config()
    limits = {"first": options.first, "last": options.last, "venue": options.venue}
    try:
        summary = Run(home, config, limits, reporter).execute()
    except UserError as error:
        traceback.print_exc()
        summary = error.as_dict()
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        summary = {"error": "interrupted", "exit_code": EXIT_INTERRUPTED}
    except Exception as error:  # noqa: BLE001 - told to whoever started this; the trace is in the log
        traceback.print_exc()
        full = full_disk(error, str(home))
        first = (str(error).splitlines() or [""])[0]
        summary = full.as_dict() if full else {
            "error": f"{type(error).__name__}: {first}", "exit_code": EXIT_FAILED
        }
    reporter.result(summary)
    return int(summary["exit_code"])


if __name__ == "__main__":
    sys.exit(main())
