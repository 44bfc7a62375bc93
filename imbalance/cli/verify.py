"""`imbalance verify`: every byte against its hash."""

from __future__ import annotations

from dataclasses import asdict

import click

from imbalance.cli import output
from imbalance.cli.application import Application, subcommand
from imbalance.cli.progress import ProgressBar
from imbalance.errors import EXIT_DONE, EXIT_FAILED


@subcommand("verify")
def command(application: Application) -> int:
    """Hash every partition file, generation and capture again and compare.

    Readers of Parquet take most damage for data, so this is how it is found. Nothing is changed.
    Exit code 1 when something is damaged or may not be read, or a file of a table or of a
    generation is missing; a capture that is no longer there is only noted.

    \b
    Examples:
      imbalance verify
      imbalance --home /data/warehouse --json verify

    \b
    JSON: {"whole", "files", "bytes", "damaged": [{"path", "what", "fix"}],
           "missing_captures": [path]}
    """
    from imbalance.store.verify import verify

    with ProgressBar("verify") as progress:
        found = verify(application.home(), progress)
    if application.json:
        output.write_json({"whole": found.whole, **asdict(found)})
    else:
        for damage in found.damaged:
            click.echo(f"DAMAGED {damage.path}: {damage.what}\n        to do: {damage.fix}")
        for path in found.missing_captures:
            click.echo(f"note: the capture {path} is no longer there")
        state = "all whole" if found.whole else f"{len(found.damaged)} damaged"
        click.echo(f"{output.count(found.files, 'file')}, {output.size(found.bytes)}: {state}")
    return EXIT_DONE if found.whole else EXIT_FAILED
