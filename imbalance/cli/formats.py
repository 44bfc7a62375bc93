"""`imbalance formats`: which captures are understood, and how they are told apart."""

from __future__ import annotations

import click

from imbalance.cli import output
from imbalance.cli.application import Application, subcommand


@subcommand("formats")
def command(application: Application) -> None:
    """List the formats of captures, with the layouts of those that have several.

    A file's format is told by its content: compression, first lines, columns. `imbalance ingest
    --format` takes a file for one of these whatever it looks like. Formats of your own,
    `[formats.NAME]` of the configuration, come first: docs/captures.md tells how to write one.

    \b
    Examples:
      imbalance formats
      imbalance ingest --format tables odd-name.csv
      imbalance venues                     what is decoded of each venue

    \b
    JSON: {"formats": [{"format", "own", "looks_like", "layouts": [..]}], "compressions": [..]}
    """
    from imbalance.captures.compression import COMPRESSIONS
    from imbalance.captures.formats.registry import formats
    from imbalance.captures.formats.tables import layouts

    own = application.config.formats
    documents = [
        {
            "format": name, "own": name in own,
            "looks_like": one.example,
            "layouts": sorted(layouts()) if name in ("tables", "parquet") else [],
        }
        for name, one in formats(own).items()
    ]
    if application.json:
        output.write_json({"formats": documents, "compressions": list(COMPRESSIONS)})
        return
    rows = [[d["format"], d["looks_like"]] for d in documents]
    click.echo(output.table(["format", "looks like"], rows, width=90))
    click.echo(f"\nlayouts of tables: {', '.join(sorted(layouts()))}")
    click.echo(f"compressions: {', '.join(COMPRESSIONS)}, told by content")
