"""`imbalance doctor`: what is wrong with a home, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict

import click

from imbalance.cli import output
from imbalance.cli.application import Application, subcommand
from imbalance.errors import EXIT_DONE, EXIT_FAILED

MARKS = {"good": "ok", "warning": "warning", "problem": "PROBLEM"}


@subcommand("doctor")
def command(application: Application) -> int:
    """Look at versions, home, ledger, locks, disk, missing files and leftovers.

    It mends only leftovers of killed tasks older than an hour; for everything else it says what to
    do. Exit code 1 when there is a problem.

    \b
    Examples:
      imbalance doctor
      imbalance --home /data/warehouse --json doctor

    \b
    JSON: {"healthy", "diagnoses": [{"subject", "level", "what", "fix"}]}
    """
    from imbalance.store.doctor import examine

    _ = application.config
    report = examine(application.home_path)
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
