"""`imbalance generations`: what has been published."""

from __future__ import annotations

import click

from imbalance.cli import output
from imbalance.cli.application import Application, subcommand


@subcommand("generations")
def command(application: Application) -> None:
    """List the published generations, oldest first. A generation never changes.

    \b
    Examples:
      imbalance generations
      imbalance sql "from features.bars_1s" --generation ID

    \b
    JSON: {"generations": [{"id", "number", "created_at", "ledger_sequence",
                            "current", "path", "rows": {table: rows}}]}
    """
    from imbalance.store.generations import list_generations

    found = list_generations(application.home())
    if application.json:
        output.write_json({
            "generations": [
                {"id": g.id, "number": g.number, "created_at": g.created_at,
                 "ledger_sequence": g.ledger_sequence, "current": g.current, "path": g.path,
                 "rows": g.rows}
                for g in found
            ]
        })
        return
    if not found:
        click.echo("nothing has been published yet: imbalance publish")
        return
    click.echo(output.table(
        ["generation", "published", "ledger", "rows", ""],
        [[g.id, g.created_at, g.ledger_sequence, sum(g.rows.values()),
          "current" if g.current else ""] for g in found],
    ))
