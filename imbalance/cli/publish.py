"""`imbalance publish`: validate what is current and release it."""

from __future__ import annotations

import click

from imbalance.cli import output
from imbalance.cli.application import Application, subcommand
from imbalance.cli.progress import ProgressBar


@subcommand("publish")
@click.option("--patience", type=click.FloatRange(min=0), metavar="SECONDS",
              help="How long to wait for another publisher; see [publish] in the settings.")
def command(application: Application, patience: float | None) -> None:
    """Validate what is current in the home and release it as a generation.

    What breaks a rule of the registry is not published: the previous generation stays, the rows are
    kept, and the exit code is 3. Another publisher at work: exit code 4. `imbalance run` publishes
    by itself; this is for after a refusal has been dealt with.

    \b
    Examples:
      imbalance publish
      imbalance publish --patience 600
      imbalance sql "select count(*) from features.bars_1s" -g current

    \b
    JSON: {"generation", "new", "path", "rows": {table: rows}}
    """
    from imbalance.store.publishing import publish

    with ProgressBar("publish") as progress:
        generation = publish(application.store(), patience=patience, progress=progress)
    if application.json:
        output.write_json({
            "generation": generation.id, "new": generation.new, "path": generation.path,
            "rows": generation.rows,
        })
    elif generation.new:
        rows = sum(generation.rows.values())
        click.echo(f"published generation {generation.id}: {rows:,} rows in "
                   f"{len(generation.rows)} tables")
    else:
        click.echo(f"nothing to do: generation {generation.id} is what is current")
