"""`python -m pipelines.run`: everything out of date in a home, on all cores.

The ledger says what is stale. A stretch of stale days of a venue is one Dagster run over a range of
partitions, and so is that of a study: such pieces wait for nothing of each other, and are executed
side by side. What is computed is the assets' business.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg

from assets.features import DAY_ASSETS as DERIVATIVE_BARS
from assets.studies import FAMILIES, steps
from imbalance.config_file import load_config
from imbalance.errors import EXIT_FAILED, EXIT_INTERRUPTED, UserError, full_disk
from imbalance.machine import processes_at_once
from imbalance.outcome import outcome
from imbalance.plan import Plan, Step, check_range, due_study_days, make_plan, span_is_due
from imbalance.store.publishing import is_published
from imbalance.store.store import Store
from imbalance.summary import has_bars
from pipelines.crew import Crew
from pipelines.definitions import home_and_config
from pipelines.failures import names_checks
from pipelines.instance import add_venues, fail_orphans, open_instance
from pipelines.jobs import PUBLICATION, SPAN_STUDIES, STUDIES, VENUE_DAYS, parts, stretches
from pipelines.pieces import Failure, Interruptions, Piece, Workplace
from pipelines.reconcile import reconcile
from pipelines.report import Reporter

LONGEST = ("dependence", "correlation", "connectedness", "coherence")
"""Studies begun with, the longest first, so that at the end no process waits for one of them."""


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
        self.id = str(uuid.uuid4())
        self.failures: list[Failure] = []
        self.interruptions = Interruptions()
        self.instance: dg.DagsterInstance
        self.workplace: Workplace
        self.crew: Crew | None = None

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
            self.workplace = Workplace(self.home, self.config, self.store, self.instance, self.id,
                                       self.reporter, self.interruptions)
            self._make(plan)
            refusal = self._publish()
            reconcile(self.store, self.instance)
        after = make_plan(self.store, **self.limits)
        current = [step for step in after.steps if step.is_current]
        built = len(made(current, before, standing(self.store)))
        failures = _failures(after, [asdict(one) for one in self.failures])
        return {**outcome(self.store, "done", after, built, failures, began), **refusal}

    def _make(self, plan: Plan) -> None:
        """Everything but the publication."""
        with ExitStack() as ending:
            processes = processes_at_once(self.store.config)
            if processes > 1:
                # Runs that a process had begun when it was interrupted are under way no more.
                ending.callback(fail_orphans, self.instance)
                self.crew = self._crew(processes, ending)
            self._venues(plan)
            # What the features have become decides which studies and derivative bars are due.
            self._studies(make_plan(self.store, **self.limits), processes)

    def _crew(self, processes: int, ending: ExitStack) -> Crew | None:
        """Processes that work side by side; none where the system has no place for what they share:
        a socket whose path is too long, no shared memory. This one then does all the work.
        """
        try:
            crew = Crew(processes, self.home, self.config, self.id, self.reporter,
                        self.interruptions)
        except OSError:
            traceback.print_exc()
            return None
        return ending.enter_context(crew)

    def _venues(self, plan: Plan) -> None:
        due = {venue: plan.due_days(venue) for venue in plan.venue_days}
        self._begin("captures to features", {VENUE_DAYS.name: sum(map(len, due.values()))})
        self._execute([
            Piece(VENUE_DAYS.name, tuple(f"{day}|{venue}" for day in days))
            for venue, of_venue in due.items() for days in stretches(of_venue)
        ])

    def _studies(self, plan: Plan, processes: int) -> None:
        days, span = due_study_days(self.store, plan), span_is_due(plan)
        self._begin("studies", {STUDIES.name: len(days), SPAN_STUDIES.name: span})
        before = (FAMILIES, *DERIVATIVE_BARS)
        failed = {one.partition for one in self._execute(
            [Piece(STUDIES.name, tuple(stretch), before) for stretch in stretches(days)]
        )}
        some_days = [part for stretch in stretches([day for day in days if day not in failed])
                     for part in parts(stretch, processes)]
        self._execute([Piece(STUDIES.name, tuple(part), of_study, name)
                       for name, of_study in _longest_first(steps("day")) for part in some_days])
        if span and not self._execute([Piece(SPAN_STUDIES.name, assets=(FAMILIES,))]):
            self._execute([Piece(SPAN_STUDIES.name, (), of_study, name)
                           for name, of_study in _longest_first(steps("span"))])

    def _begin(self, phase: str, partitions: Mapping[str, int]) -> None:
        """Say what begins: jobs with so many partitions for each of their steps that have some."""
        self.reporter.begin(phase, sum(
            count * sum(node.name != FAMILIES.to_python_identifier()
                        for node in self.workplace.job(job).nodes)
            for job, count in partitions.items() if count
        ))

    def _execute(self, pieces: Sequence[Piece]) -> list[Failure]:
        """Execute pieces, side by side where there are several; returns and keeps what failed."""
        if self.crew is not None and len(pieces) > 1:
            failures = self.crew.execute(pieces)
        else:
            failures = [one for piece in pieces for one in self.workplace.execute(piece)]
        self.failures += failures
        return failures

    def _publish(self) -> dict[str, Any]:
        """Publish; a refusal is part of the summary, since everything else is done and kept."""
        if is_published(self.store) or not has_bars(self.store):
            return {}  # a home in which all failed has its own message
        self.reporter.begin("publishing", 0)
        try:
            self.workplace.launch(PUBLICATION.name, raise_on_error=True)
        except Exception as error:
            refusal = _user_error(error)
            if refusal is None or self.interruptions.came():
                raise
            return refusal.as_dict()
        return {}


def _longest_first(
    of: Mapping[str, tuple[dg.AssetKey, ...]]
) -> list[tuple[str, tuple[dg.AssetKey, ...]]]:
    """Studies and their steps in the order in which they are begun."""
    return [(name, of[name]) for name in dict.fromkeys((*LONGEST, *of)) if name in of]


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
    # Dagster takes it for an interruption while it executes; so it is while its processes do.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
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
