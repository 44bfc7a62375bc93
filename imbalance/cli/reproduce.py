"""`imbalance reproduce`: a generation made again from its captures, and compared."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from imbalance.cli import complete, output
from imbalance.cli.application import Application, subcommand
from imbalance.errors import EXIT_DONE, EXIT_FAILED, UserError, cannot_write

SHOWN = 20


@subcommand("reproduce")
@click.argument("generation", metavar="G", default="current",
                shell_complete=complete.generations)
@click.option("--in", "scratch", type=click.Path(path_type=Path, file_okay=False),
              help="A new directory to make its home in, which is kept; else one that is removed.")
def command(application: Application, generation: str, scratch: Path | None) -> int:
    """Make a generation again from its captures, in a home of its own, and compare the rows.

    With the captures, the settings and the days of the generation. The hash of the rows of every
    partition must be the same; exit code 1 when one is not. By another version of this program
    they may rightly differ: the tables defined otherwise today are named.

    \b
    Examples:
      imbalance reproduce
      imbalance reproduce ID --in /tmp/again
      imbalance --json reproduce ID

    \b
    JSON: {"generation", "same", "partitions", "redefined": [table],
           "mismatches": [{"table", "partition", "expected", "found"}]}
    """
    from imbalance.cli.run import run
    from imbalance.config_file import to_toml
    from imbalance.store import reproduction
    from imbalance.store.generations import find_generation
    from imbalance.store.manifest import read_manifest

    store = application.store()
    found = find_generation(store.home, None if generation == "current" else generation)
    manifest = read_manifest(found.path)
    if scratch is not None:
        _check_new(scratch)
    captures = reproduction.capture_files(store.ledger, manifest)
    with _home(scratch) as home:
        config = application.config_path
        if manifest.settings:
            config = home / "settings.toml"
            config.write_text(to_toml(manifest.settings), encoding="utf-8")
        again = Application(home / "home", config, application.json)
        run(again, captures, *reproduction.days(manifest))
        compared = reproduction.compare_rows(manifest, again.store().ledger, store.tables)
    if application.json:
        output.write_json({"generation": found.id, "same": compared.same, **asdict(compared)})
    else:
        for one in compared.mismatches[:SHOWN]:
            what = "was not made" if one.found is None else f"has rows {one.found[:12]}"
            click.echo(f"{one.table} [{one.partition}] {what}, not {one.expected[:12]}")
        for name in compared.redefined:
            click.echo(f"note: {name} is defined otherwise today")
        click.echo(f"{found.id}: {output.count(compared.partitions, 'partition')}, "
                   + ("all rows the same" if compared.same
                      else f"{len(compared.mismatches)} differ"))
    return EXIT_DONE if compared.same else EXIT_FAILED


def _check_new(scratch: Path) -> None:
    """Refuse a directory in which there is something already."""
    try:
        held = next(scratch.iterdir(), None)
    except FileNotFoundError:
        return
    except OSError as error:
        raise cannot_write(scratch, error, "--in") from None
    if held is not None:
        raise UserError(f"{str(scratch)!r} is not empty: it holds {held.name!r}", where="--in",
                        allowed="a new or empty directory", fix="name another directory")


@contextmanager
def _home(scratch: Path | None) -> Iterator[Path]:
    if scratch is not None:
        try:
            (scratch / "home").mkdir(parents=True)
        except OSError as error:
            raise cannot_write(scratch, error, "--in") from None
        yield scratch
        return
    directory = Path(tempfile.mkdtemp(prefix="imbalance-reproduce-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
