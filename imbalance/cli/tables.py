"""`imbalance tables`: what can be queried."""

from __future__ import annotations

from typing import Any

import click

from imbalance import catalog
from imbalance.cli import output
from imbalance.cli.application import Application, subcommand


@subcommand("tables")
def command(application: Application) -> None:
    """List the tables with their grain and, where there is a home, what they hold.

    \b
    Examples:
      imbalance tables
      imbalance tables --json
      imbalance describe features.bars_1s      what its columns mean

    \b
    JSON: {"tables": [{"table", "grain", "key", "published", "columns",
                       "partitions", "rows", "view_of", "description"}]}
    """
    held: dict[str, Any] = {}
    if (application.home_path / "ledger.sqlite").exists():
        ledger = application.store().ledger
        held = {name: ledger.partitions(name) for name in catalog.tables()}
    documents = [
        {
            "table": table.name,
            "grain": table.grain,
            "key": list(table.key),
            "published": table.published,
            "columns": len(table.columns),
            "partitions": len(held.get(table.name, {})),
            "rows": sum(entry.row_count for entry in held.get(table.name, {}).values()),
            "view_of": catalog.VIEW_OF.get(table.name),
            "description": table.description,
        }
        for table in (*catalog.tables().values(), *catalog.views().values())
    ]
    if application.json:
        output.write_json({"tables": documents})
        return
    rows = [
        [
            d["table"], d["grain"], "yes" if d["published"] else "", d["columns"],
            *((d["partitions"], d["rows"]) if d["view_of"] is None else ("view", "")),
        ]
        for d in documents
    ]
    click.echo(output.table(["table", "one row per", "published", "columns", "partitions", "rows"],
                            rows, width=40))
    if not held:
        click.echo(f"\nno home at {application.home_path} yet: imbalance run CAPTURES…")
