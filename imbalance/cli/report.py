"""`imbalance report`: the HTML report of a home."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from imbalance.cli import output
from imbalance.cli.application import Application, subcommand
from imbalance.cli.progress import ProgressBar
from imbalance.errors import UserError


@subcommand("report")
@click.argument("out", required=False, type=click.Path(path_type=Path, dir_okay=False),
                metavar="[OUT.html]")
@click.option("--title", default="Order-flow imbalance", show_default=True)
def command(application: Application, out: Path | None, title: str) -> None:
    """Write one HTML file: what was ingested, imbalance against price, the studies, the warnings.

    The file needs nothing else and loads nothing: send it, print it, open it offline. Without
    OUT.html it is report.html in the home.

    \b
    Examples:
      imbalance report
      imbalance report august.html --title "August 2024"

    \b
    JSON: {"path", "size_bytes", "instruments", "findings", "warnings", "charts"}
    """
    summary = write(application, out, title)
    if application.json:
        output.write_json({
            "path": summary.path.absolute(), "size_bytes": summary.size_bytes,
            "instruments": summary.instruments, "findings": summary.findings,
            "warnings": summary.warnings, "charts": summary.charts,
        })
        return
    for sentence in summary.findings:
        click.echo(f"- {sentence}")
    click.echo(f"report: {summary.path.absolute()} ({output.size(summary.size_bytes)}, "
               f"{output.count(summary.charts, 'chart')}, "
               f"{output.count(len(summary.warnings), 'warning')})")


def write(application: Application, out: Path | None, title: str) -> Any:
    """Write the report of the home; returns its `ReportSummary`."""
    from imbalance.plan import make_plan
    from imbalance.report.build import write_report
    from imbalance.store.generations import list_generations

    store = application.store()
    if out is None:
        store.home.check_writable()
    path = out or store.home.root / "report.html"
    if not path.name:
        raise UserError("the file has no name", where="OUT.html", allowed="a file such as "
                        "report.html, or nothing, which is report.html in the home")
    if not path.absolute().parent.is_dir():
        raise UserError(
            f"there is no directory {str(path.parent)!r}", where="OUT.html",
            allowed="a file in a directory that exists",
        )
    current = [g.id for g in list_generations(store.home) if g.current]
    due = Counter(table for step in make_plan(store).due() for table in step.tables)
    with ProgressBar("report") as progress, store.session(described=False) as session:
        return write_report(
            session, path, title=title, generation=current[0] if current else None,
            due=due, progress=progress,
        )
