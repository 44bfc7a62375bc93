"""`imbalance doctor`: what is wrong with a home, and what to do about it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from imbalance.cli import output
from imbalance.cli.application import Application, subcommand
from imbalance.errors import EXIT_DONE, EXIT_FAILED, UserError

if TYPE_CHECKING:
    from imbalance.store.doctor import Diagnosis

MARKS = {"good": "ok", "warning": "warning", "problem": "PROBLEM"}


@subcommand("doctor")
def command(application: Application) -> int:
    """Look at versions, home, ledger, locks, disk, missing files, leftovers, runs nobody runs.

    It mends only leftovers of killed tasks older than an hour, and marks runs of Dagster as failed
    whose process on this machine is gone; for everything else it says what to do. Exit code 1 when
    there is a problem.

    \b
    Examples:
      imbalance doctor
      imbalance --home /data/warehouse --json doctor

    \b
    JSON: {"healthy", "diagnoses": [{"subject", "level", "what", "fix"}]}
    """
    from imbalance.store.doctor import Report, examine

    _ = application.config
    report = examine(application.home_path)
    if not any(one.subject == "ledger" and one.level == "problem" for one in report.diagnoses):
        # Whose runs they are is asked of the ledger too: without one, Dagster is not to blame.
        report = Report((*report.diagnoses, *_runs(application)))
    if application.json:
        output.write_json(
            {"healthy": report.healthy, "diagnoses": [asdict(d) for d in report.diagnoses]}
        )
    else:
        for diagnosis in report.diagnoses:
            what = diagnosis.what.partition("\n")[0]
            click.echo(f"{MARKS[diagnosis.level]:8} {diagnosis.subject}: {what}")
            if diagnosis.fix and diagnosis.level != "good":
                click.echo(f"{'':8} to do: {diagnosis.fix}")
    return EXIT_DONE if report.healthy else EXIT_FAILED


def _runs(application: Application) -> Iterator[Diagnosis]:
    """Fail the runs whose process is gone, where Dagster has ever been over this home."""
    from imbalance.cli.process import checkout, environment
    from imbalance.store.doctor import Diagnosis, has_room
    from imbalance.store.home import Home

    root = application.home_path
    if not (root / "dagster" / "dagster.yaml").is_file() or not os.access(root, os.W_OK):
        return  # none, or whoever may write to the home is to look
    try:
        checkout()
    except UserError:
        return  # only the library is installed: the runs are another machine's
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pipelines.instance", str(root)], check=False,
        env=environment(Home(root), application.config_path), capture_output=True, text=True,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        if not has_room(root):
            yield Diagnosis("runs", "problem", "Dagster's storage cannot be opened: the disk is "
                            "full", "make room, then look again")
            return
        yield Diagnosis("runs", "problem", f"Dagster's storage cannot be opened: "
                        f"{lines[-1] if lines else 'no word'}",
                        f"end what uses it, then remove {root / 'dagster'}: it holds the history "
                        "of runs, not the data")
        return
    failed = int(done.stdout.split()[-1])
    if failed:
        yield Diagnosis("runs", "warning", f"{failed} marked as failed, their processes are gone",
                        "imbalance run")
    else:
        yield Diagnosis("runs", "good", "none whose process is gone")
